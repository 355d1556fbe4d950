"""The remotes that a remote is made of: `crypt`, `alias`, `union` and their like name others, and
what those say counts for each file that goes through them."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tdl_sync.options.rclone_options import dropped_variables
from tdl_sync.options.remote_argument import notation_of
from tdl_sync.remote.remote_control import Sections

_NAMING = ("remote", "upstreams")
"""Options by which one remote names others; what names several has spaces between."""


@dataclass(frozen=True)
class Link:
    """One remote of a chain. ``said_in`` is what names it, for errors: ``--remote``, or an option
    of the one before it.

    ``name`` is that of its section, and empty for one without (``:drive:``, a path).
    ``notation`` are the options that stand beside its name.
    """

    name: str
    type: str
    section: Mapping[str, str]
    notation: Mapping[str, str]
    said_in: str


def chain(sections: Sections, remote: str, arguments: Sequence[str] = ()) -> Iterator[Link]:
    """``remote`` itself, and all below it. ``arguments`` are the flags that rclone has."""
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


def _link(sections: Sections, text: str, said_in: str) -> Link:
    notation = notation_of(text)
    name, is_drive_letter = notation.name, os.name == "nt" and len(notation.name) == 1
    if not name or is_drive_letter:
        return Link("", "local", {}, {}, said_in)
    if name.startswith(":"):
        return Link("", name[1:], {}, notation.options, said_in)
    section = sections.get(name, {})
    return Link(name, section.get("type", ""), section, notation.options, said_in)


def _named_by(link: Link, arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Where an option is set in several ways each counts: rather one too many is looked at."""
    called = f"[{link.name}]" if link.name else f":{link.type}:"
    for option in _NAMING:
        flag = f"--{link.type}-{option}="
        of_all = f"RCLONE_{_in_a_variable(link.type)}_{option.upper()}"
        texts = [
            link.notation.get(option),
            *(each.removeprefix(flag) for each in arguments if each.startswith(flag)),
            variables_of(link.name).get(option) if link.name else None,
            _reaching_rclone().get(of_all),
            link.section.get(option),
        ]
        for text in texts:
            if text:
                named = [text] if option == "remote" else _several(text)
                yield from ((each, f"the {option} of {called}") for each in named)


def _several(text: str) -> Iterator[str]:
    """`one:a "two:b c"`, and for `combine` `folder=one:a "folder=two:b c"`."""
    for row in csv.reader([text], delimiter=" "):
        for each in filter(None, row):
            folder = re.match(r"[^:,=]*=", each)
            yield each[folder.end() :] if folder else each


def _reaching_rclone() -> Mapping[str, str]:
    dropped = {variable.name for variable in dropped_variables(os.environ)}
    return {name: value for name, value in os.environ.items() if name not in dropped}


def _in_a_variable(name: str) -> str:
    return name.upper().replace("-", "_")
