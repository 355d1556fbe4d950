"""Four shards on a Slurm of two nodes, one of which is lost: for ``scripts/slurm_test.py``.

python -m tests.recipes.slurm_campaign
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from scripts.reaper import end_with_this_process
from standins.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from tdl_sync.core.shards import Shard
from tests.e2e.expectations import assert_on_remote, remote_files, wanted
from tests.e2e.program import Machine
from tests.recipes.slurm import NODES, Submitted, missing, slurm

SHARDS = 4
SAVE_INTERVAL = "30s"
SLOW = Shaping(total_bytes_per_second=40_000)
MOST_SECONDS = 180.0
LOST, LEFT = NODES


class Story:
    """What happens, each with the second in which it did."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def tell(self, line: str) -> None:
        print(f"{time.monotonic() - self._began_at:6.1f} s  {line}", flush=True)

    @property
    def seconds_left(self) -> float:
        return MOST_SECONDS - (time.monotonic() - self._began_at)


def shards_with_files(machine: Machine) -> Counter[str]:
    """How many files of each shard are on the remote."""
    names = [path.name for path in remote_files(machine)]
    # What proves the remote, for a moment, begins with a dot.
    ids = [int(re.split(r"[_.]", name)[0]) for name in names if not name.startswith(".")]
    return Counter(
        str(number)
        for number in range(1, SHARDS + 1)
        for each in ids
        if Shard(number, SHARDS).holds(each)
    )


def lose_a_node(submitted: Submitted, telegram: StandIn, story: Story) -> set[str]:
    """In the middle of its shards; which these are."""
    while True:
        assert story.seconds_left > 0, submitted.told()
        jobs, there = submitted.cluster.jobs(), shards_with_files(submitted.machine)
        on_it = {shard for shard, (_, node) in jobs.items() if node == LOST}
        if len(on_it) == 2 and all(there[shard] >= 2 for shard in on_it):
            break
        time.sleep(0.2)
    submitted.cluster.kill(LOST)
    story.tell(f"{LOST} is lost, with shards {' and '.join(sorted(on_it))} in their middle")
    telegram.shaping = Shaping()
    return on_it


def follow(submitted: Submitted, shards: set[str], story: Story) -> None:
    """To the end of the queue."""
    known: dict[str, tuple[str, str]] = {}
    while submitted.cluster.queue():
        assert story.seconds_left > 0, submitted.told()
        for shard, now in submitted.cluster.jobs().items():
            if shard in shards and now != known.get(shard):
                story.tell(f"shard {shard}: {' '.join(now)}")
                known[shard] = now
        time.sleep(0.5)


def run(directory: Path) -> None:
    world = worlds.sparse(messages=SHARDS * 1000, media_every=80, mean_size_bytes=40_000)
    story = Story()
    with StandIn(world, SLOW) as telegram, slurm(lost_seconds=4) as cluster:
        machine = Machine(directory / "machine", telegram)
        settings = (f"TDL_SYNC_SAVE_INTERVAL={SAVE_INTERVAL}", "PAUSE_SECONDS=8")
        submitted = Submitted.set_up(cluster, machine, telegram, *settings)
        story.tell(f"{SHARDS} shards are submitted, {len(wanted(world.source))} files to move")
        shards = lose_a_node(submitted, telegram, story)
        before = shards_with_files(machine)
        follow(submitted, shards, story)
        jobs, told = cluster.jobs(), submitted.told()
        assert {state for state, _ in jobs.values()} == {"COMPLETED"}, told
        assert {node for _, node in jobs.values()} == {LEFT}, told
        assert submitted.results()["error"] >= 1, f"no shard met the lost one's lease\n{told}"
        assert submitted.results()["complete"] == SHARDS, told
        after = shards_with_files(machine)
        assert all(before[shard] < after[shard] for shard in shards), "it was not in the middle"
        assert_on_remote(machine, (world.source, wanted(world.source)))
    waited = submitted.results()["error"]
    story.tell(f"each file is on the remote once; {waited} starts found the lost lease and waited")


def main() -> int:
    if missing():
        print(f"slurm_test: this machine lacks {', '.join(missing())}", file=sys.stderr)
        return 2
    end_with_this_process()
    with tempfile.TemporaryDirectory(prefix="tdl_sync-slurm-") as directory:
        run(Path(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
