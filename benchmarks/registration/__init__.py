"""Whole registrations, fits and training steps, ours and of other programs."""
