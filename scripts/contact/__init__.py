"""The program against the real Telegram and a real remote: see ``scripts/acceptance.py``."""
