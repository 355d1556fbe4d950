"""Builds the program to unpack and run, for the system that this runs on: one folder in an archive.

    python3 scripts/build_executable.py               into dist/, and checked
    python3 scripts/build_executable.py --keep DIR    leaves it unpacked there, too
    .venv/bin/python scripts/build_executable.py --kills 40     and kills it so often in the end

PyInstaller makes it, of what the lock files name, in an environment of its own
(``.venv-executable``). It is a folder and no single file: that would have to unpack itself at each
start, and after ``kill -9`` what it has started runs on, with all it has unpacked.

- Beside the executable lies rclone, which it takes where PATH has none.
- The library for Telegram lies there as its source, compiled beforehand, and tgcrypto as the module
  that it is: who gets them may put others in their place (LGPL).
- ``notices/`` has the licence of everything in it; what has none there is not built.

Then it is unpacked in an empty directory and checked (``scripts/executable/check.py``). Standard
library only, but for the kills, which need the environment of the tests.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import (
    RCLONE_REQUIREMENT,
    ROOT,
    RUN_REQUIREMENTS,
    Environment,
    SetUpFailed,
    prepare_environment,
)
from scripts.executable import notices
from scripts.executable.check import check
from scripts.executable.notices import Bundled
from scripts.installed import built

NAME = "tdl-sync"
ENVIRONMENT = ".venv-executable"
REQUIREMENTS = (*RUN_REQUIREMENTS, RCLONE_REQUIREMENT, "requirements-executable.lock")
PARTS = ROOT / "scripts" / "executable"
LEFT_OUT = "curses ensurepip pip pkg_resources pydoc readline setuptools tkinter unittest".split()
"""What no run needs; readline, since its licence (GPL) would be that of the whole."""
EXE = ".exe" if os.name == "nt" else ""

PLACES = """\
import sys, sysconfig
print(sysconfig.get_path("purelib"))
print(sys.base_prefix)
"""

COMPILE = """\
import compileall, py_compile, sys
checked = py_compile.PycInvalidationMode.CHECKED_HASH
done = compileall.compile_dir(sys.argv[1], quiet=1, invalidation_mode=checked)
raise SystemExit(not done)
"""
"""By what is in them and not by their dates: archives do not keep those, and a file that somebody
exchanges counts at once."""

MODULES = """\
import sys
from PyInstaller.archive.readers import CArchiveReader
archive = CArchiveReader(sys.argv[1])
(name,) = [each for each in archive.toc if each.endswith(".pyz")]
print(*sorted({each.split(".")[0] for each in archive.open_embedded_archive(name).toc}))
"""


def folder_name(version: str) -> str:
    """Of the archive, and of the folder in it: ``tdl-sync-1.2.3-linux-x86_64``."""
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    libc = "-musl" if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "") else ""
    return f"{NAME}-{version}-{system}{libc}-{machine}"


def install(environment: Environment, directory: Path) -> None:
    """The program itself, as a wheel. Raises ``SetUpFailed``."""
    wheel = built(directory)
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel)]
    run(environment, *pip, "--disable-pip-version-check")


def run(environment: Environment, *arguments: str, directory: Path | None = None) -> str:
    """Its Python with these; what that prints. Raises ``SetUpFailed``."""
    command = [str(environment.python), *arguments]
    variables = environment.variables()
    ended = subprocess.run(command, cwd=directory, env=variables, stdout=subprocess.PIPE, text=True)
    if ended.returncode != 0:
        raise SetUpFailed(f"{' '.join(command[:4])} ended with status {ended.returncode}")
    return ended.stdout


def pyinstaller(environment: Environment, work: Path) -> Path:
    """Run it; the folder that it has made. Raises ``SetUpFailed``."""
    command = ["-m", "PyInstaller", "--noconfirm", "--log-level=ERROR", "--onedir"]
    command += ["--name", NAME, "--distpath", str(work / "dist"), "--workpath", str(work)]
    command += ["--specpath", str(work), "--additional-hooks-dir", str(PARTS / "hooks")]
    command += ["--collect-submodules", "tdl_sync"]
    for name in LEFT_OUT:
        command += ["--exclude-module", name]
    # From where there is nothing else: what lies beside it, or where this runs, comes first.
    begin = work / "begin"
    begin.mkdir()
    shutil.copyfile(PARTS / "entry.py", begin / "entry.py")
    run(environment, *command, str(begin / "entry.py"), directory=begin)
    return work / "dist" / NAME


def bundled(work: Path) -> Iterator[Bundled]:
    """What PyInstaller says that it has put into the folder and into its archive."""
    (collected,) = ast.literal_eval((work / NAME / "COLLECT-00.toc").read_text("utf-8"))
    for name, source, _ in collected:
        name = name.replace("\\", "/")
        if name.startswith("pyrogram/"):
            continue
        yield Bundled(name if name == f"{NAME}{EXE}" else f"_internal/{name}", Path(source))
    _, modules = ast.literal_eval((work / NAME / "PYZ-00.toc").read_text("utf-8"))
    for name, source, _ in modules:
        if source not in ("", "-"):  # a package without a file of its own
            yield Bundled(name.partition(".")[0], Path(source))


def assemble(environment: Environment, work: Path, folder: Path) -> None:
    """PyInstaller's folder with all that belongs beside it. Raises ``SetUpFailed``."""
    shutil.copytree(pyinstaller(environment, work), folder, symlinks=True)
    packages, python = map(Path, run(environment, "-c", PLACES).splitlines())
    library = folder / "_internal" / "pyrogram"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(packages / "pyrogram", library, dirs_exist_ok=True, ignore=ignored)
    run(environment, "-c", COMPILE, str(library))
    shutil.copy2(environment.executables / f"rclone{EXE}", folder / f"rclone{EXE}")
    share = environment.directory / "share"
    for name in ("man", "bash-completion", "zsh", "fish", f"doc/{NAME}"):
        shutil.copytree(share / name, folder / "share" / name)
    built_in = notices.Environment(packages, python, work)
    parts = {
        **notices.parts_of(bundled(work), built_in),
        "_internal/pyrogram": "kurigram",
        "_internal/base_library.zip": "python",
        f"rclone{EXE}": "rclone",
    }
    notices.write(folder / "notices", parts, built_in)


def unaccounted(environment: Environment, folder: Path) -> list[str]:
    """What lies in the folder, or in the executable's archive, and has no notice."""
    names = run(environment, "-c", MODULES, str(folder / f"{NAME}{EXE}")).split()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        ours = name.startswith(("notices/", "share/", "_internal/pyrogram/"))
        if path.is_file() and not ours:
            names.append(name)
    return notices.without_a_notice(names, folder / "notices")


def pack(folder: Path, target: Path) -> Path:
    """The archive that a user of this system opens without more ado."""
    target.mkdir(exist_ok=True)
    kind = "zip" if os.name == "nt" else "gztar"
    made = shutil.make_archive(str(target / folder.name), kind, folder.parent, folder.name)
    return Path(made)


def build(directory: Path) -> Path:
    """The archive. Raises ``SetUpFailed``."""
    environment = prepare_environment(REQUIREMENTS, name=ENVIRONMENT)
    print("building the wheel and the executable", flush=True)
    install(environment, directory)
    version = re.search(
        r'^VERSION = "(.+)"', (ROOT / "tdl_sync/core/program.py").read_text("utf-8"), re.MULTILINE
    )
    assert version is not None
    folder = directory / folder_name(version[1])
    work = directory / "work"
    work.mkdir()
    assemble(environment, work, folder)
    missing = unaccounted(environment, folder)
    if missing:
        raise SetUpFailed(f"nothing says whose these are: {', '.join(missing[:20])}")
    return pack(folder, ROOT / "dist")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="build_executable.py", allow_abbrev=False)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave it unpacked there, too")
    parser.add_argument("--kills", type=int, default=0, help="how often it is killed in the end")
    parsed = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tdl_sync-executable-") as name:
        directory = Path(name).resolve()
        try:
            archive = build(directory)
            unpacked = parsed.keep or directory / "unpacked"
            shutil.unpack_archive(archive, unpacked)
            (folder,) = unpacked.iterdir()
            check(folder, parsed.kills)
        except SetUpFailed as error:
            print(f"build_executable: {error}", file=sys.stderr)
            return 1
    print(f"{archive.relative_to(ROOT)}: {archive.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
