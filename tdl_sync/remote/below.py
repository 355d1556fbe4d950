"""What lies below a remote: crypt, alias, chunker, union, combine and their like keep nothing
themselves, but have others keep it, which may be made of others again.

https://rclone.org/overview/#virtual-providers
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tdl_sync.options.remote_argument import notation_of
from tdl_sync.remote.remote_control import Sections

DRIVE = "drive"
LOCAL = "local"
_ALIAS = "alias"
_COMBINE = "combine"
_UNION = "union"

# https://rclone.org/docs/#connection-strings
_QUOTED = r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'"
_NOTATION = re.compile(
    rf"(?P<head>:?[^:,/\\\"']+(?:,(?:{_QUOTED}|[^:\"'])*)?):(?P<path>.*)", re.DOTALL
)


def kinds_below(
    sections: Sections, remote: str, seen: frozenset[str] = frozenset()
) -> frozenset[str]:
    """The types of all remotes that this one is made of, its own included; a path is ``local``."""
    notation = _taken_apart(sections, remote)
    if notation is None:
        return frozenset({LOCAL})
    if notation.name in seen:
        return frozenset()
    below = [
        kinds_below(sections, entry, seen | {notation.name})
        for key, value in notation.values.items()
        for entry in _entries(notation.kind, key, value)
    ]
    return frozenset({notation.kind}).union(*below)


def drives_side_by_side(
    sections: Sections, remote: str, seen: frozenset[str] = frozenset()
) -> frozenset[str]:
    """The Drives below a `union`, each as rclone opens it: one that is not there yet, beside others
    that are, is no error, and made as soon as a file goes there."""
    notation = _taken_apart(sections, remote)
    if notation is None or notation.name in seen:
        return frozenset()
    found: set[str] = set()
    for key, value in notation.values.items():
        for entry in _entries(notation.kind, key, value):
            found |= drives_side_by_side(sections, entry, seen | {notation.name})
            # `:ro` and `:nc` are behind those in which nothing is made.
            upstream = entry.removesuffix(":writeback")
            below = _taken_apart(sections, upstream)
            if notation.kind != _UNION or upstream.endswith((":ro", ":nc")):
                continue
            if below is not None and below.kind == DRIVE:
                found.add(upstream)
    return frozenset(found)


def local_directory(
    sections: Sections, remote: str, seen: frozenset[str] = frozenset()
) -> Path | None:
    """Where the files of this remote lie on this machine, under their own names; ``None`` if they
    don't, or if that can't be told: a crypt has other names."""
    notation = _taken_apart(sections, remote)
    if notation is None:
        return Path(remote)
    if notation.kind == LOCAL:
        return Path(notation.path)
    if notation.kind != _ALIAS or notation.name in seen:
        return None
    below = local_directory(sections, notation.values["remote"], seen | {notation.name})
    return None if below is None else below / notation.path.lstrip("/")


def with_drive_option(sections: Sections, remote: str, option: str) -> str:
    """What to write behind the name and options of a remote, so that each Drive in it is opened
    with this option: for rclone it is another remote then, with requests, a pacer and a memory of
    its own all the way down. Empty where there is no Drive.

    Where rclone opens a remote that it has opened before it takes what is there, also for one below
    another; so an option of the outer one alone would change nothing.
    """
    return _added_options(sections, remote, option, frozenset())


def name_and_options(remote: str) -> str:
    """Without the path, and the colon before it; empty for a path."""
    match = _NOTATION.fullmatch(remote)
    return match["head"] if match else ""


@dataclass(frozen=True)
class _Notation:
    """``values`` are those of the options that name what lies below."""

    name: str
    kind: str
    path: str
    values: Mapping[str, str]


def _taken_apart(sections: Sections, remote: str) -> _Notation | None:
    """``None`` for a path."""
    match = _NOTATION.fullmatch(remote)
    if match is None or (os.name == "nt" and re.fullmatch("[A-Za-z]", match["head"])):
        return None
    said = notation_of(f"{match['head']}:")
    name = said.name

    def value(key: str) -> str:
        # As rclone looks for it: what is said with the name, variables, the configuration.
        variable = f"RCLONE_CONFIG_{name.upper().replace('-', '_')}_{key.upper()}"
        configured = sections.get(name, {}).get(key, "")
        return said.options.get(key) or os.environ.get(variable) or configured

    kind = name[1:] if name.startswith(":") else value("type")
    values = {} if kind in (DRIVE, LOCAL) else {key: value(key) for key in ("remote", "upstreams")}
    return _Notation(name, kind, match["path"], values)


def _entries(kind: str, key: str, value: str) -> list[str]:
    """What a remote is made of, each as rclone opens it."""
    found: list[str] = []

    def keep(entry: str) -> str:
        found.append(entry)
        return entry

    _changed(kind, key, value, keep)
    return found


def _changed(kind: str, key: str, value: str, change: Callable[[str], str]) -> str:
    """The value of such an option, with each entry changed."""
    if key != "upstreams":
        return change(value) if value else value
    # Many with spaces between, in quotes where one has spaces. `combine` has `folder=` before each.
    upstreams = next(csv.reader([value], delimiter=" "), [])
    changed = []
    for upstream in filter(None, upstreams):
        folder, entry = "", upstream
        if kind == _COMBINE:
            folder, is_one, entry = upstream.partition("=")
            folder += is_one
        changed.append(folder + change(entry))
    text = io.StringIO()
    csv.writer(text, delimiter=" ", lineterminator="").writerow(changed)
    return text.getvalue()


def _added_options(sections: Sections, remote: str, option: str, seen: frozenset[str]) -> str:
    notation = _taken_apart(sections, remote)
    if notation is None or notation.name in seen:
        return ""
    if notation.kind == DRIVE:
        return f",{option}"

    def below(entry: str) -> str:
        head = name_and_options(entry)
        added = _added_options(sections, entry, option, seen | {notation.name})
        return head + added + entry[len(head) :]

    options = ""
    for key, value in notation.values.items():
        if DRIVE in kinds_below(sections, remote) and value:
            quoted = _changed(notation.kind, key, value, below).replace("'", "''")
            options += f",{key}='{quoted}'"
    return options
