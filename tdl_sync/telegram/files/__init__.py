"""The bytes of files: parts over a few long-lived media connections. It may import messages and
session."""
