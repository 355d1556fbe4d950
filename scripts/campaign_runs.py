"""Runs of the real program for a campaign that strikes at it or at its rclone.

The stand-ins run in the process of the campaign, so that it knows each part that was served; the
program and rclone are processes of their own, and nothing in them knows of this.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.environment import ROOT
from standins.demonstration import Places
from standins.shaping import Shaping
from standins.telegram.world import worlds

DOWNLOADS = 4
BUDGET_BYTES = 30_000_000
SHAPING = Shaping(round_trip_seconds=0.02, total_bytes_per_second=15_000_000)
MEAN_FILE_BYTES = (150_000, 900_000)
"""By turns: of small files many are in the short steps at once, large ones are cut in mid-file."""

UPLOAD_RATE = "4M"
"""Of each file, however many rclones send them."""

LOCAL_REMOTE = "demo:channels"

MARK = "STARTED_IN_CAMPAIGN"
"""The variable that is in the environment of whatever a channel's runs have started."""

SIGN_OF_LIFE_SECONDS = 60.0
RUN_SECONDS = 600.0
POLL_SECONDS = 0.003


def run_environment(own: Mapping[str, str]) -> dict[str, str]:
    """For all runs of one channel: without what the caller has set for the program or rclone."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TDL_SYNC_", "RCLONE_"))
    }
    ours = {"RCLONE_BWLIMIT_FILE": UPLOAD_RATE, "TDL_SYNC_CONFIG": os.devnull}
    # Runs that are killed all the time, and one at a time: no other machine makes a folder.
    ours["TESTS_FOLDER_WAIT_SECONDS"] = "0"
    return {**inherited, **ours, **own, MARK: secrets.token_hex(8)}


def make_local_remote(places: Places, dice: random.Random) -> dict[str, str]:
    """The remote ``LOCAL_REMOTE``, a directory to which rclone really copies; the variables that
    this takes.

    What a killed rclone leaves there is half a file under the final name where it can't rename,
    and else one under a name of rclone's own: by turns of the dice.
    """
    places.drive.mkdir(parents=True)
    if dice.random() < 0.5:
        section, variables = f"type = alias\nremote = {places.drive}", {"RCLONE_DISABLE": "Move"}
    else:
        # Another kind of remote, to which a local file can't be renamed.
        section, variables = f"type = combine\nupstreams = channels={places.drive}", {}
    places.rclone_config.write_text(f"[demo]\n{section}\n", "utf-8")
    return variables


THIS_PROGRAM = (sys.executable, str(ROOT / "tdl_sync.py"))
"""How the program of this checkout is called."""


def start_run(
    places: Places,
    remote: str,
    environment: Mapping[str, str],
    program: Sequence[str] = THIS_PROGRAM,
    options: Sequence[str] = (),
    words: Sequence[str] = ("-u", worlds.SOURCE_USERNAME),
) -> subprocess.Popen[bytes]:
    command = [*program, *words, *options]
    command += ["--max-disk", f"{BUDGET_BYTES}B", "--remote", remote]
    command += ["--downloads", str(DOWNLOADS), "--staging", str(places.staging)]
    command += ["--data-dir", str(places.root / "data")]
    command += ["--rclone-config", str(places.rclone_config)]
    with _log(places).open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def last_words(places: Places) -> str:
    """Of the run that was started last."""
    return _log(places).read_text("utf-8", "replace")[-3000:]


def lives_for(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait so long; false as soon as it has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _log(places: Places) -> Path:
    return places.root / "program.log"
