"""A catalogue is whole, holds what is written meanwhile, and knows what the remote lacks."""

from __future__ import annotations

import sqlite3
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tdl_sync.state.catalogue import Catalogue, CatalogueRow, CatalogueUnreadable, begin_with
from tests.files_in_use import what_is_open_stays

ROW = CatalogueRow(4711, 1, "2024-05-01", "video", None, "x \ud800", None, "a/4711_x", 5, None)


def test_a_copy_of_it_is_the_same_for_its_owner_alone(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "one" / "a.sqlite")
    catalogue.describe(title="Films")
    catalogue.put([replace(ROW, message_id=number) for number in range(1, 1000)], 999)
    begin_with(tmp_path / "other" / "b.sqlite", catalogue.content())
    other = Catalogue(tmp_path / "other" / "b.sqlite")
    assert list(other.rows()) == list(catalogue.rows())
    assert (other.read_up_to_id, other.about()["title"]) == (999, "Films")
    assert next(iter(other.rows())).caption == "x ?"
    assert other.changes == 0
    if sys.platform != "win32":
        for path in tmp_path.rglob("*.sqlite"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(tmp_path.rglob("*.new"))


def test_what_the_remote_lacks_is_known_also_by_the_next_run(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "a.sqlite")
    catalogue.put([ROW])
    changes = catalogue.changes
    catalogue.content()
    catalogue.put([replace(ROW, message_id=5)])  # while the content was on its way
    catalogue.sent(changes)
    catalogue.close()
    later = Catalogue(tmp_path / "a.sqlite")
    assert later.changes == 2
    later.sent(later.changes)
    assert later.changes == 0


def _view(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE VIEW other AS SELECT * FROM files")


def _trigger(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TRIGGER t AFTER INSERT ON files BEGIN UPDATE files SET path = 'x'; END"
    )


def _columns(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE files ADD COLUMN more TEXT")


@pytest.mark.parametrize("spoil", [_view, _trigger, _columns])
def test_what_is_not_ours_in_it_is_refused(
    tmp_path: Path, spoil: Callable[[sqlite3.Connection], None]
) -> None:
    path = tmp_path / "a.sqlite"
    Catalogue(path).close()
    connection = sqlite3.connect(path)
    spoil(connection)
    connection.commit()
    connection.close()
    with pytest.raises(CatalogueUnreadable):
        Catalogue(path)
    with pytest.raises(CatalogueUnreadable):
        begin_with(tmp_path / "b.sqlite", path.read_bytes())
    assert not (tmp_path / "b.sqlite").exists()


def test_what_is_refused_can_be_removed_on_windows_too(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"no database" * 1000)
    with what_is_open_stays(tmp_path):
        with pytest.raises(CatalogueUnreadable) as caught:
            Catalogue(path)
        path.unlink()
    assert caught.value is not None  # and with it all that its frames hold, to this line


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_one_is_named_as_such(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(CatalogueUnreadable):
        Catalogue(path)
