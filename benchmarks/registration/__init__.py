"""Registrations, fits and training steps from end to end, by ours and by other programs."""
