"""The remotes that a remote is made of: `crypt`, `alias`, `union` and their like keep nothing
themselves, but have others keep it, which may be made of others again. What those say counts for
each file that goes through them.

https://rclone.org/overview/#virtual-providers
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tdl_sync.options.rclone_options import dropped_variables
from tdl_sync.options.remote_argument import RemoteNotation, notation_of
from tdl_sync.remote.remote_control import Sections

DRIVE = "drive"
LOCAL = "local"
MEMORY = "memory"
_ALIAS = "alias"
_COMBINE = "combine"
_UNION = "union"

_NAMING = ("remote", "upstreams")
"""Options by which one remote names others; the second names several, with spaces between."""


@dataclass(frozen=True)
class Link:
    """One remote of a chain. ``said_in`` is what names it, for errors: ``--remote``, or an option
    of the one before it.

    ``name`` is that of its section, and empty for one without (``:drive:``, a path), ``path`` what
    stands behind the colon. ``notation`` are the options that stand beside its name.
    """

    name: str
    type: str
    path: str
    section: Mapping[str, str]
    notation: Mapping[str, str]
    said_in: str


def chain(sections: Sections, remote: str, arguments: Sequence[str] = ()) -> Iterator[Link]:
    """``remote`` itself, and all below it, also by what is overruled: rather one too many is looked
    at. ``arguments`` are the flags that rclone has."""
    pending, seen = [(remote, "--remote")], set[str]()
    while pending:
        text, said_in = pending.pop(0)
        if text in seen:
            continue
        seen.add(text)
        link = _link(sections, text, said_in)
        yield link
        pending += _named_by(link, arguments)


def names_below(sections: Sections, remote: str) -> Iterator[str]:
    """The names of the sections that the chain of ``remote`` is made of."""
    yield from dict.fromkeys(link.name for link in chain(sections, remote) if link.section)


def kinds_below(sections: Sections, remote: str) -> frozenset[str]:
    """The types of all remotes that this one is made of, its own included; a path is ``local``."""
    return frozenset(link.type for link in _in_effect(sections, remote))


def drives_side_by_side(sections: Sections, remote: str) -> frozenset[str]:
    """The Drives below a `union`, each as rclone opens it: one that is not there yet, beside others
    that are, is no error, and made as soon as a file goes there."""
    found = set()
    for link in _in_effect(sections, remote):
        if link.type != _UNION:
            continue
        for _, each in _entries_in_effect(link):
            # `:ro` and `:nc` are behind those in which nothing is made.
            upstream = each.removesuffix(":writeback")
            makes_nothing = upstream.endswith((":ro", ":nc"))
            if not makes_nothing and _link(sections, upstream).type == DRIVE:
                found.add(upstream)
    return frozenset(found)


def local_directory(
    sections: Sections, remote: str, seen: frozenset[str] = frozenset()
) -> Path | None:
    """Where the files of this remote lie on this machine, under their own names; ``None`` if they
    don't, or if that can't be told: a crypt has other names."""
    link = _link(sections, remote)
    if link.type == LOCAL:
        return Path(link.path)
    if link.type != _ALIAS or remote in seen:
        return None
    for _, entry in _entries_in_effect(link):
        below = local_directory(sections, entry, seen | {remote})
        return None if below is None else below / link.path.lstrip("/")
    return None


def with_drive_option(
    sections: Sections, remote: str, option: str, seen: frozenset[str] = frozenset()
) -> str:
    """What to write behind the name and options of a remote, so that each Drive in it is opened
    with this option: for rclone it is another remote then, with requests, a pacer and a memory of
    its own all the way down. Empty where there is no Drive.

    Where rclone opens a remote that it has opened before it takes what is there, also for one below
    another; so an option of the outer one alone would change nothing.
    """
    link = _link(sections, remote)
    if link.type == DRIVE:
        return f",{option}"
    if remote in seen or DRIVE not in kinds_below(sections, remote):
        return ""

    def below(entry: str) -> str:
        head = name_and_options(entry)
        added = with_drive_option(sections, entry, option, seen | {remote})
        return head + added + entry[len(head) :]

    options = ""
    for naming, value in _naming_in_effect(link):
        quoted = _changed(link.type, naming, value, below).replace("'", "''")
        options += f",{naming}='{quoted}'"
    return options


def name_and_options(remote: str) -> str:
    """Without the path, and the colon before it; empty for a path."""
    return notation_of(remote).name_and_options


def variables_of(remote_name: str) -> Mapping[str, str]:
    """What variables set for the remote of this name, by option."""
    prefix = variable_for(remote_name, "")
    return {
        name[len(prefix) :].lower(): value
        for name, value in _reaching_rclone().items()
        if name.upper().startswith(prefix) and len(name) > len(prefix)
    }


def variable_for(remote_name: str, option: str) -> str:
    """The one that sets an option of this remote."""
    return f"RCLONE_CONFIG_{_in_a_variable(remote_name)}_{_in_a_variable(option)}"


def _link(sections: Sections, text: str, said_in: str = "") -> Link:
    notation = notation_of(text)
    name = notation.name
    if not name:
        return Link("", LOCAL, notation.path, {}, {}, said_in)
    section, kind = sections.get(name, {}), name[1:]
    if not name.startswith(":"):
        kind = _type_of(notation, section)
    named = "" if name.startswith(":") else name
    return Link(named, kind, notation.path, section, notation.options, said_in)


def _type_of(notation: RemoteNotation, section: Mapping[str, str]) -> str:
    of_variable = variables_of(notation.name).get("type")
    return notation.options.get("type") or of_variable or section.get("type", "")


def _in_effect(sections: Sections, remote: str) -> Iterator[Link]:
    """As ``chain``, but only what rclone opens."""
    pending, seen = [remote], set[str]()
    while pending:
        text = pending.pop(0)
        if text not in seen:
            seen.add(text)
            link = _link(sections, text)
            yield link
            pending += (entry for _, entry in _entries_in_effect(link))


def _entries_in_effect(link: Link) -> Iterator[tuple[str, str]]:
    """The option, and the remote that it names."""
    for option, value in _naming_in_effect(link):
        yield from ((option, entry) for entry in _entries(link.type, option, value))


def _naming_in_effect(link: Link) -> Iterator[tuple[str, str]]:
    for option in _NAMING:
        for value in _values(link, option, ()):
            yield option, value
            break


def _named_by(link: Link, arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    called = f"[{link.name}]" if link.name else f":{link.type}:"
    for option in _NAMING:
        for value in _values(link, option, arguments):
            for entry in _entries(link.type, option, value):
                yield entry, f"the {option} of {called}"


def _values(link: Link, option: str, arguments: Sequence[str]) -> Iterator[str]:
    """All that set it; the first is what counts.

    https://rclone.org/docs/#precedence
    """
    if link.type in (DRIVE, LOCAL):
        return
    flag = f"--{link.type}-{option}="
    of_all = f"RCLONE_{_in_a_variable(link.type)}_{option.upper()}"
    values = (
        link.notation.get(option),
        *(each.removeprefix(flag) for each in reversed(arguments) if each.startswith(flag)),
        variables_of(link.name).get(option) if link.name else None,
        _reaching_rclone().get(of_all),
        link.section.get(option),
    )
    yield from filter(None, values)


def _entries(kind: str, option: str, value: str) -> list[str]:
    """What a remote is made of, each as rclone opens it."""
    found: list[str] = []

    def keep(entry: str) -> str:
        found.append(entry)
        return entry

    _changed(kind, option, value, keep)
    return found


def _changed(kind: str, option: str, value: str, change: Callable[[str], str]) -> str:
    """The value of such an option, with each entry changed."""
    if option != "upstreams":
        return change(value)
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


def _reaching_rclone() -> Mapping[str, str]:
    dropped = {variable.name for variable in dropped_variables(os.environ)}
    return {name: value for name, value in os.environ.items() if name not in dropped}


def _in_a_variable(name: str) -> str:
    return name.upper().replace("-", "_")
