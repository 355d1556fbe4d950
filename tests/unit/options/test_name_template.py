"""A template is the user's, and no value can be a part of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.core.model import Chat, ChatKind, FileNumber, MessageDetails
from tdl_sync.core.naming import MAX_NAME_BYTES, file_name, number_of
from tdl_sync.options.name_template import FIELDS, PLAIN_NAMES, parse_name_template
from tests.fakes.chat import CHAT_ID, item_of

CHAT = Chat(CHAT_ID, "Holi/days", ChatKind.CHANNEL)
EVERY_FIELD = "/".join(f"{{{field}}}" for field in FIELDS[:8]) + "/{caption}{type}"


@given(name=st.text(), caption=st.text(), title=st.text())
def test_whatever_the_values_are_the_place_is_safe_and_carries_the_id(
    name: str, caption: str, title: str
) -> None:
    item = replace(item_of(4711, 1, file_name=name), details=MessageDetails(caption=caption))
    chat = replace(CHAT, title=title)
    place = parse_name_template(EVERY_FIELD).place(item, chat)
    assert len(place.folders) == 8
    assert number_of(place.name) == FileNumber(4711)
    for part in (*place.folders, place.name):
        assert part not in ("", ".", "..")
        assert "/" not in part
        assert "\0" not in part
        assert len(part.encode()) <= MAX_NAME_BYTES


@given(name=st.text())
def test_without_a_template_a_file_is_called_as_ever(name: str) -> None:
    item = item_of(4711, 1, file_name=name)
    place = PLAIN_NAMES.place(item, CHAT)
    assert (place.folders, place.name) == ((), file_name(item))


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{stem}", "4711_a.tar"),
        ("{message_id}_{ext}", "4711_gz"),
        ("{message_id}", "4711_4711"),
        ("{date:%Y}/{date:%m-%d}", "2021/4711_03-04"),
        ("{date}", "4711_2021-03-04"),
        ("{chat}/{type}/{topic}/{album}/x", "Holi_days/document/_/_/4711_x"),
        ("{caption:.7}.{ext}", "4711_{chat.i.gz"),
        ("{{{ext}}}", "4711_{gz}"),
        ("CON/nul.{ext}", "CON_/4711_nul.gz"),
    ],
)
def test_fields_stand_for_what_their_names_say(template: str, path: str) -> None:
    details = MessageDetails(caption="{chat.id} and\n more")
    item = replace(item_of(4711, 1, file_name="a.tar.gz"), details=details)
    place = parse_name_template(template).place(item, CHAT)
    assert "/".join((*place.folders, place.name)) == path


@pytest.mark.parametrize(
    "template",
    [
        *("", "/", "a//b", "/a", "a/", "..", "../a", "a/./b", "x" * 301, "a/" * 9 + "b"),
        *("{", "}", "{}", "{0}", "{nope}", "{chat.id}", "{chat[0]}", "{chat.__class__}"),
        *("{stem!r}", "{stem:{ext}}", "{stem:>99999999999}", "{message_id:09d}", "{caption:.9999}"),
        *("{date:%Q}", "{date:%}", "{date:%Y/%m}"),
    ],
)
def test_a_template_that_is_none_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="a "):
        parse_name_template(template)
