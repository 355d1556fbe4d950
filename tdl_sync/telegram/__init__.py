"""Telegram, through Pyrogram. No other package of the program imports pyrogram."""
