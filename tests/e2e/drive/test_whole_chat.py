"""A chat arrives on Drive: each file once, whole, in one folder, whatever Drive's habits."""

from __future__ import annotations

import json

import pytest

from standins.drive.faults import Fault
from standins.drive.files.world import DriveName
from standins.drive.shaping import Shaping
from standins.telegram.world import worlds
from tests.e2e.conftest import SetScene
from tests.e2e.expectations import assert_moved

LAG = Shaping(listing_lag_seconds=3.0)


def test_many_files_with_8_workers_into_a_path_that_is_not_there(scene: SetScene) -> None:
    """No double of a file or a folder, though a listing shows nothing that is younger than 3 s."""
    on = scene(worlds.files(sizes=[1000 + 37 * number for number in range(60)]))
    on.drive.shaping = LAG
    assert_moved(on.run("--workers", "8"), 60)
    on.assert_all_there()


def test_a_new_file_takes_three_calls_to_drive(scene: SetScene) -> None:
    """Is the name free, begin an upload, send it: no listing of folders for each file."""
    on = scene(worlds.files(sizes=[1000] * 12))
    assert_moved(on.run("--workers", "8"), 12)
    calls = on.drive.statistics.counts().calls
    probes = 1
    assert calls["upload.start"] == calls["upload.finish"] == 12 + probes
    checks = 70  # the folders, the probe and what is free, whatever the number of files
    assert sum(calls.values()) <= 3 * 12 + checks


@pytest.mark.parametrize(
    ("remote", "drive"), [("gdrive-shared:a/b", "shared"), ("gdrive-sa:a/b", "service")]
)
def test_a_shared_drive_and_a_service_account(
    scene: SetScene, remote: str, drive: DriveName
) -> None:
    on = scene(worlds.files(sizes=[0, 1000, 2000, 3000]))
    ended = on.run("--workers", "8", remote=remote)
    assert ended.exit_status == 0, ended.stderr
    on.assert_all_there(drive)


def test_lost_answers_and_lagging_listings_together(scene: SetScene) -> None:
    """Every kind of call loses some answers: what was done is found, and not done again."""
    on = scene(worlds.files(sizes=[0, *(5000 + 37 * number for number in range(15))]))
    on.drive.shaping = LAG
    for call in ("files.list", "files.create", "files.update"):
        on.drive.faults.add(Fault("answer_lost", call=call, times=2))
    for call in ("upload.multipart", "upload.start", "upload.finish"):
        on.drive.faults.add(Fault("answer_lost", call=call, times=3, after_calls=1))
    assert_moved(on.run("--workers", "4"), 16)
    on.assert_all_there()


def test_a_second_run_sends_nothing(scene: SetScene) -> None:
    """Not from the same machine, nor from one that lost everything but Saved Messages."""
    on = scene(worlds.files(sizes=[1000] * 3))
    assert_moved(on.run(), 3)
    on.drive.statistics.reset()
    assert on.run().result["status"] == "complete"
    assert on.run("--data-dir", str(on.machine.directory / "new")).result["status"] == "complete"
    assert on.drive.statistics.counts().calls.get("upload.start", 0) == 2  # one probe for each run
    on.assert_all_there()


def test_copies_are_named_in_sidecars_that_no_listing_shows_yet(scene: SetScene) -> None:
    on = scene(worlds.files(sizes=[1000] * 3))
    on.drive.shaping = LAG
    source = on.world.source
    for message_id in (1, 3, 1):
        source.append(file_of=(source, message_id))
    ended = on.run("--dedupe", "--sidecar")
    assert (ended.exit_status, ended.result["skipped"]) == (0, "3"), ended.stderr
    texts = {file.name: file.data for file in on.present() if file.name.endswith(".json")}
    assert len([file for file in on.present() if not file.is_folder]) == 6
    also_posted = {
        name: [each["message_id"] for each in json.loads(data or b"").get("also_posted", [])]
        for name, data in texts.items()
    }
    assert also_posted == {"1.json": [4, 6], "2.json": [], "3.json": [5]}
