"""Kills the program with signal 9 at random moments, again and again, and checks every file.

    python scripts/torture.py                          200 kills on one machine
    python scripts/torture.py --kills 100 --wipe       100 kills, each with the loss of the disk
    python scripts/torture.py --rclone 30              30 blows to rclone alone with files going to
                                                       a directory, and 30 to a stand-in for Drive:
                                                       killed, stopped for good or for a while
    python scripts/torture.py --rclone 30 --blows stop     nothing but stopped for good
    python scripts/torture.py --drive 100              100 kills of runs to a stand-in for Drive
                                                       that shows late, loses answers and flips
                                                       bytes; by turns the disk is rolled back, or
                                                       the machine sleeps and another takes over
    python scripts/torture.py --worlds 40              40 small chats of every shape, each killed a
                                                       few times, with refusals and lost disks: in
                                                       the end all that is said has to be right
    python scripts/torture.py --folders 20             20 times 4 parts of a chat that are started
                                                       within 0.1, 8 and 20 s on a fresh Drive whose
                                                       listings lag: all files go to one folder

It needs the packages of ``requirements-dev.txt`` (``scripts/environment.py``), an rclone and
Linux or macOS. It prints what the kills hit, and ends with 1 if a promise was broken: a file lost,
doubled or wrong, a finished file downloaded again, or more served than the kills explain. So it
does if no kill met an upload, or with ``--drive`` one of its faults never came about, since then
nothing was shown of those.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.campaign_runs import THIS_PROGRAM
from scripts.drive_campaign import (
    DriveFigures,
    DrivePlan,
    Strike,
    Trouble,
    run_drive_campaign,
)
from scripts.folders_campaign import FoldersFigures, FoldersPlan, run_folders_campaign
from scripts.kill_campaign import Figures, Met, Plan, run_campaign
from scripts.kill_snapshot import Step
from scripts.rclone_campaign import Blow, RcloneFigures, RclonePlan, run_rclone_campaign
from scripts.reaper import end_with_this_process
from scripts.worlds_campaign import (
    Blow as WorldBlow,
)
from scripts.worlds_campaign import (
    Refusal,
    WorldsFigures,
    WorldsPlan,
    run_worlds_campaign,
)
from standins.telegram.world.generated import LeftOut

AnyPlan = Plan | RclonePlan | DrivePlan | WorldsPlan | FoldersPlan


def parse(arguments: Sequence[str]) -> AnyPlan:
    parser = argparse.ArgumentParser(prog="torture.py", allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=200, help="how often (default 200)")
    parser.add_argument(
        "--wipe", action="store_true", help="wipe staging and data directory at each kill"
    )
    parser.add_argument(
        "--program",
        metavar="PATH",
        help="with --kills: not this checkout's, but an executable that trusts the stand-in's key",
    )
    parser.add_argument(
        "--rclone", type=int, metavar="N", help="strike N times at rclone and not at the program"
    )
    parser.add_argument(
        "--blows", type=_blows, default=tuple(Blow), help="which: default kill,stop,pause"
    )
    parser.add_argument(
        "--drive", type=int, metavar="N", help="kill N times what uploads to a faulty Drive"
    )
    parser.add_argument(
        "--worlds", type=int, metavar="N", help="move N small chats of every shape, killed each"
    )
    parser.add_argument(
        "--folders", type=int, metavar="N", help="start 4 runs at once on a fresh Drive, N times"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default 1)")
    parsed = parser.parse_args(arguments)
    if parsed.folders is not None:
        return FoldersPlan(rounds=parsed.folders, seed=parsed.seed)
    if parsed.worlds is not None:
        return WorldsPlan(worlds=parsed.worlds, seed=parsed.seed)
    if parsed.drive is not None:
        return DrivePlan(kills=parsed.drive, seed=parsed.seed)
    if parsed.rclone is not None:
        return RclonePlan(blows=parsed.rclone, kinds=parsed.blows, seed=parsed.seed)
    program = THIS_PROGRAM if parsed.program is None else (parsed.program,)
    return Plan(kills=parsed.kills, wipe=parsed.wipe, seed=parsed.seed, program=program)


def _blows(text: str) -> tuple[Blow, ...]:
    return tuple(Blow(word) for word in text.split(","))


def report(figures: Figures, seconds: float) -> str:
    def megabytes(count_bytes: float) -> str:
        return f"{count_bytes / 1e6:.1f} MB"

    mean = figures.lost_bytes / max(1, figures.kills)
    lines = [
        f"{figures.kills} kills in {seconds:.0f} s, {figures.channels} channels with "
        f"{figures.files} files",
        f"channels {megabytes(figures.channel_bytes)}, served {megabytes(figures.served_bytes)}; "
        f"lost by kills {megabytes(figures.lost_bytes)}: {megabytes(mean)} each on average, "
        f"{megabytes(figures.most_lost_bytes)} at most",
        f"unfinished copies that killed rclones left: {figures.partial_uploads_left}",
        "",
        *(f"{figures.kinds[kind]:5} killed {kind.value}" for kind in figures.kinds),
        "",
        *(f"{figures.met[met]:5} met {met.value}" for met in Met),
        "",
        *caught_in_steps(figures.steps),
    ]
    return "\n".join([*lines, verdict(figures.problems)])


def rclone_report(figures: RcloneFigures, seconds: float) -> str:
    lines = [
        f"{figures.channels} channels with {figures.files} files in {seconds:.0f} s; "
        f"{figures.second_runs} needed a second run",
        f"unfinished copies that killed rclones left: {figures.partial_uploads_left}",
        "",
    ]
    for where, blow in sorted(figures.uploads_met | figures.others_met):
        uploads, others = figures.uploads_met[where, blow], figures.others_met[where, blow]
        lines += [
            f"{uploads + others:5} {blow.what} on the way to {where.value}: "
            f"{uploads} met an upload, {others} something else"
        ]
    return "\n".join([*lines, "", verdict(figures.problems)])


def drive_report(figures: DriveFigures, seconds: float) -> str:
    ended = ", ".join(f"{n} with {status}" for status, n in sorted(figures.exit_statuses.items()))
    lines = [
        f"{figures.kills} kills in {seconds:.0f} s, {figures.chats} chats with "
        f"{figures.files} files; of the runs that were let go on ended {ended or 'none'}",
        f"kills that met an upload: {figures.met_an_upload}; a file on Drive with wrong bytes: "
        f"{figures.met_a_wrong_copy}",
        "",
        *(f"{figures.strikes[strike]:5} {strike.value}" for strike in Strike),
        "",
        *(f"{figures.troubles[trouble]:5} {trouble.value}" for trouble in Trouble),
        "",
        *caught_in_steps(figures.steps),
    ]
    return "\n".join([*lines, verdict(figures.problems)])


def worlds_report(figures: WorldsFigures, seconds: float) -> str:
    ended = ", ".join(f"{n} with {status}" for status, n in sorted(figures.exit_statuses.items()))
    kinds = ", ".join(f"{n} of kind {kind}" for kind, n in sorted(figures.kinds.items()))
    lines = [
        f"{figures.worlds} worlds in {seconds:.0f} s, chats: {kinds or 'none'}",
        f"{figures.kills} kills; of the runs that were let go on ended {ended or 'none'}",
        f"{figures.files} files moved, {figures.refused_files} that can't be; "
        f"{figures.messages_withheld} messages not shown, {figures.bought} bought, "
        f"{figures.posted} posted and {figures.deleted} deleted meanwhile",
        "",
        *(f"{figures.blows[blow]:5} {blow.value}" for blow in WorldBlow),
        "",
        *(f"{figures.refusals[each]:5} runs that were refused {each.value}" for each in Refusal),
        "",
        *(f"{figures.left_out[why]:5} left out: {why.value}" for why in LeftOut),
        "",
        *caught_in_steps(figures.steps),
    ]
    return "\n".join([*lines, verdict(figures.problems)])


def folders_report(figures: FoldersFigures, seconds: float) -> str:
    lines = [f"{figures.starts} fresh Drives, {figures.files} files in {seconds:.0f} s", ""]
    lines += [f"{figures.folders[n]:5} folders made {n} times" for n in sorted(figures.folders)]
    return "\n".join([*lines, "", verdict(figures.problems)])


def caught_in_steps(steps: Mapping[Step, int]) -> list[str]:
    counts = [f"{steps[step]:5} {step.value}" for step in Step]
    return ["kills that caught at least one file in this step:", *counts, ""]


def verdict(problems: list[str]) -> str:
    if problems:
        return "\n".join([*problems[:20], f"FAILED: {len(problems)}"])
    return "Every file is there once, with the right bytes."


def tell(line: str) -> None:
    print(line, flush=True)


SomePlan = TypeVar("SomePlan")
SomeFigures = TypeVar(
    "SomeFigures", Figures, RcloneFigures, DriveFigures, WorldsFigures, FoldersFigures
)


@dataclass(frozen=True)
class Campaign(Generic[SomePlan, SomeFigures]):
    """How one of them is run and told of. ``so_far``: of how many it was interrupted."""

    run: Callable[[SomePlan, Path, SomeFigures, Callable[[str], None]], None]
    figures: SomeFigures
    report: Callable[[SomeFigures, float], str]
    so_far: Callable[[SomeFigures], str] = lambda _: ""

    def torture(self, plan: SomePlan, root: Path, began: float) -> int:
        problems = self.figures.problems
        try:
            self.run(plan, root, self.figures, tell)
        except KeyboardInterrupt:
            problems.append(f"interrupted{self.so_far(self.figures)}")
        print(self.report(self.figures, time.monotonic() - began))
        return 1 if problems else 0


def torture(plan: AnyPlan, root: Path, began: float) -> int:
    if isinstance(plan, WorldsPlan):
        worlds = plan.worlds
        return Campaign(
            run_worlds_campaign,
            WorldsFigures(),
            worlds_report,
            lambda figures: f" after {figures.worlds} of {worlds} worlds",
        ).torture(plan, root, began)
    if isinstance(plan, FoldersPlan):
        return Campaign(run_folders_campaign, FoldersFigures(), folders_report).torture(
            plan, root, began
        )
    if isinstance(plan, RclonePlan):
        return Campaign(run_rclone_campaign, RcloneFigures(), rclone_report).torture(
            plan, root, began
        )
    kills = plan.kills
    if isinstance(plan, DrivePlan):
        return Campaign(
            run_drive_campaign,
            DriveFigures(),
            drive_report,
            lambda figures: f" after {figures.kills} of {kills} kills",
        ).torture(plan, root, began)
    return Campaign(
        run_campaign,
        Figures(),
        report,
        lambda figures: f" after {figures.kills} of {kills} kills",
    ).torture(plan, root, began)


def main(arguments: Sequence[str]) -> int:
    plan = parse(arguments)
    end_with_this_process()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tdl_sync-torture-") as root:
        return torture(plan, Path(root), began)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
