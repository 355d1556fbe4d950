"""The session that another program has here is taken over once Telegram takes it."""

from __future__ import annotations

import stat
from pathlib import Path

from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession

from standins.telegram.server import session_string
from standins.telegram.world import worlds
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved
from tests.e2e.program import SOURCE, Ended
from tests.in_process import Answer, Person, run_here
from tests.unit.telegram.session.test_foreign_session import a_telethon_file

NO_SESSION = {"TDL_SYNC_SESSION_STRING": None}


def login(scene: Scene, source: Path | str, **variables: str | None) -> Ended:
    return run_here(
        scene.machine, "login", "--import", str(source), variables={**NO_SESSION, **variables}
    )


def test_a_session_of_telethon_is_ours_once_telegram_takes_it(stage: Stage, tmp_path: Path) -> None:
    """The next run goes by it; their file is as it was."""
    scene = stage(worlds.files(sizes=[1000]))
    key = scene.telegram.new_auth_key()
    theirs = a_telethon_file(tmp_path)
    session = SQLiteSession(str(theirs))
    session.set_dc(key.dc_id, "149.154.167.51", 443)
    session.auth_key = AuthKey(key.key)
    session.save()
    session.close()
    before = theirs.read_bytes()
    ours = scene.machine.data_directory / "telegram.session"

    without = {"TDL_SYNC_API_ID": None, "TDL_SYNC_API_HASH": None}
    refused = login(scene, theirs, **without)
    assert (refused.exit_status, ours.exists()) == (2, False)
    assert "does not say which app made it; set TDL_SYNC_API_ID" in refused.stderr
    ended = login(scene, theirs)
    assert ended.exit_status == 0, ended.stderr
    assert f"Signed in as Ada. The session is in\n{ours}\nIt is Telethon's still" in ended.stderr
    assert "AUTH_KEY_DUPLICATED" in ended.stderr
    assert stat.S_IMODE(ours.stat().st_mode) == 0o600
    assert theirs.read_bytes() == before
    assert_moved(run_here(scene.machine, "-u", SOURCE, variables=NO_SESSION), 1)

    again = login(scene, theirs)
    assert again.exit_status == 2
    assert "there is a session already" in again.stderr


def test_a_key_that_telegram_does_not_know_leaves_nothing_and_no_session_is_an_argument(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    ours = scene.machine.data_directory / "telegram.session"
    text = session_string(scene.telegram.new_auth_key(), 5)
    given = login(scene, text)
    assert (given.exit_status, text in given.stderr) == (2, False)
    assert "not the session itself, which other users could see" in given.stderr

    unknown = text[:40] + ("A" if text[40] != "A" else "B") + text[41:]
    (tmp_path / "theirs").write_text(unknown)
    refused = login(scene, tmp_path / "theirs")
    assert (refused.exit_status, ours.exists()) == (4, False), refused.stderr
    assert list(scene.machine.data_directory.glob("telegram.session*")) == []

    nothing_known = {**NO_SESSION, "TDL_SYNC_API_ID": None, "TDL_SYNC_API_HASH": None}
    person = Person(Answer("Session string: ", text))
    ended = run_here(
        scene.machine, "login", "--import", "-", variables=nothing_known, person=person
    )
    assert (ended.exit_status, ours.exists()) == (0, True), ended.stderr
    assert "It is Pyrogram's still" in ended.stderr
    assert text not in ended.stderr
