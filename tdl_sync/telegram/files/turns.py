"""A request for some bytes of a file that is under way over one of the connections."""

from __future__ import annotations

from dataclasses import dataclass

from tdl_sync.core.ports import PART_BYTES
from tdl_sync.telegram.files.window import Sent
from tdl_sync.telegram.session.library import Session

BYTES_PER_CONNECTION = 2 * PART_BYTES
"""While the answer to one request for a whole part is on its way, the other is decrypted."""


@dataclass(eq=False)
class Turn:
    """A request that is under way: over which connection, since when, and what it counts for."""

    session: Session
    sent: Sent
    size_bytes: int
    answer_bytes: int
    answered_by: Turn | None = None
    """The one by which it was asked again, where that was answered first."""
