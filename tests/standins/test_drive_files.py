"""rclone does on the stand-in for Drive what it does on Drive: every way in and out of it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from standins.drive.files.world import DriveName
from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping
from tests.standins.rclone_on_drive import RcloneOnDrive, rclone_on_drive

HOSTILE_NAMES = [
    'Ann\'s "films"',
    "back\\slash and \\' both",
    "a:b $(touch x) `y` * ? | < >",
    "trailing dots...",
    "trailing space ",
    " or name='x' or trashed=true",
    "日本語 \N{GRINNING FACE} é",
    "n" * 300,
]
REMOTES: list[tuple[str, DriveName]] = [
    ("gdrive", "user"),
    ("gdrive-shared", "shared"),
    ("gdrive-sa", "service"),
]
on_every_remote = pytest.mark.parametrize(("remote", "drive"), REMOTES)


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[RcloneOnDrive]:
    with rclone_on_drive(tmp_path) as started:
        yield started


@on_every_remote
def test_a_file_is_moved_listed_read_and_deleted(
    rclone: RcloneOnDrive, remote: str, drive: DriveName
) -> None:
    source = rclone.local_file("one.mp4", b"content")
    os.utime(source, (1_600_000_000, 1_600_000_000))
    rclone.succeed("mkdir", f"{remote}:folder")
    rclone.succeed("moveto", "--checksum", str(source), f"{remote}:folder/two.mp4")
    assert not source.exists()
    folder, file = rclone.there(drive)
    assert (folder.path, folder.is_folder) == ("folder", True)
    assert (file.path, file.parents, file.data) == (
        "folder/two.mp4",
        (folder.file_id,),
        b"content",
    )
    assert file.modified_time == "2020-09-13T12:26:40.000Z"
    (listed,) = rclone.succeed("lsjson", "--hash", f"{remote}:folder").json()
    assert (listed["Name"], listed["Size"], listed["ID"]) == ("two.mp4", 7, file.file_id)
    assert listed["Hashes"]["md5"] == hashlib.md5(b"content").hexdigest() == file.md5
    read = rclone.succeed("cat", "--offset=2", "--count=3", f"{remote}:folder/two.mp4")
    assert read.stdout == "nte"
    rclone.succeed("deletefile", f"{remote}:folder/two.mp4")
    assert rclone.paths(drive) == ["folder"]


@on_every_remote
def test_a_large_file_goes_up_in_chunks(
    rclone: RcloneOnDrive, remote: str, drive: DriveName
) -> None:
    data = os.urandom(9_000_000)
    rclone.succeed("copyto", str(rclone.local_file("big", data)), f"{remote}:big")
    (file,) = rclone.there(drive)
    assert (file.size_bytes, file.md5) == (len(data), hashlib.md5(data).hexdigest())
    counts = rclone.drive.statistics.counts()
    assert (counts.calls["upload.start"], counts.calls["upload.chunk"]) == (1, 34)
    assert counts.received_bytes == len(data)


@on_every_remote
def test_a_stream_of_unknown_length_goes_up(
    rclone: RcloneOnDrive, remote: str, drive: DriveName
) -> None:
    data = os.urandom(262_144 * 2)
    rclone.succeed("rcat", f"{remote}:streamed", stdin=data)
    assert [(file.path, file.data) for file in rclone.there(drive)] == [("streamed", data)]


@on_every_remote
def test_space_is_told_where_drive_tells_it(
    rclone: RcloneOnDrive, remote: str, drive: DriveName
) -> None:
    rclone.succeed("rcat", f"{remote}:five", stdin=b"five!")
    told = rclone.succeed("about", "--json", f"{remote}:").json()
    limit_bytes = rclone.drive.storage_limit_bytes
    quota = {"total": limit_bytes, "used": 5, "trashed": 0, "other": 0, "free": limit_bytes - 5}
    assert told == ({} if drive == "shared" else quota)


def test_hostile_names_arrive_unchanged(rclone: RcloneOnDrive) -> None:
    rclone.succeed("mkdir", "gdrive:names")
    for name in HOSTILE_NAMES:
        rclone.succeed("rcat", f"gdrive:names/{name}", stdin=b"x")
    names = [entry["Name"] for entry in rclone.succeed("lsjson", "gdrive:names").json()]
    assert sorted(names) == sorted(HOSTILE_NAMES)
    for name in HOSTILE_NAMES:
        rclone.succeed("deletefile", f"gdrive:names/{name}")
    assert rclone.paths() == ["names"]


def test_names_that_differ_in_case_are_two_files(rclone: RcloneOnDrive) -> None:
    rclone.succeed("rcat", "gdrive:Film", stdin=b"1")
    rclone.succeed("rcat", "gdrive:film", stdin=b"2")
    assert rclone.paths() == ["Film", "film"]
    assert rclone.succeed("cat", "gdrive:Film").stdout == "1"


def test_an_empty_file_arrives(rclone: RcloneOnDrive) -> None:
    rclone.succeed("moveto", str(rclone.local_file("empty", b"")), "gdrive:empty")
    assert [(file.size_bytes, file.data) for file in rclone.there()] == [(0, b"")]


@pytest.mark.parametrize("cutoff", ["8M", "256k"])
def test_other_content_replaces_the_file_that_is_there(rclone: RcloneOnDrive, cutoff: str) -> None:
    rclone.succeed("rcat", "gdrive:file", stdin=b"old")
    (old,) = rclone.there()
    data = os.urandom(300_000)
    source = str(rclone.local_file("file", data))
    rclone.succeed("moveto", f"--drive-upload-cutoff={cutoff}", source, "gdrive:file")
    (new,) = rclone.there()
    assert (new.file_id, new.data) == (old.file_id, data)


def test_the_same_content_is_not_sent_twice(rclone: RcloneOnDrive) -> None:
    rclone.succeed("rcat", "gdrive:file", stdin=b"same")
    source = rclone.local_file("file", b"same")
    rclone.drive.statistics.reset()
    rclone.succeed("moveto", "--checksum", str(source), "gdrive:file")
    assert not source.exists()
    assert rclone.drive.statistics.counts().received_bytes == 0


def test_long_listings_come_in_pages(rclone: RcloneOnDrive) -> None:
    for number in range(25):
        rclone.local_file(f"{number:02}", b"x")
    rclone.succeed("copy", str(rclone.directory / "source"), "gdrive:many")
    rclone.drive.statistics.reset()
    listed = rclone.succeed("lsf", "--drive-list-chunk=10", "gdrive:many").stdout.split()
    assert listed == [f"{number:02}" for number in range(25)]
    path_lookups = 1
    assert rclone.drive.statistics.counts().calls["files.list"] == path_lookups + 3


def test_deleted_files_go_to_the_trash_first(rclone: RcloneOnDrive) -> None:
    rclone.succeed("rcat", "gdrive:folder/file", stdin=b"x")
    rclone.succeed("purge", "gdrive:folder")
    assert [file.trashed for file in rclone.drive.files()] == [True, True]
    rclone.succeed("cleanup", "gdrive:")
    rclone.succeed("rcat", "gdrive:file", stdin=b"x")
    rclone.succeed("deletefile", "--drive-use-trash=false", "gdrive:file")
    assert rclone.drive.files() == []


def test_a_file_is_moved_to_another_folder_on_the_drive(rclone: RcloneOnDrive) -> None:
    rclone.succeed("rcat", "gdrive:a/file", stdin=b"x")
    rclone.succeed("moveto", "gdrive:a/file", "gdrive:b/renamed")
    assert rclone.paths() == ["a", "b", "b/renamed"]


def test_a_folder_is_reached_by_its_id(rclone: RcloneOnDrive) -> None:
    rclone.succeed("mkdir", "gdrive:folder")
    (folder,) = rclone.there()
    rclone.drive.statistics.reset()
    source = str(rclone.local_file("file", b"x"))
    rclone.succeed("moveto", "--checksum", source, f"gdrive,root_folder_id={folder.file_id}:file")
    assert rclone.paths() == ["folder", "folder/file"]
    assert rclone.drive.statistics.counts().api_calls == 3


def test_shared_drives_are_listed(rclone: RcloneOnDrive) -> None:
    (drive,) = rclone.succeed("backend", "drives", "gdrive:").json()
    assert drive["name"] == "Stand-in's shared drive"


def test_accounts_do_not_see_each_others_files(rclone: RcloneOnDrive) -> None:
    rclone.succeed("rcat", "gdrive:mine", stdin=b"x")
    assert rclone.succeed("lsf", "-R", "gdrive-sa:").stdout == ""
    assert rclone.succeed("lsf", "-R", "gdrive-shared:").stdout == ""


def test_a_new_file_is_in_no_listing_while_listings_lag(rclone: RcloneOnDrive) -> None:
    rclone.drive.shaping = Shaping(listing_lag_seconds=3600)
    rclone.succeed("rcat", "gdrive:file", stdin=b"1")
    assert rclone.succeed("lsf", "gdrive:").stdout == ""
    rclone.succeed("rcat", "gdrive:file", stdin=b"2")
    rclone.drive.shaping = Shaping()
    assert rclone.succeed("lsf", "gdrive:").stdout == "file\nfile\n"


def test_an_old_access_token_is_refreshed_and_saved(rclone: RcloneOnDrive) -> None:
    rclone.drive.rclone_config(rclone.directory, token_seconds=0)
    for _ in range(2):
        rclone.succeed("lsf", "gdrive:")
    counts = rclone.drive.statistics.counts()
    assert (counts.calls["token.refresh"], counts.errors) == (1, {})


def test_refresh_tokens_for_one_use_are_followed_and_saved(rclone: RcloneOnDrive) -> None:
    rclone.drive.take_refresh_tokens_once()
    for _ in range(2):
        rclone.config.write_text(_expired(rclone.config.read_text()))
        rclone.succeed("lsf", "gdrive:")
    counts = rclone.drive.statistics.counts()
    assert (counts.calls["token.refresh"], counts.errors) == (2, {})


def test_a_refresh_token_that_comes_a_second_time_ends_the_grant(rclone: RcloneOnDrive) -> None:
    rclone.drive.take_refresh_tokens_once()
    used = _expired(rclone.config.read_text())
    rclone.config.write_text(used)
    rclone.succeed("lsf", "gdrive:")
    renewed = _expired(rclone.config.read_text())

    for text in (used, renewed):
        rclone.config.write_text(text)
        assert "invalid_grant" in rclone.run("lsf", "gdrive:").stderr


def _expired(config: str) -> str:
    return re.sub(r'"expiry":\s*"\d{4}', '"expiry":"2020', config)


def test_contents_beyond_the_limit_are_known_by_size_and_hash_only(tmp_path: Path) -> None:
    with rclone_on_drive(tmp_path, keep_content_bytes=10) as rclone:
        rclone.succeed("rcat", "gdrive:small", stdin=b"0123456789")
        rclone.succeed("rcat", "gdrive:large", stdin=b"0123456789a")
        small, large = rclone.there()
        assert (small.data, large.data) == (b"0123456789", None)
        assert (large.size_bytes, large.md5) == (11, hashlib.md5(b"0123456789a").hexdigest())


def test_no_host_but_google_s_is_reached(tmp_path: Path) -> None:
    with DriveStandIn() as drive:
        rclone = RcloneOnDrive(drive, tmp_path, drive.rclone_config(tmp_path))
        for scheme in ("https", "http"):
            ran = rclone.run(
                "--low-level-retries=1", "lsf", f":http,url='{scheme}://example.com/':"
            )
            assert ran.exit_status != 0
        assert set(drive.statistics.counts().refused_hosts) == {"example.com:443", "example.com"}


@pytest.mark.parametrize(
    ("arguments", "recorded"),
    [
        (["lsf", "--drive-shared-with-me", "gdrive:"], "sharedWithMe = true"),
        (["link", "gdrive:"], "permissions"),
        (["lsf", "--drive-starred-only", "gdrive:"], "starred = true"),
    ],
)
def test_what_the_stand_in_does_not_know_is_refused_and_recorded(
    tmp_path: Path, arguments: list[str], recorded: str
) -> None:
    with DriveStandIn() as drive:
        rclone = RcloneOnDrive(drive, tmp_path, drive.rclone_config(tmp_path))
        rclone.succeed("rcat", "gdrive:file", stdin=b"x")
        assert rclone.run(*arguments).exit_status != 0
        assert recorded in "\n".join(drive.unknown_requests)
