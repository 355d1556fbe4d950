"""The one rclone of a run: how it begins, how it ends, and what becomes of what it was doing."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tdl_sync.core.errors import (
    ComeBackLater,
    ConfigurationError,
    RcloneEnded,
    Stopped,
    TdlSyncError,
)
from tdl_sync.core.model import ListedFile
from tdl_sync.remote.check import CheckedRemote, look_at_remote
from tdl_sync.remote.listing import find_chat_folder, listed_files
from tdl_sync.remote.rclone import OutcomeUnknown, Rclone
from tdl_sync.remote.rclone_process import HUNG_SECONDS
from tdl_sync.remote.remote_control import RemoteControl
from tests.contract.conftest import RCLONES
from tests.contract.false_rclone import Answer, false_rclone, tell
from tests.contract.old_rclone import old_rclone
from tests.contract.places import CHAT_ID, FOLDER, hand_off, ignore_bytes, stage
from tests.contract.rclones import opened_control, opened_rclone
from tests.contract.remote.test_handoff_processes import (
    CONTENT,
    Sending,
    encrypted_place,
    running_rclone,
)
from tests.standins.rclone_on_drive import executable
from tests.waiting import PATIENCE_SECONDS, in_thread, result_of, until


@pytest.fixture(params=RCLONES)
def program(request: pytest.FixtureRequest) -> str:
    return old_rclone() if request.param == "oldest" else executable()


def script(path: Path, *lines: str) -> str:
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o700)
    return str(path)


THERE = '{"item": {"Name": "1_a", "Path": "1_a", "Size": 8, "IsDir": false}}'

IF_ASKED_FOR_ITS_VERSION = 'if [ "$1" = version ]; then echo rclone v1.75.2; exit; fi'


def counting(directory: Path, program: str) -> tuple[str, Callable[[], int]]:
    """This rclone by another name, and how often it was started."""
    starts = directory / "starts"
    line = f"echo >>{shlex.quote(str(starts))}"
    path = script(directory / "counting", line, f'exec {shlex.quote(program)} "$@"')
    return path, lambda: len(starts.read_text().splitlines())


def ended(rclone: psutil.Process) -> None:
    """Wait until all of it is gone but what its parent, the program, has to look at."""

    def is_over() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(rclone.status() == psutil.STATUS_ZOMBIE and rclone.num_threads() <= 1)
        return True

    until(is_over)


def port_of(rclone: psutil.Process) -> int:
    """The one that it listens on, which nobody else's machine can reach."""
    (listening,) = (
        each for each in rclone.net_connections("all") if each.status == psutil.CONN_LISTEN
    )
    assert listening.laddr.ip == "127.0.0.1"
    assert listening.family == socket.AF_INET
    port = listening.laddr.port
    assert isinstance(port, int)
    return port


# --- its life -----------------------------------------------------------------------------------


def test_one_start_serves_all_that_a_run_asks_and_moves(
    tmp_path: Path, staging: Path, closing: ExitStack, program: str
) -> None:
    counted, starts = counting(tmp_path, program)
    place = encrypted_place(closing, tmp_path, program=counted)
    place.handoff.prepare_folder(FOLDER)

    def move(number: int) -> None:
        staged = stage(staging, b"content", number)
        place.handoff.move(staged, f"{FOLDER}/{number % 3}", f"{number}_a", ignore_bytes)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(move, range(1, 25)))
    place.handoff.put(b"text", FOLDER, "1.json")
    assert place.handoff.read(FOLDER, "1.json") == b"text"
    assert len(place.handoff.prepare_folder(FOLDER)) == 25
    assert starts() == 1


@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGKILL, "it was killed by signal 9"),
        (signal.SIGSTOP, "it gave no sign of life for 5 s and was killed"),
    ],
)
def test_an_rclone_that_dies_or_hangs_in_mid_move_keeps_the_file_and_another_one_goes_on(
    tmp_path: Path,
    staging: Path,
    closing: ExitStack,
    program: str,
    number: signal.Signals,
    how: str,
) -> None:
    """The other one has nothing of the first: another port, another password."""
    place = encrypted_place(closing, tmp_path, "--bwlimit=10k", program=program)
    staged = stage(staging, CONTENT)
    sending = Sending(place.handoff, staged)
    first = running_rclone(tmp_path, os.getpid())
    port, password = port_of(first), first.environ()["RCLONE_RC_PASS"]
    first.send_signal(number)
    with pytest.raises(RcloneEnded) as caught:
        result_of(sending.move)
    assert str(caught.value).startswith("rclone did not move it: rclone did not live to answer")
    assert how in str(caught.value)
    assert staged.path.read_bytes() == CONTENT
    place.handoff.move(stage(staging, b"small", 2), FOLDER, "2_b", ignore_bytes)
    assert place.content(FOLDER, "2_b") == b"small"
    second = running_rclone(tmp_path, os.getpid())
    assert second.pid != first.pid
    assert port_of(second) != port
    assert second.environ()["RCLONE_RC_PASS"] != password


def test_an_rclone_that_dies_while_it_has_nothing_to_do_is_not_missed(
    tmp_path: Path, staging: Path, closing: ExitStack, program: str
) -> None:
    place = encrypted_place(closing, tmp_path, program=program)
    place.handoff.prepare_folder(FOLDER)
    rclone = running_rclone(tmp_path, os.getpid())
    rclone.kill()
    ended(rclone)
    place.handoff.move(stage(staging, b"content"), FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"content"


def test_one_that_is_stopped_while_it_has_nothing_to_do_is_not_missed_either(
    tmp_path: Path, staging: Path, closing: ExitStack
) -> None:
    place = encrypted_place(closing, tmp_path)
    place.handoff.prepare_folder(FOLDER)
    rclone = running_rclone(tmp_path, os.getpid())
    rclone.suspend()
    ended(rclone)
    place.handoff.move(stage(staging, b"content"), FOLDER, "1_a", ignore_bytes)
    assert place.content(FOLDER, "1_a") == b"content"


def test_a_question_is_asked_again_when_rclone_dies_before_it_answers(
    tmp_path: Path, closing: ExitStack
) -> None:
    """A listing does no harm twice."""
    place = encrypted_place(closing, tmp_path)
    asked: list[bool] = []
    for _ in range(3):
        rclone = running_rclone(tmp_path, os.getpid())
        rclone.suspend()
        listing = in_thread(lambda: listed_files(place.control, place.remote.base))
        rclone.kill()
        asked.append(result_of(listing) == [])
    assert asked == [True] * 3


def test_what_is_ended_at_once_keeps_its_file(
    tmp_path: Path, staging: Path, closing: ExitStack, program: str
) -> None:
    place = encrypted_place(closing, tmp_path, "--bwlimit=10k", program=program)
    staged = stage(staging, CONTENT)
    sending = Sending(place.handoff, staged)
    rclone = running_rclone(tmp_path, os.getpid())
    place.control.rclone.kill()
    with pytest.raises(Stopped):
        result_of(sending.move)
    ended(rclone)
    assert staged.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("shown", "is_there"),
    [
        (THERE, True),
        (THERE.replace("8", "7"), False),
        (THERE.replace("false", "true"), False),
        ('{"item": null}', False),
    ],
)
def test_where_rclone_dies_between_the_move_and_its_answer_the_remote_is_asked(
    tmp_path: Path, staging: Path, closing: ExitStack, shown: str, is_there: bool
) -> None:
    """It deletes the source last. Only a file of the same size is the one."""
    taken = {"operations/movefile": Answer(first="take"), "operations/stat": Answer(shown)}
    control = opened_control(closing, false_rclone(tmp_path, taken))
    handoff = hand_off(control, CheckedRemote("x:", "", True, None))
    staged = stage(staging, b"precious")
    if is_there:
        assert handoff.move(staged, FOLDER, "1_a", ignore_bytes).name == "1_a"
    else:
        with pytest.raises(RcloneEnded):
            handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert not staged.path.exists()


def test_a_file_that_is_still_there_when_rclone_dies_is_not_taken_for_moved(
    tmp_path: Path, staging: Path, closing: ExitStack
) -> None:
    """Whatever the remote shows: by that name there may have been one before."""
    shown = Answer(THERE)
    dies = {"operations/movefile": Answer(first="kill"), "operations/stat": shown}
    control = opened_control(closing, false_rclone(tmp_path, dies))
    staged = stage(staging, b"precious")
    with pytest.raises(RcloneEnded):
        hand_off(control, CheckedRemote("x:", "", True, None)).move(
            staged, FOLDER, "1_a", ignore_bytes
        )
    assert staged.path.read_bytes() == b"precious"


# --- one that dies again and again --------------------------------------------------------------


def moves_until(rclone: Rclone, staging: Path, final: type[TdlSyncError]) -> TdlSyncError:
    """What ends a run in which each move meets the end of rclone."""
    handoff = hand_off(RemoteControl(rclone), CheckedRemote("x:", "", True, None))
    staged = stage(staging, b"precious")
    for _ in range(9):
        try:
            handoff.move(staged, FOLDER, "1_a", ignore_bytes)
        except RcloneEnded:
            assert staged.path.read_bytes() == b"precious"
        except final as error:
            assert staged.path.read_bytes() == b"precious"
            return error
    raise AssertionError("it was started again and again")


def test_an_rclone_that_is_killed_again_and_again_ends_the_run_which_goes_on_later(
    tmp_path: Path, staging: Path, closing: ExitStack
) -> None:
    dies = false_rclone(tmp_path, {"operations/movefile": Answer(first="kill")})
    error = moves_until(opened_rclone(closing, dies), staging, ComeBackLater)
    assert str(error) == (
        "rclone ended 5 times in a minute, at last: it was killed by signal 9; "
        "see what kills it (memory?) and start again"
    )


def test_an_rclone_that_ends_again_and_again_ends_the_run_with_its_last_words(
    tmp_path: Path, staging: Path, closing: ExitStack
) -> None:
    last = Answer(first="exit", words="Failed to serve: the stars are wrong")
    dies = false_rclone(tmp_path, {"operations/movefile": last})
    error = moves_until(opened_rclone(closing, dies), staging, ConfigurationError)
    assert str(error) == (
        "rclone ended 5 times in a minute, at last: it ended with 1: the stars are wrong; "
        "mend that and start again"
    )


def test_an_rclone_that_is_killed_at_each_start_is_started_a_few_times(
    tmp_path: Path, closing: ExitStack
) -> None:
    dies = script(tmp_path / "dies", IF_ASKED_FOR_ITS_VERSION, "kill -9 $$")
    counted, starts = counting(tmp_path, dies)
    with pytest.raises(ComeBackLater, match=r"at last: it was killed by signal 9; see what kills"):
        opened_rclone(closing, counted)
    assert starts() == 5


def test_an_rclone_that_ends_at_its_start_is_started_once_and_its_last_words_are_told(
    tmp_path: Path, closing: ExitStack, program: str
) -> None:
    """And not what it was told: a broken line of its configuration may be a secret."""
    counted, starts = counting(tmp_path, program)
    with pytest.raises(ConfigurationError, match="rclone does not take its arguments") as caught:
        opened_rclone(closing, counted, None, "--no-such-flag")
    assert "no-such-flag" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert starts() == 2  # once to serve, once to say its version


def test_the_configuration_that_it_uses_is_known_though_its_log_is_read_late(
    tmp_path: Path, closing: ExitStack
) -> None:
    """Else one that can't be written would not be copied."""
    rclone = opened_rclone(closing, false_rclone(tmp_path, {}))
    assert rclone.config_file == tmp_path / "answers.json"


def test_an_rclone_that_never_serves_is_not_waited_for_all_day(
    tmp_path: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tdl_sync.remote.keeper._SERVES_WITHIN_SECONDS", 1.0)
    silent = script(
        tmp_path / "silent",
        IF_ASKED_FOR_ITS_VERSION,
        "exec sleep 1000",
    )
    with pytest.raises(TdlSyncError) as caught:
        opened_rclone(closing, silent)
    assert "\n" not in str(caught.value)
    assert psutil.Process().children(recursive=True) == [] or not [
        child
        for child in psutil.Process().children(recursive=True)
        if child.cmdline()[:2] == ["sleep", "1000"]
    ]


# --- who else could use it ----------------------------------------------------------------------


HOSTILE_VARIABLES = {
    "TDL_SYNC_API_HASH": "secret",
    "RCLONE_RC_NO_AUTH": "true",
    "RCLONE_RC_ADDR": "0.0.0.0:0",
    "RCLONE_RC_BASEURL": "elsewhere",
    "RCLONE_RC_CERT": "/none/x",
    "RCLONE_RC_USER": "somebody",
    "RCLONE_RC_PASS": "else",
    "RCLONE_METRICS_ADDR": "127.0.0.1:0",
    "RCLONE_QUIET": "true",
    "RCLONE_LOG_LEVEL": "ERROR",
    "RCLONE_LOG_SYSTEMD": "true",
}


def test_nobody_reaches_it_but_who_has_the_password_which_no_variable_of_the_users_changes(
    tmp_path: Path, closing: ExitStack, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One port, on this machine alone; no path of it answers to others, and ``ps`` shows no
    password."""
    passwords = tmp_path / "passwords"
    passwords.write_text("eve:{PLAIN}eve\n")
    monkeypatch.setenv("RCLONE_RC_HTPASSWD", str(passwords))
    for name, value in HOSTILE_VARIABLES.items():
        monkeypatch.setenv(name, value)
    encrypted_place(closing, tmp_path, program=program)
    rclone = running_rclone(tmp_path, os.getpid())
    environment = rclone.environ()
    assert not [name for name in environment if name.startswith("TDL_SYNC_")]
    ours = {name for name in environment if name.startswith(("RCLONE_RC", "RCLONE_METRICS"))}
    assert ours == {"RCLONE_RC_USER", "RCLONE_RC_PASS"}
    password = environment["RCLONE_RC_PASS"]
    assert len(password) >= 32
    assert password not in " ".join(rclone.cmdline())
    url = f"http://127.0.0.1:{port_of(rclone)}"
    for path in ("", "rc/noop", "config/dump", "core/version", "metrics", "[x:]/a", "elsewhere/"):
        for body in (None, b"{}"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{url}/{path}", body, PATIENCE_SECONDS)
            assert refused.value.code == 401, path


def test_no_secret_is_in_what_is_said_of_its_end(
    tmp_path: Path, staging: Path, closing: ExitStack, program: str
) -> None:
    """They are in its log: each call's parameters and reply."""
    place = encrypted_place(closing, tmp_path, "--bwlimit=10k", program=program)
    assert place.control.rclone.config_file is not None
    with place.control.rclone.config_file.open("a") as config:
        config.write("[gdrive]\ntype = drive\ntoken = ya29.first\n")
    place.control.update_section("gdrive", {"token": "ya29.second"})
    assert place.control.sections()["gdrive"]["token"] == "ya29.second"
    sending = Sending(place.handoff, stage(staging, CONTENT))
    rclone = running_rclone(tmp_path, os.getpid())
    password = rclone.environ()["RCLONE_RC_PASS"]
    rclone.send_signal(signal.SIGABRT)  # it says where each of its threads is
    with pytest.raises(RcloneEnded) as caught:
        result_of(sending.move)
    assert not [each for each in ("ya29", password) if each in str(caught.value)]
    assert "\n" not in str(caught.value)


def test_a_password_that_rclone_repeats_when_it_ends_is_not_told(
    tmp_path: Path, closing: ExitStack
) -> None:
    told = script(
        tmp_path / "told",
        IF_ASKED_FOR_ITS_VERSION,
        'echo "Failed to serve: with $RCLONE_RC_PASS I can not" >&2',
        "exit 1",
    )
    with pytest.raises(ConfigurationError, match=r"can't be started \(with … I can not\)"):
        opened_rclone(closing, told)


# --- answers that are none ----------------------------------------------------------------------

NO_OBJECTS = ["", "null", "[]", '{"list": [', '"text"', "\udcff\udcfe", "[" * 100_000]
FAILURES = [("", 500), ("null", 500), ('{"error": 5}', 500), ("{}", 404), ("", 401), ("{}", 302)]
NO_ANSWERS = [
    *map(Answer, NO_OBJECTS),
    *(Answer(body, status) for body, status in FAILURES),
]
BREAK = Answer(first="break")


def listing(*entries: str) -> Answer:
    return Answer(f'{{"list": [{", ".join(entries)}]}}')


NO_LISTINGS = [
    *map(Answer, ('{"list": 5}', '{"list": {}}', "{}")),
    *map(listing, ("5", "null", "[]", '{"Name": "1_a"}')),
    listing('{"IsDir": false, "Size": 1, "Path": "1_a"}'),
    listing('{"IsDir": false, "Name": "1_a", "Size": "1", "Path": "1_a"}'),
    listing('{"IsDir": false, "Name": "1_a", "Size": 1, "Path": null}'),
]
NO_FEATURES = [
    *map(Answer, ('{"Features": [], "Hashes": []}', '{"Features": {}, "Hashes": 5}', "{}"))
]


@pytest.mark.parametrize(
    ("command", "no_answers"),
    [
        ("operations/list", NO_LISTINGS),
        ("operations/fsinfo", NO_FEATURES),
        ("config/dump", []),
        ("operations/movefile", [BREAK]),
        ("operations/uploadfile", [BREAK]),
        ("operations/copyfile", []),
    ],
)
def test_an_answer_that_is_none_is_an_error_in_one_line(
    tmp_path: Path, staging: Path, closing: ExitStack, command: str, no_answers: list[Answer]
) -> None:
    """Of whichever call; and a file is kept."""
    rclone = opened_rclone(closing, false_rclone(tmp_path, {}))
    staged = stage(staging, b"precious")

    def all_that_is_asked() -> None:
        control = RemoteControl(rclone)  # that has opened nothing yet
        remote = look_at_remote(control, "/remote")
        listed_files(control, remote.base)
        find_chat_folder(control, remote, CHAT_ID)
        handoff = hand_off(control, remote)
        handoff.put(b"text", FOLDER, "1.json")
        handoff.move(staged, FOLDER, "1_a", ignore_bytes)

    def reading() -> None:
        hand_off(RemoteControl(rclone), look_at_remote(RemoteControl(rclone), "/remote")).read(
            FOLDER, "1.json"
        )

    for no_answer in [*NO_ANSWERS, *no_answers]:
        tell(tmp_path, {"operations/list": listing(), command: no_answer})
        ask = reading if command == "operations/copyfile" else all_that_is_asked
        with pytest.raises(TdlSyncError) as caught:
            ask()
        assert "\n" not in str(caught.value), no_answer
        assert len(str(caught.value)) < 500, no_answer
        assert staged.path.read_bytes() == b"precious"


def test_hashes_and_free_bytes_that_are_none_are_not_known(
    tmp_path: Path, closing: ExitStack
) -> None:
    file = '{"IsDir": false, "Name": "1_a", "Size": 1, "Path": "1_a", "Hashes": %s}'
    control = opened_control(closing, false_rclone(tmp_path, {}))
    for hashes in ("[5]", '{"sha256": 5}', "null", "7"):
        about = Answer('{"free": "much"}')
        tell(tmp_path, {"operations/list": listing(file % hashes), "operations/about": about})
        remote = look_at_remote(control, "/remote")
        assert remote.free_bytes is None
        assert listed_files(control, remote.base, hash_kinds=("sha256",)) == [ListedFile("1_a", 1)]


@pytest.mark.parametrize(
    ("command", "no_answer"),
    [
        *(("config/listremotes", Answer(body, status)) for body, status in FAILURES),
        *(("core/version", no_answer) for no_answer in [*NO_ANSWERS, BREAK]),
        ("core/version", Answer('{"decomposed": [1]}')),
        ("core/version", Answer('{"decomposed": ["1", "75"]}')),
    ],
)
def test_a_start_that_is_answered_with_nonsense_is_an_error_in_one_line(
    tmp_path: Path, closing: ExitStack, command: str, no_answer: Answer
) -> None:
    with pytest.raises(TdlSyncError) as caught:
        opened_rclone(closing, false_rclone(tmp_path, {command: no_answer}))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


# --- its start ----------------------------------------------------------------------------------


def test_one_that_takes_its_time_to_begin_is_not_taken_for_dead(
    tmp_path: Path, closing: ExitStack, program: str
) -> None:
    """On a slow card, or while a password command waits for its user: it gives no sign of life."""
    slow = script(
        tmp_path / "slow", f"sleep {HUNG_SECONDS + 1.5}", f'exec {shlex.quote(program)} "$@"'
    )
    counted, starts = counting(tmp_path, slow)
    assert opened_rclone(closing, counted).call("rc/noop", {}) == {}
    assert starts() == 1


def test_a_death_counts_once_however_many_wait_for_the_next_one(
    tmp_path: Path, closing: ExitStack
) -> None:
    """Here no next one comes about, and each of them is told why."""
    real = script(tmp_path / "real", f'exec {executable()} "$@"')
    before = set(psutil.Process().children())
    rclone = opened_rclone(closing, real)
    (child,) = set(psutil.Process().children()) - before
    script(tmp_path / "real", IF_ASKED_FOR_ITS_VERSION, "exit 7")
    child.kill()
    ended(child)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(rclone.call, "rc/noop", {}) for _ in range(8)]
    # Who was quick enough to ask the dead one learns that, which may be all of them.
    told = {type(call.exception()) for call in calls} - {OutcomeUnknown}
    assert told <= {ConfigurationError}
    with pytest.raises(ConfigurationError):
        rclone.call("rc/noop", {})


def test_what_was_answered_does_not_stay_in_its_memory(closing: ExitStack, program: str) -> None:
    """Of itself it keeps every call and its answer for a minute: by then a run with small files has
    made thousands."""
    rclone = opened_rclone(closing, program)
    for _ in range(20):
        rclone.call("rc/noop", {"much": "text"})

    def kept() -> set[object]:
        numbers = rclone.call("job/list", {})["jobids"]
        assert isinstance(numbers, list)
        return set(numbers)

    at_first = kept()
    until(lambda: not at_first & kept(), 45)
