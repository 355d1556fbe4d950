"""What children of the program find in their environment."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from tdl_sync.remote import processes

OF_BUNDLE = {
    "_PYI_ARCHIVE_FILE": "/opt/tdl-sync/tdl-sync",
    "_PYI_APPLICATION_HOME_DIR": "/opt/tdl-sync/_internal",
    "_PYI_PARENT_PROCESS_LEVEL": "1",
    "_MEIPASS2": "/opt/tdl-sync/_internal",
}
TELLS = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.mark.parametrize("own", [None, "", "/opt/own"])
def test_children_of_an_unpacked_program_have_the_users_libraries(own: str | None) -> None:
    bundle = {"LD_LIBRARY_PATH": "/opt/tdl-sync/_internal", **OF_BUNDLE, "HOME": "/home/me"}
    users = {"HOME": "/home/me"}
    if own is not None:
        bundle["LD_LIBRARY_PATH_ORIG"] = users["LD_LIBRARY_PATH"] = own
    assert processes.of_the_user(bundle, is_bundle=True) == users


def test_of_an_installed_program_children_have_all_that_it_is_given() -> None:
    given = {"LD_LIBRARY_PATH": "/opt/own", "LD_LIBRARY_PATH_ORIG": "/opt/older"}
    assert processes.of_the_user(given) == given


@pytest.mark.skipif(sys.platform == "win32", reason="has no such path")
def test_no_child_is_started_with_anything_else(tmp_path: Path) -> None:
    """rclone for a run, for a question and at the terminal; and the user's own programs."""
    given = {**os.environ, **OF_BUNDLE, "LD_LIBRARY_PATH": "/x", "LD_LIBRARY_PATH_ORIG": "/opt/own"}
    told = tmp_path / "told"
    teller = [sys.executable, "-c", f"import sys; sys.stdout = open({str(told)!r}, 'w'); {TELLS}"]

    def served() -> None:
        child = processes.start(teller, given, ())
        child.communicate()

    starts: list[Callable[[], object]] = [
        served,
        lambda: processes.output_of(teller, given, 60),
        lambda: processes.run_at_terminal(teller, given),
        lambda: processes.run_hook(teller, given, 60, lambda: False),
    ]
    with mock.patch.object(sys, "frozen", True, create=True):
        for start in starts:
            start()
            found = json.loads(told.read_text())
            told.unlink()
            assert found["LD_LIBRARY_PATH"] == "/opt/own"
            assert not {"LD_LIBRARY_PATH_ORIG", *OF_BUNDLE} & found.keys()


def test_nobody_else_starts_processes() -> None:
    """import-linter says who may import subprocess; there it is this one module."""
    room = Path(processes.__file__).parent
    importing = [p.name for p in room.glob("*.py") if "import subprocess" in p.read_text("utf-8")]
    assert importing == ["processes.py"]


COMPLAINS = """
import os, time
for _ in range(30):
    os.write(2, b"no" * 500_000)
    time.sleep(0.02)
os.write(2, b"that was all")
raise SystemExit(3)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_hook_that_never_stops_complaining_fills_no_disk_and_its_last_words_are_told() -> None:
    before, sizes = unnamed_files(), [0]

    def look() -> bool:
        sizes.extend(size for name, size in unnamed_files().items() if name not in before)
        return False

    end = processes.run_hook([sys.executable, "-c", COMPLAINS], os.environ, 60, look)
    assert end.status == 3
    assert end.last_words.endswith(b"that was all")
    assert min(sizes[-3:]) < 15_000_000


def unnamed_files() -> dict[str, int]:
    """Those that this process has open, and their sizes."""
    found = {}
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if " (deleted)" in os.readlink(each):
                found[each.name] = each.stat().st_size
    return found
