"""A run with ``--follow`` stays with its chats and moves what comes, until it is told to stop."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from standins.telegram.world import envelopes, worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import (
    STATE_HEADER,
    assert_on_remote,
    remote_files,
    state_texts,
    the_state,
    wanted,
)
from tests.e2e.follow.conftest import ALL_DAY_SECONDS, Stay
from tests.e2e.follow.notes import notes
from tests.e2e.program import SOURCE, Running
from tests.e2e.state.machines import another
from tests.in_process import run_here


def file(name: str, size_bytes: int = 3000, kind: str = "document") -> FilePlan:
    return FilePlan(kind, size_bytes, name, "application/octet-stream", 2)


def chat_called(scene: Scene, username: str) -> Channel:
    return next(c for c in scene.world.channels.values() if c.username == username)


def followed(scene: Scene, *arguments: str, chats: int = 1) -> Running:
    """A run that has moved what was there and waits."""
    running = scene.machine.start("--follow", *arguments)
    running.wait_until(lambda: running.stderr.count("is followed") == chats)
    running.wait_until(lambda: " claim\n" not in "".join(state_texts(scene.world).values()))
    return running


def states(scene: Scene) -> dict[str, dict[str, object]]:
    """The state messages by the title of their chat."""
    found = [json.loads(text.split("\n")[1]) for text in state_texts(scene.world).values()]
    return {str(state["channel_name"]): state for state in found}


def test_two_chats_are_followed_held_killed_and_taken_up_again(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source, news = scene.world.source, chat_called(scene, "stand_in_news")
    both = ("-u", SOURCE, "-u", "@stand_in_news")
    running = followed(scene, *both, "--desc", chats=2)
    assert {state["status"] for state in states(scene).values()} == {"running"}
    running.wait_until(lambda: states(scene)[source.title]["last_message_id"] == 2)

    scene.telegram.statistics.reset()
    newest = source.append(file=file("b.bin"))
    source.append(file=file("sticker.webp", kind="sticker"))
    running.wait_for(f"moved {newest}_b.bin")
    in_news = news.append(file=file("c.bin"))
    running.wait_for(f"'News': 1 moved (3.0 kB), up to message {in_news}")
    assert scene.telegram.statistics.counts().updates == 3

    # Another machine is refused as long as a chat is followed.
    other = another(tmp_path / "other", scene.telegram, scene.machine)
    refused = run_here(other, "-u", SOURCE)
    assert refused.exit_status == 5
    assert "another run moves" in refused.said

    running.kill()
    missed = source.append(file=file("missed.bin"))
    running = followed(scene, *both, "--notify", chats=2)
    assert f"moved {missed}_missed.bin" in running.stderr
    newest = source.append(file=file("d.bin"))
    running.wait_for(f"moved {newest}_d.bin")
    running.wait_for("'Stand-in: all kinds': 1 moved")
    running.signal(signal.SIGTERM)
    ended = running.wait()
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr
    assert ended.said == ""
    assert "News: nothing new; 1 file (3.0 kB) is there" in ended.log
    # All that the second run has seen, over all of its rounds, from the saved watermark on.
    assert ended.numbers() == {"seen": 5, "done": 4, "skipped": 1, "failed": 0, "bytes": 6000}
    assert_on_remote(scene.machine, (source, wanted(source)), (news, wanted(news)))
    left = states(scene)
    assert {state["status"] for state in left.values()} == {"stopped"}
    assert left[source.title]["last_message_id"] == source.newest_id()
    assert left["News"]["last_message_id"] == in_news
    (note,) = notes(scene.world)
    assert note.startswith("⏹ tdl_sync was stopped; start it again to go on (")
    assert "2 moved (6.0 kB)" in note
    assert not note.startswith(STATE_HEADER)


# --- woken by what Telegram tells: else these would look after a day ----------------------------


def test_filters_names_sidecars_texts_and_copies_are_minded_while_following(
    stage: Stage, stay: Stay
) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    source = scene.world.source
    options = ("--type=document", "--text", "--sidecar", "--dedupe", "--name={type}/{file_name}")
    staying = stay(scene, *options, poll_seconds=ALL_DAY_SECONDS)
    text_id = source.append("a text")
    source.append("a caption", file=file("v.mp4", kind="video"))
    kept = source.append(file=file("new.bin"))
    staying.until(lambda: f"up to message {kept}" in staying.said)
    copy = source.append("again", file_of=(source, kept))
    last_id = source.append("another text")
    texts = scene.machine.remote_directory / "files" / f"Stand-in_ all kinds [{source.chat_id}]"
    staying.until(lambda: "another text" in (texts / "messages.jsonl").read_text())
    sidecar = texts / "document" / f"{kept}.json"
    staying.until(lambda: f'"message_id": {copy}' in sidecar.read_text())
    (report,) = staying.ended().reports
    assert (report.seen, report.done, report.skipped, report.failed) == (4, 2, 2, 0)
    assert report.downloaded_bytes == report.uploaded_bytes == 4000
    assert "duplicate 1, type 1" in staying.said
    names = [str(path.relative_to(texts)) for path in remote_files(scene.machine)]
    assert sorted(name for name in names if not name.endswith(".json")) == [
        "document/1_file-1.bin",
        f"document/{kept}_new.bin",
        "messages.jsonl",
    ]
    assert len([name for name in names if name.endswith(".json")]) == 2
    lines = [json.loads(line) for line in (texts / "messages.jsonl").read_text().splitlines()]
    assert [line["message_id"] for line in lines] == [text_id, last_id]


def test_saved_messages_are_followed_beside_what_the_program_keeps_there(
    stage: Stage, stay: Stay
) -> None:
    scene = stage(worlds.files(sizes=[1000], kind="saved"))
    saved = scene.world.saved_messages
    staying = stay(scene, chats=("me",), poll_seconds=ALL_DAY_SECONDS)
    newest = saved.append(file=file("from-a-phone.bin"))
    staying.until(lambda: "'Saved Messages': 1 moved" in staying.said)
    assert f"moved {newest}_from-a-phone.bin" in staying.said
    assert [report.done for report in staying.ended().reports] == [2]
    assert_on_remote(scene.machine, (saved, wanted(saved)))
    assert the_state(scene.world)["last_message_id"] >= newest


def test_a_topic_is_followed(stage: Stage, stay: Stay) -> None:
    scene = stage(worlds.files(sizes=[1000], kind="supergroup"))
    forum = scene.world.source
    topic, other = (forum.append("A topic", kind="service") for _ in range(2))
    staying = stay(scene, "--topic", str(topic), poll_seconds=ALL_DAY_SECONDS)
    forum.append(file=file("elsewhere.bin"), topic_id=other)
    newest = forum.append(file=file("here.bin"), topic_id=topic)
    staying.until(lambda: f"moved {newest}_here.bin" in staying.said)
    assert [report.done for report in staying.ended().reports] == [1]
    assert_on_remote(scene.machine, (forum, wanted(forum, [newest])))


def test_the_comments_on_posts_are_followed(stage: Stage, stay: Stay) -> None:
    scene = stage(worlds.files(sizes=[]))
    news, talk = (chat_called(scene, f"stand_in_{name}") for name in ("news", "talk"))
    news.discussion = talk
    staying = stay(
        scene,
        "--comments",
        chats=("@stand_in_news",),
        followed=2,
        poll_seconds=ALL_DAY_SECONDS,
    )
    comment = talk.append(file=file("comment.bin"))
    staying.until(lambda: f"moved {comment}_comment.bin" in staying.said)
    assert sum(report.done for report in staying.ended().reports) == 1


# --- the time ---------------------------------------------------------------------------------


def test_max_runtime_ends_the_following_and_says_more(stage: Stage) -> None:
    for seconds in (15, 30, 60):  # on a busy machine the start alone may take the first of them
        scene = stage(worlds.files(sizes=[1000]))
        options = (f"--max-runtime={seconds}s", "--grace=1s", "--notify")
        ended = scene.machine.run("--follow", "-u", SOURCE, *options)
        if "is followed" in ended.stderr:
            break
    assert "is followed" in ended.stderr
    assert (ended.exit_status, ended.result["status"]) == (0, "more"), ended.stderr
    assert ended.said == ""
    assert ended.numbers()["done"] == 1
    assert the_state(scene.world)["status"] == "stopped"
    (note,) = notes(scene.world)
    assert note.startswith("⏱ tdl_sync has ended as it was told; there is more to move (")


def test_what_is_replaced_or_bought_while_a_chat_is_followed_is_moved_as_it_happens(
    stage: Stage, stay: Stay
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    source = scene.world.source
    locked_id = source.append("for stars", envelope=envelopes.paid(file("a.bin"), locked=True))
    staying = stay(scene, "--replaced=over", poll_seconds=ALL_DAY_SECONDS)
    assert len(remote_files(scene.machine)) == 2

    source.replace_file(1, file("other.bin", 1000))
    source.buy(locked_id)
    there = ["1_other.bin", "2_file-2.bin", f"{locked_id}_a.bin"]
    staying.until(lambda: [path.name for path in remote_files(scene.machine)] == there)
    result = staying.ended()
    assert_on_remote(scene.machine, (source, wanted(source)))
    (report,) = result.reports
    assert report.seen == report.done + report.skipped + report.failed
    assert "waiting" not in the_state(scene.world)
