"""What starts and stops the program where a recipe runs: its environment, its shell, its signals.

The recipe's own text is what is run. Changed in it are only the chat, and the places that a test
must not write to. A stand-in is named in the settings, as a user would name a proxy.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from scripts import reaper
from tdl_sync.cli.parse import parse_config
from tdl_sync.run.time_left import CLOSING_SECONDS
from tests.e2e.conftest import Scene
from tests.e2e.expectations import assert_on_remote, remote_files, state_texts, the_state, wanted
from tests.e2e.program import PATIENCE_SECONDS, ROOT, SOURCE, Ended, Machine, Running

RECIPES = ROOT / "recipes"
SHARDED_WORKFLOW = "github-actions-shards.yml"
WORKFLOWS = ("github-actions.yml", SHARDED_WORKFLOW)
CHAT_IN_RECIPES = "@channel"
SLOW_UPLOADS = {"TDL_SYNC_RCLONE_ARG": "--bwlimit-file=20k"}
SIZES = (1000, 1_500_000)
"""With slow uploads the second file's takes more than a minute."""

RUNNER_SECONDS = 7.5 + 2.5
"""From the first signal to the kill; between them comes another signal."""


def needed_to_stop_seconds() -> float:
    """What the program says that it needs, which no test measures: a busy machine needs more."""
    return parse_config(["-u", SOURCE, "--remote=box:"], {}).running.grace_seconds + CLOSING_SECONDS


def recipe(name: str) -> str:
    text = (RECIPES / name).read_text()
    return text.replace(CHAT_IN_RECIPES, SOURCE)


@dataclass(frozen=True)
class Host:
    """A machine on which the recipe is set up. ``staging`` is where the run keeps its files."""

    scene: Scene
    staging: Path
    started: list[Running] = field(default_factory=list)
    seen_children: list[psutil.Process] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        return self.scene.machine.directory

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def settings(self, *, slow: bool) -> dict[str, str]:
        """What reaches the stand-in, and lets rclone send to the remote instead of renaming."""
        variables = {**self.scene.telegram.environment(), "RCLONE_DISABLE": "Move,Copy"}
        del variables["PYTHONPATH"]
        return {**variables, **(SLOW_UPLOADS if slow else {})}

    def write_settings(self, path: Path, *, slow: bool) -> None:
        """``settings.env`` of the recipes, filled in by a user."""
        lines = [f"{name}={value}" for name, value in self.settings(slow=slow).items()]
        path.write_text("\n".join([recipe("settings.env"), *lines, ""]))

    def rclone_config(self) -> str:
        return f"[gdrive]\ntype = alias\nremote = {self.scene.machine.remote_directory}\n"

    def write_rclone_config(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_text(self.rclone_config())

    def start(
        self, command: Sequence[str], variables: Mapping[str, str], directory: Path | None = None
    ) -> Running:
        """Started by something that gives it these variables and no others that it knows."""
        number = len(self.started)
        outputs = self.directory / f"{number}.out", self.directory / f"{number}.err"
        with outputs[0].open("wb") as out, outputs[1].open("wb") as err:
            process = subprocess.Popen(
                command,
                cwd=directory or self.home,
                env={**variables, **reaper.mark()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.started.append(Running(process, *outputs))
        return self.started[-1]

    def clear(self) -> None:
        """End what a test that failed has left."""
        for process in [*(running.process for running in self.started), *self.seen_children]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def wait_until_uploading(self, running: Running) -> None:
        """Until the first file is moved, the second is being uploaded, and the state is saved."""
        running.wait_until(lambda: "1" in numbers_on_remote(self.scene.machine))
        running.wait_until(lambda: running.uploads(self.staging) == {2})
        texts = state_texts
        running.wait_until(lambda: " claim\n" not in "".join(texts(self.scene.world).values()))
        self.seen_children.extend(running.children())

    def assert_stopped_cleanly(self) -> None:
        """The state says so, nothing is lost, and nothing is left running."""
        assert the_state(self.scene.world)["status"] == "stopped"
        assert the_state(self.scene.world)["last_message_id"] == 1
        left = sorted(path.name for path in self.staging.iterdir())
        assert [Path(name).suffix for name in left if name[0] == "m"] == [".staged"], left
        _, alive = psutil.wait_procs(self.seen_children, PATIENCE_SECONDS)
        assert alive == []

    def assert_moved_without_another_download(self) -> None:
        source = self.scene.world.source
        assert_on_remote(self.scene.machine, (source, wanted(source)))
        assert self.scene.telegram.statistics.counts().file_bytes == sum(SIZES)
        assert the_state(self.scene.world)["status"] == "complete"


def numbers_on_remote(machine: Machine) -> set[str]:
    """Of the messages whose files lie there, or have begun to where uploads are seen to grow."""
    return {path.name.partition("_")[0] for path in remote_files(machine)}


def assert_private(*paths: Path) -> None:
    assert {path: path.stat().st_mode & 0o077 for path in paths} == dict.fromkeys(paths, 0)


# cron


def cron_command() -> list[str]:
    """The one job of the crontab, as cron starts it."""
    lines = [line for line in recipe("crontab").splitlines() if line and not line.startswith("#")]
    (line,) = lines
    *times, job = line.split(maxsplit=5)
    assert times == ["17", "*", "*", "*", "*"]
    assert "%" not in job, "cron reads it as the end of the line"
    return ["/bin/sh", "-c", job]


def cron_variables(home: Path) -> dict[str, str]:
    """All that cron gives to a job: crontab(5)."""
    return {"HOME": str(home), "LOGNAME": "somebody", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}


# systemd


@dataclass(frozen=True)
class Service:
    """A unit's service, by what systemd.exec(5), systemd.service(5) and systemd.kill(5) say."""

    settings: dict[str, list[str]]

    @classmethod
    def read(cls, text: str, specifiers: Mapping[str, str]) -> Service:
        """``specifiers`` are replaced first; then a setting that is repeated has several values."""
        for specifier, value in specifiers.items():
            text = text.replace(specifier, value)
        found: dict[str, list[str]] = {}
        for line in text.splitlines():
            if line and line[0] not in "#;[":
                name, value = line.split("=", 1)
                found.setdefault(name, []).append(value)
        return cls(found)

    def one(self, name: str) -> str:
        (value,) = self.settings[name]
        return value

    @property
    def command(self) -> list[str]:
        return shlex.split(self.one("ExecStart"))

    def variables(self) -> dict[str, str]:
        """``Environment=``, and over it the file, as read before each start."""
        own = shlex.split(" ".join(self.settings.get("Environment", [])))
        file = Path(self.one("EnvironmentFile"))
        assert_private(file)
        return dict(pair.split("=", 1) for pair in [*own, *environment_file(file)])

    def stop(self, running: Running) -> Ended:
        """``systemctl stop`` with ``KillMode=mixed``: the signal goes to the main process alone."""
        assert self.one("KillMode") == "mixed"
        assert needed_to_stop_seconds() <= float(self.one("TimeoutStopSec").removesuffix("s"))
        running.signal(signal.Signals[self.one("KillSignal")])
        return running.wait()

    def counts_as_success(self, exit_status: int) -> bool:
        return exit_status in {0, *map(int, self.one("SuccessExitStatus").split())}


def environment_file(path: Path) -> list[str]:
    """The lines that set something. So simple a file is the same to systemd and to Docker."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] not in "#;"]
    assert not any(set(line) & set("'\"\\$ ") for line in lines), lines
    return lines


# GitHub Actions


@dataclass(frozen=True)
class Workflow:
    job: dict[str, Any]

    @classmethod
    def read(cls, name: str = "github-actions.yml") -> Workflow:
        document = yaml.safe_load(recipe(name))
        assert document["defaults"]["run"]["shell"] == "bash"
        return cls(document["jobs"]["move"])

    def step(self, name: str) -> dict[str, Any]:
        (found,) = [step for step in self.job["steps"] if step.get("name") == name]
        return dict(found)

    def command(self, name: str, directory: Path) -> list[str]:
        """What the runner makes of ``run``: a script for this shell."""
        # https://docs.github.com/actions/reference/workflow-syntax-for-github-actions#defaultsrunshell
        script = directory / f"{name.replace(' ', '-')}.sh"
        script.write_text(self.step(name)["run"])
        return ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]

    def variables(self, name: str, contexts: Mapping[str, str]) -> dict[str, str]:
        """``env`` of a step, its expressions replaced by ``contexts``."""
        found = {}
        for variable, text in self.step(name).get("env", {}).items():
            for expression, value in contexts.items():
                text = text.replace(f"${{{{ {expression} }}}}", value)
            assert "${{" not in text
            found[variable] = text
        return found


def cancel_as_the_runner_does(running: Running) -> Ended:
    """https://docs.github.com/actions/reference/workflow-cancellation-reference"""
    assert needed_to_stop_seconds() <= RUNNER_SECONDS
    running.signal(signal.SIGINT)
    return running.wait()


# Docker


@dataclass(frozen=True)
class Dockerfile:
    """Its instructions, with other places for what would lie in the image."""

    instructions: list[tuple[str, str]]

    @classmethod
    def read(cls, places: Mapping[str, Path]) -> Dockerfile:
        text = recipe("Dockerfile").replace("\\\n", " ")
        for place, real in places.items():
            text = text.replace(place, str(real))
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return cls([(line.split()[0], line.split(maxsplit=1)[1]) for line in lines])

    def all(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.instructions if name == instruction]

    def exec_form(self, instruction: str) -> list[str]:
        (text,) = self.all(instruction)
        words = yaml.safe_load(text)
        assert isinstance(words, list), f"{instruction} goes through a shell, which eats signals"
        return words

    def variables(self, search_path: str) -> dict[str, str]:
        words = shlex.split(" ".join(self.all("ENV")))
        pairs = dict(word.split("=", 1) for word in words)
        return {name: value.replace("$PATH", search_path) for name, value in pairs.items()}


def as_first_process() -> list[str]:
    """Put in front of a command, it makes that the first process of a space, as in a container.

    Empty where this account may not make one.
    """
    for options in (["--pid"], ["--user", "--map-root-user", "--pid"]):
        prefix = ["unshare", *options, "--fork", "--mount-proc"]
        try:
            if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
                return prefix
        except FileNotFoundError:
            break
    return []


def machine_variables() -> dict[str, str]:
    """What this machine has set up for installing things, and this Python's programs first."""
    programs = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([programs, os.environ["PATH"]])}
