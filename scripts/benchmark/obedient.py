"""A client that does nothing but obey every wait: what a limit costs at least.

It has as many connections as this program, and as many requests under way over each. It asks for
whole parts, and knows what no client is told: whom a wait means. With those it stands still for
exactly as long as it was told; then all go on at once, and whoever is free takes what is left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from pyrogram.errors import FloodPremiumWait, FloodWait

CONNECTIONS = 8
AT_ONCE_PER_CONNECTION = 2

Connection = TypeVar("Connection")
Part = TypeVar("Part")


async def get_all(
    connections: list[Connection],
    parts: Iterable[Part],
    get: Callable[[Connection, Part], Awaitable[None]],
    scope: str,
) -> None:
    """``get`` raises what Telegram does, and ``scope`` is what the limit is of, as the stand-in has
    it."""
    now = asyncio.get_running_loop().time
    wanted = deque(parts)
    missing = len(wanted)
    resume_at = dict.fromkeys(connections, now())
    news = asyncio.Event()

    async def work(connection: Connection) -> None:
        nonlocal missing
        while missing:
            if (left_seconds := resume_at[connection] - now()) > 0:
                await asyncio.sleep(left_seconds)
            elif wanted:
                part = wanted.popleft()
                try:
                    await get(connection, part)
                    missing -= 1
                except (FloodWait, FloodPremiumWait) as error:
                    wanted.appendleft(part)
                    until = now() + float(error.seconds or 1)
                    for each in [connection] if scope == "connection" else connections:
                        resume_at[each] = max(resume_at[each], until)
                news.set()
            else:  # what is under way may be refused
                news.clear()
                await news.wait()

    workers = [asyncio.ensure_future(work(each)) for each in connections * AT_ONCE_PER_CONNECTION]
    await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
    for each in workers:
        each.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    for each in workers:
        if not each.cancelled():
            each.result()
