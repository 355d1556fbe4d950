"""``--catalogue`` keeps a row for each file on the remote, and ``find`` searches them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from tests.e2e.choosing.posts import Post, world_of
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved
from tests.e2e.program import REMOTE, SOURCE, Machine
from tests.in_process import run_here

POSTS = [
    Post("video", 30_000, "Beach.mp4", "At the BEACH\u202e\x1b[2J in Straße"),
    Post("document", 1_000, "../../invoice.pdf", "", day=40),
    Post("photo", 5_000, None, "sunset", day=41),
]


def catalogue_of(machine: Machine) -> Path:
    (path,) = machine.remote_directory.rglob("catalogue.sqlite")
    return path


def rows_in(path: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute("SELECT * FROM files ORDER BY 1, 2")]
    connection.close()
    return found


def moved(scene: Scene, *more: str, machine: Machine | None = None) -> list[dict[str, Any]]:
    """What the catalogue on the remote has after a run with these options."""
    machine = machine or scene.machine
    ended = run_here(machine, "-u", SOURCE, "--catalogue", *more)
    assert ended.exit_status == 0, ended.stderr
    assert "warning" not in ended.stderr
    return rows_in(catalogue_of(machine))


def test_each_file_has_a_row_that_says_what_it_is_and_where(stage: Stage) -> None:
    scene = stage(world_of(POSTS))
    rows = moved(scene)
    assert [row["message_id"] for row in rows] == [1, 2, 3]
    files = {path.name: path for path in scene.machine.remote_directory.rglob("*_*")}
    for row in rows:
        path = files[row["path"].rpartition("/")[2]]
        assert path == scene.machine.remote_directory / REMOTE.partition(":")[2] / row["path"]
        assert row["size_bytes"] == path.stat().st_size
        assert len(row["sha256"]) == 64
    assert [row["kind"] for row in rows] == ["video", "document", "photo"]
    assert rows[0]["caption"] == POSTS[0].caption

    found = run_here(scene.machine, "find", "beach", "STRASSE")
    assert (found.exit_status, found.stderr) == (0, "")
    first, second = found.stdout.splitlines()
    assert first.endswith(f"{REMOTE}/{rows[0]['path']}")
    assert second.strip().startswith("https://t.me/stand_in_source/1  At the BEACH")
    assert found.stdout.replace("\n", "").isprintable()
    as_json = run_here(scene.machine, "find", "invoice", "2024-02", "--json")
    (hit,) = json.loads(as_json.stdout)
    assert (hit["message_id"], hit["path"]) == (2, f"{REMOTE}/{rows[1]['path']}")
    nothing = run_here(scene.machine, "find", "beach", "invoice")
    assert (nothing.exit_status, nothing.stdout) == (0, "")
    assert nothing.stderr == "nothing found in 1 catalogue\n"
    report = run_here(scene.machine, "verify", "-u", SOURCE)
    assert "catalogue" not in report.stdout
    assert report.exit_status == 0


def test_what_was_moved_before_and_what_is_lost_is_completed_from_telegram(
    stage: Stage, tmp_path: Path
) -> None:
    """Be it the copy here, the one on the remote, or both, or that another run moved only a
    part; and where nothing is lost nothing is read again."""
    scene = stage(world_of(POSTS))
    machine = scene.machine
    assert run_here(machine, "-u", SOURCE, "--type=photo").exit_status == 0
    assert run_here(machine, "-u", SOURCE, "--type=video").exit_status == 0
    assert [row["message_id"] for row in moved(scene, "--type=video")] == [1, 3]
    whole = moved(scene)
    assert [row["message_id"] for row in whole] == [1, 2, 3]
    local = machine.directory / "data" / "catalogues"
    assert local.is_dir()

    def count(call: str) -> int:
        return scene.telegram.statistics.counts().calls.get(call, 0)

    scene.telegram.statistics.reset()
    assert moved(scene) == whole
    idle = count("messages.GetHistory")
    shutil.rmtree(local)  # the remote's is taken
    scene.telegram.statistics.reset()
    assert moved(scene) == whole
    assert count("messages.GetHistory") == idle
    catalogue_of(machine).unlink()
    assert moved(scene) == whole
    shutil.rmtree(local)
    catalogue_of(machine).unlink()
    assert moved(scene) == whole
    for path in local.iterdir():
        path.write_bytes(b"no database" * 1000)
    assert moved(scene) == whole
    other = Machine(tmp_path / "other", scene.telegram, machine.remote_directory)
    found = run_here(other, "find", "sunset", "--json")
    assert [hit["message_id"] for hit in json.loads(found.stdout)] == [3], found.stderr
    catalogue_of(machine).unlink()
    assert moved(scene, machine=other) == [{**row, "sha256": None} for row in whole]


def test_a_catalogue_that_is_none_or_holds_more_than_ours_is_never_run(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(world_of(POSTS))
    whole = moved(scene)
    path = catalogue_of(scene.machine)
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE files RENAME TO other")
    connection.execute("CREATE VIEW files AS SELECT * FROM other")
    connection.commit()
    connection.close()
    other = Machine(tmp_path / "other", scene.telegram, scene.machine.remote_directory)
    found = run_here(other, "find", "beach")
    assert (found.exit_status, found.stdout) == (2, "")
    assert "can't be read (it holds a" in found.said
    ended = run_here(other, "-u", SOURCE, "--catalogue")
    assert "warning: catalogue.sqlite on the remote can't be read" in ended.stderr
    assert [row["path"] for row in rows_in(path)] == [row["path"] for row in whole]


def test_a_catalogue_that_cannot_be_kept_is_a_warning_and_files_are_moved(stage: Stage) -> None:
    scene = stage(world_of(POSTS))
    data = scene.machine.directory / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    (data / "catalogues").write_text("in the way")
    ended = run_here(scene.machine, "-u", SOURCE, "--catalogue")
    assert_moved(ended, 3)
    assert ended.stderr.count("warning: the catalogue of") == 1


def test_find_without_words_and_without_a_catalogue_says_so(stage: Stage) -> None:
    scene = stage(world_of([]))
    ended = run_here(scene.machine, "find")
    assert (ended.exit_status, ended.stdout) == (2, "")
    assert "find takes the words to look for" in ended.said
    ended = run_here(scene.machine, "find", "beach")
    assert (ended.exit_status, ended.stdout) == (2, "")
    assert "a run with --catalogue makes one" in ended.said
