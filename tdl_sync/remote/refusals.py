"""What the remote refuses for a reason that nobody knows: of one file, or of every further one?

That shows when it comes for several files in a row, alike: then the run ends with it, instead of
downloading all others for nothing. With 2 and not with 75: nobody knows whether waiting helps, and
a person who looks will.
"""

from __future__ import annotations

import re
import threading

from tdl_sync.core.errors import RemoteRefuses
from tdl_sync.remote.rclone_errors import RcloneFailure

FILES_IN_A_ROW = 3

_REFUSAL = re.compile(
    # HTTP's own, but for "try again" (408, 425, 429), and the system's.
    r"\b(?:error|status code:?|HTTP) 4(?!08|25|29)\d\d\b|\b4(?!08|25|29)\d\d [A-Z][a-z]+\b|"
    r"AccessDenied|access is denied|permission denied|operation not permitted",
    re.IGNORECASE,
)

_OF_ONE_REQUEST = re.compile(
    # What servers and rclone note in the text, and is never twice the same.
    r"(?:request|host|trace)[ -]?id:? \S+|\.[0-9a-f]{8}\.partial|\bupload_id=\S+",
    re.IGNORECASE,
)


class Refusals:
    """All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = ""
        self._files: set[str] = set()

    def of_all(self, name: str, failure: RcloneFailure) -> RemoteRefuses | None:
        """Note that the file of this name was refused; the error if it was one too many."""
        text = _OF_ONE_REQUEST.sub("…", failure.last_error)
        if not _REFUSAL.search(text):
            return None
        with self._lock:
            if text != self._text:
                self._text = text
                self._files.clear()
            self._files.add(name)
            if len(self._files) < FILES_IN_A_ROW:
                return None
        return RemoteRefuses(
            failure.remote,
            f"has refused {FILES_IN_A_ROW} files in a row alike",
            failure.last_error,
            "look there for the reason, and start again",
        )

    def took_one(self) -> None:
        with self._lock:
            self._text = ""
            self._files.clear()
