"""Of several chats that are followed, what becomes of one is no trouble of the others."""

from __future__ import annotations

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tdl_sync.core.errors import ChatUnreadable
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, remote_files, wanted
from tests.e2e.follow.conftest import Stay
from tests.e2e.program import SOURCE


def plan(number: int) -> FilePlan:
    return FilePlan("document", 300 + number, f"{number}.bin", "text/plain", 2)


def test_a_chat_that_is_refused_while_it_is_followed_ends_alone(stage: Stage, stay: Stay) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    source, world = scene.world.source, scene.world
    news = next(c for c in world.channels.values() if c.username == "stand_in_news")
    machine = scene.machine
    staying = stay(scene, chats=(SOURCE, "@stand_in_news"), followed=2)
    refused = "CHANNEL_PUBLIC_GROUP_NA"
    scene.telegram.faults.add(
        Fault("error", chat_id=source.chat_id, times=None, code=403, text=refused)
    )
    staying.until(lambda: "is not followed any more" in staying.said)
    new = news.append(file=plan(1))
    staying.until(lambda: any(each.name.startswith(f"{new}_") for each in remote_files(machine)))
    (error,) = staying.ended().errors
    assert (type(error), refused in str(error)) == (ChatUnreadable, True)
    assert_on_remote(machine, (source, wanted(source)), (news, wanted(news)))


def test_the_older_part_of_a_followed_supergroup_is_moved_and_not_followed(
    stage: Stage, stay: Stay
) -> None:
    """Nothing new comes there any more."""
    scene = stage(worlds.files(sizes=[1000], kind="supergroup"))
    source = scene.world.source
    older = worlds.add_older_part(scene.world, sizes=[100, 200])
    staying = stay(scene)
    staying.until(lambda: len(remote_files(scene.machine)) == 3)
    new = source.append(file=plan(1))
    staying.until(
        lambda: any(each.name.startswith(f"{new}_") for each in remote_files(scene.machine))
    )
    assert staying.ended().errors == ()
    assert staying.said.count("is followed: new messages") == 1
    assert_on_remote(scene.machine, (source, wanted(source)), (older, wanted(older)))
