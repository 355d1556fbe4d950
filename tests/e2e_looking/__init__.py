"""Whole runs of the commands that look and move nothing."""

import pytest

pytest.register_assert_rewrite("tests.e2e.expectations", "tests.e2e.program")
