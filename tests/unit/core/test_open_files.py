"""An error that came of the limit of open files is named as that, whatever became of it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tdl_sync.core import open_files
from tdl_sync.core.errors import EXIT_COME_BACK_LATER, EXIT_USAGE
from tdl_sync.core.model import MessageKey
from tdl_sync.core.open_files import SystemHasNoneLeft, TooFewOpenFiles, named
from tdl_sync.core.operating_system import most_open_files
from tdl_sync.reporting.stderr import of_bug
from tdl_sync.state.done_marks import DoneMarks

posix = pytest.mark.skipif(sys.platform == "win32", reason="the limit of POSIX")


def came_of(code: int) -> BaseException:
    try:
        try:
            raise OSError(code, os.strerror(code))
        except OSError as error:
            raise LookupError("unknown encoding: utf-16-le") from error
    except LookupError as error:
        return error


def test_it_is_named_with_its_mend_and_is_no_bug() -> None:
    error = named(came_of(errno.EMFILE))
    assert isinstance(error, TooFewOpenFiles)
    assert error.exit_status == EXIT_USAGE
    assert "more are needed: raise it ('ulimit -n 1024'" in str(error)
    event = of_bug(came_of(errno.EMFILE))
    assert (event.lines, event.exit_status) == ((str(error),), EXIT_USAGE)


def test_that_of_the_whole_system_passes() -> None:
    error = named(came_of(errno.ENFILE))
    assert isinstance(error, SystemHasNoneLeft)
    assert error.exit_status == EXIT_COME_BACK_LATER


def test_nothing_else_is_taken_for_it() -> None:
    assert named(came_of(errno.ENOSPC)) is None
    assert named(LookupError()) is None
    circle = LookupError()
    circle.__cause__ = ValueError()
    circle.__cause__.__cause__ = circle
    assert named(circle) is None


@contextmanager
def nothing_more_can_be_opened() -> Iterator[None]:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@posix
def test_marks_that_cannot_be_opened_for_it_say_so_and_not_that_a_disk_is_full(
    tmp_path: Path,
) -> None:
    with DoneMarks(tmp_path / "marks") as marks:
        marks.is_done("box:", MessageKey(1, 0, 1))
        marks.close()
        with nothing_more_can_be_opened(), pytest.raises(TooFewOpenFiles):
            marks.is_done("box:", MessageKey(1, 0, 1))
    assert open_files.missing_now() is None


@posix
def test_the_limit_is_raised_as_far_as_that_is_allowed() -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, limits[1]), limits[1]))
        open_files.allow_more()
        most = most_open_files()
        assert most is None or most >= min(10_240, limits[1])
        open_files.allow_more()
        assert most_open_files() == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
