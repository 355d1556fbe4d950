"""Whole runs for what they print, and the program as it is installed."""
