"""Each remote is opened by one call, once for each rclone, and not while a token is renewed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tdl_sync.remote.remote_control import OpenedRemotes
from tests.waiting import in_thread, result_of, until


def test_eight_that_come_at_once_open_a_remote_once() -> None:
    opened, begin = OpenedRemotes(), threading.Barrier(8)
    calls: list[str] = []

    def use(_: int) -> None:
        begin.wait()
        opened.once("box:", 1, lambda: calls.append("box:"))
        assert calls == ["box:"]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))


def test_another_rclone_has_opened_nothing_yet() -> None:
    opened, calls = OpenedRemotes(), list[int]()
    for number in (1, 1, 2, 2):
        opened.once("box:", number, lambda: calls.append(number))  # noqa: B023 - called at once
    assert calls == [1, 2]


def test_what_was_opened_is_opened_anew_when_all_was_forgotten() -> None:
    """Also what somebody opened in the midst of it."""
    opened, calls = OpenedRemotes(), list[str]()
    opened.once("box:", 1, lambda: calls.append("before"))
    with opened.anew():
        opened.once("box:", 1, lambda: calls.append("within"))
    opened.once("box:", 1, lambda: calls.append("after"))
    assert calls == ["before", "within", "after"]


def test_while_what_is_read_at_an_opening_changes_others_wait_with_theirs() -> None:
    opened = OpenedRemotes()
    begun, calls = threading.Event(), list[str]()

    def open_another() -> None:
        begun.set()
        opened.once("other:", 1, lambda: calls.append("other"))

    with opened.anew():
        other = in_thread(open_another)
        until(begun.is_set)
        calls.append("changed")
    result_of(other)
    assert calls == ["changed", "other"]
