"""Measuring: seconds in turn, memory, inputs, the machine."""
