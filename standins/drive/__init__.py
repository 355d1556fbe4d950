"""Google Drive's API v3 on 127.0.0.1, for an rclone that nobody changed."""
