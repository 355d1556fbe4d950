"""Who only looks at a remote sees all that lies there, with hashes where they cost nothing."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path

import pytest

from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping
from tdl_sync.core.model import ListedFile
from tdl_sync.remote.check import look_at_remote
from tdl_sync.remote.listing import RemoteLook
from tests.contract.places import CHAT_ID
from tests.contract.rclones import looker_beside, opened_control
from tests.e2e.looking.on_drive import READING

FOLDER = f"A channel [{CHAT_ID}]"
HASH = hashlib.sha256(b"old").hexdigest()


def test_both_of_two_drive_folders_with_one_name_are_seen_with_hashes_by_reading_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DriveStandIn() as drive, ExitStack() as closing:
        for name, value in drive.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("RCLONE_DRIVE_PACER_MIN_SLEEP", "1ms")
        control = opened_control(closing, None, drive.rclone_config(tmp_path))
        by_hand = looker_beside(control)
        by_hand.run(["mkdir"], "gdrive:a")
        look = RemoteLook(control, look_at_remote(control, "gdrive:a"))
        assert look.find_folder(CHAT_ID) is None
        assert look.files(FOLDER, with_hashes=True) == []
        (base_id,) = (file.file_id for file in drive.files("user"))
        drive.shaping = Shaping(listing_lag_seconds=3600.0)
        for _ in range(2):  # as two programs do that do not see each other's folder yet
            by_hand.run(["mkdir"], look.remote.inside(base_id).text + FOLDER)
        drive.shaping = Shaping()
        one, two = (file.file_id for file in drive.files("user") if file.name == FOLDER)
        by_hand.run(["rcat"], look.remote.inside(one).text + "1_old", stdin=b"old")
        by_hand.run(["rcat"], look.remote.inside(two).text + "sub/2_old", stdin=b"old")
        drive.statistics.reset()
        remote = look_at_remote(control, "gdrive:a", must_be_drive=True)
        look = RemoteLook(control, remote)
        assert look.find_folder(CHAT_ID) == FOLDER
        ids = {file.name: file.file_id for file in drive.files("user")}
        assert sorted(look.files(FOLDER, with_hashes=True), key=lambda file: file.name) == [
            ListedFile("1_old", 3, "", HASH, remote_id=ids["1_old"]),
            ListedFile("2_old", 3, "sub", HASH, remote_id=ids["2_old"]),
        ]
        assert [file.sha256 for file in look.files(FOLDER)] == [None, None]
        assert set(drive.statistics.counts().calls) <= READING
        assert (remote.free_bytes is not None, remote.listed_hashes) == (True, ("sha256",))


def test_where_a_hash_would_mean_reading_the_files_it_is_not_asked_for(
    tmp_path: Path, closing: ExitStack
) -> None:
    config = tmp_path / "rclone.conf"
    config.write_text(f"[box]\ntype = alias\nremote = {tmp_path / 'files'}\n")
    control = opened_control(closing, None, config)
    remote = look_at_remote(control, "box:a")
    assert remote.listed_hashes == ()
    look = RemoteLook(control, remote)
    assert (look.find_folder(CHAT_ID), look.files(FOLDER, with_hashes=True)) == (None, [])
    assert not (tmp_path / "files").exists()
    looker_beside(control).run(["rcat"], f"box:a/{FOLDER}/1_a", stdin=b"content")
    (tmp_path / "files" / "a" / FOLDER / "1_a").chmod(0)  # nobody but root could read it
    assert look.files(FOLDER, with_hashes=True) == [ListedFile("1_a", 7)]
