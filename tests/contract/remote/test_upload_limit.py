"""``--bwlimit`` for uploads: a spelling means here what it means to rclone, and the one rclone of a
run has the limit that holds now, whenever it was started."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from tdl_sync.core.stop import StopFlag
from tdl_sync.options.bandwidth import Bandwidth, Rates, parse_bandwidth
from tdl_sync.options.config import RcloneSettings
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.remote_control import RemoteControl
from tdl_sync.remote.upload_limit import UploadLimit
from tests.contract.conftest import RCLONES
from tests.contract.old_rclone import old_rclone
from tests.standins.rclone_on_drive import executable
from tests.waiting import until

SPELLINGS = "10M 512 1.5M:off off:100k off 0 1Gi:2GiB 4096B 8M:1m 100K:0".split()
TABLES = (
    "00:00,512k 12:00,2M:1M",
    "08:00,512k 19:00,off",
    "Mon-00:30,1M 12:00,2M:1M friday-23:59,off SUN-20:00,3M",
    "Sat-23:59,77k",
    "00:00,1k;06:00,2k;12:00,3k 18:00,4k",
)


@pytest.fixture(params=RCLONES)
def program(request: pytest.FixtureRequest) -> str:
    return old_rclone() if request.param == "oldest" else executable()


def limits(answer: Any) -> Rates:
    up, down = answer["bytesPerSecondTx"], answer["bytesPerSecondRx"]
    return Rates(None if up <= 0 else up, None if down <= 0 else down)


def opened(closing: ExitStack, program: str, bandwidth: Bandwidth, *arguments: str) -> Rclone:
    rclone = Rclone.open(RcloneSettings(program, None, arguments, False, bandwidth))
    closing.callback(rclone.close)
    return rclone


def test_a_rate_is_read_as_rclone_reads_it(closing: ExitStack, program: str) -> None:
    rclone = opened(closing, program, Bandwidth(()))
    for text in SPELLINGS:
        told = limits(rclone.call("core/bwlimit", {"rate": text}))
        assert told == parse_bandwidth(text).at(datetime.now()), text


@pytest.mark.parametrize("table", TABLES)
def test_a_timetable_is_read_as_rclone_reads_it(closing: ExitStack, table: str) -> None:
    bandwidth = parse_bandwidth(table)
    before = bandwidth.at(datetime.now())
    rclone = opened(closing, executable(), Bandwidth(()), f"--bwlimit={table}")
    assert limits(rclone.call("core/bwlimit", {})) in (before, bandwidth.at(datetime.now()))


@dataclass(frozen=True)
class Clock(Bandwidth):
    """A timetable of the tests: what holds is what they say."""

    slots: tuple[tuple[int, Rates], ...] = ((0, Rates()), (1, Rates()))
    rates: list[Rates] = field(default_factory=list)

    def at(self, moment: datetime) -> Rates:
        return self.rates[-1]


def test_rclone_has_the_limit_that_holds_also_after_it_was_started_anew(
    closing: ExitStack, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in the environment, whose timetable would go on beside ours."""
    monkeypatch.setenv("RCLONE_BWLIMIT", "00:00,33k")
    clock = Clock(rates=[Rates(up=300_000)])
    rclone = opened(closing, program, clock)
    stop = StopFlag()
    closing.callback(stop.set)

    def limit() -> int | None:
        """To the nearest ten: rclone reckons in fractions."""
        rate = limits(rclone.call("core/bwlimit", {})).up
        return None if rate is None else round(rate, -1)

    assert limit() == 297_000
    UploadLimit(RemoteControl(rclone), clock, stop, look_seconds=0.05).begin()
    clock.rates.append(Rates())
    until(lambda: limit() is None)
    clock.rates.append(Rates(up=400_000))
    until(lambda: limit() == 396_000)
    rclone.cut()  # it is killed, as by the system
    until(lambda: rclone.start_number() == 2)
    assert limit() == 396_000
