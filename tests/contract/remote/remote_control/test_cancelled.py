"""What becomes of a move whose answer nobody hears."""

from __future__ import annotations

from http.client import HTTPException

import pytest

from standins.drive.faults import Fault
from standins.drive.shaping import Shaping
from tests.contract.remote.remote_control.on_drive import AT_ONCE, FOLDER, OnDrive
from tests.waiting import until

MIB = 1024 * 1024
PATH = f"{FOLDER}/name"


def test_a_closed_connection_cancels_the_move_and_its_source_is_kept(on_drive: OnDrive) -> None:
    on_drive.start()
    folder = on_drive.make_folder(upload_cutoff="0", chunk_size="256k")
    source = on_drive.stage("source", bytes(MIB))
    on_drive.drive.shaping = Shaping(total_bytes_per_second=MIB / 16)
    connection = on_drive.rclone.begin(
        "operations/movefile", **on_drive.of_a_move(source, folder, "name"), _config=AT_ONCE
    )
    until(lambda: on_drive.calls.get("upload.chunk", 0) > 0)

    connection.close()

    until(lambda: bool(on_drive.rclone.logged('rc: "operations/movefile": error: ')))
    assert on_drive.rclone.logged("context canceled")
    assert source.exists()
    assert on_drive.there(PATH) == []


def test_a_cancelled_move_keeps_its_source_though_its_file_has_arrived(on_drive: OnDrive) -> None:
    on_drive.start()
    folder = on_drive.make_folder()
    source = on_drive.stage("source")
    on_drive.drive.faults.add(Fault("answer_held", call="upload.multipart"))
    connection = on_drive.rclone.begin(
        "operations/movefile", **on_drive.of_a_move(source, folder, "name"), _config=AT_ONCE
    )
    until(lambda: len(on_drive.there(PATH)) == 1)

    connection.close()

    until(lambda: bool(on_drive.rclone.logged('rc: "operations/movefile": error: ')))
    assert source.exists()


def test_an_answer_is_cut_when_the_server_s_time_is_over_and_the_move_goes_on(
    on_drive: OnDrive,
) -> None:
    """The time is an hour where nothing else is said."""
    on_drive.start("--rc-server-write-timeout=1s")
    folder = on_drive.make_folder(upload_cutoff="0", chunk_size="256k")
    source = on_drive.stage("source", bytes(MIB))
    on_drive.drive.shaping = Shaping(total_bytes_per_second=MIB / 2)

    with pytest.raises((HTTPException, OSError)):
        on_drive.move(source, folder, "name", _config=AT_ONCE)

    until(lambda: not source.exists())
    assert len(on_drive.there(PATH)) == 1


def test_the_server_s_times_may_be_weeks(on_drive: OnDrive) -> None:
    on_drive.start("--rc-server-write-timeout=1000h", "--rc-server-read-timeout=1000h")
    folder = on_drive.make_folder()

    assert on_drive.move(on_drive.stage("source"), folder, "name").succeeded


def test_an_asynchronous_job_is_forgotten_some_time_after_its_end(on_drive: OnDrive) -> None:
    """A minute where nothing else is said."""
    on_drive.start("--rc-job-expire-duration=200ms", "--rc-job-expire-interval=100ms")
    folder = on_drive.make_folder()
    source = on_drive.stage("source")

    job = on_drive.move(source, folder, "name", _async=True).said["jobid"]

    until(lambda: not source.exists())
    until(lambda: not on_drive.call("job/status", jobid=job).succeeded)
    answer = on_drive.call("job/status", jobid=job)
    assert (answer.status, answer.error) == (500, "job not found")
