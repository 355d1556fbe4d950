"""Which of Telegram's files are on the remote, where no mark says so.

After a machine was lost only the remote's listing tells what is done: ids and sizes. Marks of
before do not say it either. So before copies can be told, these messages are read once more; one
that was edited since proves nothing, for it may hold another file than the one that was moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tdl_sync.core.model import Chat, MediaItem
from tdl_sync.core.ports import ChatReader, Marks, ProgressListener

_MESSAGES_AT_ONCE = 100


def learn_files(
    remote: str,
    chat: Chat,
    listed_ids: Iterable[int],
    reader: ChatReader,
    marks: Marks,
    is_done: Callable[[MediaItem], bool],
    progress: ProgressListener,
) -> None:
    """``listed_ids`` are the messages with a file on the remote and without a mark; ``is_done``
    marks what the listing proves. Blocks for one or two calls in a hundred messages.
    """
    ids = sorted({*listed_ids, *marks.ids_of_unknown_files(remote, chat.id, 0)})
    if ids:
        progress.message(
            f"reading {len(ids)} messages again whose files are on the remote, to know their copies"
        )
    for start in range(0, len(ids), _MESSAGES_AT_ONCE):
        for entry in reader.fetch(chat, ids[start : start + _MESSAGES_AT_ONCE]):
            if isinstance(entry, MediaItem) and is_done(entry):
                marks.learn_file(remote, entry)
    marks.files_are_known(remote, chat.id, 0)
