"""Benchmarks against what a user would call instead: ``python -m benchmarks``."""

import sys

# `python -m` puts the checkout first on the path, where quicksilver_ext holds no compiled core
# unless it was built in place: what is installed goes before it.
sys.path.append(sys.path.pop(0))
