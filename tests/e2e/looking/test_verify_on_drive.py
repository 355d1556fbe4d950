"""``verify`` where the remote has hashes, and names can be double."""

from __future__ import annotations

from standins.telegram.world import worlds
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.expectations import assert_moved
from tests.e2e.looking.on_drive import assert_only_read, path_on_drive, person_at
from tests.e2e.program import SOURCE
from tests.in_process import run_here

SIZES = [1000, 2000, 3000, 4000, 5000]
ALL_THERE = (
    "result: status=complete there=5 missing=0 wrong=0 double=0 unknown=0 by_hash=5 "
    "by_size=0 given_up=0"
)


def verify(on: DriveScene, *options: str) -> tuple[int, str]:
    """The exit status and the result line."""
    on.drive.statistics.reset()
    on.telegram.statistics.reset()
    ended = run_here(on.machine, "verify", "-u", SOURCE, "--remote", REMOTE, *options)
    assert on.telegram.statistics.counts().file_bytes == 0
    assert_only_read(on)
    return ended.exit_status, ended.stdout.splitlines()[-1]


def test_other_content_of_the_same_size_is_found_by_its_hash_and_moved_again_in_its_place(
    scene: SetScene,
) -> None:
    """Nothing is downloaded to find it, from Drive or from Telegram, and Drive makes no double."""
    on = scene(worlds.files(sizes=SIZES))
    assert_moved(run_here(on.machine, "-u", SOURCE, "--remote", REMOTE), 5)
    assert verify(on) == (0, ALL_THERE)

    person = person_at(on)
    person.succeed("deletefile", path_on_drive(on, "1_file-1.bin"))
    person.succeed("rcat", path_on_drive(on, "2_file-2.bin"), stdin=b"x" * 2000)
    person.succeed("rcat", path_on_drive(on, "3_file-3.bin"), stdin=b"cut")
    person.succeed("moveto", path_on_drive(on, "4_file-4.bin"), f"{REMOTE}/kept")
    folder = path_on_drive(on, "5_file-5.bin").rpartition("/")[0]
    person.succeed("moveto", f"{REMOTE}/kept", f"{folder}/sub/4_renamed.bin")
    wrong = (
        "result: status=failed there=2 missing=1 wrong=2 double=0 unknown=0 "
        "by_hash=2 by_size=0 given_up=0"
    )
    assert verify(on) == (3, wrong)
    assert verify(on, "--repair") == (3, wrong)

    on.drive.statistics.reset()
    person.succeed("moveto", f"{folder}/sub/4_renamed.bin", f"{folder}/4_file-4.bin")
    person.succeed("rmdir", f"{folder}/sub")
    ended = run_here(on.machine, "-u", SOURCE, "--remote", REMOTE)
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 3), ended.stderr
    on.assert_all_there()
    probe = 1
    assert on.drive.statistics.counts().calls["upload.start"] == 3 + probe
    assert verify(on) == (0, ALL_THERE)
