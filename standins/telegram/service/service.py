"""What all data centres of one stand-in share: the world, the keys, the counters."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field

from ...shaping import Shaping, TokenBucket
from ..mtproto.auth_keys import AuthKeys
from ..world.plan import FilePlan
from ..world.world import World
from .faults import Faults
from .logins import Logins
from .statistics import Statistics
from .takeout import Takeout


@dataclass
class Service:
    """Touched by the event loop's thread; what tests touch, too, says that it is thread-safe."""

    world: World
    faults: Faults
    shaping: Shaping
    """Frozen; replaced as a whole, from any thread."""
    statistics: Statistics = field(default_factory=Statistics)
    auth_keys: AuthKeys = field(default_factory=AuthKeys)
    logins: Logins = field(default_factory=Logins)
    total_bandwidth: TokenBucket = field(default_factory=TokenBucket)
    exported_authorizations: dict[bytes, int] = field(default_factory=dict)
    """From auth.exportAuthorization: the one-time bytes -> the data centre they are for."""
    used_random_ids: set[int] = field(default_factory=set)
    uploaded_parts: dict[int, dict[int, bytes]] = field(default_factory=dict)
    """From upload.saveFilePart: the client's number of the file -> its parts."""
    uploaded_media: dict[int, FilePlan] = field(default_factory=dict)
    """From messages.uploadMedia: what is not in any message yet, by its id."""
    takeout: Takeout = field(default_factory=Takeout)
    pts: int = 1
    _unknown_rpcs: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_pts(self) -> int:
        self.pts += 1
        return self.pts

    def export_authorization(self, dc_id: int) -> bytes:
        token = os.urandom(64)
        self.exported_authorizations[token] = dc_id
        return token

    def report_unknown(self, what: str) -> None:
        """Record a call that the stand-in can't answer; tests fail on it. Thread-safe."""
        with self._lock:
            self._unknown_rpcs.append(what)

    def unknown_rpcs(self) -> list[str]:
        """Thread-safe copy."""
        with self._lock:
            return list(self._unknown_rpcs)
