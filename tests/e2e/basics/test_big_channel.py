"""A channel of 100,000 messages is read in the fewest calls, and memory does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE, Ended

SMALL, LARGE = 1_000, 100_000
FILES = 7
MESSAGES_PER_PAGE = 100
OTHER_CALLS = 20
MOST_GROWTH = 1.5


@dataclass(frozen=True)
class Reading:
    """A run over a channel of many messages with few files."""

    scene: Scene
    ended: Ended
    calls: dict[str, int]


@pytest.fixture(scope="module")
def readings(module_stage: Stage) -> dict[int, Reading]:
    found = {}
    for messages in (SMALL, LARGE):
        world = worlds.sparse(messages=messages, media_every=messages // FILES, mean_size_bytes=500)
        scene = module_stage(world)
        ended = scene.machine.run("-u", SOURCE)
        found[messages] = Reading(scene, ended, scene.telegram.statistics.counts().calls)
    return found


@pytest.mark.parametrize("messages", [SMALL, LARGE])
def test_all_its_files_arrive(readings: dict[int, Reading], messages: int) -> None:
    reading = readings[messages]
    source = reading.scene.world.source
    files = wanted(source)
    assert len(files) >= FILES - 1
    assert_moved(reading.ended, len(files))
    assert_on_remote(reading.scene.machine, (source, files))


def test_a_call_for_each_hundred_messages_and_twenty_more_are_enough(
    readings: dict[int, Reading],
) -> None:
    """Calls of all kinds, those that find, save and move included."""
    calls = readings[LARGE].calls
    print(f"{LARGE} messages: {sum(calls.values())} calls: {calls}")
    assert sum(calls.values()) <= -(-LARGE // MESSAGES_PER_PAGE) + OTHER_CALLS


def test_memory_does_not_grow_with_the_channel(readings: dict[int, Reading]) -> None:
    peaks = {messages: reading.ended.peak_memory_bytes for messages, reading in readings.items()}
    for messages, peak_bytes in peaks.items():
        print(f"{messages} messages: {peak_bytes / 1e6:.1f} MB at most")
    assert peaks[LARGE] < MOST_GROWTH * peaks[SMALL]
