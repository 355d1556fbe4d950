"""The same machines and stand-ins as for all whole runs."""

from __future__ import annotations

from tests.e2e.conftest import collect_ignore_glob, module_stage, stage

__all__ = ["collect_ignore_glob", "module_stage", "stage"]
