"""Versions on the Hub: commits, tags, collections, cards that people edit, and calls that fail."""
