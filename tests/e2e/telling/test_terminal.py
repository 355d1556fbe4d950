"""What stands on the screen of somebody who sits at a terminal, from the first line to the last."""

from __future__ import annotations

import pyte

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.program import SOURCE
from tests.e2e.terminal import Terminal, at_terminal

FILES, FILE_BYTES = 4, 3_000_000
PAUSE_SECONDS = 7
"""Longer than nothing may move before that is said."""

COLUMNS, ROWS = 100, 30


def screen(terminal: Terminal) -> list[str]:
    """The rows that are not empty, as a terminal draws what was sent to it so far."""
    drawn = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(drawn).feed(terminal.sent)
    return [row.rstrip() for row in drawn.display if row.strip()]


def test_a_person_sees_what_goes_on_what_is_waited_for_and_what_came_of_it(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[FILE_BYTES] * FILES))
    scene.telegram.faults.add(
        # Before any file has got all of its three parts, whichever the first ones belong to.
        Fault("flood_wait", "upload.GetFile", after_calls=2, seconds=PAUSE_SECONDS, times=None)
    )
    title, run = scene.world.source.title, ("-u", SOURCE)
    proxy = scene.telegram.environment()["TDL_SYNC_PROXY"]
    with at_terminal(scene.machine, *run) as terminal:
        terminal.expect("checking box:files …\n")
        terminal.expect(f"connecting to Telegram through {proxy} …\n")
        terminal.expect(" %, waiting")
        downloads = ["↓ "] * FILES  # the last rows of a picture, which may come in pieces
        terminal.read_until(lambda: [row[:2] for row in screen(terminal)[-FILES:]] == downloads)
        told = screen(terminal)
        (main,) = (row for row in told if row.startswith(f"{title}: "))
        assert main.endswith(" %, waiting")
        pause = f"downloading waits: Telegram asks for a pause of {PAUSE_SECONDS} s, until "
        at = told.index(main)
        assert set(told[at + 1]) <= {"━", "╌"}
        assert told[at + 2].startswith(f"0 of {FILES} files   ↓ {FILES}  ↑ 0   ")
        assert told[at + 3].startswith(pause)
        assert [row[:2] for row in told[at + 4 :]] == downloads
        assert any(row.startswith(pause) for row in told[:at])  # above the bars, to stay
        assert " left" not in "".join(told[at:])
        assert "\x1b[33mdownloading waits" in terminal.sent
        assert "\x1b]2;0 % tdl_sync.py\x07" in terminal.sent
        scene.telegram.faults.replace([])
        assert terminal.wait() == 0
        # Of the bars nothing is left, and the table has its place below what was told.
        *_, heading = (row for row in screen(terminal) if row.startswith(title))
        assert heading == title
        assert not {"━", "╌"} & set("".join(screen(terminal)))

    with at_terminal(scene.machine, *run) as terminal:
        assert terminal.wait() == 0
        assert screen(terminal)[-1] == f"{title}: nothing new; {FILES} files (12 MB) are there"
    with at_terminal(scene.machine, *run, "-q") as terminal:
        assert (terminal.wait(), terminal.sent) == (0, "")
