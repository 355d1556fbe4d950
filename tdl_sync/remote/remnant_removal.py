"""Removes what killed rclones have left on the remote, where it is known to be needless."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.model import ListedFile
from tdl_sync.core.text import printable
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.remnants import Remnants
from tdl_sync.remote.remote_control import Remote, RemoteControl


class RemnantRemoval:
    """All methods may be called from any thread. What can't be removed is told, and no error:
    whatever becomes of it, the file that it was to be is on the remote."""

    def __init__(
        self, control: RemoteControl, remote: Remote, on_line: Callable[[str], None]
    ) -> None:
        self._control = control
        self._remote = remote
        self._on_line = on_line
        self._remnants = Remnants()

    def taken_out(self, folder: str, listing: Sequence[ListedFile]) -> list[ListedFile]:
        """The listing without them; those whose file is in it as well are removed."""
        files = self._remnants.sort_out(folder, listing)
        for path, remnant in self._remnants.needless(folder, files):
            self._remove(path, remnant)
        return files

    def remove_of(self, folder: str, name: str) -> None:
        """Those of this file, which has just been moved."""
        for remnant in self._remnants.of(folder, name):
            self._remove(folder, remnant)

    def _remove(self, folder: str, name: str) -> None:
        try:
            self._control.delete_file(self._remote, f"{folder}/{name}")
        except TdlSyncError:
            return  # the next run meets it again
        except CallFailed as failed:
            if failed.is_missing:
                return
            line = (
                f"warning: {printable(name)}, which an upload that was killed left on the remote, "
                f"cannot be removed: {failed.reason}"
            )
        else:
            line = f"removed {printable(name)}, which an upload that was killed left on the remote"
        self._on_line(line)
