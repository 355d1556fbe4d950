"""Whose everything in the program to unpack is, and under which licence it may be passed on.

Each file, and each module in its archive, belongs to a part: a distribution of the environment it
is built in, Python itself, or a library of the system. A part has the texts of its licence, or the
program is not built. Standard library only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path

from scripts.environment import SetUpFailed

TEXTS = Path(__file__).parent / "licences"
"""Of what brings none of its own, a file for each part."""

LIBRARIES = (
    (r"lib(crypto|ssl)\b.*", "openssl"),
    (r"(lib)?sqlite3\b.*", "sqlite"),
    (r"libz\b.*|zlib.*\.dll", "zlib"),
    (r"libbz2\b.*", "bzip2"),
    (r"liblzma\b.*", "xz"),
    (r"libffi\b.*", "libffi"),
    (r"libexpat\b.*", "expat"),
    (r"libmpdec\b.*", "libmpdec"),
    (r"libuuid\b.*", "util-linux"),
    (r"libgcc_s\b.*", "gcc"),
    (r"(vcruntime|msvcp|ucrtbase|api-ms-win-).*\.dll", "microsoft"),
)
"""Libraries of the system, or beside Python, by the names of their files. Another one is not passed
on before somebody has looked at its licence: readline's would be the program's then."""

IN_PYTHON = ("openssl", "sqlite", "zlib", "bzip2", "xz", "libffi", "expat", "libmpdec")
"""What Python's own modules are linked with, on some systems without a file of its own."""

_LICENCE = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)
EXCHANGEABLE = ("kurigram", "tgcrypto-pyrofork")

HEAD = """\
# What this program is made of

tdl-sync is under the MIT licence (`tdl-sync/LICENSE`). It is passed on together with the parts
below; each has its licence in the folder of its name. `bundled.txt` says which file is whose.

kurigram and tgcrypto-pyrofork are under the GNU Lesser General Public License, version 3. You may
change them and put yours in their place: kurigram is the folder `_internal/pyrogram`, which holds
its source (Python takes a changed file at once), tgcrypto is the file `_internal/tgcrypto.*`. Their
sources: https://pypi.org/project/kurigram/ and https://pypi.org/project/tgcrypto-pyrofork/; of the
other parts, at the addresses below.

| part | version | licence | home |
| --- | --- | --- | --- |
"""


class UnknownPart(SetUpFailed):
    """Something would be passed on of which nobody knows the licence."""


@dataclass(frozen=True)
class Bundled:
    """A file of the program, or a module in its archive: its name there, and where it came from."""

    name: str
    source: Path


@dataclass(frozen=True)
class Environment:
    """What the program is built in: its packages, its Python, and the directory of the build."""

    packages: Path
    python: Path
    work: Path
    _owners: dict[str, str] = field(default_factory=dict)

    def distributions(self) -> Iterator[tuple[str, Distribution]]:
        for each in distributions(path=[str(self.packages)]):
            yield normal(each.metadata["Name"]), each

    def distribution_of(self, source: Path) -> str | None:
        if not self._owners:
            for name, distribution in self.distributions():
                for file in distribution.files or ():
                    self._owners[file.as_posix()] = name
        try:
            return self._owners.get(source.relative_to(self.packages).as_posix())
        except ValueError:
            return None


def normal(name: str) -> str:
    """As https://packaging.python.org/specifications/name-normalization/ has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def part_of(bundled: Bundled, environment: Environment) -> str:
    """Raises ``UnknownPart``."""
    source = bundled.source
    if (distribution := environment.distribution_of(source)) is not None:
        return distribution
    for pattern, part in LIBRARIES:
        if re.fullmatch(pattern, source.name, re.IGNORECASE):
            return part
    for place, part in ((environment.work, "tdl-sync"), (environment.python, "python")):
        if source.resolve().is_relative_to(place.resolve()):
            return part
    raise UnknownPart(
        f"nobody knows under which licence {bundled.name} ({source}) may be passed on: leave it "
        "out, or name its part in scripts/executable/notices.py"
    )


def parts_of(bundled: Iterable[Bundled], environment: Environment) -> dict[str, str]:
    """The part of each, by name. Raises ``UnknownPart``."""
    return {each.name: part_of(each, environment) for each in bundled}


def write(folder: Path, parts: Mapping[str, str], environment: Environment) -> None:
    """The texts of all parts, in a folder for each, a page that lists them, and what is whose.

    Raises ``UnknownPart``.
    """
    present = {*parts.values(), *IN_PYTHON, "python", "rclone", "pyinstaller"}
    known = dict(environment.distributions())
    lines = []
    for part in sorted(present):
        texts = texts_of(part, known.get(part), environment)
        (folder / part).mkdir(parents=True)
        for text in texts:
            shutil.copyfile(text, folder / part / text.name)
        lines.append(_line(part, known.get(part), texts))
    (folder / "README.md").write_text(HEAD + "".join(lines), "utf-8", newline="\n")
    listed = "".join(f"{name}\t{part}\n" for name, part in sorted(parts.items()))
    (folder / "bundled.txt").write_text(listed, "utf-8", newline="\n")


def texts_of(part: str, found: Distribution | None, environment: Environment) -> list[Path]:
    texts = []
    if found is not None:
        files = [each for each in found.files or () if ".dist-info" in str(each)]
        texts = [Path(str(found.locate_file(each))) for each in files if _LICENCE.search(each.name)]
    elif part == "python":
        texts = sorted(environment.python.glob("LICENSE*"))
        texts += sorted(environment.python.glob("lib/python3*/LICENSE*"))
        texts = texts[:1]
    elif (TEXTS / f"{part}.txt").is_file():
        texts = [TEXTS / f"{part}.txt"]
    if not any(text.stat().st_size for text in texts):
        raise UnknownPart(f"{part} brings no text of its licence: add one to {TEXTS}")
    return texts


def _line(part: str, found: Distribution | None, texts: Iterable[Path]) -> str:
    named = ", ".join(sorted(f"[{text.name}]({part}/{text.name})" for text in texts))
    if found is None:
        return f"| {part} | | {named} | |\n"
    urls = found.metadata.get_all("Home-page") or [
        each.partition(", ")[2] for each in found.metadata.get_all("Project-URL") or ()
    ]
    home = (urls or [f"https://pypi.org/project/{part}/"])[0]
    return f"| {part} | {found.version} | {named} | {home} |\n"


def without_a_notice(names: Iterable[str], folder: Path) -> list[str]:
    """Of what is in a program, by name: what its notices do not account for."""
    listed = dict(
        line.split("\t", 1) for line in (folder / "bundled.txt").read_text("utf-8").splitlines()
    )
    missing = []
    for name in names:
        part = listed.get(name)
        if part is None or not any(text.stat().st_size for text in (folder / part).glob("*")):
            missing.append(name)
    return missing
