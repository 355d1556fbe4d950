"""Checks the program as a user gets it: from the wheel alone, in an empty home.

    python3 scripts/installed.py [WHEEL]

Without a wheel one is built of this checkout. A fresh virtual environment gets it with what it
needs, and rclone by its extra, as pip finds them. Then the demo is run, and the man page, the
completion and the pages are looked for where man, the shells and people look. Standard library
only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_SHARE = (
    "man/man1/tdl-sync.1",
    "bash-completion/completions/tdl-sync",
    "zsh/site-functions/_tdl-sync",
    "fish/vendor_completions.d/tdl-sync.fish",
    "doc/tdl-sync/docs/everyday.md",
    "doc/tdl-sync/docs/sidecar.md",
    "doc/tdl-sync/recipes/settings.env",
    "doc/tdl-sync/recipes/systemd/tdl-sync.timer",
)
# The last is the mark by which scripts/reaper.py knows what to end.
FROM_OUTSIDE = "SYSTEMROOT TEMP TMP TMPDIR LANG LC_ALL PATHEXT COMSPEC STARTED_FOR".split()
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")


class NotWhole(Exception):
    """What is missing or does not work, in one line."""


def built(directory: Path) -> Path:
    """A wheel of this checkout, made of a copy: building leaves directories behind."""
    copy = directory / "checkout"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    _pip(["wheel", "--no-deps", "--wheel-dir", str(directory / "dist"), str(copy)])
    (wheel,) = (directory / "dist").glob("*.whl")
    return wheel


def installed(wheel: Path, directory: Path) -> Path:
    """A new environment with the wheel in it."""
    venv.create(directory, with_pip=False)
    _pip(["--python", str(executable(directory, "python")), "install", f"{wheel}[rclone]"])
    return directory


def _pip(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command).returncode != 0:
        raise NotWhole(f"pip failed: {' '.join(arguments)}")


def executable(environment: Path, name: str) -> Path:
    if os.name == "nt":
        return environment / "Scripts" / f"{name}.exe"
    return environment / "bin" / name


def variables(environment: Path, home: Path) -> dict[str, str]:
    """Those of somebody who has just logged in, with the environment's programs first."""
    programs = str(executable(environment, "python").parent)
    outside = {name: os.environ[name] for name in FROM_OUTSIDE if name in os.environ}
    system = os.defpath if os.name == "posix" else os.environ.get("PATH", "")
    path = os.pathsep.join([programs, system])
    homes = {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home / "local")}
    return {**outside, **homes, "PATH": path}


def check(environment: Path, home: Path) -> None:
    """Raises ``NotWhole``."""
    of_user = variables(environment, home)
    missing = [name for name in IN_SHARE if not (environment / "share" / name).is_file()]
    if missing:
        raise NotWhole(f"not installed: {', '.join(missing)}")
    program = str(executable(environment, "tdl-sync"))
    for shell in ("bash", "zsh", "fish"):
        if not _output([program, "completion", shell], of_user, home).strip():
            raise NotWhole(f"no completion for {shell}")
    man = shutil.which("man", path=of_user["PATH"])
    if man is not None and sys.platform == "linux":
        page = environment / "share" / IN_SHARE[0]
        found = _output([man, "--where", "tdl-sync"], of_user, home).strip()
        if Path(found).resolve() != page.resolve():
            raise NotWhole(f"man finds {found or 'nothing'}, not {page}")
    else:
        print("installed: man is not asked here", flush=True)
    shown = _output([program, "demo"], of_user, home)
    print(shown, flush=True)
    for words in ("files are there once, each with the right SHA-256", "    tdl-sync -u <channel>"):
        if words not in shown:
            raise NotWhole(f"the demo does not say: {words.strip()}")


def _output(command: Sequence[str], of_user: Mapping[str, str], home: Path) -> str:
    run = subprocess.run(command, env=of_user, cwd=home, stdout=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise NotWhole(f"{' '.join(command)} ended with status {run.returncode}")
    return run.stdout


def main(arguments: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="tdl_sync-installed-") as name:
        directory = Path(name).resolve()
        (directory / "home").mkdir()
        try:
            wheel = Path(arguments[0]).resolve() if arguments else built(directory)
            check(installed(wheel, directory / "environment"), directory / "home")
        except NotWhole as error:
            print(f"installed: {error}", file=sys.stderr)
            return 1
        print(f"installed: {wheel.name} is whole")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
