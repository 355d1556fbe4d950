"""What a part of a chat has of albums and comments, which don't keep to blocks of ids."""

from __future__ import annotations

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import remote_files, wanted
from tests.e2e.program import SOURCE
from tests.in_process import run_here


def write(chat: Channel, up_to_id: int) -> None:
    while chat.highest_id_ever() < up_to_id:
        chat.append("talk", date=1_600_000_000)


def post(
    chat: Channel, text: str = "", *, album: int | None = None, under: int | None = None
) -> int:
    number = chat.highest_id_ever()
    file = FilePlan("document", 1000 + number, f"{number}.bin", "text/plain", 2)
    return chat.append(text, file=file, grouped_id=album, answers=under, date=1_600_000_000)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    """Posts with an album where two parts meet, and comments that come blocks after their posts."""
    world = worlds.files(sizes=[])
    source = world.source
    group = next(c for c in world.channels.values() if c.username == "stand_in_talk")
    source.discussion = group
    write(source, 995)
    for number in range(10):
        post(source, "The one caption" if number == 2 else "", album=77)
    write(group, 1500)
    for under in (700, 1200, 1200):
        post(group, under=under)
    write(group, 2100)
    for under in (700, 1200, 1503):
        post(group, under=under)
    return stage(world)


def test_an_album_keeps_its_caption_and_comments_stay_with_their_posts_in_each_part(
    scene: Scene,
) -> None:
    """What fails of a part is tried again by that part, and by no other."""
    machine, source = scene.machine, scene.world.source
    group = source.discussion
    assert group is not None
    comments = wanted(group)
    late = next(item for item in comments if item.message_id == 2102)
    scene.telegram.faults.add(Fault("short_part", file_id=late.file.file_id, times=4, keep_bytes=1))
    command = ("-u", SOURCE, "--comments", "--name={caption}/{file_name}")
    seen = []
    for part, failed in (("2/2", 1), ("1/2", 0), ("2/2", 0)):
        ended = run_here(machine, *command, "--shard", part)
        assert ended.numbers()["failed"] == failed, ended.stderr
        seen.append(ended.numbers()["seen"])
    assert seen == [5 + 4, 5 + 2, 1]
    files = remote_files(machine)
    assert len(files) == 10 + len(comments) == len({path.name for path in files})
    folders = {path.parent for path in files if path.parent.name == "The one caption"}
    assert [len(list(folder.iterdir())) for folder in folders] == [10]
