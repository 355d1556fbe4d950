"""The start-up check of the remote: all that can be wrong with it is said before any download."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tdl_sync.core.errors import (
    AccessTokenRefused,
    ConfigurationError,
    NetworkUnreachable,
    RemoteUnfit,
    TdlSyncError,
)
from tdl_sync.core.futures import in_thread
from tdl_sync.core.operating_system import is_drive_letter, steady_seconds
from tdl_sync.remote.base_folder import Wait, found_base, made_base, wait_beside
from tdl_sync.remote.begun_folder import BegunFolder
from tdl_sync.remote.call_options import Comparison
from tdl_sync.remote.chain import (
    DRIVE,
    MEMORY,
    chain,
    drives_side_by_side,
    kinds_below,
    local_directory,
    name_and_options,
    with_drive_option,
)
from tdl_sync.remote.drive_folder import (
    ARRIVING_SECONDS,
    LISTING_LAG_SECONDS,
    DriveParent,
    listed_folders,
    listed_folders_by,
    make_drive_path,
)
from tdl_sync.remote.one_of_several import Others
from tdl_sync.remote.program import DEFAULT_DRIVE_OPTION
from tdl_sync.remote.rclone import CallFailed, OutcomeUnknown
from tdl_sync.remote.rclone_errors import RcloneFailure, classified, is_missing_remote, unexpected
from tdl_sync.remote.remote_control import Folder, FoundFile, Remote, RemoteControl, Sections
from tdl_sync.remote.token_renewal import TokenRenewal, renew_token
from tdl_sync.remote.unsafe_options import refuse_unsafe_options

_PREFIX = ".tdl-sync-write-test-"
_LOOK_AGAIN_SECONDS = 1.0
_TRIES = 3
_PROBE_BYTES = 64
_UNKNOWN_SIZE = -1
_WORTH_TELLING_SECONDS = 1.0

_LOOK_SECONDS = 90.0
"""What takes longer is listed again with more patience, once it is known that the remote lives."""

_DRIVES_BY_OTHER_NAMES = frozenset({DRIVE, "alias", "combine"})
"""Below these a file is one file of Drive, with its hash and its id. (A union may have it twice,
and changes both.)"""

MOST_IN_DRIVE_FOLDER = 100_000
"""Drive refuses more than 500,000 things in a folder, and more than 400,000 in a shared drive. A
folder is counted when a run begins, and by what that run puts there itself, sidecars included: so
four machines that all begin with an empty folder, and see nothing of each other, stay below. And
one of Drive's listings shows a thousand of them at a time.

https://support.google.com/a/users/answer/7338880
"""

Result = TypeVar("Result")

# Without quotes, in which a colon would not be the one that ends it.
_NAME_AND_OPTIONS = re.compile(r"[^:,\"']+(?:,[^:\"']*)?(?=:)")

# An upload session even for small files. Without one, a request whose answer was lost is sent
# again by rclone and the file is there twice, when the listing lags. One more call for a file.
_UPLOAD_SESSION = "upload_cutoff=0"
# A remote of its own, in which nothing is tried again but by us: there is no session for a file
# without content (rclone's fails), and none for a folder. No flag of ours says the same: with equal
# options two texts are one remote.
_SEND_ONCE = "upload_cutoff=2B"
# Else rclone retries in silence for most of an hour once the day's 750 GB are used up.
_STOP_ON_LIMIT = "stop_on_upload_limit=true"

_DRIVE_DEFAULTS = {
    # Measured to be worth 15 % over rclone's 8 MB; it costs that much memory for each upload.
    "chunk_size": "32M",
    # rclone's own 100 ms between two calls hold eight workers at nine files in a second. What the
    # account allows is found out by our pace, which all folders share; this one is each folder's.
    "pacer_min_sleep": "10ms",
}
"""Where the user says nothing."""


def _own_prefix(staging: Path) -> str:
    """How the names of all probes begin that come from this directory, which one run has at a
    time: so what is left of a run that was killed is known as such."""
    whose = f"{socket.gethostname()} {staging}"
    return f"{_PREFIX}{hashlib.sha256(os.fsencode(whose)).hexdigest()[:8]}-"


def _new_name(prefix: str) -> str:
    """Of no earlier probe's: what Drive still shows, or not yet, of that one would count as this
    one's."""
    return prefix + secrets.token_hex(4)


@dataclass(frozen=True)
class _Probe:
    """What was sent to the remote. ``unseen`` is how it is to be listed, where it is not yet.
    ``left_by`` begins the names of those that earlier runs may have left; empty: not known."""

    name: str
    unseen: FoundFile | None = None
    left_by: str = ""


@dataclass(frozen=True)
class CheckedRemote:
    """A remote that exists; from ``check_remote`` one that took a file, too.

    ``remote`` is ``REMOTE:PATH`` or an absolute path, as configured, and ``type`` the type of
    rclone's configuration (``drive``, ``crypt``, ``local``); empty if rclone does not say.
    ``shares_hash`` tells whether rclone can compare the content of each file without sending it.
    ``hashes`` are those that it knows, of some files at least.
    ``listed_hashes`` are those of them that its listings show without reading the files, the best
    alone. ``names_are_unique``: two files never have one name. ``renames_by_id``: of what has one
    name all the same, each can be told by its id and be given another name.
    ``on_drive``: it is a Drive, or one lies below it. ``takes_folder_ids``: its folders can be
    addressed by their id. ``once_options`` make it another remote for rclone, in which no request
    to a Drive is tried again. ``has_empty_folders``: one in which nothing lies is there.
    ``drive_options`` are those that its uploads to Drive take. ``base_id`` is the id of its folder,
    empty where that has none, or is not looked for yet.
    ``free_bytes`` is None where the remote does not say. ``warnings`` are lines for the user.
    """

    remote: str
    type: str
    shares_hash: bool
    free_bytes: int | None
    on_drive: bool = False
    once_options: str = ""
    hashes: frozenset[str] = frozenset()
    takes_folder_ids: bool = False
    listed_hashes: tuple[str, ...] = ()
    names_are_unique: bool = False
    renames_by_id: bool = False
    has_empty_folders: bool = True
    drive_options: tuple[str, ...] = ()
    base_id: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def base(self) -> Remote:
        """The remote's folder: by its id where that is known (`base_folder`), since of several with
        its path rclone takes any. Else as configured: where files go by their path."""
        return self.inside(self.base_id) if self.base_id else Remote(self.remote)

    @property
    def parent(self) -> DriveParent:
        """The base folder, as one on Drive in which folders are made."""
        return DriveParent(self.base, self.base_once, self.remote)

    @property
    def base_once(self) -> Remote:
        """The same; no request is tried again."""
        if self.base_id:
            return self.inside_once(self.base_id)
        head = name_and_options(self.remote)
        path = self.remote.removeprefix(head)
        return Remote(head + self.once_options + path, 1, configured=self.remote)

    @property
    def most_in_folder(self) -> int | None:
        """So much is put into one folder, ``None`` for any number."""
        return MOST_IN_DRIVE_FOLDER if self.on_drive else None

    @property
    def root(self) -> DriveParent:
        """What the path begins in, as a folder in which others are made."""
        head = name_and_options(self.remote)
        looked_at = Remote(f"{head}:", configured=self.remote)
        once = Remote(f"{head}{self.once_options}:", 1, configured=self.remote)
        return DriveParent(looked_at, once, f"{head}:")

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders of the path, one in the other; none where they have no ids, or one of them
        is not a name."""
        parts = tuple(
            filter(None, self.remote[len(name_and_options(self.remote)) + 1 :].split("/"))
        )
        by_id = self.takes_folder_ids and not {".", ".."} & set(parts)
        return parts if by_id else ()

    def parent_inside(self, folder_id: str, path: str) -> DriveParent:
        """The folder with this id, as one in which folders are made."""
        return DriveParent(self.inside(folder_id), self.inside_once(folder_id), path)

    def inside(self, folder_id: str) -> Remote:
        """The folder with this id. A file there takes 3 calls to Drive instead of 6, since rclone
        has nothing to look up.

        https://rclone.org/drive/#drive-root-folder-id
        """
        return Remote(self._with_id(folder_id, _UPLOAD_SESSION), configured=self.remote)

    def inside_once(self, folder_id: str) -> Remote:
        """The same, in which no request is tried again."""
        return Remote(self._with_id(folder_id, _SEND_ONCE), 1, configured=self.remote)

    def with_bin(self, folder_id: str) -> Remote:
        """The folder with this id, or what the path begins in for none; what is removed from it
        goes into the bin, whatever the user says elsewhere. No request is tried again."""
        into_bin = "use_trash=true"
        if folder_id:
            text = self._with_id(folder_id, _SEND_ONCE, into_bin)
        else:
            text = f"{name_and_options(self.remote)}{self.once_options},{into_bin}:"
        return Remote(text, 1, configured=self.remote)

    def _with_id(self, folder_id: str, *options: str) -> str:
        # Of several values of one option the last counts. A shortcut to a folder is listed with
        # both ids, its own and that of the folder.
        actual_id = folder_id.rpartition("\t")[2]
        all_options = (f"root_folder_id={actual_id}", *options, _STOP_ON_LIMIT, *self.drive_options)
        return f"{name_and_options(self.remote)},{','.join(all_options)}:"


@dataclass(frozen=True)
class ProvenRemote:
    """A remote that took a file.

    ``folders`` are those in it, as it showed them a moment ago; ``None`` where it did not.
    ``cleaning`` ends when the file is deleted again; its result are warnings for the user. It
    raises ``ConfigurationError`` where the remote shows late that it holds another file.
    """

    remote: CheckedRemote
    folders: list[Folder] | None
    cleaning: Future[tuple[str, ...]]


@dataclass(frozen=True)
class BegunProof:
    """A remote that is there, with its folder. ``proof`` ends as ``prove_remote`` does: until then
    nothing else is put there. ``folders`` are as in `ProvenRemote`."""

    remote: CheckedRemote
    folders: list[Folder] | None
    proof: Future[ProvenRemote]


StageProbe = Callable[[bytes], Path]
"""Makes a file with this content where downloads wait for rclone, and says which one it is."""


def check_remote(
    control: RemoteControl,
    remote: str,
    *,
    must_be_drive: bool = False,
    stage_probe: StageProbe | None = None,
    begun: BegunFolder | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> CheckedRemote:
    """Make the base folder, move a tiny file there and delete it, and learn what the remote can.

    What ``stage_probe`` makes is read, sent and compared as files of a run are; whoever staged it
    deletes what is left of it. Without it the file does not come from a directory. ``begun`` is
    the record of who makes the base folder. ``on_line`` is told what is waited for.

    Raises ``ConfigurationError``, ``CredentialsRefused``, ``ComeBackLater`` or
    ``NetworkUnreachable``, each one line with the mend.
    """
    proven = prove_remote(
        control,
        remote,
        must_be_drive=must_be_drive,
        stage_probe=stage_probe,
        begun=begun,
        on_line=on_line,
    )
    return replace(proven.remote, warnings=proven.cleaning.result())


def prove_remote(
    control: RemoteControl,
    remote: str,
    *,
    must_be_drive: bool = False,
    stage_probe: StageProbe | None = None,
    begun: BegunFolder | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> ProvenRemote:
    """The same, but it returns as soon as the remote has taken the file."""
    seen = _found(control, remote, must_be_drive, begun, on_line)
    return _proven(control, *seen, stage_probe)


def begin_proof(
    control: RemoteControl,
    remote: str,
    *,
    must_be_drive: bool = False,
    stage_probe: StageProbe | None = None,
    begun: BegunFolder | None = None,
    on_line: Callable[[str], None] = lambda line: None,
    others: Callable[[], Others] = Others,
) -> BegunProof:
    """The same, but it returns as soon as the remote and its folder are found; the rest goes on
    beside. ``others`` is asked where that folder is not there, or empty: see ``made_base``."""
    seen, folders = _found(control, remote, must_be_drive, begun, on_line, others)
    proof = in_thread(lambda: _proven(control, seen, folders, stage_probe), "proof of the remote")
    return BegunProof(seen, folders, proof)


def _found(
    control: RemoteControl,
    remote: str,
    must_be_drive: bool,
    begun: BegunFolder | None,
    on_line: Callable[[str], None],
    others: Callable[[], Others] = Others,
) -> tuple[CheckedRemote, list[Folder] | None]:
    """With its folder, which is made; ``free_bytes`` is not asked for."""

    def find() -> tuple[CheckedRemote, list[Folder] | None]:
        seen = _look(control, remote, must_be_drive)
        return _made_base(control, seen, begun, _told_wait(control, on_line), others)

    return _with_a_token_that_is_taken(control, remote, find)


def _proven(
    control: RemoteControl,
    seen: CheckedRemote,
    folders: list[Folder] | None,
    stage_probe: StageProbe | None,
) -> ProvenRemote:
    def prove() -> ProvenRemote:
        with ThreadPoolExecutor(1, "remote check") as pool:
            free = pool.submit(free_bytes, control, seen.base)
            if stage_probe is None:
                probe = _put_probe(control, seen)
            else:
                probe = _move_probe(control, seen, stage_probe)
        checked = replace(seen, free_bytes=free.result())
        cleaning = in_thread(lambda: _remove_probe(control, checked, probe), "removing the probe")
        return ProvenRemote(checked, folders, cleaning)

    return _with_a_token_that_is_taken(control, seen.remote, prove)


def look_at_remote(
    control: RemoteControl, remote: str, *, must_be_drive: bool = False
) -> CheckedRemote:
    """The same as ``check_remote`` without writing anything: whether it takes files stays open."""

    def look() -> CheckedRemote:
        seen = _look(control, remote, must_be_drive)
        seen = replace(seen, base_id=found_base(control, seen))
        return replace(seen, free_bytes=free_bytes(control, seen.base))

    return _with_a_token_that_is_taken(control, remote, look)


def configured_types(sections: Sections) -> dict[str, str]:
    """The type of each configured remote by its name."""
    return {name: section.get("type", "") for name, section in sections.items()}


def free_bytes(control: RemoteControl, remote: Remote) -> int | None:
    """``None`` where the remote does not say."""
    try:
        return control.free_bytes(remote)
    except CallFailed:
        return None


def _with_a_token_that_is_taken(
    control: RemoteControl, remote: str, work: Callable[[], Result]
) -> Result:
    """Once more with a new token, if the remote disowns the one that rclone takes for good.

    One that ends soon is renewed first, by one call, before two runs side by side do so at once.
    """
    with suppress(CallFailed):  # what is wrong with the configuration is said with the first look
        TokenRenewal(control, remote).in_time()
    try:
        return work()
    except AccessTokenRefused as refused:
        try:
            renew_token(control, refused.remote_name)
        except CallFailed as failed:
            raise unexpected(failed.failure(refused.remote_name)) from failed
        return work()


def _look(control: RemoteControl, remote: str, must_be_drive: bool) -> CheckedRemote:
    """What the remote is and can; nothing is written. ``free_bytes`` is not asked for."""
    try:
        sections = control.sections()
    except CallFailed as failed:
        raise _error(
            failed.failure(remote),
            lambda failure: f"rclone can't list its remotes: {failure.last_error}",
        ) from failed
    types = configured_types(sections)
    remote_type = _type_of(remote, types)
    _refuse_unsafe_options(control, sections, remote)
    _refuse_what_keeps_nothing(sections, remote)
    if any(
        link.type == DRIVE and DEFAULT_DRIVE_OPTION in link.section
        for link in chain(sections, remote, control.rclone.arguments)
    ):
        control.rclone.leave_out_defaults()
    if must_be_drive and remote_type != DRIVE:
        raise ConfigurationError(
            f"--gdrive expects a remote of type 'drive', but {remote!r} is of type "
            f"{remote_type or 'unknown'!r}; leave --gdrive out or name another with --remote"
        )
    section = sections.get(_remote_prefix(remote) or "", {})
    arguments = control.rclone.arguments
    takes_folder_ids = (
        remote_type == DRIVE
        and _NAME_AND_OPTIONS.match(remote) is not None
        and not shows_what_others_share(remote, section, arguments)
    )
    try:
        # Opened with its path rclone would look for the folder, of which there may be several.
        text = f"{name_and_options(remote)}:" if takes_folder_ids else remote
        features = control.features(Remote(text, configured=remote))
    except CallFailed as failed:
        raise _unfit(failed.failure(remote), types, control.rclone.config_command) from failed
    kinds = kinds_below(sections, remote)
    return CheckedRemote(
        remote,
        remote_type,
        # Where a file has no hash rclone would compare its size alone. (Of a local file it
        # computes whatever it knows.)
        shares_hash=bool(features.hashes) and features.all_have_hashes,
        free_bytes=None,
        on_drive=DRIVE in kinds,
        once_options=with_drive_option(sections, remote, _SEND_ONCE),
        hashes=features.hashes,
        takes_folder_ids=takes_folder_ids,
        listed_hashes=_best(features.hashes) if features.lists_hashes else (),
        names_are_unique=features.names_are_unique and len(kinds) == 1,
        renames_by_id=features.can_rename and DRIVE in kinds and kinds <= _DRIVES_BY_OTHER_NAMES,
        has_empty_folders=features.has_empty_folders,
        drive_options=_drive_options(remote, section, arguments),
    )


def _best(hashes: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(hashes, key=lambda kind: (kind != "sha256", kind != "md5", kind))[:1])


def _refuse_unsafe_options(control: RemoteControl, sections: Sections, remote: str) -> None:
    try:
        refuse_unsafe_options(control, sections, remote)
    except CallFailed as failed:
        raise _error(
            failed.failure(remote),
            lambda failure: f"rclone can't tell of its options: {failure.last_error}",
        ) from failed


def _refuse_what_keeps_nothing(sections: Sections, remote: str) -> None:
    if MEMORY in kinds_below(sections, remote):
        raise ConfigurationError(
            f"{remote!r} keeps files in rclone's memory, where they are lost when the run ends; "
            "name another with --remote"
        )


def _remote_prefix(remote: str) -> str | None:
    """``gdrive`` of ``gdrive:x``, ``:local`` of ``:local:/x``, None of a plain path.

    https://rclone.org/docs/#syntax-of-remote-paths
    """
    match = re.match(r"(:?[^:,/\\]+)[:,]", remote)
    if match is None or is_drive_letter(match[1]):
        return None
    return match[1]


def _type_of(remote: str, types: dict[str, str]) -> str:
    prefix = _remote_prefix(remote)
    if prefix is None:
        return "local"
    return prefix[1:] if prefix.startswith(":") else types.get(prefix, "")


def _unfit(failure: RcloneFailure, types: dict[str, str], config_command: str) -> TdlSyncError:
    """Why a remote can't be opened."""
    if is_missing_remote(failure):
        known = ", ".join(f"{name}:" for name in sorted(types)) or "none at all"
        return ConfigurationError(
            f"rclone knows no remote {failure.remote_name!r}, only: {known}; make it with "
            f"`{config_command}`, or name another with --remote or --rclone-config"
        )
    return _error(
        failure,
        lambda failure: (
            f"rclone can't open {failure.remote!r}: {failure.last_error}; "
            "mend it with `rclone config` or name another with --remote"
        ),
    )


def _error(failure: RcloneFailure, otherwise: Callable[[RcloneFailure], str]) -> TdlSyncError:
    return classified(failure) or RemoteUnfit(otherwise(failure))


def _is_set(option: str, remote: str, section: Mapping[str, str], arguments: Sequence[str]) -> bool:
    """Whether the user says something of this option of Drive, in one of the four ways."""
    dashed = option.replace("_", "-")
    return (
        option in section
        or f",{option}" in remote
        or any(each.startswith(f"--drive-{dashed}") for each in arguments)
        or any(
            name.upper().startswith("RCLONE_") and name.upper().endswith(f"_{option.upper()}")
            for name in os.environ
        )
    )


def shows_what_others_share(
    remote: str, section: Mapping[str, str], arguments: Sequence[str]
) -> bool:
    """With ``shared_with_me`` rclone takes any root folder for the list of all that is shared."""
    option = "shared_with_me"
    if not _is_set(option, remote, section, arguments):
        return False
    said = " ".join([remote, f"{option}={section.get(option, '')}", *arguments])
    said_false = re.search(r"shared[-_]with[-_]me=false", said, re.IGNORECASE)
    return not said_false


def _drive_options(
    remote: str, section: Mapping[str, str], arguments: Sequence[str]
) -> tuple[str, ...]:
    return tuple(
        f"{option}={value}"
        for option, value in _DRIVE_DEFAULTS.items()
        if not _is_set(option, remote, section, arguments)
    )


def _told_wait(control: RemoteControl, on_line: Callable[[str], None]) -> Wait:
    told = set[str]()

    def wait(path: str, seconds: float) -> None:
        if seconds >= _WORTH_TELLING_SECONDS and path not in told:
            told.add(path)
            on_line(
                f"nothing is in the folder {path!r} yet: waiting {seconds:.0f} s, so that machines "
                "which start at the same time take the same folder"
            )
        wait_beside(control, seconds)

    return wait


def _made_base(
    control: RemoteControl,
    remote: CheckedRemote,
    begun: BegunFolder | None,
    wait: Wait,
    others: Callable[[], Others],
) -> tuple[CheckedRemote, list[Folder] | None]:
    """Make the base folder where it is not there; the remote with its id if it has one, and the
    folders in it, if known.

    Where an earlier run has begun to make it on Drive, it is waited for first: it may be there, and
    not be listed yet.
    """
    if not remote.on_drive:
        folders = _listed(control, remote.remote, remote.base)
        if folders is None:
            _must_work(remote.remote, lambda: control.make_folder(remote.base, ""))
        return remote, folders
    listed_at = steady_seconds()
    if begun is not None and begun.is_begun:
        listed_at += ARRIVING_SECONDS + LISTING_LAG_SECONDS

    if remote.parts:
        seen = _listed(control, remote.remote, remote.root.looked_at) or []
        base_id, in_base = made_base(control, remote, wait, seen, begun, listed_at, others)
        remote, folders = replace(remote, base_id=base_id), list(in_base)
    else:
        if not remote.takes_folder_ids:
            for drive in sorted(drives_side_by_side(control.sections(), remote.remote)):
                below = replace(remote, remote=drive, once_options=f",{_SEND_ONCE}")
                _made_on_drive(control, below, begun, listed_at)
        folders = _made_on_drive(control, remote, begun, listed_at)
    if begun is not None:
        begun.end()
    return remote, folders


def _made_on_drive(
    control: RemoteControl, remote: CheckedRemote, begun: BegunFolder | None, listed_at: float
) -> list[Folder]:
    folders = _listed(control, remote.remote, remote.base)
    if folders is None and steady_seconds() < listed_at:
        folders = listed_folders_by(control, remote.base, listed_at)
    if folders is None:
        if begun is not None:
            begun.begin()
        folders = make_drive_path(control, remote.parent)
    return folders


def _listed(control: RemoteControl, configured: str, remote: Remote) -> list[Folder] | None:
    try:
        return control.folders(remote, _LOOK_SECONDS)
    except NetworkUnreachable:
        # Slow, but it lives.
        return listed_folders(control, remote)
    except CallFailed as failed:
        raise _unwritable(failed.failure(configured)) from failed


def _put_probe(control: RemoteControl, remote: CheckedRemote) -> _Probe:
    name = _new_name(_PREFIX)
    _must_work(remote.remote, lambda: control.put(b"probe\n", remote.base, "", name))
    return _Probe(name)


def _move_probe(control: RemoteControl, remote: CheckedRemote, stage_probe: StageProbe) -> _Probe:
    """The way that each file of a run goes."""
    content = secrets.token_bytes(_PROBE_BYTES)  # so that no other file is taken for it
    name, prefix, sent = "", "", FoundFile(0, {})

    def move() -> None:
        nonlocal name, prefix, sent
        staged = stage_probe(content)
        _must_lie_elsewhere(control, remote, staged.parent)
        prefix = _own_prefix(staged.parent)
        name = _new_name(prefix)  # not of an attempt that may have left a file that is not right
        sent = _read_by_rclone(control, remote, staged, content)
        compare = Comparison.BY_HASH if remote.shares_hash else Comparison.ALWAYS_SEND
        try:
            # As of any new file of a run: where Drive has ids rclone looks once, and not twice.
            look_first = not remote.takes_folder_ids
            control.move(staged, remote.base, name, compare, look_first=look_first)
        except CallFailed as failed:
            if staged.name in failed.reason:
                raise _no_way_through(control, staged.parent, failed.reason) from failed
            raise
        if staged.exists():
            why = "it says that a file was moved, and it is still there"
            raise _no_way_through(control, staged.parent, why)

    _must_work(remote.remote, move)
    return _Probe(name, None if _is_shown(control, remote, name, sent) else sent, prefix)


def _must_lie_elsewhere(control: RemoteControl, remote: CheckedRemote, staging: Path) -> None:
    """Else what was moved would be on the disk that it is to make room on."""
    directory = local_directory(control.sections(), remote.remote)
    if directory is not None and directory.resolve().is_relative_to(staging.resolve()):
        raise ConfigurationError(
            f"{remote.remote!r} lies in the staging directory {staging}, which is for files on "
            "their way only; name another place with --remote, or another directory with --staging"
        )


def _read_by_rclone(
    control: RemoteControl, remote: CheckedRemote, staged: Path, content: bytes
) -> FoundFile:
    """The file as rclone reads it, with all hashes that the remote may show. Raises
    ``ConfigurationError`` if it can't read it."""
    directory = staged.parent
    try:
        found = control.file_with_hashes(
            Remote(str(directory)), staged.name, {"md5", *remote.hashes}
        )
    except CallFailed as failed:
        raise _no_way_through(control, directory, failed.reason) from failed
    if found is None:
        raise _no_way_through(control, directory, "it does not see what lies there")
    if found.hashes.get("md5") != hashlib.md5(content).hexdigest():
        raise _no_way_through(control, directory, "it can't read what lies there")
    return found


def _no_way_through(control: RemoteControl, staging: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{control.rclone.executable} can't move files out of the staging directory {staging}: "
        f"{why}; an rclone in a snap or a container sees other directories, and one of another "
        "user may not enter ours: name another one with --rclone, or a directory that it may use "
        "with --staging"
    )


def _is_shown(control: RemoteControl, remote: CheckedRemote, name: str, sent: FoundFile) -> bool:
    """Whether the remote lists the probe already. Raises ``ConfigurationError`` if it is not what
    was sent."""
    try:
        found = control.file_with_hashes(remote.base, name, remote.hashes)
    except CallFailed as failed:
        raise _unwritable(failed.failure(remote.remote)) from failed
    if found is None:
        return False
    both = found.hashes.keys() & sent.hashes.keys()
    differing = [kind for kind in sorted(both) if found.hashes[kind] != sent.hashes[kind]]
    if found.size_bytes not in (sent.size_bytes, _UNKNOWN_SIZE):
        why = f"of {found.size_bytes} bytes instead of {sent.size_bytes}"
    elif differing:
        why = f"with another {differing[0]}"
    elif remote.shares_hash and not both:
        why = "without a hash to compare it by"
    else:
        return True
    raise RemoteUnfit(
        f"{remote.remote!r} shows the file that was just moved there {why}, so nothing that is "
        "sent there can be proven; name another with --remote"
    )


def _must_work(remote: str, write: Callable[[], None]) -> None:
    """Raise what a call that writes to ``remote`` has failed of: each time, where it may pass as a
    byte that was changed on the way does."""
    failure = RcloneFailure(remote, 0, "")
    for _ in range(_TRIES):
        try:
            write()
            return
        except CallFailed as failed:
            failure = failed.failure(remote)
            if classified(failure) is not None:
                break
        except OutcomeUnknown as unknown:
            failure = RcloneFailure(remote, 0, str(unknown))
    raise _unwritable(failure)


def _unwritable(failure: RcloneFailure) -> TdlSyncError:
    return _error(
        failure,
        lambda failure: (
            f"rclone can't write to {failure.remote!r}: {failure.last_error}; "
            "give it the right to write there or name another with --remote"
        ),
    )


def _remove_probe(control: RemoteControl, remote: CheckedRemote, probe: _Probe) -> tuple[str, ...]:
    """Returns warnings for the user. Raises ``ConfigurationError`` if it is not what was sent,
    ``NetworkUnreachable`` and ``Stopped``."""
    with ThreadPoolExecutor(1, "older probes") as pool:
        older = pool.submit(_older_probes, control, remote, probe)
        if (warning := _warning_of_own_probe(control, remote, probe)) is not None:
            return (warning,)
        with suppress(CallFailed):  # the next start tries again
            for name in older.result():
                control.delete_file(remote.base, name)
    return ()


def _warning_of_own_probe(
    control: RemoteControl, remote: CheckedRemote, probe: _Probe
) -> str | None:
    """Remove it, unless that can't be; then a line for the user."""
    unseen = probe.unseen
    deadline = time.monotonic() + LISTING_LAG_SECONDS
    while True:
        if unseen is not None and _is_shown(control, remote, probe.name, unseen):
            unseen = None
        try:
            control.delete_file(remote.base, probe.name)
            return None
        except CallFailed as failed:
            if not failed.is_missing or time.monotonic() > deadline:
                # Who may add files to a shared drive may not always delete them: no reason not to
                # run.
                path = f"{remote.remote.rstrip('/')}/{probe.name}"
                return f"the probe file {path!r} can't be deleted: {failed.reason}"
        time.sleep(_LOOK_AGAIN_SECONDS)


def _older_probes(control: RemoteControl, remote: CheckedRemote, probe: _Probe) -> list[str]:
    """The names of those that attempts and runs before have left, which were killed."""
    if not probe.left_by:
        return []
    names = control.names_beginning_with(remote.base, probe.left_by)
    return [name for name in names if name != probe.name]
