"""The text of a claim, by which a run that begins tells other machines that a chat is taken."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.state.run_state import RunIdentity
from tdl_sync.state.state_message import HEADER, json_in, run_in, run_record, shard_in
from tdl_sync.state.strict_json import Fields, Unexpected

CLAIM_HEADER = f"{HEADER} claim"
"""It begins like a state message's header, so that one search finds both."""


@dataclass(frozen=True)
class Subject:
    """What only one run at a time may work on, whatever scope it has in mind. ``key`` is the
    chat's; of its ``shard`` every other run is told that works on one which overlaps it."""

    remote: str
    chat_id: int
    key: str
    title: str
    shard: Shard = WHOLE


def claim_text(subject: Subject, run: RunIdentity, renewals: int = 0) -> str:
    """Each renewal has another text, since an edit that changes nothing has no date."""
    record = {
        "version": 1,
        "subject": subject.key,
        "run": run_record(run),
        "renewals": renewals,
        # To earlier versions, which do not know it, the whole chat is claimed.
        **({} if subject.shard.is_whole else {"shard": str(subject.shard)}),
    }
    return f"{CLAIM_HEADER}\n{json.dumps(record)}\nA run begins; it removes this message itself."


def decode_claim(text: str) -> tuple[str, RunIdentity, Shard]:
    """The key of the subject that is claimed, by whom, and which part of it: all of it where a part
    is named in a way that this version does not know. Raises ``Unexpected``."""
    fields = Fields.load(json_in(text))
    try:
        shard = shard_in(fields)
    except Unexpected:
        shard = WHOLE
    return fields.text("subject"), run_in(fields.object("run")), shard
