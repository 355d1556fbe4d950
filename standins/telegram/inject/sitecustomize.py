"""On PYTHONPATH of a program under test: makes its pyrogram trust the stand-in's RSA key.

A data centre's key is needed only where an auth key is made: for a login, and for files that lie
in a foreign data centre. Nothing happens in a Python that never imports pyrogram.

With the variable ``TESTS_IMPORT_THE_WHOLE_SCHEMA``, pyrogram is imported here, as it imports
itself: the program comes too late then to import its schema on demand.

With ``TESTS_FOLDER_WAIT_SECONDS`` the program waits that long where other machines may make the
folder that it needs on Drive.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

_FOLDER_WAIT = "TESTS_FOLDER_WAIT_SECONDS"


def _trust(module: ModuleType) -> None:
    import standin_public_key  # type: ignore[import-not-found]  # beside this file

    standin_public_key.add_to(module)


def _wait_otherwise(module: ModuleType) -> None:
    if _FOLDER_WAIT in os.environ:
        module.WAIT_SECONDS = float(os.environ[_FOLDER_WAIT])  # type: ignore[attr-defined]


_CHANGED = {
    "pyrogram.crypto.rsa": _trust,
    "tdl_sync.remote.one_of_several": _wait_otherwise,
}
"""What is done to a module when it was imported."""


class _ChangingLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)


class _ChangingFinder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _CHANGED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _ChangingLoader(spec.loader, _CHANGED[fullname])
        return spec


sys.meta_path.insert(0, _ChangingFinder())

if "TESTS_IMPORT_THE_WHOLE_SCHEMA" in os.environ:
    import pyrogram  # noqa: F401
