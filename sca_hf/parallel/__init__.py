"""Many rows at once: in order, across crashes, and from where a killed run stopped."""
