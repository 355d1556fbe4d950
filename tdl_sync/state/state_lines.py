"""The lines of a state message that are for a person, who reads them on a phone.

▶️ Holidays: running on seedbox
1,234 files moved (57 GB), up to message 12350. 3 failed: wrong size 2, upload failed 1
"""

from __future__ import annotations

from tdl_sync.core.human_units import human_bytes
from tdl_sync.core.message_text import inert
from tdl_sync.core.model import RunState, RunStatus

_MOST_TITLE_UNITS = 60
_MOST_HOST_UNITS = 40
_MOST_REASON_UNITS = 40
_MOST_REASONS = 3


def lines_for_people(state: RunState, last_message_id: int) -> str:
    """Two lines. Nothing in them is longer for a lower ``last_message_id``."""
    files = "1 file" if state.total_uploaded == 1 else f"{state.total_uploaded:,} files"
    figures = f"{files} moved ({human_bytes(state.total_size_bytes)})"
    return f"{_headline(state)}\n{figures}, up to message {last_message_id}.{_failed(state)}"


def _headline(state: RunState) -> str:
    title = inert(state.channel_name, _MOST_TITLE_UNITS)
    match state.status:
        case RunStatus.RUNNING:
            return f"▶️ {title}: running on {inert(state.run.host, _MOST_HOST_UNITS)}"
        case RunStatus.STOPPED:
            return f"⏸️ {title}: stopped; the next run goes on from here"
        case RunStatus.QUOTA:
            return f"⏳ {title}: stopped, as the remote takes no more for now; run it again later"
        case RunStatus.COMPLETE:
            return f"✅ {title}: complete"


def _failed(state: RunState) -> str:
    reasons = sorted(state.failures_by_reason.items(), key=lambda each: (-each[1], each[0]))
    if not reasons:
        return ""
    named = [f"{inert(why, _MOST_REASON_UNITS)} {count:,}" for why, count in reasons]
    if len(named) > _MOST_REASONS:
        named[_MOST_REASONS:] = ["…"]
    return f" {sum(count for _, count in reasons):,} failed: {', '.join(named)}"
