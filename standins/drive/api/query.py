"""The search terms of files.list, as far as rclone uses them.

https://developers.google.com/workspace/drive/api/guides/ref-search-terms
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ..files.times import parse_time
from ..files.world import Node

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\['\\])*')
      | (?P<operator>!=|<=|>=|=|<|>)
      | (?P<bracket>[()])
      | (?P<word>[A-Za-z]\w*)
    )""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """A term that is no search term, or one that the stand-in does not know."""


class Index(Protocol):
    """Finds nodes fast; each answer may be searched, not changed."""

    def children(self, parent_id: str) -> set[Node]: ...

    def named(self, folded_name: str) -> set[Node]: ...


class Term(Protocol):
    def matches(self, node: Node) -> bool: ...

    def candidates(self, index: Index) -> set[Node] | None:
        """All that can match, or None if that may be any node."""


@dataclass(frozen=True)
class InParents:
    parent_id: str

    def matches(self, node: Node) -> bool:
        return node.parent_id == self.parent_id

    def candidates(self, index: Index) -> set[Node] | None:
        return index.children(self.parent_id)


@dataclass(frozen=True)
class NameIs:
    """In Drive `=` does not tell upper case from lower case."""

    name: str

    def matches(self, node: Node) -> bool:
        return node.name.casefold() == self.name.casefold()

    def candidates(self, index: Index) -> set[Node] | None:
        return index.named(self.name.casefold())


@dataclass(frozen=True)
class MimeTypeIs:
    mime_type: str

    def matches(self, node: Node) -> bool:
        return node.mime_type == self.mime_type

    def candidates(self, index: Index) -> set[Node] | None:
        return None


@dataclass(frozen=True)
class TrashedIs:
    trashed: bool

    def matches(self, node: Node) -> bool:
        return node.is_trashed() == self.trashed

    def candidates(self, index: Index) -> set[Node] | None:
        return None


@dataclass(frozen=True)
class ModifiedTimeIs:
    operator: str
    time: str

    def matches(self, node: Node) -> bool:
        outcomes = {
            "=": node.modified_time == self.time,
            "<": node.modified_time < self.time,
            "<=": node.modified_time <= self.time,
            ">": node.modified_time > self.time,
            ">=": node.modified_time >= self.time,
        }
        return outcomes[self.operator]

    def candidates(self, index: Index) -> set[Node] | None:
        return None


@dataclass(frozen=True)
class Not:
    term: Term

    def matches(self, node: Node) -> bool:
        return not self.term.matches(node)

    def candidates(self, index: Index) -> set[Node] | None:
        return None


@dataclass(frozen=True)
class And:
    terms: tuple[Term, ...]

    def matches(self, node: Node) -> bool:
        return all(term.matches(node) for term in self.terms)

    def candidates(self, index: Index) -> set[Node] | None:
        known = [found for term in self.terms if (found := term.candidates(index)) is not None]
        return min(known, key=len, default=None)


@dataclass(frozen=True)
class Or:
    terms: tuple[Term, ...]

    def matches(self, node: Node) -> bool:
        return any(term.matches(node) for term in self.terms)

    def candidates(self, index: Index) -> set[Node] | None:
        union: set[Node] = set()
        for term in self.terms:
            found = term.candidates(index)
            if found is None:
                return None
            union |= found
        return union


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def parse_query(query: str, root_id: str) -> Term:
    """The term that `query` spells; an empty one matches all. Raises QueryError."""
    if not query.strip():
        return And(())
    parser = _Parser(list(_tokens(query)), query, root_id)
    term = parser.any_of()
    parser.expect_end()
    return term


def _tokens(query: str) -> Iterator[_Token]:
    position = 0
    query = query.rstrip()
    while position < len(query):
        match = _TOKEN.match(query, position)
        if match is None:
            raise QueryError(f"no search term begins with {query[position:]!r}")
        assert match.lastgroup is not None
        yield _Token(match.lastgroup, match[match.lastgroup])
        position = match.end()


class _Parser:
    """`or` binds weaker than `and`, and that weaker than `not`."""

    def __init__(self, tokens: list[_Token], query: str, root_id: str) -> None:
        self._tokens = tokens
        self._query = query
        self._root_id = root_id

    def any_of(self) -> Term:
        terms = [self._all_of()]
        while self._takes("or"):
            terms.append(self._all_of())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def expect_end(self) -> None:
        if self._tokens:
            raise QueryError(f"{self._tokens[0].text!r} is one too many in {self._query!r}")

    def _all_of(self) -> Term:
        terms = [self._one()]
        while self._takes("and"):
            terms.append(self._one())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _one(self) -> Term:
        if self._takes("not"):
            return Not(self._one())
        if self._takes("("):
            term = self.any_of()
            if not self._takes(")"):
                raise QueryError(f"a bracket is not closed in {self._query!r}")
            return term
        first = self._next()
        if first.kind == "text":
            return self._in_collection(_unquoted(first))
        return self._comparison(first.text, self._next().text, self._next())

    def _in_collection(self, value: str) -> Term:
        if not (self._takes("in") and self._takes("parents")):
            raise QueryError(f"only 'x' in parents is known, not {self._query!r}")
        return InParents(self._root_id if value == "root" else value)

    def _comparison(self, field: str, operator: str, value: _Token) -> Term:
        if field == "modifiedTime" and operator in ("=", "<", "<=", ">", ">="):
            return ModifiedTimeIs(operator, parse_time(_unquoted(value)))
        term: Term
        if field == "name":
            term = NameIs(_unquoted(value))
        elif field == "mimeType":
            term = MimeTypeIs(_unquoted(value))
        elif field == "trashed" and value.text in ("true", "false"):
            term = TrashedIs(value.text == "true")
        else:
            raise QueryError(f"{field} {operator} {value.text} is no known search term")
        if operator == "!=":
            return Not(term)
        if operator != "=":
            raise QueryError(f"{field} can't be compared by {operator!r}")
        return term

    def _takes(self, text: str) -> bool:
        if self._tokens and self._tokens[0].kind != "text" and self._tokens[0].text == text:
            del self._tokens[0]
            return True
        return False

    def _next(self) -> _Token:
        if not self._tokens:
            raise QueryError(f"{self._query!r} ends too early")
        return self._tokens.pop(0)


def _unquoted(token: _Token) -> str:
    if token.kind != "text":
        raise QueryError(f"{token.text!r} is not in quotes")
    return re.sub(r"\\(.)", r"\1", token.text[1:-1])
