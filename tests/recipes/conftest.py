"""The same machines and stand-ins as for all whole runs, and what is installed only once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from standins.telegram.world import worlds
from tests.e2e.conftest import Stage, stage
from tests.e2e.program import ROOT
from tests.recipes.hosts import SIZES, Dockerfile, Host, Workflow, machine_variables

__all__ = ["stage"]

# All but the notes for Windows are for Linux, and use what is only there (`install -D`).
_FOR_LINUX = ["test_kubernetes.py", "test_linters.py", "test_runs.py", "test_slurm.py"]
collect_ignore_glob = [] if sys.platform == "linux" else _FOR_LINUX

NewHost: TypeAlias = Callable[[str], Host]


@pytest.fixture
def new_host(stage: Stage, tmp_path: Path) -> Iterator[NewHost]:
    """Call it with where the recipe keeps its files, below the machine's directory."""
    hosts: list[Host] = []

    def make(staging: str) -> Host:
        scene = stage(worlds.files(sizes=SIZES))
        hosts.append(Host(scene, scene.machine.directory / staging))
        return hosts[-1]

    yield make
    for host in hosts:
        host.clear()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile's first stage makes, at another place than /: tdl_sync and rclone."""
    root, context = tmp_path_factory.mktemp("image"), tmp_path_factory.mktemp("context")
    dockerfile = Dockerfile.read({"/opt": root / "opt"})
    for copied in dockerfile.all("COPY"):
        *names, target = copied.split()
        if not names[0].startswith("--from"):
            names = [str(ROOT / name) for name in names]
            subprocess.run(["cp", "-r", *names, target], cwd=context, check=True)
    installing = dockerfile.all("RUN")[0]
    subprocess.run(["/bin/sh", "-c", installing], cwd=context, env=machine_variables(), check=True)
    return root


@pytest.fixture(scope="module")
def runner_temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner's directory for temporary files, after the workflow's first step."""
    directory = tmp_path_factory.mktemp("runner_temp")
    command = Workflow.read().command("Install", directory)
    variables = {**machine_variables(), "RUNNER_TEMP": str(directory)}
    subprocess.run(command, cwd=ROOT, env=variables, check=True)
    return directory
