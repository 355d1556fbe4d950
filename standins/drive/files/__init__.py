"""What the stand-in's Drive holds: files, their content and times."""
