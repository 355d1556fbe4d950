"""Tells rclone of a new limit for uploads when its time has come (``--bwlimit``).

rclone has timetables of its own, but none that goes on after it was started anew at another time
of the day with what the remote control has said meanwhile; so each start begins with the rate that
holds then (``program``), and what changes later is said here.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.bandwidth import Bandwidth
from tdl_sync.remote.program import upload_rate
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.remote_control import RemoteControl

LOOK_SECONDS = 10.0
"""A machine's clock is set, and it sleeps: so the time is looked at, not waited for."""


class UploadLimit:
    """``begin`` once; it ends with the run."""

    def __init__(
        self,
        control: RemoteControl,
        bandwidth: Bandwidth,
        stop: StopFlag,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """``bandwidth`` is the one that ``control``'s rclone is started with."""
        self._control = control
        self._bandwidth = bandwidth
        self._stop = stop
        self._look_seconds = look_seconds
        self._told = ""

    def begin(self) -> None:
        if len(self._bandwidth.slots) > 1:
            threading.Thread(target=self._keep, name="upload limit", daemon=True).start()

    def look(self) -> None:
        """Say what holds now, if that is another than was said."""
        rate = upload_rate(self._bandwidth)
        if rate != self._told:
            self._control.limit_uploads(rate)
            self._told = rate

    def _keep(self) -> None:
        while not self._control.rclone.stopping and not self._stop.is_set:
            # What goes wrong is told by whoever moves files; the next look says the rate again.
            with suppress(TdlSyncError, CallFailed):
                self.look()
                self._stop.sleep(self._look_seconds)
