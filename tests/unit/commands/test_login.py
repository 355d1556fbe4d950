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
from pyrogram.enums import NextCodeType, SentCodeType
from pyrogram.raw.types import auth

from standins.telegram.server import API_HASH, API_ID
from standins.telegram.service.faults import Fault
from standins.telegram.service.logins import CodeWay
from standins.telegram.world import worlds
from tdl_sync.commands.login import Terminal
from tdl_sync.telegram.session.login import NEXT_WAYS, WAYS, Login
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
SENT = "Telegram has sent the code to the app on your devices: see its chat Telegram."
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
    assert not (scene.machine.data_directory / "telegram.session").exists()


def test_what_is_known_is_not_asked_and_what_is_wrong_is_asked_again(scene: Scene) -> None:
    phone, code, password = right_answers(scene)
    wrong_code, wrong_password = Answer(CODE, "11111"), Answer(SECOND, "wrong horse")
    ended = login(scene, answers=[phone, wrong_code, code, wrong_password, password])
    path = scene.machine.data_directory / "telegram.session"
    assert ended.stderr == (
        f"{PHONE}{SENT}\n{CODE}That is not the code.\n"
        f"{CODE}{SECOND}That is not the password.\n{SECOND}"
        f"Signed in as Ada. The session is in\n{path}\n"
    )
    assert (ended.exit_status, ended.stdout) == (0, "")
    assert path.stat().st_mode & 0o777 == 0o600


WHERE = "Copy both from\nhttps://my.telegram.org/apps\nAPI id: "
API_ID_AGAIN = "The API id is a number such as 1234567.\nAPI id: "
API_HASH_AGAIN = "The API hash is 32 digits and letters from a to f.\nAPI hash: "


def test_the_app_is_asked_for_until_it_can_be_right_and_kept_with_the_session(
    scene: Scene,
) -> None:
    """The id before the hash, which costs a copy and is not shown."""
    app = [
        Answer(WHERE, "many"),
        Answer(API_ID_AGAIN, ""),
        Answer("\nAPI id: API id: ", f" {API_ID} "),
        Answer("API hash: ", "short"),
        Answer(API_HASH_AGAIN, f" {API_HASH} "),
    ]
    person = Person(*app, *right_answers(scene))
    ended = run_here(scene.machine, "login", variables=NOTHING_KNOWN, person=person)
    assert ended.exit_status == 0, ended.stderr
    assert API_HASH not in ended.stderr
    kept = scene.machine.data_directory / "telegram.session.app"
    assert kept.read_text() == f"{API_ID} {API_HASH}\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    # The next session needs no copy from a page.
    (scene.machine.data_directory / "telegram.session").unlink()
    person = Person(*right_answers(scene))
    ended = run_here(scene.machine, "login", variables=NOTHING_KNOWN, person=person)
    assert ended.exit_status == 0, ended.stderr


def test_an_app_that_telegram_does_not_know_is_asked_again(scene: Scene) -> None:
    """Also one that was kept; one of the environment is for its owner to change."""
    scene.telegram.faults.add(
        Fault("error", rpc="auth.SendCode", code=400, text="API_ID_INVALID", times=1)
    )
    phone, code, password = right_answers(scene)
    app = [Answer(WHERE, str(API_ID)), Answer("API hash: ", API_HASH)]
    person = Person(*app, phone, *app, phone, code, password)
    ended = run_here(scene.machine, "login", variables=NOTHING_KNOWN, person=person)
    assert "Telegram: it knows no app with this api id and hash. Copy both again" in ended.stderr
    assert ended.exit_status == 0, ended.stderr
    (scene.machine.data_directory / "telegram.session").unlink()
    scene.telegram.faults.add(
        Fault("error", rpc="auth.SendCode", code=400, text="API_ID_INVALID", times=1)
    )
    ended = login(scene, answers=[phone])
    assert ended.stderr.startswith(f"{PHONE}tdl_sync: Telegram: it knows no app with")
    assert ended.exit_status == 4
    assert_no_session(scene)


# --- the phone and the code ---------------------------------------------------------------------

NO_PHONE = (
    "A phone number is 7 to 15 digits that begin with the country code, such as +49 170 1234567.\n"
)


def test_what_can_be_no_phone_number_is_asked_again_and_spaces_are_no_mistake(
    scene: Scene,
) -> None:
    account = scene.world.account
    spaced = (
        f" +{account.phone[:1]} ({account.phone[1:4]}) {account.phone[4:7]}-{account.phone[7:]} "
    )
    answers = [
        Answer(PHONE, "me"),
        Answer(f"{NO_PHONE}{PHONE}", "0170 1234567"),
        Answer(f"{NO_PHONE}{PHONE}", ""),
        Answer(f"{PHONE}{PHONE}", spaced),
        Answer(f"{SENT}\n{CODE}", ""),
        Answer(f"{CODE}{CODE}", f" {account.login_code[:3]} {account.login_code[3:]} "),
        Answer(SECOND, ""),
        Answer(f"{SECOND}{SECOND}", PASSWORD),
    ]
    ended = login(scene, answers=answers)
    assert ended.exit_status == 0, ended.stderr


def test_a_number_that_telegram_takes_for_none_is_asked_again(scene: Scene) -> None:
    scene.telegram.faults.add(
        Fault("error", rpc="auth.SendCode", code=400, text="PHONE_NUMBER_INVALID", times=1)
    )
    taken = f"Telegram takes +4999999999 for no phone number.\n{PHONE}"
    phone, code, password = right_answers(scene)
    again = Answer(taken, phone.text)
    ended = login(scene, answers=[Answer(PHONE, "+49 9999 9999"), again, code, password])
    assert ended.exit_status == 0, ended.stderr


def test_a_code_that_does_not_come_is_sent_the_next_way_once_its_time_has_come(
    scene: Scene,
) -> None:
    scene.telegram._service.logins.ways = [
        CodeWay(auth.SentCodeTypeApp(length=5), auth.CodeTypeSms(), timeout_seconds=0),
        CodeWay(auth.SentCodeTypeSms(length=5), auth.CodeTypeCall(), timeout_seconds=86_400),
    ]
    phone, code, password = right_answers(scene)
    by_sms = (
        "Telegram has sent the code by SMS.\nIf it does not come: after 86400 s an empty line has "
        f"it sent by a phone call.\n{CODE}"
    )
    not_yet = f" s an empty line has it sent by a phone call.\n{CODE}"
    answers = [
        phone,
        Answer(f"after 0 s an empty line has it sent by SMS.\n{CODE}", ""),
        Answer(by_sms, ""),
        Answer(not_yet, code.text),
        password,
    ]
    ended = login(scene, answers=answers)
    assert f"{SENT}\nIf it does not come:" in ended.stderr
    assert ended.exit_status == 0, ended.stderr
    assert scene.telegram.statistics.counts().calls["auth.ResendCode"] == 1


def test_a_way_that_telegram_does_not_go_after_all_is_said(scene: Scene) -> None:
    scene.telegram._service.logins.ways = [
        CodeWay(auth.SentCodeTypeApp(length=5), auth.CodeTypeSms())
    ]
    phone, code, password = right_answers(scene)
    none = f"Telegram has no other way to send it.\n{CODE}"
    answers = [phone, Answer(CODE, ""), Answer(none, ""), code, password]
    ended = login(scene, answers=answers)
    assert ended.exit_status == 0, ended.stderr


@pytest.mark.parametrize(
    ("way", "where"),
    [
        (auth.SentCodeTypeSms(length=5), "by SMS"),
        (
            auth.SentCodeTypeFragmentSms(url="https://fragment.com/login", length=5),
            "to Fragment, where this number is from: https://fragment.com/my/numbers",
        ),
        (
            auth.SentCodeTypeEmailCode(email_pattern="a***@b.org", length=5),
            "by e-mail, to the address that this account signs in with",
        ),
    ],
    ids=["sms", "fragment", "e-mail"],
)
def test_it_is_said_where_the_code_went(scene: Scene, way: object, where: str) -> None:
    scene.telegram._service.logins.ways = [CodeWay(way)]
    ended = login(scene, answers=right_answers(scene))
    assert f"Telegram has sent the code {where}.\n{CODE}" in ended.stderr
    assert ended.exit_status == 0, ended.stderr


def test_every_way_that_the_library_knows_has_words() -> None:
    assert {way.name for way in SentCodeType} == {*WAYS, "SETUP_EMAIL_REQUIRED"}
    assert {way.name for way in NextCodeType} == NEXT_WAYS.keys()


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        ("PHONE_NUMBER_BANNED", "it has banned this phone number. Its app says how to appeal;"),
        ("UPDATE_APP_TO_LOGIN", "it sends no code to this program. Sign in without a code: "),
        ("API_ID_PUBLISHED_FLOOD", "everybody knows, and it takes no sign-in by it. Make your own"),
    ],
)
def test_a_refusal_says_what_to_do(scene: Scene, refusal: str, line: str) -> None:
    code = 406 if refusal == "UPDATE_APP_TO_LOGIN" else 400
    scene.telegram.faults.add(Fault("error", rpc="auth.SendCode", code=code, text=refusal))
    ended = login(scene, answers=right_answers(scene)[:1])
    assert line in ended.stderr
    assert ended.exit_status == 4
    assert_no_session(scene)


def test_an_account_that_needs_an_address_first_is_told_where_to_add_it(scene: Scene) -> None:
    scene.telegram._service.logins.ways = [CodeWay(auth.SentCodeTypeSetUpEmailRequired())]
    ended = login(scene, answers=right_answers(scene)[:1])
    assert ended.stderr.removeprefix(PHONE).rstrip("\n") == (
        "tdl_sync: Telegram: it wants an e-mail address for this account before it sends a code. "
        "Add one in the Telegram app (Settings > Privacy and Security > Login Email), or sign in "
        "without a code: tdl_sync.py login --qr"
    )
    assert ended.exit_status == 4
    assert_no_session(scene)


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
    assert f"Signed in. The session is in\n{path}\n" in ended.stderr
    scene.telegram.faults.clear()
    assert login(scene, answers=[]).stderr.endswith(
        f"Signed in as Ada. The session is in\n{path}\n"
    )


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
