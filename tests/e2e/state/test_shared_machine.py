"""On a machine that others use as well, or with messages that others may edit, a run ends with one
line before it believes anything that is not its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import (
    STATE_HEADER,
    assert_moved,
    assert_on_remote,
    assert_refused,
    state_texts,
    wanted,
)
from tests.e2e.program import SOURCE
from tests.in_process import run_here

SOMEBODY = 12_345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to somebody else")


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return stage(worlds.files(sizes=[1000, 2000, 3000]))


@as_root
def test_another_users_staging_directory_is_refused_and_nothing_of_it_goes_to_the_remote(
    scene: Scene,
) -> None:
    staging = scene.machine.staging_directory
    staging.mkdir()
    staging.chmod(0o777)
    (staging / f"m{scene.world.source.chat_id}_0_1.staged").write_bytes(b"x" * 1000)
    os.chown(staging, SOMEBODY, SOMEBODY)
    line = (
        f"the staging directory {staging} belongs to user {SOMEBODY}: run as that user, or name "
        "one that is not there yet with --staging"
    )
    assert_refused(run_here(scene.machine, "-u", SOURCE), 2, line)
    assert not scene.machine.remote_directory.exists()


@as_root
@pytest.mark.parametrize("command", [("-u", SOURCE), ("status",), ("verify", "-u", SOURCE)])
def test_another_users_data_directory_is_refused_by_all_who_use_it(
    command: tuple[str, ...], scene: Scene
) -> None:
    data = scene.machine.data_directory
    data.mkdir()
    os.chown(data, SOMEBODY, SOMEBODY)
    ended = run_here(scene.machine, *command)
    assert ended.exit_status == 2
    assert ended.said == (
        f"tdl_sync: the data directory {data} belongs to user {SOMEBODY}: run as that user, or "
        "name one that is not there yet with --data-dir\n"
    )


@as_root
def test_a_link_that_somebody_planted_is_not_followed(scene: Scene, tmp_path: Path) -> None:
    staging, log = scene.machine.staging_directory, scene.machine.directory / "log"
    for link in (staging, log):
        link.symlink_to(tmp_path / "elsewhere")
        os.chown(link, SOMEBODY, SOMEBODY, follow_symlinks=False)
    (tmp_path / "elsewhere").mkdir()
    ended = run_here(scene.machine, "-u", SOURCE, "--log-file", str(log / "run.log"))
    assert ended.exit_status == 2
    assert ended.said.startswith(f"tdl_sync: --log-file: {str(log / 'run.log')!r} is reached by ")
    ended = run_here(scene.machine, "-u", SOURCE)
    assert ended.exit_status == 2
    assert f"is reached by the link {staging}, which user {SOMEBODY} made" in ended.said
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_directories_of_our_own_that_are_too_wide_and_links_of_our_own_are_used(
    scene: Scene, tmp_path: Path
) -> None:
    for wide in (scene.machine.data_directory, tmp_path / "disk"):
        wide.mkdir()
        wide.chmod(0o777)
    scene.machine.staging_directory.symlink_to(tmp_path / "disk")
    (scene.machine.directory / "log").symlink_to(tmp_path / "the.log")
    log = str(scene.machine.directory / "log")
    ended = run_here(scene.machine, "-u", SOURCE, "--log-file", log)
    assert_moved(ended, 3)
    assert [line for line in ended.log if "it is yours alone now" in line] == [
        f"the data directory {scene.machine.data_directory} was open to other users: it is yours "
        "alone now",
        f"the staging directory {scene.machine.staging_directory} was open to other users: it is "
        "yours alone now",
    ]
    assert (tmp_path / "the.log").read_text().count("it is yours alone now") == 2
    assert (tmp_path / "disk").stat().st_mode & 0o777 == 0o700
    assert_on_remote(scene.machine, (scene.world.source, wanted(scene.world.source)))


BAD: list[dict[str, Any]] = [
    {"folder": "../../x"},
    {"folder": "a\0b"},
    {"folder": "\ud800"},
    {"started": "9999-12-31T23:59:59Z"},
    {"failed": "1-99999999999"},
    {"total_size_gb": True},
    {"channel_id": "-1"},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_bad_value_in_a_state_message_is_one_line_with_its_mend_wherever_it_is_read(
    bad: dict[str, Any], scene: Scene
) -> None:
    assert_moved(run_here(scene.machine, "-u", SOURCE), 3)
    ((message_id, right),) = state_texts(scene.world).items()
    record = {**json.loads(right.split("\n")[1]), **bad}
    scene.world.saved_messages.edit(message_id, f"{STATE_HEADER}\n{json.dumps(record)}")
    here = ("-u", SOURCE)
    for command in (here, (*here, "--dry-run"), ("verify", *here), (*here, "--resume")):
        ended = run_here(scene.machine, *command)
        assert ended.exit_status == 2, (command, ended.stderr)
        assert f"message {message_id} in Saved Messages" in ended.said
        assert "Delete that message in Saved Messages and run again" in ended.said
        assert ended.said.count("\n") == 1
    if "channel_id" not in bad:  # which is only wrong for who knows the chat
        for word in ("status", "--resume"):
            ended = run_here(scene.machine, word)
            told = ended.stderr
            assert f"message {message_id} in Saved Messages: the saved state cannot be" in told
            assert "Traceback" not in told
    scene.world.saved_messages.delete([message_id])
    assert run_here(scene.machine, "-u", SOURCE).exit_status == 0


def test_a_run_in_the_year_36812_is_named_and_holds_nothing(scene: Scene) -> None:
    assert_moved(run_here(scene.machine, "-u", SOURCE), 3)
    ((message_id, right),) = state_texts(scene.world).items()
    record = json.loads(right.split("\n")[1])
    record["status"] = "running"
    record["run"].update(machine="elsewhere", id="another", process_started=2**40)
    scene.world.saved_messages.edit(message_id, f"{STATE_HEADER}\n{json.dumps(record)}")
    ended = run_here(scene.machine, "-u", SOURCE)
    assert ended.exit_status == 2
    assert "expected 'process_started' to be a whole number from 0 to " in ended.said


def test_a_hundred_thousand_failures_that_never_were_cost_no_time(scene: Scene) -> None:
    assert_moved(run_here(scene.machine, "-u", SOURCE), 3)
    ((message_id, right),) = state_texts(scene.world).items()
    record = {**json.loads(right.split("\n")[1]), "failed": "4-100003"}
    scene.world.saved_messages.edit(message_id, f"{STATE_HEADER}\n{json.dumps(record)}")
    before = scene.telegram.statistics.counts().calls.get("channels.GetMessages", 0)
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.numbers()["seen"]) == (0, 0)
    assert scene.telegram.statistics.counts().calls.get("channels.GetMessages", 0) == before
