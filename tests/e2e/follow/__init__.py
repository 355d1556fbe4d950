"""Whole runs that stay with a chat."""
