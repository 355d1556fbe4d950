"""Measures the program against the usual ways, on this machine. Standard library only.

    python3 scripts/bench.py                   everything (about 40 minutes)
    python3 scripts/bench.py --quick           smaller and each thing once (about 8 minutes)
    python3 scripts/bench.py downloads         one group: start, commands, downloads, peers,
                                               uploads, remotes, job, shards, memory or scale
    python3 scripts/bench.py start             where each tenth of a second goes in a short run
    python3 scripts/bench.py peers             beside what others have published (installs it)
    python3 scripts/bench.py downloads --only 100kb --runs 5
    python3 scripts/bench.py remotes --before DIR    beside an earlier state of the program

Sets up the virtual environment, then runs ``scripts/benchmark`` in it. Nothing leaves the machine:
Telegram and Drive are stand-ins, processes of their own. ``peers`` installs packages of PyPI into
an environment of their own, in the cache.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import ROOT, SetUpFailed, prepare_environment
from scripts.test import TEST_REQUIREMENTS


def main() -> int:
    try:
        environment = prepare_environment(TEST_REQUIREMENTS)
    except SetUpFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    os.chdir(ROOT)
    return environment.go_on("-m", "scripts.benchmark", *sys.argv[1:])


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
