"""Names made of what changes later: a file's place is chosen once, and kept."""

from __future__ import annotations

import shutil

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, remote_files
from tests.e2e.program import SOURCE
from tests.in_process import run_here

FILE = FilePlan("document", 300, "a.bin", "application/octet-stream", 2)
NAME = "--name={sender}/{topic_name}/{views} {file_name}"


def paths(scene: Scene) -> list[str]:
    below = [
        path.relative_to(scene.machine.remote_directory) for path in remote_files(scene.machine)
    ]
    return sorted("/".join(path.parts[2:]) for path in below)


def lose(scene: Scene) -> None:
    """The machine: all that is left are the state message and the remote."""
    shutil.rmtree(scene.machine.data_directory)
    shutil.rmtree(scene.machine.staging_directory)


def test_a_posts_views_and_signature_are_those_of_when_it_was_moved(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 20]))
    source = scene.world.source
    source.views.update({1: 40, 2: 7})
    source.signatures[2] = "Ann/../\x1b[2J"
    assert_moved(run_here(scene.machine, "-u", SOURCE, NAME), 2)
    before = paths(scene)
    assert before == [
        "Ann_..__[2J/_/2_7 file-2.bin",
        "Stand-in_ all kinds/_/1_40 file-1.bin",
    ]
    # More views, another signature, a lost machine, and all messages looked at once more.
    source.views.update({1: 90_000, 2: 90_000})
    source.signatures.clear()
    for is_lost in (False, True):
        if is_lost:
            lose(scene)
        assert_moved(run_here(scene.machine, "-u", SOURCE, NAME, "--restart"), 2)
        assert paths(scene) == before
    verified = run_here(scene.machine, "verify", "-u", SOURCE)
    assert (verified.exit_status, verified.numbers()["double"]) == (0, 0)


def test_what_was_about_to_be_sent_goes_where_it_was_going(stage: Stage) -> None:
    """The run is killed in mid-upload, and the post has other views when the next one begins."""
    scene = stage(worlds.files(sizes=[3_000_000]))
    source = scene.world.source
    source.views[1] = 40
    running = scene.machine.start("-u", SOURCE, NAME, "-v", "--rclone-arg=--bwlimit-file=200k")
    running.wait_until(lambda: bool(running.uploads(scene.machine.staging_directory)))
    running.kill()
    source.views[1] = 41
    ended = run_here(scene.machine, "-u", SOURCE, NAME)
    assert ended.numbers()["done"] == 1, ended.stderr
    assert paths(scene) == ["Stand-in_ all kinds/_/1_40 file-1.bin"]


def forum(stage: Stage) -> tuple[Scene, Channel, list[int]]:
    scene = stage(worlds.files(sizes=[], kind="supergroup"))
    source = scene.world.source
    topics = [source.append("A topic", kind="service") for _ in range(2)]
    for topic in topics:
        source.append(file=FILE, topic_id=topic)
    source.append(file=FILE)
    return scene, source, topics


def test_a_topic_has_its_title_and_one_that_is_gone_its_id(stage: Stage) -> None:
    scene, source, (first, gone) = forum(stage)
    source.topics = {first: "News: 2024", gone: None}
    template = "--name={topic_name}/{file_name}"
    assert_moved(run_here(scene.machine, "-u", SOURCE, template), 3)
    before = paths(scene)
    assert [path.partition("/")[0] for path in before] == [str(gone), "News_ 2024", "_"]
    calls = scene.telegram.statistics.counts().calls
    assert calls["messages.GetForumTopicsByID"] == 1
    # It is renamed: what is there stays, what comes goes by the new name.
    source.topics[first] = "Old news"
    lose(scene)
    source.append(file=FILE, topic_id=first)
    ended = run_here(scene.machine, "-u", SOURCE, template, "--restart")
    assert ended.numbers()["done"] == 4
    assert [path for path in paths(scene) if path not in before] == ["Old news/6_a.bin"]


def test_a_forum_that_is_none_any_more_is_moved_by_ids(stage: Stage) -> None:
    scene, _, topics = forum(stage)
    assert_moved(run_here(scene.machine, "-u", SOURCE, "--name={topic_name}/{file_name}"), 3)
    assert [path.partition("/")[0] for path in paths(scene)] == [*map(str, topics), "_"]


def test_topics_are_asked_for_only_where_a_name_needs_them(stage: Stage) -> None:
    scene, source, _ = forum(stage)
    source.append(file=FilePlan("document", 20_000, "a.bin", "application/octet-stream", 2))
    command = ("-u", SOURCE, "--name={sender} {topic}/{file_name}")
    # The last one does not fit at first, so it is looked up by its id later.
    first = run_here(scene.machine, *command, "--max-disk=10kB")
    assert (first.numbers()["done"], first.numbers()["failed"]) == (3, 1)
    assert_moved(run_here(scene.machine, *command), 1)
    assert "messages.GetForumTopicsByID" not in scene.telegram.statistics.counts().calls
    owner = scene.world.account.first_name
    assert len(paths(scene)) == 4
    assert all(path.startswith(owner) for path in paths(scene))
