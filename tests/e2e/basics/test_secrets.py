"""What opens an account never shows: not in output, not to other users, not to child processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from standins.telegram.server import API_HASH
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved
from tests.e2e.program import NOTHING_DONE, SOURCE, Ended, Running
from tests.in_process import run_here

PROXY_PASSWORD = "proxy-pass-word"
MIB = 1024 * 1024

if not Path("/proc/self/environ").exists():
    pytest.skip("needs /proc to look into processes", allow_module_level=True)


@dataclass
class Seen:
    """What other users see of a run's children: their command lines; and what only the user does:
    the environments of its rclones, and the staged files that those had open."""

    command_lines: set[str]
    environments: set[str]
    uploads: set[int]

    def remote_control_passwords(self) -> list[str]:
        """Those that an rclone was started with; whoever knows one may do what it may."""
        variables = {pair for text in self.environments for pair in text.split("\0")}
        named = (pair.partition("=") for pair in variables)
        return [value for name, _, value in named if name == "RCLONE_RC_PASS"]


@contextmanager
def watched(running: Running, staging: Path) -> Iterator[Seen]:
    """Look at all children of a run, again and again, until it has ended."""
    seen = Seen(set(), set(), set())
    over = threading.Event()

    def look() -> None:
        children = Path(f"/proc/{running.process.pid}/task")
        while not over.wait(0.002):
            try:
                numbers = {
                    number
                    for task in children.iterdir()
                    for number in (task / "children").read_text().split()
                }
                for number in (*numbers, str(running.process.pid)):
                    line = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ")
                    seen.command_lines.add(line.decode(errors="replace"))
                for number in numbers:
                    # Between fork and exec a child still is the program itself: so its name first.
                    if b"rclone" in Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")[0]:
                        environment = Path(f"/proc/{number}/environ").read_bytes()
                        if environment:  # one that ends has none
                            seen.environments.add(environment.decode(errors="replace"))
                seen.uploads |= running.uploads(staging)
            except OSError:
                continue  # it has ended meanwhile

    thread = threading.Thread(target=look, name="process watcher", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@dataclass(frozen=True)
class Watched:
    scene: Scene
    ended: Ended
    seen: Seen

    def own_secrets(self) -> list[str]:
        """The program's, which no child gets to know."""
        return [self.scene.machine.variables["TDL_SYNC_SESSION_STRING"], API_HASH, PROXY_PASSWORD]

    def all_secrets(self) -> list[str]:
        return [*self.own_secrets(), *self.seen.remote_control_passwords()]


def log_file(scene: Scene) -> Path:
    return scene.machine.directory / "run.log"


@pytest.fixture(scope="module")
def whole_run(module_stage: Stage) -> Watched:
    """A run that has something to report: waits, failures, warnings."""
    scene = module_stage(worlds.files(sizes=[1000, MIB, 5000, 0, 2 * MIB, 3 * MIB]))
    proxy = scene.telegram.proxy_url.replace("//", f"//ada:{PROXY_PASSWORD}@")
    scene.telegram.faults.add(
        Fault("flood_wait", rpc="upload.GetFile", seconds=1),
        Fault("internal_error", rpc="messages.Search"),
        Fault("drop", rpc="upload.GetFile", after_calls=2),
    )
    running = scene.machine.start(
        "-u",
        SOURCE,
        "-v",
        f"--log-file={log_file(scene)}",
        "--rclone-arg=--bwlimit-file=1M",
        variables={"TDL_SYNC_PROXY": proxy, "RCLONE_TPSLIMIT": "1000"},
    )
    with watched(running, scene.machine.staging_directory) as seen:
        ended = running.wait()
    return Watched(scene, ended, seen)


def test_the_run_is_one_to_learn_from(whole_run: Watched) -> None:
    assert_moved(whole_run.ended, 6)
    assert whole_run.seen.uploads
    assert whole_run.seen.environments


def test_no_secret_is_printed_or_in_the_log(whole_run: Watched) -> None:
    log = log_file(whole_run.scene).read_text("utf-8")
    assert "handed to rclone" in log
    for secret in whole_run.all_secrets():
        assert secret not in whole_run.ended.stderr + whole_run.ended.stdout + log


def test_no_secret_is_in_a_command_line_that_other_users_see(whole_run: Watched) -> None:
    lines = "\n".join(whole_run.seen.command_lines)
    for secret in whole_run.all_secrets():
        assert secret not in lines


def test_children_inherit_no_variable_of_the_program(whole_run: Watched) -> None:
    for environment in whole_run.seen.environments:
        assert "TDL_SYNC_" not in environment
        assert "RCLONE_TPSLIMIT=1000" in environment  # what is the user's own stays
        for secret in whole_run.own_secrets():
            assert secret not in environment


def test_no_secret_is_in_a_file_that_the_run_wrote(whole_run: Watched) -> None:
    """The session string comes from the environment and stays there."""
    machine = whole_run.scene.machine
    for root in (machine.data_directory, machine.staging_directory, machine.remote_directory):
        for path in root.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not [s for s in whole_run.all_secrets() if s.encode() in content], path


def test_files_are_for_the_owner_alone_whatever_the_umask_was(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, MIB]))
    with_no_umask = ["/bin/sh", "-c", 'umask 000; exec "$@"', "sh", *scene.machine.command()]
    assert_moved(scene.machine.start("-u", SOURCE, command=with_no_umask).wait(), 2)
    for root in (scene.machine.data_directory, scene.machine.staging_directory):
        for path in (root, *root.rglob("*")):
            wanted = 0o700 if path.is_dir() else 0o600
            assert path.stat().st_mode & 0o777 == wanted, path


@pytest.mark.parametrize(
    "arguments",
    [
        ("--proxy=socks5://ada:proxy-pass-word@127.0.0.1:1",),
        ("--session-string", "proxy-pass-word"),
        ("--api-hash=proxy-pass-word",),
        ("--remote=box,pass=proxy-pass-word:x",),
        ("-u", SOURCE, "proxy-pass-word"),
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(
    stage: Stage, arguments: tuple[str, ...]
) -> None:
    ended = run_here(stage(worlds.files(sizes=[1])).machine, *arguments)
    assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE)
    assert ended.said.startswith("tdl_sync: ")
    assert "proxy-pass-word" not in ended.stderr
