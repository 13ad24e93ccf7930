"""Measurements of quicksilver_ext and quicksilver against what a user would use instead: `python -m benchmarks.run`."""
