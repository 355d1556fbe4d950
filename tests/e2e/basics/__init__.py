"""Whole runs over a whole channel: files, disk, signals, secrets, failures."""
