"""An rclone is found by its name, and what it uploads by what it has open."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from scripts.rclones import rclones_below, rclones_marked, uploaded_by, uploads_below
from tests.standins.rclone_on_drive import executable
from tests.waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks at processes of POSIX")

MARK = "MARK_OF_A_TEST"
STAGED = "m-1_0_7.staged"


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    """Named over a link, as places for temporary files are on some systems."""
    (tmp_path / "real").mkdir()
    (tmp_path / "staging").symlink_to(tmp_path / "real")
    for name in (STAGED, "other.part"):
        (tmp_path / "staging" / name).write_bytes(bytes(1_000_000))
    return tmp_path / "staging"


@contextmanager
def copying(source: Path, mark: str = "") -> Iterator[psutil.Process]:
    """An rclone that has this file open all day; the shell that has started it waits for it."""
    paths = [str(source), str(source.with_name("copy"))]
    rclone = [executable(), "--config=", "--bwlimit=1k", "copyto", *paths]
    with subprocess.Popen(
        ["/bin/sh", "-c", '"$@"; exit', "sh", *rclone], env={**os.environ, MARK: mark}
    ) as shell:
        found: list[psutil.Process] = []

        def has_it_open() -> bool:
            found[:] = rclones_below(shell.pid)
            opened = [file.path for process in found for file in process.open_files()]
            return os.path.realpath(source) in opened

        until(has_it_open)
        try:
            yield found[0]
        finally:
            found[0].kill()
            found[0].wait(PATIENCE_SECONDS)


def test_what_it_uploads_is_the_staged_file_that_it_has_open(staging: Path, tmp_path: Path) -> None:
    with copying(staging / STAGED) as rclone:
        assert uploaded_by(rclone, staging) == {STAGED}
        assert uploads_below(os.getpid(), staging) == {rclone: {STAGED}}
        assert uploaded_by(rclone, tmp_path / "elsewhere") == set()
    assert uploaded_by(rclone, staging) == set()
    assert uploads_below(os.getpid(), staging) == {}
    with copying(staging / "other.part") as rclone:
        assert uploaded_by(rclone, staging) == set()


def test_one_whose_program_is_gone_is_found_by_its_environment(staging: Path) -> None:
    with copying(staging / STAGED, mark="this") as rclone, copying(staging / STAGED, mark="that"):
        parent = rclone.parent()
        assert parent is not None
        assert parent.environ()[MARK] == "this"
        parent.kill()
        until(lambda: rclones_below(parent.pid) == [])
        assert rclones_marked(MARK, "this") == [rclone]
    assert rclones_marked(MARK, "this") == []
