"""``--exec`` and ``--exec-file``: the user's own programs are told, and can't harm the run."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import psutil

from standins.telegram.world import worlds
from tests.e2e.choosing.posts import Post, world_of
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, remote_files
from tests.e2e.program import NOTHING_DONE, REMOTE, SOURCE
from tests.in_process import run_here
from tests.waiting import until

TELLS = """
import json, os, sys
with open(sys.argv[1], "a") as told:
    told.write(json.dumps({"arguments": sys.argv[2:], **os.environ}) + "\\n")
"""

HOSTILE = "a$(touch pwned)`id`;'\"\n\u202ereverse.mp4"


def teller(directory: Path, *arguments: str) -> tuple[str, Path]:
    """A command that notes what it is told, and where."""
    program, told = directory / "tells.py", directory / "told"
    program.write_text(TELLS)
    return shlex.join([sys.executable, "-S", str(program), str(told), *arguments]), told


def told_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_moved_file_and_the_end_are_told_by_variables_and_no_secret_is(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(world_of([Post("video", 30_000, HOSTILE), Post("document", 1_000, "b.pdf")]))
    command, told = teller(tmp_path, "$SYNC_NAME", "a b")
    ended = run_here(
        scene.machine,
        *("-u", SOURCE, "--exec-file", command, "--exec", command),
        variables={"TDL_SYNC_NOTIFY": "no", "RCLONE_RC_PASS": "secret", "MINE": "stays"},
    )
    assert_moved(ended, 2)
    assert "hooks_failed" not in ended.stdout
    *files, end = told_in(told)
    assert len(files) == 2
    for about in (*files, end):
        assert about["arguments"] == ["$SYNC_NAME", "a b"]
        assert about["MINE"] == "stays"
        assert not any(name.startswith(("TDL_SYNC_", "RCLONE_RC_")) for name in about)
    on_remote = {path.name: path for path in remote_files(scene.machine)}
    for about in files:
        assert (about["SYNC_EVENT"], about["SYNC_RESULT"]) == ("file", "done")
        there = on_remote[about["SYNC_NAME"]]
        assert about["SYNC_PATH"] == f"{REMOTE}/{there.parent.name}/{there.name}"
        assert int(about["SYNC_BYTES"]) == there.stat().st_size
        assert about["SYNC_CHAT_ID"] == str(scene.world.source.chat_id)
        assert about["SYNC_LINK"].startswith("https://t.me/stand_in_source/")
    assert {about["SYNC_MESSAGE_ID"] for about in files} == {"1", "2"}
    assert (end["SYNC_EVENT"], end["SYNC_RESULT"]) == ("run", "complete")
    assert (end["SYNC_MOVED"], end["SYNC_FAILED"], end["SYNC_HOOKS_FAILED"]) == ("2", "0", "0")
    assert "has moved everything" in end["SYNC_TEXT"]
    assert not list(tmp_path.rglob("pwned"))


def test_where_a_file_is_is_told_as_rclone_takes_it(stage: Stage, tmp_path: Path) -> None:
    """A slash after the colon would be the root of the server with some remotes."""
    scene = stage(worlds.files(sizes=[1000]))
    command, told = teller(tmp_path)
    ended = run_here(scene.machine, "-u", SOURCE, "--remote=box:", "--exec-file", command, "-v")
    assert_moved(ended, 1)
    (about,) = told_in(told)
    path = f"box:{about['SYNC_FOLDER']}/{about['SYNC_NAME']}"
    assert about["SYNC_PATH"] == path
    (line,) = (line for line in ended.stderr.splitlines() if ": moveto " in line)
    assert line.endswith(f" {path}")


def test_a_hook_that_fails_is_a_warning_and_counted_and_no_file_is_lost_by_it(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    gone = tmp_path / "gone"
    gone.write_text("#!/bin/sh\nrm -f \"$0\"\necho 'no\x1b[2J such server' >&2\nexit 22\n")
    gone.chmod(0o700)
    ended = run_here(
        scene.machine,
        *("-u", SOURCE, "--exec-file", f"{gone} token-123", "--exec", "sh -c 'kill -9 $$'"),
    )
    assert ended.exit_status == 0, ended.stderr
    assert ended.result["status"] == "complete"
    assert (ended.result["done"], ended.result["hooks_failed"]) == ("2", "3")
    warnings = [line for line in ended.log if line.startswith("warning: --exec")]
    assert warnings[0].startswith("warning: --exec-file ended with 22: no")
    assert "such server" in warnings[0]
    assert "\x1b" not in ended.stderr
    assert warnings[1:] == [
        "warning: --exec-file can't be run: No such file or directory",
        "warning: --exec ended with -9",
    ]
    assert "token-123" not in ended.stderr


def test_a_hook_that_hangs_does_not_hold_up_a_stop(stage: Stage, tmp_path: Path) -> None:
    """It gets a second, is killed with what it has started, and the state is saved as ever."""
    scene = stage(worlds.files(sizes=[1000, 2000]))
    begun = tmp_path / "begun"
    running = scene.machine.start(
        *("-u", SOURCE, "--exec-file", f"sh -c 'sleep 1000 & echo $! >>{begun}; wait'"),
    )
    until(begun.exists)
    until(lambda: "summary" in running.stderr or "2 moved now" in running.stderr)
    running.process.send_signal(signal.SIGTERM)
    ended = running.wait()
    assert ended.exit_status == 143, ended.stderr
    assert ended.result["done"] == "2"
    assert ended.result["hooks_failed"] == "2"
    started = [int(each) for each in begun.read_text().split()]
    until(lambda: not any(map(psutil.pid_exists, started)))


def test_a_program_that_is_not_there_is_said_at_once_without_its_arguments(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    for command in ("no-such-program --token secret-1", "sh -c 'open", " "):
        ended = run_here(scene.machine, "-u", SOURCE, "--exec", command)
        assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE)
        expected = "there is no such program" if "no-such" in command else "expected a program and"
        assert f"--exec: {expected}" in ended.said
        assert "secret-1" not in ended.stderr
