"""A Telegram data centre on 127.0.0.1, with worlds that are computed from a seed."""

import tdl_sync.telegram  # noqa: F401 - the library's schema is imported as the program does it
