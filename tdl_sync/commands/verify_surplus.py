"""``verify --repair``: what is there twice is removed, if a person agrees to it."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence

from tdl_sync.commands.login import at_a_terminal
from tdl_sync.commands.verify_comparison import Double
from tdl_sync.commands.verify_text import MOST_SHOWN, double_text
from tdl_sync.core.model import ListedFile
from tdl_sync.core.naming import path_of
from tdl_sync.core.text import counted, printable
from tdl_sync.remote.surplus_removal import NotRemoved

WITHOUT_A_YES = "nobody agreed to remove them (it is asked at a terminal, or say --yes)"


def is_agreed_to(surplus: Sequence[Double], remote: str) -> bool:
    """Ask the person at the terminal. False where there is none. Main thread only."""
    if not at_a_terminal():
        return False
    lines = [f"  {double_text(each)}" for each in surplus[:MOST_SHOWN]]
    if len(surplus) > MOST_SHOWN:
        lines.append(f"  and {len(surplus) - MOST_SHOWN} more")
    for line in lines:
        sys.stderr.write(printable(line) + "\n")
    files = "this file" if len(surplus) == 1 else f"these {len(surplus)} files"
    sys.stderr.write(printable(f"Remove {files} from {remote}? [y/N] "))
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
