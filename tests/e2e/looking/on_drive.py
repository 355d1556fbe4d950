"""A person who changes files on Drive, and what a look may ask of it."""

from __future__ import annotations

from tests.e2e.conftest import REMOTE, DriveScene
from tests.standins.rclone_on_drive import RcloneOnDrive

READING = {"files.list", "files.get", "about.get"}
"""Calls that change nothing and give no content: a download is a call of its own."""


def person_at(on: DriveScene) -> RcloneOnDrive:
    return RcloneOnDrive(on.drive, on.machine.directory, on.rclone_config)


def path_on_drive(on: DriveScene, name: str) -> str:
    """What rclone calls the file of this name in the chat's folder."""
    (file,) = [each for each in on.present() if each.name == name]
    return f"{REMOTE}/{file.path.removeprefix('a/b/')}"


def assert_only_read(on: DriveScene) -> None:
    assert set(on.drive.statistics.counts().calls) <= READING
