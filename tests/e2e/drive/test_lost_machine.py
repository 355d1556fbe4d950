"""Another machine goes on with what a lost one has moved: of each file that is compared which can
be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from standins.telegram.world import worlds
from tests.contract.old_rclone import old_rclone
from tests.e2e.conftest import REMOTE, SetScene
from tests.e2e.expectations import assert_moved
from tests.e2e.looking.on_drive import path_on_drive, person_at
from tests.e2e.program import SOURCE, Machine
from tests.in_process import run_here
from tests.standins.rclone_on_drive import executable

SIZES = [1000, 2000, 3000, 4000]


@pytest.mark.parametrize("version", ["newest", "oldest"])
def test_a_file_with_a_sidecar_is_compared_with_its_hash_and_moved_again_if_it_is_another(
    scene: SetScene, tmp_path: Path, version: str
) -> None:
    """In its place, whatever names the new machine would give. Where the remote lists no SHA-256
    (or the sidecar can't be read) a name and a size count, and are counted."""
    on = scene(worlds.files(sizes=SIZES))
    assert_moved(on.run("--sidecar", "--name={type}/{file_name}"), 4)
    person = person_at(on)
    for name in ("1_file-1.bin", "2_file-2.bin"):
        size_bytes = int(name[0]) * 1000
        person.succeed("rcat", path_on_drive(on, name), stdin=b"x" * size_bytes)
    person.succeed("rcat", path_on_drive(on, "3.json"), stdin=b"{}")
    on.telegram.statistics.reset()
    second = Machine(tmp_path / "second", on.telegram)
    second.variables.update(on.drive.environment())
    shutil.copy(on.rclone_config, second.rclone_config)
    rclone = executable() if version == "newest" else old_rclone()
    ended = run_here(second, "-u", SOURCE, "--remote", REMOTE, "--restart", f"--rclone={rclone}")
    assert_moved(ended, 4)
    if version == "oldest":
        assert "0 moved now, 4 there before (4 of them by name and size alone)" in ended.stderr
        return
    assert "2 moved now, 2 there before (1 of them by name and size alone)" in ended.stderr
    assert "1_file-1.bin is on the remote with other content than its sidecar says" in ended.stderr
    assert on.telegram.statistics.counts().file_bytes == 1000 + 2000
    files = {each.path: each.md5 for each in on.present() if each.name.endswith(".bin")}
    assert sorted(files.values(), key=str) == sorted(
        (item.file.md5() for item in on.world.source.items()), key=str
    )
    assert all("/document/" in path for path in files)
    verified = run_here(
        second, "verify", "-u", SOURCE, "--remote", REMOTE, f"--rclone={rclone}"
    ).stdout
    assert "3 compared by size and SHA-256, 1 by size alone" in verified
