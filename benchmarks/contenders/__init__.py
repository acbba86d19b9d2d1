"""Ways to do the same fine-tuning, for benchmarks/training.py: one file each."""
