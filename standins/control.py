"""How a stand-in that is a process of its own is told what to do: JSON lines on standard input.

A line is an object of commands and their values; it is answered by one line, the answers by
command, or `{"error": …}`. The process ends at the end of the input, on SIGTERM and on SIGINT.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, TypeVar

StandIn = TypeVar("StandIn")


def obey(
    commands: Mapping[str, Callable[[StandIn, Any], Any]], stand_in: StandIn, line: str
) -> dict[str, Any]:
    """Carry out one line; the answers by command, or what was wrong with the line."""
    try:
        wanted = json.loads(line)
        if not isinstance(wanted, dict):
            raise ValueError(f"a JSON object is wanted, not {line.strip()!r}")
        unknown = set(wanted) - set(commands)
        if unknown:
            raise ValueError(f"no such command: {', '.join(sorted(unknown))}")
        return {name: commands[name](stand_in, value) for name, value in wanted.items()}
    except (ValueError, TypeError, KeyError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def serve(greeting: Mapping[str, Any], obeyed: Callable[[str], Mapping[str, Any]]) -> None:
    """Print the greeting, then answer line by line until the process is to end."""
    try:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        say(greeting)
        for line in sys.stdin:
            if line.strip():
                say(obeyed(line))
    except KeyboardInterrupt:
        return


def end_on_sigterm() -> None:
    """SIGTERM ends the process as Ctrl-C does, so that everything is closed on the way.

    Before any thread is started, and until ``serve`` it waits: threads inherit that it is blocked,
    so that it always comes to the main thread and wakes it from reading.
    """
    signal.signal(signal.SIGTERM, _end)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def say(value: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _end(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
