"""Of several messages with one file one is moved, whatever fails, dies, and in whatever order."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.model import FileIdentity, MediaItem
from tdl_sync.transfer.duplicates import Claim, Copies
from tests.fakes.chat import item_of


def item(message_id: int, file_id: int) -> MediaItem:
    plain = item_of(message_id, 5)
    return replace(plain, location=replace(plain.location, file_id=file_id))


@dataclass
class Outcome:
    """What outlives runs: the files that are on the remote, and what was settled how."""

    moved: dict[FileIdentity, int] = field(default_factory=dict)
    passed_over: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)

    def is_settled(self, each: MediaItem) -> bool:
        settled = {*self.moved.values(), *self.passed_over, *self.failed}
        return each.message_id in settled


def run(items: list[MediaItem], outcome: Outcome, dice: random.Random, failing: float) -> Copies:
    """One run, in an order that the dice choose, with so many failures in one; it may die."""
    copies = Copies()
    to_claim = [each for each in items if not outcome.is_settled(each)]
    under_way: list[MediaItem] = []
    steps_to_live = dice.choice([1000, dice.randrange(1, 20)])
    while steps_to_live:
        steps_to_live -= 1
        step = dice.choice(["claim", "finish", "next"])
        if step == "claim" and to_claim:
            each = to_claim.pop(0)
            claim = copies.claim(each, arrived=each.identity in outcome.moved)
            if claim is Claim.LEADS:
                under_way.append(each)
            elif claim is Claim.IS_COPY:
                assert each.identity in outcome.moved
                outcome.passed_over.add(each.message_id)
        elif step == "next" and (next_leader := copies.next_leader()) is not None:
            under_way.append(next_leader)
        elif step == "finish" and under_way:
            each = under_way.pop(dice.randrange(len(under_way)))
            finish(each, copies, outcome, dice, failing)
        elif not (to_claim or under_way or copies.waiting):
            break
    return copies


def finish(
    each: MediaItem, copies: Copies, outcome: Outcome, dice: random.Random, failing: float
) -> None:
    if dice.random() < failing:
        copies.not_moved(each.identity)
        if dice.random() < 0.5:  # else it was left, for the next run
            outcome.failed.add(each.message_id)
        return
    assert each.identity not in outcome.moved
    outcome.moved[each.identity] = each.message_id
    for copy in copies.arrived(each.identity):
        outcome.passed_over.add(copy.message_id)


@given(
    files=st.lists(st.integers(1, 4), max_size=20),
    failing=st.lists(st.sampled_from([0.0, 0.3, 1.0]), max_size=4),
    seed=st.integers(0, 2**16),
)
def test_each_file_is_moved_once_and_no_message_is_lost(
    files: list[int], failing: list[float], seed: int
) -> None:
    dice = random.Random(seed)
    items = [item(number, file_id) for number, file_id in enumerate(files, start=1)]
    outcome = Outcome()
    for part in failing:
        run(items, outcome, dice, part)
        outcome.failed.clear()  # what failed is tried again by the next run
    copies = run(items, outcome, dice, failing=0.0)
    while copies.waiting or not all(map(outcome.is_settled, items)):
        copies = run(items, outcome, dice, failing=0.0)  # the last one died
    assert {file.file_id for file in outcome.moved} == set(files)
    assert len(outcome.moved) + len(outcome.passed_over) == len(items)
    assert outcome.passed_over.isdisjoint(outcome.moved.values())


def test_copies_wait_for_the_first_and_are_known_when_it_has_arrived() -> None:
    copies = Copies()
    assert copies.claim(item(1, 7), arrived=False) is Claim.LEADS
    assert copies.claim(item(2, 7), arrived=False) is Claim.WAITS
    assert copies.claim(item(3, 8), arrived=False) is Claim.LEADS
    assert copies.next_leader() is None
    assert copies.arrived(item(1, 7).identity) == [item(2, 7)]
    assert copies.claim(item(4, 7), arrived=True) is Claim.IS_COPY
    assert copies.waiting == 0


def test_when_the_first_fails_the_one_that_waits_longest_leads_and_the_others_wait_for_it() -> None:
    copies = Copies()
    for number in (1, 2, 3):
        copies.claim(item(number, 7), arrived=False)
    copies.not_moved(item(1, 7).identity)
    assert copies.has_next_leader
    assert copies.claim(item(4, 7), arrived=False) is Claim.WAITS
    assert copies.next_leader() == item(2, 7)
    assert copies.next_leader() is None
    assert copies.arrived(item(2, 7).identity) == [item(3, 7), item(4, 7)]


def test_one_id_with_another_size_or_of_another_store_is_another_file() -> None:
    copies = Copies()
    assert copies.claim(item(1, 7), arrived=False) is Claim.LEADS
    assert copies.claim(replace(item(2, 7), size_bytes=6), arrived=False) is Claim.LEADS
