"""Reports of what was measured: JSON, tables, plots, aims."""
