"""The states whose messages are kept, as they were given to be written and as they are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from tdl_sync.state.claims import Subject
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus

NOON = datetime(2024, 5, 6, 12, 0, 7, tzinfo=timezone.utc)
RUN = RunIdentity("runner-7", 4711, "5f0c9a31b2d4e6f8", "9c1d" * 8, 1_714_992_000, 300)
SUBJECT = Subject("gdrive:tdl-sync", -1001234567890, "eeff8b2a8c2d6cfc", "Лекции")

FULL = RunState(
    scope_key="0123456789abcdef",
    channel_id=-1001234567890,
    channel_name="Лекции \U0001f4da",
    last_message_id=12345,
    total_downloaded=1240,
    total_uploaded=1234,
    total_size_bytes=56_700_000_001,
    timestamp=NOON,
    status=RunStatus.RUNNING,
    remote="gdrive:tdl-sync",
    folder="Лекции \U0001f4da [-1001234567890]",
    started=NOON - timedelta(hours=5),
    done_above_ids=(12347, 12348, 12349, 12353),
    failed_ids=(12, 77, 12350),
    failures_by_reason={"wrong size": 2, "larger than the disk budget": 1},
    run=RUN,
    lower_bound=77,
    upload_bytes_per_second=4_000_000,
    run_bytes=9_000_000_000,
    run_seconds=3600,
)
FIRST = RunState(
    scope_key="fedcba9876543210",
    channel_id=5_000_000_001,
    channel_name="",
    last_message_id=0,
    total_downloaded=0,
    total_uploaded=0,
    total_size_bytes=0,
    timestamp=NOON,
    status=RunStatus.RUNNING,
    remote="/mnt/box",
    folder="saved messages [5000000001]",
    started=NOON,
    done_above_ids=(),
    failed_ids=(),
    failures_by_reason={},
    run=RunIdentity("", 0, ""),
)
MANY_REASONS = {f"reason {number}": number for number in range(1, 13)} | {"r" * 60: 100}
HOSTILE = 'e\u0301 \u202e"\\\n\r\x1b[31m @all https://t.me/x #tag /cmd **b** 100$ \u200d\ufeff'
LONG = "\U0001f4da" * 200

STATES = {
    "running": FULL,
    "stopped": replace(FULL, status=RunStatus.STOPPED),
    "quota": replace(FULL, status=RunStatus.QUOTA),
    "complete": replace(FULL, status=RunStatus.COMPLETE, done_above_ids=(), failed_ids=()),
    "first": FIRST,
    "one-file": replace(FIRST, total_uploaded=1, total_downloaded=1, total_size_bytes=1),
    "group": replace(FULL, channel_id=-4000001, lower_bound=0),
    "many-reasons": replace(FULL, failures_by_reason=MANY_REASONS),
    "hostile": replace(
        FULL,
        channel_name=HOSTILE,
        folder="e\u0301 [1]",
        remote='box,a="b":c',
        failures_by_reason={HOSTILE: 1},
        run=replace(RUN, host=HOSTILE),
    ),
    "long-names": replace(
        FULL,
        channel_name=LONG,
        remote=f"box:{LONG}",
        folder=f"{'ü' * 60} [-1001234567890]",
        run=replace(RUN, host=LONG, run_id=LONG, machine=LONG),
    ),
    "many-done-above": replace(FULL, done_above_ids=tuple(range(20_001, 40_001, 2))),
    "many-failed": replace(
        FULL,
        last_message_id=30_000,
        failed_ids=tuple(range(10_001, 30_001, 2)),
        done_above_ids=tuple(range(30_002, 30_100, 3)),
        failures_by_reason={"download failed": 10_000},
    ),
    "most-ids": replace(FULL, failed_ids=(), done_above_ids=tuple(range(20_000, 220_000))),
    "failed-above": replace(
        FULL, done_above_ids=tuple(range(12_346, 12_360)), failed_ids=(12_350,)
    ),
    "greatest": replace(
        FULL,
        channel_id=-(2**53),
        last_message_id=2**31 - 2,
        total_downloaded=2**53,
        total_uploaded=2**53,
        total_size_bytes=10**18,
        done_above_ids=(2**31 - 1,),
        failed_ids=(2**31 - 3,),
        failures_by_reason={"wrong size": 2**53},
        lower_bound=2**31 - 1,
        upload_bytes_per_second=2**53,
        run_bytes=2**53,
        run_seconds=2**40,
        run=replace(
            RUN, pid=2**32 - 1, process_started=16_725_225_599, save_interval_seconds=86_400
        ),
    ),
}
"""What ``encode`` was given, by the name of the file in ``states``."""

READ_OTHERWISE = {
    "many-reasons": replace(
        STATES["many-reasons"],
        failures_by_reason={
            "r" * 47 + "…": 100,
            "reason 12": 12,
            "reason 11": 11,
            "reason 10": 10,
            "reason 9": 9,
            "reason 8": 8,
            "reason 7": 7,
            "reason 6": 6,
            "other": 15,
        },
    ),
    "failed-above": replace(
        STATES["failed-above"],
        done_above_ids=(*range(12_346, 12_350), *range(12_351, 12_360)),
    ),
    "most-ids": replace(STATES["most-ids"], done_above_ids=tuple(range(20_000, 120_000))),
}
"""Where a message says less than what it was made of."""

NO_RATES = replace(FULL, run_bytes=0, run_seconds=0)
OLDER = {
    "without-run-figures": NO_RATES,
    "with-more-keys": FULL,
    "in-another-order": FULL,
    "without-lines-for-people": FULL,
    "spaces-in-json": FULL,
    "blanks-after-the-header": FULL,
}
"""What readers take beside what is written today, by the name of the file in ``older-states``."""

UNREADABLE = {
    "no-json": "expected a JSON object, found 'nothing of ours'",
    "cut": """expected a JSON object, found '{"version":1,"scope":"0123456789abcdef",'""",
    "header-alone": "expected a JSON object, found ''",
    "a-list": "expected a JSON object, found '[1]'",
    "later-version": "expected version 1, found 2 (a newer tdl_sync reads it)",
    "no-version": "expected the key 'version', found none",
    "without-run": "expected the key 'run', found none",
    "unknown-status": (
        "expected 'status' to be one of running, stopped, quota, complete, found 'paused'"
    ),
    "overlapping-ids": "expected ids above 12350, found '12349'",
    "too-many-ids": ("expected 100000 ids at most, found 2147483647 up to '1-2147483647'"),
    "true-for-a-number": (
        "expected 'last_message_id' to be a whole number from 0 to 2147483647, found True"
    ),
    "local-time": (
        "expected 'timestamp' to be a time like 2024-01-31T12:00:00Z, found "
        "'2024-05-06T12:00:07+02:00'"
    ),
    "not-a-number": "expected a number, found NaN",
    "channel-id-as-number": "expected 'channel_id' to be a text, found -1001234567890",
}
"""What is wrong with each file in ``unreadable-states``: none may be overwritten."""

FOREIGN = ["a-note", "a-headline-like-ours", "claim", "nothing"]
"""Texts in ``foreign`` that are the user's, or no state."""

CLAIMS = {"begun": 0, "renewed": 3, "renewed-often": 100_000}
"""How often each claim in ``claims`` was renewed."""

OTHER_CLAIMS = ["other-subject", "without-run", "no-json", "not-a-claim"]
"""Claims, or almost, in ``claims`` that do not concern the subject."""
