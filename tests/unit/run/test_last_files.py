"""That the last file is on the disk is told once, whatever comes first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tdl_sync.core.steps import Admitted, DownloadBegan, DownloadEnded, Staged
from tdl_sync.run.last_files import LastFiles
from tests.fakes.chat import item_of

FIRST, SECOND = item_of(1, 10), item_of(2, 10)

Told = Callable[[LastFiles], None]


def all_begun(files: LastFiles) -> None:
    files.all_are_begun()


@pytest.mark.parametrize(
    ("before", "last"),
    [
        ([], all_begun),  # there is none
        ([Admitted(FIRST), DownloadEnded(FIRST)], all_begun),
        (
            [Admitted(FIRST), Admitted(SECOND), all_begun, DownloadEnded(FIRST)],
            DownloadEnded(SECOND),
        ),
        ([Admitted(FIRST), all_begun, DownloadBegan(FIRST), Staged(FIRST)], DownloadEnded(FIRST)),
    ],
)
def test_it_is_told_when_no_download_is_under_way_and_none_will_begin(
    before: list[object], last: object
) -> None:
    told: list[None] = []
    files = LastFiles(lambda: told.append(None))
    for step in before:
        step(files) if callable(step) else files.told(step)  # type: ignore[arg-type]
    assert not told
    for _ in range(2):
        last(files) if callable(last) else files.told(last)  # type: ignore[arg-type]
        assert len(told) == 1
