"""Prometheus' own linter of metrics, which reads no network: the machine's, or Debian's package."""

from __future__ import annotations

import shutil
import subprocess

from tests.debian_packages import unpacked


def lint(text: bytes) -> list[str]:
    """What it finds wrong, a line each: https://prometheus.io/docs/practices/naming/. Skips where
    there is none."""
    program = shutil.which("promtool") or unpacked("prometheus", "prometheus") / "usr/bin/promtool"
    run = subprocess.run([str(program), "check", "metrics"], input=text, capture_output=True)
    found = (run.stdout + run.stderr).decode().splitlines()
    assert bool(found) == (run.returncode != 0), found
    return found
