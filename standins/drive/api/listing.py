"""Pages of files.list: what is found, newest first, a page at a time."""

from __future__ import annotations

import base64
import copy
import random
import time
from collections.abc import Callable, Collection

from ..files.world import Node, World
from ..shaping import Shaping
from .query import Term


class PageTokenError(ValueError):
    """The page token was not given out by this stand-in."""


class Listing:
    """Thread-safe. A page token stays good while files come and go: it names the last one."""

    def __init__(
        self,
        world: World,
        shaping: Callable[[], Shaping],
        on_behind: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_behind`` is told of each page from which the lag has kept something."""
        self._world = world
        self._shaping = shaping
        self._on_behind = on_behind

    def page(
        self, term: Term, tops: Collection[Node], size: int, token: str | None
    ) -> tuple[list[Node], str | None]:
        """The nodes of this page, and the token for the next one. Raises PageTokenError."""
        below = None if token is None else _sequence_of(token)
        shaping = self._shaping()
        now = time.monotonic()

        def known_since(node: Node) -> float:
            return now - shaping.listing_lag_seconds * (node.lag if shaping.lags_differ else 1.0)

        with self._world.lock:
            candidates = term.candidates(self._world)
            present = [
                node
                for node in (
                    _as_named_before(each, known_since(each))
                    for each in (self._world.all() if candidates is None else candidates)
                )
                if (below is None or node.sequence < below)
                and node.parent is not None
                and term.matches(node)
                and node.top in tops
            ]
        found = [node for node in present if node.created_at_seconds <= known_since(node)]
        if len(found) < len(present):
            self._on_behind()
        found.sort(key=lambda node: node.sequence, reverse=True)
        page = found[:size]
        token = _token_of(page[-1].sequence) if len(found) > size else None
        if shaping.lags_differ:
            random.shuffle(page)
        return page, token


def _as_named_before(node: Node, moment_seconds: float) -> Node:
    """As a listing shows it that knows nothing of what was renamed since then."""
    if node.renamed_at_seconds <= moment_seconds or not node.name_before:
        return node
    seen = copy.copy(node)
    seen.name = node.name_before
    return seen


def _token_of(sequence: int) -> str:
    return base64.urlsafe_b64encode(f"~!!~{sequence}".encode()).decode()


def _sequence_of(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token).removeprefix(b"~!!~"))
    except ValueError as error:
        raise PageTokenError(f"{token!r} is no page token") from error
