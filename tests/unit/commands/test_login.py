"""Signing in at a terminal: what is asked and how often, and what is left when it comes to nothing.

The answers are typed here by a ``Person`` of the tests; what a real terminal shows of them is in
``tests/e2e/basics/test_login.py``.
"""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import pytest
import qrcode

from standins.telegram.server import API_HASH, API_ID
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tdl_sync.commands.login import Terminal
from tdl_sync.telegram.session.login import Login
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_refused
from tests.e2e.program import SOURCE, Ended
from tests.in_process import Answer, Person, run_here
from tests.waiting import in_thread, until

PASSWORD = "correct horse"
NO_SESSION = {"TDL_SYNC_SESSION_STRING": None}
NOTHING_KNOWN = {**NO_SESSION, "TDL_SYNC_API_ID": None, "TDL_SYNC_API_HASH": None}

PHONE = "Phone number, with the country code (+49…): "
CODE = "Code that Telegram sent you: "
SECOND = "Two-step password (hint: the usual one): "
OFFER = "There is no Telegram session yet. Sign in now? [Y/n] "


@pytest.fixture
def scene(stage: Stage) -> Scene:
    """An account with a second password, and a small channel."""
    world = worlds.files(sizes=[1000])
    world.account = replace(world.account, password=PASSWORD)
    return stage(world)


def login(scene: Scene, *arguments: str, answers: list[Answer]) -> Ended:
    person = Person(*answers)
    return run_here(scene.machine, "login", *arguments, variables=NO_SESSION, person=person)


def right_answers(scene: Scene) -> list[Answer]:
    account = scene.world.account
    return [
        Answer(PHONE, f"+{account.phone}"),
        Answer(CODE, account.login_code),
        Answer(SECOND, PASSWORD),
    ]


def assert_no_session(scene: Scene) -> None:
    """A file without a signed-in session would be taken for one by the next run."""
    assert not list(scene.machine.data_directory.glob("*.session*"))


def test_what_is_known_is_not_asked_and_what_is_wrong_is_asked_again(scene: Scene) -> None:
    phone, code, password = right_answers(scene)
    wrong_code, wrong_password = Answer(CODE, "11111"), Answer(SECOND, "wrong horse")
    ended = login(scene, answers=[phone, wrong_code, code, wrong_password, password])
    path = scene.machine.data_directory / "telegram.session"
    assert ended.stderr == (
        f"{PHONE}{CODE}That is not the code.\n{CODE}{SECOND}That is not the password.\n{SECOND}"
        f"Signed in as Ada. The session is in {path}\n"
    )
    assert (ended.exit_status, ended.stdout) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_app_is_asked_for_where_the_environment_does_not_name_it(scene: Scene) -> None:
    where = "copy both from https://my.telegram.org/apps\nAPI id: "
    for api_id, api_hash, complaint in (
        ("many", API_HASH, "TDL_SYNC_API_ID: expected a number such as"),
        (str(API_ID), "short", "TDL_SYNC_API_HASH: expected"),
    ):
        person = Person(Answer(where, api_id), Answer("API hash: ", api_hash))
        ended = run_here(scene.machine, "login", variables=NOTHING_KNOWN, person=person)
        assert complaint in ended.stderr
        assert (ended.exit_status, api_hash in ended.stderr) == (2, False)
        assert_no_session(scene)
    person = Person(
        Answer(where, str(API_ID)), Answer("API hash: ", API_HASH), *right_answers(scene)
    )
    ended = run_here(scene.machine, "login", variables=NOTHING_KNOWN, person=person)
    assert ended.exit_status == 0, ended.stderr


def test_a_session_that_is_there_is_shown_or_printed_without_a_question(scene: Scene) -> None:
    first = login(scene, "--print-session", answers=right_answers(scene))
    assert first.stderr.endswith("Keep this secret, and use it on one machine only:\n")
    session_string = first.stdout.removesuffix("\n")
    assert len(session_string) > 300
    assert session_string not in first.stderr
    again = login(scene, "--print-session", answers=[])
    assert (again.exit_status, again.stdout) == (0, first.stdout)
    # And it is one that Telegram takes.
    ended = run_here(scene.machine, "status", variables={"TDL_SYNC_SESSION_STRING": session_string})
    assert ended.exit_status == 0, ended.stderr


def test_a_session_that_was_ended_elsewhere_can_be_replaced_by_a_new_login(scene: Scene) -> None:
    assert login(scene, answers=right_answers(scene)).exit_status == 0
    for key in scene.telegram._service.auth_keys:
        key.user_id = None
    line = (
        "Telegram: it does not accept this session any more (AUTH_KEY_UNREGISTERED). "
        "Please log in again: tdl_sync.py login"
    )
    assert_refused(run_here(scene.machine, "-u", SOURCE, variables=NO_SESSION), 4, line)
    ended = login(scene, answers=right_answers(scene))
    assert ended.stderr.startswith("The stored session has ended; a new one takes its place.\n")
    assert ended.exit_status == 0
    ended = run_here(scene.machine, "status", variables=NO_SESSION)
    assert ended.exit_status == 0, ended.stderr


# --- what comes to nothing ----------------------------------------------------------------------


def test_three_wrong_codes_or_passwords_end_it(scene: Scene) -> None:
    phone, code, _ = right_answers(scene)
    for what, answers in (
        ("codes", [phone, *[Answer(CODE, "11111")] * 3]),
        ("passwords", [phone, code, *[Answer(SECOND, "wrong horse")] * 3]),
    ):
        ended = login(scene, answers=answers)
        assert ended.stderr.splitlines()[-1] == (
            f"tdl_sync: Telegram: signing in was refused: 3 wrong {what}. "
            "Run tdl_sync.py login again"
        )
        assert ended.exit_status == 4
        assert_no_session(scene)


def test_a_refusal_that_the_library_has_no_name_for_is_said_and_written_nowhere(
    scene: Scene,
) -> None:
    """The library would write it into the working directory."""
    scene.telegram.faults.add(Fault("error", rpc="auth.SendCode", code=400, text="NEW_REFUSAL_7"))
    ended = login(scene, answers=right_answers(scene)[:1])
    assert "tdl_sync: Telegram: signing in was refused: NEW_REFUSAL_7. " in ended.stderr
    assert ended.exit_status == 4
    assert list(scene.machine.working_directory.iterdir()) == []


def test_a_pause_that_telegram_asks_for_is_said_and_not_waited_for(scene: Scene) -> None:
    scene.telegram.faults.add(Fault("flood_wait", rpc="auth.SendCode", seconds=86_000))
    ended = login(scene, answers=right_answers(scene)[:1])
    assert ended.stderr.splitlines()[-1].endswith(
        "Telegram: too many tries to sign in, it asks for a pause of 86000 s. "
        "Run tdl_sync.py login again after that"
    )
    assert ended.exit_status == 4
    assert_no_session(scene)


@pytest.mark.parametrize("asked", [0, 1, 2], ids=["phone", "code", "password"])
@pytest.mark.parametrize(("typed", "status"), [(None, 4), (KeyboardInterrupt(), 130)])
def test_who_gives_up_at_any_question_leaves_no_session(
    scene: Scene, asked: int, typed: BaseException | None, status: int
) -> None:
    """By the end of the input, which is said, or by Ctrl-C, which needs no word."""
    answers = right_answers(scene)[: asked + 1]
    answers[-1] = replace(answers[-1], text=typed)
    ended = login(scene, answers=answers)
    line = "tdl_sync: Telegram: signing in was given up. Run login again\n"
    assert ended.stderr.endswith(line if typed is None else answers[-1].question)
    assert ended.exit_status == status
    assert_no_session(scene)


# --- a code to scan -----------------------------------------------------------------------------


def link_of(scene: Scene) -> str:
    """What a phone's camera would read from the code that is shown now."""
    (token,) = scene.telegram._service.logins.tokens
    return "tg://login?token=" + base64.urlsafe_b64encode(token).decode()


def test_a_code_that_a_phone_scans_signs_in_too(scene: Scene) -> None:
    def scan() -> str:
        until(lambda: len(scene.telegram._service.logins.tokens) == 1)
        link = link_of(scene)
        scene.telegram.accept_login_token(link)
        return link

    scanning = in_thread(scan)
    ended = login(scene, "--qr", answers=[Answer(SECOND, PASSWORD)])
    drawn = io.StringIO()
    code = qrcode.QRCode(border=2)
    code.add_data(scanning.result())
    code.print_ascii(out=drawn, tty=False, invert=True)
    assert drawn.getvalue() in ended.stderr
    assert "Signed in as Ada." in ended.stderr
    assert ended.exit_status == 0


# --- the offer before a run ---------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["n", "no", "later"])
def test_who_does_not_want_to_sign_in_is_told_how(scene: Scene, answer: str) -> None:
    person = Person(Answer(OFFER, answer))
    ended = run_here(scene.machine, "-u", SOURCE, variables=NO_SESSION, person=person)
    assert "tdl_sync: Telegram: there is no session yet" in ended.stderr
    assert "Please log in: tdl_sync.py login" in ended.stderr
    assert ended.exit_status == 4


def test_a_dry_run_offers_nothing_since_it_would_be_stored(scene: Scene) -> None:
    ended = run_here(
        scene.machine, "-u", SOURCE, "--dry-run", variables=NO_SESSION, person=Person()
    )
    assert "there is no session yet" in ended.stderr
    assert ended.exit_status == 4


def test_a_question_drives_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint for a password is any text that somebody has typed."""
    monkeypatch.setattr("sys.stdin", io.StringIO(" an answer \n"))
    terminal = Terminal()
    assert terminal.ask("hint: \x1b[2J\x07? ") == "an answer"
    terminal.show("Signed in as \x1b[2J\nAda")
    assert capsys.readouterr().err == "hint: �[2J�? Signed in as �[2J Ada\n"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", rpc="users.GetUsers", code=400, text="USER_ID_INVALID", times=None),
        Fault("flood_wait", rpc="users.GetUsers", seconds=39_600, times=None),
        Fault("internal_error", rpc="users.GetUsers", times=None),
    ],
)
def test_once_signed_in_the_session_is_kept_whatever_follows(scene: Scene, fault: Fault) -> None:
    """Signing in costs a code, of which Telegram sends few."""
    scene.telegram.faults.add(fault)
    ended = login(scene, answers=right_answers(scene))
    assert ended.exit_status == 0, ended.stderr
    path = scene.machine.data_directory / "telegram.session"
    assert f"Signed in. The session is in {path}\n" in ended.stderr
    scene.telegram.faults.clear()
    assert login(scene, answers=[]).stderr.endswith(f"Signed in as Ada. The session is in {path}\n")


def test_nothing_but_the_user_is_asked_for(scene: Scene) -> None:
    """What is pinned in Saved Messages may be anything, also what the library can't read."""
    assert login(scene, answers=right_answers(scene)).exit_status == 0
    calls = scene.telegram.statistics.counts().calls
    assert "users.GetUsers" in calls
    assert {name for name in calls if name.startswith(("messages.", "users.GetFull"))} == set()


def test_it_is_kept_even_where_the_program_itself_fails(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("something that nobody has thought of")

    monkeypatch.setattr(Login, "_own_name", fail)
    assert login(scene, answers=right_answers(scene)).exit_status == 1
    monkeypatch.undo()
    assert "Signed in as Ada." in login(scene, answers=[]).stderr
