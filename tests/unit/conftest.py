"""Machines and stand-ins, for the commands that are run in the tests' own process."""

from __future__ import annotations

from tests.e2e.conftest import stage

__all__ = ["stage"]
