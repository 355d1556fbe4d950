"""``doctor`` says of each part that a run needs whether it is right, or how to mend it.

Each part by itself is in ``tests/unit/commands/test_doctor.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

from standins.drive.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.faults.test_clock import wrong_clock
from tests.e2e.program import Ended
from tests.in_process import run_here

PARTS = [
    "Python",
    "tgcrypto",
    "data directory",
    "staging disk",
    "rclone",
    "rclone's configuration",
    "remote",
    "Telegram session",
    "clock",
]


def examined(
    on: DriveScene, *arguments: str, variables: dict[str, str | None] | None = None
) -> Ended:
    """By a process of its own where a library is to be loaded into it by its environment."""
    words = ("doctor", "--remote", REMOTE, *arguments)
    if variables:
        return on.machine.run(*words, variables=variables)
    return run_here(on.machine, *words)


def verdicts(ended: Ended) -> dict[str, str]:
    """What is said of each part, with its verdict before it."""
    found = [re.fullmatch(r"(right|WRONG)  ([^:]+): (.+)", line) for line in lines(ended)]
    return {match[2]: f"{match[1]}: {match[3]}" for match in found if match}


def lines(ended: Ended) -> list[str]:
    return ended.stdout.splitlines()


def test_a_machine_that_is_ready(scene: SetScene) -> None:
    on = scene(worlds.files(sizes=[1000]))
    ended = examined(on)
    assert list(verdicts(ended)) == PARTS
    assert len(lines(ended)) == len(PARTS)
    assert all(text.startswith("right: ") for text in verdicts(ended).values())
    assert verdicts(ended)["remote"] == "right: gdrive:a/b takes files, 2.0 TB free"
    assert (ended.exit_status, ended.stderr) == (0, "")
    assert [file.path for file in on.present()] == ["a", "a/b"]


def test_what_is_wrong_is_named_with_the_mend_and_the_rest_is_still_looked_at(
    scene: SetScene, tmp_path: Path
) -> None:
    on = scene(worlds.files(sizes=[1000]))
    on.drive.expire_access_tokens()
    on.drive.faults.add(Fault("invalid_grant", times=None))
    clock = wrong_clock(tmp_path / "clock", -7200)
    ended = examined(on, "--staging", "/proc/none", variables=dict(clock))
    said = verdicts(ended)
    assert list(said) == PARTS
    assert said["staging disk"].endswith("choose another with --staging")
    assert re.search(r"invalid_grant.* Run: rclone config reconnect gdrive:", said["remote"])
    assert said["clock"].startswith("WRONG: this machine's clock is 2 h 00 min behind Telegram's")
    wrong = [part for part, text in said.items() if text.startswith("WRONG")]
    assert wrong == ["staging disk", "remote", "clock"]
    # Of the two states of these three the first in the list of --help.
    assert ended.exit_status == 2
