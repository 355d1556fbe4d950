"""Where Telegram's schema can't be imported bit by bit, a run is the same, but for its start."""

from __future__ import annotations

from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved
from tests.e2e.program import SOURCE, WHOLE_SCHEMA


def test_a_run_is_the_same_with_all_types_of_the_schema_there_from_the_start(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    ended = scene.machine.run("-u", SOURCE, variables={WHOLE_SCHEMA: "1"})
    assert_moved(ended, 2)
