"""What a run tells: events, bars, lines, the log file, the summary.
It may import options and core."""
