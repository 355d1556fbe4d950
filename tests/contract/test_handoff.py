"""What every hand-off promises: rclone on a plain remote and on an encrypted one, and the fake."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from tdl_sync.errors import (
    ComeBackLater,
    ConfigurationError,
    CredentialsRefused,
    HandOffFailed,
    StagingFailed,
    Stopped,
)
from tdl_sync.handoff import RcloneHandOff
from tdl_sync.model import (
    FileLocation,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
    RemoteFile,
    Reservation,
    StagedFile,
)
from tdl_sync.ports import HandOff
from tdl_sync.rclone import Rclone
from tdl_sync.rclone_errors import RcloneFailure, classified
from tdl_sync.remote_check import check_remote
from tests.fakes.handoff import FakeHandOff

CHAT_ID = -1002147483649
FOLDER = f"Ann's $(touch x) `films` [{CHAT_ID}]"
MESSAGE_DATE = datetime(2021, 3, 4, 5, 6, 7, tzinfo=timezone.utc)

OBSCURED_PASSWORD = "8RfwdqxJ3jdk1n07bXGGY0XqPrJRIg"
"""What `rclone obscure` makes of a word; it wants that form in a configuration."""

HOSTILE_NAMES = [
    "1_plain.mp4",
    "2_$(touch ran).mp4",
    "3_`touch ran`.mp4",
    "4_'; touch ran; '.mp4",
    '5_" && touch ran "',
    "6_a:b\\c",
    "7_trailing dots...",
    "8_trailing spaces  ",
    "9_\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "10_\N{GRINNING FACE} é",
    "-11_leading dash",
    "--config=x",
    "12_~ %s {} * ? [a] | & # !",
    "14_" + "n" * 130,
]


class Place(Protocol):
    """A hand-off and a look at what it made."""

    @property
    def handoff(self) -> HandOff: ...

    def content(self, folder: str, name: str) -> bytes: ...

    def refuse_next(self, folder: str) -> None:
        """Make the next move into this folder fail."""


@dataclass
class FakePlace:
    handoff: FakeHandOff

    def content(self, folder: str, name: str) -> bytes:
        return self.handoff.folders[folder][name]

    def refuse_next(self, folder: str) -> None:
        self.handoff.errors["*"] = [HandOffFailed(1, "not a directory")]


@dataclass
class RclonePlace:
    looker: Rclone
    handoff: RcloneHandOff
    remote: str
    directory: Path

    def content(self, folder: str, name: str) -> bytes:
        answer = self.looker.ask(["cat"], f"{self.remote}/{folder}/{name}")
        assert answer.exit_status == 0, answer.last_error
        return answer.stdout

    def refuse_next(self, folder: str) -> None:
        """A file where the folder should be; root may write into read-only directories."""
        (self.directory / folder).write_bytes(b"in the way")


def rclone_config(directory: Path) -> Path:
    config = directory / "rclone.conf"
    config.write_text(
        f"[plain]\ntype = alias\nremote = {directory}/plain remote\n\n"
        f"[secret]\ntype = crypt\nremote = {directory}/secret remote\n"
        f"filename_encryption = off\nsuffix = none\ndirectory_name_encryption = false\n"
        f"password = {OBSCURED_PASSWORD}\n"
    )
    return config


def rclone_place(tmp_path: Path, name: str, *extra: str) -> RclonePlace:
    config = rclone_config(tmp_path)
    rclone = Rclone.find(config_file=config, extra_arguments=extra)
    remote = f"{name}:base"
    handoff = RcloneHandOff(rclone, check_remote(rclone, remote))
    looker = Rclone.find(config_file=config)
    return RclonePlace(looker, handoff, remote, tmp_path / f"{name} remote" / "base")


@pytest.fixture(params=["plain", "secret", "fake"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "fake":
        return FakePlace(FakeHandOff())
    return rclone_place(tmp_path, request.param)


@pytest.fixture(params=["secret", "fake"])
def slow_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A move of 400 kB takes about two seconds. A plain remote would be a rename on one disk."""
    if request.param == "fake":
        return FakePlace(FakeHandOff(seconds_per_move=2.0))
    return rclone_place(tmp_path, "secret", "--bwlimit=200k")


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    directory = tmp_path / "staging"
    directory.mkdir()
    return directory


def stage(staging: Path, content: bytes, message_id: int = 1) -> StagedFile:
    path = staging / f"{message_id}.staged"
    path.write_bytes(content)
    os.utime(path, (MESSAGE_DATE.timestamp(), MESSAGE_DATE.timestamp()))
    item = MediaItem(
        MessageKey(CHAT_ID, 0, message_id),
        MediaType.DOCUMENT,
        "any name",
        "application/octet-stream",
        len(content),
        MESSAGE_DATE,
        FileLocation(LocationKind.DOCUMENT, 2, 1, 1, b""),
    )
    return StagedFile(Reservation(item, len(content)), path)


def ignore_bytes(total_bytes: int) -> None:
    """For moves whose progress does not matter."""


def test_hostile_names_arrive_unchanged_and_run_nothing(
    place: Place, staging: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every name arrives as it is, in its folder, with its bytes; nothing else appears."""
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    place.handoff.prepare_folder(FOLDER)
    for number, name in enumerate(HOSTILE_NAMES):
        staged = stage(staging, f"content {number}".encode(), number)
        remote_file = place.handoff.move(staged, FOLDER, name, ignore_bytes)
        assert remote_file == RemoteFile(staged.item, FOLDER, name)
        assert not staged.path.exists()
    listed = {file.name: file.size_bytes for file in place.handoff.prepare_folder(FOLDER)}
    assert listed == {name: len(f"content {n}") for n, name in enumerate(HOSTILE_NAMES)}
    for number, name in enumerate(HOSTILE_NAMES):
        assert place.content(FOLDER, name) == f"content {number}".encode()
    assert {path.name for path in tmp_path.iterdir()} == before
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("name", ["../out", "a/b", "..", ".", "", "nul\0"])
def test_a_name_that_is_a_path_is_refused(tmp_path: Path, staging: Path, name: str) -> None:
    place = rclone_place(tmp_path, "plain")
    staged = stage(staging, b"x")
    with pytest.raises(ValueError, match="not the name of one file"):
        place.handoff.move(staged, FOLDER, name, ignore_bytes)
    assert staged.path.exists()


def test_other_content_of_same_name_size_and_time_is_uploaded(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    place.handoff.move(stage(staging, b"old content"), FOLDER, "1_a", ignore_bytes)
    place.handoff.move(stage(staging, b"new content"), FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"new content"
    assert len(place.handoff.prepare_folder(FOLDER)) == 1


def test_the_same_content_again_is_there_once(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    for _ in range(2):
        staged = stage(staging, b"same content")
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
        assert not staged.path.exists()
    assert place.content(FOLDER, "1_a") == b"same content"
    assert len(place.handoff.prepare_folder(FOLDER)) == 1


def test_an_empty_file_is_a_file(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    place.handoff.move(stage(staging, b""), FOLDER, "1_empty", ignore_bytes)
    assert [(f.name, f.size_bytes) for f in place.handoff.prepare_folder(FOLDER)] == [
        ("1_empty", 0)
    ]


def test_progress_ends_at_the_size_of_the_file(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    told: list[int] = []
    place.handoff.move(stage(staging, b"x" * 300_000), FOLDER, "1_a", told.append)
    assert told[-1] == 300_000
    assert told == sorted(told)


def test_a_failed_move_keeps_the_file_and_the_next_attempt_works(
    place: Place, staging: Path
) -> None:
    staged = stage(staging, b"precious")
    place.refuse_next(FOLDER)
    with pytest.raises(HandOffFailed, match=r"rclone ended with status 1: .+; the next run"):
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert staged.path.read_bytes() == b"precious"
    if isinstance(place, RclonePlace):
        (place.directory / FOLDER).unlink()
    place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"precious"


def test_a_staged_file_that_vanished_is_said_so(place: Place, staging: Path) -> None:
    staged = stage(staging, b"x")
    staged.path.unlink()
    with pytest.raises(StagingFailed, match="not in the staging directory"):
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)


def test_the_folder_of_a_chat_is_found_by_its_id_whatever_its_title(place: Place) -> None:
    assert place.handoff.find_folder(CHAT_ID) is None
    place.handoff.prepare_folder(f"Old title [{CHAT_ID}]")
    place.handoff.prepare_folder(f"Another chat [{CHAT_ID}1]")
    assert place.handoff.find_folder(CHAT_ID) == f"Old title [{CHAT_ID}]"


def test_of_two_folders_for_a_chat_every_run_takes_the_same(place: Place) -> None:
    for title in ("B", "A", "C"):
        place.handoff.prepare_folder(f"{title} [{CHAT_ID}]")
    assert place.handoff.find_folder(CHAT_ID) == f"A [{CHAT_ID}]"


def test_after_terminate_nothing_new_starts(place: Place, staging: Path) -> None:
    place.handoff.prepare_folder(FOLDER)
    place.handoff.terminate(grace_seconds=0)
    staged = stage(staging, b"x")
    with pytest.raises(Stopped):
        place.handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert staged.path.exists()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def test_a_move_that_ends_within_the_grace_is_done(
    slow_place: Place, staging: Path, pool: ThreadPoolExecutor
) -> None:
    slow_place.handoff.prepare_folder(FOLDER)
    staged = stage(staging, b"x" * 400_000)
    move = pool.submit(slow_place.handoff.move, staged, FOLDER, "1_a", ignore_bytes)
    time.sleep(0.5)
    slow_place.handoff.terminate(grace_seconds=60)
    assert move.result().name == "1_a"
    assert not staged.path.exists()
    assert slow_place.content(FOLDER, "1_a") == b"x" * 400_000


def test_a_move_that_outlasts_the_grace_is_ended_and_keeps_its_file(
    slow_place: Place, staging: Path, pool: ThreadPoolExecutor
) -> None:
    slow_place.handoff.prepare_folder(FOLDER)
    staged = stage(staging, b"x" * 400_000)
    move = pool.submit(slow_place.handoff.move, staged, FOLDER, "1_a", ignore_bytes)
    time.sleep(0.5)
    slow_place.handoff.terminate(grace_seconds=0.1)
    with pytest.raises(Stopped):
        move.result()
    assert staged.path.stat().st_size == 400_000


def test_a_second_terminate_cuts_a_long_grace_short(
    slow_place: Place, staging: Path, pool: ThreadPoolExecutor
) -> None:
    staged = stage(staging, b"x" * 400_000)
    slow_place.handoff.prepare_folder(FOLDER)
    move = pool.submit(slow_place.handoff.move, staged, FOLDER, "1_a", ignore_bytes)
    time.sleep(0.5)
    first = pool.submit(slow_place.handoff.terminate, 60.0)
    slow_place.handoff.terminate(grace_seconds=0)
    first.result()
    with pytest.raises(Stopped):
        move.result()
    assert staged.path.exists()


def running_rclone(parent: int) -> psutil.Process:
    """The rclone that this process has started, once it has begun to send."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for child in psutil.Process(parent).children(recursive=True):
            if "moveto" in child.cmdline():
                return child
        time.sleep(0.02)
    raise AssertionError("no rclone was started")


def test_a_killed_rclone_fails_the_move_and_keeps_the_file(
    tmp_path: Path, staging: Path, pool: ThreadPoolExecutor
) -> None:
    place = rclone_place(tmp_path, "secret", "--bwlimit=100k")
    place.handoff.prepare_folder(FOLDER)
    staged = stage(staging, b"x" * 2_000_000)
    sending = threading.Event()
    move = pool.submit(place.handoff.move, staged, FOLDER, "1_a", lambda total_bytes: sending.set())
    assert sending.wait(20)
    running_rclone(os.getpid()).send_signal(signal.SIGKILL)
    with pytest.raises(HandOffFailed, match="killed by signal 9"):
        move.result()
    assert staged.path.stat().st_size == 2_000_000
    # An rclone before 1.63 may leave half a file on remotes that can't rename. It counts for
    # nothing: what is on the remote has to have the declared size.
    listed = place.handoff.prepare_folder(FOLDER)
    assert 2_000_000 not in [file.size_bytes for file in listed]


MOVE_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from tests.contract.test_handoff import FOLDER, rclone_place, stage
tmp_path = Path(sys.argv[1])
place = rclone_place(tmp_path, "secret", "--bwlimit=100k")
place.handoff.prepare_folder(FOLDER)
staged = stage(tmp_path / "staging", b"x" * 2_000_000)
place.handoff.move(staged, FOLDER, "1_a", lambda sent: print("sending", flush=True))
"""


def test_when_the_program_is_killed_its_rclone_ends_and_the_file_is_kept(
    tmp_path: Path, staging: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", MOVE_IN_ANOTHER_PROCESS, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"sending\n"
        orphan = running_rclone(program.pid)
        program.kill()
    orphan.wait(10)
    assert (staging / "1.staged").stat().st_size == 2_000_000


def test_rclone_gets_no_variable_of_ours_and_none_that_makes_moves_unsafe(
    tmp_path: Path, staging: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RCLONE_SIZE_ONLY would delete a file whose like-sized namesake is on the remote."""
    monkeypatch.setenv("TDL_SYNC_API_HASH", "secret")
    monkeypatch.setenv("RCLONE_SIZE_ONLY", "true")
    monkeypatch.setenv("RCLONE_LOG_FILE", str(tmp_path / "log"))
    monkeypatch.setenv("RCLONE_BWLIMIT", "200k")
    place = rclone_place(tmp_path, "secret")
    place.handoff.prepare_folder(FOLDER)
    place.handoff.move(stage(staging, b"old content"), FOLDER, "1_a", ignore_bytes)
    place.handoff.move(stage(staging, b"new content"), FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"new content"
    staged = stage(staging, b"x" * 400_000)
    move = pool.submit(place.handoff.move, staged, FOLDER, "2_b", ignore_bytes)
    environment = running_rclone(os.getpid()).environ()
    assert not [name for name in environment if name.startswith("TDL_SYNC")]
    assert environment["RCLONE_BWLIMIT"] == "200k"
    move.result()
    assert not (tmp_path / "log").exists()


def test_a_remote_without_a_common_hash_is_known_as_such(tmp_path: Path) -> None:
    rclone = Rclone.find(config_file=rclone_config(tmp_path))
    plain = check_remote(rclone, "plain:")
    secret = check_remote(rclone, "secret:")
    assert (plain.type, plain.shares_hash) == ("alias", True)
    assert (secret.type, secret.shares_hash) == ("crypt", False)
    assert plain.free_bytes is not None
    assert plain.free_bytes > 0


@pytest.mark.parametrize("form", ["plain:a/b", ":local:{0}/x y", "{0}/path", "plain,foo=1:c"])
def test_the_check_takes_every_spelling_of_a_remote_and_leaves_nothing(
    tmp_path: Path, form: str
) -> None:
    rclone = Rclone.find(config_file=rclone_config(tmp_path))
    check_remote(rclone, form.format(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "rclone.conf"]


def check_error(tmp_path: Path, remote: str, config: str | None = None) -> str:
    config_file = rclone_config(tmp_path)
    if config is not None:
        config_file.write_text(config)
    with pytest.raises(ConfigurationError) as caught:
        check_remote(Rclone.find(config_file=config_file), remote)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_remote_that_is_not_configured_is_named_with_those_that_are(tmp_path: Path) -> None:
    assert check_error(tmp_path, "gdrive:x") == (
        "rclone knows no remote 'gdrive', only: plain:, secret:; make it with `rclone config`, "
        "or name another with --remote or --rclone-config"
    )


def test_a_remote_that_takes_no_files_is_found_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "plain remote").write_bytes(b"in the way")
    error = check_error(tmp_path, "plain:base")
    assert re.fullmatch(
        r"rclone can't (write to|open) 'plain:base': .*not a directory; .* with --remote", error
    )


def test_an_encrypted_configuration_is_named_and_nothing_waits_for_a_password(
    tmp_path: Path,
) -> None:
    """The header alone decides; the base64 is a box that no password opens."""
    config = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\n" + "A" * 120 + "\n"
    error = check_error(tmp_path, "plain:", config)
    assert error.startswith("rclone's configuration is encrypted and can't be opened (")
    assert error.endswith("put its password into the environment variable RCLONE_CONFIG_PASS")


def test_a_broken_configuration_is_named(tmp_path: Path) -> None:
    error = check_error(tmp_path, "plain:", "[plain\ntype")
    assert error.startswith("rclone can't read its configuration (")


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no rclone configuration '/none/x'"):
        Rclone.find(config_file=Path("/none/x"))


def test_gdrive_demands_a_google_drive(tmp_path: Path) -> None:
    rclone = Rclone.find(config_file=rclone_config(tmp_path))
    with pytest.raises(ConfigurationError, match="expects a remote of type 'drive', but 'plain:'"):
        check_remote(rclone, "plain:", must_be_drive=True)


def test_a_drive_without_a_token_is_refused_credentials_with_the_command(tmp_path: Path) -> None:
    config = tmp_path / "drive.conf"
    config.write_text("[gdrive]\ntype = drive\nclient_id = x\nclient_secret = y\n")
    with pytest.raises(CredentialsRefused, match=r"Run: rclone config reconnect gdrive:$"):
        check_remote(Rclone.find(config_file=config), "gdrive:x", must_be_drive=True)


def test_an_rclone_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="there is no rclone at '/none/rclone'"):
        Rclone.find("/none/rclone")


def script(path: Path, line: str) -> str:
    path.write_text(f"#!/bin/sh\necho '{line}'\n")
    path.chmod(0o700)
    return str(path)


def test_an_rclone_that_is_too_old_is_named_with_both_versions(tmp_path: Path) -> None:
    old = script(tmp_path / "old rclone", "rclone v1.53.3-DEV")
    with pytest.raises(ConfigurationError, match=r"is rclone 1\.53, but at least 1\.60 is needed"):
        Rclone.find(old)


def test_a_program_that_is_not_rclone_is_named(tmp_path: Path) -> None:
    other = script(tmp_path / "other", "hello")
    with pytest.raises(ConfigurationError, match="does not say its version as rclone does"):
        Rclone.find(other)


def test_an_old_rclone_on_the_path_does_not_hide_the_one_beside_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Rclone.find().executable
    (tmp_path / "old").mkdir()
    (tmp_path / "environment").mkdir()
    script(tmp_path / "old" / "rclone", "rclone v1.53.3-DEV")
    (tmp_path / "environment" / "rclone").symlink_to(real)
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    assert Rclone.find().executable == str(tmp_path / "environment" / "rclone")


@pytest.mark.parametrize(
    ("exit_status", "last_error", "expected"),
    [
        (1, 'oauth2: "invalid_grant" "Token has been expired"', CredentialsRefused),
        (1, "couldn't fetch token - maybe it has expired?", CredentialsRefused),
        (
            7,
            "googleapi: Error 403: User rate limit exceeded., userRateLimitExceeded",
            ComeBackLater,
        ),
        (1, "googleapi: Error 403: User rate limit exceeded., userRateLimitExceeded", None),
        (1, "googleapi: Error 403: full, storageQuotaExceeded", ComeBackLater),
        (1, "write /x: no space left on device", ComeBackLater),
        (1, "didn't find section in config file", ConfigurationError),
        (1, "corrupted on transfer: md5 hashes differ", None),
    ],
)
def test_what_ends_the_run_is_told_from_what_fails_one_file(
    exit_status: int, last_error: str, expected: type[Exception] | None
) -> None:
    error = classified(RcloneFailure("gdrive:x", exit_status, last_error))
    assert error is None if expected is None else type(error) is expected
