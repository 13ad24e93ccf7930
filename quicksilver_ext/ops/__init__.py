"""One module per operator family, named as its sources in csrc/ops."""
