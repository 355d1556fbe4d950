"""A record of what a real Drive has answered to rclone, as faults: its errors, in their order.

``scripts/acceptance.py --record`` makes one; each line is a call of rclone's remote control.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from .faults import Fault

MOVES = ("operations/movefile", "operations/uploadfile")


def faults_of(record: Path) -> Iterator[Fault]:
    """Each upload that was refused is refused here, after as many that went well."""
    went_well = 0
    with record.open(encoding="ascii") as lines:
        for line in map(json.loads, lines):
            if line.get("call") not in MOVES:
                continue
            if isinstance(line.get("code"), int):
                yield Fault(
                    "error",
                    call="upload",
                    after_calls=went_well,
                    status=line["code"],
                    reason=line["error"],
                    message="as it was recorded",
                )
            else:
                went_well += 1
