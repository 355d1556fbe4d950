"""Runs of the real program, as its display was told of them: for what the display makes of it."""
