"""The remotes of a run: the one rclone that reaches them, the proof of each, and what ends all
that goes to one of them. Also for a command that only looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event

from tdl_sync.core.errors import ConfigurationError, Stopped, TdlSyncError
from tdl_sync.core.operating_system import steady_seconds
from tdl_sync.core.ports import SavedMessages
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.core.stop import StopFlag, StopOfRemote
from tdl_sync.options.config import Config
from tdl_sync.remote.begun_folder import BegunFolder
from tdl_sync.remote.check import CheckedRemote, ProvenRemote, begin_proof, look_at_remote
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.one_of_several import Others
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.program import told_of_dropped_variables
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.rclone_config import use_writable_config
from tdl_sync.remote.remote_control import RemoteControl
from tdl_sync.remote.upload_limit import UploadLimit
from tdl_sync.reporting.reporter import Reporter
from tdl_sync.state.folder_claim import FolderClaim
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.run_state import RunIdentity
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


SavedMessagesSoon = Callable[[], SavedMessages | None]
"""``None`` where Telegram is not there in time. It waits, and raises nothing."""


class ClaimOfFolder:
    """That of a run on the folder of one remote, if there is any need for it. Any thread."""

    def __init__(
        self,
        remote: str,
        shard: Shard,
        run: RunIdentity,
        saved_messages: SavedMessagesSoon,
        on_line: Callable[[str], None],
    ) -> None:
        """``shard`` is one that is moved there: runs of others are to be expected then."""
        self._remote = remote
        self._shard = shard
        self._run = run
        self._saved_messages = saved_messages
        self._on_line = on_line
        self._claim: FolderClaim | None = None
        self._is_needed = True

    def others(self) -> Others:
        """What is known of other machines that may make it now. Raises ``Stopped``."""
        saved_messages = self._saved_messages()
        if saved_messages is None:
            return Others()
        self._drop()  # an earlier try's
        claim = self._claim = FolderClaim(saved_messages, self._remote, self._run, self._shard)
        asked_at = steady_seconds()
        try:
            runs = claim.take()
        finally:
            if not self._is_needed:  # it was on its way when it was released
                claim.release()
        if runs is None:
            return Others()
        if not runs.are_there:
            return Others.none(asked_at) if self._shard.is_whole else Others()
        if runs.may_be_alone:
            self._on_line(
                f"nothing is in {self._remote!r} yet, and another run of this account is at work: "
                "waiting for the folder that it may make"
            )
        return Others.before_us(
            steady_seconds(),
            may_be_alone=runs.may_be_alone,
            may_have_made_it=runs.may_have_made_it,
        )

    def release(self) -> None:
        """The chat is claimed, or there is none. Quick."""
        self._is_needed = False
        self._drop()

    def _drop(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()


@dataclass(frozen=True)
class OpenedRemote:
    """One that is there, and the way to it. ``stop`` ends what goes there.

    ``proof`` goes on beside what is asked of Telegram meanwhile; nothing is put there before it has
    ended, and what it fails of ends all.
    """

    hand_off: RcloneHandOff
    most_in_folder: int | None
    proof: Future[ProvenRemote]
    stop: StopFlag
    folder_claim: ClaimOfFolder

    def wait_until_proven(self) -> None:
        """Raises ``Stopped`` where it can't be proven, too."""
        _wait_until_proven(self.proof, self.stop)

    def wait_until_cleaned(self) -> None:
        """Until the proof is removed again, or the run stops."""
        self.stop.wait_beside(self.proof)
        if self.proof.done() and self.proof.exception() is None:
            self.stop.wait_beside(self.proof.result().cleaning)

    def free_bytes(self) -> int | None:
        """``None`` where the remote does not say. Waits for the proof, as the others do."""
        self.wait_until_proven()
        return self.proof.result().remote.free_bytes


def _wait_until_proven(proof: Future[ProvenRemote], stop: StopFlag) -> None:
    stop.wait_beside(proof)
    if proof.done() and proof.exception() is None:
        return  # what has stopped all that goes there came later
    stop.check()
    proof.result()


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
    """``found`` once; ``abandon`` and ``close`` from any thread."""

    def __init__(
        self,
        config: Config,
        stop: StopFlag,
        progress: Reporter,
        saved_messages: SavedMessagesSoon,
    ) -> None:
        self._config = config
        self._stop = stop
        self._progress = progress
        self._saved_messages = saved_messages
        self._run = this_run(config.running.save_interval_seconds)
        self._claims: list[ClaimOfFolder] = []
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

    def release_claims(self) -> None:
        """Those that no chat's claim has replaced. Quick."""
        for claim in self._claims:
            claim.release()

    def close(self) -> None:
        self._abandoned.set()
        if self._rclone is not None:
            self._rclone.close()

    def found(self, staging: Staging) -> dict[str, OpenedRemote]:
        """All that take files, each asked for what has to be right of it; the proof that it takes
        them goes on, unless there are several: they share an rclone, which one that is looked at
        may have started anew. Raises as ``Rclone.open`` and ``begin_proof`` do, and ``Stopped``."""
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
        except BaseException:
            staging.remove_probes()
            raise

    def _opened_unless_out(
        self, config: Config, control: RemoteControl, staging: Staging, began_at: float
    ) -> OpenedRemote | None:
        """A wrong setting is told before anything is moved; what ails one remote stops others no
        more at the start than later."""
        are_several = len(self._config.by_remote) > 1
        try:
            opened = self._opened_remote(config, control, staging, began_at)
            if are_several:
                opened.proof.result()
        except TdlSyncError as error:
            if not error.of_remote or not are_several:
                raise
            self.stops.of(config.task.remote).set(error)
            return None
        return opened

    def _opened_remote(
        self, config: Config, control: RemoteControl, staging: Staging, began_at: float
    ) -> OpenedRemote:
        self._stop.check()
        remote, on_line = config.task.remote, self._progress.message
        shards = {
            each.task.choice.shard for each in self._config.groups if each.task.remote == remote
        }
        shard = next((each for each in shards if not each.is_whole), WHOLE)
        claim = ClaimOfFolder(remote, shard, self._run, self._saved_messages, on_line)
        self._claims.append(claim)
        begun = begin_proof(
            control,
            remote,
            must_be_drive=config.rclone.must_be_drive,
            begun=BegunFolder(config.places.begun_folders, remote),
            stage_probe=staging.stage_probe if staging.has_room_for_a_probe else None,
            on_line=on_line,
            others=claim.others,
        )
        stop = self.stops.of(remote)
        begun.proof.add_done_callback(partial(self._proof_ended, stop, staging))
        hand_off = RcloneHandOff(
            control,
            begun.remote,
            Pace(stop, self._progress.waiting),
            on_line,
            config.running.on_quota,
            begun.folders,
            began_at,
            others_at_work=not shard.is_whole,
            before_making=partial(_wait_until_proven, begun.proof, stop),
        )
        return OpenedRemote(hand_off, begun.remote.most_in_folder, begun.proof, stop, claim)

    def _proof_ended(self, stop: StopFlag, staging: Staging, proof: Future[ProvenRemote]) -> None:
        """What it has failed of ends whatever is waited for meanwhile, and so is told first."""
        staging.remove_probes()
        error = proof.exception()
        if error is None:
            proof.result().cleaning.add_done_callback(partial(self._tell_of_cleaning, stop))
        elif not isinstance(error, Stopped):
            stop.set(error)

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
