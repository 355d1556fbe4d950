"""``--replaced=over``: what a message held before gives way to what it holds now, also where a run
did not live to remove it, and never where it is all that there is of another message's file."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tdl_sync.core.errors import HandOffFailed
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import MediaItem
from tdl_sync.core.naming import file_name
from tdl_sync.core.shards import Shard
from tdl_sync.options.choice import WHOLE_CHAT, Choice, Replacing
from tdl_sync.options.filters import Filters
from tdl_sync.options.name_template import Keeping
from tdl_sync.transfer.giving_way import GivingWay
from tests.fakes.chat import FIRST_DATE, copy_of, item_of
from tests.fakes.parts import content_of
from tests.transfer.line import FOLDER, PLENTY_BYTES, REMOTE, Ended, Line, Run, assert_complete
from tests.transfer.mortal import MortalLine

pytestmark = pytest.mark.usefixtures("short_pauses")

SIZE = 300


@pytest.fixture
def line(tmp_path: Path) -> Iterator[MortalLine]:
    """1 and 9 hold one file, 5 another."""
    one = item_of(1, SIZE)
    line = MortalLine(tmp_path, [one, item_of(5, SIZE), copy_of(one, 9)])
    yield line
    line.close()


def edited(
    line: Line, message_id: int, file_id: int, name: str = "a.bin", size_bytes: int = SIZE
) -> MediaItem:
    """Its message holds this file now."""
    item = line.reader.messages[message_id]
    assert isinstance(item, MediaItem)
    location = replace(item.location, file_id=file_id)
    details = replace(item.details, edited_at=FIRST_DATE.replace(year=2022, minute=file_id % 60))
    new = replace(item, location=location, details=details, file_name=name, size_bytes=size_bytes)
    line.reader.messages[message_id] = new
    return new


def run(line: Line, choice: Choice = WHOLE_CHAT, replacing: Replacing | None = None) -> Ended:
    line.choice, line.replacing, line.after_id = choice, replacing, 0
    ended = line.run()
    assert_complete(ended)
    return ended


def over(line: Line, to_id: int | None = None) -> Ended:
    return run(line, Choice(Filters(to_id=to_id)), Replacing.OVER)


def contents(line: Line) -> set[bytes]:
    return set(line.remote[FOLDER].values())


def original(file_id: int) -> bytes:
    return content_of(item_of(file_id, SIZE))


@pytest.mark.parametrize("name", ["a.bin", "other.bin"])
@pytest.mark.parametrize("with_sidecar", [False, True])
def test_the_only_copy_of_another_message_stays_though_a_filter_leaves_that_out_of_view(
    line: MortalLine, name: str, with_sidecar: bool
) -> None:
    line.keeping = Keeping(with_sidecar=with_sidecar)
    run(line, Choice(dedupe=True))
    new = edited(line, 1, 100, name)
    ended = over(line, to_id=5)
    assert contents(line) >= {original(1), original(5), content_of(new)}
    assert "stays beside the new file" in str(ended.progress.calls("message"))
    if with_sidecar:
        record = json.loads(line.remote[FOLDER]["1.json"])
        (earlier,) = record["earlier_files"]
        assert (earlier["file"]["name"], earlier["also_posted"][0]["message_id"]) == ("1_a.bin", 9)
        assert "also_posted" not in record

    # It has its own now, and what stays once stays.
    over(line)
    assert file_name(copy_of(item_of(1, SIZE), 9)) in line.remote[FOLDER]
    assert over(line).report.moved == 0


def test_so_it_does_where_nothing_but_the_chat_itself_says_so(line: MortalLine) -> None:
    """Who has passed the copy over was a version, or another machine, that left no word of it."""
    line.choice = Choice(Filters(to_id=5))
    assert_complete(line.run())
    edited(line, 1, 100)
    over(line, to_id=5)
    assert original(1) in contents(line)


def test_so_it_does_where_the_copys_message_was_deleted_meanwhile(line: MortalLine) -> None:
    run(line, Choice(dedupe=True))
    line.reader.delete(9)
    edited(line, 1, 100)
    over(line)
    assert original(1) in contents(line)


def test_what_nobody_relies_on_gives_way_though_others_hold_the_same(line: MortalLine) -> None:
    run(line)
    new = edited(line, 1, 100, "other.bin")
    over(line, to_id=5)
    assert file_name(item_of(1, SIZE)) not in line.remote[FOLDER]
    line.assert_all_moved()
    assert content_of(new) in contents(line)


@pytest.mark.parametrize("way", [Replacing.BESIDE, Replacing.OVER])
def test_what_stays_is_not_written_over_by_the_next_one_of_its_name(
    line: MortalLine, way: Replacing
) -> None:
    run(line, Choice(dedupe=True))
    before = [original(1), *(content_of(edited_and_moved(line, file, way)) for file in (100, 101))]
    kept = before if way is Replacing.BESIDE else [before[0], before[2]]
    assert contents(line) == {original(5), original(1), *kept}


def edited_and_moved(line: MortalLine, file_id: int, way: Replacing) -> MediaItem:
    new = edited(line, 1, file_id)
    run(line, Choice(Filters(to_id=5)), way)
    return new


@pytest.mark.parametrize("event", ["moved", "marked", "remove"])
def test_a_run_that_is_killed_before_it_has_removed_the_old_one_leaves_it_to_the_next(
    line: MortalLine, event: str
) -> None:
    run(line)
    edited(line, 1, 100, "other.bin")
    line.replacing, line.after_id = Replacing.OVER, 0
    line.dying_run(event, 1, random.Random(1), PLENTY_BYTES)
    assert file_name(item_of(1, SIZE)) in line.remote[FOLDER]
    if event == "remove":  # whatever the next one is asked for
        run(line)
    else:
        over(line)
    line.assert_all_moved()


def test_what_can_not_be_removed_is_tried_again_by_the_next_run(line: MortalLine) -> None:
    run(line)
    edited(line, 1, 100, "other.bin")
    line.upload_errors["remove"] = [HandOffFailed("not today")]
    ended = over(line)
    assert "not today; the next run tries again" in str(ended.progress.calls("message"))
    run(line)
    line.assert_all_moved()


def test_the_run_of_another_part_leaves_it_to_the_one_that_has_the_message(
    line: MortalLine,
) -> None:
    run(line)
    edited(line, 5, 50, "other.bin")
    line.upload_errors["remove"] = [HandOffFailed("not today")]
    over(line)
    before = contents(line)
    run(line, Choice(shard=Shard(2, 2)))
    assert contents(line) == before >= {original(5)}
    run(line, Choice(shard=Shard(1, 2)))
    assert original(5) not in contents(line)


def test_the_chat_is_read_for_that_once_a_run_however_many_rounds_that_has(
    line: MortalLine,
) -> None:
    run(line)
    edited(line, 1, 100)
    runs: list[Run] = []
    line.replacing, line.after_id = Replacing.OVER, 0
    assert_complete(line.run(prepare=runs.append))
    before = line.marks.marked(REMOTE, edited(line, 5, 200).key)
    assert before is not None
    calls = line.reader.calls
    (item,) = (each for each in line.items() if each.message_id == 5)
    GivingWay(replace(runs[0].pipeline._job), runs[0].stages).judge(item, before)
    assert line.reader.calls == calls


def interrupted(line: MortalLine) -> str:
    """A run that was killed when it was about to remove the file of this name."""
    run(line)
    edited(line, 1, 100, "other.bin")
    line.replacing, line.after_id = Replacing.OVER, 0
    line.dying_run("remove", 1, random.Random(1), PLENTY_BYTES)
    return file_name(item_of(1, SIZE))


def test_what_somebody_has_put_there_meanwhile_is_not_removed(line: MortalLine) -> None:
    name = interrupted(line)
    line.remote[FOLDER][name] = b"precious"
    run(line)
    assert line.remote[FOLDER][name] == b"precious"


def test_what_its_message_holds_again_is_not_removed(line: MortalLine) -> None:
    name = interrupted(line)
    line.upload_errors["remove"] = [HandOffFailed("not today")]
    edited(line, 1, 1)
    over(line)
    assert line.remote[FOLDER][name] == original(1)
    over(line)
    line.assert_all_moved()


def test_the_old_one_stays_while_the_new_one_is_lost(line: MortalLine) -> None:
    name = interrupted(line)
    (new,) = (each for each in line.items() if each.message_id == 1)
    del line.remote[FOLDER][file_name(new)]
    line.records.replace_mark(REMOTE, Failure(new.key, "missing", "…", 0, for_good=False))
    line.upload_errors[file_name(new)] = [HandOffFailed("no luck")] * 3
    line.after_id, line.replacing = 0, None
    assert line.run().report.failed == 1
    assert name in line.remote[FOLDER]
    run(line)
    run(line)
    line.assert_all_moved()


def counted_on(line: MortalLine) -> set[bytes]:
    """What is there of files that messages hold now: under their own numbers, or by their marks. A
    copy under another message's number that no mark knows is the file of nobody; and a mark of what
    a message held before says nothing of what it holds now."""
    there = line.remote.get(FOLDER, {})
    own = {
        content_of(each)
        for each in line.items()
        for name, content in there.items()
        if name.startswith(f"{each.message_id}_") and content == content_of(each)
    }
    marked = {
        content_of(each)
        for each in line.items()
        if (mark := line.records.marked(REMOTE, each.key)) and not mark.is_replaced_by(each)
    }
    return own | (marked & set(there.values()))


STEPS = st.one_of(
    *[st.tuples(st.just("edit"), st.sampled_from([1, 2]), st.integers(1, 6))] * 3,
    st.tuples(st.just("dedupe"), st.integers(1, 4), st.just(0)),
    st.tuples(st.just("plain"), st.integers(1, 4), st.just(0)),
    st.tuples(st.sampled_from(["over", "over", "beside"]), st.integers(1, 4), st.just(0)),
    st.tuples(st.sampled_from(["moved", "marked", "remove"]), st.integers(1, 4), st.integers(1, 3)),
)


@example(files=[1, 1, 1, 1], steps=[("moved", 1, 1), ("edit", 1, 2), ("dedupe", 1, 0)])
@given(
    files=st.lists(st.integers(1, 3), min_size=4, max_size=4), steps=st.lists(STEPS, max_size=12)
)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_edited_filtered_and_killed_nothing_that_was_there_and_is_held_goes(
    files: list[int],
    steps: list[tuple[str, int, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # Each has a size of its own: where nothing but the remote's listing is left to go by, that is
    # what tells one from another.
    items = [
        copy_of(item_of(file, SIZE + file), number) for number, file in enumerate(files, start=1)
    ]
    line = MortalLine(tmp_path_factory.mktemp("line"), items)
    names = ["a.bin", "b.bin"]
    for step, number, count in steps:
        kept = counted_on(line)
        match step:
            case "edit":
                edited(line, number, count, names[count % 2], SIZE + count)
                continue
            case "dedupe":
                run(line, Choice(Filters(to_id=number), dedupe=True))
            case "plain":
                run(line, Choice(Filters(to_id=number)))
            case "over" | "beside":
                run(line, Choice(Filters(to_id=number)), Replacing(step))
            case _:
                line.choice = Choice(Filters(to_id=number))
                line.replacing, line.after_id = Replacing.OVER, 0
                line.dying_run(step, count, random.Random(count), PLENTY_BYTES)
        assert contents(line) >= kept
    over(line)
    assert contents(line) >= {content_of(each) for each in line.items()}
    line.close()
