"""Telegram's schema is imported bit by bit; nobody sees a difference but in the time it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts import reaper
from tdl_sync.telegram.session.schema_on_demand import OnDemand, contents

ROOT = Path(__file__).resolve().parents[4]

EVERYTHING = """\
import json, sys, types
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
{before}
from pyrogram import raw
from pyrogram.raw.core import TLObject

imported = sum(name.startswith("pyrogram.raw.") for name in sys.modules)
threads = 4
begin = Barrier(threads)

def told(value):
    if isinstance(value, types.ModuleType):
        return value.__name__
    return f"{{value.__module__}} {{value.__qualname__}}" if isinstance(value, type) else None

def names(module):
    found = {{}}
    for name in dir(module):
        if name.startswith("__"):
            continue
        value = getattr(module, name)
        found[name] = told(value)
        if isinstance(value, types.ModuleType) and hasattr(value, "__path__"):
            found.update((f"{{name}}.{{inner}}", each) for inner, each in names(value).items())
    return found

def all_at_once(number):
    begin.wait()
    return [names(each) for each in (raw.types, raw.functions, raw.base)]

with ThreadPoolExecutor(threads) as pool:
    first, *others = pool.map(all_at_once, range(threads))
assert all(each == first for each in others)

from pyrogram.raw.types import UpdateNewMessage as same
assert same is raw.types.UpdateNewMessage is raw.objects[same.ID]
assert issubclass(same, raw.base.Update) and not issubclass(same, raw.base.Message)
objects = raw.all.objects
assert all(number in objects and objects.get(number) is each for number, each in objects.items())
assert len(objects) == len(list(objects)) == len(objects.values()) == len(objects.keys())
assert objects.get(1) is None and 1 not in objects and raw.objects is objects
json.dump([imported, first, {{n: told(each) for n, each in objects.items()}}], sys.stdout)
"""


def asked(text: str, *path: Path) -> str:
    environment = {**reaper.mark(), "PYTHONPATH": ":".join(map(str, (*path, ROOT)))}
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_name_and_every_number_leads_to_the_same_type_in_both_ways() -> None:
    """Asked for by several threads at once."""
    on_demand: list[Any] = json.loads(asked(EVERYTHING.format(before="import tdl_sync.telegram")))
    at_once: list[Any] = json.loads(asked(EVERYTHING.format(before="")))
    assert on_demand[1:] == at_once[1:]
    assert on_demand[0] < 300, "as many modules of the schema are imported by the library itself"
    assert at_once[0] > 3000


ROOT_OF_SCHEMA = """
from importlib import import_module

from . import types, functions, base, core
from .all import objects

__all__ = ["types", "functions", "base", "core"]

for k, v in objects.items():
    path, name = v.rsplit(".", 1)
    objects[k] = getattr(import_module(path), name)
"""
SCHEMA = {
    "__init__.py": "from . import raw",
    "raw/__init__.py": ROOT_OF_SCHEMA,
    "raw/all.py": 'objects = {1: "pyrogram.raw.types.One", 2: "pyrogram.raw.types.help.Two"}',
    "raw/core/__init__.py": "from ..all import objects",
    "raw/types/__init__.py": "from .one import One\nfrom . import help",
    "raw/types/one.py": "class One: ID = 1",
    "raw/types/help/__init__.py": "# generated\n\nfrom .two import Two\n",
    "raw/types/help/two.py": "class Two: ID = 2",
    "raw/functions/__init__.py": "",
    "raw/base/__init__.py": "",
}

IMPORTED_AND_USED = """\
import sys, tdl_sync.telegram
from pyrogram import raw
print(*sorted(name for name in sys.modules if name.endswith((".one", ".two"))))
assert raw.core.objects[1] is raw.objects[1] is raw.types.One
assert raw.core.objects[2] is raw.types.help.Two
"""
ONE = "pyrogram.raw.types.one"
BOTH = f"pyrogram.raw.types.help.two {ONE}"


def laid_out(directory: Path, **changed: str) -> Path:
    for name, text in {**SCHEMA, **changed}.items():
        path = directory / "pyrogram" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


@pytest.mark.parametrize(
    ("changed", "imported"),
    [
        ({}, ""),
        ({"raw/types/__init__.py": "from .one import One\nfrom . import help\nOne.more = 1"}, ONE),
        ({"raw/types/__init__.py": "from .one import One as One\nfrom . import help"}, ONE),
        ({"raw/__init__.py": ROOT_OF_SCHEMA + "objects[3] = None\n"}, BOTH),
        (
            {
                "raw/__init__.py": "from . import all, types, functions, base, core\n"
                "from .all import objects",
                "raw/all.py": "from .types import One, help\nobjects = {1: One, 2: help.Two}",
            },
            BOTH,
        ),
    ],
)
def test_what_is_laid_out_otherwise_is_imported_as_ever(
    changed: dict[str, str], imported: str, tmp_path: Path
) -> None:
    assert asked(IMPORTED_AND_USED, laid_out(tmp_path, **changed)).strip() == imported


def test_a_table_that_holds_types_already_is_left_as_it_is(tmp_path: Path) -> None:
    table = "class One: ID = 1\nobjects = {1: One}"
    laid_out(tmp_path, **{"raw/all.py": table, "raw/__init__.py": ROOT_OF_SCHEMA})
    with pytest.raises(AssertionError, match="has no attribute 'rsplit'"):  # as the library itself
        asked("import tdl_sync.telegram, pyrogram", tmp_path)


def test_a_library_in_a_zip_is_imported_as_ever(tmp_path: Path) -> None:
    whole = laid_out(tmp_path / "files")
    archive = tmp_path / "library.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for path in whole.rglob("*.py"):
            made.write(path, path.relative_to(whole))
    assert asked(IMPORTED_AND_USED, archive).strip() == BOTH


def test_a_library_without_its_source_is_imported_as_ever(tmp_path: Path) -> None:
    whole = laid_out(tmp_path)
    compile_all = (
        "import compileall, sys; compileall.compile_dir(sys.path[1], quiet=2, legacy=True)"
    )
    asked(compile_all, whole)
    for path in whole.rglob("*.py"):
        path.unlink()
    assert asked(IMPORTED_AND_USED, whole).strip() == BOTH


def test_a_library_that_was_imported_before_stays_as_it_is(tmp_path: Path) -> None:
    text = f"import pyrogram\n{IMPORTED_AND_USED}"
    assert asked(text, laid_out(tmp_path)).strip() == BOTH


def test_a_type_that_was_changed_or_taken_away_beneath_a_run_is_an_unknown_one(
    tmp_path: Path,
) -> None:
    whole = laid_out(tmp_path)
    text = textwrap.dedent(f"""\
        import tdl_sync.telegram, pathlib
        from pyrogram import raw
        types = pathlib.Path({str(whole / "pyrogram" / "raw" / "types")!r})
        (types / "one.py").write_text("class One: ID = 17")
        (types / "help" / "two.py").unlink()
        for number in 1, 2, 3:
            try:
                raw.objects[number]
            except KeyError as error:
                print(*error.args)
        """)
    assert asked(text, whole).split() == ["1", "2", "3"]


def test_an_unknown_name_is_no_attribute_of_the_schema() -> None:
    from pyrogram import raw

    for package in (raw, raw.types, raw.functions.messages, raw.base):
        assert not hasattr(package, "NoSuchType")
        assert not hasattr(package, "__wrapped__")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "from .one import One, Other",
        "from .one import One; print()",
        "from .. import one",
        "from .one import one",
        "import one",
        '"""What it is."""\nfrom .one import One',
    ],
)
def test_only_a_list_of_own_names_is_taken_for_one(text: str) -> None:
    assert contents(text) is None


def test_the_table_takes_an_entry_as_any_dictionary_does() -> None:
    table = OnDemand({1: "builtins.object"})
    table[2] = str
    assert dict(table) == {1: object, 2: str}
    assert (table[1], table.get(2), table.get(3, int), 2 in table, len(table)) == (
        object, str, int, True, 2,
    )  # fmt: skip
