"""A folder on Drive that takes no more files: further ones go into numbered folders in it."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest

from standins.drive.refusals import refusal
from standins.telegram.world import worlds
from tdl_sync.remote import check
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.drive.six_files import FILES, PROBE, six_files
from tests.e2e.expectations import assert_moved
from tests.e2e.program import SOURCE
from tests.in_process import run_here


def folders_of_files(on: DriveScene) -> Counter[str]:
    """How much is in each folder below the chat's, by its path from there."""
    files = [each for each in on.present() if not each.is_folder]
    return Counter("/".join(each.path.split("/")[3:-1]) for each in files)


def test_more_than_its_bound_goes_into_numbered_folders_which_every_command_finds(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a machine that knows nothing but what the remote lists."""
    monkeypatch.setattr(check, "MOST_IN_DRIVE_FOLDER", 6)
    on = scene(worlds.files(sizes=[1000] * 9))
    sidecars = ("--sidecar", "--workers", "1")
    dry = run_here(on.machine, "-u", SOURCE, "--remote", REMOTE, *sidecars, "--dry-run", "--json")
    ran = on.run(*sidecars, "--limit", "4")
    assert ran.numbers()["done"] == 4
    assert folders_of_files(on) == {"": 6, "part 2": 2}

    shutil.rmtree(on.machine.data_directory)
    shutil.rmtree(on.machine.staging_directory)
    ran = on.run(*sidecars, "--restart")
    assert ran.exit_status == 0
    assert ran.numbers()["done"] == 9
    assert folders_of_files(on) == {"": 6, "part 2": 6, "part 3": 6}
    names = Counter(each.name for each in on.present() if not each.is_folder)
    assert set(names.values()) == {1}
    told = [json.loads(line)["path"] for line in dry.stdout.splitlines()]
    by_folder = Counter("/".join(path.split("/")[1:-1]) for path in told)
    assert by_folder == {"": 3, "part 2": 3, "part 3": 3}

    looked = run_here(on.machine, "verify", "-u", SOURCE, "--remote", REMOTE)
    assert looked.exit_status == 0, looked.stdout
    assert "there=9 missing=0 wrong=0 double=0 unknown=0 by_hash=9" in looked.stdout


@pytest.mark.parametrize("options", [(), ("--sidecar",)], ids=["files", "with sidecars"])
def test_a_folder_that_drive_itself_calls_full_is_no_reason_to_stop(
    scene: SetScene, options: tuple[str, ...]
) -> None:
    """Other machines may have filled it, and have made the next one. Nothing is there twice."""
    on = six_files(scene)
    assert on.run("--limit", "1", *options).numbers()["done"] == 1
    chat = next(each for each in on.present() if each.path.count("/") == 2 and each.is_folder)
    on.drive.put_file(on.drive.put_folder(chat.file_id, "part 2"), "99_other", b"other")
    on.drive.most_in_folder = 4 * (1 + len(options))
    ran = on.run(*options)
    assert ran.exit_status == 0, ran.stderr
    assert ran.numbers()["done"] == FILES - 1
    there = folders_of_files(on)
    assert set(there) >= {"", "part 2"}
    assert sum(there.values()) == FILES * (1 + len(options)) + 1
    assert max(there.values()) <= on.drive.most_in_folder


def test_where_a_new_folder_is_refused_as_well_the_run_ends_and_says_why(scene: SetScene) -> None:
    on = six_files(scene)
    reason = "numChildrenInNonRootLimitExceeded"
    on.drive.faults.add(refusal(reason, call="upload.start", after_calls=PROBE))
    ended = on.run("--workers", "1")
    assert ended.exit_status == 2
    (line,) = ended.said.splitlines()
    assert "as many files in the chat's folder" in line
    assert "called 'part 2'" in line
    assert reason in line
    assert [times for _, times in on.drive.faults.strikes()] == [2]
    assert on.staged() != []
    on.drive.faults.clear()
    assert_moved(on.run(), FILES)
