"""How many messages of each kind were seen up to the watermark, over all runs of a scope."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping

from tdl_sync.core.model import MediaType

_KINDS = tuple(MediaType)


class SeenKinds:
    """Of what was read beyond the watermark each id is kept, nine bytes for a message: the next run
    reads it again, and must not count it twice. Not thread-safe: the caller holds a lock."""

    def __init__(self, before: Mapping[MediaType, int] | None) -> None:
        """``before`` are those up to the watermark, ``None`` where that is not known: nor is it
        then what this run adds."""
        self._counts = None if before is None else Counter(before)
        self._pages: list[tuple[array[int], bytes]] = []

    def listed(self, kinds: Iterable[tuple[int, MediaType]]) -> None:
        """One more page was read. Each message once, in whatever order of pages."""
        found = sorted((id_, _KINDS.index(kind)) for id_, kind in kinds)
        if found and self._counts is not None:
            ids = array("q", (id_ for id_, _ in found))
            self._pages.append((ids, bytes(kind for _, kind in found)))

    def up_to(self, watermark: int) -> Mapping[MediaType, int] | None:
        """The counts up to there; a watermark never falls."""
        if self._counts is None:
            return None
        left = []
        for ids, kinds in self._pages:
            passed = sum(id_ <= watermark for id_ in ids) if ids[0] <= watermark else 0
            self._counts.update(_KINDS[kind] for kind in kinds[:passed])
            if passed < len(ids):
                left.append((ids[passed:], kinds[passed:]) if passed else (ids, kinds))
        self._pages = left
        return dict(self._counts)
