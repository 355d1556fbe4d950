"""What the program is called and which version it is."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPT = "tdl_sync.py"
INSTALLED = "tdl-sync"

VARIABLE_PREFIX = "TDL_SYNC_"

VERSION = "0.1.0"


def name_of(called: str) -> str:
    """``called`` is ``sys.argv[0]``: the script of the checkout, the command that pip or pipx
    installs, or the package's ``__main__.py`` (``python -m``)."""
    path = Path(called)
    if path.stem == INSTALLED:
        return INSTALLED
    if path.parts[-2:] == ("tdl_sync", "__main__.py"):
        return "python -m tdl_sync"
    return SCRIPT


PROGRAM = name_of(sys.argv[0])
