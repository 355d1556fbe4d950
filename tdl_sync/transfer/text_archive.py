"""The text messages of a chat as one file on the remote (``--text``), ``messages.jsonl``.

rclone cannot append, so the whole file lies in the data directory, too: each run appends there
what is new and then puts the whole on the remote. The file is its own record of how far it is: a
run goes on after its last line, and a machine that has lost it begins with the remote's. It does
not depend on the watermark of the files, and no filter counts for it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.model import Chat, ListedFile, Scope, TextMessage, scope_key
from tdl_sync.core.naming import path_of
from tdl_sync.core.operating_system import open_here, replace_file
from tdl_sync.core.ports import ChatReader, HandOff
from tdl_sync.core.retry import with_attempts
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import utc_text
from tdl_sync.transfer.sidecar import VERSION, message_record


class TextArchive:
    """One chat's, or one topic's. ``keep`` in one worker thread at a time."""

    def __init__(self, chat: Chat, remote: str, folder: str, listing: list[ListedFile]) -> None:
        """``listing`` is what is in ``folder``, the chat's on the remote."""
        self._chat = chat
        self._key = scope_key(Scope(remote, chat.id, chat.topic_id))
        self._folder = folder
        self._name = f"messages-topic-{chat.topic_id}.jsonl" if chat.topic_id else "messages.jsonl"
        sizes = (file.size_bytes for file in listing if path_of(file) == self._name)
        self._size_bytes = next(sizes, None)

    def keep(self, directory: Path, reader: ChatReader, hand_off: HandOff, stop: StopFlag) -> None:
        """Bring the copy in ``directory`` up to date, and the remote's.

        Raises ``ConfigurationError`` where the copy can't be written, and what reading and
        uploading raise, after three attempts.
        """
        path = directory / f"{self._key}.jsonl"
        with_attempts(lambda: self._bring_up_to_date(path, reader, hand_off), stop)

    def _bring_up_to_date(self, path: Path, reader: ChatReader, hand_off: HandOff) -> None:
        try:
            if not path.exists() and self._size_bytes is not None:
                self._begin_with(path, hand_off.read(self._folder, self._name))
            self._append_new(path, reader)
            content = path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"--text: {path} cannot be written: {error.strerror}; mend that or name "
                "another --data-dir"
            ) from error
        if content and self._size_bytes != len(content):
            hand_off.put(content, self._folder, self._name)
            self._size_bytes = len(content)

    def _begin_with(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        with open(open_here(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        replace_file(new, path)

    def _append_new(self, path: Path, reader: ChatReader) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = open_here(path, os.O_RDWR | os.O_CREAT)
        with open(descriptor, "r+b") as file:
            last_id, end = _last_whole_line(file.read())
            file.seek(end)
            file.truncate()
            newest_id = reader.newest_message_id(self._chat)
            for texts in reader.texts(self._chat, last_id, newest_id):
                file.write(b"".join(_line(text) for text in texts))
                file.flush()
                os.fsync(file.fileno())


def _last_whole_line(content: bytes) -> tuple[int, int]:
    """The last message's id, 0 if there is none, and where its line ends: a kill cuts a line."""
    end = content.rfind(b"\n") + 1
    lines = content[:end].splitlines()
    if not lines:
        return 0, 0
    try:
        return int(json.loads(lines[-1])["message_id"]), end
    except (ValueError, TypeError, KeyError):
        raise ConfigurationError(
            "--text: the local copy of messages.jsonl is damaged: remove the folder texts in the "
            "data directory, and run again"
        ) from None


def _line(text: TextMessage) -> bytes:
    record = {
        "version": VERSION,
        "message_id": text.message_id,
        "date": utc_text(text.date),
        **message_record(text.details),
    }
    record["text"] = record.pop("caption")
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
