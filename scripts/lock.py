"""Makes the lock files: which version of each package is installed, with the hashes of its files.

    python3 scripts/lock.py                 what has changed in requirements*.txt, and no more
    python3 scripts/lock.py --upgrade       the newest of everything that the ranges allow

One file serves Python 3.10 to 3.14 on Linux, macOS and Windows. pip installs from them only what
has one of the hashes (https://pip.pypa.io/en/stable/topics/secure-installs/). Standard library
only; what resolves the versions is uv, in a virtual environment that is removed again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESOLVER = "uv~=0.13.9"
OLDEST_PYTHON = "3.10"

LOCKS = {
    "requirements.lock": ("requirements.txt",),
    "requirements-rclone.lock": ("requirements-rclone.txt",),
    "requirements-fast.lock": ("requirements-fast.txt",),
    "requirements-executable.lock": ("requirements-executable.txt",),
    # All that the tests' environment holds, so that one version of each fits both.
    "requirements-dev.lock": ("requirements.txt", "requirements-dev.txt"),
}


def resolve(resolver: Path, lock: str, sources: Sequence[str], options: Sequence[str]) -> None:
    command = [str(resolver), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", OLDEST_PYTHON, "--no-annotate", *options]
    command += ["--custom-compile-command", "python3 scripts/lock.py"]
    if lock != "requirements.lock" and "requirements.txt" in sources:
        command += ["--constraint", "requirements.lock"]
    subprocess.run([*command, "--output-file", lock, *sources], cwd=ROOT, check=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="lock.py", description="Make the lock files.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest of everything")
    options = ["--upgrade"] if parser.parse_args(arguments).upgrade else []
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        executables = Path(directory, "Scripts" if sys.platform == "win32" else "bin")
        pip = [str(executables / "python"), "-m", "pip", "install", "--quiet", RESOLVER]
        subprocess.run([*pip, "--disable-pip-version-check"], check=True)
        for lock, sources in LOCKS.items():
            resolve(executables / "uv", lock, sources, options)
            print(lock)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
