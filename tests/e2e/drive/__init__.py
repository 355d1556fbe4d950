"""Whole runs to the stand-in for Drive."""
