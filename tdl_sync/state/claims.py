"""The text of a claim, by which a run that begins tells other machines that a chat is taken."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tdl_sync.state.run_state import RunIdentity
from tdl_sync.state.state_message import HEADER, json_in, run_in, run_record
from tdl_sync.state.strict_json import Fields

CLAIM_HEADER = f"{HEADER} claim"
"""It begins like a state message's header, so that one search finds both."""


@dataclass(frozen=True)
class Subject:
    """What only one run at a time may work on, whatever scope it has in mind."""

    remote: str
    chat_id: int
    key: str
    title: str


def claim_text(subject: Subject, run: RunIdentity, renewals: int = 0) -> str:
    """Each renewal has another text, since an edit that changes nothing has no date."""
    record = {
        "version": 1,
        "subject": subject.key,
        "run": run_record(run),
        "renewals": renewals,
    }
    return f"{CLAIM_HEADER}\n{json.dumps(record)}\nA run begins; it removes this message itself."


def decode_claim(text: str) -> tuple[str, RunIdentity]:
    """The key of the subject that is claimed, and by whom. Raises ``Unexpected``."""
    fields = Fields.load(json_in(text))
    return fields.text("subject"), run_in(fields.object("run"))
