"""Whole runs that share a chat, are stopped, or must be gone in time."""

import pytest

pytest.register_assert_rewrite("tests.e2e.expectations", "tests.e2e.program")
