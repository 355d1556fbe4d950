"""What all tests share. Imports nothing that takes time: each test file says what it needs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from scripts import reaper
from tdl_sync.core import retry
from tdl_sync.remote import one_of_several

if "TESTS_IMPORT_THE_WHOLE_SCHEMA" in os.environ:  # see tests/e2e/program.py
    import pyrogram  # noqa: F401
import tdl_sync.telegram  # noqa: F401 - before any test imports pyrogram

if TYPE_CHECKING:
    from tests.connected import ConnectTelegram

# A shell that put the tests in the background, or nohup, has these ignored; the programs that the
# tests start would inherit that, and are to meet signals as at a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# On a busy machine any example may take long. CI tries the same examples each time: what fails
# there is the change's fault, and fails again with CI=true.
hypothesis.settings.register_profile(
    "tdl_sync", deadline=None, print_blob=True, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("tdl_sync")

TESTS = Path(__file__).parent

one_of_several.WAIT_SECONDS = 0.0
"""Nobody else makes the folders of most tests. What is started as a process is told so by the
variable ``TESTS_FOLDER_WAIT_SECONDS``."""

FIRST = (
    "torture",
    "recipes/test_runs.py",
    "e2e/drive/test_outcomes_unknown.py",
    "e2e/drive/test_refusals.py",
    "contract/telegram/test_late_answers.py",
    "contract/remote/remote_control/test_tokens.py",
    "contract/remote/remote_control/test_life.py",
    "contract/remote/remote_control/test_a_minute.py",
    "e2e/faults",
    "recipes",
    "e2e/basics/test_failures_before.py",
    "e2e/basics/test_failures_during.py",
    "scripts",
    "e2e/state",
    "e2e/drive",
    "e2e/choosing/test_filters.py",
    "e2e/telling",
    "e2e",
    "contract",
    "unit/commands/test_login.py",
    "transfer",
    "unit/state/test_state_message.py",
)
"""The folders and files with the longest tests: begun last, one would keep all others waiting."""

ASKED_FOR_LIBRARIES = frozenset({"ldconfig", "gcc", "cc", "ld", "objdump"})
"""The standard library starts these with an environment of its own, and they end at once
(``ctypes.util.find_library``)."""


def pytest_configure() -> None:
    """What the tests start does not outlive them, however they end."""
    reaper.end_with_this_process()
    sys.addaudithook(_look_at_what_is_started)


def _look_at_what_is_started(event: str, details: tuple[object, ...]) -> None:
    if event != "subprocess.Popen" or Path(str(details[0])).name in ASKED_FOR_LIBRARIES:
        return
    environment = details[3]
    if isinstance(environment, dict) and not reaper.mark().items() <= environment.items():
        raise AssertionError(
            "a program that is started without `scripts.reaper.mark()` in its environment would "
            f"outlive a test run that is killed: {details[1]!r}"
        )


SERVERS = frozenset({"stage", "module_stage", "scene", "connect_telegram"})
"""The fixtures that start stand-in servers: whoever uses one runs a whole command, or talks to
Telegram by its protocol, which takes a second and more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.path))
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("with_servers")


def rank(path: Path) -> int:
    """Of a file by itself, or else with the first folder that it is in or below."""
    own = path.relative_to(TESTS).as_posix()
    return next(
        (rank for rank, first in enumerate(FIRST) if f"{own}/".startswith(f"{first}/")), len(FIRST)
    )


@pytest.fixture
def connect_telegram(tmp_path: Path) -> Iterator[ConnectTelegram]:
    """Call it with a world, and ``listening=True`` to be told of news.

    A call that the stand-in could not answer fails the test.
    """
    from tests.connected import connecting

    with connecting(tmp_path) as connect:
        yield connect


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB, where one byte too many is ENOSPC. Linux, and only who may mount one."""
    directory = tmp_path / "small disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(directory)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this account may not mount a disk")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)
