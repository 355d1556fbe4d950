"""Which chats a run is about: several at once, a file of them, a topic, the comments."""

from __future__ import annotations

from standins.telegram import worlds
from standins.telegram.plan import FilePlan
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, state_texts, wanted
from tests.e2e.program import SOURCE


def test_a_file_of_chats_moves_each_of_them_with_a_state_of_its_own(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 20]))
    source, machine = scene.world.source, scene.machine
    news = next(c for c in scene.world.channels.values() if c.username == "stand_in_news")
    talk = next(c for c in scene.world.channels.values() if c.username == "stand_in_talk")
    for channel in (news, talk):
        channel.append(file=FilePlan("document", 300, "a.bin", "application/octet-stream", 2))
    chats = machine.working_directory / "chats.txt"
    chats.write_text(
        f"# mine\n\n  {SOURCE}\nhttps://t.me/stand_in_news\n#@stand_in_talk\n{SOURCE}\n"
    )
    assert_moved(machine.run("--chats", "chats.txt"), 3)
    assert_on_remote(machine, (source, wanted(source)), (news, wanted(news)))
    assert len(state_texts(scene.world)) == 2
    assert_moved(machine.run("--chats=chats.txt", "-u", "@stand_in_talk"), 1)
    assert_on_remote(machine, *((chat, wanted(chat)) for chat in (source, news, talk)))


def test_a_file_of_chats_that_is_none_is_refused_with_its_line(stage: Stage) -> None:
    machine = stage(worlds.files(sizes=[])).machine
    chats = machine.working_directory / "chats.txt"
    ended = machine.run("--chats=chats.txt")
    assert (ended.exit_status, "cannot be read (No such file" in ended.said) == (2, True)
    chats.write_text("# nothing\n")
    assert "there is no chat in" in machine.run("--chats=chats.txt").said
    chats.write_text(f"{SOURCE}\nhttps://example.org/x\n")
    ended = machine.run("--chats=chats.txt")
    assert (ended.exit_status, "chats.txt, line 2" in ended.said) == (2, True), ended.said
