"""Telegram's schema as the installed library knows it: where in a message documents and photos can
hang, and a message for each of these places.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyrogram import raw

LEAVES = ("Document", "Photo")
"""The base types of what has bytes."""

_BASE = re.compile(r"raw\.base\.([\w.]+)")
_MOST_DEPTH = 12


@dataclass(frozen=True)
class Step:
    """One field of one constructor, that holds objects of base type ``leads_to``, several where it
    ``is_list``."""

    owner: type
    field: str
    leads_to: str
    is_list: bool

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.field}"


Path = tuple[Step, ...]


def constructors(base: str) -> tuple[type, ...]:
    union = _base(base).__union_types__
    return typing.get_args(union) or (union,)


@functools.cache
def steps_of(owner: type) -> tuple[Step, ...]:
    """The fields that hold other objects of the schema."""
    found = []
    for name, parameter in inspect.signature(owner.__init__).parameters.items():  # type: ignore[misc]
        text = str(parameter.annotation)
        found += [Step(owner, name, base, "list[" in text) for base in _BASE.findall(text)]
    return tuple(found)


@functools.cache
def holders() -> frozenset[str]:
    """The base types from which a document or a photo can be reached, and these."""
    bases = [name for name in dir(raw.base) if hasattr(getattr(raw.base, name), "__union_types__")]
    found = set(LEAVES)
    while True:
        more = {
            base
            for base in bases
            if base not in found
            and any(
                step.leads_to in found for each in constructors(base) for step in steps_of(each)
            )
        }
        if not more:
            return frozenset(found)
        found |= more


def paths(base: str = "Message", before: tuple[str, ...] = ()) -> Iterator[Path]:
    """All ways from a message to a document or a photo that pass no base type twice, but for
    `MessageMedia`, which other media hold."""
    before = (*before, base)
    for owner in constructors(base):
        for step in steps_of(owner):
            if step.leads_to in LEAVES:
                yield (step,)
            elif step.leads_to in holders() and before.count(step.leads_to) < (
                2 if step.leads_to == "MessageMedia" else 1
            ):
                for rest in paths(step.leads_to, before):
                    yield step, *rest


def message_at(path: Path, leaf: object, **fields: Any) -> Any:
    """A message that holds ``leaf`` at the end of the path and nothing that it need not hold;
    ``fields`` are those of the message itself."""
    value: object = leaf
    for step in reversed(path):
        held = [value] if step.is_list else value
        given: dict[str, Any] = {step.field: held, **(fields if step is path[0] else {})}
        value = sample(step.owner, **given)
    return value


def sample(owner: type, _depth: int = 0, **fields: Any) -> Any:
    """An object with these fields, and of the others no more than it needs."""
    for name, parameter in inspect.signature(owner.__init__).parameters.items():  # type: ignore[misc]
        if name != "self" and name not in fields and parameter.default is parameter.empty:
            fields[name] = _value(str(parameter.annotation), _depth)
    return owner(**fields)


def _value(annotation: str, depth: int) -> object:
    if annotation.startswith("list["):
        return []
    match = _BASE.match(annotation)
    if match:
        return _smallest(match[1], depth)
    return {"int": 1, "str": "x", "bytes": b"x", "float": 1.0, "bool": True}[annotation]


def _smallest(base: str, depth: int) -> object:
    if depth > _MOST_DEPTH:
        raise RecursionError(base)
    for owner in sorted(constructors(base), key=lambda each: len(_needed(each))):
        try:
            return sample(owner, depth + 1)
        except RecursionError:
            continue
    raise RecursionError(base)


def _needed(owner: type) -> list[str]:
    parameters = inspect.signature(owner.__init__).parameters.values()  # type: ignore[misc]
    return [
        str(each.annotation)
        for each in parameters
        if each.name != "self" and each.default is each.empty
    ]


def _base(name: str) -> Any:
    found: Any = raw.base
    for part in name.split("."):
        found = getattr(found, part)
    return found
