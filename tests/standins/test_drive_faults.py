"""What rclone makes of each fault: what the hand-off's classes of errors are built on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from standins.drive.faults import Fault, Faults
from standins.drive.shaping import Shaping
from tests.standins.rclone_on_drive import Ran, RcloneOnDrive, rclone_on_drive, rclone_version
from tests.waiting import PATIENCE_SECONDS, until

MOVE = ["moveto", "--checksum", "--drive-stop-on-upload-limit"]
IN_CHUNKS = "--drive-upload-cutoff=256k"
THREE_CHUNKS = os.urandom(700_000)
SMALL = b"small content"


@pytest.fixture
def rclone(tmp_path: Path) -> Iterator[RcloneOnDrive]:
    with rclone_on_drive(tmp_path) as started:
        yield started


def source_of(rclone: RcloneOnDrive) -> Path:
    return rclone.directory / "source" / "file"


def move(rclone: RcloneOnDrive, data: bytes, *flags: str, to: str = "gdrive:file") -> Ran:
    return rclone.run(*MOVE, *flags, str(rclone.local_file("file", data)), to)


def assert_arrived_once(rclone: RcloneOnDrive, data: bytes) -> None:
    assert [(file.name, file.md5) for file in rclone.there()] == [
        ("file", hashlib.md5(data).hexdigest())
    ]
    assert not source_of(rclone).exists()


def assert_kept(rclone: RcloneOnDrive) -> None:
    assert rclone.there() == []
    assert source_of(rclone).exists()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rate_limit"),
        Fault("user_rate_limit", retry_after_seconds=1),
        Fault("too_many_requests", call="upload"),
        Fault("server_error"),
        Fault("server_error", status=500, call="upload"),
        Fault("server_error", status=502, message="Bad Gateway"),
        Fault("cut", call="files.list"),
        Fault("cut", call="upload.multipart", body_bytes=100),
        Fault("answer_lost", call="upload.multipart"),
        Fault("answer_lost", call="files.list"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.call}-{fault.status}",
)
def test_what_passes_is_tried_again_until_the_file_is_there(
    rclone: RcloneOnDrive, fault: Fault
) -> None:
    rclone.drive.faults.add(fault)
    ran = move(rclone, SMALL)
    assert ran.exit_status == 0, ran.stderr
    assert_arrived_once(rclone, SMALL)
    assert rclone.drive.faults.strikes() == [(fault, 1)]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cut", call="upload.chunk", body_bytes=100_000),
        Fault("cut", call="upload.finish", body_bytes=10),
        Fault("answer_lost", call="upload.start"),
        Fault("answer_lost", call="upload.chunk"),
        Fault("answer_lost", call="upload.finish"),
        Fault("server_error", call="upload.chunk"),
        Fault("server_error", call="upload.finish"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.call}",
)
def test_a_broken_upload_in_chunks_goes_on_where_it_was(
    rclone: RcloneOnDrive, fault: Fault
) -> None:
    rclone.drive.faults.add(fault)
    ran = move(rclone, THREE_CHUNKS, IN_CHUNKS)
    assert ran.exit_status == 0, ran.stderr
    assert_arrived_once(rclone, THREE_CHUNKS)
    assert rclone.drive.statistics.counts().received_bytes < 2 * len(THREE_CHUNKS)


def test_whole_granules_survive_a_cut(rclone: RcloneOnDrive) -> None:
    rclone.drive.faults.add(Fault("cut", call="upload.finish", body_bytes=600_000))
    ran = move(rclone, THREE_CHUNKS, IN_CHUNKS, "--drive-chunk-size=1M")
    assert ran.exit_status == 0, ran.stderr
    assert_arrived_once(rclone, THREE_CHUNKS)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("rate_limit", call="upload", times=None), "rateLimitExceeded"),
        (Fault("user_rate_limit", call="upload", times=None), "userRateLimitExceeded"),
        (Fault("server_error", call="upload", times=None), "Error 503"),
        (Fault("unauthorized"), "Error 401: Invalid Credentials, authError"),
        (Fault("flipped_byte"), "corrupted on transfer: md5 hash"),
        (
            Fault("error", call="upload", status=403, reason="forbidden", message="No."),
            "Error 403: No., forbidden",
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_what_does_not_pass_keeps_the_file_and_says_why(
    rclone: RcloneOnDrive, fault: Fault, reason: str
) -> None:
    rclone.drive.faults.add(fault)
    ran = move(rclone, SMALL, "--low-level-retries=1")
    assert ran.exit_status == 1
    assert reason in ran.stderr
    assert_kept(rclone)
    rclone.drive.faults.clear()
    assert move(rclone, SMALL).exit_status == 0
    assert_arrived_once(rclone, SMALL)


def test_the_daily_quota_ends_rclone_at_the_first_upload_beyond_it(rclone: RcloneOnDrive) -> None:
    rclone.drive.faults.add(Fault("daily_quota", times=None, after_bytes=len(THREE_CHUNKS)))
    assert move(rclone, THREE_CHUNKS, IN_CHUNKS).exit_status == 0
    assert_arrived_once(rclone, THREE_CHUNKS)
    ran = move(rclone, SMALL, to="gdrive:other")
    assert ran.exit_status == 7
    assert "Error 403: User rate limit exceeded., userRateLimitExceeded" in ran.stderr
    assert source_of(rclone).exists()
    assert rclone.paths() == ["file"]
    assert rclone.succeed("lsf", "gdrive:").stdout == "file\n", "only uploads are refused"


def full_by_limit(rclone: RcloneOnDrive) -> None:
    rclone.drive.storage_limit_bytes = len(SMALL) - 1


def full_by_fault(rclone: RcloneOnDrive) -> None:
    rclone.drive.faults.add(Fault("storage_full", times=None))


@pytest.mark.parametrize("fill", [full_by_limit, full_by_fault])
@pytest.mark.parametrize("flag", ["--drive-upload-cutoff=8M", "--drive-upload-cutoff=0"])
def test_a_full_drive_keeps_the_file(
    rclone: RcloneOnDrive, fill: Callable[[RcloneOnDrive], None], flag: str
) -> None:
    fill(rclone)
    ran = move(rclone, SMALL, flag)
    # 1.60 knows the daily quota only by --drive-stop-on-upload-limit.
    assert ran.exit_status == (7 if rclone_version() >= (1, 75) else 1)
    assert "storageQuotaExceeded" in ran.stderr
    assert_kept(rclone)


def test_a_shared_drive_holds_only_so_many_files(rclone: RcloneOnDrive) -> None:
    rclone.drive.faults.add(Fault("shared_drive_full", times=None))
    ran = move(rclone, SMALL, to="gdrive-shared:file")
    assert ran.exit_status == 7
    assert "teamDriveFileLimitExceeded" in ran.stderr
    assert source_of(rclone).exists()


def test_a_revoked_refresh_token_is_said_so(rclone: RcloneOnDrive) -> None:
    rclone.drive.rclone_config(rclone.directory, token_seconds=0)
    rclone.drive.faults.add(Fault("invalid_grant", times=None))
    ran = move(rclone, SMALL)
    assert ran.exit_status == 1
    assert "invalid_grant" in ran.stderr
    assert_kept(rclone)


def test_a_service_account_that_is_gone_is_said_so(rclone: RcloneOnDrive) -> None:
    rclone.drive.faults.add(Fault("invalid_grant", call="token.service_account", times=None))
    ran = move(rclone, SMALL, to="gdrive-sa:file")
    assert ran.exit_status == 1
    assert "invalid_grant" in ran.stderr


def test_rclone_does_not_refresh_a_token_that_it_thinks_is_good(rclone: RcloneOnDrive) -> None:
    rclone.drive.expire_access_tokens()
    ran = move(rclone, SMALL)
    assert ran.exit_status == 1
    assert "Error 401" in ran.stderr
    assert "token.refresh" not in rclone.drive.statistics.counts().calls
    assert_kept(rclone)


def test_a_lost_answer_to_a_new_folder_makes_two(rclone: RcloneOnDrive) -> None:
    rclone.drive.faults.add(Fault("answer_lost", call="files.create"))
    rclone.succeed("mkdir", "gdrive:folder")
    assert rclone.paths() == ["folder", "folder"]


def test_a_lost_answer_and_a_lagging_listing_make_two_files(rclone: RcloneOnDrive) -> None:
    rclone.drive.shaping = Shaping(listing_lag_seconds=3600)
    rclone.drive.faults.add(Fault("answer_lost", call="upload.multipart"))
    assert move(rclone, SMALL).exit_status == 0
    assert rclone.paths() == ["file", "file"]


def test_moves_into_a_folder_that_no_listing_shows_yet_make_several(rclone: RcloneOnDrive) -> None:
    rclone.drive.shaping = Shaping(listing_lag_seconds=3600)
    for number in range(2):
        source = rclone.local_file(f"file {number}", SMALL)
        rclone.succeed(*MOVE, str(source), f"gdrive:new/file {number}")
    assert rclone.paths() == ["new", "new", "new/file 0", "new/file 1"]


@pytest.mark.parametrize("call", ["files.list", "upload.multipart"])
def test_a_stall_is_ended_by_rclone_s_own_time_limit(rclone: RcloneOnDrive, call: str) -> None:
    rclone.drive.faults.add(Fault("stall", call=call, body_bytes=20))
    ran = move(rclone, SMALL, "--timeout=2s")
    assert ran.exit_status == 0, ran.stderr
    assert_arrived_once(rclone, SMALL)


def test_rclone_killed_in_mid_upload_leaves_nothing_half(rclone: RcloneOnDrive) -> None:
    rclone.drive.shaping = Shaping(total_bytes_per_second=100_000)
    source = rclone.local_file("file", THREE_CHUNKS)
    with rclone.start(*MOVE, IN_CHUNKS, str(source), "gdrive:file") as process:
        until(lambda: rclone.drive.statistics.received_bytes > 0)
        process.kill()
    assert_kept(rclone)


def test_uploads_share_the_bandwidth_and_are_counted_at_once(rclone: RcloneOnDrive) -> None:
    rclone.drive.shaping = Shaping(total_bytes_per_second=100_000)
    with ExitStack() as stack:
        for number in range(3):
            source = rclone.local_file(f"{number}", THREE_CHUNKS)
            command = [*MOVE, IN_CHUNKS, str(source), f"gdrive:{number}"]
            stack.enter_context(rclone.start(*command))
        until(lambda: rclone.drive.statistics.counts().most_uploads_at_once == 3)
        rclone.drive.shaping = Shaping()
    assert rclone.paths() == ["0", "1", "2"]


def test_without_a_network_nothing_is_reached_until_it_is_back(rclone: RcloneOnDrive) -> None:
    rclone.drive.faults.network_down = True
    ran = move(rclone, SMALL, "--low-level-retries=1")
    assert ran.exit_status == 1
    assert "Bad Gateway" in ran.stderr
    rclone.drive.faults.network_down = False
    assert move(rclone, SMALL).exit_status == 0
    assert_arrived_once(rclone, SMALL)


def test_of_an_answer_that_is_held_the_work_is_done(rclone: RcloneOnDrive) -> None:
    """To each call of that upload; others go on."""
    held = Fault("answer_held", call="upload.finish", of_bytes=len(THREE_CHUNKS))
    rclone.drive.faults.add(held)
    assert move(rclone, SMALL, to="gdrive:small").exit_status == 0
    source = rclone.local_file("file", THREE_CHUNKS)
    with rclone.start(*MOVE, IN_CHUNKS, str(source), "gdrive:file") as process:
        until(lambda: len(rclone.there()) == 2)
        assert process.poll() is None
        process.kill()
    assert source.exists()
    assert rclone.drive.faults.strikes() == [(held, 1)]


def test_dropped_connections_are_made_again(rclone: RcloneOnDrive) -> None:
    rclone.drive.faults.add(Fault("stall", call="upload.multipart"))
    source = rclone.local_file("file", SMALL)
    with rclone.start(*MOVE, str(source), "gdrive:file") as process:
        until(lambda: rclone.drive.faults.strikes()[0][1] == 1)
        assert rclone.drive.drop_connections() >= 1
        assert process.wait(PATIENCE_SECONDS) == 0
    assert_arrived_once(rclone, SMALL)


@pytest.mark.parametrize("for_seconds", [None, 0.0])
def test_a_fault_strikes_after_its_calls_and_bytes_and_ends(for_seconds: float | None) -> None:
    fault = Fault(
        "rate_limit", call="upload", times=2, for_seconds=for_seconds, after_calls=1, after_bytes=10
    )
    faults = Faults([fault])
    calls = [("upload.start", 9), ("files.list", 10), *[("upload.chunk", 10)] * 4]
    struck = [faults.strike(*call) is not None for call in calls]
    expected_strikes = 2 if for_seconds is None else 1
    assert struck.index(True) == 3
    assert struck.count(True) == expected_strikes


def test_a_fault_of_one_upload_is_told_from_others_by_its_length() -> None:
    faults = Faults([Fault("rate_limit", of_bytes=7, times=None)])
    calls = [("files.list", None), ("upload.start", 6), ("upload.start", 7)]
    assert [faults.strike(call, 0, length) is not None for call, length in calls] == [
        *(False, False, True)
    ]


def test_a_fault_that_is_to_strike_no_times_does_not() -> None:
    assert Faults([Fault("rate_limit", times=0)]).strike("files.list", 0) is None
