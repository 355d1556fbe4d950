"""``reporter.Outlet`` that keeps the page to watch (``--page``): written anew every 10 s and at the
end, whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from tdl_sync.core.errors import UsageError
from tdl_sync.core.links import message_link
from tdl_sync.core.private_directory import planted_link
from tdl_sync.core.steps import Direction
from tdl_sync.core.text import human_speed
from tdl_sync.reporting.events import Event, EventKind
from tdl_sync.reporting.lines import (
    amount,
    counts_line,
    disk,
    files,
    idle_sentence,
    over_at,
    percent,
    source,
    standstill,
    time_left,
)
from tdl_sync.reporting.numbers import Snapshot
from tdl_sync.reporting.page import (
    RENEWED_SECONDS,
    ChatCard,
    FailedFile,
    Failures,
    FlyingFile,
    Page,
    html,
)
from tdl_sync.reporting.rates import RateHistory, write_whole

_MOST_KEPT = 100
"""Of the failures for one reason in one chat."""


def write_page(path: Path, page: Page) -> None:
    """For its owner alone, unless the file is there already and may be read by others.

    Raises ``UsageError`` if it can't be written.
    """
    planted = planted_link(path)
    if planted is not None:
        raise UsageError(
            f"--page: {str(path)!r} is reached by the link {planted}, which another user made; "
            "name a file in a directory that exists and is yours"
        )
    try:
        real = Path(os.path.realpath(path))
        mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else 0o600
        write_whole(real, html(page).encode(), mode)
    except OSError as error:
        raise UsageError(
            f"--page: {str(path)!r} cannot be written ({error.strerror}); name a file in a "
            "directory that exists and is yours"
        ) from None


class PageOutlet:
    """The first page is there when it is made. Raises ``UsageError`` if it can't be written."""

    def __init__(
        self,
        path: Path,
        history: RateHistory,
        on_line: Callable[[str], None],
        last_words: Callable[[], tuple[str, ...]],
        renewed_seconds: float = RENEWED_SECONDS,
    ) -> None:
        """``last_words`` says, at the end, how the run went."""
        self._path = path
        self._on_line = on_line
        self._last_words = last_words
        self._renewed_seconds = renewed_seconds
        self._shown = _Shown(history)
        self._over = threading.Event()
        self._due = threading.Event()
        write_page(path, self._shown.page(lives=True))
        self._thread = threading.Thread(target=self._renew, name="page", daemon=True)
        self._thread.start()

    def begin(self, numbers: Callable[[], Snapshot]) -> None:
        self._shown.follow(numbers)
        self._due.set()

    def show(self, event: Event) -> None:
        self._shown.take(event)

    def end(self) -> None:
        self._shown.follow(None)

    def close(self) -> None:
        """The last page, which says that it is the last."""
        if self._over.is_set():
            return
        self.end()
        self._over.set()
        self._due.set()
        self._thread.join()
        self._write(lives=False)

    def _renew(self) -> None:
        has_failed = False
        while True:
            self._due.wait(self._renewed_seconds)
            self._due.clear()
            if self._over.is_set():
                return
            error = self._write(lives=True)
            if error is not None and not has_failed:
                self._on_line(f"warning: {error}; the page stays as it was")
            has_failed = error is not None

    def _write(self, *, lives: bool) -> UsageError | None:
        try:
            write_page(
                self._path,
                self._shown.page(lives=lives, told=() if lives else self._last_words()),
            )
        except UsageError as error:
            return error
        return None


class _Shown:
    """What is known of the run's chats. All threads may use it."""

    def __init__(self, history: RateHistory) -> None:
        self._history = history
        self._lock = threading.Lock()
        self._numbers: Callable[[], Snapshot] | None = None
        self._chats: dict[int, Snapshot] = {}
        self._failures = _Failures()
        self._counted = (0, 0)

    def follow(self, numbers: Callable[[], Snapshot] | None) -> None:
        """Those of the chat that is moved now; ``None`` for none."""
        with self._lock:
            self._keep()
            self._numbers, self._counted = numbers, (0, 0)

    def take(self, event: Event) -> None:
        if event.kind in (EventKind.FAILED, EventKind.MOVED):
            with self._lock:
                self._failures.take(event)

    def page(self, *, lives: bool, told: tuple[str, ...] = ()) -> Page:
        """As it is now."""
        with self._lock:
            self._keep()
            current = None if self._numbers is None else next(reversed(self._chats), None)
            newest_first = reversed(self._chats.items())
            return Page(
                written_at=datetime.now(timezone.utc),
                headline=self._headline(lives=lives),
                lives=lives,
                chats=tuple(
                    _card(numbers, self._failures.of(chat_id, numbers.username), chat_id == current)
                    for chat_id, numbers in newest_first
                ),
                rates=self._history.rates(),
                told=told,
            )

    # --- with the lock held --------------------------------------------------------------------

    def _keep(self) -> None:
        """Take down the numbers of the chat that is moved now, and what it has moved since."""
        if self._numbers is None:
            return
        numbers = self._numbers()
        self._chats.pop(numbers.chat_id, None)
        self._chats[numbers.chat_id] = numbers
        down, up = numbers.downloaded_bytes, numbers.uploaded_bytes
        self._history.add(down - self._counted[0], up - self._counted[1])
        self._counted = (down, up)

    def _headline(self, *, lives: bool) -> str:
        if not lives:
            return "the run has ended"
        if self._numbers is None:
            return "a run prepares"
        numbers = self._chats[next(reversed(self._chats))]
        return numbers.idle or f"{percent(numbers)} %"


class _Failures:
    """What has failed and was not moved since, by chat and reason."""

    def __init__(self) -> None:
        self._events: defaultdict[int, dict[tuple[int, str], Event]] = defaultdict(dict)

    def take(self, event: Event) -> None:
        if event.chat_id is None or event.message_id is None:
            return
        of_chat = self._events[event.chat_id]
        key = (event.message_id, event.name or "")
        of_chat.pop(key, None)
        if event.kind is EventKind.FAILED:
            of_chat[key] = event

    def of(self, chat_id: int, username: str | None) -> tuple[Failures, ...]:
        by_reason: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self._events[chat_id].values():
            by_reason[event.reason or "failed"].append(event)
        ranked = sorted(by_reason.items(), key=lambda entry: (-len(entry[1]), entry[0]))
        return tuple(
            Failures(
                reason,
                len(events),
                tuple(_failed(event, username) for event in events[:_MOST_KEPT]),
            )
            for reason, events in ranked
        )


def _failed(event: Event, username: str | None) -> FailedFile:
    assert event.chat_id is not None
    assert event.message_id is not None
    label = f"{event.message_id} {event.name or ''}"
    # Its line names the file, too, which is said once.
    detail = event.lines[0].removeprefix(f"failed: {label}: ")
    return FailedFile(label, detail, message_link(event.chat_id, username, event.message_id))


def _card(numbers: Snapshot, failures: tuple[Failures, ...], is_current: bool) -> ChatCard:
    if not is_current:
        facts: tuple[str, ...] = (files(numbers) + source(numbers), amount(numbers))
        return ChatCard(
            numbers.title,
            percent(numbers),
            tuple(fact for fact in (*facts, counts_line(numbers)) if fact),
            failures=failures,
        )
    left = time_left(numbers)
    facts = (
        files(numbers) + source(numbers),
        amount(numbers),
        counts_line(numbers),
        f"↓ {human_speed(numbers.download_speed)}",
        f"↑ {human_speed(numbers.upload_speed)}",
        f"{numbers.staged_files} wait for their upload" if numbers.staged_files else "",
        disk(numbers),
        left and f"about {left}{over_at(numbers, datetime.now())}",
    )
    return ChatCard(
        numbers.title,
        percent(numbers),
        tuple(fact for fact in facts if fact),
        tuple(
            FlyingFile(
                transfer.direction is Direction.UP,
                transfer.name,
                transfer.done_bytes,
                transfer.size_bytes,
            )
            for transfer in numbers.transfers
        ),
        idle_sentence(numbers) if numbers.idle else standstill(numbers),
        failures,
    )
