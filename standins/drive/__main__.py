"""The stand-in as a process of its own.

    python -m standins.drive --directory /tmp/for-rclone

prints one JSON line with what rclone needs in its environment, its configuration included. Then it
obeys JSON lines on standard input (see `COMMANDS`), answers each with one line, and ends at the
end of the input or on SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import control
from .faults import Fault
from .server import DriveStandIn
from .shaping import Shaping


def _set_faults(drive: DriveStandIn, value: Any) -> None:
    drive.faults.replace([Fault.from_json(fault) for fault in value])


def _add_faults(drive: DriveStandIn, value: Any) -> None:
    drive.faults.add(*(Fault.from_json(fault) for fault in value))


def _strikes(drive: DriveStandIn, _: Any) -> list[int]:
    return [struck for _, struck in drive.faults.strikes()]


def _set_shaping(drive: DriveStandIn, value: Any) -> None:
    drive.shaping = Shaping(**value)


def _set_network_down(drive: DriveStandIn, value: Any) -> None:
    drive.faults.network_down = bool(value)


def _set_storage_limit(drive: DriveStandIn, value: Any) -> None:
    drive.storage_limit_bytes = int(value)


def _statistics(drive: DriveStandIn, _: Any) -> dict[str, Any]:
    return {
        **drive.statistics.counts().as_json(),
        "unknown_requests": drive.unknown_requests,
    }


def _files(drive: DriveStandIn, _: Any) -> list[dict[str, Any]]:
    def described(field: tuple[str, Any]) -> bool:
        return field[0] != "data"

    return [dict(filter(described, asdict(file).items())) for file in drive.files()]


COMMANDS: dict[str, Callable[[DriveStandIn, Any], Any]] = {
    "faults": _set_faults,  # a list of faults, instead of those that are armed
    "add_faults": _add_faults,  # a list of further faults
    "strikes": _strikes,  # true: how often each fault struck
    "shaping": _set_shaping,  # the fields of Shaping, all at once
    "network_down": _set_network_down,  # true or false
    "storage_limit_bytes": _set_storage_limit,  # a number
    "expire_access_tokens": lambda drive, _: drive.expire_access_tokens(),  # true
    "drop_connections": lambda drive, _: drive.drop_connections(),  # true: how many there were
    "statistics": _statistics,  # true
    "flow": lambda drive, _: drive.statistics.flow(),  # true: uploads' bytes by tenths of a second
    "note_calls": lambda drive, _: drive.statistics.note_calls(),  # true: from now on, afresh
    "noted_calls": lambda drive, _: drive.statistics.noted_calls(),
    # true: of each call its name, and when it began and ended (0 for not yet), by this machine's
    # monotonic clock
    "files": _files,  # true: all files and folders, without their contents
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m standins.drive", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, help="where rclone.conf is written; else one that is deleted"
    )
    directory = parser.parse_args().directory
    control.end_on_sigterm()
    try:
        with tempfile.TemporaryDirectory() as temporary, DriveStandIn() as drive:
            config = drive.rclone_config(directory or Path(temporary))
            environment = {**drive.environment(), "RCLONE_CONFIG": str(config)}
            control.serve(
                {"environment": environment}, lambda line: control.obey(COMMANDS, drive, line)
            )
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
