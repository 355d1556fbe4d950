"""What ``adopt`` writes into the chat's folder on the remote."""

from __future__ import annotations

import pytest

from tdl_sync.commands.adopt_record import write_record
from tdl_sync.core.model import AdoptedFile, FileNumber, ListedFile
from tdl_sync.transfer.adopted import Adoption, AdoptionRecord, RecordWriter, read_records
from tests.fakes.handoff import FakeHandOff

FOLDER = "A chat [-1001]"
WRITER = RecordWriter.of(7, "key")
FILES = [AdoptedFile(FileNumber(number), "box:old", f"{number}.mp4", 10) for number in (1, 2, 3)]


class Lagging(FakeHandOff):
    """A remote that lists nothing of what was sent lately, as Drive may."""

    lags = False

    def prepare_folder(self, folder: str) -> list[ListedFile]:
        return [] if self.lags else super().prepare_folder(folder)


def adopt(remote: FakeHandOff, file: AdoptedFile) -> AdoptionRecord:
    return write_record(FOLDER, remote, WRITER, lambda record: [record.adopted(file)])


def take_back(remote: FakeHandOff, file: AdoptedFile) -> AdoptionRecord:
    def added(record: AdoptionRecord) -> list[Adoption]:
        return [record.without(file.number)]

    return write_record(FOLDER, remote, WRITER, added)


def on_record(remote: FakeHandOff) -> list[AdoptedFile]:
    listing = FakeHandOff.prepare_folder(remote, FOLDER)
    record = read_records(listing, lambda name: remote.read(FOLDER, name))
    return sorted(record.files, key=lambda each: each.number)


@pytest.mark.parametrize("lags", [False, True])
def test_what_is_adopted_one_after_the_other_is_all_on_record_also_where_nothing_is_listed_yet(
    lags: bool,
) -> None:
    remote = Lagging()
    adopt(remote, FILES[0])
    remote.lags = lags
    adopt(remote, FILES[1])
    assert on_record(remote) == FILES[:2]
    assert len(remote.folders[FOLDER]) == (2 if lags else 1)
    remote.lags = False
    assert sorted(each.path for each in adopt(remote, FILES[2]).files) == [
        "1.mp4",
        "2.mp4",
        "3.mp4",
    ]
    assert on_record(remote) == FILES


@pytest.mark.parametrize("lags", [False, True])
def test_what_is_taken_back_counts_no_more_also_where_its_adoption_is_not_listed_yet(
    lags: bool,
) -> None:
    remote = Lagging()
    adopt(remote, FILES[0])
    remote.lags = lags
    take_back(remote, FILES[0])
    assert on_record(remote) == []
    remote.lags = False
    adopt(remote, FILES[0])
    assert on_record(remote) == FILES[:1]
