"""The disk can't overflow: bytes are given out before they are asked for, and never too many."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.errors import LargerThanBudget, Stopped, StorageFull
from tdl_sync.core.model import Reservation
from tdl_sync.core.stop import StopFlag, StopOfRemote
from tdl_sync.transfer.disk.budget import DiskBudget, whole_blocks
from tests.fakes.chat import item_of
from tests.waiting import finished, in_thread, result_of, until

BLOCK = 4096


@pytest.fixture
def stop() -> StopFlag:
    return StopFlag()


@pytest.fixture
def budget(stop: StopFlag) -> DiskBudget:
    return DiskBudget(10 * BLOCK, BLOCK, stop)


def reserving(budget: DiskBudget, blocks: int, message_id: int = 1) -> Future[Reservation]:
    """Reserve in a thread of its own; on return it is in the queue, or has its room."""
    queued = threading.Event()
    reservation = in_thread(
        lambda: budget.reserve(item_of(message_id, blocks * BLOCK), on_wait=queued.set)
    )
    until(lambda: queued.is_set() or reservation.done())
    return reservation


@given(st.integers(0, 10**13), st.sampled_from([512, 4096, 65536]))
def test_a_file_takes_whole_blocks_and_less_than_one_too_much(size: int, block: int) -> None:
    taken = whole_blocks(size, block)
    assert taken % block == 0
    assert size <= taken < size + block


def test_a_reservation_takes_the_whole_blocks_of_its_file(budget: DiskBudget) -> None:
    sizes = {0: 0, 1: BLOCK, BLOCK: BLOCK, BLOCK + 1: 2 * BLOCK}
    for size_bytes, taken_bytes in sizes.items():
        reservation = budget.reserve(item_of(1, size_bytes))
        assert reservation.reserved_bytes == taken_bytes
        assert budget.used_bytes == taken_bytes
        budget.release(reservation)
        assert budget.used_bytes == 0


def test_the_sum_of_reservations_never_exceeds_the_budget_under_many_threads(
    stop: StopFlag,
) -> None:
    """What the threads hold is counted by themselves, beside the budget's own books."""
    budget = DiskBudget(100 * BLOCK, BLOCK, stop)
    lock = threading.Lock()
    held_bytes = 0
    most_bytes = 0

    def work(seed: int) -> None:
        nonlocal held_bytes, most_bytes
        numbers = random.Random(seed)
        for _ in range(50):
            item = item_of(seed, numbers.randint(0, 60 * BLOCK))
            reservation = budget.reserve(item)
            with lock:
                held_bytes += reservation.reserved_bytes
                most_bytes = max(most_bytes, held_bytes)
            time.sleep(numbers.uniform(0, 0.001))
            assert budget.used_bytes <= budget.budget_bytes
            with lock:
                held_bytes -= reservation.reserved_bytes
            budget.release(reservation)

    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(work, seed) for seed in range(16)]:
            result_of(done)
    assert 80 * BLOCK < most_bytes <= 100 * BLOCK
    assert budget.used_bytes == 0


def test_who_comes_first_is_served_first_and_nothing_small_overtakes(budget: DiskBudget) -> None:
    """A large file would wait for ever if small ones could slip in before it."""
    held = budget.reserve(item_of(1, 6 * BLOCK))
    large = reserving(budget, 8, 2)
    small = reserving(budget, 1, 3)
    assert budget.someone_waits
    assert not large.done()
    assert not small.done()
    budget.release(held)
    assert result_of(large).reserved_bytes == 8 * BLOCK
    assert result_of(small).reserved_bytes == BLOCK
    assert not budget.someone_waits


def test_the_order_of_the_queue_is_the_order_of_service(budget: DiskBudget) -> None:
    """Each takes everything, so that only one at a time can be served."""
    held = budget.reserve(item_of(0, 10 * BLOCK))
    waiting = [reserving(budget, 10, number) for number in range(1, 9)]
    served = []
    while waiting:
        budget.release(held)
        held = result_of(waiting.pop(0))
        served.append(held.item.message_id)
        assert not any(other.done() for other in waiting)
    assert served == list(range(1, 9))


def test_the_last_byte_can_be_taken_and_one_more_waits(budget: DiskBudget) -> None:
    whole = budget.reserve(item_of(1, 10 * BLOCK))
    assert budget.used_bytes == budget.budget_bytes
    more = reserving(budget, 1)
    assert not more.done()
    budget.release(whole)
    assert result_of(more).reserved_bytes == BLOCK


def test_what_can_never_fit_fails_at_once_and_nothing_waits_for_it(budget: DiskBudget) -> None:
    held = budget.reserve(item_of(1, 10 * BLOCK))
    too_large = item_of(2, 10 * BLOCK + 1)
    assert not budget.fits(too_large)
    with pytest.raises(LargerThanBudget) as caught:
        budget.reserve(too_large)
    assert str(caught.value) == (
        f"the file has {10 * BLOCK + 1} bytes and the disk budget is {10 * BLOCK}; "
        "raise --max-disk to move it"
    )
    assert caught.value.for_good
    small = DiskBudget(2 * BLOCK, BLOCK, StopFlag(), disk_decides=True)
    with pytest.raises(LargerThanBudget, match=f"the disk has room for {2 * BLOCK}; free some of"):
        small.reserve(too_large)
    assert not budget.someone_waits
    budget.release(held)


def test_a_stop_wakes_everybody_who_waits_and_takes_nothing(
    budget: DiskBudget, stop: StopFlag
) -> None:
    budget.reserve(item_of(1, 10 * BLOCK))
    waiting = [reserving(budget, blocks) for blocks in (1, 5, 10)]
    stop.set()
    for reservation in waiting:
        with pytest.raises(Stopped):
            result_of(reservation)
    assert budget.used_bytes == 10 * BLOCK
    assert not budget.someone_waits


def test_after_a_stop_nothing_is_given_out(budget: DiskBudget, stop: StopFlag) -> None:
    stop.set()
    with pytest.raises(Stopped):
        budget.reserve(item_of(1, 1))
    assert budget.used_bytes == 0


def test_who_has_to_wait_may_free_room_first(budget: DiskBudget) -> None:
    held = budget.reserve(item_of(1, 10 * BLOCK))
    reservation = in_thread(lambda: budget.reserve(item_of(2, 1), lambda: budget.release(held)))
    assert result_of(reservation).reserved_bytes == BLOCK


def test_who_has_room_at_once_is_not_asked_to_free_some(budget: DiskBudget) -> None:
    asked: list[bool] = []
    budget.reserve(item_of(1, 10 * BLOCK), on_wait=lambda: asked.append(True))
    assert asked == []


def test_a_wait_that_breaks_leaves_the_queue_to_the_others(budget: DiskBudget) -> None:
    held = budget.reserve(item_of(1, 10 * BLOCK))

    def breaks() -> None:
        raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        budget.reserve(item_of(2, 1), on_wait=breaks)
    other = reserving(budget, 3)
    budget.release(held)
    assert result_of(other).reserved_bytes == 3 * BLOCK


def test_a_wait_that_breaks_lets_those_behind_it_have_the_room_that_is_there(
    budget: DiskBudget,
) -> None:
    """They wait already, and nothing else will change that could wake them."""
    budget.reserve(item_of(1, 6 * BLOCK))
    breaking = threading.Event()

    def breaks() -> None:
        assert breaking.wait(60)
        raise OSError("no such file")

    first = in_thread(lambda: budget.reserve(item_of(2, 8 * BLOCK), on_wait=breaks))
    until(lambda: budget.someone_waits)
    behind = [reserving(budget, 1, message_id) for message_id in range(3, 7)]
    assert not any(each.done() for each in behind)
    breaking.set()
    with pytest.raises(OSError, match="no such file"):
        result_of(first)
    assert [result_of(each).item.message_id for each in behind] == [3, 4, 5, 6]
    assert budget.used_bytes == budget.budget_bytes


def test_when_the_run_stops_nobody_waits_for_room_any_more(
    budget: DiskBudget, stop: StopFlag
) -> None:
    """Else what could be kept for the next run would be deleted for one that ends here."""
    budget.reserve(item_of(1, 10 * BLOCK))
    waits: list[bool] = []

    def while_waiting() -> None:
        waits.append(budget.someone_waits)
        stop.set()
        waits.append(budget.someone_waits)

    with pytest.raises(Stopped):
        finished(lambda: budget.reserve(item_of(2, 1), on_wait=while_waiting))
    assert waits == [True, False]


def test_what_lies_on_the_disk_already_counts_even_beyond_the_budget(budget: DiskBudget) -> None:
    """A smaller --max-disk than yesterday's: nothing is admitted until there is room again."""
    items = [item_of(1, 7 * BLOCK), item_of(2, 6 * BLOCK - 1)]
    for item in items:
        budget.adopt(item.size_bytes)
    assert budget.used_bytes == 13 * BLOCK
    new = reserving(budget, 1)
    empty = reserving(budget, 0)
    assert not new.done()
    assert not empty.done()
    budget.release(budget.adopted(items[1]))
    assert result_of(new).reserved_bytes == BLOCK
    assert result_of(empty).reserved_bytes == 0
    budget.release(budget.adopted(items[0]))
    assert budget.used_bytes == BLOCK


def test_an_adopted_file_of_nobody_is_released_by_its_size(budget: DiskBudget) -> None:
    budget.give_back(budget.adopt(BLOCK + 1))
    assert budget.used_bytes == 0


def test_what_lies_there_of_an_item_becomes_part_of_its_reservation(budget: DiskBudget) -> None:
    """It waits for the rest alone; what lies there stays counted all the time."""
    adopted_bytes = budget.adopt(4 * BLOCK - 1)
    held = budget.reserve(item_of(1, 3 * BLOCK))
    item = item_of(2, 8 * BLOCK)
    queued = threading.Event()
    whole = in_thread(lambda: budget.reserve(item, queued.set, adopted_bytes))
    assert queued.wait(60)
    assert budget.used_bytes == 7 * BLOCK
    budget.release(held)
    assert result_of(whole).reserved_bytes == 8 * BLOCK
    assert budget.used_bytes == 8 * BLOCK
    budget.release(result_of(whole))
    assert budget.used_bytes == 0


def test_what_lies_there_stays_reserved_when_the_wait_for_the_rest_breaks(
    budget: DiskBudget, stop: StopFlag
) -> None:
    adopted_bytes = budget.adopt(4 * BLOCK)
    with pytest.raises(LargerThanBudget):
        budget.reserve(item_of(1, 11 * BLOCK), adopted_bytes=adopted_bytes)
    assert budget.used_bytes == 4 * BLOCK
    stop.set()
    with pytest.raises(Stopped):
        budget.reserve(item_of(1, 8 * BLOCK), adopted_bytes=adopted_bytes)
    assert budget.used_bytes == 4 * BLOCK


def test_releasing_twice_is_a_bug_that_is_not_hidden(budget: DiskBudget) -> None:
    reservation = budget.reserve(item_of(1, BLOCK))
    budget.release(reservation)
    with pytest.raises(RuntimeError, match="4096 bytes were released that nobody held"):
        budget.release(reservation)


def test_who_waits_for_what_goes_to_a_remote_that_is_full_waits_no_more(
    budget: DiskBudget, stop: StopFlag
) -> None:
    """Others do, and get the room of what has ended."""
    full = StopOfRemote(stop)
    budget.heed(full)
    taken = budget.reserve(item_of(1, 10 * BLOCK))
    queued = threading.Event()
    ends = in_thread(lambda: budget.reserve(item_of(2, BLOCK), queued.set, stop=full))
    until(queued.is_set)
    assert budget.someone_waits
    full.set(StorageFull("box", "no room"))
    with pytest.raises(Stopped):
        result_of(ends)
    assert not budget.someone_waits
    with pytest.raises(Stopped):
        budget.reserve(item_of(2, BLOCK), lambda: pytest.fail("room is made for it"), stop=full)
    goes_on = reserving(budget, 1, 3)
    budget.release(taken)
    assert result_of(goes_on).reserved_bytes == BLOCK
