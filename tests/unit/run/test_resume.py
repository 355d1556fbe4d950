"""Where a chat's run goes on, and what a later round of it knows of the remote."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tdl_sync.core.failures import WRONG_SIZE, Failure
from tdl_sync.core.model import Chat, ChatKind, ListedFile, Scope
from tdl_sync.options.choice import WHOLE_CHAT
from tdl_sync.options.name_template import PLAIN_KEEPING
from tdl_sync.run.resume import Start
from tdl_sync.run.settings import RunSettings
from tdl_sync.state.local_state import LocalStates
from tests.fakes.chat import CHAT_ID, FakeChatReader, item_of
from tests.fakes.marks import FakeMarks
from tests.fakes.saved_messages import FakeSavedMessages

REMOTE = "gdrive:tdl-sync"
CHAT = Chat(CHAT_ID, "A channel", ChatKind.CHANNEL)


class NoFolder:
    def find_folder(self, chat_id: int) -> str | None:
        return None


@dataclass
class Outside:
    reader: FakeChatReader
    marks: FakeMarks = field(default_factory=FakeMarks)
    hand_off: NoFolder = field(default_factory=NoFolder)


def settings(directory: Path) -> RunSettings:
    return RunSettings(
        remote=REMOTE,
        remote_free_bytes=None,
        downloads=1,
        workers=1,
        save_interval_seconds=300,
        grace_seconds=1,
        demand_saved_state=False,
        ignore_watermark=False,
        only_failed=False,
        choice=WHOLE_CHAT,
        keeping=PLAIN_KEEPING,
        texts_directory=None,
        take_over=False,
        lock_directory=directory,
        deadline=None,
    )


def test_a_later_round_still_knows_the_files_on_the_remote_of_what_failed_and_no_others(
    tmp_path: Path,
) -> None:
    outside = Outside(FakeChatReader.of([item_of(number, 10) for number in (7, 8)]))
    outside.marks.record_failure(
        REMOTE,
        Failure(item_of(7, 10).key, WRONG_SIZE, "…", 0, for_good=False, overwrites="7_a.bin"),
    )
    start = Start(
        CHAT,
        Scope(REMOTE, CHAT_ID),
        settings(tmp_path),
        outside,
        FakeSavedMessages(),
        LocalStates(tmp_path / "state"),
    )
    cut, beside, other = (
        ListedFile("7_a.bin", 4),
        ListedFile("7_notes.txt", 4),
        ListedFile("8_a.bin", 4),
    )
    beginning = start.begin()
    job = start.job(beginning, [cut, beside, other])
    assert job.on_remote == {7: [cut, beside], 8: [other]}
    later = start.later_job(beginning, 8, {7})
    assert later is not None
    assert later.on_remote == {7: [cut, beside]}
    assert [entry.key.message_id for entry in later.again] == [7]
