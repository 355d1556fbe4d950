"""How small files are put onto a remote, and read from it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from urllib.parse import urlencode

import pytest

from standins.drive.faults import Fault
from tests.contract.remote.remote_control.on_drive import AT_ONCE, FOLDER, OnDrive
from tests.contract.remote.remote_control.raw_rclone import Answer

KIB = 1024
NAME = "a “file” of ours [1].json"
BOUNDARY = "a-line-between-the-parts"


@pytest.fixture(autouse=True)
def started(on_drive: OnDrive) -> None:
    on_drive.start()
    on_drive.make_folder()


def put(
    on_drive: OnDrive, content: bytes, name: str = NAME, remote: str = FOLDER, **more: object
) -> Answer:
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    options = {name: json.dumps(value) for name, value in more.items()}
    query = urlencode({"fs": "gdrive,pacer_min_sleep=10ms:", "remote": remote, **options})
    return on_drive.rclone.post(
        f"/operations/uploadfile?{query}", body, f"multipart/form-data; boundary={BOUNDARY}"
    )


def contents(on_drive: OnDrive, name: str = NAME, folder: str = FOLDER) -> list[bytes | None]:
    return [file.data for file in on_drive.there(f"{folder}/{name}")]


@pytest.mark.parametrize("content", [b"", b"text", bytes(300 * KIB)], ids=["0", "4 B", "300 KiB"])
def test_put_is_under_the_name_of_the_part_in_the_folder(on_drive: OnDrive, content: bytes) -> None:
    answer = put(on_drive, content)

    assert (answer.status, answer.said) == (200, {})
    assert contents(on_drive) == [content]


def test_put_replaces_what_is_there(on_drive: OnDrive) -> None:
    assert put(on_drive, b"before").succeeded
    assert put(on_drive, b"after").succeeded

    assert contents(on_drive) == [b"after"]


def test_put_makes_the_folder(on_drive: OnDrive) -> None:
    assert put(on_drive, b"text", remote=f"{FOLDER}/of/files").succeeded

    assert contents(on_drive, folder=f"{FOLDER}/of/files") == [b"text"]


def test_put_takes_the_last_part_of_a_path_for_the_name(on_drive: OnDrive) -> None:
    assert put(on_drive, b"text", name="../of/name").succeeded

    assert contents(on_drive, "name") == [b"text"]


@pytest.mark.parametrize("kind", ["upload.multipart", "upload.finish"])
def test_put_makes_no_double_when_an_answer_is_lost(on_drive: OnDrive, kind: str) -> None:
    content = b"text" if kind == "upload.multipart" else bytes(300 * KIB)
    on_drive.drive.faults.add(Fault("answer_lost", call=kind))

    assert put(on_drive, content).succeeded

    assert contents(on_drive) == [content]


def test_put_takes_options_as_a_part_of_its_address(on_drive: OnDrive) -> None:
    """And so an answer that is lost may be told at once; to put it again makes no double."""
    on_drive.drive.faults.add(Fault("answer_lost", call="upload.multipart"))

    assert put(on_drive, b"before", _config=AT_ONCE).status == 500
    assert put(on_drive, b"after", _config=AT_ONCE).succeeded

    assert contents(on_drive) == [b"after"]


def test_put_tells_why_it_failed(on_drive: OnDrive) -> None:
    on_drive.drive.faults.add(Fault("storage_full", times=None))

    answer = put(on_drive, b"text", _config=AT_ONCE)

    assert answer.status == 500
    assert answer.error.endswith("has been exceeded., storageQuotaExceeded")


def read(on_drive: OnDrive, directory: Path, name: str = NAME, **more: object) -> Answer:
    return on_drive.call(
        "operations/copyfile",
        srcFs="gdrive,pacer_min_sleep=10ms:",
        srcRemote=f"{FOLDER}/{name}",
        dstFs=str(directory),
        dstRemote="read",
        **more,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "read"
    directory.mkdir(mode=0o700)
    return directory


def test_read_is_a_file_in_a_directory_that_stays_as_it_was(
    on_drive: OnDrive, directory: Path
) -> None:
    assert put(on_drive, b"text").succeeded

    assert read(on_drive, directory).succeeded

    assert [file.name for file in directory.iterdir()] == ["read"]
    assert (directory / "read").read_bytes() == b"text"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_what_is_not_there_is_not_found(on_drive: OnDrive, directory: Path) -> None:
    answer = read(on_drive, directory, "nothing")

    assert (answer.status, answer.error) == (404, "object not found")
    assert list(directory.iterdir()) == []


def test_a_copy_of_one_file_knows_no_filter(on_drive: OnDrive, directory: Path) -> None:
    """Not even one for the size."""
    assert put(on_drive, bytes(300 * KIB)).succeeded

    assert read(on_drive, directory, _filter={"MaxSize": "1k", "ExcludeRule": ["*"]}).succeeded

    assert (directory / "read").stat().st_size == 300 * KIB


def test_a_copy_ends_at_the_bytes_that_a_call_may_move(on_drive: OnDrive, directory: Path) -> None:
    """Each call has a group of its own, as long as it names none."""
    most = {"MaxTransfer": "200k", "CutoffMode": "HARD"}
    assert put(on_drive, bytes(300 * KIB), "large").succeeded
    assert put(on_drive, bytes(150 * KIB), "small").succeeded

    answer = read(on_drive, directory, "large", _config=most)

    assert answer.status == 500
    assert "max transfer limit reached" in answer.error
    assert list(directory.iterdir()) == []
    for _ in range(2):
        (directory / "read").unlink(missing_ok=True)
        assert read(on_drive, directory, "small", _config=most).succeeded


def test_the_size_can_be_asked_for_first(on_drive: OnDrive) -> None:
    assert put(on_drive, b"text").succeeded

    answer = on_drive.call("operations/stat", fs="gdrive:", remote=f"{FOLDER}/{NAME}")

    assert answer.said["item"]["Size"] == 4


def test_a_command_is_a_second_rclone_with_another_configuration(on_drive: OnDrive) -> None:
    """Why it is not used."""
    answer = on_drive.call("core/command", command="listremotes", arg=[])

    assert "gdrive:" not in str(answer.said.get("result"))
