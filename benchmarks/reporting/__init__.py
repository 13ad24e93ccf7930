"""What is made of the figures: JSON, tables, plots, aims."""
