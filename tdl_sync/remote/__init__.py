"""rclone and what it reaches: hand-off, folders, listing, and what a run checks before it begins.
It is the only room that starts processes, and may import options and core."""
