"""What the stand-in's Telegram holds: accounts, chats, messages and files, made from a plan. Plain
Python without sockets."""
