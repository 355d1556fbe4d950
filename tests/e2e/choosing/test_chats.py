"""Which chats a run is about: several at once, a file of them, a topic, the comments."""

from __future__ import annotations

from pyrogram import raw

from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Stage
from tests.e2e.expectations import (
    assert_moved,
    assert_on_remote,
    remote_files,
    state_texts,
    wanted,
)
from tests.e2e.program import SOURCE
from tests.in_process import run_here


def test_a_file_of_chats_moves_each_of_them_with_a_state_of_its_own(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 20]))
    source, machine = scene.world.source, scene.machine
    news = next(c for c in scene.world.channels.values() if c.username == "stand_in_news")
    talk = next(c for c in scene.world.channels.values() if c.username == "stand_in_talk")
    for channel in (news, talk):
        channel.append(file=FilePlan("document", 300, "a.bin", "application/octet-stream", 2))
    chats = machine.working_directory / "chats.txt"
    chats.write_text(
        f"# mine\n\n  {SOURCE} # all\nhttps://t.me/stand_in_news#x\n#@stand_in_talk\n{SOURCE}\n"
    )
    assert_moved(run_here(machine, "--chats", "chats.txt"), 3)
    assert_on_remote(machine, (source, wanted(source)), (news, wanted(news)))
    assert len(state_texts(scene.world)) == 2
    assert_moved(run_here(machine, "--chats=chats.txt", "-u", "@stand_in_talk"), 1)
    assert_on_remote(machine, *((chat, wanted(chat)) for chat in (source, news, talk)))


def test_a_file_of_chats_that_is_none_is_refused_with_its_line(stage: Stage) -> None:
    machine = stage(worlds.files(sizes=[])).machine
    chats = machine.working_directory / "chats.txt"
    ended = run_here(machine, "--chats=chats.txt")
    assert (ended.exit_status, "cannot be read (No such file" in ended.said) == (2, True)
    chats.write_text("# nothing\n")
    assert "there is no chat in" in run_here(machine, "--chats=chats.txt").said
    chats.write_text(f"{SOURCE}\nhttps://example.org/x\n")
    ended = run_here(machine, "--chats=chats.txt")
    assert (ended.exit_status, "chats.txt, line 2" in ended.said) == (2, True), ended.said


def test_a_topic_moves_its_own_files_and_the_whole_forum_later_only_the_others(
    stage: Stage,
) -> None:
    world = worlds.files(sizes=[100, 200], kind="supergroup")
    forum = world.source
    topic, other = (forum.append("A topic", kind="service") for _ in range(2))
    plans = [FilePlan("document", 300 + n, f"{n}.bin", "text/plain", 2) for n in range(4)]
    in_topic = [forum.append(file=plan, topic_id=topic) for plan in plans[:2]]
    forum.append(file=plans[2], topic_id=other)
    in_topic.append(forum.append(file=plans[3], topic_id=topic))
    scene = stage(world)
    ended = run_here(
        scene.machine, "-u", SOURCE, "--topic", str(topic), "--name={topic}/{file_name}"
    )
    assert_moved(ended, 3)
    assert {path.parent.name for path in remote_files(scene.machine)} == {str(topic)}
    assert len(remote_files(scene.machine)) == 3
    scene.telegram.statistics.reset()
    assert_moved(run_here(scene.machine, "-u", SOURCE, "--name={file_name}"), 6)
    rest = [item for item in wanted(forum) if item.message_id not in in_topic]
    assert scene.telegram.statistics.counts().file_bytes == sum(i.file.size_bytes for i in rest)
    assert len(remote_files(scene.machine)) == 6
    new = forum.append(file=plans[0], topic_id=topic)
    ended = run_here(scene.machine, "-u", SOURCE, "--topic", str(topic))
    assert (ended.exit_status, ended.numbers()["seen"]) == (0, 1), ended.stderr
    assert any(path.name == f"{new}_0.bin" for path in remote_files(scene.machine))


def test_a_link_into_a_topic_moves_nothing_of_the_others(stage: Stage) -> None:
    world = worlds.files(sizes=[100], kind="supergroup")
    forum = world.source
    topic, other = (forum.append("A topic", kind="service") for _ in range(2))
    plans = [FilePlan("document", 300 + n, f"{n}.bin", "text/plain", 2) for n in range(4)]
    before, first, elsewhere, last = (
        forum.append(file=plan, topic_id=other if plan is plans[2] else topic) for plan in plans
    )
    scene = stage(world)
    link = f"https://t.me/stand_in_source/{topic}/{first}"
    assert_moved(run_here(scene.machine, "-u", link), 2)
    assert_on_remote(scene.machine, (forum, wanted(forum, [first, last])))
    assert before < first < elsewhere < last


def test_a_topic_that_is_not_there_is_named(stage: Stage) -> None:
    machine = stage(worlds.files(sizes=[100], kind="supergroup")).machine
    ended = run_here(machine, "-u", SOURCE, "--topic=77")
    assert (ended.exit_status, "it has no topic 77" in ended.said) == (2, True), ended.said
    assert run_here(machine, "-u", SOURCE, "-u", "me", "--topic=77").exit_status == 2


def test_comments_come_from_the_discussion_group_without_copies_of_the_posts(stage: Stage) -> None:
    world = worlds.files(sizes=[1000])
    source = world.source
    group = next(c for c in world.channels.values() if c.username == "stand_in_talk")
    source.discussion = group
    plans = [FilePlan("document", 300 + n, f"{n}.bin", "text/plain", 2) for n in range(3)]
    from_channel = raw.types.MessageFwdHeader(date=1, from_id=source.peer, channel_post=1)
    group.append(file=plans[0], forward=from_channel, sender=source.peer)
    comments = [
        group.append(file=plans[1]),
        group.append(file=plans[2], forward=from_channel),  # somebody's forward is theirs
    ]
    scene = stage(world)
    ended = run_here(scene.machine, "-u", SOURCE, "--comments")
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source)), (group, wanted(group, comments)))
    assert ended.numbers()["skipped"] == 1
    assert "the post itself 1" in ended.stderr
    assert_moved(run_here(scene.machine, "-u", "@stand_in_talk"), 3)
    assert_on_remote(scene.machine, (source, wanted(source)), (group, wanted(group)))


def test_a_chat_without_comments_is_named_and_its_posts_are_moved(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    ended = run_here(scene.machine, "-u", SOURCE, "--comments")
    assert (ended.exit_status, "it has no comments" in ended.said) == (2, True), ended.said
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))
