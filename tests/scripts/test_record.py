"""A record holds nothing that is anybody's, and the stand-ins play it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from pyrogram import raw
from pyrogram.errors import FloodWait, RPCError, UnknownError

from scripts.contact.record import REASONS, remote_reply, telegram_reply
from standins.drive.faults import Fault as DriveFault
from standins.drive.playback import faults_of
from standins.telegram.world import worlds
from tdl_sync.remote.rclone import CallFailed
from tests.e2e.conftest import SetScene, scene
from tests.e2e.program import SOURCE
from tests.in_process import run_here

__all__ = ["scene"]

_t, _f = raw.types, raw.functions

SECRETS = st.tuples(
    st.text("abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJK0123456789", min_size=9, max_size=40),
    st.integers(10**9, 2**62),
)

Case = Callable[[str, int], tuple[Any, Any]]

TOLD_BY_TELEGRAM: tuple[Case, ...] = (
    lambda name, number: (
        _f.InvokeWithoutUpdates(
            query=_f.contacts.ResolveUsername(username=name, referer=name),
        ),
        _t.contacts.ResolvedPeer(
            peer=_t.PeerUser(user_id=number), chats=[], users=[_t.User(id=number, first_name=name)]
        ),
    ),
    lambda name, number: (
        _f.upload.GetFile(
            location=_t.InputDocumentFileLocation(
                id=number, access_hash=number, file_reference=name.encode(), thumb_size=name
            ),
            offset=number,
            limit=4096,
        ),
        _t.upload.File(type=_t.storage.FileUnknown(), mtime=number, bytes=name.encode()),
    ),
    lambda name, number: (
        _f.messages.GetHistory(
            peer=_t.InputPeerChannel(channel_id=number, access_hash=number),
            offset_id=number,
            offset_date=number,
            add_offset=0,
            limit=100,
            max_id=0,
            min_id=number,
            hash=number,
        ),
        _t.messages.Messages(
            messages=[
                _t.Message(
                    id=number, peer_id=_t.PeerUser(user_id=number), date=number, message=name
                )
            ],
            topics=[],
            chats=[],
            users=[],
        ),
    ),
    lambda name, number: (_f.help.GetConfig(), UnknownError(value=f"[400 {name}] {number}")),
    lambda name, number: (_f.help.GetConfig(), RPCError(value=f"{name} {number}")),
    lambda name, number: (_f.help.GetConfig(), ConnectionError(f"{name} {number}")),
    lambda name, number: (_f.auth.ImportAuthorization(id=number, bytes=name.encode()), [name]),
)


def recorded_of(name: str, number: int) -> str:
    written = [telegram_reply(*case(name, number)) for case in TOLD_BY_TELEGRAM]
    failed = (
        CallFailed(500, f"googleapi: Error 403: {name} of {number}, {name}"),
        CallFailed(number, name),
        OSError(name),
        {name: [name, number], "list": [{"Name": name, "Size": number}]},
    )
    for command in (f"operations/list?fs={name}:{number}", "operations/movefile", f"{name}/{name}"):
        written += [remote_reply(command, each) for each in failed]
    return json.dumps(written)


def words_in(text: str) -> set[str]:
    return set(text.replace('"', " ").replace(",", " ").split())


@given(SECRETS)
@example(("authError", 10**9))
@example(("ConnectionError", 10**9))
def test_nothing_of_what_is_asked_or_answered_gets_into_the_record(secret: tuple[str, int]) -> None:
    """But for the words that are in it whatever the secret is, and Drive's for its reasons."""
    name, number = secret
    text = recorded_of(name, number)
    assert str(number) not in text
    always = recorded_of("no secret", 7)
    assert name not in words_in(text) - words_in(always) - REASONS
    assert len(name) < 12 or name in always or name in REASONS or name not in text


def test_what_matters_of_an_answer_is_in_the_record() -> None:
    request = _f.InvokeWithoutUpdates(query=_f.help.GetConfig())
    assert telegram_reply(request, FloodWait(value=17)) == {
        "call": "help.GetConfig",
        "error": "FLOOD_WAIT_X",
        "code": 420,
        "seconds": 17,
    }
    refused = CallFailed(500, "googleapi: Error 403: No more., userRateLimitExceeded")
    assert remote_reply("operations/movefile?fs=x", refused) == {
        "call": "operations/movefile",
        "status": 500,
        "error": "userRateLimitExceeded",
        "code": 403,
    }


SHORT = {"call": "messages.GetHistory", "took": 0.01, "asked": 100, "entries": 97, "total": 400}
TELEGRAM = [
    {"call": "messages.GetHistory", "took": 0, "error": "FLOOD_WAIT_X", "code": 420, "seconds": 1},
    *(SHORT for _ in range(4)),
    {"call": "upload.GetFile", "took": 0.0},
    {"call": "upload.GetFile", "took": 0, "error": "FLOOD_WAIT_X", "code": 420, "seconds": 1},
    {"call": "upload.GetFile", "took": 0.01, "error": "RPC_CALL_FAIL", "code": 500},
]
REMOTE = [
    {"call": "operations/list", "status": 500, "error": "backendError", "code": 503},
    {"call": "operations/uploadfile"},
    {"call": "operations/movefile"},
    {"call": "operations/movefile", "status": 500, "error": "userRateLimitExceeded", "code": 403},
]


def test_a_run_gets_what_was_recorded_and_moves_all_that_is_shown(
    scene: SetScene, tmp_path: Path
) -> None:
    telegram, remote = tmp_path / "telegram.jsonl", tmp_path / "remote.jsonl"
    telegram.write_text("".join(f"{json.dumps(line)}\n" for line in TELEGRAM))
    remote.write_text("".join(f"{json.dumps(line)}\n" for line in REMOTE))
    on = scene(worlds.files(sizes=[100] * 105))
    playback = on.telegram.play(telegram)
    (fault,) = faults_of(remote)
    assert fault == DriveFault(
        "error",
        call="upload",
        after_calls=2,
        status=403,
        reason="userRateLimitExceeded",
        message="as it was recorded",
    )
    on.drive.faults.add(fault)
    ended = run_here(on.machine, "-u", SOURCE, "--remote", "gdrive:a/b")
    assert ended.exit_status == 0, ended.stderr
    on.assert_all_there()
    assert len(on.world.source.withheld) in (3, 6)  # of its one or two pages
    assert playback.left("upload.GetFile") == 0
    assert "Telegram asks for a pause of 1 s" in ended.stderr
