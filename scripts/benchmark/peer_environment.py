"""An environment of their own for what others have published, kept for the next time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmark.frame import BenchFailed

PACKAGES = (
    "telethon==1.45.0",  # the layer that the stand-in speaks
    "cryptg==0.6.0",
    "python-socks==3.2.1",
    "FastTelethonHelper==1.0.7",
    "aiofasttelethonhelper==0.1.4",
    "teleget9527==0.2.0",
)
"""As their pages have them installed, with the fastest decryption that there is for them."""


def peer_python(packages: Sequence[str] = PACKAGES) -> Path:
    """The Python of one that holds these. Raises ``BenchFailed`` where it can't be made."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    digest = hashlib.sha256("\n".join((version, *packages)).encode()).hexdigest()[:12]
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base) / "tdl-sync-tests" / f"peers-{digest}"
    python = directory / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = directory / "done"
    if done.exists():
        return python
    print(f"installing {', '.join(packages)} into {directory}", file=sys.stderr, flush=True)
    venv.create(directory, with_pip=True, clear=True)
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *packages],
        capture_output=True,
        text=True,
    )
    if installed.returncode != 0:
        raise BenchFailed(f"the peers' packages can't be installed: {installed.stderr[-1000:]}")
    done.touch()
    return python
