"""A person signs in at a terminal, and the session that is stored or printed moves files."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import pytest
import qrcode

from standins.telegram.server import API_HASH, API_ID, StandIn
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE, Machine
from tests.e2e.terminal import Terminal, at_terminal
from tests.in_process import run_here

PASSWORD = "correct horse"
NO_SESSION = {"TDL_SYNC_SESSION_STRING": None}
NOTHING_KNOWN = {**NO_SESSION, "TDL_SYNC_API_ID": None, "TDL_SYNC_API_HASH": None}


@pytest.fixture
def scene(stage: Stage) -> Scene:
    """An account with a second password, and a small channel."""
    world = worlds.files(sizes=[1000, 2000])
    world.account = replace(world.account, password=PASSWORD)
    return stage(world)


def sign_in(terminal: Terminal, scene: Scene) -> None:
    """Phone, code and password, the last two wrong at first."""
    account = scene.world.account
    terminal.answer("Phone number, with the country code (+49…): ", f"+{account.phone}")
    terminal.answer("Code that Telegram sent you: ", "11111")
    terminal.expect("That is not the code.")
    terminal.answer("Code that Telegram sent you: ", account.login_code)
    terminal.answer("Two-step password (hint: the usual one): ", "wrong horse")
    terminal.expect("That is not the password.")
    terminal.answer("Two-step password (hint: the usual one): ", PASSWORD)


def test_sync_offers_to_sign_in_asks_for_all_that_it_needs_and_goes_on(scene: Scene) -> None:
    """The session is stored for the owner alone, and the next run asks nothing."""
    machine = scene.machine
    with at_terminal(machine, "-u", SOURCE, variables=NOTHING_KNOWN) as terminal:
        terminal.answer("There is no Telegram session yet. Sign in now? [Y/n] ", "")
        terminal.expect("Copy both from\nhttps://my.telegram.org/apps")
        terminal.answer("API id: ", str(API_ID))
        terminal.answer("API hash: ", API_HASH)
        sign_in(terminal, scene)
        path = machine.data_directory / "telegram.session"
        terminal.expect(f"Signed in as Ada. The session is in\n{path}")
        assert terminal.wait() == 0
    assert terminal.stdout == (
        "result: status=complete seen=2 done=2 skipped=0 failed=0 bytes=3000\n"
    )
    assert "2 moved now, 0 there before" in terminal.shown
    assert PASSWORD not in terminal.shown
    assert API_HASH not in terminal.shown
    assert path.stat().st_mode & 0o777 == 0o600
    assert machine.data_directory.stat().st_mode & 0o777 == 0o700
    assert_moved(run_here(machine, "-u", SOURCE, "--restart", variables=NOTHING_KNOWN), 2)
    assert_on_remote(machine, (scene.world.source, wanted(scene.world.source)))


def test_the_printed_session_works_on_a_machine_that_has_no_terminal(
    scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    arguments = ("login", "--print-session")
    with at_terminal(scene.machine, *arguments, variables=NO_SESSION) as terminal:
        sign_in(terminal, scene)
        terminal.expect("Keep this secret, and use it on one machine only:")
        assert terminal.wait() == 0
    session_string = terminal.stdout.strip()
    assert terminal.stdout == f"{session_string}\n"
    assert session_string not in terminal.shown
    elsewhere = Machine(tmp_path_factory.mktemp("elsewhere"), scene.telegram)
    ended = run_here(elsewhere, "-u", SOURCE, variables={"TDL_SYNC_SESSION_STRING": session_string})
    assert_moved(ended, 2)
    assert_on_remote(elsewhere, (scene.world.source, wanted(scene.world.source)))


def link_of(telegram: StandIn) -> str:
    """What a phone's camera would read from the code that is shown now."""
    (token,) = telegram._service.logins.tokens
    return "tg://login?token=" + base64.urlsafe_b64encode(token).decode()


def drawing(link: str) -> str:
    code = qrcode.QRCode(border=2)
    code.add_data(link)
    drawn = io.StringIO()
    code.print_ascii(out=drawn, tty=False, invert=True)
    return drawn.getvalue().strip("\n")


def test_a_code_that_a_phone_scans_signs_in_too(scene: Scene) -> None:
    with at_terminal(scene.machine, "login", "--qr", variables=NO_SESSION) as terminal:
        terminal.expect("Link Desktop Device, then scan this (it is renewed every half minute):")
        link = link_of(scene.telegram)
        terminal.expect(drawing(link))
        scene.telegram.accept_login_token(link)
        terminal.answer("Two-step password (hint: the usual one): ", PASSWORD)
        terminal.expect("Signed in as Ada.")
        assert terminal.wait() == 0
    assert_moved(run_here(scene.machine, "-u", SOURCE, variables=NO_SESSION), 2)


def test_ctrl_c_at_a_question_leaves_at_once_and_leaves_no_session(scene: Scene) -> None:
    """Also at one whose answer is not shown."""
    with at_terminal(scene.machine, "login", variables=NO_SESSION) as terminal:
        terminal.answer("Phone number", f"+{scene.world.account.phone}")
        terminal.answer("Code that Telegram sent you: ", scene.world.account.login_code)
        terminal.expect("Two-step password")
        terminal.type("\x03")
        assert terminal.wait() == 130
    assert "Traceback" not in terminal.shown
    assert not list(scene.machine.data_directory.glob("*.session*"))
