"""Writes the data directory's copies of two text archives: a chat's, and one topic's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tdl_sync.core.model import Chat, ListedFile, TextMessage
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.core.stop import StopFlag
from tdl_sync.transfer.text_archive import TextArchive
from tests.fakes.chat import FakeChatReader
from tests.fakes.handoff import FakeHandOff
from tests.kept.values_sidecars import CHANNEL, TEXTS

REMOTE, FOLDER = "gdrive:tdl-sync", "Лекции [-1001234567890]"
CUT_LINE = b'{"version": 1, "mess'


class TextsInMemory(FakeChatReader):
    """A chat of texts alone; ``asked_after`` are the ids after which it was read."""

    def __init__(self, texts: Sequence[TextMessage]) -> None:
        super().__init__({text.message_id: None for text in texts})
        self._texts = texts
        self.asked_after: list[int] = []

    def texts(
        self, chat: Chat, after_id: int, up_to_id: int, shard: Shard = WHOLE
    ) -> Iterator[list[TextMessage]]:
        self.asked_after.append(after_id)
        yield [text for text in self._texts if after_id < text.message_id <= up_to_id]


@dataclass(frozen=True)
class Outside:
    """What keeping texts needs, in memory."""

    reader: TextsInMemory
    hand_off: FakeHandOff = field(default_factory=FakeHandOff)

    def keep(self, archive: TextArchive, directory: Path) -> None:
        archive.keep(directory, self.reader, self.hand_off, StopFlag())


def archive(topic_id: int = 0, listing: Sequence[ListedFile] = ()) -> TextArchive:
    chat = replace(CHANNEL, topic_id=topic_id)
    return TextArchive(chat, REMOTE, FOLDER, list(listing))


def write_texts(target: Path, scratch: Path) -> None:
    """The chat's copy ends in a line that a kill has cut; ``remote`` is what was uploaded."""
    outside = Outside(TextsInMemory(TEXTS))
    outside.keep(archive(), target)
    outside.keep(archive(topic_id=55), target)
    remote = target / "remote"
    remote.mkdir()
    for name, content in outside.hand_off.folders[FOLDER].items():
        (remote / name).write_bytes(content)
    (path,) = (each for each in target.glob("*.jsonl") if each.stem == KEY)
    path.write_bytes(path.read_bytes() + CUT_LINE)


KEY, KEY_OF_TOPIC = "48b6faa7c6a1904a", "81de7cf9b64c0bf9"
"""The names of the two copies: the keys of the scopes without any filter."""
