"""Telegram's schema (``pyrogram.raw``), of which each type is imported when it is first used.

It is 3,200 generated modules. The library imports all of them, which takes longer than everything
else of a start and more memory than all of a small run, and a run needs a hundredth of them.

What is used of the library's insides here is how those modules are laid out, and all of it is
looked at before anything is done: that an ``__init__.py`` of the schema holds nothing but imports
of its own modules' names and of its own packages, that the one of ``pyrogram.raw`` is the text
below, and that ``pyrogram.raw.all.objects`` then holds names. Where anything of that is different,
or not a file (a zip, a frozen program, another version), that package is imported as ever.

Nobody sees a difference but by asking what has been imported so far: names are found by attribute,
by ``from … import``, by ``dir()``, and by ``objects``, whoever asks first and from whatever thread.
``tests/unit/telegram/session/test_schema_on_demand.py`` compares both ways, name by name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_keys, dict_values

ROOT = "pyrogram.raw"
_PACKAGES = re.compile(r"pyrogram\.raw\.(?:types|functions|base)(?:\.\w+)?")

ROOT_TEXT = """\
from importlib import import_module
from . import types, functions, base, core
from .all import objects
__all__ = ["types", "functions", "base", "core"]
for k, v in objects.items():
    path, name = v.rsplit(".", 1)
    objects[k] = getattr(import_module(path), name)
"""
"""What ``pyrogram/raw/__init__.py`` says, without comments and empty lines."""

_ONE_NAME = re.compile(r"from \.(\w+) import (\w+)")
_OWN_PACKAGES = re.compile(r"from \. import (\w+(?:, \w+)*)")


@dataclass(frozen=True)
class Contents:
    """What an ``__init__.py`` of the schema makes known: each name with the module that has it,
    and the modules and packages themselves."""

    module_of: Mapping[str, str]
    modules: frozenset[str]

    def names(self) -> list[str]:
        return sorted({*self.module_of, *self.modules})


def statements(source: str) -> list[str]:
    """The lines of a text that are neither empty nor a comment."""
    lines = (line.rstrip() for line in source.splitlines())
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def contents(source: str) -> Contents | None:
    """Of an ``__init__.py`` of the schema; ``None`` if it holds, or may hold, anything else."""
    module_of: dict[str, str] = {}
    modules: set[str] = set()
    for line in statements(source):
        if match := _ONE_NAME.fullmatch(line):
            module_of[match[2]] = match[1]
            modules.add(match[1])
        elif match := _OWN_PACKAGES.fullmatch(line):
            modules.update(match[1].split(", "))
        else:
            return None
    if not modules or modules & module_of.keys():  # which of the two would depend on the order
        return None
    return Contents(module_of, frozenset(modules))


class OnDemand(dict[int, Any]):
    """``pyrogram.raw.all.objects``: each type of the schema by its number. Reading an answer asks
    for one of them, so those that are known already are an entry of an ordinary dictionary."""

    def __init__(self, paths: Mapping[int, str]) -> None:
        super().__init__()
        self._paths = dict(paths)

    def __missing__(self, number: int) -> Any:
        package, _, name = self._paths[number].rpartition(".")
        try:
            found = getattr(import_module(package), name)
        except (ImportError, AttributeError, OSError, SyntaxError) as error:
            raise KeyError(number) from error
        if getattr(found, "ID", number) != number:
            # Another version was put in its place while we ran: unknown now, as any new type is.
            raise KeyError(number)
        return self.setdefault(number, found)

    def __contains__(self, number: object) -> bool:
        return number in self._paths or super().__contains__(number)

    def __iter__(self) -> Iterator[int]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._paths.keys() | super().keys())

    def get(self, number: int, default: Any = None) -> Any:
        try:
            return self[number]
        except KeyError:
            return default

    def keys(self) -> dict_keys[int, Any]:
        return self._whole().keys()

    def values(self) -> dict_values[int, Any]:
        return self._whole().values()

    def items(self) -> dict_items[int, Any]:
        return self._whole().items()

    def _whole(self) -> dict[int, Any]:
        return {number: self[number] for number in self._paths} | dict(super().items())


class _PackageLoader(SourceFileLoader):
    """Leaves a package of the schema empty, but able to fetch what its ``__init__.py`` names."""

    def __init__(self, fullname: str, path: str, contents: Contents) -> None:
        super().__init__(fullname, path)
        self._contents = contents

    def exec_module(self, module: ModuleType) -> None:
        held = self._contents
        package = module.__name__

        def fetched(name: str) -> Any:
            if name in held.module_of:
                found = getattr(import_module(f"{package}.{held.module_of[name]}"), name)
                setattr(module, name, found)
                return found
            if name in held.modules:
                return import_module(f"{package}.{name}")
            raise AttributeError(f"module {package!r} has no attribute {name!r}")

        def names() -> list[str]:
            return sorted({*vars(module), *held.names()} - {"__getattr__", "__dir__"})

        vars(module).update(__getattr__=fetched, __dir__=names)


class _RootLoader(SourceFileLoader):
    """Does what ``pyrogram/raw/__init__.py`` says, but for its last lines."""

    def exec_module(self, module: ModuleType) -> None:
        table = import_module(f"{ROOT}.all")
        paths = table.objects
        if not _holds_names(paths):
            super().exec_module(module)
            return
        table.objects = OnDemand(paths)  # type: ignore[attr-defined]
        names = ["types", "functions", "base", "core"]
        for name in names:
            setattr(module, name, import_module(f"{ROOT}.{name}"))
        vars(module).update(__all__=names, objects=table.objects)


def _holds_names(paths: object) -> bool:
    return type(paths) is dict and all(
        isinstance(path, str) and path.startswith(f"{ROOT}.") for path in paths.values()
    )


class _Finder:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != ROOT and not _PACKAGES.fullmatch(fullname):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        if not spec.loader.is_package(fullname):
            return spec
        try:
            source = spec.loader.get_source(fullname) or ""
        except (ImportError, OSError):
            return None
        if fullname == ROOT:
            if statements(source) == statements(ROOT_TEXT):
                spec.loader = _RootLoader(fullname, spec.loader.path)
        elif (found := contents(source)) is not None:
            spec.loader = _PackageLoader(fullname, spec.loader.path, found)
        return spec


def import_on_demand() -> None:
    """From now on. What has been imported stays as it is; to call it again changes nothing."""
    if not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
