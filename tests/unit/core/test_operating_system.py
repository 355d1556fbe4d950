"""What differs between systems is known in one module; what stands in for a call does its work."""

from __future__ import annotations

import ast
import errno
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tdl_sync.core import operating_system
from tdl_sync.core.operating_system import (
    FileLock,
    LockHeld,
    kill_descendants,
    lock_in_its_name,
    of_any_length,
    open_after_a_look,
    patiently,
    remove_file,
    replace_file,
    stop_signals,
)
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]

ASKED = {"sys": {"platform"}, "os": {"name", "uname"}}
"""Besides what the module ``platform`` says of the system."""

LOOKED_FOR = {"os", "signal", "socket", "time"}
"""The modules of which not all systems have all."""


def _asks(path: Path) -> list[int]:
    """The lines of a file that ask which system this is, or whether it has something."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            of_system = node.value.id == "platform" and not node.attr.startswith("python_")
            if of_system or node.attr in ASKED.get(node.value.id, ()):
                lines.append(node.lineno)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("hasattr", "getattr")
            and isinstance(node.args[0], ast.Name)
            and node.args[0].id in LOOKED_FOR
        ):
            lines.append(node.lineno)
    return lines


def test_no_other_module_asks_which_system_this_is() -> None:
    """import-linter says the same of the modules that only some systems have."""
    asked = {
        path.relative_to(ROOT / "tdl_sync").as_posix(): found
        for path in (ROOT / "tdl_sync").rglob("*.py")
        if (found := _asks(path))
    }
    assert list(asked) == ["core/operating_system.py"], asked


def test_what_is_open_elsewhere_is_replaced_and_removed_once_it_is_closed(tmp_path: Path) -> None:
    """As scanners and indexers open each new file on Windows."""
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_text("new")
    target.write_text("old")
    looks = iter([True, True, False])

    def refused_while_open() -> None:
        if next(looks):
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        os.replace(source, target)

    patiently(refused_while_open)
    assert (target.read_text(), source.exists()) == ("new", False)


def test_what_stays_refused_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating_system, "_PATIENCE_SECONDS", 0.05)
    tries: list[int] = []

    def refused() -> None:
        tries.append(len(tries))
        raise PermissionError(errno.EACCES, f"no, for the time {len(tries)}")

    with pytest.raises(PermissionError) as caught:
        patiently(refused)
    assert len(tries) > 1
    assert caught.value.strerror == f"no, for the time {len(tries)}"


def test_what_fails_for_another_reason_fails_at_once() -> None:
    tries: list[None] = []

    def missing() -> None:
        tries.append(None)
        raise FileNotFoundError(errno.ENOENT, "nothing there")

    with pytest.raises(FileNotFoundError):
        patiently(missing)
    assert len(tries) == 1


def test_a_file_takes_the_place_of_another_and_goes(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("new")
    old.write_text("old")
    replace_file(new, old)
    assert old.read_text() == "new"
    with pytest.raises(FileNotFoundError):
        replace_file(new, old)
    remove_file(old)
    remove_file(old)
    assert list(tmp_path.iterdir()) == []


def test_a_look_before_refuses_what_a_link_leads_to(tmp_path: Path) -> None:
    """On Windows, whose calls follow each link."""
    target, link = tmp_path / "target", tmp_path / "ours"
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("there a link needs an administrator")
    with pytest.raises(OSError, match="ours is a link, which this program does not make"):
        open_after_a_look(link, os.O_WRONLY | os.O_CREAT)
    assert not target.exists()
    os.close(open_after_a_look(target, os.O_WRONLY | os.O_CREAT))
    os.close(open_after_a_look(target, os.O_RDONLY))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (r"C:\box\Title [-100]\1_a.bin", r"\\?\C:\box\Title [-100]\1_a.bin"),
        ("C:/box/./a/../1_a.bin", r"\\?\C:\box\1_a.bin"),
        (r"\\nas\share\box\1_a.bin", r"\\?\UNC\nas\share\box\1_a.bin"),
        (r"\\?\C:\box", r"\\?\C:\box"),
        (r"\\.\pipe\x", r"\\.\pipe\x"),
        (r"box\1_a.bin", r"box\1_a.bin"),
        ("C:box", "C:box"),
    ],
)
def test_on_windows_what_rclone_wrote_is_found_however_long_its_path_is(
    path: str, found: str
) -> None:
    assert of_any_length(path) == found
    assert of_any_length(found) == found


def test_one_process_at_a_time_has_the_lock_of_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    lock = FileLock.acquire_directory(directory)
    with pytest.raises(LockHeld):
        FileLock.acquire_directory(directory)
    FileLock.acquire_directory(tmp_path).release()
    lock.release()
    FileLock.acquire_directory(directory).release()
    assert list(directory.iterdir()) == []


def test_where_a_directory_can_not_be_locked_a_file_is_that_stands_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows: one file for a directory, however it is spelt, and nothing in it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    directory, other = tmp_path / "config", tmp_path / "other"
    directory.mkdir()
    other.mkdir()
    path = lock_in_its_name(directory)
    assert path.parent == tmp_path
    assert lock_in_its_name(other / ".." / "config") == path
    assert lock_in_its_name(other) != path
    lock = FileLock.acquire(path)
    with pytest.raises(LockHeld):
        FileLock.acquire(lock_in_its_name(directory))
    lock.release()
    assert list(directory.iterdir()) == []


STARTS_ANOTHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
print(child.pid, flush=True)
input()
"""


def test_with_a_process_all_that_it_has_started_is_killed() -> None:
    """By what the system tells of parents, where there are no process groups."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTS_ANOTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        kill_descendants(process.pid)
        child.wait(PATIENCE_SECONDS)
        assert process.wait() != 0
    kill_descendants(process.pid)  # nobody is left, and nobody is told


FREES_LARGE_BLOCKS = """
import psutil
from tdl_sync.core.operating_system import give_back_freed_memory, share_freed_memory
share_freed_memory()
blocks = [bytes([1]) * 500_000 for _ in range(200)]
full_bytes = psutil.Process().memory_info().rss
blocks = blocks[9::10]
give_back_freed_memory()
print(full_bytes - psutil.Process().memory_info().rss)
"""

COPIES_PARTS = """
import resource, threading
from tdl_sync.core.operating_system import share_freed_memory
share_freed_memory()
def copy(times):
    for _ in range(times):
        part = bytes([1]) * 1_048_576
        copies = [bytearray(part), bytearray(part)]
def in_a_thread(times):
    thread = threading.Thread(target=copy, args=(times,))
    thread.start()
    thread.join()
in_a_thread(10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
in_a_thread(100)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

MANY_THREADS = """
import psutil, threading
from tdl_sync.core.operating_system import share_freed_memory
share_freed_memory()
in_turn, all_have, done = threading.Lock(), threading.Barrier(17), threading.Barrier(17)
def copy():
    with in_turn:
        part = bytes([1]) * 1_048_576
        copies = [bytearray(part), bytearray(part)]
        del part, copies
    all_have.wait()
    done.wait()
before = psutil.Process().memory_info().rss
for _ in range(16):
    threading.Thread(target=copy).start()
all_have.wait()
print(psutil.Process().memory_info().rss - before)
done.wait()
"""

ONLY_GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others are left alone")


def number_of(program: str) -> int:
    command = [sys.executable, "-c", program]
    return int(subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, check=True).stdout)


@ONLY_GLIBC
def test_what_lies_freed_between_other_things_is_given_back_to_the_system() -> None:
    assert number_of(FREES_LARGE_BLOCKS) > 60_000_000


@ONLY_GLIBC
def test_a_copy_of_a_part_lies_where_one_lay_before() -> None:
    """Else the kernel would clear 256 pages for each: 76,800 here."""
    assert number_of(COPIES_PARTS) < 2_000


@ONLY_GLIBC
def test_many_threads_take_no_more_memory_than_one_needs() -> None:
    """Each with what it has freed to itself would keep 3 MB."""
    assert number_of(MANY_THREADS) < 12_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_signal_that_nohup_has_ignored_ends_nothing() -> None:
    assert stop_signals() == {number: number for number in stop_signals()}
    assert set(stop_signals()) == {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert set(stop_signals()) == {signal.SIGINT, signal.SIGTERM}
    finally:
        signal.signal(signal.SIGHUP, before)
