"""The program against the real Telegram and a real remote, for who has an account of their own.

    python3 scripts/acceptance.py --remote gdrive:tests

Makes a private channel and a folder, tries what is promised on them (two machines, kills, edits,
deleted messages), compares by hash, and removes what it has made, also after Ctrl-C. It asks before
it begins. ``--record DIR`` keeps kinds, sizes, errors and times of what was answered, for the
stand-ins to play. Standard library only: sets up the virtual environment, then runs
``scripts/contact`` in it.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import (
    ROOT,
    RUN_REQUIREMENTS,
    SetUpFailed,
    prepare_environment,
)


def main() -> int:
    try:
        environment = prepare_environment(RUN_REQUIREMENTS)
    except SetUpFailed as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return 1
    return environment.go_on("-m", "scripts.contact", *sys.argv[1:], PYTHONPATH=str(ROOT))


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
