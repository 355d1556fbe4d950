"""A Telegram data centre on 127.0.0.1, with worlds that are computed from a seed."""
