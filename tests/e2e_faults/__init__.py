"""Whole runs in which something breaks and comes back: the network, the disk, the chat."""
