"""A staged file's way to its mark: sidecar first, then the file, then the mark with its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tdl_sync.core.errors import ConfigurationError, HandOffFailed, StagingFailed
from tdl_sync.core.model import (
    Chat,
    ChatKind,
    DoneMark,
    FileNumber,
    RemoteFile,
    Reservation,
    StagedFile,
)
from tdl_sync.core.retry import ATTEMPTS
from tdl_sync.core.steps import Steps
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.name_template import Keeping, parse_name_template
from tdl_sync.transfer.disk.part_journal import Attempt, PartialFiles
from tdl_sync.transfer.disk.staging import Staging
from tdl_sync.transfer.job import Job, Stages
from tdl_sync.transfer.sidecar import with_copies
from tdl_sync.transfer.upload import Uploader, sha256_of
from tests.fakes.chat import item_of
from tests.fakes.handoff import FakeHandOff
from tests.fakes.marks import FakeMarks
from tests.fakes.progress import RecordingProgress

CHAT = Chat(-1001234567890, "Any chat", ChatKind.CHANNEL)
FOLDER = "Any chat [-1001234567890]"
CONTENT = b"precious"
ITEM = item_of(1, len(CONTENT))
REMOTE = "fake:base"


@pytest.fixture
def staged(tmp_path: Path) -> StagedFile:
    path = tmp_path / "1.staged"
    path.write_bytes(CONTENT)
    return StagedFile(Reservation(ITEM, len(CONTENT)), path)


class Upload:
    """One chat's uploader on fakes."""

    def __init__(
        self, keeping: Keeping, staged: StagedFile, path_before: str | None = None
    ) -> None:
        self.hand_off = FakeHandOff()
        self.marks = FakeMarks()
        self.job = Job(CHAT, REMOTE, FOLDER, 0, 0, (), {}, False, keeping=keeping)
        staging = Staging.open(staged.path.parent / "staging", 10**9)
        self.journals = PartialFiles(staging, staged.path.parent / "partial")
        staging.close()
        used = SimpleNamespace(
            leftovers=self.journals,
            hand_off=self.hand_off,
            marks=self.marks,
            progress=RecordingProgress(),
            stop=StopFlag(),
        )
        self._uploader = Uploader(self.job, cast(Stages, used), lambda item: path_before, Steps())

    def __call__(self, staged: StagedFile) -> DoneMark:
        return self._uploader.upload(staged)


def test_a_file_is_never_on_the_remote_without_its_sidecar(
    staged: StagedFile, short_pauses: None
) -> None:
    upload = Upload(Keeping(with_sidecar=True), staged)
    upload.hand_off.errors["*"] = [HandOffFailed("no luck")] * ATTEMPTS
    with pytest.raises(HandOffFailed):
        upload(staged)
    assert list(upload.hand_off.folders[FOLDER]) == ["1.json"]
    moved = upload(staged).file
    assert upload.hand_off.folders[FOLDER].keys() == {"1.json", moved.name}
    sidecar = json.loads(upload.hand_off.folders[FOLDER]["1.json"])
    assert sidecar["file"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_nothing_is_marked_that_was_not_handed_off(staged: StagedFile, short_pauses: None) -> None:
    upload = Upload(Keeping(), staged)
    upload.hand_off.errors["*"] = [HandOffFailed("no luck")] * ATTEMPTS
    with pytest.raises(HandOffFailed):
        upload(staged)
    assert (upload.marks.marks, staged.path.exists()) == ({}, True)


def test_a_file_that_was_handed_off_is_marked_with_its_hash_before_it_counts(
    staged: StagedFile,
) -> None:
    upload = Upload(Keeping(), staged)
    mark = upload(staged)
    assert mark.file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert upload.marks.marks == {(REMOTE, ITEM.key): mark}


def test_a_mark_that_can_not_be_written_is_told(staged: StagedFile) -> None:
    upload = Upload(Keeping(), staged)
    upload.marks.errors.append(ConfigurationError("the disk is full"))
    with pytest.raises(ConfigurationError, match="the disk is full"):
        upload(staged)


def test_what_is_wrong_is_overwritten_where_it_lies_whatever_the_template_says(
    staged: StagedFile,
) -> None:
    keeping = Keeping(parse_name_template("{date:%Y}/{stem}"), with_sidecar=True)
    upload = Upload(keeping, staged, "2019/x/1_an old name")
    upload(staged)
    assert upload.hand_off.folders.keys() == {f"{FOLDER}/2019/x"}
    assert upload.hand_off.folders[f"{FOLDER}/2019/x"].keys() == {"1.json", "1_an old name"}


def test_where_a_file_goes_is_durable_before_its_hand_off_and_every_later_attempt_goes_there(
    staged: StagedFile, short_pauses: None
) -> None:
    """Also after its message was given another caption, and the run another template."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    first = Upload(Keeping(parse_name_template("{date:%Y}/{stem}")), staged)
    first.hand_off.errors["*"] = [HandOffFailed("no luck")] * ATTEMPTS
    with pytest.raises(HandOffFailed):
        first(staged)
    later = Upload(Keeping(parse_name_template("{caption}")), staged)
    assert later.journals.attempt(ITEM) == Attempt("2021/1_a", digest)
    other_file = replace(ITEM, location=replace(ITEM.location, file_id=2))
    assert later.journals.attempt(other_file) is None
    later(staged)
    assert later.hand_off.folders.keys() == {f"{FOLDER}/2021"}
    assert later.hand_off.moves == ["1_a"]


def test_copies_that_a_sidecar_from_before_names_are_named_still(staged: StagedFile) -> None:
    upload = Upload(Keeping(with_sidecar=True), staged)
    upload(staged)
    assert upload.job.sidecar_folders == {FileNumber(1): FOLDER}
    before = upload.hand_off.read(FOLDER, "1.json")
    upload.hand_off.put(with_copies(before, [item_of(7, len(CONTENT))]), FOLDER, "1.json")
    staged.path.write_bytes(CONTENT)
    upload(staged)
    copies = json.loads(upload.hand_off.read(FOLDER, "1.json"))["also_posted"]
    assert [copy["message_id"] for copy in copies] == [7]


@pytest.mark.parametrize("size_bytes", [0, 1, 256 * 1024, 256 * 1024 + 1, 600_000])
def test_a_hash_is_that_of_the_whole_file(tmp_path: Path, size_bytes: int) -> None:
    content = bytes(number % 251 for number in range(size_bytes))
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_a_file_that_can_not_be_read_fails_alone(tmp_path: Path) -> None:
    with pytest.raises(StagingFailed, match="No such file"):
        sha256_of(tmp_path / "gone")


def test_what_an_earlier_attempt_may_have_left_is_looked_for_when_it_is_listed(
    staged: StagedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether what was staged is staged still, or was downloaded anew. What is new waits not."""
    for path_before in (None, "1_a.bin"):
        upload = Upload(Keeping(with_sidecar=True), staged, path_before)
        steps: list[str] = []

        def seconds_until_listed(steps: list[str] = steps) -> float:
            steps.append("waited")
            return 0.0

        def moved(staged: StagedFile, *_: object, steps: list[str] = steps) -> RemoteFile:
            steps.append(f"moved, {staged.may_be_there}")
            return RemoteFile.moved(staged, FOLDER, "1_a.bin")

        monkeypatch.setattr(upload.hand_off, "seconds_until_listed", seconds_until_listed)
        monkeypatch.setattr(upload.hand_off, "put", lambda *_, steps=steps: steps.append("put"))
        monkeypatch.setattr(upload.hand_off, "move", moved)
        upload(staged)
        before = [] if path_before is None else ["waited"]
        assert steps == [*before, "put", f"moved, {path_before is not None}"]
        upload.journals.forget(ITEM.key)
