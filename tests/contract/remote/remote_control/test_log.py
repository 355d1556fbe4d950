"""What rclone says while it works."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from rclone_python.utils import extract_rclone_progress

from standins.drive.faults import Fault
from standins.drive.shaping import Shaping
from tests.contract.remote.remote_control.conftest import Start
from tests.contract.remote.remote_control.on_drive import AT_ONCE, OnDrive
from tests.contract.remote.remote_control.raw_rclone import RawRclone
from tests.waiting import in_thread, result_of, until

MIB = 1024 * 1024
MANY = 300


def files(directory: Path, count: int) -> Path:
    directory.mkdir()
    for number in range(count):
        (directory / f"{number} {'n' * 100}").touch()
    return directory


def test_a_log_that_nobody_reads_stops_it(rclone: RawRclone) -> None:
    """Every call, until it is read again."""
    rclone.stop_reading_its_log()

    noops = in_thread(lambda: [rclone.call("rc/noop", text="n" * 100) for _ in range(MANY)])

    with pytest.raises(AssertionError, match="nothing came back"):
        result_of(noops, seconds=2)
    rclone.read_its_log_again()
    assert all(answer.succeeded for answer in result_of(noops))


def test_a_long_listing_is_one_line_of_its_log(rclone: RawRclone, tmp_path: Path) -> None:
    directory = files(tmp_path / "many", 2000)

    answer = rclone.call("operations/list", fs=str(directory), remote="")

    assert len(answer.said["list"]) == 2000
    until(lambda: any("operations/list" in line and "reply" in line for line in rclone.log))
    assert max(map(len, rclone.log)) > 10_000


def test_the_progress_of_moves_in_the_global_group_is_told_by_the_source_s_name(
    on_drive: OnDrive,
) -> None:
    """All in one line, which the library reads."""
    on_drive.start()
    folder = on_drive.make_folder(upload_cutoff="0", chunk_size="256k")
    on_drive.drive.shaping = Shaping(total_bytes_per_second=MIB)
    names = ["1.staged", "2.staged"]
    sources = [on_drive.stage(name, bytes(MIB)) for name in names]
    moves = [
        in_thread(partial(on_drive.move, source, folder, "name", _group="global_stats"))
        for source in sources
    ]
    for move in moves:
        assert result_of(move).succeeded

    on_drive.rclone.catch_up_with_its_log()
    told = [
        {task["name"] for task in progress["rclone_output"]["transferring"]}
        for line in on_drive.rclone.log
        if '"transferring"' in line
        for progress in [extract_rclone_progress(line)[1]]
        if progress
    ]
    assert set(names) in told


def test_the_progress_of_other_moves_is_not_told(on_drive: OnDrive) -> None:
    on_drive.start()
    folder = on_drive.make_folder(upload_cutoff="0", chunk_size="256k")
    on_drive.drive.shaping = Shaping(total_bytes_per_second=MIB)

    assert on_drive.move(on_drive.stage("source", bytes(MIB)), folder, "name").succeeded

    on_drive.rclone.catch_up_with_its_log()
    assert not any('"transferring"' in line for line in on_drive.rclone.log)


def test_why_it_tries_a_call_again_is_told_without_a_name(on_drive: OnDrive) -> None:
    on_drive.start()
    folder = on_drive.make_folder()
    on_drive.drive.faults.add(Fault("rate_limit", call="files.list", times=1))

    assert on_drive.look(folder).succeeded

    on_drive.rclone.catch_up_with_its_log()
    told = on_drive.rclone.logged("low level retry 1/10")
    reason = "googleapi: Error 403: Rate Limit Exceeded, rateLimitExceeded"
    assert [(one["object"], one["level"]) for one in told] == [("pacer", "debug")]
    assert told[0]["msg"] == f"low level retry 1/10 (error {reason})"


def test_why_it_failed_is_told_with_the_source_s_name(on_drive: OnDrive) -> None:
    on_drive.start()
    folder = on_drive.make_folder()
    on_drive.drive.faults.add(Fault("rate_limit", call="upload", times=None))

    answer = on_drive.move(on_drive.stage("source"), folder, "name", _config=AT_ONCE)

    until(lambda: bool(on_drive.rclone.logged('rc: "operations/movefile": error: ')))
    (failed,) = on_drive.rclone.logged("Failed to copy: ")
    assert (failed["level"], failed["object"]) == ("error", "source")
    assert failed["msg"] == f"Failed to copy: {answer.error}"
    (last,) = on_drive.rclone.logged('rc: "operations/movefile": error: ')
    assert last["msg"] == f'rc: "operations/movefile": error: {answer.error}'


def test_its_version_and_its_configuration_stand_in_its_log(start: Start, tmp_path: Path) -> None:
    rclone = start(config="[x]\ntype = alias\nremote = /\n")
    assert rclone.call("rc/noop").succeeded
    version = rclone.call("core/version").said["version"]

    (said,) = rclone.logged(f'Version "{version}" starting with parameters')
    assert said["object"] == "rclone"
    until(lambda: bool(rclone.logged("Using config file from ")))
    (config,) = rclone.logged("Using config file from ")
    assert config["msg"] == f"Using config file from {json.dumps(str(tmp_path / 'rclone.conf'))}"
