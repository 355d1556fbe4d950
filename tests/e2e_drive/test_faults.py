"""What Drive refuses: its line, its exit status; no file is lost, and the next run finishes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from standins.drive.faults import Fault
from standins.telegram import worlds
from tests.e2e.expectations import assert_moved, the_state
from tests.e2e.program import PATIENCE_SECONDS
from tests.e2e_drive.conftest import REMOTE, SOURCE, DriveScene, SetScene

FILES = 6
PROBE = 1  # the file by which the program finds out whether it may write there
CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d"


def six_files(scene: SetScene) -> DriveScene:
    """The first is the largest: it is sent in more than one piece with a chunk size of 256 kB."""
    return scene(worlds.files(sizes=[600_000, 1000, 2000, 3000, 4000, 5000]))


def assert_next_run_finishes(on: DriveScene) -> None:
    on.drive.faults.clear()
    ended = on.run()
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    on.assert_all_there()


# --- what passes while the run goes on --------------------------------------------------------


@dataclass(frozen=True)
class Passing:
    name: str
    faults: tuple[Fault, ...]


@pytest.mark.parametrize(
    "passing",
    [
        Passing("server errors", (Fault("server_error", call="upload.start", times=2),)),
        Passing("answers lost", (Fault("answer_lost", call="upload.finish", times=3),)),
        Passing(
            "cut in mid-upload",
            (Fault("cut", call="upload.chunk", body_bytes=100_000, times=2, after_calls=1),),
        ),
        Passing("a flipped byte", (Fault("flipped_byte", after_calls=2),)),
        Passing("a stall", (Fault("stall", call="upload.finish", body_bytes=500, after_calls=2),)),
        Passing("a refused token", (Fault("unauthorized", call="upload.start", after_calls=2),)),
    ],
    ids=lambda passing: passing.name,
)
def test_what_passes_is_tried_again_and_nothing_is_said(scene: SetScene, passing: Passing) -> None:
    on = six_files(scene)
    on.drive.faults.add(*passing.faults)
    ended = on.run("--rclone-arg=--timeout=2s", "--rclone-arg=--drive-chunk-size=256k")
    assert_moved(ended, FILES)
    assert all(struck for _, struck in on.drive.faults.strikes())
    assert "failed:" not in ended.stderr
    on.assert_all_there()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            Fault("rate_limit", call="upload.start", times=4, after_calls=PROBE),
            "googleapi: Error 403: Rate Limit Exceeded, rateLimitExceeded",
        ),
        (
            Fault("user_rate_limit", call="upload.finish", times=4, after_calls=PROBE),
            "googleapi: Error 403: User Rate Limit Exceeded, userRateLimitExceeded",
        ),
        (
            Fault(
                "too_many_requests",
                call="upload.start",
                times=4,
                after_calls=PROBE,
                retry_after_seconds=1,
            ),
            "googleapi: Error 429: Rate Limit Exceeded, rateLimitExceeded",
        ),
    ],
    ids=["403 rateLimitExceeded", "403 userRateLimitExceeded", "429"],
)
def test_a_rate_limit_slows_all_down_and_the_run_goes_on(
    scene: SetScene, fault: Fault, reason: str
) -> None:
    on = six_files(scene)
    on.drive.faults.add(fault)
    ended = on.run("--workers", "4")
    assert_moved(ended, FILES)
    line = f"uploading waits: the remote limits the rate ({reason}), until "
    assert any(logged.startswith(line) for logged in ended.log), ended.stderr
    on.assert_all_there()


def test_an_access_token_that_drive_disowns_is_renewed(scene: SetScene) -> None:
    """rclone itself would send it until it is past its time by this machine's clock."""
    on = six_files(scene)
    on.drive.expire_access_tokens()
    assert_moved(on.run(), FILES)
    on.assert_all_there()


def test_a_configuration_that_may_only_be_read_is_no_reason_to_stop(scene: SetScene) -> None:
    """The renewed token is kept in a copy: one renewal, not one for each file."""
    on = six_files(scene)
    (on.machine.directory / "read-only").mkdir()
    config = on.rclone_config.rename(on.machine.directory / "read-only" / "rclone.conf")
    config.write_text(
        re.sub(r'"expiry": "[^"]*"', '"expiry": "2020-01-01T00:00:00Z"', config.read_text())
    )
    config.parent.chmod(0o500)
    command = [*without_power_over_modes(), *on.machine.command()]
    variables = {"TDL_SYNC_RCLONE_CONFIG": str(config)}
    try:
        ended = on.machine.start(
            "-u", SOURCE, "--remote", REMOTE, variables=variables, command=command
        ).wait()
    finally:
        config.parent.chmod(0o700)
    assert_moved(ended, FILES)
    assert f"rclone's configuration {config} can't be written" in ended.stderr
    assert on.drive.statistics.counts().calls["token.refresh"] == 1
    assert (on.machine.data_directory / "rclone.conf").stat().st_mode & 0o777 == 0o600
    on.assert_all_there()


def without_power_over_modes() -> list[str]:
    """Root may write everywhere; this takes it from a command."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("as root this needs setpriv")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]


# --- what ends the run ------------------------------------------------------------------------


def test_the_daily_quota_saves_the_state_and_says_when_to_come_back(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.faults.add(Fault("daily_quota", times=None, after_calls=3))
    ended = on.run("--workers", "1")
    assert ended.exit_status == 75
    assert ended.result["status"] == "quota"
    assert re.fullmatch(
        rf"tdl_sync: Quota exceeded, resume in 24 hours, at {CLOCK}: Google Drive takes 750 GB a "
        r"day \(googleapi: Error 403: User rate limit exceeded\., userRateLimitExceeded\)\n",
        ended.said,
    )
    assert the_state(on.world)["status"] == "quota"
    assert on.staged() != []
    assert_next_run_finishes(on)


def test_on_quota_wait_sleeps_and_goes_on_by_itself(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.faults.add(Fault("daily_quota", times=None, after_calls=3))
    running = on.start("--on-quota", "wait", "--workers", "2")
    running.wait_for("uploading waits: Quota exceeded, resume in 24 hours, at ")
    on.drive.faults.clear()
    ended = running.wait()
    assert_moved(ended, FILES)
    assert any(
        re.fullmatch(
            rf"uploading waits: Quota exceeded, resume in 24 hours, at {CLOCK} \(googleapi: .*\); "
            r"since Google may be earlier, the next try is at \d\d:\d\d:\d\d",
            line,
        )
        for line in ended.log
    )
    on.assert_all_there()


def test_a_run_that_waits_for_the_quota_can_be_stopped(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.faults.add(Fault("daily_quota", times=None, after_calls=3))
    running = on.start("--on-quota", "wait")
    running.wait_for("uploading waits: Quota exceeded")
    running.signal(signal.SIGTERM)
    assert running.wait().exit_status == 143
    assert_next_run_finishes(on)


def test_downloads_fill_the_disk_while_uploads_wait_then_rest_and_go_on_by_themselves(
    scene: SetScene,
) -> None:
    on = scene(worlds.files(sizes=[200_000] * 12))
    budget_bytes = 1_000_000  # four of them, in whole blocks
    on.drive.faults.add(Fault("daily_quota", times=None, after_calls=PROBE))
    running = on.start("--on-quota", "wait", "--max-disk", f"{budget_bytes}B")
    running.wait_for("uploading waits: Quota exceeded")
    running.wait_until(lambda: len(on.staged()) == 4)
    served = on.telegram.statistics.counts().file_bytes
    time.sleep(1)
    assert len(on.staged()) == 4
    assert on.telegram.statistics.counts().file_bytes == served
    on.drive.faults.clear()
    assert_moved(running.wait(), 12)
    on.assert_all_there()


def test_full_storage_says_how_much_is_needed(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.storage_limit_bytes = 500_000
    ended = on.run("--workers", "1")
    assert ended.exit_status == 75
    assert re.fullmatch(
        r"tdl_sync: the remote 'gdrive:a/b' is full: this file needs 600 kB and \d+ kB are free "
        r"\(googleapi: Error 403: The user's Drive storage quota has been exceeded\., "
        r"storageQuotaExceeded\); make room there and start again\n",
        ended.said,
    )
    left = r"about \d+ kB of 'Stand-in: all kinds' are not on gdrive:a/b yet \(an estimate\)"
    assert any(re.fullmatch(left, line) for line in ended.log)
    assert on.staged() != []
    on.drive.storage_limit_bytes = 10**9
    assert_next_run_finishes(on)


def test_a_shared_drive_with_too_many_files_is_full(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.faults.add(Fault("shared_drive_full", call="upload", times=None, after_calls=1))
    ended = on.run(remote="gdrive-shared:a")
    assert ended.exit_status == 75
    assert "The file limit for this shared drive has been exceeded." in ended.said


def test_credentials_that_ended_are_named_with_the_command(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.expire_access_tokens()
    on.drive.faults.add(Fault("invalid_grant", times=None))
    ended = on.run()
    assert ended.exit_status == 4
    assert ended.result["status"] == "error"
    assert "the remote 'gdrive' refuses its credentials: " in ended.said
    assert "invalid_grant" in ended.said
    command = f"Run: rclone config reconnect gdrive: --config {on.rclone_config}\n"
    assert ended.said.endswith(command)
    assert on.staged() == []
    assert_next_run_finishes(on)


def test_at_a_terminal_the_command_is_offered_and_run(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.expire_access_tokens()
    on.drive.faults.add(Fault("invalid_grant", times=None))
    asked, said = at_a_terminal(on, {b"Run that now? [Y/n] ": b"y\n", b"y/n> ": b"\x03"})
    assert asked == [b"Run that now? [Y/n] ", b"y/n> "], said.decode()


def test_at_a_terminal_the_offer_can_be_refused(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.expire_access_tokens()
    on.drive.faults.add(Fault("invalid_grant", times=None))
    asked, said = at_a_terminal(on, {b"Run that now? [Y/n] ": b"n\n"})
    assert asked == [b"Run that now? [Y/n] "]
    assert b"result: status=error seen=0" in said


def at_a_terminal(on: DriveScene, answers: Mapping[bytes, bytes]) -> tuple[list[bytes], bytes]:
    """Run on a terminal and answer each question, once; which were asked, and all that was said."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*on.machine.command(), "-u", SOURCE, "--remote", REMOTE],
        env=on.machine.environment({"TERM": "dumb"}),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(follower)
    said, asked = b"", list[bytes]()
    with contextlib.suppress(OSError):  # how a terminal ends that nobody writes to any more
        while select.select([leader], [], [], PATIENCE_SECONDS)[0]:
            said += os.read(leader, 1000)
            for question in answers.keys() - set(asked):
                if question in said:
                    asked.append(question)
                    os.write(leader, answers[question])
    os.close(leader)
    process.wait(PATIENCE_SECONDS)
    return asked, said


def test_credentials_that_end_during_the_run_stop_it(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.faults.add(Fault("unauthorized", call="upload.start", times=None, after_calls=3))
    ended = on.run("--workers", "1")
    assert ended.exit_status == 4
    assert "googleapi: Error 401: Invalid Credentials, authError" in ended.said
    assert "Run: rclone config reconnect gdrive:" in ended.said
    assert_next_run_finishes(on)


def test_a_file_that_arrives_corrupted_each_time_fails_and_the_others_do_not(
    scene: SetScene,
) -> None:
    on = scene(worlds.files(sizes=[1000, 2000]))
    on.drive.faults.add(Fault("flipped_byte", times=3, after_calls=1))
    ended = on.run("--workers", "1")
    assert ended.exit_status == 3
    assert ended.result["status"] == "failed"
    assert ended.numbers()["failed"] == 1
    assert re.search(
        r"failed: \d \d_file-\d\.bin: rclone ended with status 1: corrupted on transfer: md5 "
        r"hash.* the next run tries again",
        ended.stderr,
    )
    assert_next_run_finishes(on)


def test_what_nobody_knew_is_said_in_rclones_own_words(scene: SetScene) -> None:
    on = scene(worlds.files(sizes=[1000]))
    strange = Fault(
        "error",
        call="upload.start",
        status=403,
        reason="strangeReason",
        message="A thing nobody saw.",
        times=None,
        after_calls=1,
    )
    on.drive.faults.add(strange)
    ended = on.run()
    assert ended.exit_status == 3
    assert (
        "rclone ended with status 1: googleapi: Error 403: A thing nobody saw., strangeReason; "
        "the next run tries again" in ended.stderr
    )
    assert_next_run_finishes(on)


def test_a_remote_that_is_not_configured_stops_before_any_download(scene: SetScene) -> None:
    on = six_files(scene)
    ended = on.run(remote="elsewhere:a/b")
    assert ended.exit_status == 2
    assert ended.said == (
        "tdl_sync: rclone knows no remote 'elsewhere', only: gdrive:, gdrive-sa:, gdrive-shared:; "
        "make it with `rclone config`, or name another with --remote or --rclone-config\n"
    )
    assert on.staged() == []
    assert_next_run_finishes(on)
