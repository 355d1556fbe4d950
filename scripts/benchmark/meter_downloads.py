"""Downloads by a library alone, measured: the same for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from scripts.benchmark.child import Meter
from scripts.benchmark.frame import temporary_directory

Download = Callable[[Any, Path], Awaitable[None]]


async def download_all(messages: list[Any], download: Download, at_once: int) -> None:
    """Measure the downloads, so many at once; each file is deleted when it is there."""
    turn = asyncio.Semaphore(at_once)
    with temporary_directory() as directory:
        meter = Meter()

        async def one(message: Any) -> int:
            async with turn:
                path = directory / f"{message.id}.bin"
                await download(message, path)
                size_bytes = path.stat().st_size
                path.unlink()
                return size_bytes

        meter.report(sum(await asyncio.gather(*map(one, messages))))
