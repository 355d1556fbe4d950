"""What Drive refuses: its line, its exit status; no file is lost, and the next run finishes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import termios
from collections.abc import Mapping

import pytest

from standins.drive.faults import Fault
from standins.drive.refusals import refusal
from standins.telegram.world import worlds
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.drive.six_files import FILES, PROBE, assert_next_run_finishes, six_files
from tests.e2e.expectations import assert_moved
from tests.e2e.program import PATIENCE_SECONDS, RCLONE, SOURCE


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
        r"failed: \d \d_file-\d\.bin: rclone did not move it: corrupted on transfer: md5 "
        r"hash.* the next run tries again",
        ended.stderr,
    )
    assert_next_run_finishes(on)


FOR_ALL_FILES = {
    "storageQuotaExceeded": (2, "has no storage of its own", "use a shared drive"),
    "insufficientParentPermissions": (2, "lets its account not write there", "as an editor"),
    "appNotAuthorizedToFile": (2, "only where rclone itself has made the folder", "scope = drive"),
    "accessNotConfigured": (2, "project does not use Google's Drive API", "enable that API"),
    "domainPolicy": (2, "organisation", "ask its administrator"),
    "insufficientPermissions": (4, "refuses its credentials", "rclone config reconnect gdrive:"),
    "dailyLimitExceeded": (75, "may make no more calls today", "resume in 24 hours"),
}
"""By Google's reason: the exit status, what is said of it, and of the mend."""


@pytest.mark.parametrize("reason", FOR_ALL_FILES)
def test_a_refusal_that_holds_for_every_further_file_ends_the_run_after_the_first(
    scene: SetScene, reason: str
) -> None:
    """It is tried once, not three times; what is staged is kept for the next run."""
    on = six_files(scene)
    on.drive.faults.add(refusal(reason, call="upload.start", after_calls=PROBE))
    ended = on.run("--workers", "1")
    status, said, mend = FOR_ALL_FILES[reason]
    assert ended.exit_status == status
    (line,) = ended.said.splitlines()
    assert said in line
    assert mend in line
    assert reason in line
    assert [times for _, times in on.drive.faults.strikes()] == [1]
    assert on.staged() != []
    assert_next_run_finishes(on)


@pytest.mark.parametrize("options", [(), ("--sidecar",)], ids=["files", "their sidecars"])
def test_a_refusal_that_nobody_knows_ends_the_run_when_it_comes_for_three_files_in_a_row(
    scene: SetScene, options: tuple[str, ...]
) -> None:
    on = scene(worlds.files(sizes=[1000] * 40))
    strange = Fault(
        "error",
        call="upload.start",
        status=403,
        reason="strangeReason",
        message="A thing nobody saw.",
        times=None,
        after_calls=PROBE,
    )
    on.drive.faults.add(strange)
    ended = on.run("--workers", "3", *options)
    assert ended.exit_status == 2
    assert ended.said == (
        "tdl_sync: the remote 'gdrive:a/b' has refused 3 files in a row alike (googleapi: Error "
        "403: A thing nobody saw., strangeReason); look there for the reason, and start again\n"
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
        "rclone did not move it: googleapi: Error 403: A thing nobody saw., strangeReason; "
        "the next run tries again" in ended.stderr
    )
    assert_next_run_finishes(on)


def test_a_remote_that_is_not_configured_stops_before_any_download(scene: SetScene) -> None:
    on = six_files(scene)
    ended = on.run(remote="elsewhere:a/b")
    assert ended.exit_status == 2
    assert ended.said == (
        "tdl_sync: rclone knows no remote 'elsewhere', only: gdrive:, gdrive-sa:, gdrive-shared:; "
        f"make it with `{RCLONE} --config={on.rclone_config} config`, or name another with "
        "--remote or --rclone-config\n"
    )
    assert on.staged() == []
    assert_next_run_finishes(on)
