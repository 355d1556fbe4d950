"""Ends a process, and removes a directory, when whoever has started this is gone, however it ended.

    python -m standins.guard PID DIRECTORY

It waits for the end of its standard input, which comes with the end of its parent, ``kill -9``
included. A parent that has done all of that itself kills it.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress

import psutil


def main(process_id: int, directory: str) -> None:
    process = None
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)  # now: later the id may be another one's
    sys.stdin.buffer.read()
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            process.wait()
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
