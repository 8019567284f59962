"""vLLM in a process of ours: launching it, asking it, and ending it with its parent."""
