"""A stage runs as soon as the one before it is through; what went wrong reaches the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tdl_sync.core.errors import Stopped
from tdl_sync.core.futures import then
from tests.waiting import result_of


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, "second-stage") as executor:
        yield executor


def work(number: int) -> str:
    return f"{number} in {threading.current_thread().name}"


def refuse(number: int) -> str:
    raise ValueError(f"not {number}")


def test_the_second_stage_gets_the_result_of_the_first_and_runs_in_its_own_pool(
    pool: ThreadPoolExecutor,
) -> None:
    first: Future[int] = Future()
    second = then(first, pool, work)
    assert not second.done()
    first.set_result(7)
    assert result_of(second) == "7 in second-stage_0"


def test_a_first_stage_that_is_through_already_is_taken_up(pool: ThreadPoolExecutor) -> None:
    first: Future[int] = Future()
    first.set_result(7)
    assert result_of(then(first, pool, work)) == "7 in second-stage_0"


def test_what_the_first_stage_raised_is_told_and_the_second_does_not_run(
    pool: ThreadPoolExecutor,
) -> None:
    first: Future[int] = Future()
    ran: list[int] = []
    second = then(first, pool, ran.append)
    error = ValueError("no bytes")
    first.set_exception(error)
    with pytest.raises(ValueError, match="no bytes") as caught:
        result_of(second)
    assert caught.value is error
    assert ran == []


def test_what_the_second_stage_raised_is_told(pool: ThreadPoolExecutor) -> None:
    first: Future[int] = Future()
    second = then(first, pool, refuse)
    first.set_result(7)
    with pytest.raises(ValueError, match="not 7"):
        result_of(second)


def test_what_ends_a_thread_reaches_the_end_too(pool: ThreadPoolExecutor) -> None:
    def leave(number: int) -> None:
        raise SystemExit(number)

    first: Future[int] = Future()
    second = then(first, pool, leave)
    first.set_result(7)
    with pytest.raises(SystemExit):
        result_of(second)


def test_a_pool_that_was_shut_down_means_stopped(pool: ThreadPoolExecutor) -> None:
    first: Future[int] = Future()
    second = then(first, pool, work)
    pool.shutdown()
    first.set_result(7)
    with pytest.raises(Stopped):
        result_of(second)


def test_no_thread_waits_between_the_stages(pool: ThreadPoolExecutor) -> None:
    """A thousand files wait for their downloads, and the one thread of the pool is free."""
    firsts: list[Future[int]] = [Future() for _ in range(1000)]
    seconds = [then(first, pool, work) for first in firsts]
    assert result_of(pool.submit(work, 0)) == "0 in second-stage_0"
    for number, first in reversed(list(enumerate(firsts))):
        first.set_result(number)
    assert [result_of(second).split()[0] for second in seconds] == [str(n) for n in range(1000)]
