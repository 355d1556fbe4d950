"""Telegram refuses the connection itself, or says nothing: that is said, and not waited out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pyrogram.errors import FloodWait, RPCError
from pyrogram.session import Session

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tdl_sync.telegram.session import client
from tdl_sync.telegram.session.library import SteadyClient
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved
from tests.e2e.program import SOURCE
from tests.in_process import Person, run_here

OPENING = "help.GetConfig"
"""What the library asks for as it opens a connection."""


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return stage(worlds.files(sizes=[1000]))


@pytest.mark.parametrize(
    ("code", "text", "exit_status", "said"),
    [
        (400, "CONNECTION_API_ID_INVALID", 4, "it does not accept the api id"),
        (400, "INPUT_LAYER_INVALID", 2, "does not take the connection of this program"),
        (406, "NOT_THOUGHT_OF_YET", 2, "does not take the connection of this program"),
        (420, "FLOOD_WAIT_39600", 75, "asks for a pause of 39600 s before it takes a connection"),
    ],
)
def test_a_refusal_is_said_and_ends_the_start(
    code: int, text: str, exit_status: int, said: str, scene: Scene
) -> None:
    scene.telegram.faults.add(Fault("error", rpc=OPENING, times=None, code=code, text=text))
    name = text.replace("39600", "X")
    for command in ((), ("chats",)):
        chat = () if command else ("-u", SOURCE)
        ended = run_here(scene.machine, *command, *chat)
        assert (ended.exit_status, said in ended.said) == (exit_status, True), ended.stderr
        assert f"Telegram refuses the connection ({name})" in ended.stderr
    assert scene.telegram.statistics.counts().calls[OPENING] <= 4
    assert not list(scene.machine.working_directory.glob("unknown_errors*"))


def test_login_says_it_too_and_keeps_no_session(scene: Scene) -> None:
    refused = Fault("error", rpc=OPENING, times=None, code=400, text="CONNECTION_API_ID_INVALID")
    scene.telegram.faults.add(refused)
    no_session = {"TDL_SYNC_SESSION_STRING": None}
    ended = run_here(scene.machine, "login", variables=no_session, person=Person())
    assert (ended.exit_status, "it does not accept the api id" in ended.stderr) == (4, True)
    assert not list(scene.machine.data_directory.glob("*.session*"))


def test_a_refusal_is_told_of_once_though_its_call_goes_out_a_second_time_for_the_salt(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the pause that it asks for is waited for once."""
    told: list[RPCError] = []
    telling: Any = SteadyClient.connection_refused

    async def counted(client: SteadyClient, error: RPCError, *, for_files: bool) -> None:
        told.append(error)
        await telling(client, error, for_files=for_files)

    monkeypatch.setattr(SteadyClient, "connection_refused", counted)
    scene.telegram.faults.add(Fault("flood_wait", rpc=OPENING, seconds=1))
    assert_moved(run_here(scene.machine, "-u", SOURCE), 1)
    assert [type(each) for each in told] == [FloodWait]


def test_a_refusal_that_passes_is_said_and_waited_for(scene: Scene) -> None:
    scene.telegram.faults.add(Fault("internal_error", rpc=OPENING, times=2))
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 1)
    assert ended.stderr.count("Telegram refuses the connection (RPC_CALL_FAIL)") == 1


def test_silence_is_said(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(Session, "START_TIMEOUT", 5)
    scene.telegram.faults.add(Fault("no_answer", rpc=OPENING))
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 1)
    said = r"Telegram has not answered for \d s \(connecting\); it is waited for 60 s"
    assert re.search(said, ended.stderr), ended.stderr
