"""Measures of code that is run: pass@k with its interval, and the metric `CodeExecution`."""
