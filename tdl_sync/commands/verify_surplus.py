"""``verify --repair``: what is there twice is removed, if a person agrees to it."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence

from tdl_sync.commands.login import at_a_terminal
from tdl_sync.commands.verify_comparison import Double
from tdl_sync.commands.verify_text import MOST_SHOWN, double_text, empty_folders_text
from tdl_sync.core.model import ListedFile
from tdl_sync.core.naming import path_of
from tdl_sync.core.text import counted, printable
from tdl_sync.remote.double_folders import EmptyDoubles
from tdl_sync.remote.surplus_removal import NotRemoved

WITHOUT_A_YES = "nobody agreed to remove them (it is asked at a terminal, or say --yes)"


def is_agreed_to(surplus: Sequence[Double], remote: str) -> bool:
    """Ask the person at the terminal. False where there is none. Main thread only."""
    files = "this file" if len(surplus) == 1 else f"these {len(surplus)} files"
    return _is_agreed([double_text(each) for each in surplus], f"Remove {files} from {remote}?")


def is_agreed_to_folders(doubles: Sequence[EmptyDoubles]) -> bool:
    """The same for empty folders."""
    lines = [empty_folders_text(each) for each in doubles]
    return _is_agreed(lines, "Put these empty folders into the bin?")


def _is_agreed(lines: Sequence[str], question: str) -> bool:
    if not at_a_terminal():
        return False
    shown = [f"  {line}" for line in lines[:MOST_SHOWN]]
    if len(lines) > MOST_SHOWN:
        shown.append(f"  and {len(lines) - MOST_SHOWN} more")
    for line in shown:
        sys.stderr.write(printable(line) + "\n")
    sys.stderr.write(printable(f"{question} [y/N] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def remove_surplus(
    surplus: Sequence[Double],
    remove: Callable[[Sequence[ListedFile], ListedFile], None],
    check_claim: Callable[[], None],
) -> tuple[int, str]:
    """How many were removed, and in a line why others were not. ``check_claim`` raises when the
    chat is not ours any more."""
    groups: defaultdict[tuple[int, str], list[Double]] = defaultdict(list)
    for each in surplus:
        groups[each.message_id, path_of(each.file)].append(each)
    removed = 0
    left: defaultdict[str, int] = defaultdict(int)
    for group in groups.values():
        check_claim()
        try:
            remove([each.file for each in group], group[0].beside)
            removed += len(group)
        except NotRemoved as why:
            left[str(why)] += len(group)
    if not left:
        return removed, ""
    return removed, f"{sum(left.values())} surplus copies left: {counted(left)}"
