"""A disk that somebody else fills lets the run rest or end; no file is lost, doubled or wrong."""

from __future__ import annotations

import re
import subprocess
import threading

import pytest

from standins.telegram.service.faults import CallFacts, Fault
from standins.telegram.world import worlds
from tests.contract.old_rclone import old_rclone
from tests.contract.places import OBSCURED_PASSWORD
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, remote_files, the_state, wanted
from tests.e2e.faults.small_disk import fill, small_disk
from tests.e2e.program import PATIENCE_SECONDS, SOURCE, Machine
from tests.in_process import run_here

MIB = 1024 * 1024


def names_on_remote(machine: Machine) -> set[str]:
    return {path.name for path in remote_files(machine)}


def test_downloads_rest_while_the_disk_is_full_and_uploads_go_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is filled in the midst of a file; no part is asked for twice, no attempt is counted."""
    scene = stage(worlds.files(sizes=[24 * MIB, 30 * MIB, 3 * MIB]))
    second = scene.world.source.item(2)
    assert second is not None
    in_its_midst, is_full = threading.Event(), threading.Event()
    strike = scene.telegram.faults.strike

    def standing_still(call: CallFacts) -> Fault | None:
        """The whole stand-in, so that on no machine the file is there before the disk is full."""
        if call.file_id == second.file.file_id and call.served_bytes_of_file > 8 * MIB:
            in_its_midst.set()
            is_full.wait(PATIENCE_SECONDS)
        return strike(call)

    monkeypatch.setattr(scene.telegram.faults, "strike", standing_still)
    with small_disk(scene.machine.staging_directory, 64 * MIB) as disk:
        running = scene.machine.start(
            *("-u", SOURCE, "--downloads=1", "--workers=1", "--rclone-arg=--bwlimit-file=4M")
        )
        running.wait_until(in_its_midst.is_set)
        fill(disk / "foreign")
        is_full.set()

        def rests() -> bool:
            fill(disk / "foreign")  # what an upload may have freed meanwhile
            return "downloading waits: the disk of " in running.stderr

        running.wait_until(rests)
        running.wait_for("moved 1_file-1.bin")
        # What the upload has freed is taken at once, too.
        fill(disk / "more")
        (disk / "foreign").unlink()
        ended = running.wait()
    assert_moved(ended, 3)
    assert f"the disk of {disk} is full" in ended.stderr
    assert "the disk has room again: downloads go on" in ended.log
    assert [line for line in ended.log if line.startswith("failed: ")] == []
    assert set(scene.telegram.statistics.counts().parts.values()) == {1}
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_a_full_data_directory_ends_the_run_with_one_line_and_loses_nothing(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[7 * MIB, *[MIB] * 12]))
    with small_disk(scene.machine.data_directory, 4 * MIB) as disk:
        running = scene.machine.start(
            *("-u", SOURCE, "--workers=1", "--rclone-arg=--bwlimit-file=1M")
        )
        running.wait_until(lambda: "1_file-1.bin" in names_on_remote(scene.machine))
        fill(disk / "foreign")
        ended = running.wait()
        assert (ended.exit_status, ended.result["status"]) == (75, "quota")
        assert ended.said == (
            f"tdl_sync: the done-marks in {disk / 'marks'} cannot be written: the disk is full. "
            "Make room there, then run again\n"
        )
        assert the_state(scene.world)["status"] == "quota"
        (disk / "foreign").unlink()
        moved = names_on_remote(scene.machine)
        ended = scene.machine.run("-u", SOURCE)
        assert (ended.exit_status, ended.result["status"]) == (0, "complete")
        assert moved <= names_on_remote(scene.machine)
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


@pytest.mark.parametrize(
    ("above", "rclone"), [("alias", "current"), ("alias", "oldest"), ("crypt", "current")]
)
def test_a_remote_on_a_disk_that_is_full_stops_the_run_and_says_what_is_needed(
    stage: Stage, above: str, rclone: str
) -> None:
    scene = stage(worlds.files(sizes=[MIB, 2 * MIB, 6 * MIB, *[2 * MIB] * 20]))
    machine = scene.machine
    if rclone == "oldest":
        machine.variables["TDL_SYNC_RCLONE"] = old_rclone()
    if above == "crypt":
        with machine.rclone_config.open("a") as config:
            config.write(
                "\n[secret]\ntype = crypt\nremote = box:files\nfilename_encryption = off\n"
                f"directory_name_encryption = false\npassword = {OBSCURED_PASSWORD}\n"
            )
        machine.variables["TDL_SYNC_REMOTE"] = "secret:"
    with small_disk(machine.remote_directory, 8 * MIB):
        ended = run_here(machine, "-u", SOURCE, "--workers=1")
        assert (ended.exit_status, ended.result["status"]) == (75, "quota"), ended.stderr
        # Which of the files is the first that finds no room depends on which are downloaded first.
        assert re.fullmatch(
            r"tdl_sync: the remote '.*' is full: this file needs (1\.0|2\.1|6\.3) MB and "
            r"\S+ [kM]?B are free \(.*\); make room there and start again\n",
            ended.said,
        ), ended.said
        assert [line for line in ended.log if line.startswith("failed: ")] == []
        assert [*machine.staging_directory.glob("*.staged")] != []
        larger = ["mount", "-o", f"remount,size={64 * MIB}", str(machine.remote_directory)]
        subprocess.run(larger, check=True)
        assert run_here(machine, "-u", SOURCE).result["status"] == "complete"
        if above == "alias":
            assert_on_remote(machine, (scene.world.source, wanted(scene.world.source)))
