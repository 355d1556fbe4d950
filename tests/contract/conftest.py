"""Places to hand files off to: started once for all tests, empty for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.old_rclone import old_rclone
from tests.contract.places import FakePlace, Place, RclonePlace, Remotes
from tests.contract.rclone_servers import can_serve
from tests.fakes.handoff import FakeHandOff

KINDS = ["plain", "crypt", "webdav", "s3", "gdrive"]
RCLONES = ["current", "oldest"]
CURRENT_PLACES = [f"{kind}-current" for kind in KINDS]
RCLONE_PLACES = [f"{kind}-{rclone}" for rclone in RCLONES for kind in KINDS]


@pytest.fixture(scope="session")
def remotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remotes]:
    with ExitStack() as closing:
        yield Remotes(tmp_path_factory.mktemp("remotes"), closing)


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Ends with the test, and what it was given with it."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def make_place(remotes: Remotes, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], RclonePlace]:
    # A user's settings for rclone and for S3 would change what is tested here.
    for name in list(os.environ):
        if name.startswith(("RCLONE_", "AWS_")):
            monkeypatch.delenv(name)

    def make(name: str) -> RclonePlace:
        kind, _, rclone = name.partition("-")
        if kind == "s3" and not can_serve("s3"):
            pytest.skip("this rclone can't serve S3 (that came with 1.65)")
        remotes.start(kind)
        for variable, value in remotes.variables.items():
            monkeypatch.setenv(variable, value)
        return remotes.place(kind, old_rclone() if rclone == "oldest" else None)

    return make


@pytest.fixture(params=[*RCLONE_PLACES, "fake"])
def place(request: pytest.FixtureRequest, make_place: Callable[[str], RclonePlace]) -> Place:
    return FakePlace(FakeHandOff()) if request.param == "fake" else make_place(request.param)


@pytest.fixture(params=[*CURRENT_PLACES, "plain-oldest", "gdrive-oldest", "fake"])
def place_of_most(
    request: pytest.FixtureRequest, make_place: Callable[[str], RclonePlace]
) -> Place:
    """For what depends on the kind of remote, and on the version of rclone for itself."""
    return FakePlace(FakeHandOff()) if request.param == "fake" else make_place(request.param)


@pytest.fixture(params=[*CURRENT_PLACES, "fake"])
def place_with_current(
    request: pytest.FixtureRequest, make_place: Callable[[str], RclonePlace]
) -> Place:
    """For what no version of rclone does in another way than the others."""
    return FakePlace(FakeHandOff()) if request.param == "fake" else make_place(request.param)


@pytest.fixture(params=["plain-current", "fake"])
def simplest_place(
    request: pytest.FixtureRequest, make_place: Callable[[str], RclonePlace]
) -> Place:
    """For what is decided before rclone is asked."""
    return FakePlace(FakeHandOff()) if request.param == "fake" else make_place(request.param)


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    directory = tmp_path / "staging"
    directory.mkdir()
    return directory
