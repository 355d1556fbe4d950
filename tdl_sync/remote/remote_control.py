"""What rclone is asked and told: a method a call, each with all that decides about data.

What rclone answers is data from outside, and checked as such. Questions are asked again when rclone
dies before it answers; a deed that may have been done, or not, is left to who asked for it.

https://rclone.org/rc/#supported-commands
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from tdl_sync.core.errors import NetworkUnreachable, Stopped
from tdl_sync.core.model import ListedFile
from tdl_sync.remote.answers import ReadObject
from tdl_sync.remote.call_options import NO_FILTER, Comparison, call_config
from tdl_sync.remote.keeper import ANSWER_SECONDS
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown, Rclone

LISTING_SECONDS = 3600.0
"""A folder of 100,000 files is a hundred pages on Drive, each of some seconds on a bad day."""

_TRIES = 6
"""More often than rclone may die in a row."""

_PUT_SECONDS = 90.0
_SLOWEST_BYTES_PER_SECOND = 50_000
_OLD_SECONDS = 86_400.0
_LARGEST_TEXT_BYTES = 256 * 1024 * 1024

_SPARING_LIMIT_BYTES = 60 * 1024 * 1024
"""Less than rclone needs for a long listing: so it gives back at once what it no longer needs.
(Less still, or tidying up after each 5 % more, took up to twice the CPU and no less memory.)"""
_SET_LIMIT, _LIMIT = "debug/set-soft-memory-limit", "mem-limit"
_NO_LIMIT_BYTES = 2**63 - 1
_FILES_BETWEEN_TIDYING = 20_000

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
"""With as many digits of a second as there are, of which old Pythons read three or six."""

_ALL_HAVE_HASHES = ("Local file system", "Google drive")
"""How rclone names these; an alias is named as what it stands for."""

_SHOWN = {"_group": "global_stats"}
"""The log tells of the transfers of this group."""

_QUESTIONS = {"_group": "questions"}
"""In groups of their own rclone would remember a thousand of them."""


@dataclass(frozen=True)
class Remote:
    """A remote as rclone opens it: ``REMOTE:PATH``, with options.

    Each text is one of its own, with a token, a pacer and a memory of folders, and keeps how it
    was first opened; so what has to be otherwise needs another text. ``low_level_retries``: how
    often it tries one request, ``None`` for what the user says. ``configured`` is what errors call
    it, if that is another text.
    """

    text: str
    low_level_retries: int | None = None
    configured: str = ""

    @property
    def name(self) -> str:
        return self.configured or self.text


@dataclass(frozen=True)
class Folder:
    """``drive_id`` is empty on remotes without."""

    name: str
    drive_id: str


@dataclass(frozen=True)
class DatedFolder:
    """``path`` is below the folder that was listed. ``changed_at`` is when it was made, or changed
    since; ``None`` where that is not told."""

    name: str
    drive_id: str
    changed_at: datetime | None
    path: str


@dataclass(frozen=True)
class Features:
    """``hashes`` it can tell of a file; ``lists_hashes``: without reading the file for that;
    ``all_have_hashes``: of every file that rclone has put there.
    ``can_rename`` a file where it is; ``names_are_unique``: two files never have one name."""

    hashes: frozenset[str]
    lists_hashes: bool
    all_have_hashes: bool
    has_empty_folders: bool
    can_rename: bool
    names_are_unique: bool


@dataclass(frozen=True)
class FoundFile:
    """``hashes`` by their kind, in the words of ``Features.hashes``."""

    size_bytes: int
    hashes: Mapping[str, str]


Entry = TypeVar("Entry", Folder, DatedFolder, ListedFile)

Sections = Mapping[str, Mapping[str, str]]
"""Of the configuration, by the remote's name. They hold secrets."""


class OpenedRemotes:
    """Has each remote opened by one call before others use it side by side: each of those would
    open one of its own, with a token and a memory of its own. All threads may use it."""

    def __init__(self) -> None:
        self._opening = threading.RLock()
        self._opened: set[str] = set()
        self._opened_by = 0

    def once(self, text: str, start_number: int, open_it: Callable[[], object]) -> None:
        """Call ``open_it`` if this rclone, the one of this start, has not opened it yet."""
        if self._opened_by == start_number and text in self._opened:
            return
        with self._opening:
            if self._opened_by != start_number:
                self._opened_by, self._opened = start_number, set()
            if text not in self._opened:
                open_it()
                self._opened.add(text)

    @contextmanager
    def anew(self) -> Iterator[None]:
        """Nothing is opened in this block by others, and all is opened anew after it."""
        with self._opening:
            self._opened = set()
            yield
            self._opened = set()


class RemoteControl:
    """All methods may be called from any thread. Besides what each says they raise ``CallFailed``,
    ``NetworkUnreachable``, ``Stopped``, and what ends the run where rclone keeps dying."""

    def __init__(self, rclone: Rclone, reading_directory: Path | None = None) -> None:
        """What is read from the remote comes by way of ``reading_directory``."""
        self.rclone = rclone
        self._reading_directory = reading_directory
        self._opened = OpenedRemotes()
        self._shuts_down = False
        self._listings_lock = threading.Lock()
        self._listings = 0
        self._limit_before: str | None = None

    # --- the configuration --------------------------------------------------------------------

    def sections(self) -> Sections:
        """Of the file, and of remotes that are made by variables alone, which old versions
        do not show."""
        shown = self._ask("config/dump", {})
        found: dict[str, dict[str, str]] = {
            name: {str(key): str(value) for key, value in section.items()}
            for name, section in shown.items()
            if isinstance(section, dict)
        }
        _add_made_by_variables(found)
        return found

    def update_section(self, name: str, values: Mapping[str, str]) -> None:
        """Write these values of a remote into the configuration, and ask nobody."""
        options = {"nonInteractive": True}
        self._ask("config/update", {"name": name, "parameters": values, "opt": options})

    def forget_remotes(self) -> None:
        """What is opened next is opened anew: it reads the configuration, and looks for folders.

        Harmless for what is under way; but for backends that are shut down by it (Dropbox sends in
        batches), of which nothing is forgotten while files are under way.
        """
        if self._shuts_down and self.rclone.transfers:
            return
        with self._opened.anew():
            self._ask("fscache/clear", {})

    @contextmanager
    def opening_nothing(self) -> Iterator[None]:
        """Others wait with what they have to open: for who changes what is read at that."""
        with self._opened.anew():
            yield

    def options_by_type(self) -> dict[str, frozenset[str]]:
        """The options that this rclone knows of each kind of remote."""
        kinds = self._ask("config/providers", {}).get("providers")
        match kinds:
            case list():
                return {
                    str(kind["Name"]): frozenset(str(each["Name"]) for each in kind["Options"])
                    for kind in kinds
                    if _names_its_options(kind)
                }
        raise self.rclone.not_an_answer("config/providers")

    def options_set(self) -> list[str]:
        """Of rclone's own options and its filter: those that are not at their default. Empty for
        versions that don't tell."""
        try:
            blocks = self._ask("options/info", {"blocks": "main,filter"})
        except CallFailed as failed:
            if failed.status == HTTPStatus.NOT_FOUND:
                return []
            raise
        return [
            str(option.get("Name"))
            for block in blocks.values()
            if isinstance(block, list)
            for option in block
            if isinstance(option, dict) and option.get("ValueStr") != option.get("DefaultStr")
        ]

    def in_effect(self) -> Mapping[str, object]:
        """What counts in a call that names what ours name; empty for versions that don't tell."""
        parameters = {"_config": call_config(), "_filter": NO_FILTER}
        try:
            shown = self._ask("options/local", parameters)
        except CallFailed as failed:
            if failed.status == HTTPStatus.NOT_FOUND:
                return {}
            raise
        match shown:
            case {"config": dict(config), "filter": dict(filter_)}:
                return {**config, **filter_}
        raise self.rclone.not_an_answer("options/local")

    def limit_uploads(self, rate: str) -> None:
        """From now on, for all of them together. One that is started anew begins with what holds
        then, so this may be said twice.

        https://rclone.org/rc/#core-bwlimit
        """
        self._ask("core/bwlimit", {"rate": rate})

    # --- questions ----------------------------------------------------------------------------

    def features(self, remote: Remote) -> Features:
        """https://rclone.org/rc/#operations-fsinfo"""
        command = "operations/fsinfo"
        info = self._ask(command, {"fs": remote.text, **_config(remote)})
        hashes, features = info.get("Hashes"), info.get("Features")
        if not isinstance(features, dict) or not isinstance(hashes, (list, type(None))):
            raise self.rclone.not_an_answer(command)
        self._shuts_down = self._shuts_down or bool(features.get("Shutdown"))
        return Features(
            hashes=frozenset(map(str, hashes or ())),
            lists_hashes=not features.get("SlowHash"),
            # Others, such as WebDAV, can have a file without a hash beside one with.
            all_have_hashes=str(info.get("String")).startswith(_ALL_HAVE_HASHES),
            has_empty_folders=bool(features.get("CanHaveEmptyDirectories")),
            can_rename=bool(features.get("Move")),
            names_are_unique=not features.get("DuplicateFiles"),
        )

    def folders(
        self, remote: Remote, timeout_seconds: float = LISTING_SECONDS
    ) -> list[Folder] | None:
        """Those in ``remote``, not below; ``None``: there is no such path."""
        options = {"dirsOnly": True}
        return self._listed(remote, "", options, timeout_seconds, Folder, _folder)

    def dated_folders(self, remote: Remote) -> list[DatedFolder]:
        """Those in ``remote``, not below; none where there is no such path."""
        return self._dated(remote, {})

    def dated_folders_below(self, remote: Remote) -> list[DatedFolder]:
        """Those in ``remote`` and below them."""
        return self._dated(remote, {"recurse": True})

    def _dated(self, remote: Remote, options: Mapping[str, object]) -> list[DatedFolder]:
        said = {"dirsOnly": True, "noModTime": False, **options}
        listed = self._listed(remote, "", said, LISTING_SECONDS, DatedFolder, _dated_folder)
        return listed or []

    def holds_anything(self, remote: Remote) -> bool:
        """A file, or a folder."""
        return bool(self._listed(remote, "", {}, LISTING_SECONDS, Folder, _folder))

    def names_beginning_with(self, remote: Remote, prefix: str) -> list[str]:
        """Of files in ``remote``, not below. ``prefix`` is of letters, digits, ``.`` and ``-``."""
        only = {**NO_FILTER, "IncludeRule": [f"/{prefix}*"]}
        options = {"filesOnly": True}
        files = self._listed(
            remote, "", options, LISTING_SECONDS, ListedFile, lambda each: _file(each, ""), only
        )
        return [each.name for each in files or () if each.name.startswith(prefix)]

    def files(
        self, remote: Remote, path: str = "", *, hash_kinds: Collection[str] = ()
    ) -> list[ListedFile] | None:
        """All files in ``path`` of the remote and below, with those hashes of these kinds that they
        have; ``None``: there is no such path.

        Their subfolders are told from ``path`` on.
        """
        options: dict[str, object] = {"recurse": True, "filesOnly": True}
        if hash_kinds:
            options |= {"showHash": True, "hashTypes": sorted(hash_kinds)}
        prefix = f"{path}/" if path else ""
        numbers = itertools.count(1)

        def file(found: dict[str, Any]) -> ListedFile:
            # That the answer comes in says that what it was made of is no longer needed.
            if next(numbers) % _FILES_BETWEEN_TIDYING == 0:
                self._tidy_up()
            return _file(found, prefix)

        with self._sparing_memory():
            files = self._listed(remote, path, options, LISTING_SECONDS, ListedFile, file)
            if files is not None and len(files) >= _FILES_BETWEEN_TIDYING:
                # Go keeps what an answer was written in for the next one, but for once.
                self._tidy_up()
                self._tidy_up()
            return files

    def file(
        self, remote: Remote, path: str, hash_kinds: Collection[str] = ("sha256",)
    ) -> ListedFile | None:
        """This file, ``None`` if it is not there. For its hashes it is read, where the remote does
        not know them."""
        command = "operations/stat"
        options: dict[str, object] = {"noModTime": True, "noMimeType": True}
        if hash_kinds:
            options |= {"showHash": True, "hashTypes": sorted(hash_kinds)}
        parameters = {"fs": remote.text, "remote": path, "opt": options}
        patience = LISTING_SECONDS if hash_kinds else ANSWER_SECONDS
        item = self._ask_opened(remote, command, parameters, patience).get("item", "")
        match item:
            case None:
                return None
            case {"IsDir": True}:
                return None
            case dict():
                with contextlib.suppress(ValueError):
                    return _file(item, "")
        raise self.rclone.not_an_answer(command)

    def free_bytes(self, remote: Remote) -> int | None:
        """``None`` where the remote does not say. Raises also for a remote that can't say it."""
        free = self._ask_opened(remote, "operations/about", {"fs": remote.text}).get("free")
        return free if isinstance(free, int) else None

    def file_with_hashes(
        self, remote: Remote, path: str, hash_kinds: Collection[str]
    ) -> FoundFile | None:
        """This file, with those hashes of these kinds that it has; ``None`` if it is not there."""
        command = "operations/stat"
        options = {"noModTime": True, "showHash": True, "hashTypes": sorted(hash_kinds)}
        parameters = {"fs": remote.text, "remote": path, "opt": options}
        item = self._ask_opened(remote, command, parameters).get("item", "")
        match item:
            case None:
                return None
            case {"Size": int(size_bytes)}:
                hashes = item.get("Hashes")
                shown = hashes if isinstance(hashes, dict) else {}
                known = {str(kind): str(each) for kind, each in shown.items() if each}
                return FoundFile(size_bytes, known)
        raise self.rclone.not_an_answer(command)

    # --- deeds --------------------------------------------------------------------------------

    def make_folder(self, remote: Remote, path: str) -> None:
        """With its parents; no error if it is there. Raises ``OutcomeUnknown``."""
        self._open(remote)
        parameters = {"fs": remote.text, "remote": path, **_config(remote)}
        self.rclone.call("operations/mkdir", parameters)

    def remove_empty_folder(self, remote: Remote, path: str) -> None:
        """Of several with one name any that is empty; one in which something is stays, and is an
        error. Raises ``OutcomeUnknown``."""
        self._open(remote)
        self.rclone.call("operations/rmdir", {"fs": remote.text, "remote": path, **_config(remote)})

    def rename(self, remote: Remote, path: str, new_path: str) -> None:
        """A file of this name, where it is; of several with one name any. Raises
        ``OutcomeUnknown``: it is not asked for twice, since that may be another file then.

        rclone does not look what has the new name: it would delete that, even if it is the same
        file, which a listing that lags shows under a name that it had before.
        """
        self._open(remote)
        parameters = {
            "srcFs": remote.text,
            "srcRemote": path,
            "dstFs": remote.text,
            "dstRemote": new_path,
            **_config(remote, look_first=False),
        }
        self.rclone.call("operations/movefile", parameters, LISTING_SECONDS)

    def delete_file(self, remote: Remote, path: str) -> None:
        parameters = {"fs": remote.text, "remote": path}
        self._ask_opened(remote, "operations/deletefile", parameters)

    def move(
        self,
        source: Path,
        remote: Remote,
        path: str,
        compare: Comparison,
        *,
        look_first: bool = True,
    ) -> None:
        """rclone's `moveto`: upload, verify, delete the source; blocks for as long as it takes.

        Without ``look_first`` it does not look whether the name is there already. Raises
        ``OutcomeUnknown``.
        """
        self._open(remote)
        config = call_config(
            compare=compare, look_first=look_first, low_level_retries=remote.low_level_retries
        )
        parameters = {
            "srcFs": str(source.parent),
            "srcRemote": source.name,
            "dstFs": remote.text,
            "dstRemote": path,
            "_config": config,
            "_filter": NO_FILTER,
            **_SHOWN,
        }
        with self.rclone.transfer():
            self.rclone.call("operations/movefile", parameters, timeout_seconds=None)
        self.rclone.worked()

    def put(self, content: bytes, remote: Remote, folder: str, name: str) -> None:
        """Write this file, instead of one that is there. Raises ``OutcomeUnknown``."""
        self._open(remote)
        query = urlencode(
            {
                "fs": remote.text,
                "remote": folder,
                "_config": json.dumps(call_config(low_level_retries=remote.low_level_retries)),
                "_filter": json.dumps(dict(NO_FILTER)),
                **_SHOWN,
            }
        )
        form, content_type = _form(name, content)
        seconds = _PUT_SECONDS + len(content) / _SLOWEST_BYTES_PER_SECOND
        with self.rclone.transfer():
            self.rclone.post(f"operations/uploadfile?{query}", form, content_type, seconds)

    def read(self, remote: Remote, path: str) -> bytes:
        """A text of ours, whole. One that is too large to be ours is an error."""
        if self._reading_directory is not None:
            self._reading_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_what_is_old(self._reading_directory)
        with tempfile.TemporaryDirectory(
            prefix="reading-", dir=self._reading_directory
        ) as directory:
            parameters = {
                "srcFs": remote.text,
                "srcRemote": path,
                "dstFs": directory,
                "dstRemote": "text",
                # In no group, of which it would count what others transfer.
                "_config": call_config(
                    low_level_retries=remote.low_level_retries, max_bytes=_LARGEST_TEXT_BYTES
                ),
                "_filter": NO_FILTER,
            }
            self._open(remote)
            self._ask("operations/copyfile", parameters, LISTING_SECONDS)
            return Path(directory, "text").read_bytes()

    # --- inside -------------------------------------------------------------------------------

    @contextmanager
    def _sparing_memory(self) -> Iterator[None]:
        """rclone has a listing in its memory several times before it answers. Of 100,000 files that
        is 200 MB, but 120 MB where it has a limit, for a fifth more CPU. A limit of the user's own
        stays. Old versions can't be told."""
        try:
            with self._listings_lock:
                self._listings += 1
                if self._listings == 1:
                    with suppress(CallFailed):
                        self._limit_memory()
            yield
        finally:
            with self._listings_lock:
                self._listings -= 1
                if not self._listings and self._limit_before is not None:
                    limit, self._limit_before = self._limit_before, None
                    with suppress(CallFailed, NetworkUnreachable, Stopped):
                        self._ask(_SET_LIMIT, {_LIMIT: limit})

    def _limit_memory(self) -> None:
        only_ask = -1
        before = self._ask(_SET_LIMIT, {_LIMIT: only_ask}).get(f"existing-{_LIMIT}")
        if before == _NO_LIMIT_BYTES:
            # As a text: as a number it would not be read to its last digit.
            self._limit_before = str(before)
            self._ask(_SET_LIMIT, {_LIMIT: _SPARING_LIMIT_BYTES})

    def _tidy_up(self) -> None:
        """Have rclone look what it no longer needs. By itself it does when it needs more: while an
        answer is read, and we need memory, too, it would keep what that was made of."""
        with suppress(CallFailed, NetworkUnreachable, OutcomeUnknown, Stopped):
            self.rclone.call("core/gc", {})

    def _open(self, remote: Remote) -> None:
        number = self.rclone.start_number()
        self._opened.once(remote.text, number, lambda: self.features(remote))

    def _ask_opened(
        self,
        remote: Remote,
        command: str,
        parameters: Mapping[str, object],
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> Mapping[str, Any]:
        self._open(remote)
        return self._ask(command, {**parameters, **_config(remote)}, timeout_seconds)

    def _ask(
        self,
        command: str,
        parameters: Mapping[str, object],
        timeout_seconds: float = ANSWER_SECONDS,
        read: ReadObject | None = None,
    ) -> Mapping[str, Any]:
        for tries_left in reversed(range(_TRIES)):
            try:
                return self.rclone.call(command, parameters, timeout_seconds, read)
            except OutcomeUnknown as error:
                if not tries_left:
                    raise CallFailed(0, str(error)) from error
        raise AssertionError("unreachable")

    def _listed(
        self,
        remote: Remote,
        path: str,
        options: Mapping[str, object],
        timeout_seconds: float,
        kind: type[Entry],
        entry: Callable[[dict[str, Any]], Entry],
        filter_: Mapping[str, object] = NO_FILTER,
    ) -> list[Entry] | None:
        """``entry`` makes of each what it is to be, one by one: as they come they would need ten
        times the memory."""
        command = "operations/list"
        parameters = {
            "fs": remote.text,
            "remote": path,
            "opt": {"noModTime": True, "noMimeType": True, **options},
            **_config(remote),
            "_filter": filter_,
        }

        def read(found: dict[str, Any]) -> object:
            return entry(found) if "IsDir" in found else found

        self._open(remote)
        try:
            answer = self._ask(command, parameters, timeout_seconds, read)
        except CallFailed as failed:
            if failed.is_missing:
                return None
            raise
        listed = answer.get("list")
        if listed is None and "list" in answer:
            return []
        if not isinstance(listed, list) or not all(isinstance(each, kind) for each in listed):
            raise self.rclone.not_an_answer(command)
        return listed


def _remove_what_is_old(directory: Path) -> None:
    """What a run that was killed was reading. Another one that lives may read there, too."""
    for path in directory.iterdir():
        with suppress(FileNotFoundError):  # another run does the same
            if path.stat().st_mtime < time.time() - _OLD_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _form(name: str, content: bytes) -> tuple[bytes, str]:
    """A form with one file, and what kind of content that is.

    https://datatracker.ietf.org/doc/html/rfc7578
    """
    boundary = secrets.token_hex(16)
    quoted_name = name.replace("\\", "\\\\").replace('"', '\\"')
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{quoted_name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    form = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return form, f"multipart/form-data; boundary={boundary}"


def _config(remote: Remote, *, look_first: bool = True) -> Mapping[str, object]:
    config = call_config(look_first=look_first, low_level_retries=remote.low_level_retries)
    return {"_config": config, "_filter": NO_FILTER, **_QUESTIONS}


def _names_its_options(kind: object) -> bool:
    match kind:
        case {"Name": str(), "Options": list(options)}:
            return all(isinstance(each, dict) and "Name" in each for each in options)
    return False


def _add_made_by_variables(found: dict[str, dict[str, str]]) -> None:
    """Their types alone: what else a variable says of a remote is looked up where it counts."""
    for variable, value in os.environ.items():
        if variable.startswith("RCLONE_CONFIG_") and variable.endswith("_TYPE"):
            name = variable.removeprefix("RCLONE_CONFIG_").removesuffix("_TYPE")
            known = next((each for each in found if _variable(each) == name), name.lower())
            found.setdefault(known, {})["type"] = value


def _variable(name: str) -> str:
    """How a remote's name stands in the name of a variable."""
    return name.upper().replace("-", "_")


def _folder(entry: Mapping[str, object]) -> Folder:
    match entry:
        case {"Name": str(name)}:
            return Folder(name, str(entry.get("ID") or ""))
    raise ValueError("no folder")


def _dated_folder(entry: Mapping[str, object]) -> DatedFolder:
    folder = _folder(entry)
    told = _MOMENT.fullmatch(str(entry.get("ModTime")))
    moment = None
    if told is not None:
        zone = told[2].replace("Z", "+00:00")
        moment = datetime.fromisoformat(f"{told[1]}{zone}")
    return DatedFolder(folder.name, folder.drive_id, moment, str(entry.get("Path")))


def _file(entry: Mapping[str, Any], prefix: str) -> ListedFile:
    match entry:
        case {"Name": str(name), "Size": int(size_bytes), "Path": str(path)}:
            shown = entry.get("Hashes")
            hashes = {
                kind: text
                for kind, text in (shown if isinstance(shown, dict) else {}).items()
                if isinstance(text, str) and text
            }
            sha256 = hashes.pop("sha256", None)
            others = (f"{kind} {text}" for kind, text in sorted(hashes.items()))
            return ListedFile(
                name,
                size_bytes,
                path.removeprefix(prefix).rpartition("/")[0],
                sha256,
                next(others, None),
                str(entry.get("ID") or ""),
            )
    raise ValueError("no file")
