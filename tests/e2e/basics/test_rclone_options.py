"""Whatever a user has set for rclone: what is done is done, and what can't be trusted is said.

With the real rclone, the current and the oldest one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from standins.telegram.world import worlds
from tests.contract.versions import rclone_named
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, assert_refused, wanted
from tests.e2e.program import SOURCE
from tests.in_process import run_here

SIZES = [1000, 2000, 3000]


@pytest.fixture(params=["current", "oldest"])
def rclone(request: pytest.FixtureRequest) -> str:
    return f"--rclone={rclone_named(request.param)}"


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return stage(worlds.files(sizes=SIZES))


def place_of(scene: Scene, message_id: int) -> Path:
    """Where the file of a message goes."""
    folder = f"Stand-in_ all kinds [{scene.world.source.chat_id}]"
    return scene.machine.remote_directory / "files" / folder / f"{message_id}_file-{message_id}.bin"


def add_to_section(scene: Scene, *lines: str) -> None:
    with scene.machine.rclone_config.open("a") as config:
        config.writelines(f"{line}\n" for line in lines)


def assert_all_right(scene: Scene) -> None:
    channel = scene.world.source
    assert_on_remote(scene.machine, (channel, wanted(channel)))


@pytest.mark.parametrize(
    "option",
    [
        "update = true",
        "size_only = true",
        "ignore_checksum = true",
        "ignore_existing = true",
        "name_transform = prefix=x_",
        "exclude = *",
        "max_delete = 0",
        "max_transfer = 1",
        "dry_run = true",
    ],
)
def test_what_the_section_says_for_all_remotes_keeps_no_file_from_arriving_whole(
    scene: Scene, rclone: str, option: str
) -> None:
    """A file that was cut, and is newer: what would let rclone keep it is overruled."""
    cut = place_of(scene, 2)
    cut.parent.mkdir(parents=True)
    cut.write_bytes(b"cut")
    add_to_section(scene, f"global.{option}", f"override.{option}")
    assert_moved(run_here(scene.machine, "-u", SOURCE, rclone), len(SIZES))
    assert_all_right(scene)


SETTINGS = {
    "RCLONE_UPDATE": "true",
    "RCLONE_SIZE_ONLY": "true",
    "RCLONE_EXCLUDE": "*",
    "RCLONE_MAX_DELETE": "0",
    "RCLONE_MAX_TRANSFER": "1",
    "RCLONE_MAX_DEPTH": "1",
    "RCLONE_RC": "true",
    "RCLONE_RC_ADDR": "0.0.0.0:0",
    "RCLONE_NAME_TRANSFORM": "prefix=x_",
    "RCLONE_LOCAL_HASHES": "none",
    "RCLONE_CONFIG_LOCAL_NO_CHECK_UPDATED": "true",
    "RCLONE_NEW_IN_RCLONE_2": "true",
}


def test_each_variable_that_does_not_reach_rclone_is_a_line_and_the_run_goes_well(
    scene: Scene, rclone: str
) -> None:
    place_of(scene, 2).parent.mkdir(parents=True)
    place_of(scene, 2).write_bytes(b"cut")
    variables = {**SETTINGS, "RCLONE_BWLIMIT": "100M"}
    ended = run_here(scene.machine, "-u", SOURCE, rclone, variables=variables)
    assert_moved(ended, len(SIZES))
    assert_all_right(scene)
    told = [line for line in ended.log if "does not reach rclone" in line]
    assert [line.split(",")[0] for line in told] == [
        f"warning: {name}" for name in sorted(SETTINGS)
    ]
    assert (
        "warning: RCLONE_UPDATE, with which rclone may report success for a file that it did not "
        "send, does not reach rclone"
    ) in told


@pytest.mark.parametrize("command", [["verify", "-u", SOURCE], ["-u", SOURCE, "--dry-run"]])
def test_commands_that_only_look_say_so_too(scene: Scene, command: list[str]) -> None:
    assert_moved(run_here(scene.machine, "-u", SOURCE), len(SIZES))
    ended = run_here(scene.machine, *command, variables={"RCLONE_EXCLUDE": "*"})
    assert "missing: 0" in ended.stdout or ended.exit_status == 0, ended
    assert "warning: RCLONE_EXCLUDE, with which " in ended.stderr


def test_doctor_says_which_variables_do_not_reach_rclone(scene: Scene, rclone: str) -> None:
    ended = run_here(scene.machine, "doctor", rclone, variables={"RCLONE_EXCLUDE": "*"})
    (line,) = (line for line in ended.stdout.splitlines() if "rclone's configuration:" in line)
    assert "; RCLONE_EXCLUDE, with which rclone may report success for a file" in line
    assert ended.exit_status == 0


REFUSED = [
    ("local", "time_type = btime", "with which something else than the file's bytes may be stored"),
    ("local", "links = true", "with which something else than the file's bytes may be stored"),
    ("drive", "import_formats = docx", "with which something else than the file's bytes may be"),
    ("drive", "allow_import_name_change = true", "with which something else than the file's bytes"),
    ("drive", "size_as_quota = true", "with which rclone may take files for the same without"),
    ("crypt", "pass_bad_blocks = true", "with which rclone may take files for the same without"),
    ("s3", "decompress = true", "with which rclone may take files for the same without comparing"),
    ("s3", "no_head = true", "with which rclone may take files for the same without comparing"),
    ("onedrive", "hash_type = sha1", "with which rclone may take files for the same without"),
    ("dropbox", "batch_mode = async", "with which rclone may report success for a file that it"),
]


@pytest.mark.parametrize(("backend", "option", "why"), REFUSED)
def test_what_a_kind_of_remote_can_store_otherwise_is_refused_before_anything_is_done(
    scene: Scene, rclone: str, backend: str, option: str, why: str
) -> None:
    """It stands in the section of the one below; so it does for doctor."""
    key = option.partition(" ")[0]
    machine = scene.machine
    machine.rclone_config.write_text(
        "[box]\ntype = alias\nremote = below:x\n"
        f"[below]\ntype = {backend}\nremote = {machine.remote_directory}\n{option}\n"
    )
    ended = run_here(machine, "-u", SOURCE, rclone)
    line = f"the section [below] of {machine.rclone_config} sets {key}, {why}"
    assert ended.said.startswith(f"tdl_sync: {line}")
    assert ended.said.endswith("; take it out of there\n")
    assert ended.exit_status == 2
    assert not machine.remote_directory.exists()

    examined = run_here(machine, "doctor", rclone)
    assert f"WRONG  remote: {line}" in examined.stdout
    assert examined.exit_status == 2


def test_a_section_called_local_is_refused_since_it_counts_for_the_staging_directory(
    scene: Scene, rclone: str
) -> None:
    add_to_section(scene, "[local]", "type = memory", "hashes = none")
    line = (
        f"the section [local] of {scene.machine.rclone_config} sets hashes, with which rclone may "
        "take files for the same without comparing their bytes; take it out of there"
    )
    assert_refused(run_here(scene.machine, "-u", SOURCE, rclone), 2, line)
    remote = f"--remote={scene.machine.remote_directory}"
    assert_refused(run_here(scene.machine, "-u", SOURCE, rclone, remote), 2, line)
