"""Looks whether a program to unpack and run keeps what is said of it, in an empty home.

    python3 -m scripts.executable.check FOLDER [KILLS]

Raises, with what it finds, at the first thing that is not so. Where it trusts the stand-in for
Telegram it is a copy that does, by the very exchange of a file that its licence grants: what is
passed on trusts nobody but Telegram.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.environment import ROOT, SetUpFailed
from scripts.reaper import mark

EXE = ".exe" if os.name == "nt" else ""
FROM_OUTSIDE = "SYSTEMROOT TEMP TMP LANG LC_ALL PATHEXT COMSPEC".split()
PATIENCE_SECONDS = 120.0
RIGHT = "files are there once, each with the right SHA-256"
KEY = ROOT / "standins" / "telegram" / "inject" / "standin_public_key.py"

WRAPPER = """\
#!/bin/sh
env >"{told}"
exec "{rclone}" "$@"
"""


class NotAsSaid(SetUpFailed):
    """What the program does not do, in one line."""


@dataclass(frozen=True)
class Program:
    """An unpacked folder, and the directory in which it is tried."""

    folder: Path
    home: Path

    @property
    def executable(self) -> Path:
        return self.folder / f"tdl-sync{EXE}"

    @property
    def temporary(self) -> Path:
        return self.home / "tmp"

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of somebody who has just logged in, and has no rclone."""
        outside = {name: os.environ[name] for name in FROM_OUTSIDE if name in os.environ}
        homes = {"HOME": str(self.home), "USERPROFILE": str(self.home)}
        homes["LOCALAPPDATA"] = homes["APPDATA"] = str(self.home / "local")
        system = os.defpath if os.name == "posix" else os.environ.get("PATH", "")
        place = {"TMPDIR": str(self.temporary), "PATH": system}
        return {**outside, **homes, **place, **mark(), **(more or {})}

    def start(
        self, *words: str, variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.executable), *words],
            cwd=self.home,
            env=self.variables(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )

    def said(self, *words: str, variables: Mapping[str, str] | None = None) -> str:
        with self.start(*words, variables=variables) as process:
            return process.communicate()[0]

    def processes(self) -> list[int]:
        """All that run a program of the folder. Linux only."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                program = Path(os.readlink(place / "exe"))
                if program.is_relative_to(self.folder) and "Z" not in _state(place):
                    found.append(int(place.name))
            except OSError:
                continue
        return found


def _state(place: Path) -> str:
    return (place / "stat").read_text().rpartition(")")[2].split()[0]


@contextmanager
def program(folder: Path) -> Iterator[Program]:
    with tempfile.TemporaryDirectory(prefix="tdl_sync-executable-") as name:
        found = Program(folder.resolve(), Path(name).resolve())
        found.temporary.mkdir()
        yield found


def require(is_so: bool, what: str, found: str = "") -> None:
    if not is_so:
        raise NotAsSaid(f"{what}\n{found[-3000:]}".strip())


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        require(time.monotonic() < deadline, what)
        time.sleep(0.05)


def starts(tried: Program) -> str:
    seconds = []
    for _ in range(5):
        began = time.monotonic()
        said = tried.said("--version")
        seconds.append(time.monotonic() - began)
        require(said.startswith("tdl_sync "), "--version says something else", said)
    return f"--version within {min(seconds):.2f} to {max(seconds):.2f} s"


def finds_what_lies_beside_it(tried: Program) -> str:
    said = tried.said("doctor")
    rclone = str(tried.folder / f"rclone{EXE}")
    require(rclone in said, f"doctor does not find {rclone}", said)
    require("tgcrypto: installed" in said, "doctor finds no tgcrypto", said)
    require("there is no session yet" in said, "doctor does not come to Telegram", said)
    return "doctor finds rclone and tgcrypto beside it"


def gives_children_what_its_user_has(tried: Program) -> str:
    """By a program in the place of rclone, which tells its environment."""
    told, wrapper = tried.home / "told", tried.home / "rclone.sh"
    wrapper.write_text(WRAPPER.format(told=told, rclone=tried.folder / "rclone"))
    wrapper.chmod(0o700)
    for own in (None, "/opt/own"):
        variables = {} if own is None else {"LD_LIBRARY_PATH": own}
        said = tried.said("doctor", "--rclone", str(wrapper), variables=variables)
        require(told.exists(), "rclone was not asked", said)
        found = dict(line.partition("=")[::2] for line in told.read_text().splitlines())
        told.unlink()
        require(found.get("LD_LIBRARY_PATH") == own, "a child has other libraries", str(found))
        foreign = [name for name in found if "_PYI" in name or name.endswith("_ORIG")]
        require(not foreign, "a child finds what is not for it", str(foreign))
    return "children have the user's LD_LIBRARY_PATH, and nothing of PyInstaller's"


def shows_itself(tried: Program) -> str:
    said = tried.said("demo")
    require(RIGHT in said, "the demo ends otherwise", said)
    left = sorted(path.name for path in tried.temporary.iterdir())
    require(not left, "this is left behind", str(left))
    (line,) = (line for line in said.splitlines() if RIGHT in line)
    return f"demo: {line}"


def ends_with_its_demo(tried: Program) -> str:
    """After ``kill -9`` nothing of the folder runs on, and nothing is left in the directory."""
    with tried.start("demo") as demo:
        rclone = tried.folder / "rclone"

        def uploads() -> bool:
            running = (Path("/proc", str(each), "exe") for each in tried.processes())
            return any(Path(os.readlink(each)) == rclone for each in running if each.exists())

        until(uploads, "the demo never came to rclone")
        time.sleep(1.0)
        demo.kill()
        demo.wait()
        until(lambda: not tried.processes(), "this runs on after kill -9")
    until(lambda: not list(tried.temporary.iterdir()), "this is left behind after kill -9")
    return "after kill -9 of the demo nothing runs on, and nothing is left behind"


def exchanged(folder: Path, directory: Path) -> Path:
    """A copy whose kurigram trusts the stand-in, too: its own file with some more lines."""
    copy = directory / folder.name
    shutil.copytree(folder, copy, symlinks=True)
    changed = copy / "_internal" / "pyrogram" / "crypto" / "rsa.py"
    text = changed.read_text("utf-8")
    key = KEY.read_text("utf-8")
    key = key[key.index("MODULUS =") : key.index("def add_to")]
    imports = "import sys\nfrom hashlib import sha1\n\n"
    changed.write_text(
        f"{text}\n\n{imports}{key}\nserver_public_keys[FINGERPRINT] = "
        "PublicKey(MODULUS, EXPONENT)\n",
        "utf-8",
    )
    return copy


def with_another_tgcrypto(folder: Path) -> str:
    """Its module made of another version's wheel, and cryptg away, so that it has to decrypt."""
    (own,) = (folder / "_internal").glob("tgcrypto*.*")
    before = own.read_bytes()
    with tempfile.TemporaryDirectory() as name:
        python = ROOT / ".venv-executable" / ("Scripts" if os.name == "nt" else "bin") / "python"
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        pip += ["--no-deps", "--only-binary", ":all:", "--target", name, "tgcrypto-pyrofork==1.2.7"]
        if subprocess.run(pip).returncode != 0:
            return "another tgcrypto: there is no other one for this Python, so none was tried"
        (other,) = Path(name).glob("tgcrypto*.*")
        own.unlink()
        shutil.copyfile(other, folder / "_internal" / other.name)
        require(other.read_bytes() != before, "the other tgcrypto is the same")
    shutil.rmtree(folder / "_internal" / "cryptg", ignore_errors=True)
    return "the copy has a tgcrypto of another version, and a kurigram that trusts the stand-in"


def is_killed(folder: Path, kills: int) -> str:
    """By the tests' own campaign, in the tests' environment."""
    command = [sys.executable, str(ROOT / "scripts" / "torture.py"), "--kills", str(kills)]
    command += ["--program", str(folder / f"tdl-sync{EXE}")]
    require(subprocess.run(command, cwd=ROOT).returncode == 0, "the kills broke a promise")
    return f"killed {kills} times, with all promises kept"


def check(folder: Path, kills: int = 0) -> None:
    """Prints a line for each thing that is so. Raises ``NotAsSaid``."""
    checks = [starts, finds_what_lies_beside_it]
    if sys.platform == "linux":
        checks += [gives_children_what_its_user_has, shows_itself, ends_with_its_demo]
    else:
        checks += [shows_itself]
    for look in checks:
        with program(folder) as tried:
            print(f"  {look(tried)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tdl_sync-executable-") as name:
        copy = exchanged(folder, Path(name).resolve())
        print(f"  {with_another_tgcrypto(copy)}", flush=True)
        for look in (finds_what_lies_beside_it, shows_itself):
            with program(copy) as tried:
                print(f"  {look(tried)}", flush=True)
        if kills:
            print(f"  {is_killed(copy, kills)}", flush=True)


def main() -> int:
    try:
        check(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    except SetUpFailed as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
