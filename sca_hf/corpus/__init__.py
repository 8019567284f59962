"""From source files to functions that stand alone."""
