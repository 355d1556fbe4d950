"""What is promised, tried one after the other on a channel that fills up meanwhile."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from scripts.contact.channel import KINDS, NotTaken, Piece, Posted, TestChannel, piece
from scripts.contact.machines import Machine, Remote, suspended

EXIT_HELD = 5


class Verdict(str, Enum):
    KEPT = "kept"
    BROKEN = "BROKEN"
    NOT_SEEN = "not seen"


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``detail`` holds words of ours and figures, nothing else."""

    promise: str
    verdict: Verdict
    detail: str = ""

    @property
    def line(self) -> str:
        return f"{self.verdict.value:>8}  {self.promise}" + (
            f" ({self.detail})" if self.detail else ""
        )


TOGETHER = {
    "live photo": ("photo", "video"),
    "video with a cover": ("video", "photo"),
    "poll with media": ("photo", "video", "photo", "photo"),
    "paid media": ("photo", "video"),
}
"""Posts that hold several files, by what the table of envelopes calls them."""


class Trial:
    """``findings`` once. What was posted is known by its hashes, whatever the program says."""

    def __init__(
        self, channel: TestChannel, first: Machine, second: Machine, remote: Remote, size_bytes: int
    ) -> None:
        """``size_bytes`` is that of most files; one is much larger."""
        self._channel = channel
        self._first = first
        self._second = second
        self._remote = remote
        self._size_bytes = size_bytes
        self._seed = 0
        self._posted: list[Posted] = []
        self._also_there: dict[str, list[str]] = {}

    def findings(self) -> Iterator[Finding]:
        yield from self._fill()
        yield from self._moved_by_the_first()
        yield from self._known_by_the_second()
        yield from self._killed()
        yield from self._edited()
        yield from self._deleted()
        yield from self._both_at_once()
        yield self._verified("in the end verify finds nothing amiss")

    # --- the channel -----------------------------------------------------------------------------

    def _fill(self) -> Iterator[Finding]:
        self._channel.say("A text, which holds no file: https://example.org/")
        for kind in (*KINDS, "photo"):
            yield from self._try_to_post(kind, self._piece(kind))
        for what, kinds in TOGETHER.items():
            yield from self._try_to_post(what, *(self._piece(kind) for kind in kinds))
        try:
            self._posted += self._channel.post_album(self._piece("photo"), self._piece("video"))
        except NotTaken as error:
            yield Finding("an album can be posted", Verdict.NOT_SEEN, str(error))
        self._channel.rename("tdl_sync acceptance, renamed")

    def _try_to_post(self, what: str, *pieces: Piece) -> Iterator[Finding]:
        try:
            self._posted.append(self._channel.post(what, *pieces))
        except NotTaken as error:
            yield Finding(f"a {what} can be posted by this account", Verdict.NOT_SEEN, str(error))

    def _piece(self, kind: str, times: int = 1) -> Piece:
        self._seed += 1
        return piece(kind, self._seed, self._size_bytes * times + self._seed)

    def _post_documents(self, count: int, times: int = 1) -> None:
        for _ in range(count):
            self._posted.append(self._channel.post("document", self._piece("document", times)))

    # --- the promises ----------------------------------------------------------------------------

    def _moved_by_the_first(self) -> Iterator[Finding]:
        # Stickers are moved when they are asked for by name.
        kinds = "photo,video,document,audio,voice,video_note,animation,sticker"
        self._words = ("--type", kinds)
        ended = self._first.run(*self._words)
        yield self._all_there(
            "a run moves every file, byte by byte", ended.is_complete, ended.exit_status
        )
        ended = self._first.run(*self._words)
        is_quiet = ended.is_complete and ended.number("bytes") == 0
        yield _finding("a second run moves nothing again", is_quiet, f"exit {ended.exit_status}")

    def _known_by_the_second(self) -> Iterator[Finding]:
        ended = self._second.run(*self._words, "--restart")
        yield _finding(
            "another machine finds what is there, and moves nothing again",
            ended.is_complete and ended.number("bytes") == 0 and ended.number("done") > 0,
            f"exit {ended.exit_status}, {ended.number('bytes')} bytes",
        )

    def _killed(self) -> Iterator[Finding]:
        self._post_documents(6, times=4)
        is_at_work: tuple[Callable[[], bool], ...] = (
            lambda: self._first.staged_files > 0,
            lambda: self._first.staged_files > 2,
        )
        kills = sum(self._first.killed_when(each, *self._words) for each in is_at_work)
        ended = self._first.run(*self._words)
        yield self._all_there(
            "after kills the next run loses and doubles nothing",
            ended.is_complete,
            ended.exit_status,
            detail=f"{kills} of 2 kills came in time",
        )

    def _edited(self) -> Iterator[Finding]:
        text_of, file_of = self._two_documents()
        self._channel.edit_text(text_of.message_id, "another text")
        ended = self._first.run(*self._words, "--restart")
        yield _finding(
            "a text that is edited moves no file again",
            ended.is_complete and ended.number("bytes") == 0,
            f"exit {ended.exit_status}, {ended.number('bytes')} bytes",
        )
        edited = self._channel.edit_file(file_of.message_id, self._piece("document"))
        self._posted = [edited if each is file_of else each for each in self._posted]
        self._also_there[str(file_of.message_id)] = list(file_of.hashes)
        ended = self._first.run(*self._words, "--replaced", "beside")
        yield self._all_there(
            "a file that was replaced in its message is moved, beside the one before",
            ended.is_complete,
            ended.exit_status,
        )

    def _two_documents(self) -> tuple[Posted, Posted]:
        first, second, *_ = [each for each in self._posted if each.what == "document"]
        return first, second

    def _deleted(self) -> Iterator[Finding]:
        gone = self._two_documents()[0]
        self._channel.delete_messages(gone.message_id)
        ended = self._first.run(*self._words, "--restart")
        yield self._all_there(
            "what is deleted in Telegram stays on the remote", ended.is_complete, ended.exit_status
        )

    def _both_at_once(self) -> Iterator[Finding]:
        self._post_documents(3, times=8)
        with self._first.started(*self._words) as held:
            while held.poll() is None and not self._first.staged_files:
                time.sleep(0.01)
            # Else it might have ended before the other one is there.
            with suspended(held):
                other = self._second.run(*self._words)
            ended = self._first.ended(held)
        promise = "of two machines at once one works, and the other leaves it alone"
        if other.exit_status == EXIT_HELD or (ended.exit_status == EXIT_HELD and other.is_complete):
            yield _finding(promise, other.is_complete or ended.is_complete)
        else:
            statuses = f"exit {ended.exit_status} and {other.exit_status}"
            yield Finding(promise, Verdict.NOT_SEEN, f"they did not meet: {statuses}")
        last = self._first.run(*self._words)
        yield self._all_there(
            "whoever worked, all is there once", last.is_complete, last.exit_status
        )

    def _verified(self, promise: str) -> Finding:
        ended = self._first.run("verify", *self._words)
        # What was deleted in Telegram is told as unknown there, which is no fault.
        return _finding(promise, ended.exit_status in (0, 3), f"exit {ended.exit_status}")

    def _all_there(
        self, promise: str, ended_well: bool, exit_status: int, detail: str = ""
    ) -> Finding:
        try:
            there = self._remote.hashes()
        except subprocess.CalledProcessError as error:
            return Finding(promise, Verdict.BROKEN, f"the remote can't be read: {error.returncode}")
        wanted = {str(each.message_id): list(each.hashes) for each in self._posted}
        for number, hashes in self._also_there.items():
            wanted[number] = sorted([*wanted[number], *hashes])
        wrong = sum(there.get(number) != hashes for number, hashes in wanted.items())
        surplus = len(there.keys() - wanted.keys())
        told = f"{len(wanted)} messages, {wrong} wrong, {surplus} too many, exit {exit_status}"
        return _finding(
            promise,
            ended_well and not wrong and not surplus,
            f"{told}; {detail}" if detail else told,
        )


def _finding(promise: str, is_kept: bool, detail: str = "") -> Finding:
    return Finding(promise, Verdict.KEPT if is_kept else Verdict.BROKEN, detail)
