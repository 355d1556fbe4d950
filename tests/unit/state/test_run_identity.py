"""A run is dead for certain where its process can be looked for; a lock dies with its owner."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.cli.parse import parse_config
from tdl_sync.core.errors import HeldByAnotherRun, UsageError
from tdl_sync.run.time_left import CLOSING_SECONDS, Deadline
from tdl_sync.state.exclusive import ChatLock
from tdl_sync.state.run_identity import is_gone, this_run

RUN = this_run(300)


def test_two_runs_of_one_process_are_two() -> None:
    assert this_run(300).run_id != RUN.run_id
    assert this_run(1).save_interval_seconds == 30, "what is really kept to"


def test_a_process_that_runs_is_there_and_one_that_has_ended_is_gone() -> None:
    assert not is_gone(RUN)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_gone(replace(RUN, pid=ended.pid))


def test_a_later_process_with_the_same_id_is_another_one() -> None:
    assert is_gone(replace(RUN, process_started=RUN.process_started - 3600))


def test_of_another_machine_nothing_is_known_even_if_its_host_has_the_same_name() -> None:
    assert not is_gone(replace(RUN, machine="elsewhere", pid=2**22 + 1))


def test_a_lock_is_one_runs_and_names_it(tmp_path: Path) -> None:
    lock = ChatLock.acquire(tmp_path, "key", RUN, "Chat")
    assert lock.previous == set()
    with pytest.raises(HeldByAnotherRun, match=rf"\(process {RUN.pid}\).*'Chat'"):
        ChatLock.acquire(tmp_path, "key", replace(this_run(300), pid=RUN.pid + 1), "Chat")
    ChatLock.acquire(tmp_path, "another key", RUN, "Other").release()
    lock.release()
    second = ChatLock.acquire(tmp_path, "key", this_run(300), "Chat")
    assert second.previous == {RUN}
    second.release()


def test_a_damaged_note_of_the_owner_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_bytes(b"\xff{")
    lock = ChatLock.acquire(tmp_path, "key", RUN, "Chat")
    assert lock.previous == set()
    lock.release()


def test_the_work_ends_before_the_grace_time_and_the_closing() -> None:
    deadline = Deadline(begun_at=100.0, exit_at=400.0, grace_seconds=5.0)
    assert deadline.stop_at == 400 - 5 - CLOSING_SECONDS
    assert deadline.working_seconds == 300 - 5 - CLOSING_SECONDS


def test_the_options_of_a_run_that_must_end() -> None:
    plain = parse_config(["-u", "me"], {}).running
    assert (plain.max_runtime_seconds, plain.take_over) == (None, False)
    argv = ["-u", "me", "--max-runtime", "5h40m", "--take-over"]
    running = parse_config(argv, {}).running
    assert (running.max_runtime_seconds, running.take_over) == (20400.0, True)
    with pytest.raises(UsageError, match="--max-runtime: expected more than 9 seconds"):
        parse_config(["-u", "me", "--max-runtime=9s"], {})
