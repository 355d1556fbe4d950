"""The staging directory: one run owns it and knows what lies there; no plan exceeds the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tdl_sync.core.errors import EXIT_HELD, EXIT_USAGE, ConfigurationError, HeldByAnotherRun
from tdl_sync.core.model import MessageKey
from tdl_sync.core.operating_system import disk_block_bytes
from tdl_sync.core.text import human_bytes
from tdl_sync.transfer.disk.staging import Leftover, Staging, margin_bytes

ROOT = Path(__file__).parents[4]
KEY = MessageKey(-1002147483649, 0, 17)
GB = 10**9

HOLDER = """
import sys, time
from pathlib import Path
from tdl_sync.transfer.disk.staging import Staging
staging = Staging.open(Path(sys.argv[1]), 1_000_000)
print("holds it", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run waits some seconds for the last rclone of a killed one."""
    monkeypatch.setattr("tdl_sync.transfer.disk.staging.ORPHANS_END_WITHIN_SECONDS", 0.3)


@contextmanager
def another_run(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that owns the directory."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"holds it\n"
            yield process
        finally:
            process.kill()


def leftovers(directory: Path) -> tuple[Leftover, ...]:
    staging = Staging.open(directory, GB)
    staging.close()
    return staging.leftovers


def test_two_runs_never_share_a_staging_directory(tmp_path: Path) -> None:
    with another_run(tmp_path), pytest.raises(HeldByAnotherRun) as caught:
        Staging.open(tmp_path, GB)
    assert str(caught.value) == (
        f"another run uses the staging directory {tmp_path}: wait for it, or give this one "
        "another --staging"
    )
    assert caught.value.exit_status == EXIT_HELD


def test_the_lock_dies_with_a_run_that_is_killed(tmp_path: Path) -> None:
    with another_run(tmp_path) as process:
        process.kill()
        process.wait()
        Staging.open(tmp_path, GB).close()


def test_in_one_process_the_directory_is_owned_once_and_given_back(tmp_path: Path) -> None:
    staging = Staging.open(tmp_path, GB)
    with pytest.raises(HeldByAnotherRun):
        Staging.open(tmp_path, GB)
    staging.close()
    Staging.open(tmp_path, GB).close()


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of POSIX")
def test_waiting_for_a_directory_that_another_owns_leaves_no_file_open(tmp_path: Path) -> None:
    staging = Staging.open(tmp_path, GB)
    before = psutil.Process().num_fds()
    for _ in range(3):
        with pytest.raises(HeldByAnotherRun):
            Staging.open(tmp_path, GB)
    assert psutil.Process().num_fds() == before
    staging.close()


def test_the_directory_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "there yet"
    Staging.open(directory, GB).close()
    if os.name == "posix":
        assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_made_is_named_with_the_mend(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    with pytest.raises(ConfigurationError) as caught:
        Staging.open(in_the_way / "staging", GB)
    assert str(caught.value) == (
        f"the staging directory {in_the_way / 'staging'} cannot be used: Not a directory; "
        "choose another with --staging"
    )
    assert caught.value.exit_status == EXIT_USAGE


def test_names_are_made_of_ids_alone_and_read_back(tmp_path: Path) -> None:
    staging = Staging.open(tmp_path, GB)
    keys = [KEY, MessageKey(777000, 0, 1), MessageKey(-100123, 45, 2**31)]
    for number, key in enumerate(keys):
        staging.part_path(key).write_bytes(b"x" * number)
        staging.staged_path(key).write_bytes(b"y" * (number + 10))
    staging.close()
    found = {(left.key, left.complete): left for left in leftovers(tmp_path)}
    for number, key in enumerate(keys):
        part, staged = found.pop((key, False)), found.pop((key, True))
        assert (part.path, part.size_bytes) == (staging.part_path(key), number)
        assert (staged.path, staged.size_bytes) == (staging.staged_path(key), number + 10)
    assert found == {}


def test_what_is_not_ours_is_seen_and_belongs_to_no_message(tmp_path: Path) -> None:
    """Its bytes count, wherever it lies; that a name looks like ours in a folder does not help."""
    (tmp_path / "folder").mkdir()
    ours = "m-1002147483649_0_17.staged"
    names = ["notes.txt", "m1_2.staged", "m1_2_3.stagedx", "xm1_2_3.part", f"folder/{ours}"]
    for name in names:
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "link.part").symlink_to(tmp_path / "notes.txt")
    found = leftovers(tmp_path)
    assert {left.path for left in found} == {tmp_path / name for name in names}
    assert {(left.key, left.complete, left.size_bytes) for left in found} == {(None, False, 5)}


def test_an_empty_directory_has_no_leftovers(tmp_path: Path) -> None:
    assert leftovers(tmp_path) == ()
    assert leftovers(tmp_path) == ()


@pytest.mark.parametrize(
    ("free_bytes", "margin"), [(0, 0), (100, 5), (10 * GB, GB // 2), (20 * GB, GB), (500 * GB, GB)]
)
def test_some_of_the_disk_is_left_for_others(free_bytes: int, margin: int) -> None:
    assert margin_bytes(free_bytes) == margin


def test_what_was_asked_for_is_the_budget_where_the_disk_has_it(tmp_path: Path) -> None:
    staging = Staging.open(tmp_path, 1_000_000)
    staging.close()
    assert staging.budget_bytes == 1_000_000
    assert staging.warning is None


def test_a_smaller_disk_decides_and_says_so(tmp_path: Path) -> None:
    staging = Staging.open(tmp_path, 10**18)
    staging.close()
    free_bytes = psutil.disk_usage(str(tmp_path)).free
    assert 0 < staging.budget_bytes < free_bytes + GB
    assert staging.warning is not None
    assert staging.warning.startswith(
        f"--max-disk asks for 1000 PB, but the disk of {tmp_path} has only "
    )
    assert f"free: at most {human_bytes(staging.budget_bytes)} are used; " in staging.warning


def test_on_a_small_disk_the_budget_is_what_is_free_less_the_margin(small_disk: Path) -> None:
    free_bytes = psutil.disk_usage(str(small_disk)).free
    staging = Staging.open(small_disk, GB)
    staging.close()
    assert staging.budget_bytes == free_bytes - margin_bytes(free_bytes)


def test_what_lies_there_from_an_earlier_run_is_room_of_this_run(small_disk: Path) -> None:
    """It will be handed off or deleted; without counting it a full disk would stay full."""
    (small_disk / "m1_0_1.staged").write_bytes(b"x" * 1_000_000)
    free_bytes = psutil.disk_usage(str(small_disk)).free
    staging = Staging.open(small_disk, GB)
    staging.close()
    assert staging.budget_bytes == free_bytes - margin_bytes(free_bytes) + 1_000_000


def test_a_disk_without_any_room_is_said_and_the_lock_is_given_back(small_disk: Path) -> None:
    fill(small_disk / "folder.elsewhere")
    directory = small_disk / "staging"
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            Staging.open(directory, GB)
        assert str(caught.value) == (
            f"the disk of {directory} is full: nothing can be staged there; free some space or "
            "choose another with --staging"
        )


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 65536):
                pass
        except OSError:
            return


@pytest.mark.skipif(sys.platform == "win32", reason="there a link needs an administrator")
def test_a_link_under_a_name_of_ours_is_removed_and_said_and_what_it_leads_to_is_left(
    tmp_path: Path,
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"as it was")
    directory = tmp_path / "staging"
    directory.mkdir(0o700)
    for ending in ("part", "staged"):
        (directory / f"m1_0_2.{ending}").symlink_to(precious)
    staging = Staging.open(directory, GB)
    staging.close()
    assert staging.leftovers == ()
    assert [line.startswith("warning: removed the link ") for line in staging.lines] == [True] * 2
    assert precious.read_bytes() == b"as it was"
    assert not (directory / "m1_0_2.staged").is_symlink()


def test_a_probe_is_for_its_owner_alone_and_no_leftover_of_a_start_that_was_killed(
    tmp_path: Path,
) -> None:
    staging = Staging.open(tmp_path, GB)
    assert staging.has_room_for_a_probe
    probe = staging.stage_probe(b"content")
    assert (probe.read_bytes(), probe.stat().st_mode & 0o777) == (b"content", 0o600)
    assert staging.stage_probe(b"another") != probe
    staging.close()

    staging = Staging.open(tmp_path, GB)
    assert staging.leftovers == ()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    staging.close()


@pytest.mark.parametrize(
    ("budget_blocks", "left_blocks", "has_room"),
    [(1, 0, True), (0.5, 0, False), (2, 1, True), (2, 1.5, False), (2, 2, False), (2, 3, False)],
)
def test_a_probe_has_room_where_the_budget_has_a_block_free(
    tmp_path: Path, budget_blocks: float, left_blocks: float, has_room: bool
) -> None:
    block_bytes = disk_block_bytes(tmp_path)
    if left_blocks:
        (tmp_path / "left").write_bytes(b"x" * int(left_blocks * block_bytes))
    staging = Staging.open(tmp_path, int(budget_blocks * block_bytes))
    assert staging.has_room_for_a_probe is has_room
    staging.close()
