"""The size of the pieces in which files are sent to Drive is what the user says, wherever they say
it; the program's own counts only where they say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from standins.drive.server import DriveStandIn
from tdl_sync.remote.check import check_remote
from tests.contract.places import OBSCURED_PASSWORD, hand_off, ignore_bytes, stage
from tests.contract.rclones import opened_control
from tests.contract.remote.on_drive import drive_of_the_environment
from tests.contract.versions import rclone_named

NINE_MB = b"9" * 9_000_000
IN_PIECES_OF_4_MIB = 2  # before the last one
AT_ONCE = 0  # rclone's own 8 MiB would make two of it


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[DriveStandIn]:
    with drive_of_the_environment(monkeypatch) as standin:
        yield standin


@pytest.mark.parametrize(
    ("version", "above"),
    [("current", ""), ("current", "alias"), ("oldest", "alias"), ("oldest", "crypt")],
)
@pytest.mark.parametrize(
    ("said", "pieces"),
    [
        ("nowhere", AT_ONCE),
        ("in the section", IN_PIECES_OF_4_MIB),
        ("as a flag", IN_PIECES_OF_4_MIB),
        ("as a variable", IN_PIECES_OF_4_MIB),
        ("in the notation", IN_PIECES_OF_4_MIB),
    ],
)
def test_the_users_size_counts_and_else_the_programs(
    drive: DriveStandIn,
    tmp_path: Path,
    staging: Path,
    closing: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    above: str,
    said: str,
    pieces: int,
) -> None:
    config_file = drive.rclone_config(tmp_path)
    config = config_file.read_text()
    flags: list[str] = []
    notation = "gdrive:a"
    if said == "in the section":
        config = config.replace("[gdrive]\n", "[gdrive]\nchunk_size = 4M\n")
    elif said == "as a flag":
        flags = ["--drive-chunk-size=4M"]
    elif said == "as a variable":
        monkeypatch.setenv("RCLONE_DRIVE_CHUNK_SIZE", "4M")
    elif said == "in the notation":
        notation = "gdrive,chunk_size=4M:a"
    remote = notation
    if above:
        secret = f"password = {OBSCURED_PASSWORD}\n" if above == "crypt" else ""
        config += f"\n[over]\ntype = {above}\nremote = {notation}\n{secret}"
        remote = "over:"
    config_file.write_text(config)
    control = opened_control(closing, rclone_named(version), config_file, *flags)
    handoff = hand_off(control, check_remote(control, remote))
    handoff.prepare_folder("chat [1]")
    drive.statistics.reset()
    handoff.move(stage(staging, NINE_MB), "chat [1]", "1_nine", ignore_bytes)
    calls = drive.statistics.counts().calls
    assert (calls.get("upload.chunk", 0), calls["upload.finish"]) == (pieces, 1)
    assert control.rclone.start_number() == (2 if said == "in the section" else 1)
