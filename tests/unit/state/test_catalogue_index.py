"""Words are found in a large catalogue as in a small one, and without reading all of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_sync.commands.find import _hits
from tdl_sync.core.errors import TdlSyncError
from tdl_sync.state import catalogue_index
from tdl_sync.state.catalogue import Catalogue, CatalogueRow
from tdl_sync.state.catalogue_index import FIND, folded, numbers_with, query

MANY = 100_000


def row(message_id: int, caption: str | None, name: str | None = None) -> CatalogueRow:
    path = f"Films [-1001]/{message_id}_{name or 'x.bin'}"
    return CatalogueRow(
        message_id, 1, "2024-01-02T03:04:05Z", "video", 7, caption, name, path, 10, None
    )


def kept(path: Path, *rows: CatalogueRow) -> None:
    with closing(Catalogue(path)) as catalogue:
        catalogue.put(rows)


def found(path: Path, *words: str) -> list[int]:
    errors: list[TdlSyncError] = []
    hits = _hits(path, [folded(word) for word in words], errors)
    ids = [hit.row.message_id for hit in hits]
    assert errors == []
    return ids


def index_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.index")


def test_in_a_hundred_thousand_rows_words_are_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "films.sqlite"
    kept(path, *(row(number, f"part {number} of the Straße") for number in range(1, MANY + 1)))
    assert found(path, "PART 77777", "strasse") == [77777]
    assert found(path, "of", "77778 OF") == [77778]  # a short word has no trigram
    with closing(sqlite3.connect(index_of(path))) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {FIND}", (query(["part"]),)).fetchall()
        steps = [step[3] for step in plan]
        assert any("words VIRTUAL TABLE INDEX" in step for step in steps), steps
        assert not any(step.startswith("SCAN seen") for step in steps), steps
        before = connection.total_changes, index_of(path).stat().st_mtime_ns
    assert found(path, "77779") == [77779]
    assert index_of(path).stat().st_mtime_ns == before[1]  # nothing has changed, so nothing does
    # What came, was replaced or went since is found as it is now.
    kept(path, row(77779, "another caption"), row(MANY + 1, "a new one"))
    assert found(path, "part 77779") == []
    assert found(path, "another caption") == [77779]
    assert found(path, "a new one") == [MANY + 1]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM files WHERE message_id = ?", (MANY,))
        connection.commit()
    assert found(path, f"part {MANY}") == []


TEXTS = st.text("aAbßﬁÉé\"*- \n0'", max_size=6)


@settings(max_examples=60)
@given(
    captions=st.lists(TEXTS, min_size=1, max_size=8), words=st.lists(TEXTS, min_size=1, max_size=3)
)
def test_what_is_looked_up_is_what_would_be_read(
    captions: list[str], words: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("catalogue") / "x.sqlite"
    kept(path, *(row(number, caption) for number, caption in enumerate(captions, 1)))
    read = found(path, *words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue_index, "LEAST_ROWS", 0)
        assert found(path, *words) == read
        assert numbers_with(path, ["abcd"]) is not None


def test_where_no_index_can_be_kept_or_it_is_damaged_all_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_index, "LEAST_ROWS", 0)
    path = tmp_path / "films.sqlite"
    kept(path, row(1, "a caption"))
    index_of(path).write_bytes(b"no database" * 1000)
    assert found(path, "caption") == [1]
    assert found(path, "caption") == [1]
    with closing(sqlite3.connect(index_of(path))) as connection:  # it was made anew
        assert connection.execute("SELECT count(*) FROM seen").fetchone() == (1,)
    index_of(path).unlink()
    index_of(path).mkdir()
    assert found(path, "caption") == [1]
    index_of(path).rmdir()
    monkeypatch.setattr(
        catalogue_index, "_SCHEMA", catalogue_index._SCHEMA.replace("trigram", "none")
    )
    assert found(path, "caption") == [1]
    assert not index_of(path).exists()
