"""The connection to Telegram and the sign-in: one client on one loop thread, and who answers what.
It may import nothing of the other two."""
