"""A chat's folder on Drive that a person throws away while the chat is followed."""

from __future__ import annotations

import signal

import pytest

from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.contract.rclones import Looker
from tests.e2e.conftest import SetScene
from tests.standins.rclone_on_drive import executable


def test_what_comes_later_is_in_a_new_folder_and_not_in_the_bin(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = scene(worlds.files(sizes=[1000]))
    running = on.start("--follow")
    running.wait_for("is followed")
    (folder,) = (each.path for each in on.present() if each.path.count("/") == 2)
    for name, value in on.machine.environment().items():
        monkeypatch.setenv(name, value)
    Looker(executable(), on.rclone_config).run(["purge"], f"gdrive:{folder}")
    newest = on.world.source.append(file=FilePlan("document", 3000, "new.bin", "text/plain", 2))
    running.wait_for(f"moved {newest}_new.bin")
    running.signal(signal.SIGTERM)
    assert "any more, so it is made again; what was in it counts as moved" in running.wait().stderr
    there = [file.path for file in on.present() if not file.is_folder]
    assert there == [f"{folder}/{newest}_new.bin"]
