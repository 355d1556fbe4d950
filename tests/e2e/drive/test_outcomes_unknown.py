"""Hand-offs of which nobody knows how they ended: never two of a file, and never a wrong one.

Drive takes its time: what was sent arrives after the end of who has sent it, and is in no listing
for some seconds more.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.rclones import rclones_below
from standins.drive.faults import Fault
from standins.drive.shaping import Shaping
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.contract.old_rclone import old_rclone
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.expectations import assert_moved, state_texts, the_state, wanted
from tests.e2e.program import ROOT, SOURCE, Machine, Running
from tests.in_process import run_here
from tests.standins.rclone_on_drive import executable
from tests.waiting import in_thread, until

PROBE = 1
SIZES = [2000, 3000, 4000]
LAGS_SECONDS = [0.0, 6.0]
KEEPS_WHAT_IS_WRONG = Fault(
    "error",
    call="files.update",
    times=None,
    status=403,
    reason="insufficientFilePermissions",
    message="The user does not have sufficient permissions for this file.",
)
"""Who may add to a shared drive, and not remove."""


@pytest.fixture(params=["newest", "oldest"])
def rclone(request: pytest.FixtureRequest) -> str:
    return f"--rclone={executable() if request.param == 'newest' else old_rclone()}"


def kill_both(running: Running) -> None:
    """The program and its rclone, as when a machine's memory is full or a container ends."""
    children = running.children()
    running.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, 30)


def has_the_last(on: DriveScene) -> bool:
    """Whether all files are downloaded, so that none is asked for twice after a kill."""
    staged = (path.name.endswith(f"_{len(SIZES)}.staged") for path in on.staged())
    return any(staged) or any(file.name.startswith(f"{len(SIZES)}_") for file in on.present())


def killed_with_a_file_on_its_way(on: DriveScene, lag_seconds: float, *arguments: str) -> None:
    """Drive has not even read the last bytes of two files when their sender is killed."""
    on.drive.statistics.reset()
    on.drive.shaping = Shaping(listing_lag_seconds=lag_seconds)
    running = on.start("--workers=2", *arguments)
    # The first upload is that of the probe.
    running.wait_until(lambda: on.drive.statistics.counts().calls.get("upload.start", 0) >= 3)
    on.drive.shaping = Shaping(call_seconds=1.0, listing_lag_seconds=lag_seconds)
    running.wait_until(lambda: has_the_last(on))
    running.wait_until(lambda: on.drive.statistics.counts().calls.get("upload.finish", 0) >= 2)
    kill_both(running)
    on.drive.shaping = Shaping(listing_lag_seconds=lag_seconds)


def served(on: DriveScene) -> int:
    return on.telegram.statistics.counts().file_bytes


@pytest.mark.parametrize("lag_seconds", LAGS_SECONDS)
def test_what_arrives_after_its_sender_was_killed_is_not_sent_again_beside_it(
    scene: SetScene, lag_seconds: float, rclone: str
) -> None:
    on = scene(worlds.files(sizes=SIZES))
    killed_with_a_file_on_its_way(on, lag_seconds, rclone)
    ended = on.run(rclone)
    assert ended.result["status"] == "complete", ended.stderr
    assert served(on) == sum(SIZES)
    on.assert_all_there()


def assert_each_once(on: DriveScene) -> None:
    """Whatever has become of the file by which a run finds out whether it may write there."""
    files = [file for file in on.present() if not file.is_folder and file.name[0] != "."]
    found = sorted((int(file.name.partition("_")[0]), file.md5) for file in files)
    assert found == [(item.message_id, item.file.md5()) for item in wanted(on.world.source)]
    assert on.staged() == []


def snapshot(machine: Machine, target: Path) -> Path:
    for directory in (machine.data_directory, machine.staging_directory):
        shutil.copytree(directory, target / directory.name)
    return target


def roll_back(machine: Machine, kept: Path) -> None:
    for directory in (machine.data_directory, machine.staging_directory):
        shutil.rmtree(directory)
        shutil.copytree(kept / directory.name, directory)


@pytest.mark.parametrize("lag_seconds", LAGS_SECONDS)
def test_so_it_is_where_the_disk_has_forgotten_that_anything_was_sent(
    scene: SetScene, lag_seconds: float, tmp_path: Path
) -> None:
    """A disk that was rolled back by some seconds; the state message was not."""
    on = scene(worlds.files(sizes=SIZES))
    on.drive.shaping = Shaping(listing_lag_seconds=lag_seconds)
    ended = on.run("--limit=1")
    assert ended.result["status"] == "more", ended.stderr
    kept = snapshot(on.machine, tmp_path / "kept")
    killed_with_a_file_on_its_way(on, lag_seconds)
    roll_back(on.machine, kept)
    assert on.run().result["status"] == "complete"
    assert_each_once(on)


def test_what_was_cancelled_by_a_stop_may_have_arrived(scene: SetScene) -> None:
    """The state message says that the run has stopped, and its own record that it had begun."""
    on = scene(worlds.files(sizes=[2000]))
    on.drive.shaping = Shaping(listing_lag_seconds=6.0)
    on.drive.statistics.reset()
    running = on.start("--grace=0s", "--sidecar")
    running.wait_until(lambda: on.drive.statistics.counts().calls.get("upload.start", 0) >= 2)
    on.drive.shaping = Shaping(call_seconds=2.0, listing_lag_seconds=6.0)
    running.wait_until(lambda: on.drive.statistics.counts().calls.get("upload.finish", 0) >= 1)
    running.signal(signal.SIGINT)
    assert running.wait().exit_status == 130
    on.drive.shaping = Shaping(listing_lag_seconds=6.0)
    assert the_state(on.world)["status"] == "stopped"
    assert on.run("--sidecar").result["status"] == "complete"
    names = sorted(file.name for file in on.present() if not file.is_folder)
    assert names == ["1.json", "1_file-1.bin"]


def test_what_a_stop_has_cut_short_is_not_sent_again_by_a_disk_that_was_rolled_back(
    scene: SetScene, tmp_path: Path
) -> None:
    """That a run was stopped is a clean end, unless its state says that it was sending."""
    on = scene(worlds.files(sizes=SIZES[:2]))
    on.drive.shaping = Shaping(listing_lag_seconds=6.0)
    assert on.run("--limit=1").result["status"] == "more"
    kept = snapshot(on.machine, tmp_path / "kept")
    # The first upload is that of the probe.
    on.drive.faults.add(Fault("answer_held", call="upload.finish", after_calls=1))
    running = on.start("--grace=0s")
    running.wait_until(lambda: "2_file-2.bin" in [each.name for each in on.present()])
    running.signal(signal.SIGINT)
    assert running.wait().exit_status == 130
    on.drive.faults.clear()
    roll_back(on.machine, kept)
    assert on.run().result["status"] == "complete"
    assert_each_once(on)


Call = Callable[..., dict[str, Any]]


def remote_control_of(rclone: psutil.Process) -> Call:
    """Who may look into its environment may do with it what the run does."""
    (port,) = {
        each.laddr.port
        for each in rclone.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    variables = rclone.environ()
    login = f"{variables['RCLONE_RC_USER']}:{variables['RCLONE_RC_PASS']}".encode()
    headers = {
        "Authorization": f"Basic {base64.b64encode(login).decode()}",
        "Content-Type": "application/json",
    }

    def call(method: str, **parameters: object) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", port)
        with contextlib.closing(connection):
            connection.request("POST", f"/{method}", json.dumps(parameters), headers)
            said: dict[str, Any] = json.load(connection.getresponse())
        return said

    return call


def cancel_what_it_does(call: Call) -> str:
    """As its own limits of time do. What it says of what was cancelled."""

    def has_ended(job: int) -> bool:
        """What has ended it forgets at once."""
        return bool(call("job/status", jobid=job).get("finished", True))

    (running,) = (job for job in call("job/list")["jobids"] if not has_ended(job))
    call("job/stop", jobid=running)
    until(lambda: has_ended(running))
    return str(call("core/stats").get("lastError"))


def test_what_rclone_has_cancelled_may_arrive_all_the_same(scene: SetScene, rclone: str) -> None:
    """A second later it is there, and some seconds after that it is listed."""
    on = scene(worlds.files(sizes=[2000]))
    on.drive.shaping = Shaping(listing_lag_seconds=6.0)

    def uploads() -> int:
        """Some versions send the tiny file of the start in one request, others in two."""
        calls = on.drive.statistics.counts().calls
        return calls.get("upload.multipart", 0) + calls.get("upload.finish", 0)

    def cancel() -> str:
        until(lambda: uploads() >= PROBE)
        (process,) = rclones_below(os.getpid())
        call = remote_control_of(process)
        on.drive.shaping = Shaping(call_seconds=1.0, listing_lag_seconds=6.0)
        until(lambda: uploads() > PROBE)
        error = cancel_what_it_does(call)
        on.drive.shaping = Shaping(listing_lag_seconds=6.0)
        return error

    cancelling = in_thread(cancel)
    ended = on.run(rclone)
    assert "context canceled" in cancelling.result()
    assert_moved(ended, 1)
    on.assert_all_there()
    assert uploads() == PROBE + 1


def test_after_a_run_that_ended_by_itself_no_hand_off_looks_first(scene: SetScene) -> None:
    """Drive's one look before it makes a file is all that a further file costs."""
    on = scene(worlds.files(sizes=[1000] * 9))
    assert on.run("--limit=2").result["status"] == "more"

    def lists(files: int) -> int:
        on.drive.statistics.reset()
        assert on.run(f"--limit={files}").numbers()["done"] == files
        return on.drive.statistics.counts().calls["files.list"]

    assert lists(1) + 3 == lists(4)


# --- what is there by name and size, and wrong ---------------------------------------------------


def test_a_bad_copy_that_nobody_could_remove_is_replaced_by_what_is_staged(
    scene: SetScene, rclone: str
) -> None:
    on = scene(worlds.files(sizes=SIZES[:1]))
    on.drive.faults.add(Fault("flipped_byte", times=None, after_calls=PROBE), KEEPS_WHAT_IS_WRONG)
    first = on.run(rclone)
    assert first.exit_status == 3, first.stderr
    assert "corrupted in transfer" in first.stderr
    (bad,) = (file for file in on.present() if not file.is_folder and file.name.startswith("1_"))
    assert bad.size_bytes == SIZES[0]
    assert len(on.staged()) == 1
    on.drive.faults.clear()
    assert_moved(on.run(rclone), 1)
    assert served(on) == SIZES[0]
    on.assert_all_there()


def test_so_it_is_when_what_was_staged_is_lost(scene: SetScene) -> None:
    """That the hand-off failed is on record: then its hash, which Drive tells, shows what is there,
    and it is downloaded once more."""
    on = scene(worlds.files(sizes=SIZES[:1]))
    on.drive.faults.add(Fault("flipped_byte", times=None, after_calls=PROBE), KEEPS_WHAT_IS_WRONG)
    assert on.run().exit_status == 3
    on.drive.faults.clear()
    (staged,) = on.staged()
    staged.unlink()
    assert_moved(on.run(), 1)
    assert served(on) == 2 * SIZES[0]
    on.assert_all_there()


def test_of_a_message_that_was_edited_while_its_file_lay_staged_the_new_file_is_moved(
    scene: SetScene,
) -> None:
    """With the same size, and a sidecar that vouches for the right bytes."""
    on = scene(worlds.files(sizes=SIZES[:1]))
    on.drive.faults.add(Fault("stall", call="upload.start", times=None, of_bytes=SIZES[0]))
    running = on.start("--sidecar")
    running.wait_until(lambda: bool(on.staged()))
    kill_both(running)
    on.drive.faults.clear()
    on.world.source.replace_file(1, FilePlan("photo", SIZES[0], None, "image/jpeg", 2))
    ended = on.run("--sidecar")
    assert_moved(ended, 1)
    (item,) = on.world.source.items()
    files = {file.name: file for file in on.present() if not file.is_folder}
    (name,) = files.keys() - {"1.json"}
    assert files[name].md5 == item.file.md5()
    sidecar = json.loads(files["1.json"].data or b"")
    assert sidecar["file"]["sha256"] == item.file.sha256()
    assert on.staged() == []


# --- a machine that slept ------------------------------------------------------------------------

OF_SHORT_LEASE = """
import sys
import tdl_sync.state.run_identity as identity
import tdl_sync.state.state_saver as saver
identity.SHORTEST_GAP_SECONDS = saver.SHORTEST_GAP_SECONDS = 1.0
from tdl_sync.cli.main import run_program
run_program()
"""
"""The program, whose lease would last for 90 s at least."""


def test_a_machine_that_slept_beyond_its_lease_sends_nothing_more_when_it_wakes(
    scene: SetScene, tmp_path: Path
) -> None:
    """Another one has taken over and completed meanwhile."""
    on = scene(worlds.files(sizes=[1_500_000]))
    slow = ("--rclone-arg=--bwlimit-file=200k", "--rclone-arg=--drive-chunk-size=256k")
    arguments = ("-u", SOURCE, "--remote", REMOTE)
    command = [sys.executable, "-c", OF_SHORT_LEASE]
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{on.machine.variables['PYTHONPATH']}"}
    first = on.machine.start(
        *arguments, "--save-interval=1s", *slow, variables=paths, command=command
    )
    first.wait_until(lambda: on.drive.statistics.counts().calls.get("upload.chunk", 0) >= 1)
    first.wait_until(lambda: any('"running"' in text for text in state_texts(on.world).values()))
    asleep = [psutil.Process(first.process.pid), *first.children()]
    for process in asleep:
        process.suspend()
    second = Machine(tmp_path / "second", on.telegram)
    second.variables.update(on.drive.environment())
    shutil.copy(on.machine.rclone_config, second.rclone_config)
    until_lapsed = time.monotonic() + 5.0
    until(lambda: time.monotonic() > until_lapsed)
    assert_moved(run_here(second, *arguments), 1)
    for process in asleep:
        with contextlib.suppress(psutil.NoSuchProcess):  # who woke first has ended it
            process.resume()
    ended = first.wait()
    assert ended.exit_status == 5, ended.stderr
    assert "uploads are broken off until that is known" in ended.stderr
    assert len(on.staged()) == 1
    assert on.run().result["status"] == "complete"
    on.assert_all_there()
