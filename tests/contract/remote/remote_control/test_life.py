"""rclone with its remote control lives as long as who started it, and not longer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping
from tests.contract.remote.remote_control.conftest import Start
from tests.contract.remote.remote_control.on_drive import AT_ONCE, FOLDER, OnDrive, encrypt
from tests.contract.remote.remote_control.raw_rclone import Answer, RawRclone
from tests.waiting import PATIENCE_SECONDS, in_thread, result_of, until

ROOT = Path(__file__).parents[4]
MIB = 1024 * 1024
ONE_MINUTE_SECONDS = 60

NAME = "name"

Ending = Callable[[RawRclone], None]
ENDINGS: list[Ending] = [RawRclone.close_its_input, RawRclone.kill]

PARENT = """
import json, sys, time
from tests.contract.remote.remote_control.raw_rclone import RawRclone
executable, config, environment, call = json.loads(sys.argv[1])
rclone = RawRclone(executable, config, environment).start()
connection = rclone.begin("operations/movefile", **call)
print(rclone.process.pid, flush=True)
time.sleep(600)
"""


@dataclass
class Upload:
    """A move whose bytes are on their way to the folder."""

    on_drive: OnDrive
    source: Path
    connection: HTTPConnection

    @property
    def did_not_happen(self) -> bool:
        return self.source.exists() and self.on_drive.there(f"{FOLDER}/{NAME}") == []

    @property
    def happened(self) -> bool:
        return not self.source.exists() and len(self.on_drive.there(f"{FOLDER}/{NAME}")) == 1


@pytest.fixture
def uploading(on_drive: OnDrive) -> Iterator[Upload]:
    """It would take some seconds more."""
    on_drive.start()
    folder = on_drive.make_folder(upload_cutoff="0")
    source = on_drive.stage("source", bytes(MIB))
    on_drive.drive.shaping = Shaping(total_bytes_per_second=MIB / 3)
    parameters = on_drive.of_a_move(source, folder, NAME)
    connection = on_drive.rclone.begin("operations/movefile", **parameters, _config=AT_ONCE)
    until(lambda: on_drive.drive.statistics.received_bytes > 0)
    yield Upload(on_drive, source, connection)
    connection.close()


def test_killed_in_mid_upload_it_keeps_the_source_and_leaves_nothing(uploading: Upload) -> None:
    uploading.on_drive.rclone.kill(signal.SIGKILL)

    assert uploading.on_drive.rclone.exit_status() == -signal.SIGKILL
    assert uploading.did_not_happen


@pytest.mark.parametrize("ending", ENDINGS)
def test_told_to_end_in_mid_upload_an_older_one_ends_and_a_newer_one_has_ten_seconds_more(
    uploading: Upload, ending: Ending, is_current: bool
) -> None:
    """In which it finishes what it can, as long as somebody waits for the answer."""
    ending(uploading.on_drive.rclone)
    uploading.on_drive.rclone.exit_status()

    assert uploading.happened if is_current else uploading.did_not_happen


@pytest.mark.parametrize("ending", ENDINGS)
def test_told_to_end_in_mid_upload_it_does_when_nobody_waits_for_the_answer(
    uploading: Upload, ending: Ending
) -> None:
    """So it is when who made the call and holds its input is killed."""
    ending(uploading.on_drive.rclone)
    uploading.connection.close()
    uploading.on_drive.rclone.exit_status()

    assert uploading.did_not_happen


def test_told_to_end_it_does_not_wait_for_a_job_that_nobody_waits_for(
    on_drive: OnDrive,
) -> None:
    on_drive.start()
    folder = on_drive.make_folder(upload_cutoff="0")
    source = on_drive.stage("source", bytes(MIB))
    on_drive.drive.shaping = Shaping(total_bytes_per_second=MIB / 3)
    assert on_drive.move(source, folder, NAME, _config=AT_ONCE, _async=True).succeeded
    until(lambda: on_drive.drive.statistics.received_bytes > 0)

    on_drive.rclone.close_its_input()
    on_drive.rclone.exit_status()

    assert source.exists()
    assert on_drive.there(f"{FOLDER}/{NAME}") == []


def test_told_twice_to_end_it_does(uploading: Upload) -> None:
    process = uploading.on_drive.rclone.process
    while process.poll() is None:
        process.terminate()
        time.sleep(0.05)

    assert uploading.on_drive.rclone.exit_status() == -signal.SIGTERM
    assert uploading.did_not_happen


def test_it_ends_in_mid_upload_when_who_started_it_is_killed(
    drive: DriveStandIn, executable: str, tmp_path: Path
) -> None:
    """Whose connection and whose end of the pipe the system closes."""
    source = tmp_path / "source"
    source.write_bytes(bytes(MIB))
    drive.shaping = Shaping(total_bytes_per_second=MIB / 3)
    call = {
        "srcFs": str(tmp_path),
        "srcRemote": source.name,
        "dstFs": "gdrive,upload_cutoff=0:",
        "dstRemote": NAME,
    }
    config = str(drive.rclone_config(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, json.dumps([executable, config, drive.environment(), call])],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        rclone = psutil.Process(int(parent.stdout.readline()))
        until(lambda: drive.statistics.received_bytes > 0)
        parent.kill()

        assert psutil.wait_procs([rclone], PATIENCE_SECONDS)[0] == [rclone]
    assert source.exists()
    assert drive.files("user") == []


def test_one_that_is_stopped_answers_when_it_goes_on(rclone: RawRclone) -> None:
    """Meanwhile it says nothing at all, not even what it has done so far."""
    process = psutil.Process(rclone.process.pid)
    process.suspend()
    try:
        until(lambda: process.status() == psutil.STATUS_STOPPED)
        noop = in_thread(lambda: rclone.call("rc/noop"))
        until(lambda: says_nothing_for_a_second(rclone))  # what it had said before is read
        assert not noop.done()
    finally:
        process.resume()

    assert result_of(noop).succeeded


def says_nothing_for_a_second(rclone: RawRclone) -> bool:
    """Twice as long as it takes to the next line of one that runs."""
    told = len(rclone.log)
    time.sleep(1)
    return len(rclone.log) == told


def test_rcd_does_not_end_with_its_input(executable: str) -> None:
    """Why it is not what a run starts."""
    rclone = RawRclone(executable, "", None, serve=["rcd"], control=["--rc-addr=127.0.0.1:0"])
    with rclone:
        rclone.close_its_input()
        time.sleep(1)
        assert rclone.call("rc/noop").succeeded
        rclone.kill()
        rclone.exit_status()


def test_serve_restic_ends_by_itself_without_a_greeting(executable: str, tmp_path: Path) -> None:
    """Why it is not what a run starts."""
    serve = ["serve", "restic", "--stdio", str(tmp_path)]
    with RawRclone(executable, "", None, serve=serve) as rclone:
        rclone.exit_status()


def test_each_start_has_a_port_of_its_own_choice(start: Start) -> None:
    one, other = start(), start()

    assert one.call("rc/noop").succeeded
    assert other.call("rc/noop").succeeded
    assert one.port != other.port


def test_where_it_listens_stands_in_its_log(rclone: RawRclone) -> None:
    (record,) = rclone.logged("Serving remote control on")

    assert record["msg"] == f"Serving remote control on http://127.0.0.1:{rclone.port}/"


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n", "too short"),
        ("[unclosed\n", "could not parse line: [unclosed"),
    ],
    ids=["encrypted", "broken"],
)
def test_a_configuration_that_it_cannot_read_ends_it_after_it_said_that_it_serves(
    start: Start, config: str, why: str
) -> None:
    rclone = start(config=config)

    assert rclone.exit_status() == 1
    assert rclone.logged("Serving remote control on")
    assert "Failed to load config file" in rclone.log[-1]
    assert why in rclone.log[-1]


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({}, "not allowed to ask for password"),
        ({"RCLONE_CONFIG_PASS": "another"}, "unable to decrypt configuration"),
        ({"RCLONE_PASSWORD_COMMAND": "false"}, "password command failed: exit status 1"),
    ],
    ids=str,
)
def test_an_encrypted_configuration_that_it_cannot_open_ends_it_without_a_question(
    start: Start, tmp_path: Path, variables: dict[str, str], why: str
) -> None:
    file = tmp_path / "encrypted"
    file.write_text(alias(tmp_path))
    encrypt(file, "the password")

    rclone = start(config=file.read_text(), environment=variables)

    assert rclone.exit_status() == 1
    assert why in rclone.log[-1]


@pytest.mark.parametrize(
    "variables",
    [
        {"RCLONE_CONFIG_PASS": "the password"},
        {"RCLONE_PASSWORD_COMMAND": "echo the password"},
    ],
    ids=str,
)
def test_an_encrypted_configuration_is_opened_by_what_the_environment_says(
    start: Start, tmp_path: Path, variables: dict[str, str]
) -> None:
    file = tmp_path / "encrypted"
    file.write_text(alias(tmp_path))
    encrypt(file, "the password")

    rclone = start(config=file.read_text(), environment=variables)

    assert look(rclone, "alias:").succeeded


def test_a_configuration_that_breaks_in_mid_run_changes_nothing(
    start: Start, tmp_path: Path
) -> None:
    """Not even for what is opened anew."""
    (tmp_path / "remote").mkdir()
    rclone = start(config=alias(tmp_path / "remote"))
    assert look(rclone, "alias:").succeeded

    rewrite(tmp_path / "rclone.conf", "[unclosed\n")

    assert look(rclone, "alias:").succeeded
    assert rclone.call("fscache/clear").succeeded
    assert look(rclone, "alias:").succeeded


def test_a_configuration_that_changes_in_mid_run_is_followed_by_what_is_opened_anew(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "remote").mkdir()
    rclone = start(config=alias(tmp_path / "remote"))
    assert look(rclone, "alias:").succeeded

    rewrite(tmp_path / "rclone.conf", alias(tmp_path / "nowhere"))

    assert look(rclone, "alias:").succeeded
    assert rclone.call("fscache/clear").succeeded
    answer = look(rclone, "alias:")
    assert (answer.status, answer.error) == (404, "error in ListJSON: directory not found")


def alias(directory: Path) -> str:
    return f"[alias]\ntype = alias\nremote = {directory}\n"


def look(rclone: RawRclone, remote: str) -> Answer:
    return rclone.call("operations/list", fs=remote, remote="")


def rewrite(file: Path, text: str) -> None:
    """With a time of its own, by which rclone tells that it was changed."""
    file.write_text(text)
    os.utime(file, (time.time() + 10, time.time() + 10))
