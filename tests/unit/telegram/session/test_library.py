"""What is used of kurigram's insides is there, and only one module knows of it."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pyrogram.client
import pytest
from pyrogram.errors import RPCError

from tdl_sync.telegram.session import library
from tdl_sync.telegram.session.library import (
    INSIDES,
    NAMED_ERRORS,
    PARAMETER,
    STRING_PARAMETER_PREFIXES,
    Client,
    Connection,
    Inside,
    QRLogin,
    Session,
    TCPAbridged,
)

ROOT = Path(__file__).resolve().parents[4]
PACKAGE = ROOT / "tdl_sync"
LIBRARY = Path(library.__file__).relative_to(ROOT).as_posix()
DOCUMENTED = ("pyrogram.raw", "pyrogram.raw.core", "pyrogram.errors", "pyrogram.types")
OURS_TOO = {"start", "stop", "send", "state", "connection", "dc_id", "client"}
"""Names that other classes have as well, so that a use of them tells nothing."""


async def everything() -> list[object]:
    """One of each class, without a network: some attributes are there only then."""
    loop = asyncio.get_running_loop()
    client = Client("nobody", api_id=1, api_hash="0" * 32, in_memory=True, loop=loop)
    session = Session(client, 2, "127.0.0.1", 443, b"\0" * 256, False, is_media=True)
    connection = Connection(2, "127.0.0.1", 443, False, loop=loop)
    return [client, session, connection, TCPAbridged(loop=loop), QRLogin(client)]


@pytest.mark.parametrize("inside", INSIDES, ids=lambda each: f"{each.owner.__name__}.{each.name}")
def test_the_installed_kurigram_still_has(inside: Inside) -> None:
    alive = [each for each in asyncio.run(everything()) if type(each) is inside.owner]
    holder = alive[0] if alive else inside.owner
    assert hasattr(holder, inside.name), inside.why
    if inside.parameters:
        takes = list(inspect.signature(getattr(inside.owner, inside.name)).parameters)
        missing = [name for name in inside.parameters if name not in takes]
        assert missing == [], inside.why
        if inside.name == "__init__":
            assert takes[1 : 1 + len(inside.parameters)] == list(inside.parameters)


def test_clients_still_find_the_class_of_their_sessions_by_that_name() -> None:
    assert issubclass(vars(pyrogram.client)["Session"], Session)
    assert "Session(" in inspect.getsource(Client.get_session)


def test_a_name_that_is_gone_is_told_with_what_it_was_for() -> None:
    gone = Inside(Session, "no_such_thing", "said to whoever moves to another version")
    with pytest.raises(AssertionError, match=r"whoever moves"):
        test_the_installed_kurigram_still_has(gone)


def test_errors_are_still_named_in_the_table_by_code_and_text() -> None:
    assert NAMED_ERRORS[420]["FLOOD_WAIT_X"] == "FloodWait"
    assert PARAMETER.sub("_X", "FLOOD_WAIT_3") == "FLOOD_WAIT_X"
    assert issubclass(getattr(__import__("pyrogram").errors, NAMED_ERRORS[420]["_"]), RPCError)
    assert all(isinstance(prefix, str) for prefix in STRING_PARAMETER_PREFIXES)


def test_requirements_name_one_kurigram_and_that_is_the_one_that_is_tested() -> None:
    (line,) = re.findall(r"^kurigram(.*)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert line == f"=={version('kurigram')}"


def imported(path: Path) -> Iterator[str]:
    """What it takes from kurigram, each by the module that it is taken from."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.startswith("pyrogram"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyrogram"):
            for each in node.names:
                package = node.module == "pyrogram" and each.name in ("raw", "errors")
                yield f"pyrogram.{each.name}" if package else str(node.module)


def test_only_one_module_takes_from_kurigram_what_it_does_not_document() -> None:
    taken = {
        path.relative_to(ROOT).as_posix(): set(imported(path)) - set(DOCUMENTED)
        for path in PACKAGE.rglob("*.py")
    }
    elsewhere = {name: modules for name, modules in taken.items() if modules and name != LIBRARY}
    assert elsewhere == {}
    assert taken[LIBRARY]


def test_only_one_module_reaches_into_sessions() -> None:
    hidden = {
        each.name for each in INSIDES if each.owner is Session and not each.name.startswith("__")
    } - OURS_TOO
    assert {"is_started", "results", "salt"} <= hidden
    for path in (PACKAGE / "telegram").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
        }
        assert name == LIBRARY or used & hidden == set(), name
