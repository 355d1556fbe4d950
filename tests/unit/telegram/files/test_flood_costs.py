"""What limits cost: beside a client that obeys each wait and does nothing else, in virtual time.

Parts come over connections that carry so many bytes a second; limits are those of the stand-in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.benchmark.obedient import CONNECTIONS, get_all
from standins.telegram.service.limits import LimitShape, RequestLimit
from tdl_sync.core.ports import PART_BYTES
from tests.unit.telegram.files.limited_telegram import (
    OPENING_SECONDS,
    LimitedSession,
    Server,
    ready_to_download,
    serving,
)
from tests.virtual_time import in_virtual_time

pytestmark = pytest.mark.usefixtures("opened_to_the_limited_telegram")

MOST_TIMES = 1.1
"""So much more than what the other client needs."""


@dataclass(frozen=True)
class Cost:
    """How long it took, and what each limit has counted."""

    seconds: float
    taken: int
    refused: int
    pauses: int
    asked_during_its_wait: int
    refused_in_vain: int


async def cost_of(server: Server, work: Any) -> Cost:
    now = asyncio.get_running_loop().time
    began = now()
    await work
    counts = [each.counts() for each in server.limits]
    return Cost(
        now() - began,
        max((each.taken for each in counts), default=0),
        sum(each.refused for each in counts),
        sum(each.pauses for each in counts),
        server.asked_during_its_wait,
        server.refused_in_vain,
    )


async def ours(limits: Sequence[RequestLimit], sizes: Sequence[int]) -> Cost:
    server = serving(limits)
    return await cost_of(server, await ready_to_download(server, sizes, CONNECTIONS))


async def theirs(limits: Sequence[RequestLimit], sizes: Sequence[int]) -> Cost:
    server = serving(limits)

    async def work() -> None:
        connections = [LimitedSession(server) for _ in range(CONNECTIONS)]
        await asyncio.sleep(OPENING_SECONDS)
        parts = [
            min(PART_BYTES, size_bytes - offset_bytes)
            for size_bytes in sizes
            for offset_bytes in range(0, size_bytes, PART_BYTES)
        ]

        async def get(session: LimitedSession, size_bytes: int) -> None:
            await server.answer(session, size_bytes, is_file=True)

        await get_all(connections, parts, get, limits[0].scope)

    return await cost_of(server, work())


LARGE = (64_000_000,)
SEVERAL = (32_000_000,) * 4
SMALL = (100_000,) * 200
FEW_SMALL = (100_000,) * 60

FEW_A_CONNECTION = RequestLimit(3, 4, scope="connection")
PREMIUM = RequestLimit(60, 3, kind="flood_premium_wait")
SHAPES: tuple[LimitShape, ...] = ("window", "bucket", "burst")
QUICK = RequestLimit(10, 1, shape="bucket")

END_OF_A_TURN: tuple[tuple[int, int, LimitShape, tuple[int, ...]], ...] = (
    (8, 3, "burst", SEVERAL),
    (5, 5, "burst", SEVERAL),
    (3, 2, "burst", SEVERAL),
    (4, 7, "bucket", LARGE),
    (2, 5, "bucket", LARGE),
    (6, 3, "burst", FEW_SMALL),
    (4, 4, "window", FEW_SMALL),
    (2, 4, "burst", SEVERAL),
)
"""Limits that let some connections take a last part which others would be refused."""

CASES: dict[str, tuple[list[RequestLimit], tuple[int, ...]]] = {
    "account": ([RequestLimit(40, 5)], LARGE),
    "account, several files": ([RequestLimit(30, 4)], SEVERAL),
    "account, a bucket": ([RequestLimit(20, 2, shape="bucket")], LARGE),
    "account, a bucket that fills quickly": ([QUICK], SEVERAL),
    "account, short bursts": ([RequestLimit(10, 1, shape="burst")], LARGE),
    "without Premium, small files": ([PREMIUM], SMALL),
    "without Premium, and the account": ([RequestLimit(40, 5), PREMIUM], SEVERAL),
    "each connection": ([RequestLimit(5, 3, scope="connection")], LARGE),
    "each connection, few": ([FEW_A_CONNECTION], LARGE),
    "each connection, several files": ([FEW_A_CONNECTION], SEVERAL),
    "each connection, small files": ([RequestLimit(6, 2, scope="connection")], SMALL),
    **{
        f"each connection, {requests} in {seconds} s, {shape}": (
            [RequestLimit(requests, seconds, scope="connection", shape=shape)],
            sizes,
        )
        for requests, seconds, shape, sizes in END_OF_A_TURN
    },
    **{
        f"account, {requests} in {seconds} s, {shape}": (
            [RequestLimit(requests, seconds, shape=shape)],
            LARGE,
        )
        for requests in (8, 16, 31, 62, 64)
        for seconds in (3, 5)
        for shape in SHAPES
    },
    "one connection": ([RequestLimit(4, 5, scope="connection", connection=5)], SEVERAL),
}


ALIKE: dict[str, tuple[RequestLimit, tuple[int, ...]]] = {
    f"each connection, {requests} in {seconds} s, burst": (
        RequestLimit(requests, seconds, scope="connection", shape="burst"),
        SEVERAL,
    )
    for requests, seconds in ((4, 3), (6, 4))
}
"""All have taken as many when the first of them is refused, as they would where the account has a
limit of that many for each. So some are asked again only after its pause, and begin theirs then."""


@pytest.mark.parametrize("case", ALIKE)
def test_a_limit_that_looks_like_the_accounts_costs_one_pause_more(case: str) -> None:
    limit, sizes = ALIKE[case]
    our_cost = in_virtual_time(ours([limit], sizes))
    their_cost = in_virtual_time(theirs([limit], sizes))
    assert our_cost.seconds <= MOST_TIMES * their_cost.seconds + limit.seconds
    assert our_cost.refused <= MOST_TIMES * their_cost.refused + CONNECTIONS


@pytest.mark.parametrize("case", CASES)
def test_a_flood_wait_costs_its_time_alone(case: str) -> None:
    """Beside a client that knows whom each wait means, and obeys it. No connection asks during its
    wait; each part is asked for once; and refused is what was under way when a pause began, and one
    request more for each."""
    limits, sizes = CASES[case]
    our_cost = in_virtual_time(ours(limits, sizes))
    their_cost = in_virtual_time(theirs(limits, sizes))
    assert our_cost.seconds <= MOST_TIMES * their_cost.seconds
    assert our_cost.asked_during_its_wait == 0
    assert our_cost.refused_in_vain <= our_cost.pauses
    parts = sum(-(-size_bytes // PART_BYTES) for size_bytes in sizes)
    assert our_cost.taken <= parts
