"""The program to unpack and run: where it begins, whose its parts are, and how it is checked."""
