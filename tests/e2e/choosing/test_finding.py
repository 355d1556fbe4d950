"""Finding chats: what earlier runs have learnt spares the questions of which Telegram allows few,
and a chat that can't be found for the moment holds up no other."""

from __future__ import annotations

import signal
import stat

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import World
from tdl_sync.telegram.messages import finding
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, remote_files, wanted
from tests.e2e.program import SOURCE
from tests.in_process import SignalWhen, run_here

ELEVEN_HOURS = 39_600
RESOLVE = "contacts.ResolveUsername"


def news_of(world: World) -> Channel:
    news = next(c for c in world.channels.values() if c.username == "stand_in_news")
    news.append(file=FilePlan("document", 300, "a.bin", "text/plain", 2))
    return news


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return stage(worlds.files(sizes=[1000, 2000]))


def calls(scene: Scene, name: str) -> int:
    return scene.telegram.statistics.counts().calls.get(name, 0)


def flood(scene: Scene, seconds: int, times: int | None) -> Fault:
    username = scene.world.source.username
    return Fault("flood_wait", rpc=RESOLVE, username=username, seconds=seconds, times=times)


def test_a_flood_wait_on_one_name_holds_up_no_other_chat(scene: Scene) -> None:
    news = news_of(scene.world)
    scene.world.source.joined = False  # or it would be found in the account's own list
    scene.telegram.faults.add(flood(scene, ELEVEN_HOURS, None))

    def is_moved() -> bool:
        return any(path.name.endswith("_a.bin") for path in remote_files(scene.machine))

    moved = SignalWhen(is_moved, signal.SIGTERM)
    ended = run_here(scene.machine, "-u", SOURCE, "-u", str(news.chat_id), signal_when=moved)
    assert ended.exit_status == 143
    assert f"'{SOURCE}' waits: Telegram asks for a pause of {ELEVEN_HOURS} s" in ended.stderr
    assert_on_remote(scene.machine, (news, wanted(news)))


def test_its_turn_comes_when_the_pause_is_over(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "LONGEST_WAIT_SECONDS", 0)
    news, source = news_of(scene.world), scene.world.source
    source.joined = False
    scene.telegram.faults.add(flood(scene, 1, 1))
    for command in (("--dry-run",), ()):
        ended = run_here(scene.machine, *command, "-u", SOURCE, "-u", str(news.chat_id))
        assert ended.exit_status == 0, ended.stderr
        # Longer than the other chat takes on a busy machine, so that something is left to wait for.
        scene.telegram.faults.add(flood(scene, 6, 1))
    assert "finding the chat waits: Telegram asks for a pause" in ended.stderr
    moved = sorted(remote_files(scene.machine), key=lambda path: path.stat().st_ctime_ns)
    order = [path.parent.name for path in moved]
    assert order[0].startswith("News")
    assert_on_remote(scene.machine, (source, wanted(source)), (news, wanted(news)))


def test_a_name_that_can_not_be_asked_for_is_found_in_the_accounts_own_list(scene: Scene) -> None:
    scene.telegram.faults.add(flood(scene, ELEVEN_HOURS, None))
    assert_moved(run_here(scene.machine, "-u", SOURCE), 2)


def test_what_was_resolved_once_is_not_resolved_again(scene: Scene) -> None:
    """Not by a run every five minutes, nor by the commands that look; and what is kept is for the
    owner alone."""
    machine, source = scene.machine, scene.world.source
    invite = f"https://t.me/+{worlds.INVITE_JOINED}"
    first = run_here(machine, "-u", SOURCE, "-u", invite, "-u", str(source.chat_id))
    assert first.exit_status == 0, first.stderr
    (kept,) = (machine.data_directory / "chats").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert worlds.INVITE_JOINED not in kept.read_text()
    scene.telegram.statistics.reset()
    source.append(file=FilePlan("document", 300, "new.bin", "text/plain", 2))
    again = run_here(machine, "-u", SOURCE, "-u", invite, "-u", str(source.chat_id))
    assert (again.exit_status, again.numbers()["done"]) == (0, 1), again.stderr
    for command in (("verify",), ("status",), ("--dry-run",)):
        assert run_here(machine, *command, "-u", SOURCE).exit_status == 0
    asked = (RESOLVE, "messages.CheckChatInvite")
    assert [calls(scene, name) for name in asked] == [0, 0]


def test_a_name_that_was_given_to_another_chat_leads_to_that_one(scene: Scene) -> None:
    """Neither to the old one's files, nor are the new one's taken for those."""
    machine, source = scene.machine, scene.world.source
    news = news_of(scene.world)
    assert_moved(run_here(machine, "-u", SOURCE), 2)
    source.username, news.username = "renamed_source", source.username
    source.append(file=FilePlan("document", 300, "late.bin", "text/plain", 2))
    old_files = [item for item in wanted(source) if item.message_id <= 2]
    assert_moved(run_here(machine, "-u", SOURCE), 1)
    assert_on_remote(machine, (source, old_files), (news, wanted(news)))
    # The name that nobody bears any more leads nowhere.
    news.username = "renamed_news"
    ended = run_here(machine, "-u", SOURCE)
    assert (ended.exit_status, "nobody has this user name" in ended.said) == (2, True)
    assert_moved(run_here(machine, "-u", "@renamed_source"), 1)
    assert_on_remote(machine, (source, wanted(source)), (news, wanted(news)))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2}', '{"version": 1, "chats": {"@stand_in_source": 7}}']
)
def test_what_is_kept_may_be_lost_or_broken(scene: Scene, content: str) -> None:
    assert_moved(run_here(scene.machine, "-u", SOURCE), 2)
    (kept,) = (scene.machine.data_directory / "chats").iterdir()
    kept.write_text(content)
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.said) == (0, "")
    assert "@stand_in_source" in kept.read_text()


def test_a_dry_run_keeps_nothing(scene: Scene) -> None:
    assert run_here(scene.machine, "-u", SOURCE, "--dry-run").exit_status == 0
    assert not (scene.machine.data_directory / "chats").exists()
