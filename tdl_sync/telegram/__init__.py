"""The room of the library for Telegram, and the only one that imports it: ``session`` below
``messages`` below ``files``. It may import options and core."""
