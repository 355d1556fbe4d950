"""The list of options has all that the real rclones have, and what it drops is worth it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tdl_sync.options.rclone_options import (
    MAIN_OPTIONS,
    Treatment,
    backend_option,
    dropped_variables,
    flag_fault,
    option_of,
    refused_keys,
)
from tests.contract.remote.remote_control.raw_rclone import RawRclone
from tests.contract.remote.test_call_options import Places
from tests.contract.versions import printed_by, rclone_named

# `rclone serve sftp --help` is about that command, and `rclone help flags` has one of its own.
FLAG = re.compile(r"^ +(?:-[A-Za-z], )?--([a-z0-9-]+)", re.MULTILINE)
OF_HELP_ITSELF = {"group", "name", "help"}


@pytest.fixture(params=["current", "oldest"])
def executable(request: pytest.FixtureRequest) -> str:
    return rclone_named(request.param)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "rclone.conf"
    path.write_text("")
    return path


def current_with(*flags: str) -> str:
    """The current rclone. Skips where that is one from before these flags."""
    executable = rclone_named("current")
    known = FLAG.findall(printed_by(executable, "help", "flags"))
    missing = [flag for flag in flags if flag not in known]
    if missing:
        pytest.skip(f"the current rclone does not have --{missing[0]} yet")
    return executable


@pytest.mark.parametrize("command", ["help flags", "serve sftp --help"])
def test_every_flag_of_the_real_rclone_is_on_the_list(executable: str, command: str) -> None:
    """A flag that is missing here is refused, until somebody has thought about it."""
    flags = set(FLAG.findall(printed_by(executable, *command.split())))
    assert len(flags) > 30
    assert {flag for flag in flags - OF_HELP_ITSELF if option_of(flag) is None} == set()


def test_every_option_that_the_real_rclone_tells_of_is_on_the_list(config_file: Path) -> None:
    """Of each command, too: their variables are read when another one is called."""
    with RawRclone(rclone_named("current"), config_file) as rclone:
        told = rclone.call("options/info")
    if told.status == 404:
        pytest.skip("the current rclone does not tell of its options yet")
    names = {option["Name"] for block in told.said.values() for option in block}
    assert {"bwlimit", "max_age", "rc_addr", "metrics_addr", "vfs_cache_mode", "umask"} <= names
    assert {name for name in names if option_of(name) is None} == set()


def test_every_option_of_each_kind_of_remote_is_on_the_list(
    executable: str, config_file: Path
) -> None:
    """Also those that no flag sets. Of the kinds that were gone through a new one is not known."""
    with RawRclone(executable, config_file) as rclone:
        kinds = rclone.done("config/providers")["providers"]
    assert len(kinds) > 40
    unknown = {
        (name, option["Name"])
        for kind in kinds
        for option in kind["Options"]
        for name in (kind["Name"], kind["Prefix"])
        if backend_option(name, option["Name"]) is None
    }
    assert unknown == set()


def test_no_option_on_the_list_is_misspelt(config_file: Path) -> None:
    """A name that no rclone has would stand for one that is not guarded."""
    names = set()
    for executable in (current_with("files-from0", "log-file-compress"), rclone_named("oldest")):
        for command in ("help flags", "serve sftp --help"):
            flags = FLAG.findall(printed_by(executable, *command.split()))
            names |= {flag.replace("-", "_") for flag in flags}
        with RawRclone(executable, config_file) as rclone:
            told = rclone.call("options/info")
        if told.succeeded:
            names |= {option["Name"] for block in told.said.values() for option in block}
    on_windows = {"windows_event_log", "windows_event_log_level"}
    assert MAIN_OPTIONS.keys() - names - on_windows == {"version"}


def test_a_safe_flag_is_one_that_rclone_takes(executable: str, config_file: Path) -> None:
    """As it is passed on: with a value. (One without would get ``=true``.)"""
    safe = ["--bwlimit=8M", "--fast-list=true", "--drive-chunk-size=64M", "--inplace=true"]
    known = printed_by(executable, "help", "flags")
    flags = [flag for flag in safe if f"{flag.partition('=')[0]} " in known]
    assert [flag_fault(flag.partition("=")[0].removeprefix("--")) for flag in flags] == [
        None for _ in flags
    ]
    with RawRclone(executable, config_file, None, *flags) as rclone:
        assert rclone.done("rc/noop") == {}


def test_with_the_variables_dropped_that_must_not_reach_it_rclone_does_what_calls_say(
    executable: str, config_file: Path, tmp_path: Path
) -> None:
    variables = {
        "RCLONE_LOG_FILE": str(tmp_path / "hidden.log"),
        "RCLONE_QUIET": "true",
        "RCLONE_RC_HTPASSWD": "/dev/null",
        "RCLONE_RC_BASEURL": "elsewhere",
        "RCLONE_METRICS_ADDR": "0.0.0.0:0",
        "RCLONE_ADDR": "0.0.0.0:0",
        "RCLONE_DAEMON_TIMEOUT": "no time",  # of a command that is not called, and yet it is read
        "RCLONE_NFS_CACHE_HANDLE_LIMIT": "no number",
        "RCLONE_LINKS": "true",
        "RCLONE_LOCAL_LINKS": "true",
        "RCLONE_LOCAL_HASHES": "none",
        "RCLONE_CONFIG_LOCAL_HASHES": "none",
        "RCLONE_SIZE_ONLY": "true",
        "RCLONE_MAX_DELETE": "0",
        "RCLONE_BWLIMIT": "100M",
    }
    dropped = {variable.name for variable in dropped_variables(variables)}
    assert variables.keys() - dropped == {"RCLONE_BWLIMIT"}
    places = Places(tmp_path)
    with RawRclone(
        executable, config_file, {"RCLONE_BWLIMIT": variables["RCLONE_BWLIMIT"]}
    ) as rclone:
        for name in ("other", "x.rclonelink"):
            places.move(rclone, name)
        assert rclone.done("core/bwlimit")["rate"].startswith("100M")
    assert places.on_remote()["other"] == b"good bytes"
    assert places.on_remote()["x.rclonelink"] == b"/etc/passwd"


LOSING = [
    ({"RCLONE_LOCAL_HASHES": "none"}, ""),
    ({"RCLONE_CONFIG_LOCAL_HASHES": "none"}, ""),
    ({}, "[local]\ntype = memory\nhashes = none\n"),
]


@pytest.mark.parametrize(("variables", "section"), LOSING)
def test_a_hash_that_this_machine_may_not_make_would_lose_a_file(
    config_file: Path, tmp_path: Path, variables: dict[str, str], section: str
) -> None:
    """The one case that no call can prevent: so it is dropped, or refused.

    Told to compare by hash, rclone finds none in common, takes another file of the same size for
    the same one and deletes the source. And a section that is called ``local`` counts for paths.
    """
    places = Places(tmp_path)
    config_file.write_text(section)
    executable = current_with("local-hashes")
    with RawRclone(executable, config_file, variables) as rclone:
        places.move(rclone, "other")
    assert not (places.staging / "other").exists()
    assert places.on_remote()["other"] == b"bad bytes!"

    assert {variable.name for variable in dropped_variables(variables)} == variables.keys()
    if section:
        refused = refused_keys("local", "memory", {"hashes": "none"})
        assert [each.key for each in refused] == ["hashes"]


@pytest.mark.parametrize("setting", ["links", "override.links"])
def test_a_remote_of_links_would_make_a_link_of_a_strangers_file(
    config_file: Path, tmp_path: Path, setting: str
) -> None:
    """It goes wherever the file's bytes say. So such a section is refused."""
    config_file.write_text(f"[there]\ntype = local\n{setting} = true\n")
    places = Places(tmp_path)
    with RawRclone(current_with("local-links", "local-hashes"), config_file) as rclone:
        places.move(rclone, "x.rclonelink", f"there:{places.remote}")
    assert (places.remote / "x").readlink() == Path("/etc/passwd")

    refused = refused_keys("there", "local", {"type": "local", setting: "true"})
    assert [each.key for each in refused] == [setting]


def test_every_option_that_is_said_is_one_of_rclones_own() -> None:
    for name, option in MAIN_OPTIONS.items():
        assert option.name == name
        assert (option.why == "") is (option.treatment is Treatment.SAFE)
