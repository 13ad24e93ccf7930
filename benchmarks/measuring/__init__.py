"""How and where something is measured: seconds in turn, memory, inputs, the machine."""
