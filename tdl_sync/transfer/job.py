"""What a round over one chat is given: what is to be moved, and the parts that move it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tdl_sync.core.model import (
    AdoptedFile,
    Chat,
    DoneMark,
    FileIdentity,
    FileNumber,
    HistoryEntry,
    ListedFile,
    MediaItem,
    MediaType,
    Scope,
)
from tdl_sync.core.ports import ChatReader, HandOff, Marks, ProgressListener
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.choice import WHOLE_CHAT, Choice, Replacing
from tdl_sync.options.name_template import PLAIN_KEEPING, Keeping, RemotePlace
from tdl_sync.transfer.disk.budget import DiskBudget
from tdl_sync.transfer.disk.leftovers import Leftovers
from tdl_sync.transfer.disk.staging import Staging
from tdl_sync.transfer.download import Downloader
from tdl_sync.transfer.folder_room import FolderRoom


@dataclass
class ReliedOn:
    """Which marked files are those of messages that have none of their own, and how large all of
    such messages are. Found out once a run, if at all: nobody comes to rely on a file meanwhile."""

    is_known: bool = False
    files: set[FileIdentity] = field(default_factory=set)
    sizes: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Job:
    """What is to be moved: the messages with ``after_id < id <= up_to_id`` and ``again``.

    ``again`` are files that earlier runs did not move, all up to ``after_id``; ``waited_for`` are
    those messages among them that are not waited for any more. Where ``all_may_be_replaced``, not
    only ``again`` but all files are looked at, whether their messages hold others by now; these go
    where ``replacing`` says. ``on_remote`` is
    what the remote's listing shows, by message and index. Of what lies in the staging directory all
    is taken up, or only what is ``leftovers_of`` these messages. ``sidecar_folders`` says where the
    sidecars are that the remote has; each upload adds its own (one assignment, which needs no
    lock). ``adopted`` are files that other programs have moved, were taken for done, and lie where
    they lay (``transfer.adopted``). ``relied_on`` is shared by all rounds of a run. ``seen`` are
    the messages up to ``after_id`` by kind, ``None`` where that is not known. ``room``
    is how full the folders are, shared by all rounds, too.
    """

    chat: Chat
    remote: str
    folder: str
    after_id: int
    up_to_id: int
    again: tuple[HistoryEntry, ...]
    on_remote: Mapping[FileNumber, Sequence[ListedFile]]
    retry_failed_for_good: bool
    choice: Choice = WHOLE_CHAT
    keeping: Keeping = PLAIN_KEEPING
    leftovers_of: frozenset[int] | None = None
    waited_for: frozenset[int] = frozenset()
    replacing: Replacing = Replacing.BESIDE
    all_may_be_replaced: bool = False
    sidecar_folders: dict[FileNumber, str] = field(default_factory=dict)
    seen: Mapping[MediaType, int] | None = None
    lower_bound: int = 0
    adopted: Mapping[FileNumber, AdoptedFile] = field(default_factory=dict)
    relied_on: ReliedOn = field(default_factory=ReliedOn, compare=False)
    room: FolderRoom = field(default_factory=FolderRoom, compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be listed and nothing to be tried again."""
        return self.up_to_id <= self.after_id and not self.again

    def place(self, item: MediaItem) -> RemotePlace:
        """Where on the remote a file goes that has no place yet."""
        place = self.keeping.template.place(item, self.chat)
        return replace(place, folders=self.room.of(place.folders))

    def path(self, item: MediaItem) -> str:
        """The same as a path below the chat's folder."""
        place = self.place(item)
        return "/".join((*place.folders, place.name))

    @property
    def scope(self) -> Scope:
        """What is moved counts as moved in it."""
        return self.choice.scope(self.remote, self.chat, self.lower_bound)


@dataclass(frozen=True)
class Stages:
    """The parts that a file passes through, shared by all chats of a run.

    ``on_moved`` is told of each file that was moved, when it is marked and before the watermark
    passes it; ``on_there`` of each that was found to be there, and is marked. Both must return at
    once and never raise. ``most_in_folder`` is how much is to go into one folder of the remote,
    ``None`` for any number.
    """

    reader: ChatReader
    downloader: Downloader
    hand_off: HandOff
    marks: Marks
    staging: Staging
    budget: DiskBudget
    leftovers: Leftovers
    progress: ProgressListener
    stop: StopFlag
    on_moved: Callable[[DoneMark], None] = lambda mark: None
    on_there: Callable[[MediaItem], None] = lambda item: None
    most_in_folder: int | None = None
