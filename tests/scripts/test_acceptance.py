"""Contact with reality, tried on the stand-ins: what it makes it removes, and it tells no name."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from standins.telegram.world import worlds
from tests.e2e.conftest import DriveScene, SetScene, scene
from tests.e2e.expectations import state_texts
from tests.e2e.program import ROOT
from tests.waiting import until

__all__ = ["scene"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its machines are POSIX ones")

FOREIGN = "what was there before"


def set_up(scene: SetScene) -> DriveScene:
    on = scene(worlds.files(sizes=[1000]))
    on.world.saved_messages.append(FOREIGN)
    return on


def start(on: DriveScene, *words: str) -> subprocess.Popen[str]:
    given = ["--remote", "gdrive:", "--rclone-config", str(on.rclone_config)]
    size = ["--megabytes", "0.002"]
    variables = {n: v for n, v in on.machine.variables.items() if n != "TDL_SYNC_REMOTE"}
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.contact", *given, *size, *words],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_all_is_as_before(on: DriveScene, channels: int) -> None:
    """The channel that was made is gone, the folder, and the state; what was there is there."""
    made = list(on.world.channels.values())[channels:]
    assert all(channel.private for channel in made)
    assert on.present() == []
    assert state_texts(on.world) == {}
    saved = on.world.saved_messages
    assert getattr(saved.message(saved.newest_id()), "message", None) == FOREIGN


def test_every_promise_is_kept_on_the_stand_ins_and_nothing_is_left_or_told(
    scene: SetScene, tmp_path: Path
) -> None:
    on = set_up(scene)
    before = len(on.world.channels)
    record, work = tmp_path / "record", tmp_path / "work"
    running = start(on, "--yes", "--record", str(record), "--work", str(work))
    out, err = running.communicate(timeout=600)
    assert running.returncode == 0, out + err
    assert "\n10 kept, 0 BROKEN, 0 not seen" in out, out
    assert_all_is_as_before(on, before)
    assert not work.exists()
    (made,) = list(on.world.channels.values())[before:]
    said = out + "".join(each.read_text() for each in record.iterdir())
    for secret in (
        str(made.raw_id),
        str(made.access_hash),
        str(on.world.account.user_id),
        on.world.account.first_name,
        on.machine.variables["TDL_SYNC_SESSION_STRING"],
        on.machine.variables["TDL_SYNC_API_HASH"],
        "tdl-sync-acceptance-",
        ".mp4",
    ):
        assert secret not in said, secret
    telegram = [json.loads(line) for line in (record / "telegram.jsonl").open()]
    remote = [json.loads(line) for line in (record / "remote.jsonl").open()]
    assert {"messages.GetHistory", "upload.GetFile"} <= {each["call"] for each in telegram}
    assert "operations/movefile" in {each["call"] for each in remote}
    assert "other" not in {each["call"] for each in (*telegram, *remote)}


def has_posted(on: DriveScene, channels: int) -> bool:
    return len(on.world.channels) > channels


def has_moved_a_file(on: DriveScene, channels: int) -> bool:
    """A run of the program is at work, to which the signals of its process belong."""
    return bool(on.present())


@pytest.mark.parametrize("met", [has_posted, has_moved_a_file])
def test_ctrl_c_ends_it_wherever_it_is_and_removes_what_was_made_by_then(
    scene: SetScene, tmp_path: Path, met: Callable[[DriveScene, int], bool]
) -> None:
    on = set_up(scene)
    before = len(on.world.channels)
    running = start(on, "--yes", "--work", str(tmp_path / "work"))
    until(lambda: met(on, before), 300)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=600)
    assert running.returncode == 130, out + err
    assert "interrupted" in out, out + err
    assert_all_is_as_before(on, before)


def test_without_a_yes_nothing_is_made(scene: SetScene) -> None:
    on = set_up(scene)
    before = len(on.world.channels)
    running = start(on)
    out, _ = running.communicate(timeout=600)
    assert (running.returncode, len(on.world.channels)) == (2, before)
    assert "Go on? [y/N]" in out
