"""A request that Telegram never answers, or a connection that crawls, holds no file."""

from __future__ import annotations

import pytest

from standins.shaping import Shaping
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tdl_sync.telegram.files import late_requests
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE
from tests.in_process import SignalWhen, run_here

MIB = 1024 * 1024
GET_FILE = "upload.GetFile"
LINE = Shaping(round_trip_seconds=0.03, connection_bytes_per_second=8 * MIB)


@pytest.mark.parametrize(
    "sizes",
    [[100_000] * 60, [20 * MIB, *[100_000] * 20], [24 * MIB]],
    ids=["small files", "both", "one large file"],
)
@pytest.mark.parametrize(
    "fault",
    [
        Fault("no_answer", rpc=GET_FILE, after_calls=17),
        # Not the first connection, which carries all other calls as well.
        Fault("slow", rpc=GET_FILE, connection=3, bytes_per_second=2000),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_silent_request_holds_no_file(
    sizes: list[int], fault: Fault, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is given up here, so that the run would never end, and be stopped at last."""
    monkeypatch.setattr(late_requests, "ANSWER_SECONDS", 1e6)
    scene = stage(worlds.files(sizes=sizes), LINE)
    scene.telegram.faults.add(fault)
    never = SignalWhen(lambda: False)
    ended = run_here(scene.machine, "-u", SOURCE, "--connections=4", signal_when=never)
    assert_moved(ended, len(sizes))
    assert scene.telegram.faults.strikes() == [(fault, 1)]
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
    served_bytes = scene.telegram.statistics.counts().file_bytes
    again_bytes = 0 if fault.kind == "no_answer" else late_requests.AGAIN_AT_ONCE_BYTES
    assert served_bytes <= sum(sizes) + again_bytes
