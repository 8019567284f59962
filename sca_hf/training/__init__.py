"""Fine-tuning on versions: rows to tokens, TRL's trainers with the paper's settings, a model with its card."""
