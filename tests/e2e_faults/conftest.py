"""The same machines and stand-ins as in all whole runs."""

from tests.e2e.conftest import collect_ignore_glob, module_stage, stage

__all__ = ["collect_ignore_glob", "module_stage", "stage"]
