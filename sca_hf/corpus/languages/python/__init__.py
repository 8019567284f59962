"""Python: its functions, what a broken file still holds, types, and rules of its own."""
