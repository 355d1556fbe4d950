"""Of several remotes one takes nothing more: what that means for the chats that go there."""

from __future__ import annotations

from collections.abc import Callable

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.text import printable
from tdl_sync.run.remote_side import RemoteStops


class OutRemotes:
    """Used by the thread that goes through the chats; other threads may look at the errors."""

    def __init__(self, stops: RemoteStops, on_line: Callable[[str], None]) -> None:
        self._stops = stops
        self._on_line = on_line
        self._told: set[str] = set()

    @property
    def count_beside_others(self) -> int:
        """How many remotes are out, where there are others."""
        return len(self.errors())

    def leaves(self, remote: str, title: str) -> bool:
        """Whether this chat is left for the next run, which then is told."""
        if remote not in self._stops.out() or not self._stops.are_several:
            return False
        self._tell(remote)
        self._on_line(f"{printable(title)!r} is left for the next run, which asks {remote!r} again")
        return True

    def ended(self, remote: str, title: str) -> None:
        """The chat's run has ended by what ails the remote."""
        self._tell(remote)
        self._on_line(f"{printable(title)!r} has ended before its end: the next run goes on there")

    def errors(self) -> list[TdlSyncError]:
        """What ails them, where there are others."""
        return list(self._stops.out().values()) if self._stops.are_several else []

    def _tell(self, remote: str) -> None:
        if remote not in self._told:
            self._told.add(remote)
            why = self._stops.out()[remote]
            self._on_line(
                f"warning: the remote {remote!r} takes nothing more in this run, and what goes "
                f"elsewhere goes on: {why}"
            )
