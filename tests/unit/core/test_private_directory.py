"""What lies in a directory is believed only where nobody else may say what that is."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tdl_sync.core.errors import EXIT_USAGE, ConfigurationError
from tdl_sync.core.operating_system import FileLock, open_here
from tdl_sync.core.private_directory import PrivateDirectory, planted_link

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes of POSIX")

SOMEBODY, SOMEBODY_ELSE = 12_345, 54_321
as_root = pytest.mark.skipif(
    sys.platform != "win32" and os.geteuid() != 0, reason="only root gives files to somebody else"
)


def made(path: Path) -> list[str]:
    private = PrivateDirectory(path, "the staging directory", "--staging")
    return private.make(lambda name: name.startswith("ours"))


def refused(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        made(path)
    assert caught.value.exit_status == EXIT_USAGE
    return str(caught.value)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def given(path: Path, user_id: int = SOMEBODY) -> Path:
    os.chown(path, user_id, user_id, follow_symlinks=False)
    return path


def directory(path: Path, wanted_mode: int = 0o700) -> Path:
    path.mkdir()
    path.chmod(wanted_mode)
    return path


NEXT = "name one that is not there yet with --staging"


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert made(tmp_path / "a" / "b") == []
    assert mode(tmp_path / "a" / "b") == 0o700
    assert made(tmp_path / "a" / "b") == []


@pytest.mark.parametrize("wide", [0o777, 0o1777, 0o755, 0o750, 0o2775])
@pytest.mark.parametrize("content", [(), ("ours.part", "ours.lock")], ids=["empty", "ours"])
def test_one_of_our_own_that_is_too_wide_is_narrowed_and_said(
    wide: int, content: tuple[str, ...], tmp_path: Path
) -> None:
    """Empty, as a disk that was just mounted, or with nothing in it but what we put there."""
    path = directory(tmp_path / "staging", wide)
    for name in content:
        (path / name).write_bytes(b"")
    line = f"the staging directory {path} was open to other users: it is yours alone now"
    assert made(path) == [line]
    assert mode(path) & 0o777 == 0o700
    assert made(path) == []


def test_one_that_holds_other_things_is_never_narrowed(tmp_path: Path) -> None:
    """Else a word too few on a command line would lock everybody out of ``/home``."""
    path = directory(tmp_path / "files", 0o755)
    (path / "notes.txt").write_bytes(b"")
    assert made(path) == []
    assert mode(path) == 0o755
    path.chmod(0o777)
    assert refused(path) == (
        f"the staging directory {path} can be written by other users: "
        f"run 'chmod go-w {path}', or {NEXT}"
    )
    assert mode(path) == 0o777


def test_what_all_users_share_is_refused_and_a_directory_in_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = directory(tmp_path / "tmp", 0o1777)
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    assert refused(shared) == (
        f"the staging directory {shared} is shared by all users of this machine: {NEXT}"
    )
    assert mode(shared) == 0o1777
    assert made(shared / "staging") == []


def test_others_who_may_put_another_in_its_place_are_said(tmp_path: Path) -> None:
    """A disk of many machines is such a one, and nothing can be done about it there."""
    above = directory(tmp_path / "disk", 0o777)
    path = above / "staging"
    assert made(path) == [
        "warning: other users may put another directory in the place of the staging directory "
        f"{path}, as they can write to {above}"
    ]


@as_root
@pytest.mark.parametrize("its_mode", [0o700, 0o755, 0o777])
def test_somebody_elses_is_refused(its_mode: int, tmp_path: Path) -> None:
    path = given(directory(tmp_path / "staging", its_mode))
    assert refused(path) == (
        f"the staging directory {path} belongs to user {SOMEBODY}: run as that user, or {NEXT}"
    )
    assert os.listdir(path) == []


@as_root
@pytest.mark.parametrize("name", ["ours.staged", "notes.txt"])
def test_one_of_ours_in_which_somebody_has_put_something_is_refused(
    name: str, tmp_path: Path
) -> None:
    path = directory(tmp_path / "staging", 0o777)
    (path / name).write_bytes(b"another file's bytes")
    given(path / name)
    assert refused(path) == (
        f"the staging directory {path} holds {name!r}, which belongs to user {SOMEBODY}: "
        f"remove that, or {NEXT}"
    )


@as_root
def test_on_a_disk_that_gives_all_files_to_one_user_that_one_is_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As network disks do, and those of other systems."""
    path = given(directory(tmp_path / "staging"))
    given_at_once = tmp_path / "probe"
    given_at_once.write_bytes(b"")
    given(given_at_once)

    def made_for_somebody(prefix: str, dir: Path) -> tuple[int, str]:
        (dir / prefix).hardlink_to(given_at_once)
        return os.open(dir / prefix, os.O_RDONLY), str(dir / prefix)

    monkeypatch.setattr("tempfile.mkstemp", made_for_somebody)
    assert made(path) == []
    assert os.listdir(path) == []


def test_links_of_our_own_are_followed(tmp_path: Path) -> None:
    there = directory(tmp_path / "disk")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "staging").symlink_to("../link/sub")
    (tmp_path / "link").symlink_to(there)
    (there / "sub").mkdir(mode=0o755)
    path = tmp_path / "home" / "staging"
    assert planted_link(path) is None
    assert len(made(path)) == 1
    assert mode(there / "sub") == 0o700


@as_root
@pytest.mark.parametrize("place", ["last", "on the way", "behind ours"])
def test_a_link_that_somebody_else_made_is_refused(place: str, tmp_path: Path) -> None:
    directory(tmp_path / "there")
    (tmp_path / "there" / "sub").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there")
    given(link, SOMEBODY_ELSE)
    path = {"last": link, "on the way": link / "sub", "behind ours": tmp_path / "own"}[place]
    if place == "behind ours":
        path.symlink_to(link / "sub")
    assert planted_link(path) == link
    assert refused(path) == (
        f"the staging directory {path} is reached by the link {link}, which user "
        f"{SOMEBODY_ELSE} made: {NEXT}"
    )


def test_links_in_a_circle_are_no_circle_for_us(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert planted_link(tmp_path / "a" / "x") is None


def test_a_file_of_ours_is_never_opened_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"as it was")
    link = tmp_path / ".lock"
    link.symlink_to(target)
    why = r"\.lock is a link, which this program does not make: remove it"
    for flags in (os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY):
        with pytest.raises(OSError, match=why):
            open_here(link, flags)
    with pytest.raises(OSError, match=why):
        FileLock.acquire(link)
    assert target.read_bytes() == b"as it was"
    descriptor = open_here(tmp_path / "new", os.O_WRONLY | os.O_CREAT)
    os.close(descriptor)
    assert mode(tmp_path / "new") == 0o600
