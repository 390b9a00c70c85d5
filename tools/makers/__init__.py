"""What makes the kept results that are no grids; `tools/results.py` is the command."""
