"""The same machines and stand-ins as for all whole runs; and runs that stay, in this process."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from standins.telegram.inject import standin_public_key
from tdl_sync.cli.parse import parse_config
from tdl_sync.core import retry
from tdl_sync.core.stop import StopFlag
from tdl_sync.reporting.progress import progress_for
from tdl_sync.run import following
from tdl_sync.run.sync import Sync, SyncResult
from tdl_sync.telegram.session import network, tries
from tests.e2e.conftest import Scene
from tests.e2e.program import SOURCE
from tests.waiting import in_thread, result_of, until

POLL_SECONDS = 0.3
ALL_DAY_SECONDS = 86400.0
"""Between two looks of a run that is to be woken by what Telegram tells."""


@dataclass(frozen=True)
class Staying:
    """A run in this process whose polls, pauses and rests are short."""

    work: Future[SyncResult]
    stop: StopFlag
    lines: io.StringIO

    @property
    def said(self) -> str:
        return self.lines.getvalue()

    def until(self, condition: Callable[[], bool]) -> None:
        until(lambda: condition() or self.work.done())
        assert condition(), self.said

    def ended(self) -> SyncResult:
        self.stop.set()
        return result_of(self.work)


Stay: TypeAlias = Callable[..., Staying]


@pytest.fixture
def stay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stay]:
    """Call it with a scene and further options; it returns when all its chats are followed."""
    standin_public_key.trust_in_this_process()
    monkeypatch.setattr(following, "FIRST_RETRY_SECONDS", 0.3)
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(tries, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(network, "REST_SECONDS", 0.2)
    with ExitStack() as closing:

        def start(
            scene: Scene,
            *options: str,
            chats: tuple[str, ...] = (SOURCE,),
            followed: int = 1,
            poll_seconds: float = POLL_SECONDS,
        ) -> Staying:
            variables: Mapping[str, str] = scene.machine.environment()
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            named = [word for chat in chats for word in ("-u", chat)]
            config = parse_config([*named, "--follow", *options], variables)
            stop, lines = StopFlag(), io.StringIO()
            sync = Sync(config, stop, progress_for(lines, config.telling), None, poll_seconds)
            staying = Staying(in_thread(sync.run), stop, lines)
            closing.callback(stop.set)
            staying.until(lambda: staying.said.count("is followed") >= followed)
            return staying

        yield start
