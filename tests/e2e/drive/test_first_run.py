"""The first run of all is killed while Drive does not list yet what it has made."""

from __future__ import annotations

import pytest

from standins.drive.shaping import Shaping
from standins.telegram.world import worlds
from tdl_sync.remote import check, listing_lag
from tests.contract.places import OBSCURED_PASSWORD
from tests.e2e.conftest import REMOTE, SetScene
from tests.e2e.drive.test_outcomes_unknown import kill_both

ABOVE = {
    "crypt": f"type = crypt\nremote = gdrive:a/b\npassword = {OBSCURED_PASSWORD}\n",
    "union": "type = union\nupstreams = gdrive:a/b gdrive:c/d\n",
}
LAG_SECONDS = 3.0


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("", 1),  # half of the base folder's path
        ("", 2),  # the base folder
        ("", 3),  # the chat's
        ("crypt", 3),
        ("union", 1),
        ("union", 4),
    ],
)
def test_the_next_start_makes_no_folder_a_second_time(
    scene: SetScene, monkeypatch: pytest.MonkeyPatch, kind: str, made: int
) -> None:
    on = scene(worlds.files(sizes=[1000, 2000]))
    remote = "above:" if kind else REMOTE
    with on.rclone_config.open("a") as config:
        config.write(f"\n[above]\n{ABOVE[kind or 'crypt']}")
    on.drive.shaping = Shaping(call_seconds=0.05, listing_lag_seconds=LAG_SECONDS)
    running = on.start(remote=remote)

    def folders() -> list[str]:
        return [each.path for each in on.present() if each.is_folder]

    running.wait_until(lambda: len(folders()) >= made)
    kill_both(running)
    on.drive.shaping = Shaping(listing_lag_seconds=LAG_SECONDS)
    monkeypatch.setattr(check, "LISTING_LAG_SECONDS", LAG_SECONDS)
    monkeypatch.setattr(listing_lag, "LISTING_LAG_SECONDS", LAG_SECONDS)
    ended = on.run(remote=remote)
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 2), ended.stderr
    assert len(folders()) == len(set(folders()))
    # In the base folder may lie what has proven the remote: no listing shows it yet.
    files = [each.path for each in on.present() if not each.is_folder and each.path.count("/") > 2]
    assert len(files) == 2
