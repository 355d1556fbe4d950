"""What passes while the run goes on: tried again, slowed down, or mended on the way."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from standins.drive.faults import Fault
from tests.e2e.conftest import SetScene
from tests.e2e.drive.six_files import FILES, PROBE, six_files
from tests.e2e.expectations import assert_moved


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
