"""How a file is kept on the remote: its folder and name, and what is kept beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tdl_sync.content_hash import sha256_of
from tdl_sync.model import Chat, ListedFile, RemoteFile, StagedFile
from tdl_sync.name_template import PLAIN_NAMES, NameTemplate, RemotePlace
from tdl_sync.ports import HandOff
from tdl_sync.sidecar import sidecar, sidecar_name, with_copies_of


@dataclass(frozen=True)
class Keeping:
    """``template`` says where in the chat's folder a file goes."""

    template: NameTemplate = PLAIN_NAMES
    with_sidecar: bool = False

    def move(
        self,
        hand_off: HandOff,
        staged: StagedFile,
        chat: Chat,
        chat_folder: str,
        on_bytes: Callable[[int], None],
        there: ListedFile | None = None,
        sidecar_folder: str | None = None,
    ) -> RemoteFile:
        """``HandOff.move`` to the file's place, with the same errors.

        ``there`` is a file of the same message that is on the remote and is not right: it is
        overwritten, wherever it is, so that there are not two. ``sidecar_folder`` holds a sidecar
        of it from before, which may name copies.

        The sidecar goes first: where the file is on the remote, which is what a lost machine's
        next run goes by, its sidecar is there, too.
        """
        place = self.template.place(staged.item, chat)
        if there is not None:
            place = RemotePlace(tuple(filter(None, there.subfolder.split("/"))), there.name)
        folder = "/".join((chat_folder, *place.folders))
        sha256 = sha256_of(staged.path)
        if self.with_sidecar:
            text = sidecar(staged.item, chat, place, sha256)
            name = sidecar_name(staged.item.message_id)
            if sidecar_folder is not None:
                text = with_copies_of(text, hand_off.read(sidecar_folder, name))
            hand_off.put(text, folder, name)
        return replace(hand_off.move(staged, folder, place.name, on_bytes), sha256=sha256)


PLAINLY = Keeping()
