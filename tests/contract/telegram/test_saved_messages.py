"""What every Saved Messages promises: the real one, over TCP to a stand-in, and the fake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from pyrogram import raw

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tdl_sync.core.errors import CredentialsRefused, NetworkUnreachable, TdlSyncError
from tdl_sync.core.ports import SavedMessages
from tdl_sync.telegram.messages.saved_messages import TelegramSavedMessages
from tdl_sync.telegram.session.client import TelegramClient
from tests.connected import ConnectedTelegram, ConnectTelegram
from tests.fakes.saved_messages import FakeSavedMessages
from tests.waiting import finished, until

HEADER = "📊 TDL Progress"
MOST_UTF16_UNITS = 4096


class Place(Protocol):
    """Saved Messages, and what the user does with them in an app."""

    @property
    def saved(self) -> SavedMessages: ...

    def write(self, text: str) -> int:
        """The user writes a message; its id."""

    def forward(self, text: str) -> int:
        """The user forwards somebody's message to Saved Messages."""

    def log_out(self) -> None:
        """Telegram ends the session."""


@dataclass
class FakePlace:
    saved: FakeSavedMessages

    def write(self, text: str) -> int:
        return self.saved.put(text).message_id

    def forward(self, text: str) -> int:
        return self.saved.put(text, forwarded=True).message_id

    def log_out(self) -> None:
        self.saved.fail(1, CredentialsRefused("Telegram", "the session has ended", "Log in."))


class RealPlace:
    def __init__(self, telegram: ConnectedTelegram) -> None:
        self.telegram = telegram
        self.chat = telegram.standin.world.saved_messages
        self.saved = TelegramSavedMessages(telegram.client)

    def write(self, text: str) -> int:
        return self.chat.append(text)

    def forward(self, text: str) -> int:
        header = raw.types.MessageFwdHeader(date=1_700_000_000, from_name="Somebody")
        return self.chat.append(text, forward=header)

    def log_out(self) -> None:
        self.telegram.standin.faults.add(Fault("auth_key_unregistered", times=None))


@pytest.fixture(params=["fake", "real"])
def place(request: pytest.FixtureRequest, connect_telegram: ConnectTelegram) -> Place:
    if request.param == "fake":
        return FakePlace(FakeSavedMessages())
    return RealPlace(connect_telegram(worlds.files(sizes=[1])))


def texts(place: Place) -> dict[int, str]:
    return {found.message_id: found.text for found in place.saved.find(HEADER)}


def test_what_was_sent_is_found_pinned_and_unchanged(place: Place) -> None:
    """Whatever a text holds: Markdown, HTML, JSON and emoji arrive as they are."""
    text = f'{HEADER}\n{{"a": "**b** <i>c</i> `d` [e](f) __g__", "h": "\\u00e9 😀"}}\nfor people'
    sent = place.saved.send_pinned(text)
    assert sent.text == text
    until(lambda: all(found.pinned for found in place.saved.find(HEADER)))
    (found,) = place.saved.find(HEADER)
    assert (found.message_id, found.text) == (sent.message_id, text)
    assert type(found.text) is str
    assert found.edited_at.tzinfo is not None


def test_nothing_is_found_where_nothing_is(place: Place) -> None:
    assert place.saved.find(HEADER) == []


def test_only_own_texts_that_begin_with_the_header_are_found(place: Place) -> None:
    place.write(f"my notes on {HEADER}")
    place.write("TDL Progress without its sign")
    place.forward(f"{HEADER}\n{{}}")
    own = place.write(f"{HEADER}\n{{}}")
    assert texts(place) == {own: f"{HEADER}\n{{}}"}


def test_several_are_all_found(place: Place) -> None:
    sent = {place.saved.send_pinned(text).message_id: text for text in (f"{HEADER} 1", HEADER)}
    written = place.write(f"{HEADER} 3")
    assert texts(place) == {**sent, written: f"{HEADER} 3"}


def test_a_message_is_read_as_it_is_now_until_it_is_gone(place: Place) -> None:
    sent = place.saved.send(f"{HEADER} 1")
    assert place.saved.edit(sent.message_id, f"{HEADER} 2")
    read = place.saved.read(sent.message_id)
    assert read is not None
    assert (read.message_id, read.text) == (sent.message_id, f"{HEADER} 2")
    assert texts(place) == {sent.message_id: f"{HEADER} 2"}
    place.saved.delete([sent.message_id])
    assert place.saved.read(sent.message_id) is None


def test_an_edit_changes_the_text_in_place(place: Place) -> None:
    sent = place.saved.send_pinned(f"{HEADER} 1")
    assert place.saved.edit(sent.message_id, f"{HEADER} **2**")
    until(lambda: all(each.pinned for each in place.saved.find(HEADER)))  # which nobody waits for
    (found,) = place.saved.find(HEADER)
    assert (found.message_id, found.text, found.pinned) == (
        sent.message_id,
        f"{HEADER} **2**",
        True,
    )


def test_an_edit_without_a_change_is_no_error(place: Place) -> None:
    sent = place.saved.send_pinned(HEADER)
    assert place.saved.edit(sent.message_id, HEADER)
    assert place.saved.edit(sent.message_id, HEADER)
    assert texts(place) == {sent.message_id: HEADER}


def test_an_edit_of_a_message_that_is_gone_says_so(place: Place) -> None:
    sent = place.saved.send_pinned(HEADER)
    place.saved.delete([sent.message_id])
    assert not place.saved.edit(sent.message_id, f"{HEADER} 2")
    assert texts(place) == {}


def test_only_what_is_named_is_deleted_and_deleting_again_is_no_error(place: Place) -> None:
    first, second, third = (place.write(f"{HEADER} {number}") for number in (1, 2, 3))
    place.saved.delete([first, third])
    place.saved.delete([first])
    assert list(texts(place)) == [second]


def test_the_longest_text_that_telegram_takes_is_kept_whole(place: Place) -> None:
    filling = "😀" * ((MOST_UTF16_UNITS - len(HEADER.encode("utf-16-le")) // 2) // 2)
    sent = place.saved.send_pinned(HEADER + filling)
    assert texts(place) == {sent.message_id: HEADER + filling}


@pytest.mark.parametrize("call", ["find", "send", "edit", "delete"])
def test_an_ended_session_is_said_by_every_call(call: str, place: Place) -> None:
    sent = place.saved.send_pinned(HEADER)
    place.log_out()
    calls: dict[str, Callable[[], object]] = {
        "find": lambda: place.saved.find(HEADER),
        "send": lambda: place.saved.send_pinned(HEADER),
        "edit": lambda: place.saved.edit(sent.message_id, f"{HEADER} 2"),
        "delete": lambda: place.saved.delete([sent.message_id]),
    }
    with pytest.raises(CredentialsRefused):
        calls[call]()


# What only the real ones can meet


@pytest.fixture
def real(connect_telegram: ConnectTelegram) -> RealPlace:
    return RealPlace(connect_telegram(worlds.files(sizes=[1])))


def test_among_many_messages_of_the_user_an_unpinned_one_is_found(real: RealPlace) -> None:
    for number in range(300):
        real.write(f"note {number}")
    own = real.write(HEADER)
    for number in range(300):
        real.write(f"another note {number}")
    assert texts(real) == {own: HEADER}


def calls_of(real: RealPlace) -> dict[str, int]:
    return {
        name: count
        for name, count in real.telegram.standin.statistics.counts().calls.items()
        if name in ("messages.Search", "messages.GetHistory", "messages.GetMessages")
    }


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "not pinned"])
def test_of_a_thousand_all_are_found_in_a_call_for_each_hundred_and_three(
    pinned: bool, real: RealPlace
) -> None:
    """The three: another hundred may follow, the pinned ones, and what came a moment ago."""
    sent = {real.write(f"{HEADER} {number}"): f"{HEADER} {number}" for number in range(1000)}
    if pinned:
        for message_id in sent:
            real.chat.pin(message_id, True)
    before = calls_of(real)
    assert texts(real) == sent
    after = calls_of(real)
    calls = {name: count - before.get(name, 0) for name, count in after.items()}
    assert calls == {"messages.Search": 12, "messages.GetHistory": 1}


def test_where_few_are_there_three_calls_find_them(real: RealPlace) -> None:
    own = real.saved.send_pinned(HEADER)
    before = calls_of(real)
    assert texts(real) == {own.message_id: HEADER}
    assert sum(calls_of(real).values()) - sum(before.values()) == 3


def test_what_is_pinned_is_found_though_its_words_are_not(
    real: RealPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of hundreds, too, as the index of words may lag."""
    sent = {real.write(f"{HEADER} {number}"): f"{HEADER} {number}" for number in range(250)}
    for message_id in sent:
        real.chat.pin(message_id, True)
    for number in range(100):
        real.write(f"note {number}")
    monkeypatch.setattr("standins.telegram.world.history._holds_words", lambda *_: False)
    assert texts(real) == sent


def test_a_message_that_is_deleted_while_the_pages_are_read_hides_no_other(
    real: RealPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {real.write(f"{HEADER} {number}"): f"{HEADER} {number}" for number in range(301)}
    for number in range(100):
        real.write(f"note {number}")
    newest = iter(sorted(sent, reverse=True))
    gone = []
    ask = TelegramClient.call_all

    def delete_and_ask(self: TelegramClient, *arguments: Any) -> list[Any]:
        answers = ask(self, *arguments)
        gone.extend(real.chat.delete([next(newest)]))
        return answers

    monkeypatch.setattr(TelegramClient, "call_all", delete_and_ask)
    found = texts(real)
    assert len(gone) > 1
    assert {**found, **{each: sent[each] for each in gone}} == sent


def test_a_refusal_of_telegram_is_named(real: RealPlace) -> None:
    fault = Fault("error", rpc="messages.SendMessage", code=400, text="INPUT_USER_DEACTIVATED")
    real.telegram.standin.faults.add(fault)
    with pytest.raises(TdlSyncError, match="INPUT_USER_DEACTIVATED"):
        real.saved.send_pinned(HEADER)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault("flood_wait", rpc="messages.UpdatePinnedMessage", seconds=39_600), None),
        (
            Fault("error", rpc="messages.UpdatePinnedMessage", code=403, text="PIN_RESTRICTED_X"),
            "warning: pinning the state message was refused (PIN_RESTRICTED_X)",
        ),
    ],
)
def test_a_state_is_sent_whatever_becomes_of_its_pin(
    fault: Fault, line: str | None, real: RealPlace
) -> None:
    real.telegram.standin.faults.add(fault)
    sent = finished(lambda: real.saved.send_pinned(HEADER))
    assert texts(real) == {sent.message_id: HEADER}
    if line is not None:
        until(lambda: line in real.telegram.lines)


def test_a_network_that_is_gone_is_named(real: RealPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tdl_sync.telegram.session.client.CALL_SECONDS", 0.3)
    real.telegram.standin.faults.add(Fault("no_answer", rpc="messages.Search", times=None))
    with pytest.raises(NetworkUnreachable, match="check the network or --proxy"):
        real.saved.find(HEADER)
