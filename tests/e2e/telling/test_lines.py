"""What a run tells on a terminal, in a log and in a file; nothing from outside drives either."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from standins.drive.faults import Fault as DriveFault
from standins.telegram.service.faults import Fault
from standins.telegram.world.world import World
from tests.e2e.choosing.posts import Post, world_of
from tests.e2e.conftest import DriveScene, SetScene, Stage
from tests.e2e.program import NOTHING_DONE, SOURCE, Machine
from tests.e2e.terminal import at_terminal
from tests.in_process import run_here

FORGED = "2024-01-01 00:00:00 forged"
HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07\x9b2J\r\n" + FORGED + "\n\N{RIGHT-TO-LEFT OVERRIDE}gpj\x00.exe"
)
PLAIN, NO_UPLOAD, NO_DOWNLOAD = 1, 2, 3
STAMPED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.*)")
CURSOR = re.compile("\x1b\\[[0-9]*[AJKm]|[\r\n]|\x1b\\[2[23];2t|\x1b]2;(?:[0-9]+ % )?[a-z_.]+\x07")
"""What the bars may send beside text: up, wipe, colours, to the beginning of a line, and the
terminal's title, in which nothing comes from outside."""

REFUSED_BYTES = 2_001
"""What Drive refuses is told by its size."""

REMOTE = "by-path:films"
BY_PATH = "\n[by-path]\ntype = alias\nremote = gdrive,upload_cutoff=0:a\n"
"""The same Drive without ids of folders: with those an attempt waits for the one before to be in
Drive's listing, if it is to be there at all."""


def hostile_world() -> World:
    world = world_of(
        [
            Post("document", 2_000, f"a {HOSTILE}", HOSTILE),
            Post("document", REFUSED_BYTES, f"b {HOSTILE}"),
            Post("document", 2_000, f"c {HOSTILE}"),
        ]
    )
    world.source.title = f"Films {HOSTILE}"
    return world


def let_things_fail(scene: DriveScene) -> None:
    """Telegram refuses one file and Drive another, in hostile words."""
    with scene.rclone_config.open("a") as config:
        config.write(BY_PATH)
    refused = scene.world.source.item(NO_DOWNLOAD)
    assert refused is not None
    text = f"EVIL_{HOSTILE}"
    fault = Fault("error", "upload.GetFile", file_id=refused.file.file_id, times=None, text=text)
    scene.telegram.faults.add(fault)
    scene.drive.faults.add(
        DriveFault(
            "error", status=403, reason="evil", message=HOSTILE, times=None, of_bytes=REFUSED_BYTES
        )
    )


@pytest.fixture
def machine(stage: Stage) -> Machine:
    return stage(world_of([])).machine


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def assert_stamped_and_harmless(lines: list[str]) -> None:
    for line in lines:
        stamped = STAMPED.fullmatch(line)
        assert stamped is not None, line
        assert line.isprintable(), line
        assert not stamped[1].startswith("forged"), line


def test_neither_telegram_nor_drive_drives_the_terminal_or_the_log_file(scene: SetScene) -> None:
    on = scene(hostile_world())
    let_things_fail(on)
    log = on.machine.directory / "run.log"
    arguments = ("-u", SOURCE, "-v", "--log-file", str(log), "--remote", REMOTE)
    with at_terminal(on.machine, *arguments, variables={"NO_COLOR": None}) as terminal:
        assert terminal.wait() == 3
    assert "\x1b[A" in terminal.sent, "there were no bars"
    assert "\x1b[31mfailed: " in terminal.sent, "there were no colours"
    assert terminal.sent.count("\x1b[22;2t") == terminal.sent.count("\x1b[23;2t") == 1
    assert CURSOR.sub("", terminal.sent).isprintable()
    for line in terminal.shown.splitlines():
        assert not line.startswith(FORGED)
    for message_id in (NO_UPLOAD, NO_DOWNLOAD):
        assert f"failed: {message_id} {message_id}_" in terminal.shown
    lines = lines_of(log)
    assert_stamped_and_harmless(lines)
    text = "\n".join(lines)
    assert f"moved {PLAIN}_a " in text
    assert "tried again in " in text
    assert "Error 403: " in text, "Drive's own words are not told"
    assert lines[-1].endswith(" " + terminal.stdout.rstrip("\n"))
    assert log.stat().st_mode & 0o777 == 0o600


def test_what_only_looks_is_driven_by_no_name_either(stage: Stage) -> None:
    scene = stage(hostile_world())
    machine = scene.machine
    assert run_here(machine, "-u", SOURCE, "--limit=1").exit_status == 0
    looks = (["chats"], ["status"], ["verify", "-u", SOURCE], ["-u", SOURCE, "--dry-run"])
    for words in looks:
        ended = run_here(machine, *words)
        assert "Films" in ended.stdout + ended.stderr, words
        for line in (ended.stdout + ended.stderr).split("\n"):
            assert line.isprintable(), (words, line)
            assert not line.startswith(FORGED), (words, line)


def objects(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_lines_as_json_say_each_step_of_each_file(scene: SetScene) -> None:
    on = scene(hostile_world())
    let_things_fail(on)
    log = on.machine.directory / "run.log"
    ended = on.run("-v", "--log-json", "--log-file", str(log), remote=REMOTE)
    assert ended.exit_status == 3
    told = objects(ended.stderr.splitlines())
    *kept, result = objects(lines_of(log))
    assert kept == told
    assert (result["event"], result["status"]) == ("result", "failed")
    assert (result["seen"], result["done"], result["failed"]) == (3, 1, 2)
    chat = on.world.source.chat_id
    for event in told:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert event["level"] in ("debug", "info", "warning", "error")
        assert event["text"].replace("\n", "").isprintable()
    steps = [event for event in told if event.get("message_id") == PLAIN]
    assert [event["event"] for event in steps] == [
        *("admitted", "download", "staged", "upload", "marked", "moved")
    ]
    for event in steps:
        assert (event["chat"], event["bytes"]) == (chat, 2_000)
        assert event["name"].startswith(f"{PLAIN}_a ")
        assert event["name"].isprintable()
    retries = [event["message_id"] for event in told if event["event"] == "retry"]
    assert NO_UPLOAD in retries
    failed = {event["message_id"]: event for event in told if event["event"] == "failed"}
    assert failed.keys() == {NO_UPLOAD, NO_DOWNLOAD}
    assert all(event["level"] == "warning" and event["reason"] for event in failed.values())


def test_a_quiet_run_says_nothing_where_nothing_is_wrong_and_its_file_all(stage: Stage) -> None:
    scene = stage(world_of([Post("document", 2_000, "a.txt"), Post("sticker", 700, "s.webp")]))
    machine = scene.machine
    log = machine.directory / "run.log"
    # As earlier runs have left it: one line more would be too much.
    log.write_bytes(b"x" * 9_999_990)
    log.chmod(0o644)
    for number in range(1, 6):
        log.with_name(f"run.log.{number}").write_text(str(number))
    ended = run_here(machine, "-u", SOURCE, "-q", "--log-file", str(log))
    assert (ended.exit_status, ended.stderr) == (0, "")
    assert ended.stdout == "result: status=complete seen=2 done=1 skipped=1 failed=0 bytes=2000\n"
    lines = lines_of(log)
    assert_stamped_and_harmless(lines)
    assert [line for line in lines if "moved 1_a.txt (2.0 kB)" in line]
    assert lines[-1].endswith(ended.stdout.rstrip("\n"))
    put_aside = log.with_name("run.log.1")
    assert [each.stat().st_mode & 0o777 for each in (log, put_aside)] == [0o600, 0o600]
    assert put_aside.stat().st_size == 9_999_990
    kept = [log.with_name(f"run.log.{number}").read_text() for number in range(2, 6)]
    assert kept == ["1", "2", "3", "4"]
    assert not log.with_name("run.log.6").exists()

    # A disk that is full takes the file's lines, and not the run.
    ended = run_here(machine, "-u", SOURCE, "--restart", "--log-file", "/dev/full")
    assert ended.exit_status == 0
    (warning,) = (line for line in ended.log if line.startswith("warning: "))
    assert warning == (
        "warning: the log file /dev/full cannot be written (No space left on device); the run "
        "goes on, and lines are missing there"
    )


def test_what_failed_for_good_is_told_once_and_then_left_to_status(stage: Stage) -> None:
    scene = stage(world_of([Post("document", 2_000, "a.txt"), Post("document", 3_000_000, "b")]))
    every_night = ("-u", SOURCE, "-q", "--max-disk=2M")
    first = run_here(scene.machine, *every_night)
    assert first.exit_status == 0
    (line,) = first.log
    assert line.startswith("failed: 2 2_b: ")
    log = scene.machine.directory / "run.log"
    for _ in range(2):
        again = run_here(scene.machine, *every_night, "--log-file", str(log))
        assert (again.exit_status, again.stderr) == (0, "")
        (line,) = (line for line in lines_of(log)[-3:] if "nothing new" in line)
        assert line.endswith(
            f" {scene.world.source.title}: nothing new; 1 file (2.0 kB) is there, "
            "1 failed for good, as before"
        )
    (folder,) = (scene.machine.remote_directory / "files").iterdir()
    (moved_away,) = folder.iterdir()
    moved_away.rename(scene.machine.directory / "elsewhere")
    again = run_here(scene.machine, *every_night[:2], "--max-disk=2M")
    assert "; of 1 file (2.0 kB) that earlier runs have moved none is there now" in again.stderr
    status = run_here(scene.machine, "status").stdout
    assert "larger than the disk budget" in status
    moved = run_here(scene.machine, "-u", SOURCE, "-q", "--max-disk=8M")
    assert (moved.stderr, moved.numbers()["done"]) == ("", 1)


def test_what_ends_a_run_before_it_begins_is_in_the_log_file_and_json_too(
    machine: Machine,
) -> None:
    log = machine.directory / "run.log"
    told = ("--log-json", "--log-file", str(log))
    no_session = {"TDL_SYNC_SESSION_STRING": None}
    ended = run_here(machine, "-u", SOURCE, *told, variables=no_session)
    assert ended.exit_status == 4
    last = objects(ended.stderr.splitlines())[-1]
    assert (last["event"], last["level"], last["exit_status"]) == ("error", "error", 4)
    *_, error, result = objects(lines_of(log))
    assert error == last
    assert result["event"] == "result"

    # Even a command line that can't be understood says where that is to be told.
    ended = run_here(machine, "-u", SOURCE, "--workers=many", *told)
    assert ended.exit_status == 2
    (error,) = objects(ended.stderr.splitlines())
    assert error["text"].startswith("--workers: expected a whole number")
    *_, kept, result = objects(lines_of(log))
    assert (kept, result["event"], result["status"]) == (error, "result", "error")


def test_a_log_file_that_cannot_be_written_is_said_at_the_start(machine: Machine) -> None:
    ended = run_here(machine, "-u", SOURCE, "--log-file", "/nowhere/run.log")
    assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE)
    assert ended.stderr == (
        "tdl_sync: --log-file: '/nowhere/run.log' cannot be written (No such file or directory); "
        "name a file in a directory that exists and is yours\n"
    )
    inside = str(machine.staging_directory / "run.log")
    ended = run_here(machine, "-u", SOURCE, "--log-file", inside)
    assert ended.exit_status == 2
    assert f"--log-file {inside!r} is in the staging directory" in ended.stderr
