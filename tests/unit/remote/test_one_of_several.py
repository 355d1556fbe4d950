"""Machines that start at once on a Drive whose listings lag agree on one folder."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_sync.remote import one_of_several
from tdl_sync.remote.one_of_several import (
    ALONE_SECONDS,
    LAG_SECONDS,
    MOST_BETWEEN_SECONDS,
    NOBODY,
    SHOWN_WITHIN_SECONDS,
    AskForOthers,
    Choosing,
    LookAgain,
    Make,
    NotShown,
    Others,
    Take,
    one_that_counts,
)

Machine = Generator[float, None, None]
"""Gives for how long it is busy, or waits."""


@dataclass
class LaggingDrive:
    """Where each machine is shown each new thing after a time of its own."""

    dice: random.Random
    now: float = 0.0
    made_at: dict[str, float] = field(default_factory=dict)
    filled_at: dict[str, float] = field(default_factory=dict)
    lags: dict[tuple[int, str], float] = field(default_factory=dict)
    took: dict[int, str] = field(default_factory=dict)

    def is_shown(self, machine: int, what: str, since: float) -> bool:
        lag = self.lags.setdefault((machine, what), self.dice.uniform(0.0, LAG_SECONDS))
        return self.now >= since + lag

    def look(self, machine: int) -> dict[str, bool]:
        """In an order that means nothing."""
        shown = [each for each, at in self.made_at.items() if self.is_shown(machine, each, at)]
        self.dice.shuffle(shown)
        return {
            each: each in self.filled_at
            and self.is_shown(machine, f"in {each}", self.filled_at[each])
            for each in shown
        }

    def make(self) -> None:
        self.made_at[f"{self.dice.getrandbits(32):08x}"] = self.now

    def take(self, machine: int, folder: str) -> None:
        self.took[machine] = folder


Rule = Callable[[LaggingDrive, int, float], Machine]


def takes(drive: LaggingDrive, machine: int, folder: str) -> Machine:
    """It puts something there some time later."""
    drive.take(machine, folder)
    yield drive.dice.uniform(0.0, 30.0)
    drive.filled_at.setdefault(folder, drive.now)


def by_the_rule(drive: LaggingDrive, machine: int, longest_between: float) -> Machine:
    choosing = Choosing(Others())
    while True:
        looked_at = drive.now
        shown = drive.look(machine)
        yield drive.dice.uniform(0.0, 0.3)
        step = choosing.looked(shown, drive.now)
        if isinstance(step, Make):
            # rclone looks itself, at some time after it was told to make it.
            looked_at = drive.now
            yield drive.dice.uniform(0.0, longest_between / 4)
            shown = drive.look(machine)
            yield drive.dice.uniform(0.0, longest_between / 2)
            if not shown:
                drive.make()
            yield drive.dice.uniform(0.0, longest_between / 4)
            choosing.made(looked_at, drive.now)
        elif isinstance(step, LookAgain):
            yield step.at - drive.now
        else:
            assert isinstance(step, Take)
            yield from takes(drive, machine, step.folder_id)
            return


@dataclass
class Account:
    """Its messages are seen by all as soon as they were sent, in one order. Those that move a part
    of the chat never take themselves for alone. Any machine may stand still at any moment."""

    sharded: Collection[int]
    longest_pause: float
    claimed: set[int] = field(default_factory=set)
    saved: set[int] = field(default_factory=set)
    """Those whose state is saved, which comes after the folder."""

    def pause(self, drive: LaggingDrive) -> float:
        return drive.dice.choice([0.0, 0.0, 1.0]) * drive.dice.uniform(0.0, self.longest_pause)

    def others(
        self, drive: LaggingDrive, machine: int
    ) -> Generator[float, None, tuple[Others, float]]:
        """What it knows of others once it has claimed the folder."""
        asked_at = drive.now
        yield self.pause(drive)
        self.claimed.add(machine)
        yield self.pause(drive)
        others, saved = self.claimed - {machine}, set(self.saved)
        yield self.pause(drive)
        answered_at = drive.now
        if others:
            whole = others - set(self.sharded)
            told = Others.before_us(
                answered_at,
                may_be_alone=bool(whole - saved),
                may_have_made_it=bool(whole & saved),
            )
            return told, drive.now
        return Others() if machine in self.sharded else Others.none(asked_at), drive.now

    def rule(self, drive: LaggingDrive, machine: int, longest_between: float) -> Machine:
        """The same, where all machines claim it with one account before they make it."""
        choosing = Choosing()
        while True:
            shown = drive.look(machine)
            yield drive.dice.uniform(0.0, 0.3)
            looked_at = drive.now
            step = choosing.looked(shown, looked_at)
            if isinstance(step, AskForOthers):
                others, told_at = yield from self.others(drive, machine)
                choosing.told(others)
                if told_at > looked_at + MOST_BETWEEN_SECONDS:
                    continue
                step = choosing.looked(shown, looked_at)
            if isinstance(step, Make):
                making_at = drive.now
                yield self.pause(drive)
                if not drive.look(machine):
                    drive.make()
                yield self.pause(drive)
                choosing.made(making_at, drive.now)
            elif isinstance(step, LookAgain):
                yield max(0.0, step.at - drive.now)
            else:
                assert isinstance(step, Take)
                self.saved.add(machine)
                yield from takes(drive, machine, step.folder_id)
                return


def whoever_makes_it_looks_until_one_is_shown(
    drive: LaggingDrive, machine: int, longest_between: float
) -> Machine:
    """Without a wait: the lowest id of what is shown."""
    shown = drive.look(machine)
    yield drive.dice.uniform(0.0, 0.3)
    if not shown:
        drive.make()
    while not shown:
        yield 0.5
        shown = drive.look(machine)
    drive.take(machine, min(shown))


def only_who_makes_it_waits(drive: LaggingDrive, machine: int, longest_between: float) -> Machine:
    shown = drive.look(machine)
    yield drive.dice.uniform(0.0, 0.3)
    if not shown:
        drive.make()
        yield 2 * LAG_SECONDS + MOST_BETWEEN_SECONDS
        shown = drive.look(machine)
    drive.take(machine, min(shown))


def folders_taken(
    rule: Rule,
    seed: int,
    machines: int,
    within_seconds: float,
    longest_between: float = MOST_BETWEEN_SECONDS,
) -> set[str]:
    dice = random.Random(seed)
    drive = LaggingDrive(dice)
    order = [
        (dice.uniform(0.0, within_seconds), number, rule(drive, number, longest_between))
        for number in range(machines)
    ]
    heapq.heapify(order)
    while order:
        drive.now, number, machine = heapq.heappop(order)
        for seconds in machine:
            heapq.heappush(order, (drive.now + seconds, number, machine))
            break
    assert len(drive.took) == machines
    return set(drive.took.values())


@settings(max_examples=300)
@given(
    st.integers(0, 2**32),
    st.integers(2, 6),
    st.sampled_from([0.1, 8.0, 20.0, 60.0]),
)
def test_machines_that_start_at_once_take_one_folder_whatever_each_is_shown(
    seed: int, machines: int, within_seconds: float
) -> None:
    assert len(folders_taken(by_the_rule, seed, machines, within_seconds)) == 1


@settings(max_examples=300)
@given(
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.sampled_from([0.1, 8.0, 20.0, 60.0]),
    st.sampled_from([0.1, 1.0, 5.0, 15.0, 60.0]),
    st.sets(st.integers(0, 5)),
)
def test_machines_of_one_account_take_one_folder_though_who_is_alone_waits_for_nothing(
    seed: int, machines: int, within_seconds: float, longest_pause: float, sharded: set[int]
) -> None:
    rule = Account(sharded, longest_pause).rule
    assert len(folders_taken(rule, seed, machines, within_seconds)) == 1


def splits_of_two(seeds: int) -> int:
    return sum(
        len(folders_taken(Account((), 12.0).rule, seed, 2, 8.0)) > 1 for seed in range(seeds)
    )


def test_two_machines_of_one_account_never_part_where_they_would_if_less_were_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert splits_of_two(5000) == 0

    def too_early(answered_at: float, *, may_be_alone: bool, may_have_made_it: bool) -> Others:
        return Others(make_after=answered_at + ALONE_SECONDS)

    def only_alone(answered_at: float, *, may_be_alone: bool, may_have_made_it: bool) -> Others:
        return before_us(answered_at, may_be_alone=may_be_alone, may_have_made_it=False)

    before_us = Others.before_us

    def for_ever(asked_at: float) -> Others:
        return NOBODY

    for name, less in [("before_us", too_early), ("before_us", only_alone), ("none", for_ever)]:
        with monkeypatch.context() as changed:
            changed.setattr(Others, name, less)
            assert splits_of_two(5000) > 0, name


def test_who_knows_that_it_is_alone_waits_for_nothing_until_that_is_long_ago() -> None:
    for shown, made_at, step in [
        ({"b": False}, None, Take("b")),
        ({}, 14.0, Take("a")),
        ({}, 14.1, LookAgain(14.1 + WAIT + 14.1 - 5.0 - MOST_BETWEEN_SECONDS)),
    ]:
        choosing = Choosing()
        assert choosing.looked(shown, 5.0) == AskForOthers()
        choosing.told(Others(none_until=14.0))
        if made_at is not None:
            assert choosing.looked(shown, 5.0) == Make()
            choosing.made(5.0, made_at)
        assert choosing.looked(shown or {"a": False}, made_at or 5.0) == step


@pytest.mark.parametrize(
    "rule", [whoever_makes_it_looks_until_one_is_shown, only_who_makes_it_waits]
)
def test_with_less_of_a_wait_they_would_not(rule: Rule) -> None:
    """What shows that the lags of this test can do harm."""
    split = [len(folders_taken(rule, seed, 4, 8.0)) > 1 for seed in range(100)]
    assert sum(split) > 30


Look = tuple[Mapping[str, bool], float]


def steps(choosing: Choosing, *looks: Look) -> list[object]:
    return [choosing.looked(shown, at) for shown, at in looks]


WAIT = 2 * LAG_SECONDS + MOST_BETWEEN_SECONDS


@pytest.fixture(autouse=True, scope="module")
def wait_of_the_program() -> Iterator[None]:
    """Other tests wait for nothing."""
    with mock.patch.object(one_of_several, "WAIT_SECONDS", WAIT):
        yield


def test_nobody_waits_where_something_is_in_the_folder() -> None:
    assert steps(Choosing(Others()), ({"b": True}, 5.0)) == [Take("b")]


def test_who_finds_an_empty_folder_waits_and_takes_the_lowest() -> None:
    looks = ({"b": False}, 5.0), ({"b": False}, 7.0), ({"b": False, "a": False}, 5.0 + WAIT)
    again = LookAgain(5.0 + WAIT)
    assert steps(Choosing(Others()), *looks) == [again, again, Take("a")]


def test_one_in_which_something_is_counts_more_than_a_lower_one() -> None:
    assert one_that_counts({"a": False, "c": True, "b": True}) == "b"
    assert steps(Choosing(Others()), ({"a": False, "b": True}, 5.0)) == [Take("b")]


def test_who_makes_it_waits_from_then_on_and_longer_where_that_took_long() -> None:
    for took, wait in [(1.0, WAIT), (9.0, WAIT + 9.0 - MOST_BETWEEN_SECONDS)]:
        choosing = Choosing(Others())
        assert choosing.looked({}, 5.0) == Make()
        choosing.made(5.0, 5.0 + took)
        again = LookAgain(5.0 + took + wait)
        assert steps(choosing, ({}, 15.0), ({"a": False}, 16.0)) == [again, again]
        assert choosing.looked({"a": False}, again.at) == Take("a")


def test_what_an_earlier_run_may_have_made_is_waited_for_before_another_is_made() -> None:
    choosing = Choosing(Others(), make_after=8.0)
    looks: list[Look] = [({}, 5.0), ({}, 7.9), ({}, 8.0)]
    assert steps(choosing, *looks) == [LookAgain(5.5), LookAgain(8.0), Make()]
    choosing.may_be_made(8.0, 9.0, 14.0)  # and so is what a call that failed may have made
    assert steps(choosing, ({}, 9.0), ({}, 14.0)) == [LookAgain(9.5), Make()]
    assert choosing.looked({"a": False}, 15.0) == LookAgain(9.0 + WAIT)


def test_what_was_made_is_made_once_however_long_it_is_not_shown() -> None:
    choosing = Choosing(Others())
    choosing.made(0.0, 1.0)
    decided, late = 1.0 + WAIT, 1.0 + SHOWN_WITHIN_SECONDS
    looks: list[Look] = [({}, 1.0), ({}, decided), ({}, late - 0.1), ({}, late)]
    expected = [LookAgain(decided), LookAgain(decided + 0.5), LookAgain(late), NotShown()]
    assert steps(choosing, *looks) == expected


def test_who_is_alone_waits_for_nothing_but_that_it_is_shown() -> None:
    assert steps(Choosing(NOBODY), ({"b": False}, 5.0)) == [Take("b")]
    choosing = Choosing(NOBODY)
    choosing.made(0.0, 1.0)
    assert steps(choosing, ({}, 1.0), ({"b": False}, 1.5)) == [LookAgain(1.5), Take("b")]


def test_nothing_is_in_what_one_that_is_alone_has_made_and_only_there() -> None:
    """What another account has put there since a look that was long ago is no part of that."""
    for others, listed_at, made_at, is_new in [
        (NOBODY, 99.0, 101.0, True),
        (NOBODY, 101.0 - ALONE_SECONDS - 0.1, 101.0, False),
        (Others.none(90.0), 99.0, 101.0, False),
        (Others(), 99.0, 101.0, False),
    ]:
        choosing = Choosing(others)
        assert choosing.looked({}, 100.0, listed_at) == Make()
        assert not choosing.is_new
        choosing.made(100.0, made_at)
        assert choosing.is_new is is_new
