"""Shows the program at work, without an account: one command, no questions. Standard library only.

    python3 scripts/demo.py

Sets up the virtual environment, then runs ``standins/demonstration.py`` in it.
"""

from __future__ import annotations

import os
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
        print(f"demo: {error}", file=sys.stderr)
        return 1
    os.chdir(ROOT)
    return environment.go_on("-m", "scripts.demonstrate")


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
