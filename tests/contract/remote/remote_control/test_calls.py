"""How a call of rclone's remote control succeeds and fails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from standins.drive.faults import Fault, FaultKind
from standins.drive.shaping import Shaping
from tests.contract.remote.remote_control.conftest import Start
from tests.contract.remote.remote_control.on_drive import AT_ONCE, FOLDER, OnDrive
from tests.contract.remote.remote_control.raw_rclone import RawRclone
from tests.waiting import in_thread, result_of

NAME = "name"


@dataclass(frozen=True)
class Trouble:
    fault: Fault
    error: str


def of_uploads(kind: FaultKind, error: str) -> Trouble:
    return Trouble(Fault(kind, call="upload", times=None), error)


TROUBLES = [
    of_uploads("rate_limit", "googleapi: Error 403: Rate Limit Exceeded, rateLimitExceeded"),
    of_uploads(
        "user_rate_limit",
        "googleapi: Error 403: User Rate Limit Exceeded, userRateLimitExceeded",
    ),
    of_uploads("too_many_requests", "googleapi: Error 429: Rate Limit Exceeded, rateLimitExceeded"),
    of_uploads(
        "daily_quota", "googleapi: Error 403: User rate limit exceeded., userRateLimitExceeded"
    ),
    of_uploads(
        "storage_full",
        "googleapi: Error 403: The user's Drive storage quota has been exceeded., "
        "storageQuotaExceeded",
    ),
    of_uploads(
        "shared_drive_full",
        "googleapi: Error 403: The file limit for this shared drive has been exceeded., "
        "teamDriveFileLimitExceeded",
    ),
    of_uploads("unauthorized", "googleapi: Error 401: Invalid Credentials, authError"),
    of_uploads("server_error", "googleapi: Error 503: Backend Error, backendError"),
    Trouble(
        Fault("unauthorized", call="files.list", times=None),
        "couldn't list directory: googleapi: Error 401: Invalid Credentials, authError",
    ),
]


@pytest.fixture
def folder(on_drive: OnDrive) -> str:
    """The remote string of a folder, as a run would have it."""
    on_drive.start()
    return on_drive.make_folder(upload_cutoff="0", stop_on_upload_limit="true", chunk_size="32M")


def test_a_move_that_succeeds_says_nothing(on_drive: OnDrive, folder: str) -> None:
    source = on_drive.stage("source")

    answer = on_drive.move(source, folder, NAME, _config=AT_ONCE)

    assert (answer.status, answer.said) == (200, {})
    assert not source.exists()
    assert [file.data for file in on_drive.there(f"{FOLDER}/{NAME}")] == [b"content"]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: str(trouble.fault.kind))
def test_a_move_that_fails_says_drive_s_own_words_and_keeps_the_source(
    on_drive: OnDrive, folder: str, trouble: Trouble
) -> None:
    source = on_drive.stage("source")
    on_drive.drive.faults.add(trouble.fault)

    answer = on_drive.move(source, folder, NAME, _config=AT_ONCE)

    assert (answer.status, answer.error) == (500, trouble.error)
    assert source.exists()
    assert on_drive.there(f"{FOLDER}/{NAME}") == []


@pytest.mark.parametrize("group", [{}, {"_group": "global_stats"}], ids=str)
@pytest.mark.parametrize("kind", ["daily_quota", "storage_full"])
def test_a_limit_fails_its_own_call_alone(
    on_drive: OnDrive, folder: str, kind: FaultKind, group: dict[str, str]
) -> None:
    """Also where all moves share a group, that of the progress."""
    source, other = on_drive.stage("source"), on_drive.stage("other")
    on_drive.drive.faults.add(Fault(kind, times=1))

    assert on_drive.move(source, folder, NAME, _config=AT_ONCE, **group).status == 500

    assert on_drive.move(other, folder, NAME, _config=AT_ONCE, **group).succeeded
    assert on_drive.call("rc/noop").succeeded


def test_the_day_s_limit_is_told_at_once_where_the_remote_string_wants_it(
    on_drive: OnDrive, folder: str
) -> None:
    """With as many tries as rclone makes by itself."""
    on_drive.drive.faults.add(Fault("daily_quota", times=None))

    answer = on_drive.move(on_drive.stage("source"), folder, NAME)

    assert "User rate limit exceeded." in answer.error
    assert on_drive.calls["upload.start"] == 1


def test_what_arrived_otherwise_is_told_and_taken_away_and_the_source_is_kept(
    on_drive: OnDrive, folder: str
) -> None:
    source = on_drive.stage("source")
    on_drive.drive.faults.add(Fault("flipped_byte"))

    answer = on_drive.move(source, folder, NAME, _config=AT_ONCE)

    assert answer.status == 500
    assert answer.error.startswith("corrupted on transfer: md5 hash")
    assert source.exists()
    assert on_drive.there(f"{FOLDER}/{NAME}") == []


def test_a_network_that_is_gone_is_told(on_drive: OnDrive, folder: str) -> None:
    source = on_drive.stage("source")
    on_drive.drive.faults.network_down = True
    on_drive.drive.drop_connections()

    answer = on_drive.move(source, folder, NAME, _config=AT_ONCE)

    assert answer.status == 500
    assert answer.error.startswith("couldn't list directory: Get \"https://www.googleapis.com/")
    assert source.exists()


@pytest.mark.parametrize("lost", ["upload.chunk", "upload.finish"])
def test_an_answer_that_is_lost_is_told_and_the_source_is_kept(
    on_drive: OnDrive, folder: str, lost: str
) -> None:
    """Whether the file has arrived is not known."""
    source = on_drive.stage("source", bytes(2 * 256 * 1024))
    remote = folder.replace("chunk_size=32M", "chunk_size=256k")
    on_drive.drive.faults.add(Fault("answer_lost", call=lost))

    answer = on_drive.move(source, remote, NAME, _config=AT_ONCE)

    assert answer.status == 500
    assert answer.error.startswith('Post "https://www.googleapis.com/upload/drive/v3/files?')
    assert answer.was_broken_off, answer.error
    assert source.exists()
    assert len(on_drive.there(f"{FOLDER}/{NAME}")) == (lost == "upload.finish")


def test_a_source_that_is_not_there_is_not_found(on_drive: OnDrive, folder: str) -> None:
    answer = on_drive.move(on_drive.staging / "nowhere", folder, NAME)

    assert (answer.status, answer.error) == (404, "object not found")
    assert on_drive.calls == {}


def test_a_call_that_it_does_not_know_is_not_found(rclone: RawRclone) -> None:
    answer = rclone.call("operations/nonsense")

    assert (answer.status, answer.error) == (404, 'couldn\'t find method "operations/nonsense"')


@pytest.mark.parametrize(
    "parameters",
    [
        {"srcFs": "/", "srcRemote": "x", "dstFs": "/"},
        {"srcFs": "/", "srcRemote": "x", "dstFs": "/", "dstRemote": 1},
        {"srcFs": "/", "srcRemote": "x", "dstFs": "/", "dstRemote": "y", "_config": "no JSON"},
        {
            "srcFs": "/",
            "srcRemote": "x",
            "dstFs": "/",
            "dstRemote": "y",
            "_config": {"CheckSum": "yes"},
        },
    ],
    ids=["missing", "of another type", "no JSON", "of another type in the options"],
)
def test_a_call_that_is_wrong_is_our_mistake(
    rclone: RawRclone, parameters: dict[str, object]
) -> None:
    assert rclone.call("operations/movefile", **parameters).status == 400


def test_a_remote_that_the_configuration_does_not_have_is_told(start: Start) -> None:
    rclone = start(config="[x]\ntype = alias\nremote = /\n")

    answer = rclone.call("operations/list", fs="nowhere:", remote="")

    assert answer.status == 500
    assert answer.error.startswith("didn't find section in config file")


def test_a_folder_that_is_not_there_is_not_found(rclone: RawRclone, tmp_path: Path) -> None:
    answer = rclone.call("operations/list", fs=str(tmp_path / "nowhere"), remote="")

    assert (answer.status, answer.error) == (404, "error in ListJSON: directory not found")


def test_two_moves_to_one_name_make_two_files(on_drive: OnDrive, folder: str) -> None:
    """Where each looks before what the other brings is listed."""
    on_drive.drive.shaping = Shaping(listing_lag_seconds=3600)
    one, other = on_drive.stage("one", b"one"), on_drive.stage("other", b"other")

    first = in_thread(lambda: on_drive.move(one, folder, NAME, _config=AT_ONCE))
    second = in_thread(lambda: on_drive.move(other, folder, NAME, _config=AT_ONCE))

    assert result_of(first).succeeded
    assert result_of(second).succeeded
    assert {file.data for file in on_drive.there(f"{FOLDER}/{NAME}")} == {b"one", b"other"}


def test_without_a_look_at_what_is_there_a_move_costs_one_call_less(
    on_drive: OnDrive, folder: str
) -> None:
    assert on_drive.move(on_drive.stage("one"), folder, "one", _config=AT_ONCE).succeeded
    with_look = on_drive.calls
    on_drive.forget_calls()

    without = {**AT_ONCE, "NoCheckDest": True}
    assert on_drive.move(on_drive.stage("other"), folder, "other", _config=without).succeeded

    assert with_look == {"files.list": 2, "upload.start": 1, "upload.finish": 1}
    assert on_drive.calls == {"files.list": 1, "upload.start": 1, "upload.finish": 1}


def test_remotes_made_by_variables_can_be_used_though_they_are_not_listed(
    start: Start, tmp_path: Path, is_current: bool
) -> None:
    (tmp_path / "remote").mkdir()
    rclone = start(
        config="[x]\ntype = alias\nremote = /\n",
        environment={
            "RCLONE_CONFIG_MADE_TYPE": "alias",
            "RCLONE_CONFIG_MADE_REMOTE": str(tmp_path / "remote"),
        },
    )

    assert rclone.call("operations/list", fs="made:", remote="").succeeded
    listed = rclone.call("config/listremotes").said["remotes"]
    assert ("MADE" in map(str.upper, listed)) == is_current
    assert set(rclone.call("config/dump").said) == {"x"}
    assert rclone.call("config/paths").status == (200 if is_current else 404)
