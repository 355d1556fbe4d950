"""A chat is ours from the claim to the end of the hold, and nothing is written once it is not."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tdl_sync.cli.parse import parse_config
from tdl_sync.commands.verify import Verifier
from tdl_sync.core.errors import HeldByAnotherRun
from tdl_sync.core.model import Chat, ChatKind, DoneMark, ListedFile, RemoteFile
from tdl_sync.core.stop import StopFlag
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.exclusive import exclusive
from tdl_sync.state.run_state import RunStatus
from tdl_sync.state.state_message import scope_key_in
from tests.fakes.chat import FakeChatReader, item_of
from tests.fakes.saved_messages import FakeSavedMessages
from tests.unit.state.test_lease import HERE, THERE, Runner, claims
from tests.unit.state.test_state_message import PLAIN, SCOPE
from tests.waiting import until

CHAT = Chat(SCOPE.chat_id, PLAIN.channel_name, ChatKind.CHANNEL)


def test_the_claim_is_renewed_while_the_start_lasts_and_goes_with_the_hold(tmp_path: Path) -> None:
    saved = FakeSavedMessages()
    run = replace(HERE, save_interval_seconds=1)
    with exclusive(CHAT, SCOPE.remote, run, saved, tmp_path, StopFlag(), take_over=False):
        (first,) = claims(saved)
        until(lambda: claims(saved) != [first])
        assert len(claims(saved)) == 1
    until(lambda: saved.texts == [])


@dataclass
class SlowRemote:
    """A remote that lists nothing; meanwhile something happens."""

    meanwhile: Callable[[], None]

    def find_folder(self, chat_id: int) -> str | None:
        return None

    def read(self, folder: str, name: str) -> bytes | None:
        return None

    def elsewhere(self, source: str) -> list[ListedFile]:
        return []

    def files(self, folder: str, *, with_hashes: bool = False) -> list[ListedFile]:
        self.meanwhile()
        return []


def test_verify_repairs_nothing_when_another_run_took_the_chat_while_it_looked(
    tmp_path: Path,
) -> None:
    saved, item = FakeSavedMessages(), item_of(7, 10, chat_id=CHAT.id)
    earlier, there = Runner(saved, replace(THERE, run_id="earlier")), Runner(saved, THERE)
    earlier.take()
    earlier.save(RunStatus.STOPPED)

    def take_over() -> None:
        saved.now += timedelta(seconds=20)
        there.take(take_over=True, seconds_since_start=5)
        there.save()

    options = (
        f"verify --repair -u @channel --remote {SCOPE.remote} --data-dir {tmp_path.as_posix()}"
    )
    with DoneMarks(tmp_path / "marks") as marks:
        listed = ListedFile("7_a.bin", item.size_bytes)
        marks.write(DoneMark(SCOPE.remote, RemoteFile.listed(item, PLAIN.folder, listed)))
        verifier = Verifier(
            parse_config(shlex.split(options), {}),
            FakeChatReader.of([item]),
            SlowRemote(take_over),
            marks,
            saved,
        )
        with pytest.raises(HeldByAnotherRun, match="is gone: another run has taken over"):
            verifier.verdict(CHAT, lower_bound=0)
        assert marks.is_done(SCOPE.remote, item.key)
    (text,) = saved.texts
    assert scope_key_in(text) == PLAIN.scope_key
    there.save()
    assert not there.stop.is_set
