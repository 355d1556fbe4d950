"""Runs recipes/slurm.sh on a real Slurm of a controller and two nodes, and kills one of the nodes.

    python3 scripts/slurm_test.py

Brings Debian's packages of Slurm along where they are not installed, by apt-get, hence as root. All
that Slurm keeps is in a directory that is removed at the end; no service of the machine is started.
Four shards of one chat begin on two nodes, one is lost in the middle, Slurm gives its shards to the
other, and they wait for the lost leases to lapse: in the end every file has to be on the remote
once, and the queue be empty. It takes less than 200 s, and ends with 1 if a promise was broken.
Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import ROOT, SetUpFailed, prepare_environment
from scripts.test import TEST_REQUIREMENTS

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
ONE_OF_EACH = ("slurmctld", "slurmd", "sbatch", "munged")


def install() -> None:
    """Raises ``SetUpFailed``."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    if all(shutil.which(name, path=path) for name in ONE_OF_EACH):
        return
    if shutil.which("apt-get") is None:
        raise SetUpFailed(f"there is no apt-get: install {', '.join(PACKAGES)}")
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    installing = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
    if subprocess.run(installing, env=variables, capture_output=True).returncode == 0:
        return
    subprocess.run(["apt-get", "update"], env=variables, capture_output=True)
    run = subprocess.run(installing, env=variables, capture_output=True, text=True)
    if run.returncode != 0:
        raise SetUpFailed(f"{' '.join(installing)}: {run.stderr.strip()[-500:]}")


def main() -> int:
    try:
        install()
        environment = prepare_environment(TEST_REQUIREMENTS)
    except SetUpFailed as error:
        print(f"slurm_test: {error}", file=sys.stderr)
        return 1
    command = [str(environment.python), "-m", "tests.recipes.slurm_campaign"]
    return subprocess.call(command, cwd=ROOT, env=environment.variables())


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
