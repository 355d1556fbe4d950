"""Telegram's methods, a module for each of its groups, answered from the world."""
