"""tdl_sync moves every file of a Telegram chat to an rclone remote through a bounded disk."""
