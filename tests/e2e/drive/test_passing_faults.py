"""What passes while the run goes on: tried again, slowed down, or mended on the way."""

from __future__ import annotations

import pytest

from standins.drive.faults import Fault
from tests.e2e.conftest import SetScene
from tests.e2e.drive.six_files import FILES, PROBE, six_files
from tests.e2e.expectations import assert_moved

REFUSED = {
    "server errors": Fault("server_error", call="upload.start", times=2),
    "answers lost": Fault("answer_lost", call="upload.finish", times=3),
    "a refused token": Fault("unauthorized", call="upload.start", after_calls=4),
}
BROKEN = {
    "cut in mid-upload": Fault(
        "cut", call="upload.chunk", body_bytes=100_000, times=2, after_calls=1
    ),
    "a stall": Fault("stall", call="upload.finish", body_bytes=500, after_calls=2),
    "a flipped byte": Fault("flipped_byte", after_calls=3),
}


@pytest.mark.parametrize("faults", [REFUSED, BROKEN], ids=["refused", "broken on the way"])
def test_what_passes_is_tried_again_and_nothing_is_said(
    scene: SetScene, faults: dict[str, Fault]
) -> None:
    on = six_files(scene)
    on.drive.faults.add(*faults.values())
    ended = on.run("--rclone-arg=--timeout=2s", "--rclone-arg=--drive-chunk-size=256k")
    assert_moved(ended, FILES)
    struck = dict(zip(faults, (times for _, times in on.drive.faults.strikes()), strict=True))
    assert all(struck.values()), struck
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
    ids=["403", "429"],
)
def test_a_rate_limit_slows_all_down_and_the_run_goes_on(
    scene: SetScene, fault: Fault, reason: str
) -> None:
    """Drive's other reason, which is also that of the day's quota, is in
    ``tests/contract/remote/test_handoff_troubles.py``."""
    on = six_files(scene)
    on.drive.faults.add(fault)
    ended = on.run("--workers", "4")
    assert_moved(ended, FILES)
    line = f"uploading waits: the remote limits the rate ({reason}), until "
    assert any(logged.startswith(line) for logged in ended.log), ended.stderr
    on.assert_all_there()


def test_a_byte_that_is_flipped_in_the_proof_at_the_start_refuses_no_remote(
    scene: SetScene,
) -> None:
    """Nor one whose wrong copy stays, where the account may not remove it."""
    on = six_files(scene)
    keeps = Fault("error", "files.update", None, status=403, reason="insufficientFilePermissions")
    on.drive.faults.add(Fault("flipped_byte", times=2), keeps)
    assert_moved(on.run(), FILES)
    probes = [file for file in on.present() if file.name.startswith(".")]
    assert len({file.name for file in probes}) == len(probes) == 3
