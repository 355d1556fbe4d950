"""``find``: searches the catalogues that runs with ``--catalogue`` keep. Of a large one it keeps an
index beside the local copy; else it changes nothing."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tdl_sync.commands.output import StandardOutput
from tdl_sync.core.errors import ConfigurationError, TdlSyncError
from tdl_sync.core.links import message_link
from tdl_sync.core.model import path_at
from tdl_sync.core.naming import chat_id_of_folder
from tdl_sync.core.text import human_bytes, printable
from tdl_sync.options.config import Config
from tdl_sync.remote.drive_folder import listed_folders
from tdl_sync.remote.listing import RemoteLook
from tdl_sync.reporting.stderr import teller
from tdl_sync.run.remote_side import looked_at, opened_rclone
from tdl_sync.state.catalogue import (
    FILE_NAME,
    Catalogue,
    CatalogueRow,
    CatalogueUnreadable,
    begin_with,
)
from tdl_sync.state.catalogue_index import folded, numbers_with

_MOST_CAPTION = 100


@dataclass(frozen=True)
class _Hit:
    row: CatalogueRow
    about: dict[str, str]

    @property
    def link(self) -> str | None:
        chat_id = self.about.get("chat_id", "")
        if not chat_id.removeprefix("-").isdecimal():
            return None
        return message_link(int(chat_id), self.about.get("username"), self.row.message_id)

    @property
    def path(self) -> str:
        path, remote = self.row.path, self.about.get("remote", "")
        # What was adopted has a whole path. No folder of ours has a colon in its name.
        is_whole = path.startswith("/") or ":" in path.partition("/")[0]
        return path if is_whole else path_at(remote, path)


def find(config: Config, output: StandardOutput) -> Sequence[TdlSyncError]:
    """Print what holds all the words, wherever it holds them; what can't be read is returned."""
    errors: list[TdlSyncError] = []
    words = [folded(word) for word in config.words]
    local = sorted(config.places.catalogues.glob("*.sqlite"))
    with tempfile.TemporaryDirectory() as directory:
        paths = local or list(_fetched(config, Path(directory), errors))
        if not paths and not errors:
            raise ConfigurationError(
                "there is no catalogue in the data directory, and none on "
                f"{', '.join(config.by_remote)}: a run with --catalogue makes one"
            )
        hits = (hit for path in paths for hit in _hits(path, words, errors))
        if config.as_json:
            output.json_array(map(_record, hits))
            return errors
        is_found = False
        for hit in hits:
            is_found = True
            for line in _lines(hit):
                output.line(line)
    if not is_found and not errors:
        teller(config.telling)(f"nothing found in {_counted(len(paths))}")
    return errors


def _counted(catalogues: int) -> str:
    return "1 catalogue" if catalogues == 1 else f"{catalogues} catalogues"


def _fetched(config: Config, directory: Path, errors: list[TdlSyncError]) -> Iterator[Path]:
    """For a machine that has moved nothing yet: those on the remote."""
    with opened_rclone(config) as control:
        number = itertools.count()
        for remote in looked_at(config, control).values():
            look = RemoteLook(control, remote)
            names = {folder.name for folder in listed_folders(control, remote.base) or []}
            for name in sorted(names):
                content = look.read(name, FILE_NAME) if chat_id_of_folder(name) else None
                if content is None:
                    continue
                path = directory / f"{next(number)}.sqlite"
                try:
                    begin_with(path, content)
                except CatalogueUnreadable as error:
                    errors.append(_unreadable(f"{name}/{FILE_NAME}", error))
                else:
                    yield path


def _hits(path: Path, words: Sequence[str], errors: list[TdlSyncError]) -> Iterator[_Hit]:
    try:
        with closing(Catalogue(path)) as catalogue:
            about = catalogue.about()
            numbers = numbers_with(path, words)
            for row in catalogue.rows() if numbers is None else catalogue.rows_of(numbers):
                if _holds(row, words):
                    yield _Hit(row, about)
    except CatalogueUnreadable as error:
        errors.append(_unreadable(str(path), error))


def _unreadable(what: str, error: CatalogueUnreadable) -> ConfigurationError:
    return ConfigurationError(
        f"the catalogue {printable(what)} can't be read ({printable(str(error))}): remove it, and "
        "the next run with --catalogue makes it anew"
    )


def _holds(row: CatalogueRow, words: Sequence[str]) -> bool:
    texts = (row.caption, row.original_name, row.path, row.kind, row.date, row.sender_id)
    text = folded("\n".join(str(each) for each in texts if each is not None))
    return all(word in text for word in words)


def _lines(hit: _Hit) -> Iterator[str]:
    row = hit.row
    size = human_bytes(row.size_bytes)
    yield f"{(row.date or '')[:10]}  {size:>6}  {printable(hit.path)}"
    caption = printable(row.caption or "")
    shown = caption if len(caption) <= _MOST_CAPTION else f"{caption[:_MOST_CAPTION]}…"
    told = [each for each in (hit.link, shown) if each]
    if told:
        yield f"{'':20}{'  '.join(told)}"


def _record(hit: _Hit) -> dict[str, Any]:
    """For ``--json``; the keys are documented in docs/looking.md."""
    chat_id = hit.about.get("chat_id", "")
    return {
        **asdict(hit.row),
        "path": hit.path,
        "link": hit.link,
        "chat_id": int(chat_id) if chat_id.removeprefix("-").isdecimal() else None,
        "chat_name": hit.about.get("title", ""),
    }
