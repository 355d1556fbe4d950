"""Whole runs that move a part of a chat, or name and describe what they move as they are told."""

import pytest

pytest.register_assert_rewrite("tests.e2e.expectations", "tests.e2e.program")
