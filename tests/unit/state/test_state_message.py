"""A state message holds any state, and whatever somebody makes of it is a clear error."""

from __future__ import annotations

import contextlib
import json
import unicodedata
from dataclasses import MISSING, fields, replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tdl_sync.core.balance import Balance, Shortfall
from tdl_sync.core.errors import StateUnreadable
from tdl_sync.core.model import READER, FileNumber, MediaType, Moved, Scope, scope_key
from tdl_sync.core.shards import Shard
from tdl_sync.core.text import MOST_UNITS, utf16_units
from tdl_sync.state import id_ranges
from tdl_sync.state.id_ranges import BadIdRanges, IdRange
from tdl_sync.state.run_state import RunIdentity, RunState, RunStatus
from tdl_sync.state.state_message import (
    HEADER,
    advance,
    decode,
    encode,
    is_state_message,
    json_in,
    names_remote,
    scope_key_in,
)

NOON = datetime(2024, 5, 6, 12, 0, 7, tzinfo=timezone.utc)
SCOPE = Scope("gdrive:tdl-sync", -1001234567890)
PLAIN = RunState(
    scope_key=scope_key(SCOPE),
    channel_id=-1001234567890,
    channel_name="Лекции 📚",
    last_message_id=12345,
    total_downloaded=1240,
    total_uploaded=1234,
    total_size_bytes=56_700_000_001,
    timestamp=NOON,
    status=RunStatus.RUNNING,
    remote="gdrive:tdl-sync",
    folder="Лекции 📚 [-1001234567890]",
    started=NOON - timedelta(hours=5),
    done_above_ids=(12347, 12348, 12349, 12353),
    failed_ids=(12, 77, 12350),
    failures_by_reason={"wrong size": 2, "larger than the disk budget": 1},
    run=RunIdentity("runner-7", 4711, "5f0c9a", "9c1d", 1_714_992_000, 240),
    lower_bound=77,
    upload_bytes_per_second=4_000_000,
    run_bytes=9_000_000_000,
    run_seconds=3600,
    failed_files=(FileNumber(77, 1), FileNumber(77, 3)),
    waiting_ids=(15, 16, 90),
    reader=READER,
    seen={MediaType.VIDEO: 500, MediaType.PHOTO: 734},
    balance=Balance((Shortfall(MediaType.VIDEO, 520, 500),), (MediaType.VOICE,)),
    adopted=Moved(4, 38_500),
)
PART = replace(PLAIN, shard=Shard(2, 4), whole_scope_key=PLAIN.scope_key, cut_short=True)


def test_the_text_has_the_documented_shape() -> None:
    header, json_line, *for_people = encode(PLAIN).split("\n")
    assert header == "📊 TDL Progress"
    assert json.loads(json_line) == {
        "version": 1,
        "scope": PLAIN.scope_key,
        "channel_id": "-1001234567890",
        "channel_name": "Лекции 📚",
        "last_message_id": 12345,
        "total_downloaded": 1240,
        "total_uploaded": 1234,
        "total_size_gb": 56.700000001,
        "timestamp": "2024-05-06T12:00:07Z",
        "status": "running",
        "remote": "gdrive:tdl-sync",
        "folder": "Лекции 📚 [-1001234567890]",
        "started": "2024-05-06T07:00:07Z",
        "done_above": "12347-12349,12353",
        "failed": "12,77,12350",
        "failed_files": "77.1,77.3",
        "waiting": "15-16,90",
        "failures": {"wrong size": 2, "larger than the disk budget": 1},
        "lower_bound": 77,
        "upload_rate": 4000000,
        "run_bytes": 9000000000,
        "run_seconds": 3600,
        "reader": 2,
        "seen": {"video": 500, "photo": 734},
        "balance": {
            "counted": {"video": 520},
            "seen": {"video": 500},
            "not_compared": {"voice": 1},
        },
        "adopted": {"files": 4, "bytes": 38_500},
        "run": {
            "host": "runner-7",
            "pid": 4711,
            "id": "5f0c9a",
            "machine": "9c1d",
            "process_started": 1714992000,
            "save_interval": 240,
        },
    }
    assert for_people == [
        "▶️ Лекции 📚: running on runner-7",
        "1,234 files moved (57 GB), up to message 12345. "
        "3 failed: wrong size 2, larger than the disk budget 1",
    ]


@pytest.mark.parametrize(
    ("status", "headline"),
    [
        (RunStatus.STOPPED, "⏸️ Лекции 📚: stopped; the next run goes on from here"),
        (
            RunStatus.QUOTA,
            "⏳ Лекции 📚: stopped, as the remote takes no more for now; run it again later",
        ),
        (RunStatus.COMPLETE, "✅ Лекции 📚: complete"),
    ],
)
def test_a_person_reads_in_the_first_line_after_the_json_how_it_stands(
    status: RunStatus, headline: str
) -> None:
    state = replace(PLAIN, status=status, total_uploaded=1, failures_by_reason={})
    assert encode(state).split("\n")[2:] == [
        headline,
        "1 file moved (57 GB), up to message 12345.",
    ]


def test_a_title_for_people_is_one_short_line_with_nothing_to_tap() -> None:
    title = "https://evil.example/x @evil #evil /evil\n\x1b[31m" + "é" * 100
    headline = encode(replace(PLAIN, channel_name=title)).split("\n")[2]
    joined = "https:⁠/⁠/⁠evil.⁠example/⁠x @⁠evil #⁠evil"
    assert headline.startswith(f"▶️ {joined}")
    assert headline.endswith("…: running on runner-7")
    assert "\x1b" not in headline


def test_what_fits_comes_back_as_it_was() -> None:
    assert decode(encode(PLAIN)) == PLAIN
    assert decode(encode(PART)) == PART


def test_of_a_part_the_text_says_which_and_of_what() -> None:
    _, json_line, headline, _ = encode(PART).split("\n")
    record = json.loads(json_line)
    assert (record["shard"], record["whole_scope"]) == ("2/4", PLAIN.scope_key)
    assert headline == "▶️ Лекции 📚, part 2/4: running on runner-7"


@pytest.mark.parametrize("record", [PART, PART.run], ids=["state", "run"])
def test_the_example_has_a_value_of_its_own_in_each_field(record: RunState | RunIdentity) -> None:
    """Else one that is neither written nor read would come back as it was, too."""
    for each in fields(record):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        assert getattr(record, each.name) != default, each.name


def test_a_message_of_a_version_that_did_not_count_the_runs_bytes_is_read() -> None:
    header, json_line, *for_people = encode(PLAIN).split("\n")
    record = json.loads(json_line)
    del record["run_bytes"], record["run_seconds"]
    text = "\n".join([header, json.dumps(record), *for_people])
    assert decode(text) == replace(PLAIN, run_bytes=0, run_seconds=0)


def test_a_message_that_does_not_say_who_has_read_the_chat_is_one_of_the_first_readers() -> None:
    header, json_line, *for_people = encode(PLAIN).split("\n")
    record = json.loads(json_line)
    del record["reader"], record["seen"], record["balance"]
    text = "\n".join([header, json.dumps(record), *for_people])
    first = replace(PLAIN, reader=1, seen=None, balance=None)
    assert decode(text) == first
    assert not first.reading.is_whole
    further = replace(first, last_message_id=PLAIN.last_message_id + 1)
    assert max(further, PLAIN, key=advance) == PLAIN


def test_where_the_watermark_is_lowered_to_fit_what_was_seen_up_to_it_is_not_known() -> None:
    state = replace(PLAIN, failed_ids=range(1, 50_000, 2), last_message_id=60_000)
    assert decode(encode(state)).last_message_id < 60_000
    assert decode(encode(state)).seen is None


def test_a_scope_has_the_same_key_on_every_machine_and_another_one_has_another() -> None:
    assert scope_key(SCOPE) == "48b6faa7c6a1904a"
    others = {
        replace(SCOPE, remote="b2:x"),
        replace(SCOPE, chat_id=-1001),
        replace(SCOPE, topic_id=1),
        replace(SCOPE, filters="type=video"),
        replace(SCOPE, lower_bound=7),
        replace(SCOPE, shard=Shard(1, 2)),
    }
    assert len({scope_key(one) for one in others | {SCOPE}}) == 7


@st.composite
def id_sets(draw: st.DrawFn) -> tuple[int, ...]:
    """Few or many ids, dense or far apart, small or of ten digits."""
    start = draw(st.sampled_from([1, 12_000, 2_000_000_000]))
    step = draw(st.sampled_from([1, 2, 3, 1000]))
    count = draw(st.sampled_from([0, 1, 5, 160, 170, 400, 3000, 120_000]))
    count = min(count, 20_000 if step == 1000 else count)
    extra = draw(st.sets(st.integers(1, id_ranges.GREATEST_MESSAGE_ID), max_size=5))
    return tuple(sorted({start + step * number for number in range(count)} | extra))


moments = st.datetimes(
    datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc)
).map(lambda moment: moment.replace(microsecond=0))
hostile_text = st.text(st.characters(), max_size=400)
folders = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=255
).filter(lambda name: len(name.encode()) <= 255 and name not in (".", ".."))


@st.composite
def states(draw: st.DrawFn) -> RunState:
    failed_ids = draw(id_sets())
    several_ids = draw(st.sampled_from([(), failed_ids[:1], failed_ids[::7], failed_ids]))
    return RunState(
        scope_key=scope_key(Scope(draw(hostile_text), draw(st.integers(0, 2**50)))),
        channel_id=draw(st.integers(-(2**53), 2**53)),
        channel_name=draw(hostile_text),
        last_message_id=draw(st.integers(0, 2**31 - 1)),
        total_downloaded=draw(st.integers(0, 2**40)),
        total_uploaded=draw(st.integers(0, 2**40)),
        total_size_bytes=draw(st.integers(0, 2**50)),
        timestamp=draw(moments),
        status=draw(st.sampled_from(RunStatus)),
        remote=draw(hostile_text),
        folder=draw(folders),
        started=draw(moments),
        done_above_ids=draw(id_sets()),
        failed_ids=failed_ids,
        failed_files=tuple(FileNumber(each, index) for each in several_ids for index in (1, 12)),
        waiting_ids=draw(id_sets()),
        failures_by_reason=draw(st.dictionaries(hostile_text, st.integers(0, 10**6), max_size=20)),
        run=RunIdentity(draw(hostile_text), draw(st.integers(0, 2**31)), draw(hostile_text)),
    )


def is_changed_on_the_way(char: str) -> bool:
    """Servers and clients strip, reorder or join such ones."""
    return not char.isprintable() or unicodedata.category(char).startswith("M")


FAR_APART = tuple(range(2_000_000_000, 2_000_040_000, 2))
LONGEST_NAMES = replace(
    PLAIN,
    channel_name="\x01" * 300,
    remote="\x01" * 3000,
    folder="\x01" * 255,
    run=RunIdentity("\x01" * 300, 2**32 - 1, "\x01" * 300, "\x01" * 300, 2**34 - 2**29, 86400),
    lower_bound=2**31 - 1,
    upload_bytes_per_second=2**53,
    run_bytes=2**53,
    run_seconds=2**40,
    failures_by_reason={chr(number) * 100: 2**40 for number in range(1, 30)},
)


@settings(max_examples=30, deadline=None)
@given(states())
@example(replace(PLAIN, done_above_ids=FAR_APART))
@example(replace(PLAIN, failed_ids=FAR_APART))
@example(replace(PLAIN, waiting_ids=FAR_APART))
@example(replace(PLAIN, failed_ids=FAR_APART, waiting_ids=FAR_APART))
@example(replace(PLAIN, failed_ids=FAR_APART, failed_files=[FileNumber(i, 2) for i in FAR_APART]))
@example(replace(PLAIN, failed_ids=FAR_APART, done_above_ids=FAR_APART))
@example(replace(PLAIN, last_message_id=2**31 - 1, failed_ids=FAR_APART))
@example(replace(PLAIN, last_message_id=2**31 - 1, failed_ids=tuple(range(1, 150_000))))
@example(replace(PLAIN, done_above_ids=(7, 12347), failed_ids=(12,)))
@example(replace(PLAIN, channel_name="e\u0301", remote="r:e\u0301", folder="e\u0301 \u202e\u200b"))
@example(
    replace(LONGEST_NAMES, done_above_ids=FAR_APART, failed_ids=FAR_APART, waiting_ids=FAR_APART)
)
def test_any_state_fits_and_loses_nothing_that_correctness_needs(state: RunState) -> None:
    text = encode(state)
    read = decode(text)

    assert utf16_units(text) <= MOST_UNITS
    assert len(text.encode("utf-16-le")) // 2 == utf16_units(text), "Telegram takes no surrogates"
    assert text.count("\n") == 3
    assert not {char for char in json_in(text) if is_changed_on_the_way(char)}
    # Every message that failed is either listed as failed or will be read again.
    again = set(state.failed_ids) - set(read.failed_ids)
    assert not again & set(read.done_above_ids)
    # So is what may be a file at another time.
    again |= set(state.waiting_ids) - set(read.waiting_ids)
    assert set(read.waiting_ids) <= set(state.waiting_ids)
    assert all(one > read.last_message_id for one in again)
    # Which files failed of a message that is listed is told whole.
    listed_ids = set(read.failed_ids)
    told = [each for each in state.failed_files if each.message_id in listed_ids]
    assert list(read.failed_files) == told
    assert set(read.failed_ids) <= set(state.failed_ids)
    # Nothing counts as done that was not.
    assert read.last_message_id <= state.last_message_id
    assert set(read.done_above_ids) <= set(state.done_above_ids) - set(state.failed_ids)
    assert all(one > read.last_message_id for one in read.done_above_ids)
    # The watermark is lowered only as far as it has to be.
    if not again or min(again) > state.last_message_id:
        assert read.last_message_id == state.last_message_id
    else:
        assert read.last_message_id == min(again) - 1
    exact = ["scope_key", "channel_id", "folder", "status", "started", "timestamp"]
    exact += ["total_downloaded", "total_uploaded", "total_size_bytes"]
    assert [getattr(read, name) for name in exact] == [getattr(state, name) for name in exact]
    assert sum(read.failures_by_reason.values()) == sum(state.failures_by_reason.values())
    # Being read and written again, run after run, wears nothing away.
    assert decode(encode(read)) == read


def test_a_hundred_and_sixty_ranges_of_ten_digits_fit() -> None:
    ids = tuple(
        2_000_000_000 + 10 * number + offset for number in range(120) for offset in (0, 1, 2)
    )
    assert decode(encode(replace(PLAIN, done_above_ids=ids))).done_above_ids == ids


def test_the_highest_done_ids_are_dropped_first_and_failed_ones_stay() -> None:
    failed = tuple(range(20_000, 20_400, 2))
    done = tuple(range(30_000, 40_000, 2))
    read = decode(encode(replace(PLAIN, failed_ids=failed, done_above_ids=done)))
    assert read.failed_ids == failed
    assert read.done_above_ids == done[: len(read.done_above_ids)]
    assert 0 < len(read.done_above_ids) < len(done)


def test_a_folder_that_cannot_be_kept_whole_is_refused_rather_than_cut() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode(replace(PLAIN, folder="x" * 5000))


def test_a_state_that_could_not_be_read_again_is_never_written() -> None:
    with pytest.raises(ValueError, match="could not be read again"):
        encode(replace(PLAIN, total_uploaded=-1))


NEXT_STEP = (
    ". Delete that message in Saved Messages and run again: what is done is known from the marks "
    "and from the remote's listing, and is not moved again"
)


def changed(**values: object) -> str:
    record = json.loads(json_in(encode(PLAIN)))
    record.update(values)
    return f"{HEADER}\n{json.dumps(record)}"


def without(key: str) -> str:
    record = json.loads(json_in(encode(PLAIN)))
    del record[key]
    return f"{HEADER}\n{json.dumps(record)}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEADER, "expected a JSON object, found ''"),
        (f"{HEADER}\n{{'channel_id'", "expected a JSON object, found \"{'channel_id'\""),
        (f"{HEADER}\n[]", "expected a JSON object, found '[]'"),
        (f"{HEADER}\n" + "[" * 4000, f"expected a JSON object, found '{'[' * 40}'"),
        (f"{HEADER}\n" + "9" * 5000, f"expected a JSON object, found '{'9' * 40}'"),
        (
            changed(version=0),
            "expected version 1, found 0 (a newer tdl_sync reads it)",
        ),
        (
            changed(version=2),
            "expected version 1, found 2 (a newer tdl_sync reads it)",
        ),
        (
            changed(last_message_id=2**31),
            "expected 'last_message_id' to be a whole number from 0 to 2147483647, "
            "found 2147483648",
        ),
        (
            changed(last_message_id=True),
            "expected 'last_message_id' to be a whole number from 0 to 2147483647, found True",
        ),
        (
            changed(last_message_id=-1),
            "expected 'last_message_id' to be a whole number from 0 to 2147483647, found -1",
        ),
        (
            changed(total_size_gb=float("inf")),
            "expected a number, found Infinity",
        ),
        (
            changed(total_size_gb=True),
            "expected 'total_size_gb' to be a number from 0 to 1000000000, found True",
        ),
        (
            changed(timestamp="yesterday"),
            "expected 'timestamp' to be a time like 2024-01-31T12:00:00Z, found 'yesterday'",
        ),
        (
            changed(status="\x1b[2Jgone"),
            "expected 'status' to be one of running, stopped, quota, complete, "
            "found '\\x1b[2Jgone'",
        ),
        (changed(channel_id=5), "expected 'channel_id' to be a text, found 5"),
        (
            changed(channel_id="99999999999999999999"),
            "expected 'channel_id' to be a whole number from -9007199254740992 to "
            "9007199254740992, as a text, found '99999999999999999999'",
        ),
        (
            changed(done_above="1-2147483647"),
            "expected 100000 ids at most, found 2147483647 up to '1-2147483647'",
        ),
        (changed(failed="5,5"), "expected ids above 6, found '5'"),
        (changed(run=[]), "expected 'run' to be an object, found []"),
        (changed(shard="5/4"), "expected 'shard' to be a part of the chat such as '2/4'"),
        (changed(shard="2/4"), "expected the key 'whole_scope', found none"),
        (without("folder"), "expected the key 'folder', found none"),
    ],
)
def test_a_broken_message_says_what_is_wrong_and_what_to_do(text: str, told: str) -> None:
    with pytest.raises(StateUnreadable) as caught:
        decode(text)
    assert str(caught.value) == f"the saved state cannot be read: {told}{NEXT_STEP}"


@given(st.text(max_size=200), st.integers(0, 800), st.integers(0, 30))
def test_no_edit_of_a_message_makes_anything_but_a_state_or_this_error(
    inserted: str, position: int, deleted: int
) -> None:
    text = encode(PLAIN)
    broken = text[:position] + inserted + text[position + deleted :]
    with contextlib.suppress(StateUnreadable):
        assert isinstance(decode(broken), RunState)


def test_a_message_of_the_users_own_that_only_begins_alike_is_no_state() -> None:
    assert is_state_message(f"{HEADER}\n{{}}")
    assert is_state_message(HEADER)
    assert not is_state_message(f"{HEADER} is what I call it\n{{}}")
    assert not is_state_message("hello")


def test_the_scope_of_a_broken_message_is_still_recognised() -> None:
    text = encode(PLAIN)
    assert scope_key_in(text[:100]) == PLAIN.scope_key
    assert scope_key_in(text.replace('"version":1', '"version":2')) == PLAIN.scope_key
    assert scope_key_in(f"{HEADER}\nmy notes") is None
    named = encode(replace(PLAIN, channel_name='"scope":"0123456789abcdef"'))
    assert scope_key_in(named.replace(PLAIN.scope_key, "")) is None


def test_a_remote_whose_name_is_too_long_to_be_written_is_still_recognised() -> None:
    long = "gdrive:" + "folder/" * 100
    written = decode(encode(replace(PLAIN, remote=long)))
    assert written.remote != long
    assert names_remote(written, long)
    assert not names_remote(written, f"x{long}")
    assert not names_remote(written, "gdrive:folder")


def test_the_most_advanced_state_counts() -> None:
    older = replace(PLAIN, last_message_id=12344, timestamp=NOON + timedelta(hours=1))
    less_done = replace(PLAIN, done_above_ids=())
    earlier = replace(PLAIN, timestamp=NOON - timedelta(hours=1))
    assert max([older, less_done, earlier, PLAIN], key=advance) is PLAIN


@given(st.sets(st.integers(1, 3000) | st.integers(2**31 - 50, 2**31 - 1), max_size=300))
def test_ids_come_back_from_their_ranges(message_ids: set[int]) -> None:
    ranges = id_ranges.to_ranges(message_ids)
    assert id_ranges.decode(id_ranges.encode(ranges)) == ranges
    assert id_ranges.Ids(ranges) == tuple(sorted(message_ids))


@given(st.sets(st.integers(1, 3000)), st.integers(-5, 400), st.integers(0, 300))
def test_what_fits_of_ranges_is_the_lowest_of_them(
    message_ids: set[int], characters: int, most_ids: int
) -> None:
    ranges = id_ranges.to_ranges(message_ids)
    kept = id_ranges.lowest_that_fit(ranges, characters, most_ids)
    kept_ids = id_ranges.Ids(kept)
    assert len(id_ranges.encode(kept)) <= max(characters, 0)
    assert len(kept_ids) <= most_ids
    assert kept_ids == tuple(sorted(message_ids))[: len(kept_ids)]


@pytest.mark.parametrize(
    "text",
    [
        ",",
        "1,",
        "0",
        "01",
        "-5",
        "+5",
        "1-",
        "5-4",
        "5-5",
        "1,1",
        "1-5,5",
        "1-5,6",
        "9,8",
        "1 ,2",
        "2147483648",
        "1-2147483648",
        "99999999999999999999",
        "١",
        "1-100001",
    ],
)
def test_anything_but_what_we_write_is_refused(text: str) -> None:
    with pytest.raises(BadIdRanges, match="expected"):
        id_ranges.decode(text)


def test_a_huge_range_is_never_laid_out_in_memory() -> None:
    assert id_ranges.decode("1-2147483647", most_ids=2**31) == (IdRange(1, 2**31 - 1),)
