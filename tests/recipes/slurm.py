"""A Slurm of one controller and two nodes on this machine, from Debian's packages, and its recipe.

It runs as root and without cgroups. All that it keeps is in one directory, and its ports are free
ones, so that it is beside any other. Each node is the first process of a space of its own with a
host name of its own: to the program it is another machine, and to kill that one process takes
slurmd, the job's script, the program and rclone at once, as a machine that is lost.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from scripts import reaper
from standins.telegram.server import StandIn
from tests.e2e.program import PATIENCE_SECONDS, PROGRAM, RCLONE, ROOT, SOURCE, Machine

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "munged", "unshare")
NODES = ("node-a", "node-b")
CPUS = 2
"""Of each node, so that it takes two shards."""

_CONFIGURATION = """\
ClusterName=tdl-sync-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# How long a requeued job waits follows from the second.
AuthInfo=socket={directory}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/controller.pid
SlurmdPidFile={directory}/%n.pid
SlurmctldLogFile={directory}/controller.log
SlurmdLogFile={directory}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdTimeout={lost_seconds}
MessageTimeout={message_seconds}
TCPTimeout={message_seconds}
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0
PartitionName=all Nodes={nodes} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """What keeps a Slurm from running here, a word or two each."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return ["Linux, and root on it"]
    return [name for name in PROGRAMS if _path_of(name) is None]


def _path_of(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


@dataclass
class Slurm:
    """``killed`` are the nodes that are lost."""

    directory: Path
    nodes: Mapping[str, subprocess.Popen[bytes]]
    killed: list[str] = field(default_factory=list)

    def call(self, name: str, *arguments: str, cwd: Path | None = None) -> str:
        """One of Slurm's commands; what it prints."""
        run = subprocess.run(
            [str(_path_of(name)), *arguments],
            cwd=cwd,
            env={**os.environ, "SLURM_CONF": str(self.directory / "slurm.conf")},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, f"{name} {arguments}: {run.stdout}{run.stderr}\n{self.logs()}"
        return run.stdout.strip()

    def jobs(self) -> dict[str, tuple[str, str]]:
        """State and node of each task of the array, also of those that have ended."""
        lines = self.call(
            "squeue", "--all", "--states=all", "--noheader", "--array", "-o", "%K %T %N"
        )
        return {
            words[0]: (words[1], words[2] if len(words) > 2 else "")
            for words in map(str.split, lines.splitlines())
        }

    def queue(self) -> str:
        """What has yet to end."""
        return self.call("squeue", "--noheader")

    def kill(self, node: str) -> None:
        """As a machine that is lost."""
        (first,) = psutil.Process(self.nodes[node].pid).children()
        first.kill()
        self.nodes[node].wait()
        self.killed.append(node)

    def logs(self) -> str:
        return "".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}\n"
            for path in sorted(self.directory.glob("*.log"))
        )


def _free_ports(count: int) -> list[int]:
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def slurm(lost_seconds: int = 120) -> Iterator[Slurm]:
    """Ready to take jobs. All of it has ended, and is removed, on leaving.

    A node that says nothing for so long is lost, and its jobs begin on another one: where a test
    loses none, a busy machine has minutes to answer.
    """
    with ExitStack() as stack:
        # A socket's path is short.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        _write(directory, lost_seconds)

        def start(*command: str) -> subprocess.Popen[bytes]:
            with (directory / "output.log").open("ab") as output:
                process = subprocess.Popen(
                    command,
                    env={**os.environ, "SLURM_CONF": str(directory / "slurm.conf")},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            stack.callback(_end, process)
            return process

        munge = directory / "munge"
        named = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
        options = [f"--{option}={munge / name}" for option, name in named.items()]
        start(str(_path_of("munged")), "--foreground", "--force", "--log-file=/dev/null", *options)
        _until(lambda: (munge / "socket").exists(), "munged")
        start(str(_path_of("slurmctld")), "-D")
        slurmd = _path_of("slurmd")
        nodes = {}
        for name in NODES:
            # The shell waits, so that it stays the first process of the space.
            script = f"echo {name} >/proc/sys/kernel/hostname; {slurmd} -D -N {name} & wait"
            own_space = ["unshare", "-u", "-p", "-f", "--mount-proc", "--kill-child=KILL"]
            nodes[name] = start(*own_space, "sh", "-c", script)
        cluster = Slurm(directory, nodes)
        _until(lambda: _idle_nodes(cluster) == len(NODES), "the nodes", cluster.logs)
        yield cluster


def _write(directory: Path, lost_seconds: int) -> None:
    (directory / "munge").mkdir(mode=0o700)
    key = directory / "munge" / "key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(1024))
    (directory / "state").mkdir()
    controller_port, *ports = _free_ports(1 + len(NODES))
    text = _CONFIGURATION.format(
        host=socket.gethostname(),
        controller_port=controller_port,
        directory=directory,
        nodes=",".join(NODES),
        lost_seconds=lost_seconds,
        message_seconds=lost_seconds // 2,
    )
    for name, port in zip(NODES, ports, strict=True):
        text += f"NodeName={name} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS} RealMemory=8000\n"
    (directory / "slurm.conf").write_text(text)


def _idle_nodes(cluster: Slurm) -> int:
    with suppress(AssertionError):  # the controller is not there yet
        return cluster.call("sinfo", "--noheader", "--Node", "-o", "%T").split().count("idle")
    return 0


def _until(condition: Callable[[], bool], what: str, logs: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come up\n{logs()}"
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    for each in [*_children(process), process]:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            each.kill()
    process.wait()


def _children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
        return found
    return []


# --- the recipe on it ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Submitted:
    """The recipe, set up as its page says for somebody whose home is ``home``."""

    cluster: Slurm
    machine: Machine
    home: Path

    @classmethod
    def set_up(
        cls, cluster: Slurm, machine: Machine, telegram: StandIn, *settings: str
    ) -> Submitted:
        """Changed in the recipe are the places of its files; the home is shared. ``settings`` are
        further lines of settings.env, which the recipe's shell reads."""
        home = machine.directory / "home"
        program = home / ".local" / "bin" / "tdl-sync"
        program.parent.mkdir(parents=True)
        command = [sys.executable, str(PROGRAM)]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        program.chmod(0o755)
        configuration = home / ".config" / "tdl-sync"
        (configuration / "sessions").mkdir(parents=True)
        for shard in range(1, 5):
            session = configuration / "sessions" / str(shard)
            session.touch(0o600)
            session.write_text(telegram.session_string() + "\n")
        named = {
            **telegram.environment(),
            **reaper.mark(),
            "TDL_SYNC_URL": SOURCE,
            "TDL_SYNC_REMOTE": "box:files",
            "TDL_SYNC_RCLONE": RCLONE,
            "TDL_SYNC_RCLONE_CONFIG": str(machine.rclone_config),
            "RCLONE_DISABLE": "Move,Copy",
        }
        del named["TDL_SYNC_SESSION_STRING"]
        lines = [f"{name}={shlex.quote(value)}" for name, value in named.items()]
        (configuration / "settings.env").write_text("\n".join([*lines, *settings, ""]))
        text = (ROOT / "recipes" / "slurm.sh").read_text()
        # A disk of its own for each node.
        text = text.replace("/tmp/tdl-sync", f"{machine.directory}/$(hostname)/tdl-sync")
        text = text.replace("$HOME/", f"{home}/")
        (home / "slurm.sh").write_text(text)
        cluster.call("sbatch", str(home / "slurm.sh"), cwd=home)
        return cls(cluster, machine, home)

    def output(self, shard: int) -> str:
        """What this shard's runs have said so far, one after the other."""
        path = self.home / f"tdl-sync-{shard}.log"
        return path.read_text() if path.exists() else ""

    def results(self) -> Counter[str]:
        """How often a run has ended with each status."""
        lines = [line for shard in range(1, 5) for line in self.output(shard).splitlines()]
        found = [line for line in lines if line.startswith("result: status=")]
        return Counter(line.split()[1].removeprefix("status=") for line in found)

    def wait(self, seconds: float) -> None:
        """Until the queue is empty."""
        deadline = time.monotonic() + seconds
        while self.cluster.queue():
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.3)

    def told(self) -> str:
        outputs = "".join(f"--- shard {n}\n{self.output(n)[-4000:]}\n" for n in range(1, 5))
        return f"{self.cluster.jobs()}\n{outputs}{self.cluster.logs()}"
