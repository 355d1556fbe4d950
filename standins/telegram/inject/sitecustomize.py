"""On PYTHONPATH of a program under test: makes its pyrogram trust the stand-in's RSA key.

A data centre's key is needed only where an auth key is made: for a login, and for files that lie
in a foreign data centre. Nothing happens in a Python that never imports pyrogram.

With the variable ``TESTS_IMPORT_THE_WHOLE_SCHEMA``, pyrogram is imported here, as it imports
itself: the program comes too late then to import its schema on demand.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType

_TARGET = "pyrogram.crypto.rsa"


class _TrustingLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        import standin_public_key  # type: ignore[import-not-found]  # beside this file

        standin_public_key.add_to(module)


class _TrustingFinder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _TARGET:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _TrustingLoader(spec.loader)
        return spec


sys.meta_path.insert(0, _TrustingFinder())

if "TESTS_IMPORT_THE_WHOLE_SCHEMA" in os.environ:
    import pyrogram  # noqa: F401
