"""Search terms: what they find, and that no unknown one is taken for granted."""

from __future__ import annotations

import pytest

from standins.drive.api.query import QueryError, parse_query
from standins.drive.files.world import FOLDER, Node, World


def found(world: World, query: str) -> list[str]:
    term = parse_query(query, world.tops["user"].file_id)
    candidates = term.candidates(world)
    matching = [node for node in world.all() if node.parent and term.matches(node)]
    assert candidates is None or candidates >= set(matching)
    return [node.name for node in matching]


@pytest.fixture
def world() -> World:
    world = World()
    top = world.tops["user"]
    folder = world.create({"name": "Folder", "mimeType": FOLDER}, top, None)
    world.create({"name": "it's", "modifiedTime": "2024-01-01T00:00:00Z"}, folder, None)
    world.create({"name": "back\\slash", "modifiedTime": "2024-01-02T00:00:00Z"}, top, None)
    world.create({"name": "gone", "trashed": True}, top, None)
    return world


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Folder", "it's", "back\\slash", "gone"]),
        ("'root' in parents", ["Folder", "back\\slash", "gone"]),
        ("name = 'it\\'s'", ["it's"]),
        ("name='back\\\\slash'", ["back\\slash"]),
        ("name = 'folder'", ["Folder"]),
        ("trashed=true", ["gone"]),
        ("trashed=false and 'root' in parents", ["Folder", "back\\slash"]),
        (f"mimeType='{FOLDER}' or name='gone'", ["Folder", "gone"]),
        (f"mimeType!='{FOLDER}' and trashed=false", ["it's", "back\\slash"]),
        ("not ('root' in parents or trashed=true)", ["it's"]),
        ("name='gone' or name='it\\'s' and trashed=true", ["gone"]),
        ("modifiedTime < '2024-01-01T12:00:00'", ["it's"]),
    ],
)
def test_a_search_finds(world: World, query: str, names: list[str]) -> None:
    assert found(world, query) == names


@pytest.mark.parametrize(
    "query",
    [
        "name contains 'x'",
        "fullText = 'x'",
        "sharedWithMe=true",
        "'x' in owners",
        "name = it",
        "name = 'it's'",
        "name > 'x'",
        "trashed = maybe",
        "(trashed=true",
        "trashed=true)",
        "trashed=true trashed=true",
        "name =",
        "name = 'a\\n'",
    ],
)
def test_what_is_no_known_search_term_is_an_error(world: World, query: str) -> None:
    with pytest.raises(QueryError):
        parse_query(query, "root-id")


def test_a_trashed_folder_takes_its_files_with_it(world: World) -> None:
    folder = next(node for node in world.all() if node.name == "Folder")
    world.update(folder, {"trashed": True}, None, None)
    assert found(world, "trashed=true") == ["Folder", "it's", "gone"]
    child: Node = next(iter(world.children(folder.file_id)))
    assert not child.explicitly_trashed
