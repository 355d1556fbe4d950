"""When Drive takes no more: the daily quota and the storage. No file is lost, and it goes on."""

from __future__ import annotations

import re
import signal

from standins.drive.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import SetScene
from tests.e2e.drive.six_files import FILES, PROBE, assert_next_run_finishes, six_files
from tests.e2e.expectations import assert_moved, the_state

CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d"


def test_the_daily_quota_saves_the_state_and_says_when_to_come_back(scene: SetScene) -> None:
    on = six_files(scene)
    on.drive.faults.add(Fault("daily_quota", times=None, after_calls=3))
    ended = on.run("--workers", "1")
    assert ended.exit_status == 75
    assert ended.result["status"] == "quota"
    assert re.fullmatch(
        rf"tdl_sync: Quota exceeded, resume in 24 hours, at {CLOCK}: Google Drive takes 750 GB a "
        r"day \(googleapi: Error 403: User rate limit exceeded\., userRateLimitExceeded\); "
        r"this is of the remote 'gdrive:a/b'\n",
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
    there = len(on.present())
    on.drive.faults.clear()

    def goes_on() -> bool:
        """Until the next try, which is some seconds later, nothing more is downloaded."""
        now = (len(on.staged()), on.telegram.statistics.counts().file_bytes)
        uploaded = len(on.present()) > there
        assert uploaded or now == (4, served)
        return uploaded

    running.wait_until(goes_on)
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
    on.drive.faults.add(Fault("shared_drive_full", call="upload", times=None, after_calls=PROBE))
    ended = on.run(remote="gdrive-shared:a")
    assert ended.exit_status == 2
    assert "The file limit for this shared drive has been exceeded." in ended.said
    assert ended.said.endswith("; empty its bin, or name another shared drive with --remote\n")
