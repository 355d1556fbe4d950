"""What ails one remote is that remote's alone: what goes to another goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from standins.drive.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from tdl_sync.core.errors import StorageFull
from tests.e2e.conftest import DriveScene, Scene, SetScene
from tests.e2e.drive.six_files import PROBE
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.follow.conftest import Stay, stay
from tests.in_process import run_here

__all__ = ["stay"]

SIZES = [600_000, 1000, 2000, 3000]
TABLES = """
[[chat]]
url = "@stand_in_source"
remote = "gdrive:a/b"

[[chat]]
url = "@stand_in_news"
remote = "gdrive:a/b"

[[chat]]
url = "@stand_in_source"
remote = "box:copies"
"""


def two_remotes(scene: SetScene) -> tuple[DriveScene, Channel]:
    """A Drive that two chats go to, and a disk that the first of them goes to as well."""
    on = scene(worlds.files(sizes=SIZES))
    news = next(c for c in on.world.channels.values() if c.username == "stand_in_news")
    news.append(file=FilePlan("document", 300, "a.bin", "application/octet-stream", 2))
    machine = on.machine
    machine.variables.pop("TDL_SYNC_REMOTE")
    with on.rclone_config.open("a") as file:
        file.write(f"\n[box]\ntype = alias\nremote = {machine.remote_directory}\n")
    path = Path(machine.variables["HOME"]) / ".config" / "tdl-sync" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(TABLES)
    return on, news


REFUSED = Fault(
    "error",
    call="upload",
    times=None,
    after_calls=PROBE,
    status=403,
    reason="insufficientParentPermissions",
    message="Insufficient permissions for the specified parent.",
)


@pytest.mark.parametrize(
    ("fault", "exit_status", "status", "said"),
    [
        (Fault("storage_full", times=None, after_calls=PROBE + 1), 75, "quota", "is full"),
        (Fault("daily_quota", times=None, after_calls=PROBE), 75, "quota", "of the remote 'gdrive"),
        (Fault("invalid_grant", times=None), 4, "error", "rclone config reconnect gdrive:"),
        (REFUSED, 2, "error", "lets its account not write there"),
    ],
    ids=["full", "day's limit", "token revoked at the start", "may not write"],
)
def test_a_remote_that_takes_nothing_more_ends_the_chats_that_go_there_and_no_other(
    fault: Fault, exit_status: int, status: str, said: str, scene: SetScene
) -> None:
    """The disk has room for one large file: what was staged for the full remote gives way."""
    on, _ = two_remotes(scene)
    if fault.kind == "invalid_grant":
        on.drive.expire_access_tokens()
    on.drive.faults.add(fault)
    ended = run_here(on.machine, "--workers", "1", "--max-disk", "620K")
    assert (ended.exit_status, ended.result["status"]) == (exit_status, status), ended.stderr
    assert ended.numbers()["remotes_out"] == 1
    assert said in ended.said
    source = on.world.source
    assert_on_remote(on.machine, (source, wanted(source)))
    assert "warning: the remote 'gdrive:a/b' takes nothing more in this run" in ended.stderr
    assert "is left for the next run, which asks 'gdrive:a/b' again" in ended.stderr
    if exit_status == 75:
        on.drive.faults.clear()
        again = run_here(on.machine)
        assert (again.exit_status, again.result["status"]) == (0, "complete"), again.stderr
        assert "remotes_out" not in again.numbers()
        sizes = [file.size_bytes or 0 for file in on.present() if not file.is_folder]
        assert sorted(sizes) == sorted([*SIZES, 300])


def test_of_chats_that_are_followed_those_go_on_whose_remote_takes_more(
    scene: SetScene, stay: Stay
) -> None:
    on, news = two_remotes(scene)
    staying = stay(Scene(on.telegram, on.machine), chats=(), followed=3)
    on.drive.faults.add(Fault("storage_full", times=None))
    source = on.world.source
    plan = FilePlan("document", 301, "b.bin", "application/octet-stream", 2)
    first = source.append(file=plan)
    staying.until(lambda: staying.said.count("has ended before its end") == 2)
    staying.until(lambda: f"1 moved (301 B), up to message {first}" in staying.said)
    second = source.append(file=plan)
    staying.until(lambda: f"1 moved (301 B), up to message {second}" in staying.said)
    result = staying.ended()
    assert (result.remotes_out, [type(each) for each in result.errors]) == (1, [StorageFull])
    assert_on_remote(on.machine, (source, wanted(source)))
    assert len([file for file in on.present() if not file.is_folder]) == len(SIZES) + 1
    assert news.chat_id != source.chat_id
