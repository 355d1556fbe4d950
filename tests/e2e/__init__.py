"""Whole runs: the real program, the real rclone, and Telegram's protocol over real sockets."""

import pytest

pytest.register_assert_rewrite("tests.e2e.expectations", "tests.e2e.program")
