"""Shows the program at work, without an account: one command, no questions. Standard library only.

    python3 scripts/demo.py

Sets up the virtual environment, then runs ``standins/demonstration.py`` in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import (
    ROOT,
    RUN_REQUIREMENTS,
    Environment,
    SetUpFailed,
    prepare_environment,
)


def hand_over(environment: Environment) -> int:
    """Go on in the environment's Python. On POSIX in this very process, so that signals fit."""
    command = [str(environment.python), "-m", "scripts.demonstrate"]
    os.chdir(ROOT)
    if os.name == "posix":
        os.execve(command[0], command, environment.variables())
    return subprocess.call(command, env=environment.variables())


def main() -> int:
    try:
        return hand_over(prepare_environment(RUN_REQUIREMENTS))
    except SetUpFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
