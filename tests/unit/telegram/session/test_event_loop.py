"""The thread that owns asyncio: called from any thread but itself, and stopped without a rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import pytest

from tdl_sync.telegram.session.event_loop import EventLoopThread
from tests.waiting import finished, result_of, until


@pytest.fixture
def loop() -> Iterator[EventLoopThread]:
    thread = EventLoopThread()
    thread.start()
    yield thread
    thread.stop()


async def where() -> str:
    return threading.current_thread().name


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def refuse(why: str) -> None:
    raise ValueError(why)


async def never() -> None:
    await asyncio.Event().wait()


def test_a_call_runs_on_the_loop_and_returns_its_result(loop: EventLoopThread) -> None:
    assert loop.call(where) == "event-loop"
    assert loop.call(double, 21) == 42


def test_a_call_raises_what_was_raised(loop: EventLoopThread) -> None:
    with pytest.raises(ValueError, match="because"):
        loop.call(refuse, why="because")


def test_many_threads_call_at_once(loop: EventLoopThread) -> None:
    with ThreadPoolExecutor(16) as pool:
        doubled = list(pool.map(lambda number: loop.call(double, number), range(500)))
    assert doubled == [2 * number for number in range(500)]


def test_a_call_from_the_loop_itself_is_refused_instead_of_blocking_for_ever(
    loop: EventLoopThread,
) -> None:
    async def calls_itself() -> int:
        return loop.call(double, 1)

    with pytest.raises(RuntimeError, match="would block the loop that it waits for"):
        result_of(loop.submit(calls_itself))


def test_a_coroutine_is_made_on_the_loop(loop: EventLoopThread) -> None:
    """Pyrogram's methods look at the thread that calls them, before anything is awaited."""
    made_in: list[str] = []

    async def nothing() -> None:
        return None

    def looks_at_its_thread():  # type: ignore[no-untyped-def]
        made_in.append(threading.current_thread().name)
        return nothing()

    loop.call(looks_at_its_thread)
    assert made_in == ["event-loop"]


def test_stop_cancels_what_runs_and_lets_it_clean_up() -> None:
    loop = EventLoopThread()
    loop.start()
    cleaned_up = threading.Event()

    async def works() -> None:
        try:
            await never()
        finally:
            await asyncio.sleep(0.01)
            cleaned_up.set()

    work = loop.submit(works)
    loop.call(double, 1)
    finished(loop.stop)
    assert cleaned_up.is_set()
    with pytest.raises(CancelledError):
        result_of(work)
    assert not [thread for thread in threading.enumerate() if thread.name == "event-loop"]


def test_stop_does_not_wait_for_ever_for_a_task_that_will_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tdl_sync.telegram.session.event_loop.CLOSING_SECONDS", 0.05)
    loop = EventLoopThread()
    loop.start()
    let_go = asyncio.Event()
    deaf = threading.Event()

    async def will_not_end() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                deaf.set()

    loop.submit(will_not_end)
    loop.call(double, 1)
    loop.loop.set_exception_handler(lambda *context: None)  # asyncio complains of the task's end
    finished(loop.stop)
    assert deaf.is_set()


def test_stop_before_start_and_a_second_stop_do_nothing() -> None:
    EventLoopThread().stop()
    loop = EventLoopThread()
    loop.start()
    finished(loop.stop)
    finished(loop.stop)


def test_an_event_of_the_loop_is_set_from_outside_and_after_the_end_nothing_happens(
    loop: EventLoopThread,
) -> None:
    event = asyncio.Event()

    async def waits() -> str:
        await event.wait()
        return "woken"

    waiting = loop.submit(waits)
    until(lambda: loop.call(double, 1) == 2)
    loop.wake(event)
    assert result_of(waiting) == "woken"
    loop.stop()
    loop.wake(event)


def test_before_the_start_there_is_no_loop() -> None:
    with pytest.raises(RuntimeError, match="was not started"):
        assert EventLoopThread().loop


def test_whoever_calls_while_the_loop_ends_is_told_so(loop: EventLoopThread) -> None:
    """However late: nobody waits for an answer of a loop that has ended."""
    submitted: list[Future[None]] = []

    def at_the_last_moment() -> None:
        loop.loop.stop()
        submitted.append(loop.submit(never))

    loop.loop.call_soon_threadsafe(at_the_last_moment)
    until(loop.loop.is_closed)
    submitted.append(loop.submit(never))
    for late in submitted:
        with pytest.raises(CancelledError):
            result_of(late)
