"""The file that a message held before it was given another: it stays beside the new one, or gives
way to it (``--replaced=over``).

It never gives way where it may be all that there is of another message's file: a copy of it was
passed over (``--dedupe``), by whatever run on whatever machine. So the chat itself is asked, once
and whatever a run's filters leave out: which messages hold the same file and have none of their
own on the remote. What was posted and is deleted by now is known by the first one's mark, or by its
sidecar. Nor does what another program has moved (``adopt``) ever give way.

That a file is to give way is on record from the moment on at which the new one is marked, so that
a run that is killed in between leaves it to the next one.
"""

from __future__ import annotations

from dataclasses import replace

from tdl_sync.core.errors import ItemFailed
from tdl_sync.core.model import (
    FormerFile,
    MarkedFile,
    MediaItem,
    MessageKey,
)
from tdl_sync.core.text import printable
from tdl_sync.options.choice import Replacing
from tdl_sync.transfer.job import Job, ReliedOn, Stages
from tdl_sync.transfer.sidecar import names_copies, sidecar_name


class GivingWay:
    """Of one job. ``judge`` and ``finish`` are for the thread that lists; any may call the rest."""

    def __init__(self, job: Job, stages: Stages) -> None:
        self._job = job
        self._stages = stages
        self._may: dict[MessageKey, bool] = {}
        # As they were at the start: what this run puts says nothing of the file of before.
        self._sidecar_folders = dict(job.sidecar_folders)

    def judge(self, item: MediaItem, before: MarkedFile) -> None:
        """Before an item goes on its way whose message held the file ``before``: find out whether
        that may give way. Blocks for the reader's calls, the first time for all of the chat."""
        if self._job.replacing is not Replacing.OVER or item.key in self._may:
            return
        if before.adopted_from is not None:
            self._may[item.key] = False  # another program has put it there, for its own ends
            return
        self._may[item.key] = may = not self._is_relied_on(item, before)
        if not may:
            self._stages.progress.message(
                f"{printable(before.name)} stays beside the new file of its message: it may be all "
                "that there is of another message's file, which was passed over as a copy"
            )

    def may(self, item: MediaItem) -> bool:
        """Whether the file of before is removed, or written over. Not unless it was judged."""
        return self._may.get(item.key, False)

    def former(self, item: MediaItem, before: MarkedFile) -> FormerFile:
        """What to record with the mark of the new file, which lies elsewhere."""
        return FormerFile(item.key, before, gives_way=self.may(item))

    def finish(self) -> None:
        """What earlier runs did not live to remove, whatever this one is asked to do: of the
        messages of its part. What becomes of the others their run knows, which may be at it."""
        job, marks, reader = self._job, self._stages.marks, self._stages.reader
        for former in marks.former_files(job.remote, job.chat.id, 0):
            is_own = reader.holds(job.chat, job.choice.shard, former.key.message_id)
            if former.gives_way and is_own:
                self._finish(former)

    def _finish(self, former: FormerFile) -> None:
        job, file = self._job, former.file
        marked = self._stages.marks.marked(job.remote, former.key)
        if marked is None:
            return  # the new one is lost: until it is there again, this may be all there is
        if (marked.folder, marked.name) == (file.folder, file.name):
            self._stages.marks.forget_former(job.remote, former)
            return
        try:
            listed = self._stages.hand_off.look(file.folder, file.name)
        except ItemFailed as error:
            self._tell(former, error)
            return
        is_another = listed is not None and (
            listed.size_bytes != file.size_bytes
            or (None not in (listed.sha256, file.sha256) and listed.sha256 != file.sha256)
        )
        if is_another:  # somebody has put it there
            self._stages.marks.forget_former(job.remote, former)
        else:
            self.remove(former)

    def remove(self, former: FormerFile) -> None:
        """Best effort: what stays is tried again by the next run, and named by ``verify`` as a
        double until then."""
        try:
            self._stages.hand_off.remove(former.file.folder, former.file.name)
        except ItemFailed as error:
            self._tell(former, error)
        else:
            self._stages.marks.forget_former(self._job.remote, former)

    def _tell(self, former: FormerFile, error: ItemFailed) -> None:
        self._stages.progress.message(
            f"warning: {printable(former.file.name)}, whose message holds another file by now, "
            f"is still there: {error}"
        )

    # --- who relies on it --------------------------------------------------------------------

    def _is_relied_on(self, item: MediaItem, before: MarkedFile) -> bool:
        if before.has_copies or self._sidecar_names_copies(item, before):
            return True
        relied_on = self._job.relied_on
        if not relied_on.is_known:
            self._look_through_the_chat(relied_on)
        if before.identity is None:
            return before.size_bytes in relied_on.sizes
        return before.identity in relied_on.files

    def _sidecar_names_copies(self, item: MediaItem, before: MarkedFile) -> bool:
        folder = self._sidecar_folders.get(item.number)
        if folder is None:
            return False
        try:
            text = self._stages.hand_off.read(folder, sidecar_name(item.number))
        except ItemFailed:
            return True
        return names_copies(text, before.sha256)

    def _look_through_the_chat(self, found: ReliedOn) -> None:
        job, reader, marks = self._job, self._stages.reader, self._stages.marks
        chat = replace(job.chat, topic_id=0)
        self._stages.progress.message(
            "reading the chat for messages that hold the files which are to give way"
        )
        for page in reader.pages(chat, 0, reader.newest_message_id(chat)):
            self._stages.stop.check()
            for entry in page.entries:
                if not isinstance(entry, MediaItem) or self._has_its_own(entry):
                    continue
                found.sizes.add(entry.size_bytes)
                if marks.file_with(job.remote, chat.id, 0, entry.identity) is not None:
                    found.files.add(entry.identity)
        found.is_known = True

    def _has_its_own(self, item: MediaItem) -> bool:
        marked = self._stages.marks.marked(self._job.remote, item.key)
        return marked is not None and not marked.is_replaced_by(item)
