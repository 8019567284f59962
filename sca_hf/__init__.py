"""SelfCodeAlign on Hugging Face datasets: a base model writes its own instruction data, execution checks it."""

__version__ = "0.1.0"
