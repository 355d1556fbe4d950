"""The version, where setuptools can read it: ``tdl_sync`` alone would be the script to it."""

VERSION = "0.1.0"
