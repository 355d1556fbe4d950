"""The stand-in as a process: its environment makes an unmodified client work, its input obeys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from standins.telegram.inject import standin_public_key
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]

CLIENT = """
import asyncio, os
from urllib.parse import urlsplit
from pyrogram import Client

async def main():
    proxy = urlsplit(os.environ["TDL_SYNC_PROXY"])
    client = Client(
        "test",
        api_id=int(os.environ["TDL_SYNC_API_ID"]),
        api_hash=os.environ["TDL_SYNC_API_HASH"],
        session_string=os.environ["TDL_SYNC_SESSION_STRING"],
        in_memory=True,
        no_updates=True,
        proxy={"scheme": proxy.scheme, "hostname": proxy.hostname, "port": proxy.port},
    )
    async with client:
        message = await client.get_messages("stand_in_source", 1)
        print(len((await client.download_media(message, in_memory=True)).getbuffer()))

asyncio.run(main())
"""


class Process:
    """A running stand-in; `started` is its first line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.started = self._read()

    def tell(self, **commands: Any) -> dict[str, Any]:
        self._stdin.write(json.dumps(commands) + "\n")
        self._stdin.flush()
        return self._read()

    def end_input(self) -> None:
        self._stdin.close()

    @property
    def _stdin(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def stand_in_process(*arguments: str) -> Iterator[Process]:
    process = subprocess.Popen(
        [sys.executable, "-m", "standins.telegram", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Process(process)
        finally:
            process.kill()


def run_client(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CLIENT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("dc_id", [2, 3])
def test_a_program_needs_nothing_but_the_environment(dc_id: int) -> None:
    parameters = json.dumps({"sizes": [123_456], "dc_id": dc_id})
    with stand_in_process("--world", "files", "--parameters", parameters) as telegram:
        client = run_client(telegram.started["environment"])
        assert (client.returncode, client.stdout) == (0, "123456\n"), client.stderr
        statistics = telegram.tell(statistics=True)["statistics"]
        assert statistics["file_bytes"] == 123_456
        assert statistics["unknown_rpcs"] == []
        assert statistics["key_exchanges"] == (0 if dc_id == 2 else 1)


def test_faults_and_shaping_are_set_by_a_line_each() -> None:
    parameters = json.dumps({"sizes": [1_000_000]})
    with stand_in_process("--world", "files", "--parameters", parameters) as telegram:
        assert telegram.tell(shaping={"round_trip_seconds": 0.01}) == {"shaping": None}
        fault = {"kind": "short_part", "keep_bytes": 5}
        assert telegram.tell(faults=[fault], note_calls=True)["faults"] is None
        client = run_client(telegram.started["environment"])
        assert (client.returncode, client.stdout) == (0, "5\n"), client.stderr
        assert telegram.tell(strikes=True) == {"strikes": [1]}
        assert telegram.tell(drop_connections={"dc_id": 2}) == {"drop_connections": 0}
        noted = telegram.tell(noted_calls=True)["noted_calls"]
        times = {name: (began, ended) for name, began, ended in noted}
        assert times["upload.GetFile"][1] - times["upload.GetFile"][0] >= 0.01
        assert times["connection"][1] == 0.0  # which is no call, and has no answer


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"fault": []}, "no such command: fault"),
        ({"faults": [{"kind": "explode"}]}, "fault kind 'explode'"),
        ({"faults": [{"kind": "drop", "colour": 1}]}, "a fault has no colour"),
        ({"shaping": {"speed": 1}}, "speed"),
        ({"drop_connections": {"colour": 1}}, "not chosen by colour"),
    ],
)
def test_a_line_that_makes_no_sense_is_answered_with_what_is_wrong(
    line: dict[str, Any], complaint: str
) -> None:
    with stand_in_process("--messages", "5") as telegram:
        assert complaint in telegram.tell(**line)["error"]
        assert telegram.tell(rotate_salts=True) == {"rotate_salts": None}


def test_it_ends_with_its_input() -> None:
    with stand_in_process("--messages", "5") as telegram:
        telegram.end_input()
        assert telegram.process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_it_ends_on_sigterm() -> None:
    with stand_in_process("--messages", "5") as telegram:
        telegram.process.send_signal(signal.SIGTERM)
        assert telegram.process.wait(PATIENCE_SECONDS) == 0


def test_a_python_without_pyrogram_is_left_alone() -> None:
    inject = Path(standin_public_key.__file__).parent
    script = "import sys; assert 'pyrogram' not in sys.modules; assert 'asyncio' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(inject)},
        check=True,
        timeout=PATIENCE_SECONDS,
    )
