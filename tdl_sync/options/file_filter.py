"""``--filter``: an expression over what a message says of its file, for what no option covers.

    views > 1000 and type in ("video", "photo") and not matches(caption, "trailer|teaser")

It reads as Python does, and is no Python: it is taken apart here, each part is checked by its kind
(a number, a text, or whether something is so) before the run begins, and what is not among the few
signs and fields below is refused. So it ends for every text that somebody may post: there is no
repetition in it, and what ``matches`` searches with is given up after a while (``expressions``).
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from tdl_sync.core.model import MediaItem, MediaType
from tdl_sync.core.naming import name_without_id
from tdl_sync.options.expressions import Expression

MOST_CHARACTERS = 1000
MOST_SEARCHED_CHARACTERS = 4096


class Kind(Enum):
    """What a part of an expression is; the value is how it is called in errors."""

    NUMBER = "a number"
    TEXT = "a text"
    FLAG = "true or false"


Value = int | float | str | bool
_Evaluated = Callable[[MediaItem], Value]


@dataclass(frozen=True)
class Field:
    """One that an expression may name. ``changes``: it does so by itself as time goes by."""

    kind: Kind
    of: _Evaluated
    changes: bool = False
    never: Callable[[str], str | None] = lambda text: None
    """What to write instead of a text that it never is."""


def _number(read: Callable[[MediaItem], int | float | None]) -> Field:
    return Field(Kind.NUMBER, lambda item: read(item) or 0)


def _text(read: Callable[[MediaItem], str]) -> Field:
    return Field(Kind.TEXT, lambda item: read(item)[:MOST_SEARCHED_CHARACTERS])


def _caption(item: MediaItem) -> str:
    return f"{item.details.caption}\n{item.details.album_caption}".strip()


def _ext(item: MediaItem) -> str:
    stem, dot, ext = name_without_id(item).rpartition(".")
    return ext.casefold() if dot and stem else ""


def _no_type(text: str) -> str | None:
    types = [each.value for each in MediaType]
    return None if text in types else f"one of the types {', '.join(types)}"


def _no_ext(text: str) -> str | None:
    right = text.removeprefix(".").casefold()
    return None if text == right else f"an ending in small letters and without its dot ({right!r})"


FIELDS: Mapping[str, Field] = {
    "message_id": _number(lambda item: item.message_id),
    "type": replace(_text(lambda item: item.media_type.value), never=_no_type),
    "name": _text(name_without_id),
    "ext": replace(_text(_ext), never=_no_ext),
    "size": _number(lambda item: item.size_bytes),
    "date": _text(lambda item: f"{item.date:%Y-%m-%dT%H:%M:%S}"),
    "duration": _number(lambda item: item.shape.duration_seconds),
    "width": _number(lambda item: item.shape.width),
    "height": _number(lambda item: item.shape.height),
    "caption": _text(_caption),
    "sender": _text(lambda item: item.details.sender_name),
    "sender_id": _number(lambda item: item.details.sender_id),
    "forwarded": Field(Kind.FLAG, lambda item: item.details.forwarded_from_id is not None),
    "forwarded_from": _number(lambda item: item.details.forwarded_from_id),
    "reply_to": _number(lambda item: item.details.reply_to_id),
    "album": _number(lambda item: item.details.album_id),
    "topic": _number(lambda item: item.details.topic_id),
    "topic_name": _text(lambda item: item.details.topic_name),
    "views": Field(Kind.NUMBER, lambda item: item.details.views or 0, changes=True),
    "forwards": Field(Kind.NUMBER, lambda item: item.details.forwards or 0, changes=True),
}
"""What a message does not say is 0, or an empty text."""

SIZES: Mapping[str, int] = {
    **{"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
    **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40},
}

_CONTROLS = frozenset(map(chr, range(32))) - {"\n", "\t"}
"""What a backslash makes of a letter that was meant for the regular expression."""

_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Value, Value], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class FileFilter:
    """``text`` as the user wrote it. ``changes``: what it says of a message may be another thing
    tomorrow, so that no message is passed for good by it."""

    text: str
    names: frozenset[str] = field(compare=False)
    _passes: _Evaluated = field(compare=False, repr=False)

    @property
    def changes(self) -> bool:
        return any(FIELDS[name].changes for name in self.names)

    @classmethod
    def parse(cls, text: str) -> FileFilter:
        """Raises ``ValueError`` with what is expected."""
        stripped = text.strip()
        if len(stripped) > MOST_CHARACTERS:
            raise ValueError(f"an expression of at most {MOST_CHARACTERS} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of "\." in a text, which means what it seems to
                tree = ast.parse(stripped, mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise ValueError(f"an expression such as {EXAMPLE}{_hint(text)}") from None
        reader = _Reader()
        try:
            kind, passes = reader.read(tree.body)
        except RecursionError:
            raise ValueError("an expression with fewer brackets in brackets") from None
        if kind is not Kind.FLAG:
            raise ValueError(f"an expression that is true or false, such as {EXAMPLE}")
        return cls(stripped, frozenset(reader.names), passes)

    def passes(self, item: MediaItem) -> bool:
        """Raises ``ExpressionTooSlow``."""
        return bool(self._passes(item))


def _hint(text: str) -> str:
    if any(sign in text for sign in "&|!;"):
        return " (write and, or, not)"
    return " (write == to compare)" if re.search("(?<![=<>])=(?!=)", text) else ""


EXAMPLE = 'views > 1000 and matches(caption, "film")'


class _Reader:
    """Makes a function of each part of an expression, and notes the fields that it names."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def read(self, node: ast.expr) -> tuple[Kind, _Evaluated]:
        """Raises ``ValueError`` with what is expected."""
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return _kind_of(value), lambda item: value
            case ast.Name(id=name):
                return self._named(name)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._of_kind(Kind.FLAG, operand, "not")
                return Kind.FLAG, lambda item: not inner(item)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._of_kind(Kind.NUMBER, operand, "-")
                return Kind.NUMBER, lambda item: -inner(item)  # type: ignore[operator]
            case ast.BoolOp(op=op, values=values):
                return Kind.FLAG, self._joined(op, values)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return Kind.NUMBER, self._calculated(left, _ARITHMETIC[type(op)], right)
            case ast.Compare():
                return Kind.FLAG, self._compared(node)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._called(name, args)
        raise ValueError(
            f"fields ({', '.join(FIELDS)}), texts in quotes, numbers, comparisons, in, and, or, "
            f'not, + - *, matches(field, "…"), lower(field); found {_shown(node)}'
        )

    def _named(self, name: str) -> tuple[Kind, _Evaluated]:
        if name in SIZES:
            size = SIZES[name]
            return Kind.NUMBER, lambda item: size
        if name not in FIELDS:
            raise ValueError(
                f"one of the fields {', '.join(FIELDS)}, or of {', '.join(SIZES)}; "
                f"found {name[:40]!r}"
            )
        self.names.add(name)
        return FIELDS[name].kind, FIELDS[name].of

    def _of_kind(self, kind: Kind, node: ast.expr, where: str) -> _Evaluated:
        found, evaluated = self.read(node)
        if found is not kind:
            raise ValueError(f"{kind.value} beside {where!r}; {_shown(node)} is {found.value}")
        return evaluated

    def _joined(self, op: ast.boolop, nodes: list[ast.expr]) -> _Evaluated:
        parts = [
            self._of_kind(Kind.FLAG, node, "and" if isinstance(op, ast.And) else "or")
            for node in nodes
        ]
        join = all if isinstance(op, ast.And) else any
        return lambda item: join(part(item) for part in parts)

    def _calculated(
        self, left: ast.expr, calculate: Callable[[float, float], float], right: ast.expr
    ) -> _Evaluated:
        one = self._of_kind(Kind.NUMBER, left, "+ - *")
        other = self._of_kind(Kind.NUMBER, right, "+ - *")

        def calculated(item: MediaItem) -> Value:
            try:
                return calculate(one(item), other(item))  # type: ignore[arg-type]
            except OverflowError:  # of hundreds of digits, and no whole number
                return math.nan  # of which no comparison is true

        return calculated

    def _compared(self, node: ast.Compare) -> _Evaluated:
        steps = []
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            steps.append(self._step(left, op, right))
            left = right
        return lambda item: all(step(item) for step in steps)

    def _step(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> _Evaluated:
        kind, one = self.read(left)
        if isinstance(op, (ast.In, ast.NotIn)):
            is_in = self._is_in(kind, one, left, right)
            return is_in if isinstance(op, ast.In) else lambda item: not is_in(item)
        if type(op) not in _COMPARISONS:
            raise ValueError(f"== to compare {_shown(left)} with {_shown(right)}, not is")
        other = self._of_kind(kind, right, _spelt(left))
        if isinstance(op, (ast.Eq, ast.NotEq)):
            _refuse_what_it_never_is(left, right)
            _refuse_what_it_never_is(right, left)
        if kind is Kind.FLAG and not isinstance(op, (ast.Eq, ast.NotEq)):
            raise ValueError(f"a number or a text to compare; {_shown(left)} is {kind.value}")
        compare = _COMPARISONS[type(op)]
        return lambda item: compare(one(item), other(item))

    def _is_in(self, kind: Kind, one: _Evaluated, left: ast.expr, right: ast.expr) -> _Evaluated:
        if isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            others = [self._of_kind(kind, each, _spelt(left)) for each in right.elts]
            for each in right.elts:
                _refuse_what_it_never_is(left, each)
            return lambda item: any(one(item) == other(item) for other in others)
        if kind is not Kind.TEXT:
            raise ValueError(f"a list such as (1, 2) behind in; found {_shown(right)}")
        whole = self._of_kind(Kind.TEXT, right, "in")
        return lambda item: str(one(item)).casefold() in str(whole(item)).casefold()

    def _called(self, name: str, arguments: list[ast.expr]) -> tuple[Kind, _Evaluated]:
        match name, arguments:
            case "matches", [_, ast.Constant(value=str() as pattern)] if _CONTROLS & set(pattern):
                raise ValueError('r"…" for a regular expression with backslashes')
            case "matches", [where, ast.Constant(value=str() as pattern)]:
                text, expression = self._of_kind(Kind.TEXT, where, name), Expression.parse(pattern)
                return Kind.FLAG, lambda item: expression.is_in(str(text(item)), item.message_id)
            case "lower", [where]:
                text = self._of_kind(Kind.TEXT, where, name)
                return Kind.TEXT, lambda item: str(text(item)).casefold()
        raise ValueError(
            'matches(field, "regular expression") or lower(field); there are no other functions'
        )


def _refuse_what_it_never_is(where: ast.expr, text: ast.expr) -> None:
    """Else all files would be left out, without a word."""
    match where, text:
        case ast.Name(id=name), ast.Constant(value=str() as value):
            if (instead := FIELDS[name].never(value)) is not None:
                raise ValueError(f"{instead} beside {name!r}; found {value[:40]!r}")


def _kind_of(value: Value) -> Kind:
    if isinstance(value, bool):
        return Kind.FLAG
    return Kind.TEXT if isinstance(value, str) else Kind.NUMBER


def _shown(node: ast.expr) -> str:
    return repr(_spelt(node))


def _spelt(node: ast.expr) -> str:
    return ast.unparse(node)[:60]
