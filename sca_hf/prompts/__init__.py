"""System texts, exemplars and the prompts made of them."""
