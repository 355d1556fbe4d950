"""Where a refresh token is good for one use, whoever asks twice loses the grant: runs don't."""

from __future__ import annotations

import re
import shutil
import sys

import pytest

from standins.drive.faults import Fault
from standins.drive.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.world import worlds
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.drive.six_files import FILES, six_files
from tests.e2e.expectations import assert_moved
from tests.e2e.program import SOURCE, Machine


def with_token_of(on: DriveScene, seconds: int) -> None:
    """From now on, and with refresh tokens for one use."""
    on.drive.rclone_config(on.machine.directory, token_seconds=seconds)
    on.drive.take_refresh_tokens_once()


def asked(on: DriveScene) -> tuple[int, int]:
    """How often for a token, and how often in vain."""
    counts = on.drive.statistics.counts()
    return counts.calls.get("token.refresh", 0), counts.errors.get("400 invalid_grant", 0)


@pytest.mark.parametrize("seconds", [0, 11], ids=["has ended", "ends during the run"])
def test_eight_uploads_at_a_time_ask_for_one_token(scene: SetScene, seconds: int) -> None:
    on = scene(worlds.files(sizes=[1000] * 40))
    with_token_of(on, seconds)
    assert_moved(on.run("--workers", "8"), 40)
    assert asked(on) == (1, 0)
    on.assert_all_there()


def test_two_runs_with_one_configuration_ask_for_one_token(scene: SetScene) -> None:
    on = six_files(scene)
    with_token_of(on, 0)
    on.drive.shaping = Shaping(call_seconds=0.5)
    with StandIn(worlds.files(sizes=[1000] * FILES)) as another_account:
        other = Machine(on.machine.directory.parent / "other", another_account)
        other.variables.update(
            {**on.drive.environment(), "TDL_SYNC_RCLONE_CONFIG": str(on.rclone_config)}
        )
        running = [
            on.machine.start("-u", SOURCE, "--remote", REMOTE),
            other.start("-u", SOURCE, "--remote", "gdrive:other"),
        ]
        for each in running:
            assert_moved(each.wait(), FILES)
    assert asked(on) == (1, 0)


def test_a_token_that_another_has_put_there_is_taken_and_none_is_asked_for(
    scene: SetScene,
) -> None:
    """As after `rclone config reconnect`, or when another program was quicker."""
    on = six_files(scene)
    on.drive.faults.add(Fault("stall", call="upload.finish", times=1, after_calls=1))
    running = on.start("--workers", "1", "--rclone-arg=--timeout=2s")
    running.wait_until(lambda: on.drive.faults.strikes()[0][1] == 1)
    on.drive.expire_access_tokens()
    on.drive.faults.add(Fault("invalid_grant", times=None))
    on.drive.rclone_config(on.machine.directory)
    assert_moved(running.wait(), FILES)
    assert asked(on) == (0, 0)
    on.assert_all_there()


def test_a_configuration_that_is_mounted_by_itself_is_copied(scene: SetScene) -> None:
    """It can't be replaced, though its directory may be written: nothing is left beside it."""
    unshare = shutil.which("unshare")
    if sys.platform != "linux" or unshare is None:
        pytest.skip("this needs mounts of its own")
    on = six_files(scene)
    directory = on.machine.directory / "mounted here"
    directory.mkdir()
    config = on.rclone_config.rename(directory / "rclone.conf")
    config.write_text(
        re.sub(r'"expiry": "[^"]*"', '"expiry": "2020-01-01T00:00:00Z"', config.read_text())
    )
    mount = 'mount --bind "$0" "$0" && exec "$@" || exit 126'
    command = [unshare, "--mount", "sh", "-c", mount, str(config), *on.machine.command()]
    variables = {"TDL_SYNC_RCLONE_CONFIG": str(config)}
    ended = on.machine.start(
        "-u", SOURCE, "--remote", REMOTE, variables=variables, command=command
    ).wait()
    if ended.exit_status in (1, 126) and not ended.stdout:
        pytest.skip("this account may not mount")
    assert_moved(ended, FILES)
    assert f"rclone's configuration {config} can't be written" in ended.stderr
    assert list(directory.iterdir()) == [config]
    assert on.drive.statistics.counts().calls["token.refresh"] == 1
