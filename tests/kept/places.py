"""Where the versions' folders are, and how what is in them is put where the program finds it.

What is committed is small and knows no place: ``….gz`` stands for a file with large holes, and the
journals of partial files, which name the staging directory, name ``STAGING`` instead.
"""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

STAGING = "/kept/staging"
"""Stands in the journals for the staging directory, wherever that was."""

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Kept:
    """The folder of one version."""

    directory: Path

    @property
    def name(self) -> str:
        return self.directory.name

    def text(self, path: str) -> str:
        return (self.directory / path).read_text("utf-8")

    def texts(self, path: str) -> dict[str, str]:
        """The content of each file in a folder, by its name without the ending."""
        return {
            each.stem: each.read_bytes().decode("utf-8")
            for each in sorted((self.directory / path).iterdir())
        }

    def copy(self, path: str, target: Path, staging: Path | None = None) -> Path:
        """A copy that may be changed, as it was left; ``staging`` is where the journals' is."""
        shutil.copytree(self.directory / path, target)
        for packed in sorted(target.rglob("*.gz")):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
        if staging is not None:
            for journal in sorted(target.rglob("*.parts")):
                journal.write_bytes(moved(journal.read_bytes(), STAGING, str(staging)))
        return target


def moved(journal: bytes, old_staging: str, new_staging: str) -> bytes:
    """The journal of a partial file in another directory. Its records are not touched."""
    first_line, line_break, records = journal.partition(b"\n")
    old, new = (json.dumps(each)[1:-1].encode() for each in (old_staging, new_staging))
    return first_line.replace(old + b"/", new + b"/") + line_break + records


VERSIONS = [Kept(path) for path in sorted(HERE.glob("v*")) if path.is_dir()]
