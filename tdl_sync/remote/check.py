"""The start-up check of the remote: all that can be wrong with it is said before any download."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from tdl_sync.core.errors import AccessTokenRefused, ConfigurationError, TdlSyncError
from tdl_sync.core.futures import in_thread
from tdl_sync.remote.drive_folder import LISTING_LAG_SECONDS, listed_folders, make_drive_path
from tdl_sync.remote.rclone import Rclone, RcloneAnswer
from tdl_sync.remote.rclone_errors import (
    RcloneFailure,
    classified,
    is_missing_file,
    is_missing_remote,
)
from tdl_sync.remote.token_renewal import renew_token

_PREFIX = ".tdl-sync-write-test-"
_LOOK_AGAIN_SECONDS = 1.0

_LOOK_SECONDS = 90.0
"""What takes longer is listed again with more patience, once it is known that the remote lives."""

DRIVE = "drive"
# Without quotes, in which a colon would not be the one that ends it.
_NAME_AND_OPTIONS = re.compile(r"[^:,\"']+(?:,[^:\"']*)?(?=:)")


def probe_name() -> str:
    """A name of the machine's own: another machine's probe must not delete ours, and what a kill
    leaves behind is overwritten and deleted by the next run here."""
    return _PREFIX + hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def write_probe(rclone: Rclone, remote: str, path: str) -> None:
    """Raises ``TdlSyncError`` classes, each one line with the mend, that name ``remote``."""
    # --drive-upload-cutoff: a request of an upload session can be sent again without doubling.
    must_work(rclone.ask(["rcat", "--drive-upload-cutoff=0"], path, stdin=b"probe\n"), remote)


def remove_probe(rclone: Rclone, path: str) -> tuple[str, ...]:
    """Returns warnings for the user. Raises ``NetworkUnreachable`` and ``Stopped``."""
    deadline = time.monotonic() + LISTING_LAG_SECONDS
    while True:
        deleted = rclone.ask(["deletefile"], path)
        if deleted.exit_status == 0:
            return ()
        if not is_missing_file(deleted.failure(path)) or time.monotonic() > deadline:
            # Who may add files to a shared drive may not always delete them: no reason not to run.
            return (f"the probe file {path!r} can't be deleted: {deleted.last_error}",)
        time.sleep(_LOOK_AGAIN_SECONDS)


def must_work(answer: RcloneAnswer, remote: str) -> None:
    """Raise what a call that writes to ``remote`` has failed of."""
    if answer.exit_status != 0:
        failure = answer.failure(remote)
        raise classified(failure) or ConfigurationError(
            f"rclone can't write to {remote!r}: {failure.last_error}; "
            "give it the right to write there or name another with --remote"
        )


@dataclass(frozen=True)
class CheckedRemote:
    """A remote that exists; from ``check_remote`` one that took a file, too.

    ``remote`` is ``REMOTE:PATH`` or an absolute path, as configured, and ``type`` the type of
    rclone's configuration (``drive``, ``crypt``, ``local``); empty if rclone does not say.
    ``shares_hash`` tells whether rclone can compare contents without sending them.
    ``lists_sha256``: its listings show that hash without reading the files for it.
    ``takes_folder_ids``: its folders can be addressed by their id.
    ``free_bytes`` is None where the remote does not say. ``warnings`` are lines for the user.
    """

    remote: str
    type: str
    shares_hash: bool
    free_bytes: int | None
    takes_folder_ids: bool = False
    lists_sha256: bool = False
    warnings: tuple[str, ...] = ()

    def path(self, *parts: str) -> str:
        """The path of a file or folder below the remote; ``parts`` are names, not paths."""
        return _below(self.remote, *parts)

    def inside(self, folder_id: str, name: str = "") -> str:
        """The path of a file in the folder with this id, or of the folder; 3 calls to Drive
        instead of 6, since rclone has nothing to look up.

        https://rclone.org/drive/#drive-root-folder-id
        """
        name_and_options = _NAME_AND_OPTIONS.match(self.remote)
        assert name_and_options is not None
        return f"{name_and_options[0]},root_folder_id={folder_id}:{name}"


@dataclass(frozen=True)
class ProvenRemote:
    """A remote that took a file.

    ``folders`` are name and id (empty on remotes without) of those in it, as it showed them a
    moment ago; ``None`` where it did not. ``cleaning`` ends when the file is deleted again; its
    result are warnings for the user.
    """

    remote: CheckedRemote
    folders: list[tuple[str, str]] | None
    cleaning: Future[tuple[str, ...]]


def check_remote(rclone: Rclone, remote: str, *, must_be_drive: bool = False) -> CheckedRemote:
    """Make the base folder, write and delete a tiny file, and learn what the remote can.

    Raises ``ConfigurationError``, ``CredentialsRefused``, ``ComeBackLater`` or
    ``NetworkUnreachable``, each one line with the mend.
    """
    proven = prove_remote(rclone, remote, must_be_drive=must_be_drive)
    return replace(proven.remote, warnings=proven.cleaning.result())


def prove_remote(rclone: Rclone, remote: str, *, must_be_drive: bool = False) -> ProvenRemote:
    """The same, but it returns as soon as the remote has taken the file."""
    try:
        return _prove(rclone, remote, must_be_drive)
    except AccessTokenRefused as refused:
        renew_token(rclone, refused.remote_name)
        return _prove(rclone, remote, must_be_drive)


def look_at_remote(rclone: Rclone, remote: str, *, must_be_drive: bool = False) -> CheckedRemote:
    """The same as ``check_remote`` without writing anything: whether it takes files stays open."""
    try:
        return _look_and_ask_for_room(rclone, remote, must_be_drive)
    except AccessTokenRefused as refused:
        renew_token(rclone, refused.remote_name)
        return _look_and_ask_for_room(rclone, remote, must_be_drive)


def _look_and_ask_for_room(rclone: Rclone, remote: str, must_be_drive: bool) -> CheckedRemote:
    seen = _look(rclone, remote, must_be_drive)
    return replace(seen, free_bytes=free_bytes(rclone, remote))


def _prove(rclone: Rclone, remote: str, must_be_drive: bool) -> ProvenRemote:
    with ThreadPoolExecutor(8, "remote check") as pool:
        # Side by side what asks for no token, and one question that does: it renews one that is
        # past its time, and the others then find the new one. It is the one for the folders,
        # since whatever is made has to wait for its answer.
        looking = pool.submit(listed_folders, rclone, remote, timeout_seconds=_LOOK_SECONDS)
        asked = _Asked(rclone, remote, pool)
        remote_type = asked.type(must_be_drive=must_be_drive)
        wait([looking])
        features = pool.submit(rclone.ask, ["backend", "features"], remote)
        if looking.exception() is not None:
            # The features say best what is wrong with the remote, if it was not only slow.
            asked.remote(features.result())
        making = pool.submit(_make_base, rclone, remote, remote_type, looking)
        probe = _below(remote, probe_name())
        probing = pool.submit(_write_probe_into, rclone, remote, making, probe)
        free = pool.submit(_room_in, rclone, remote, making)
        unproven = asked.remote(features.result())
        probing.result()
        checked = replace(unproven, free_bytes=free.result())
    cleaning = in_thread(lambda: remove_probe(rclone, probe), "removing the probe")
    return ProvenRemote(checked, making.result(), cleaning)


def _look(rclone: Rclone, remote: str, must_be_drive: bool) -> CheckedRemote:
    """What the remote is and can; nothing is written. ``free_bytes`` is not asked for."""
    with ThreadPoolExecutor(4, "remote check") as pool:
        features = pool.submit(rclone.ask, ["backend", "features"], remote)
        asked = _Asked(rclone, remote, pool)
        asked.type(must_be_drive=must_be_drive)
        return asked.remote(features.result())


class _Asked:
    """What rclone is asked without a word to the remote: its type, and what others share."""

    def __init__(self, rclone: Rclone, remote: str, pool: Executor) -> None:
        self._rclone = rclone
        self._remote = remote
        self._pool = pool
        self._types = pool.submit(configured_types, rclone, remote)
        self._shows_shared: Future[bool] | None = None

    def type(self, *, must_be_drive: bool) -> str:
        """Its type. Raises ``ConfigurationError`` where it has to be another."""
        remote_type = _type_of(self._remote, self._types.result())
        if remote_type == DRIVE:
            self._shows_shared = self._pool.submit(
                shows_what_others_share, self._rclone, self._remote
            )
        if must_be_drive and remote_type != DRIVE:
            raise ConfigurationError(
                f"--gdrive expects a remote of type 'drive', but {self._remote!r} is of type "
                f"{remote_type or 'unknown'!r}; leave --gdrive out or name another with --remote"
            )
        return remote_type

    def remote(self, features: RcloneAnswer) -> CheckedRemote:
        """All of it, with what the remote's own features say; raises what is wrong with it."""
        remote, types = self._remote, self._types.result()
        of_remote = _features(features, remote, types)
        hashes = set(of_remote["Hashes"])
        remote_type = _type_of(remote, types)
        return CheckedRemote(
            remote,
            remote_type,
            shares_hash=bool(hashes),  # of a local file rclone computes whatever hash it knows
            free_bytes=None,
            takes_folder_ids=(
                self._shows_shared is not None
                and _NAME_AND_OPTIONS.match(remote) is not None
                and not self._shows_shared.result()
            ),
            lists_sha256="sha256" in hashes and not of_remote["Features"].get("SlowHash"),
        )


def _remote_prefix(remote: str) -> str | None:
    """``gdrive`` of ``gdrive:x``, ``:local`` of ``:local:/x``, None of a plain path.

    https://rclone.org/docs/#syntax-of-remote-paths
    """
    match = re.match(r"(:?[^:,/\\]+)[:,]", remote)
    if match is None or (os.name == "nt" and len(match[1]) == 1):
        return None
    return match[1]


def configured_types(rclone: Rclone, remote: str) -> dict[str, str]:
    """The type of each configured remote by its name. Raises ``ConfigurationError``."""
    answer = rclone.ask(["listremotes", "--long"])
    if answer.exit_status != 0:
        raise _error(
            answer.failure(remote),
            lambda failure: f"rclone can't list its remotes: {failure.last_error}",
        )
    lines = answer.stdout.decode("utf-8", "replace").splitlines()
    named = (line.rsplit(":", 1) for line in lines if ":" in line)
    return {name.strip(): remote_type.strip() for name, remote_type in named}


def _type_of(remote: str, types: dict[str, str]) -> str:
    prefix = _remote_prefix(remote)
    if prefix is None:
        return "local"
    return prefix[1:] if prefix.startswith(":") else types.get(prefix, "")


def _features(answer: RcloneAnswer, remote: str, types: dict[str, str]) -> dict[str, Any]:
    """https://rclone.org/commands/rclone_backend_features/"""
    failure = answer.failure(remote)
    if answer.exit_status == 0:
        features: dict[str, Any] = answer.json()
        return features
    if is_missing_remote(failure):
        known = ", ".join(f"{name}:" for name in sorted(types)) or "none at all"
        raise ConfigurationError(
            f"rclone knows no remote {failure.remote_name!r}, only: {known}; make it with "
            "`rclone config`, or name another with --remote or --rclone-config"
        )
    raise _error(
        failure,
        lambda failure: (
            f"rclone can't open {remote!r}: {failure.last_error}; "
            "mend it with `rclone config` or name another with --remote"
        ),
    )


def shows_what_others_share(rclone: Rclone, remote: str) -> bool:
    """With ``shared_with_me`` rclone takes any root folder for the list of all that is shared."""
    shown = rclone.ask(["config", "show"], _remote_prefix(remote) or "")
    set_in = (remote, shown.stdout.decode("utf-8", "replace"), *rclone.extra_arguments)
    set_by_variable = [name for name in os.environ if name.upper().endswith("_SHARED_WITH_ME")]
    return bool(set_by_variable) or any(
        re.search(r"shared[-_]with[-_]me(?!\s*=\s*false)", text) for text in set_in
    )


def _below(remote: str, *parts: str) -> str:
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\0" in part:
            raise ValueError(f"{part!r} is not the name of one file or folder")
    base = remote if remote.endswith((":", "/")) else remote + "/"
    return base + "/".join(parts)


def _make_base(
    rclone: Rclone, remote: str, remote_type: str, looking: Future[list[tuple[str, str]] | None]
) -> list[tuple[str, str]] | None:
    """Make the base folder where ``looking`` has not found it; the folders in it, if known."""
    looked = looking.exception() is None
    folders = looking.result() if looked else None
    if remote_type != DRIVE:
        if folders is None:
            must_work(rclone.ask(["mkdir"], remote), remote)
    else:
        if not looked:
            folders = listed_folders(rclone, remote)
        if folders is None:
            folders = make_drive_path(rclone, remote)
    return folders


def _write_probe_into(rclone: Rclone, remote: str, making: Future[Any], probe: str) -> None:
    making.result()
    write_probe(rclone, remote, probe)


def _room_in(rclone: Rclone, remote: str, making: Future[Any]) -> int | None:
    """Some remotes do not say how much room there is in a folder that is not there yet."""
    making.result()
    return free_bytes(rclone, remote)


def free_bytes(rclone: Rclone, remote: str) -> int | None:
    """``None`` where the remote does not say."""
    answer = rclone.ask(["about", "--json"], remote)
    if answer.exit_status != 0:
        return None
    free = answer.json().get("free")
    return free if isinstance(free, int) else None


def _error(failure: RcloneFailure, otherwise: Callable[[RcloneFailure], str]) -> TdlSyncError:
    return classified(failure) or ConfigurationError(otherwise(failure))
