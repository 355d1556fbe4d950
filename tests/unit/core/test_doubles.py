"""What a run says of files that its listing shows twice."""

from __future__ import annotations

import pytest

from tdl_sync.core.doubles import told_of_doubles
from tdl_sync.core.model import ListedFile

ONE = ListedFile("7_a\x1b.bin", 10, sha256="ab" * 32, remote_id="one")


@pytest.mark.parametrize(
    ("other", "how"),
    [
        (ListedFile("7_b.bin", 10, sha256="ab" * 32), "1 with the same content by their hash"),
        (ListedFile("7_b.bin", 10, sha256="cd" * 32), "1 with other content"),
        (ListedFile("7_b.bin", 10, other_hash="md5 1"), "1 of the same size, without a hash"),
        (ListedFile("7_a\x1b.bin", 9), "1 with other content"),
    ],
)
def test_a_message_with_two_files_is_told_with_how_they_compare(
    other: ListedFile, how: str
) -> None:
    line = told_of_doubles([ONE, other, ListedFile("8_a", 1)], "gdrive:a")
    assert line is not None
    assert how in line
    is_somebodys = other.sha256 is not None and other.sha256 != ONE.sha256
    assert ("--repair" in line) is not is_somebodys
    assert "of 1 message there is" in line
    assert "\x1b" not in line


def test_what_people_put_beside_a_file_and_what_is_of_no_message_is_not_told() -> None:
    listing = [ONE, ListedFile("7_notes.txt", 3), ListedFile("a", 1), ListedFile("a", 1)]
    assert told_of_doubles([*listing, ListedFile("7.json", 10)], "gdrive:a") is None
