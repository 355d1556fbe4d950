"""Where few files may be open at once a command says so in one line, or does all that it should."""

from __future__ import annotations

import shutil

import pytest

from standins.telegram.world import worlds
from tdl_sync.core.open_files import LOOK_NEEDS, needed_by_run
from tdl_sync.transfer.pools import most_downloads
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, assert_refused, wanted
from tests.e2e.program import SOURCE, Ended

pytestmark = pytest.mark.skipif(
    not shutil.which("prlimit"), reason="prlimit starts a process with another limit"
)
SIZES = [1000, 2_500_000, 3000] + [500_000] * 20
DEFAULT = needed_by_run(most_downloads(4), workers=3, connections=8)
LEAST = ("--downloads=1", "--workers=1", "--connections=1")
MEND = "raise it ('ulimit -n 1024', LimitNOFILE= of a service, --ulimit of a container)"


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return stage(worlds.files(sizes=SIZES))


def limited(scene: Scene, soft: int, hard: int, *arguments: str) -> Ended:
    command = ["prlimit", f"--nofile={soft}:{hard}", *scene.machine.command()]
    return scene.machine.start(*arguments, command=command).wait()


@pytest.mark.parametrize("limit", [16, 24, 32, 40, 64, DEFAULT - 1])
def test_a_run_that_may_open_too_few_files_does_not_begin(limit: int, scene: Scene) -> None:
    line = (
        f"this process may have only {limit} files and connections open at once, and {DEFAULT} "
        f"are needed: {MEND}, or ask for less with --downloads, --workers and --connections"
    )
    assert_refused(limited(scene, limit, limit, "-u", SOURCE), 2, line)
    assert not scene.machine.remote_directory.exists()


def test_where_a_process_may_raise_its_limit_itself_it_does(scene: Scene) -> None:
    assert_moved(limited(scene, 24, DEFAULT, "-u", SOURCE), len(SIZES))
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


def test_one_that_asks_for_less_needs_less(scene: Scene) -> None:
    least = needed_by_run(most_downloads(1), workers=1, connections=1)
    assert least <= 64
    assert_moved(limited(scene, least, least, "-u", SOURCE, *LEAST), len(SIZES))
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


@pytest.mark.parametrize(
    ("command", "too_few"),
    [
        (("status",), (16, 24, LOOK_NEEDS - 1)),
        (("chats",), (LOOK_NEEDS - 1,)),
        (("verify", "-u", SOURCE), (LOOK_NEEDS - 1,)),
        (("-u", SOURCE, "--dry-run"), (LOOK_NEEDS - 1,)),
    ],
)
def test_what_moves_nothing_needs_few_and_says_so_below_that(
    command: tuple[str, ...], too_few: tuple[int, ...], scene: Scene
) -> None:
    enough = limited(scene, LOOK_NEEDS, LOOK_NEEDS, *command)
    assert "open at once" not in enough.stderr
    assert "Traceback" not in enough.stderr
    for limit in too_few:
        ended = limited(scene, limit, limit, *command)
        assert (ended.exit_status, ended.said) == (
            2,
            f"tdl_sync: this process may have only {limit} files and connections open at once, "
            f"and {LOOK_NEEDS} are needed: {MEND}\n",
        )
