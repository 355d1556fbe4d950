"""rclone does not leave while nobody asks for anything, nor in the middle of a long call."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.contract.places import OBSCURED_PASSWORD
from tests.contract.remote.remote_control.raw_rclone import RawRclone
from tests.contract.versions import rclone_named
from tests.waiting import in_thread, result_of

ONE_MINUTE_SECONDS = 60


def test_it_waits_a_minute_for_a_call_and_works_a_minute_at_one(tmp_path: Path) -> None:
    """Both versions at once, since it takes the minute."""
    with ExitStack() as closing:
        idle = [
            closing.enter_context(RawRclone(executable))
            for executable in (rclone_named("current"), rclone_named("oldest"))
        ]
        moving = [
            in_thread(partial(move_for_a_minute, executable, tmp_path / str(number)))
            for number, executable in enumerate([rclone_named("current"), rclone_named("oldest")])
        ]
        for move in moving:
            assert result_of(move, 3 * ONE_MINUTE_SECONDS) >= ONE_MINUTE_SECONDS
        assert all(rclone.call("rc/noop").succeeded for rclone in idle)


def move_for_a_minute(executable: str, directory: Path) -> float:
    """How many seconds it took."""
    directory.mkdir()
    config = directory / "rclone.conf"
    config.write_text(crypt(directory / "remote"))
    source = directory / "source"
    source.write_bytes(bytes((ONE_MINUTE_SECONDS + 5) * 64 * 1024))
    with RawRclone(executable, config, None, "--bwlimit=64k") as rclone:
        began = time.monotonic()
        connection = rclone.begin(
            "operations/movefile",
            srcFs=str(directory),
            srcRemote=source.name,
            dstFs="crypt:",
            dstRemote="name",
        )
        assert connection.sock is not None
        connection.sock.settimeout(3 * ONE_MINUTE_SECONDS)
        assert connection.getresponse().status == 200
        took_seconds = time.monotonic() - began
    assert not source.exists()
    return took_seconds


def crypt(directory: Path) -> str:
    """To which each byte is sent, where a local directory is renamed to."""
    return (
        f"[crypt]\ntype = crypt\nremote = {directory}\nfilename_encryption = off\n"
        f"directory_name_encryption = false\npassword = {OBSCURED_PASSWORD}\n"
    )
