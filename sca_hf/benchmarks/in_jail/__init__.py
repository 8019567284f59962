"""Sources that are sent into a jail as text, before an answer: nothing here is imported by the project."""
