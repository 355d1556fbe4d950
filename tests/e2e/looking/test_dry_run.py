"""``--dry-run`` says what a run would do, and leaves everything as it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import psutil

from standins.telegram.world import worlds
from standins.telegram.world.world import World
from tests.e2e.choosing.posts import POSTS, Post, put, world_of
from tests.e2e.conftest import REMOTE, Scene, SetScene, Stage
from tests.e2e.expectations import assert_on_remote, remote_files, wanted
from tests.e2e.looking.on_drive import assert_only_read
from tests.e2e.program import SOURCE, Machine
from tests.in_process import Answer, Person, run_here

TB = 10**12
NO_SESSION = {"TDL_SYNC_SESSION_STRING": None}


def everything(machine: Machine, world: World) -> dict[str, object]:
    """All that lies on the machine and on its remote, and all of Saved Messages.

    Left out are what the test itself keeps of the outputs, the empty directory that any rclone
    makes for its configuration, and SQLite's index of a log that another process left behind,
    which every reader brings up to date.
    """
    ours = [path for path in machine.directory.rglob("*") if not _is_left_out(path)]
    saved = world.saved_messages
    texts = {str(number): repr(saved.message(number)) for number in range(1, saved.newest_id() + 1)}
    files = {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in ours
        if path.is_file()
    }
    directories = {str(path): "directory" for path in ours if path.is_dir()}
    return {**files, **directories, **texts, "newest": saved.newest_id()}


def _is_left_out(path: Path) -> bool:
    own = path.parent.name == "outputs" or path.name.endswith("-shm")
    return own or path.name == ".config" or ".config" in path.parts


def test_it_says_what_would_be_moved_and_writes_nothing_anywhere(stage: Stage) -> None:
    scene = stage(world_of())
    machine, source = scene.machine, scene.world.source
    before = everything(machine, scene.world)
    ended = machine.run("-u", SOURCE, "--dry-run", "--max-disk=1M", "--takeout")
    assert (ended.exit_status, ended.said) == (0, ""), ended.stderr
    assert everything(machine, scene.world) == before
    assert not machine.data_directory.exists()
    assert not machine.staging_directory.exists()
    assert scene.telegram.statistics.counts().file_bytes == 0
    lines = ended.stdout.splitlines()
    assert lines[0] == (
        f"Stand-in: all kinds -> box:files, 'Stand-in_ all kinds [{source.chat_id}]', "
        "which would be made"
    )
    assert lines[1:] == [
        "  would move  5   122 kB",
        "    audio     1    80 kB",
        "    video     1    30 kB",
        "    photo     2    11 kB",
        "    document  1   1.0 kB",
        "    2024      5   122 kB",
        "  there       0      0 B",
        "  would fail  1   2.5 MB  larger than the disk budget",
        "  left out: sticker 1",
        "  would be named: 1_Beach.mp4",
        "  would be named: 2_invoice.PDF",
        "  would be named: 3_photo_2024-01-12_12-00-00.jpg",
        "  would be named: 4_photo_2024-01-12_12-00-00.jpg",
        "  would be named: 7_song.mp3",
        "what is too large has up to 2.5 MB: raise --max-disk above that to move it, too",
        "nothing was written; the same command without --dry-run does it",
        f"result: status=more seen={len(POSTS)} done=0 skipped=1 failed=1 bytes=0",
    ]
    # And it was right, also file by file.
    foretold = files_as_json(machine, "--max-disk=1M")
    assert [each["would"] for each in foretold].count("move") == 5
    ended = run_here(machine, "-u", SOURCE, "--max-disk=1M")
    assert ended.numbers()["failed"] == 1
    assert_on_remote(machine, (source, wanted(source, [1, 2, 3, 4, 7])))
    assert paths(foretold, "move") == {
        path.relative_to(machine.remote_directory / "files").as_posix()
        for path in remote_files(machine)
    }
    # Where it is, by the marks and, on another machine, by the listing; and what would fail.
    elsewhere = ("--data-dir", str(machine.directory / "lost"))
    for options in (("--restart",), (*elsewhere, "--restart")):
        now = files_as_json(machine, "--max-disk=1M", *options)
        assert paths(now, "there") == paths(foretold, "move")
        assert [(each["would"], each["reason"]) for each in now if each["would"] != "there"] == [
            ("fail", "larger than the disk budget"),
            ("skip", "sticker"),
        ]
        assert len(now) == len(POSTS)


def files_as_json(machine: Machine, *options: str) -> list[dict[str, Any]]:
    """Everything on standard output, which holds nothing but objects."""
    ended = run_here(machine, "-u", SOURCE, "--dry-run", "--json", *options)
    assert (ended.exit_status, ended.said) == (0, ""), ended.stderr
    assert ended.stdout.isascii()
    return [json.loads(line) for line in ended.stdout.splitlines()]


def paths(files: list[dict[str, Any]], would: str) -> set[str]:
    return {each["path"] for each in files if each["would"] == would}


def test_json_is_all_that_is_printed_whatever_is_wrong(stage: Stage) -> None:
    machine = stage(worlds.files(sizes=[10])).machine
    for words, status in (
        (["-u", "@nobody_here"], 2),
        (["-u", SOURCE, "-u", "@nobody_here"], 2),
        (["-u", SOURCE, "--nonsense"], 2),
        ([], 2),
    ):
        ended = run_here(machine, *words, "--dry-run", "--json")
        assert (ended.exit_status, ended.said != "") == (status, True)
        assert [json.loads(line)["would"] for line in ended.stdout.splitlines()] == (
            ["move"] if words[:3] == ["-u", SOURCE, "-u"] else []
        )
    ended = run_here(machine, "-u", SOURCE, "--json")
    assert "--json is for --dry-run" in ended.said
    # As a variable it is for the commands that look.
    ended = run_here(machine, "-u", SOURCE, variables={"TDL_SYNC_JSON": "yes"})
    assert ended.numbers()["done"] == 1


def test_it_goes_on_where_a_run_would_and_knows_what_is_there(stage: Stage) -> None:
    """By the marks of this machine, and by the remote's listing and the state where it has none."""
    scene = stage(world_of())
    machine, source = scene.machine, scene.world.source
    sign_in(scene)
    photos = ("-u", SOURCE, "--type=photo")
    # A process of its own: with its end no connection is left that empties the database's log.
    assert machine.run(*photos).exit_status == 0
    put(source, [Post("photo", 4_000, None, day=20), Post("audio", 10, "b.mp3", day=400)])
    before = everything(machine, scene.world)

    again = run_here(machine, *photos, "--dry-run", "--name={date:%Y}/{file_name}")
    assert again.stdout.splitlines()[-1] == (
        "result: status=more seen=2 done=0 skipped=1 failed=0 bytes=0"
    )
    assert again.stdout.splitlines()[1] == (
        "  from message 8 on, where earlier runs have ended (--restart looks at all)"
    )
    assert "  would be named: 2024/8_photo_2024-01-29_12-00-00.jpg" in again.stdout.splitlines()
    whole = run_here(machine, "-u", SOURCE, "--dry-run", "--exclude=gz", "--limit=3")
    assert "  there       2    11 kB" in whole.stdout.splitlines(), whole.stdout
    assert "  would move  3   111 kB  and then stop (--limit)" in whole.stdout.splitlines()
    assert "  left out: extension 1, sticker 1" in whole.stdout.splitlines()
    # The session of the data directory is read, too, and not written.
    by_file = run_here(machine, "-u", SOURCE, "--dry-run", variables=NO_SESSION)
    assert "  there       2    11 kB" in by_file.stdout.splitlines(), by_file.stderr
    lost = run_here(
        machine, "-u", SOURCE, "--dry-run", "--data-dir", str(machine.directory / "lost")
    )
    assert "  there       2    11 kB" in lost.stdout.splitlines()
    resumed = run_here(machine, "--resume", "--type=photo", "--dry-run")
    assert "seen=0" in resumed.stdout.splitlines()[-1]
    assert everything(machine, scene.world) == before


def test_it_looks_at_a_chat_that_a_run_is_moving(stage: Stage) -> None:
    """Also where that run was killed and left the log of its database behind."""
    scene = stage(worlds.files(sizes=[1000, 6_000_000, 1000]))
    machine = scene.machine
    running = machine.start("-u", SOURCE, "--workers=1", "--rclone-arg=--bwlimit-file=200k")
    running.wait_for("moved 1_file-1.bin")
    during = run_here(machine, "-u", SOURCE, "--dry-run")
    assert during.numbers()["done"] >= 1
    children = running.children()
    running.kill()
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert list((machine.data_directory / "marks").glob("*-wal"))
    before = everything(machine, scene.world)
    after = run_here(machine, "-u", SOURCE, "--dry-run")
    assert (after.exit_status, after.said) == (0, ""), after.stderr
    assert after.numbers()["done"] >= 1
    assert everything(machine, scene.world) == before


def test_copies_are_left_out_as_by_a_run_and_verify_does_not_miss_them(stage: Stage) -> None:
    world = world_of([Post("document", 2_000, "a.bin"), Post("photo", 5_000, None)])
    source = world.source
    source.append("again", file_of=(source, 1))
    scene = stage(world)
    options = ("-u", SOURCE, "--dedupe")
    first = run_here(scene.machine, *options, "--dry-run").stdout.splitlines()
    assert ("  would move  2   7.0 kB" in first, "  left out: duplicate 1" in first) == (True, True)
    assert run_here(scene.machine, *options).numbers()["done"] == 2
    source.append("and again", file_of=(source, 2))
    then = run_here(scene.machine, *options, "--dry-run")
    assert then.numbers() == {"seen": 1, "done": 0, "skipped": 1, "failed": 0, "bytes": 0}
    lost = run_here(
        scene.machine,
        *(*options, "--dry-run", "--restart", "--data-dir", str(scene.machine.directory / "lost")),
    )
    assert lost.numbers() == {"seen": 4, "done": 2, "skipped": 2, "failed": 0, "bytes": 0}
    assert run_here(scene.machine, "verify", *options).exit_status == 0
    assert "missing=2" in run_here(scene.machine, "verify", "-u", SOURCE).stdout


def test_what_is_wrong_is_said_as_by_a_run(stage: Stage) -> None:
    scene = stage(world_of())
    machine = scene.machine
    before = everything(machine, scene.world)
    ended = run_here(machine, "-u", SOURCE, "-u", "@nobody_has_this", "--dry-run")
    assert ended.exit_status == 2
    assert ended.said.startswith("tdl_sync: cannot read the chat '@nobody_has_this'")
    assert ended.stdout.splitlines()[-1].startswith("result: status=error seen=7 ")
    signed_out = run_here(machine, "-u", SOURCE, "--dry-run", variables=NO_SESSION)
    assert signed_out.exit_status == 4
    assert everything(machine, scene.world) == before


def test_of_more_than_the_disk_holds_the_advice_is_about_the_disk(stage: Stage) -> None:
    """And of the day of a Drive nothing is said where none is meant."""
    scene = stage(worlds.files(sizes=[800 * TB, 800 * TB]))
    ended = run_here(scene.machine, "-u", SOURCE, "--dry-run", "--max-disk=500T")
    assert ended.said.startswith("warning: --max-disk asks for 500 TB, but the disk of ")
    assert ended.said.endswith(
        " are used; free some of it, or choose a larger disk with --staging\n"
    )
    advice = "what is too large has up to 800 TB: free some of the disk, or choose a larger one"
    assert advice in ended.stdout
    assert "raise --max-disk" not in ended.stdout + ended.stderr
    assert "Drive" not in ended.stdout


def test_of_drive_only_reading_is_asked(scene: SetScene) -> None:
    """And its day is spoken of where what would be moved is more than that takes."""
    on = scene(worlds.files(sizes=[1000, 2000, *[2 * 10**9] * 400]))
    machine, all_of_it = on.machine, ("-u", SOURCE, "--remote", REMOTE)
    small = (*all_of_it, "--max-size=1M")
    day = "Google Drive takes that in 2 days at the soonest (750 GB a day)"
    ended = run_here(machine, *all_of_it, "--dry-run")
    assert day in ended.stdout.splitlines()
    ended = run_here(machine, *small, "--dry-run")
    assert ended.result["status"] == "more"
    assert "a day" not in ended.stdout
    assert_only_read(on)
    assert on.present() == []
    assert run_here(machine, *small).exit_status == 0
    on.drive.statistics.reset()
    ended = run_here(machine, *small, "--dry-run", "--restart")
    assert (ended.result["status"], ended.numbers()["done"]) == ("complete", 2)
    assert_only_read(on)


def sign_in(scene: Scene) -> None:
    """So that the session is in a file."""
    account = scene.world.account
    person = Person(
        Answer("Phone number, with the country code (+49…): ", f"+{account.phone}"),
        Answer("Code that Telegram sent you: ", account.login_code),
    )
    ended = run_here(scene.machine, "login", variables=NO_SESSION, person=person)
    assert ended.exit_status == 0, ended.stderr
