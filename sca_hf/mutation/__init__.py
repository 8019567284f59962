"""Mutants of a response: programs that differ from it in one thing, which its tests should notice."""
