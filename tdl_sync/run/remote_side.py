"""The remotes of a run: the one rclone that reaches them, each of them proven, and what ends all
that goes to one of them. Also for a command that only looks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event

from tdl_sync.core.errors import ConfigurationError, TdlSyncError
from tdl_sync.core.stop import StopFlag, StopOfRemote
from tdl_sync.options.config import Config
from tdl_sync.remote.begun_folder import BegunFolder
from tdl_sync.remote.check import CheckedRemote, look_at_remote, prove_remote
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.program import told_of_dropped_variables
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.rclone_config import use_writable_config
from tdl_sync.remote.remote_control import RemoteControl
from tdl_sync.remote.upload_limit import UploadLimit
from tdl_sync.reporting.reporter import Reporter
from tdl_sync.transfer.disk.staging import Staging


@contextmanager
def opened_rclone(config: Config) -> Iterator[RemoteControl]:
    """For a command that is no run. Raises as ``Rclone.open``."""
    rclone = Rclone.open(config.rclone)
    try:
        yield remote_control(config, rclone)
    finally:
        rclone.close()


def remote_control(config: Config, rclone: Rclone) -> RemoteControl:
    return RemoteControl(rclone, config.places.reading)


def looked_at(config: Config, control: RemoteControl) -> dict[str, CheckedRemote]:
    """Each remote that anything goes to. Raises as ``look_at_remote``."""
    return {
        remote: look_at_remote(control, remote, must_be_drive=each.rclone.must_be_drive)
        for remote, each in config.by_remote.items()
    }


@dataclass(frozen=True)
class OpenedRemote:
    """One that was proven, and the way to it. ``stop`` ends what goes there."""

    hand_off: RcloneHandOff
    free_bytes: int | None
    most_in_folder: int | None
    cleaning: Future[tuple[str, ...]]
    stop: StopFlag


class RemoteStops:
    """What ends all that goes to a remote, for each that anything goes to. All threads may call."""

    def __init__(self, remotes: Sequence[str], run: StopFlag) -> None:
        """Of one remote it is the run's own flag; where the last of several is out, the run is."""
        self._run = run
        self._stops: dict[str, StopFlag] = {
            remote: run if len(remotes) == 1 else StopOfRemote(run, self._one_is_out)
            for remote in remotes
        }

    @property
    def are_several(self) -> bool:
        return len(self._stops) > 1

    def of(self, remote: str) -> StopFlag:
        return self._stops[remote]

    def out(self) -> dict[str, TdlSyncError]:
        """The remotes that take nothing more while the run goes on, or did when it ended, and why,
        by what they are called."""
        return {
            remote: cause
            for remote, stop in self._stops.items()
            if isinstance(cause := stop.cause, TdlSyncError) and cause.of_remote
        }

    def _one_is_out(self) -> None:
        if len(out := self.out()) == len(self._stops):
            self._run.set(list(out.values())[-1])


class OpeningRemotes:
    """``proven`` once; ``abandon`` and ``close`` from any thread."""

    def __init__(self, config: Config, stop: StopFlag, progress: Reporter) -> None:
        self._config = config
        self._stop = stop
        self._progress = progress
        self._abandoned = Event()
        self._rclone: Rclone | None = None
        self.stops = RemoteStops(tuple(config.by_remote), stop)

    def abandon(self) -> None:
        """End rclone now; what it was sending is kept and taken up next time."""
        self._abandoned.set()
        if self._rclone is not None:
            self._rclone.kill()

    def _hold(self, rclone: Rclone) -> None:
        """Before it is started, so that nothing that hangs in its start outlives the run."""
        self._rclone = rclone
        if self._abandoned.is_set():
            rclone.kill()

    def close(self) -> None:
        self._abandoned.set()
        if self._rclone is not None:
            self._rclone.close()

    def proven(self, staging: Staging) -> dict[str, OpenedRemote]:
        """All that take files, each asked for what has to be right of it. Raises as
        ``Rclone.open`` and ``prove_remote`` do, and ``Stopped``."""
        config, on_line = self._config, self._progress.message
        began_at = time.monotonic()
        for line in told_of_dropped_variables():
            on_line(line)
        rclone = Rclone.open(config.rclone, staging.lock_descriptors, self._hold)
        use_writable_config(rclone, config.places.data_dir, on_line)
        control = remote_control(config, rclone)
        UploadLimit(control, config.running.bandwidth, self._stop).begin()
        try:
            opened = {
                remote: found
                for remote, each in config.by_remote.items()
                if (found := self._opened_unless_out(each, control, staging, began_at)) is not None
            }
            self._stop.check()
            return opened
        finally:
            staging.remove_probes()

    def _opened_unless_out(
        self, config: Config, control: RemoteControl, staging: Staging, began_at: float
    ) -> OpenedRemote | None:
        """A wrong setting is told before anything is moved; what ails one remote stops others no
        more at the start than later."""
        try:
            return self._opened_remote(config, control, staging, began_at)
        except TdlSyncError as error:
            if not error.of_remote or len(self._config.by_remote) == 1:
                raise
            self.stops.of(config.task.remote).set(error)
            return None

    def _opened_remote(
        self, config: Config, control: RemoteControl, staging: Staging, began_at: float
    ) -> OpenedRemote:
        self._stop.check()
        proven = prove_remote(
            control,
            config.task.remote,
            must_be_drive=config.rclone.must_be_drive,
            begun=BegunFolder(config.places.begun_folders, config.task.remote),
            stage_probe=staging.stage_probe if staging.has_room_for_a_probe else None,
            on_line=self._progress.message,
        )
        stop = self.stops.of(config.task.remote)
        proven.cleaning.add_done_callback(partial(self._tell_of_cleaning, stop))
        pace = Pace(stop, self._progress.waiting)
        hand_off = RcloneHandOff(
            control,
            proven.remote,
            pace,
            self._progress.message,
            config.running.on_quota,
            proven.folders,
            began_at,
            others_at_work=any(
                group.task.remote == config.task.remote and not group.task.choice.shard.is_whole
                for group in self._config.groups
            ),
        )
        checked = proven.remote
        return OpenedRemote(
            hand_off, checked.free_bytes, checked.most_in_folder, proven.cleaning, stop
        )

    def _tell_of_cleaning(self, stop: StopFlag, cleaning: Future[tuple[str, ...]]) -> None:
        error = cleaning.exception()
        if error is not None and not isinstance(error, TdlSyncError):
            raise error
        if isinstance(error, ConfigurationError):
            stop.set(error)
            return
        for warning in cleaning.result() if error is None else (str(error),):
            if not stop.is_set:
                self._progress.message(f"warning: {warning}")
