"""Files and folders as Drive knows them: by id, in one parent, with names that may repeat."""

from __future__ import annotations

import itertools
import random
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ..web.api_error import ApiError, bad_request, not_found
from .content import Content, ContentWriter
from .times import now_text, parse_time

FOLDER = "application/vnd.google-apps.folder"
DriveName = Literal["user", "shared", "service"]
"""Whose files: the user's My Drive, the shared drive's, the service account's My Drive."""
DRIVE_NAMES: tuple[DriveName, ...] = get_args(DriveName)
_MOST_NAME_CHARACTERS = 32_767


@dataclass(eq=False)
class Node:
    """A file or folder; `parent` is None for the top of a drive only."""

    file_id: str
    name: str
    mime_type: str
    parent: Node | None
    sequence: int
    created_time: str
    modified_time: str
    created_at_seconds: float
    name_before: str = ""
    renamed_at_seconds: float = 0.0
    content: Content | None = None
    explicitly_trashed: bool = False
    description: str | None = None
    lag: float = field(default_factory=random.random)
    """Where lags differ, how large this one's is in those."""

    @property
    def parent_id(self) -> str | None:
        return None if self.parent is None else self.parent.file_id

    @property
    def is_folder(self) -> bool:
        return self.mime_type == FOLDER

    @property
    def top(self) -> Node:
        return self if self.parent is None else self.parent.top

    @property
    def path(self) -> str:
        """Names from below the top, joined by slashes; names may hold slashes, too."""
        if self.parent is None:
            return ""
        return f"{self.parent.path}/{self.name}" if self.parent.parent else self.name

    def is_trashed(self) -> bool:
        return self.explicitly_trashed or (self.parent is not None and self.parent.is_trashed())


@dataclass(frozen=True)
class DriveFile:
    """What tests look at. Size and md5 are None for folders; times are RFC 3339 in UTC.

    `data` is None for folders and where the content was too large to keep.
    """

    drive: DriveName
    file_id: str
    path: str
    name: str
    parents: tuple[str, ...]
    is_folder: bool
    trashed: bool
    modified_time: str
    mime_type: str
    size_bytes: int | None
    md5: str | None
    data: bytes | None = field(repr=False)


class World:
    """All drives. Thread-safe: take `lock` to look at nodes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._sequence = itertools.count(1)
        self._nodes: dict[str, Node] = {}
        self._children: defaultdict[str, set[Node]] = defaultdict(set)
        self._named: defaultdict[str, set[Node]] = defaultdict(set)
        self.tops: dict[DriveName, Node] = {
            "user": self._add("My Drive", FOLDER, None, _top_id()),
            "shared": self._add("Drive", FOLDER, None, _top_id()),
            "service": self._add("My Drive", FOLDER, None, _top_id()),
        }
        self.shared_drive_name = "Stand-in's shared drive"
        self.most_in_folder = 500_000

    # What queries use (an Index)

    def children(self, parent_id: str) -> set[Node]:
        return self._children[parent_id]

    def named(self, folded_name: str) -> set[Node]:
        return self._named[folded_name]

    def all(self) -> Iterable[Node]:
        return self._nodes.values()

    def find(self, file_id: str) -> Node | None:
        return self._nodes.get(file_id)

    def used_bytes(self, top: Node, *, trashed_only: bool = False) -> int:
        with self.lock:
            return sum(
                node.content.size_bytes
                for node in self._nodes.values()
                if node.content and node.top is top and (not trashed_only or node.is_trashed())
            )

    def children_count(self, folder: Node) -> int:
        with self.lock:
            return sum(not child.is_trashed() for child in self._children[folder.file_id])

    # Changes

    def create(self, metadata: dict[str, Any], parent: Node, content: Content | None) -> Node:
        """A new file or folder, beside any other of that name. Raises ApiError."""
        with self.lock:
            name = _checked_name(metadata.get("name", "Untitled"))
            default_type = "application/octet-stream"
            node = self._add(name, metadata.get("mimeType") or default_type, parent, _new_id())
            node.content = content or (None if node.is_folder else _nothing())
            self._apply(node, metadata)
            return node

    def update(
        self, node: Node, metadata: dict[str, Any], content: Content | None, parent: Node | None
    ) -> None:
        """Change what the metadata names; a new content's time is now, unless it says another."""
        with self.lock:
            if "name" in metadata:
                self._rename(node, _checked_name(metadata["name"]))
            if parent is not None:
                assert node.parent is not None
                self._children[node.parent.file_id].discard(node)
                node.parent = parent
                self._children[parent.file_id].add(node)
            if content is not None:
                node.content = content
                node.modified_time = now_text()
            self._apply(node, metadata)

    def delete(self, node: Node) -> None:
        """For good, with everything below."""
        with self.lock:
            for child in list(self._children[node.file_id]):
                self.delete(child)
            del self._nodes[node.file_id]
            for name in (node.name, node.name_before):
                self._named[name.casefold()].discard(node)
            assert node.parent is not None
            self._children[node.parent.file_id].discard(node)

    def empty_trash(self, top: Node) -> None:
        with self.lock:
            gone = [n for n in self.all() if n.explicitly_trashed and n.top is top]
            for node in gone:
                if node.file_id in self._nodes:
                    self.delete(node)

    def files(self, drive: DriveName | None) -> list[DriveFile]:
        """Everything but the tops, oldest first, of one drive or of all."""
        with self.lock:
            return [
                _seen(name, node)
                for node in self._nodes.values()
                for name, top in self.tops.items()
                if node.top is top and node is not top and drive in (None, name)
            ]

    def _add(self, name: str, mime_type: str, parent: Node | None, file_id: str) -> Node:
        now = now_text()
        sequence = next(self._sequence)
        node = Node(file_id, name, mime_type, parent, sequence, now, now, time.monotonic())
        self._nodes[file_id] = node
        self._named[name.casefold()].add(node)
        if parent is not None:
            self._children[parent.file_id].add(node)
        return node

    def _rename(self, node: Node, name: str) -> None:
        """It is found by its name before, too, since listings may lag."""
        if name == node.name:
            return
        self._named[node.name_before.casefold()].discard(node)
        node.name_before, node.name = node.name, name
        node.renamed_at_seconds = time.monotonic()
        for each in (node.name, node.name_before):
            self._named[each.casefold()].add(node)

    def _apply(self, node: Node, metadata: dict[str, Any]) -> None:
        try:
            if "modifiedTime" in metadata:
                node.modified_time = parse_time(metadata["modifiedTime"])
            if "createdTime" in metadata:
                node.created_time = parse_time(metadata["createdTime"])
        except ValueError as error:
            raise bad_request(f"Invalid value for: {error}") from error
        node.description = metadata.get("description", node.description)
        node.explicitly_trashed = metadata.get("trashed", node.explicitly_trashed)


def parent_for_new(node: Node | None, parent_id: str) -> Node:
    """The folder that a new file goes into, or the ApiError for what can't take one."""
    if node is None:
        raise not_found(parent_id)
    if not node.is_folder:
        raise ApiError(403, "parentNotAFolder", "The specified parent is not a folder.")
    return node


def _seen(drive: DriveName, node: Node) -> DriveFile:
    content = node.content
    return DriveFile(
        drive=drive,
        file_id=node.file_id,
        path=node.path,
        name=node.name,
        parents=() if node.parent_id is None else (node.parent_id,),
        is_folder=node.is_folder,
        trashed=node.is_trashed(),
        modified_time=node.modified_time,
        mime_type=node.mime_type,
        size_bytes=None if content is None else content.size_bytes,
        md5=None if content is None else content.md5,
        data=None if content is None else content.data,
    )


def _nothing() -> Content:
    return ContentWriter(keep_bytes=0).finish()


def _new_id() -> str:
    return "1" + secrets.token_urlsafe(24)


def _top_id() -> str:
    return "0A" + secrets.token_urlsafe(9)[:11] + "Uk9PVA"


def _checked_name(name: str) -> str:
    if len(name) > _MOST_NAME_CHARACTERS:
        raise bad_request("The name is too long.")
    return name
