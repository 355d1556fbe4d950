"""Each filter moves what it names, counts what it leaves out, and leaves it for another run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from standins.telegram.server import StandIn
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.channel import WorldItem
from standins.telegram.world.plan import FilePlan
from tests.e2e.choosing.posts import POSTS, Post, put, world_of
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, state_texts, the_state, wanted
from tests.e2e.program import SOURCE, Machine
from tests.in_process import run_here


@pytest.fixture(scope="module")
def telegram() -> Iterator[StandIn]:
    with StandIn(world_of()) as standin:
        yield standin
        assert standin.unknown_rpcs == []


@pytest.fixture
def machine(telegram: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    telegram.world.saved_messages.delete(state_texts(telegram.world))
    return Machine(tmp_path_factory.mktemp("machine"), telegram)


def files_of(telegram: StandIn, ids: list[int]) -> list[WorldItem]:
    return [item for item in telegram.world.source.items() if item.message_id in ids]


@pytest.mark.parametrize(
    ("options", "kept", "skipped"),
    [
        (["--type=video,photo"], [1, 3, 4], "type 4"),
        (["--max-size", "5000B", "--type", "document,sticker"], [2, 6], "type 4, size 1"),
        (["--include=pdf,tar.gz"], [2, 5], "extension 4, sticker 1"),
        (["--exclude", ".MP4,mp3", "--min-size=30k"], [5], "size 3, extension 2, sticker 1"),
        (["--match=^(beach|photo_2024-01-12)"], [1, 3, 4], "name 3, sticker 1"),
        # An album's caption is that of all its files.
        (["--caption", r"greece|\(song$"], [1, 3, 4, 7], "caption 2, sticker 1"),
    ],
)
def test_a_filter_moves_what_it_names_and_counts_the_rest(
    telegram: StandIn, machine: Machine, options: list[str], kept: list[int], skipped: str
) -> None:
    source = telegram.world.source
    ended = run_here(machine, "-u", SOURCE, *options)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(machine, (source, files_of(telegram, kept)))
    assert (ended.numbers()["seen"], ended.numbers()["done"]) == (len(POSTS), len(kept))
    assert skipped in ended.stderr


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--since=2024-01-13", "--until", "1d"], [5, 7]),
        (["--until=2024-01-11"], [1, 2]),
        (["--since", "2024-01-11T12:00", "--until", "2024-01-12"], [2, 3, 4]),
        (["--from-id=3", "--to-id=5"], [3, 4, 5]),
        (["--since", "1d"], []),
    ],
)
def test_dates_and_ids_bound_what_is_read_at_all(
    telegram: StandIn, machine: Machine, options: list[str], kept: list[int]
) -> None:
    ended = run_here(machine, "-u", SOURCE, *options)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(machine, (telegram.world.source, files_of(telegram, kept)))
    assert ended.numbers()["done"] == len(kept)
    assert ended.numbers()["skipped"] <= 1


def test_what_is_too_old_is_not_even_listed(stage: Stage) -> None:
    scene = stage(worlds.sparse(messages=2000, media_every=20))
    cut = scene.world.source.message(1900)
    assert cut is not None
    since = datetime.fromtimestamp(cut.date, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    ended = run_here(scene.machine, "-u", SOURCE, "--since", since)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    late = [item for item in wanted(scene.world.source) if item.message_id >= 1900]
    assert late
    assert_on_remote(scene.machine, (scene.world.source, late))
    # The whole chat would take 20 calls more.
    assert scene.telegram.statistics.counts().calls["messages.GetHistory"] <= 6


def test_a_wider_run_picks_up_what_a_filter_left_out_and_moves_nothing_twice(stage: Stage) -> None:
    scene = stage(world_of())
    source = scene.world.source
    assert run_here(scene.machine, "-u", SOURCE, "--type=photo").exit_status == 0
    assert_on_remote(scene.machine, (source, wanted(source, [3, 4])))
    scene.telegram.statistics.reset()
    ended = run_here(scene.machine, "-u", SOURCE)
    assert ended.exit_status == 0, ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source)))
    expected = sum(item.file.size_bytes for item in wanted(source, [1, 2, 5, 7]))
    assert scene.telegram.statistics.counts().file_bytes == expected
    assert len(state_texts(scene.world)) == 2


def test_a_filter_goes_on_from_its_own_watermark(stage: Stage) -> None:
    """Also where its bound is an age, whose date is another at each run."""
    scene = stage(world_of())
    source = scene.world.source
    options = ("-u", SOURCE, "--until=5d", "--type=document,photo")
    assert run_here(scene.machine, *options).numbers()["seen"] == len(POSTS)
    put(source, [Post("photo", 4_000, None, day=20), Post("video", 4_000, "a.mp4", day=20)])
    today = source.append(file=FilePlan("document", 10, "today.txt", "text/plain", 2))
    ended = run_here(scene.machine, *options)
    assert (ended.exit_status, ended.numbers()["seen"]) == (0, 2), ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source, [2, 3, 4, 5, today - 2])))
    assert the_state(scene.world)["last_message_id"] == today - 1


# --- order and number ---------------------------------------------------------------------------


def many() -> list[Post]:
    return [Post("document", 1_000 + n, f"file-{n}.bin", day=n) for n in range(1, 7)]


def test_a_limit_ends_the_run_after_so_many_files_and_the_next_run_goes_on(stage: Stage) -> None:
    scene = stage(world_of(many()))
    source = scene.world.source
    for moved in ([1, 2], [1, 2, 3, 4]):
        ended = run_here(scene.machine, "-u", SOURCE, "--limit=2")
        assert (ended.exit_status, ended.result["status"]) == (0, "more"), ended.stderr
        assert_on_remote(scene.machine, (source, wanted(source, moved)))
        assert the_state(scene.world)["last_message_id"] == moved[-1]
        assert the_state(scene.world)["status"] == "stopped"
    ended = run_here(scene.machine, "--resume")
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source)))


def test_newest_first_with_a_limit_moves_the_newest_and_no_watermark(stage: Stage) -> None:
    """The next run, in whatever order, moves the rest and nothing twice."""
    scene = stage(world_of(many()))
    source = scene.world.source
    ended = run_here(scene.machine, "-u", SOURCE, "--desc", "--limit=2")
    assert (ended.exit_status, ended.result["status"]) == (0, "more"), ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source, [5, 6])))
    assert the_state(scene.world)["last_message_id"] == 0
    assert the_state(scene.world)["done_above"] == "5-6"
    ended = run_here(scene.machine, "-u", SOURCE, "--desc", "--limit=1")
    assert_on_remote(scene.machine, (source, wanted(source, [4, 5, 6])))
    scene.telegram.statistics.reset()
    ended = run_here(scene.machine, "-u", SOURCE)
    assert_moved(ended, 6)
    assert_on_remote(scene.machine, (source, wanted(source)))
    rest = sum(item.file.size_bytes for item in wanted(source, [1, 2, 3]))
    assert scene.telegram.statistics.counts().file_bytes == rest
    assert the_state(scene.world)["last_message_id"] == 6


def test_a_run_newest_first_to_its_end_leaves_nothing_and_the_full_watermark(stage: Stage) -> None:
    messages = 1040
    scene = stage(worlds.sparse(messages=messages, media_every=13, mean_size_bytes=500))
    source = scene.world.source
    ended = run_here(scene.machine, "-u", SOURCE, "--desc")
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source)))
    assert the_state(scene.world)["last_message_id"] == messages
    assert the_state(scene.world)["done_above"] == ""
    # Twenty small files are under way at once, of which any may be moved first.
    moved = [line for line in ended.log if line.startswith("moved ")]
    assert int(moved[0].split()[1].partition("_")[0]) > messages / 2


def test_newest_first_killed_in_the_middle_moves_each_file_once(stage: Stage) -> None:
    scene = stage(world_of(many()))
    source = scene.world.source
    third = source.item(3)
    assert third is not None
    hold = Fault("no_answer", "upload.GetFile", file_id=third.file.file_id, times=None)
    scene.telegram.faults.add(hold)
    running = scene.machine.start("-u", SOURCE, "--desc")
    running.wait_for("moved 5_file-5.bin")
    running.kill()
    scene.telegram.faults.clear()
    scene.telegram.statistics.reset()
    assert_moved(run_here(scene.machine, "-u", SOURCE), 6)
    assert_on_remote(scene.machine, (source, wanted(source)))
    done = {item.file.file_id for item in wanted(source, [5])}
    assert done.isdisjoint(scene.telegram.statistics.counts().bytes_by_file)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--include=a", "--exclude=b"], "--include and --exclude exclude each other"),
        (["--match=("], "--match: expected a regular expression of Python"),
        (["--type=movie"], "--type: expected some of document,video,"),
        (["--since=yesterday"], "--since: expected a date such as 2024-01-31"),
        (["--until=2024-02-31"], "--until: expected a date such as 2024-01-31"),
        (["--min-size=big"], "--min-size: expected a size such as 50 (GB)"),
        (["--include=a/b"], "--include: expected endings of names"),
        (["--limit=0"], "--limit: expected a whole number"),
    ],
)
def test_a_filter_that_is_none_is_refused_with_what_was_expected(
    machine: Machine, options: list[str], words: str
) -> None:
    ended = run_here(machine, "-u", SOURCE, *options)
    assert ended.exit_status == 2
    assert words in ended.said
    assert len(ended.said.splitlines()) == 1
