"""Whether a directory is ours alone: what lies in it is believed, and goes to the remote as it is.

Where files have no owners (``operating_system.HAS_OWNERS``) nothing is asked.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.operating_system import (
    HAS_OWNERS,
    name_of_user,
    others_may_write,
    user_id,
)

_MOST_LINKS = 40
_NOBODY = 65_534
"""Whom files belong to whose owner has no name where we are: in a container, on a network disk."""

_SHARED = ("/tmp", "/var/tmp", "/dev/shm")
_OTHERS_ENTER = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class PrivateDirectory:
    """What is called how in messages (``the staging directory``), and what names another one."""

    path: Path
    what: str
    option: str

    def make(self, is_ours: Callable[[str], bool]) -> list[str]:
        """Make it for the owner alone where it is not there; narrow one of our own that is wider.

        ``is_ours`` tells of a name whether we gave it: a directory that holds others is left as
        wide as it is, if nobody else can write to it. Returns lines to be told.

        Raises ``ConfigurationError`` where somebody else may say what lies in it, and ``OSError``.
        """
        if not HAS_OWNERS:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return []
        self._check_links()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = Path(os.path.realpath(self.path))
        self._check_owner(real)
        return [*self._narrowed(real, is_ours), *self._warnings_above(real)]

    def _refused(self, why: str, mend: str = "") -> ConfigurationError:
        other = f"name one that is not there yet with {self.option}"
        return ConfigurationError(f"{self.what} {self.path} {why}: {mend}{other}")

    def _check_links(self) -> None:
        planted = planted_link(self.path)
        if planted is not None:
            raise self._refused(_reached_by(planted))

    def _check_owner(self, real: Path) -> None:
        """Root is trusted with everything; and so is whom the file system gives all files to."""
        owner = real.stat().st_uid
        with os.scandir(real) as entries:
            owners = {each.name: each.stat(follow_symlinks=False).st_uid for each in entries}
        ours = {user_id(), 0}
        if not ours.issuperset((owner, *owners.values())):
            ours.add(_owner_of_what_we_make(real))
        if owner not in ours:
            raise self._refused(f"belongs to {name_of_user(owner)}", "run as that user, or ")
        for name, owner in sorted(owners.items()):
            if owner not in ours:
                raise self._refused(
                    f"holds {name!r}, which belongs to {name_of_user(owner)}", "remove that, or "
                )

    def _narrowed(self, real: Path, is_ours: Callable[[str], bool]) -> list[str]:
        status = real.stat()
        writable = others_may_write(status)
        if not status.st_mode & _OTHERS_ENTER:
            return []
        if str(real) in _shared():
            raise self._refused("is shared by all users of this machine")
        names = os.listdir(real)
        if status.st_uid != user_id() or not all(map(is_ours, names)):
            if not writable:
                return []
            own = status.st_uid == user_id()
            mend = f"run 'chmod go-w {self.path}', or " if own else ""
            raise self._refused("can be written by other users", mend)
        with suppress(PermissionError):
            real.chmod(0o700)
        if real.stat().st_mode & _OTHERS_ENTER:
            if not writable:
                return []
            return [
                f"warning: {self.what} {self.path} can be written by other users, and its file "
                "system keeps no other permissions"
            ]
        return [f"{self.what} {self.path} was open to other users: it is yours alone now"]

    def _warnings_above(self, real: Path) -> Iterator[str]:
        for above in real.parents:
            status = above.stat()
            if others_may_write(status) and not status.st_mode & stat.S_ISVTX:
                yield (
                    f"warning: other users may put another directory in the place of {self.what} "
                    f"{self.path}, as they can write to {above}"
                )
                return


def distrust_of_file(path: Path, status: os.stat_result) -> str | None:
    """Why somebody else may say what is in the file that was opened there (``status`` is its own):
    the end of a sentence that begins with its name. ``None`` where only we and the administrator
    may."""
    if not HAS_OWNERS:
        return None
    planted = planted_link(path)
    if planted is not None:
        return (
            f"is reached by the link {planted}, which {name_of_user(planted.lstat().st_uid)} made"
        )
    ours = status.st_uid in (user_id(), 0)
    if not ours and status.st_uid != _owner_of_what_we_make(path.parent):
        return f"belongs to {name_of_user(status.st_uid)}"
    if stat.S_ISREG(status.st_mode) and others_may_write(status):
        return "can be written by other users"
    return None


def _reached_by(planted: Path) -> str:
    return f"is reached by the link {planted}, which {name_of_user(planted.lstat().st_uid)} made"


def planted_link(path: Path) -> Path | None:
    """The first link on the way to ``path`` that somebody else may have made, if there is one.

    One of ours, or of the administrator's, is followed as ever.
    """
    if not HAS_OWNERS:
        return None
    for link, status, above in _links_to(path):
        if status.st_uid in (user_id(), 0):
            continue
        if status.st_uid != _NOBODY or others_may_write(above):
            return link
    return None


def _links_to(path: Path) -> Iterator[tuple[Path, os.stat_result, os.stat_result]]:
    """Each link that is followed, and what it lies in."""
    left = list(reversed(Path(os.path.abspath(path)).parts))
    here, links = Path(left.pop()), 0
    while left:
        name = left.pop()
        if name == "..":
            here = here.parent
            continue
        there = here / name
        try:
            status = there.lstat()
            if not stat.S_ISLNK(status.st_mode):
                here = there
                continue
            yield there, status, here.stat()
            target = Path(os.readlink(there))
        except OSError:  # not there yet, or not to be looked at: whoever uses it finds out
            return
        links += 1
        if links > _MOST_LINKS:
            return
        parts = list(target.parts)
        if target.is_absolute():
            here = Path(parts.pop(0))
        left.extend(reversed(parts))


def _shared() -> set[str]:
    return {os.path.realpath(each) for each in (*_SHARED, tempfile.gettempdir())}


def _owner_of_what_we_make(directory: Path) -> int:
    """Disks of a network, and of other systems, give all files to one user."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=".tdl-sync-", dir=directory)
    except OSError:
        return user_id()
    try:
        return os.fstat(descriptor).st_uid
    finally:
        os.close(descriptor)
        os.unlink(name)
