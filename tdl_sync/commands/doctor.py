"""``doctor``: looks at everything that a run needs, part by part, and says how to mend it.

It asks the same questions as a run and in the same way; what is wrong with one part keeps no
other from being looked at.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil

from tdl_sync.core.errors import EXIT_COMPLETE, EXIT_USAGE, ConfigurationError, TdlSyncError
from tdl_sync.core.text import human_bytes, printable
from tdl_sync.options.config import Config
from tdl_sync.remote.begun_folder import BegunFolder
from tdl_sync.remote.check import StageProbe, check_remote, configured_types
from tdl_sync.remote.program import dotted, find_program, told_of_dropped_variables
from tdl_sync.remote.rclone_config import is_writable, use_writable_config
from tdl_sync.remote.remote_control import RemoteControl
from tdl_sync.run.remote_side import opened_rclone
from tdl_sync.run.telegram_session import make_data_dir, telegram_client
from tdl_sync.telegram.session import decryption
from tdl_sync.transfer.disk.staging import Staging

if TYPE_CHECKING:
    from tdl_sync.telegram.session.client import TelegramClient

OLDEST_PYTHON = (3, 10)


@dataclass(frozen=True)
class Finding:
    """What was found about one part. ``exit_status`` is 0 where all is right."""

    part: str
    text: str
    exit_status: int = EXIT_COMPLETE

    def line(self) -> str:
        verdict = "right" if self.exit_status == EXIT_COMPLETE else "WRONG"
        return f"{verdict}  {self.part}: {printable(self.text)}"

    def record(self) -> dict[str, Any]:
        """For ``--json``; the keys are documented in docs/looking.md."""
        return {
            "part": self.part,
            "right": self.exit_status == EXIT_COMPLETE,
            "text": self.text,
            "exit_status": self.exit_status,
        }


def examine(config: Config) -> Iterator[Finding]:
    """One finding for each part, as soon as it is known. Raises only what is a bug."""
    yield _finding("Python", _python)
    yield _finding("tgcrypto", _tgcrypto)
    yield _finding("data directory", lambda: _data_directory(config))
    yield _finding("staging disk", lambda: _staging_disk(config))
    yield from _rclone_and_remote(config)
    yield from _telegram(config)


def _finding(part: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(part, look())
    except TdlSyncError as error:
        return Finding(part, str(error), error.exit_status)


def _python() -> str:
    if sys.version_info < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        raise ConfigurationError(
            f"this is {platform.python_version()}, and at least {needed} is needed; install a "
            "newer Python and run the program with it"
        )
    return f"{platform.python_version()} ({sys.executable})"


def _tgcrypto() -> str:
    if importlib.util.find_spec("tgcrypto") is None:
        raise ConfigurationError(
            "it is missing, and without it decryption runs at 0.4 MB/s; install it: "
            "python3 -m pip install tgcrypto-pyrofork"
        )
    used = decryption.in_use()
    hint = " (cryptg does that faster: python3 -m pip install cryptg)"
    return f"installed; {used} decrypts{hint if used == 'tgcrypto' else ''}"


def _data_directory(config: Config) -> str:
    lines = make_data_dir(config.places)
    free_bytes = psutil.disk_usage(str(config.places.data_dir)).free
    return "; ".join([f"{config.places.data_dir}, {human_bytes(free_bytes)} free", *lines])


def _staging_disk(config: Config) -> str:
    staging = Staging.open(config.places.staging_dir, config.running.max_disk_bytes)
    staging.close()
    left = f", {len(staging.leftovers)} files of earlier runs in it" if staging.leftovers else ""
    room = staging.warning or f"{human_bytes(staging.budget_bytes)} in {staging.directory}{left}"
    return "; ".join([room, *staging.lines])


def _rclone_and_remote(config: Config) -> Iterator[Finding]:
    try:
        # By a process of its own: whatever is wrong with its configuration is another part.
        program, version = find_program(replace(config.rclone, config_file=None))
    except TdlSyncError as error:
        yield Finding("rclone", str(error), error.exit_status)
        return
    yield Finding("rclone", f"{dotted(version)} ({program.executable})")
    with ExitStack() as closing:
        try:
            control = closing.enter_context(opened_rclone(config))
            text = _rclone_configuration(control, config)
        except TdlSyncError as error:
            yield Finding("rclone's configuration", str(error), error.exit_status)
            return
        yield Finding("rclone's configuration", text)
        for each in config.by_remote.values():
            yield _finding("remote", partial(_remote, control, each))


def _rclone_configuration(control: RemoteControl, config: Config) -> str:
    used = control.rclone.config_file
    notes = [line.removeprefix("warning: ") for line in told_of_dropped_variables()]
    if used is not None and not is_writable(used):
        notes.append("it can't be written: renewed tokens go into a copy")
    use_writable_config(control.rclone, config.places.data_dir, lambda line: None)
    types = configured_types(control.sections())
    remotes = ", ".join(f"{name}: ({kind})" for name, kind in sorted(types.items())) or "no remote"
    where = used or "none yet, `rclone config` makes one"
    return "; ".join([f"{where}: {remotes}", *notes])


def _remote(control: RemoteControl, config: Config) -> str:
    with _staging_for_a_probe(config) as stage_probe:
        remote = check_remote(
            control,
            config.task.remote,
            must_be_drive=config.rclone.must_be_drive,
            begun=BegunFolder(config.places.begun_folders, config.task.remote),
            stage_probe=stage_probe,
        )
    free = "" if remote.free_bytes is None else f", {human_bytes(remote.free_bytes)} free"
    return "; ".join([f"{remote.remote} takes files{free}", *remote.warnings])


@contextmanager
def _staging_for_a_probe(config: Config) -> Iterator[StageProbe | None]:
    """None where there is no staging directory to be had, which is said of its own part."""
    try:
        staging = Staging.open(config.places.staging_dir, config.running.max_disk_bytes)
    except TdlSyncError:
        yield None
        return
    try:
        yield staging.stage_probe if staging.has_room_for_a_probe else None
    finally:
        staging.remove_probes()
        staging.close()


def _telegram(config: Config) -> Iterator[Finding]:
    lines: list[str] = []
    with telegram_client(config.telegram, lines.append) as client:
        session = _finding("Telegram session", lambda: _session(client))
    yield session
    if session.exit_status != EXIT_COMPLETE:
        return
    wrong_clocks = [line.removeprefix("warning: ") for line in lines if "machine's clock" in line]
    if wrong_clocks:
        yield Finding("clock", wrong_clocks[0], EXIT_USAGE)
    else:
        yield Finding("clock", "agrees with Telegram's")


def _session(client: TelegramClient) -> str:
    client.start()
    return f"signed in, account {client.account_id}"
