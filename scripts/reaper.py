"""Ends the programs that a process has started when that process is gone, even by signal 9.

Whoever calls ``end_with_this_process`` gets a variable into its environment that tells what it
starts from all else on the machine, and what those start inherits it. A small process of its own
waits for the caller's end and then kills whatever still carries the variable. Only programs that
are started with an environment made from nothing need ``mark()`` put into it.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

VARIABLE = "STARTED_FOR"
SEARCHES = 50
SEARCH_SECONDS = 0.2

_watch: tuple[subprocess.Popen[bytes], int] | None = None
"""The process that waits, and the end of its pipe that closes with this process."""


def end_with_this_process(python: Path | None = None) -> None:
    """From here on. ``python`` is one that has psutil, by default this one."""
    global _watch
    if _watch is not None:
        return
    unmarked = {name: value for name, value in os.environ.items() if name != VARIABLE}
    value = f"{os.getpid()}-{secrets.token_hex(8)}"
    read_end, write_end = os.pipe()
    watcher = subprocess.Popen(
        [str(python or sys.executable), os.path.abspath(__file__), value],
        # A watcher of an outer run must not end this one before it has done its work.
        env=unmarked,
        cwd=os.path.abspath(os.sep),
        stdin=read_end,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Whoever kills the group of this process means this process.
        start_new_session=True,
    )
    os.close(read_end)
    _watch = watcher, write_end
    os.environ[VARIABLE] = value


def mark() -> dict[str, str]:
    """What an environment that is not made from this process's needs to have in it."""
    return {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}


def kill_session(leader: subprocess.Popen[str]) -> None:
    """Kill a process that was started with a session of its own, and all of that session: also
    when the leader itself has ended. Where there are no sessions it is the process alone."""
    if sys.platform == "win32":
        leader.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, signal.SIGKILL)


def _kill_marked(value: str) -> None:
    """Again and again, because what was about to start something may have done so meanwhile."""
    import psutil

    for _ in range(SEARCHES):
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(VARIABLE) == value:
                    process.kill()
                    found.append(process)
            except (psutil.Error, OSError):
                continue  # it has ended, or is not ours to look at
        if not found:
            return
        psutil.wait_procs(found, SEARCH_SECONDS)


def _main(value: str) -> None:
    for name in {"SIGINT", "SIGTERM", "SIGHUP"} & set(signal.Signals.__members__):
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    # Nobody writes: this returns when the last holder of the other end is gone. A child between
    # its fork and its program holds it, too, so all that was started carries the mark by now.
    sys.stdin.buffer.read()
    _kill_marked(value)


if __name__ == "__main__":
    _main(sys.argv[1])
