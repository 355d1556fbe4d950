"""What earlier versions have left in the staging directory is taken up, or cleared away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tdl_sync.core.errors import StateUnreadable
from tdl_sync.core.model import ListedFile
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.exclusive import ChatLock
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.state_message import encode, json_in
from tdl_sync.telegram.session.session_copy import session_string_of
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.part_journal import PartialFiles
from tdl_sync.transfer.disk.staging import LOCK_NAME, Staging
from tests.fakes.progress import RecordingProgress
from tests.kept import values_disk as values
from tests.kept.places import STAGING, VERSIONS, Kept, moved
from tests.kept.values_sidecars import NEW_TEXT, TEXTS
from tests.kept.values_states import FIRST, FULL, RUN, SUBJECT
from tests.kept.write_texts import FOLDER, KEY, KEY_OF_TOPIC, Outside, TextsInMemory, archive


class Disk:
    """A disk as it was left, at its new place."""

    def __init__(self, kept: Kept, directory: Path) -> None:
        kept.copy("disk", directory, directory / "staging")
        self.staging = Staging.open(directory / "staging", 10**9)
        self.journals = directory / "partial"
        self.before = {path.name for path in self.journals.iterdir()}
        self.partials = PartialFiles(self.staging, self.journals)


@pytest.fixture
def disk(kept: Kept, tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(kept, tmp_path / "disk")
    yield disk
    disk.staging.close()


def test_of_each_partial_file_exactly_the_parts_are_found_that_are_right(disk: Disk) -> None:
    for item, offsets in values.FOUND.items():
        with disk.partials.open(item, lambda: None) as partial:
            assert sorted(partial.offsets) == offsets, item
            for offset in offsets:
                written = disk.staging.part_path(item.key).read_bytes()[offset:][: values.MIB]
                assert written == values.content_of(item)[offset:][: values.MIB]


def test_journals_whose_file_is_gone_are_removed_but_not_those_of_another_staging(
    disk: Disk,
) -> None:
    gone = {disk.partials.journal_path(values.NO_PART.key).name, *values.BROKEN_JOURNALS}
    assert {path.name for path in disk.journals.iterdir()} == disk.before - gone
    assert values.OF_ANOTHER_STAGING in disk.before


def test_every_name_in_the_staging_directory_is_told_by_message_or_as_foreign(disk: Disk) -> None:
    found = {leftover.path.name: leftover for leftover in disk.staging.leftovers}
    for item, name in values.STAGED.items():
        path = disk.staging.directory / name
        leftover = next(each for each in disk.staging.leftovers if each.path == path)
        assert (leftover.key, leftover.complete) == (item.key, True)
        assert leftover.size_bytes == item.size_bytes
    for item in values.WRITTEN:
        if item is not values.NO_PART:
            leftover = found[disk.staging.part_path(item.key).name]
            assert (leftover.key, leftover.complete) == (item.key, False)
    foreign = [
        leftover.path.relative_to(disk.staging.directory).as_posix()
        for leftover in disk.staging.leftovers
        if leftover.key is None
    ]
    assert sorted(foreign) == sorted(values.FOREIGN)
    assert LOCK_NAME not in found
    assert len(disk.staging.leftovers) == (
        len(values.STAGED) + len(values.WRITTEN) - 1 + len(values.FOREIGN)
    )


def test_all_that_lies_there_is_kept_for_its_chat_and_counted(disk: Disk) -> None:
    budget = DiskBudget(10**9, 4096, StopFlag())
    progress = RecordingProgress()
    shelf = Leftovers(disk.staging, disk.partials, budget, progress)
    for chat_id in (values.GROUP, values.PERSON, values.DISCUSSION):
        of_chat = [each.key for each in shelf.leftovers_of(chat_id) if each.key]
        assert [key.message_id for key in of_chat] == [1, 2]
    # Of a message that has both, the partial file is of no use.
    name = disk.staging.part_path(values.PHOTO.key).name
    (line,) = (str(line) for (line,) in progress.calls("message"))
    assert line.startswith(f"deleted {name}, which an earlier run left behind beside the complete")
    reserved = {key: shelf.take(key) for key in (values.SOME.key, values.EMPTY.key)}
    assert reserved[values.SOME.key] >= 3 * values.MIB


def test_the_same_journals_and_names_are_written_as_ever(tmp_path: Path) -> None:
    kept = VERSIONS[-1].directory / "disk" / "partial"
    staging = Staging.open(tmp_path / "staging", 10**9)
    partials = PartialFiles(staging, tmp_path / "partial")
    for item in values.UNTOUCHED:
        values.write_parts(partials, item, values.WRITTEN[item])
        journal = partials.journal_path(item.key)
        content = moved(journal.read_bytes(), str(staging.directory), STAGING)
        assert content == (kept / journal.name).read_bytes()
    for item, name in values.STAGED.items():
        assert staging.staged_path(item.key).name == name
    staging.close()


def test_the_local_copies_of_states_are_read(kept: Kept, tmp_path: Path) -> None:
    states = LocalStates(kept.copy("state", tmp_path / "state"))
    assert states.scope_keys() == [FULL.scope_key, "damaged", FIRST.scope_key]
    assert states.read(FULL.scope_key) == FULL
    assert states.read(FIRST.scope_key) == FIRST
    assert states.read("0" * 16) is None
    with pytest.raises(StateUnreadable, match=r"expected a JSON object.*Remove the file"):
        states.read("damaged")
    # A copy that was being written when its run was killed is written over.
    states.write(FULL.scope_key, json_in(encode(FULL)))
    assert not (tmp_path / "state" / f"{FULL.scope_key}.new").exists()


def test_the_local_copies_of_states_are_written_as_ever(tmp_path: Path) -> None:
    LocalStates(tmp_path).write(FULL.scope_key, json_in(encode(FULL)))
    kept = VERSIONS[-1].directory / "state" / f"{FULL.scope_key}.json"
    assert (tmp_path / kept.name).read_bytes() == kept.read_bytes()


def test_a_lock_tells_who_had_it_before(kept: Kept, tmp_path: Path) -> None:
    directory = kept.copy("locks", tmp_path / "locks")
    for key, expected in ((SUBJECT.key, {RUN}), ("damaged", set()), ("new", set())):
        lock = ChatLock.acquire(directory, key, RUN, SUBJECT.title)
        assert lock.previous == expected
        lock.release()
    newest = VERSIONS[-1].directory / "locks" / f"{SUBJECT.key}.json"
    assert (directory / "new.json").read_bytes() == newest.read_bytes()


def test_the_stored_session_is_read(kept: Kept, tmp_path: Path) -> None:
    path = kept.copy("telegram", tmp_path / "telegram") / "session.sqlite"
    assert session_string_of(path) == kept.text("telegram/printed.txt")


def test_a_text_archive_goes_on_after_its_last_whole_line(kept: Kept, tmp_path: Path) -> None:
    directory = kept.copy("texts", tmp_path / "texts")
    whole = (directory / "remote" / "messages.jsonl").read_bytes()
    assert (directory / f"{KEY}.jsonl").read_bytes() != whole
    outside = Outside(TextsInMemory([*TEXTS, NEW_TEXT]))
    outside.keep(archive(), directory)
    outside.keep(archive(topic_id=55), directory)
    assert outside.reader.asked_after == [TEXTS[-1].message_id] * 2
    uploaded = outside.hand_off.folders[FOLDER]
    assert sorted(uploaded) == ["messages-topic-55.jsonl", "messages.jsonl"]
    for content in uploaded.values():
        assert content.startswith(whole)
        ids = [json.loads(line)["message_id"] for line in content.splitlines()]
        assert ids == [text.message_id for text in (*TEXTS, NEW_TEXT)]
    assert (directory / f"{KEY}.jsonl").read_bytes() == uploaded["messages.jsonl"]


def test_a_machine_that_lost_its_text_archive_goes_on_with_the_remotes(
    kept: Kept, tmp_path: Path
) -> None:
    content = (kept.directory / "texts" / "remote" / "messages.jsonl").read_bytes()
    outside = Outside(TextsInMemory([*TEXTS, NEW_TEXT]))
    outside.hand_off.put(content, FOLDER, "messages.jsonl")
    outside.keep(archive(listing=[ListedFile("messages.jsonl", len(content))]), tmp_path / "new")
    assert outside.reader.asked_after == [TEXTS[-1].message_id]
    assert outside.hand_off.folders[FOLDER]["messages.jsonl"].startswith(content)


def test_a_text_archive_is_written_as_ever(tmp_path: Path) -> None:
    outside = Outside(TextsInMemory(TEXTS))
    outside.keep(archive(), tmp_path)
    outside.keep(archive(topic_id=55), tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {KEY, KEY_OF_TOPIC}
    for path in (VERSIONS[-1].directory / "texts" / "remote").iterdir():
        assert outside.hand_off.folders[FOLDER][path.name] == path.read_bytes()
