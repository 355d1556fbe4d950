"""``chats`` in a process of its own: it ends without a word when its reader has gone, or by Ctrl-C.

What it lists is in ``tests/unit/commands/test_chats_command.py``.
"""

from __future__ import annotations

import signal
import subprocess

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.channel import CHANNEL_ID_SHIFT
from tests.e2e.conftest import Stage


def test_a_reader_that_has_seen_enough_ends_it_without_a_word(stage: Stage) -> None:
    world = worlds.files(sizes=[])
    for number in range(230):
        chat_id = -(CHANNEL_ID_SHIFT + 1_500_000_000 + number)
        chat = world.add(chat_id=chat_id, kind="channel", title=f"Channel {number}")
        chat.append("x", date=1_600_000_000 + number)
    machine = stage(world).machine
    process = subprocess.Popen(
        machine.command("chats"),
        cwd=machine.working_directory,
        env=machine.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"-u ")
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)
    process.stderr.close()


STOP_SECONDS = 40.0
"""Much less than what it would wait for an answer."""


def test_ctrl_c_ends_it_at_once(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[10]))
    scene.telegram.faults.add(Fault("no_answer", rpc="messages.GetHistory", times=None))
    running = scene.machine.start("chats")
    calls = scene.telegram.statistics.counts
    running.wait_until(lambda: calls().calls.get("messages.GetHistory", 0) > 0)
    running.signal(signal.SIGINT)
    ended = running.wait(STOP_SECONDS)
    assert (ended.exit_status, ended.stderr) == (128 + signal.SIGINT, "")
