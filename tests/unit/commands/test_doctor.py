"""``doctor`` looks at each part by itself: what is wrong with one hides no other."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from tdl_sync.cli.parse import parse_config
from tdl_sync.commands.doctor import Finding, examine
from tdl_sync.core.errors import ConfigurationError
from tdl_sync.telegram.session.decryption import in_use
from tests.e2e.conftest import Scene, Stage
from tests.e2e.program import Ended
from tests.in_process import run_here

NO_SESSION = {"TDL_SYNC_SESSION_STRING": None}


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return stage(worlds.files(sizes=[1000]))


def findings(ended: Ended) -> dict[str, str]:
    """What is said of each part, with its verdict before it."""
    found = {}
    for line in ended.stdout.splitlines():
        verdict, _, rest = line.partition("  ")
        part, _, text = rest.partition(": ")
        found[part] = f"{verdict}: {text}"
    return found


def wrong_parts(ended: Ended) -> list[str]:
    return [part for part, text in findings(ended).items() if text.startswith("WRONG: ")]


def test_programs_get_the_same_as_one_array_and_the_same_status(scene: Scene) -> None:
    said = run_here(scene.machine, "doctor", variables=NO_SESSION)
    ended = run_here(scene.machine, "doctor", "--json", variables=NO_SESSION)
    records = json.loads(ended.stdout)
    verdicts = {True: "right: ", False: "WRONG: "}
    shown = {each["part"]: verdicts[each["right"]] + each["text"] for each in records}
    assert shown.keys() == findings(said).keys()
    assert [part for part, text in shown.items() if text.startswith("WRONG")] == wrong_parts(said)
    assert shown["remote"].startswith("right: box:files takes files")
    (wrong,) = (each for each in records if not each["right"])
    assert (wrong["part"], wrong["exit_status"], ended.exit_status) == ("Telegram session", 4, 4)
    assert said.exit_status == 4
    assert ended.stderr == ""


def test_a_machine_that_is_ready_has_a_line_for_each_part(scene: Scene) -> None:
    machine = scene.machine
    machine.staging_directory.mkdir()
    (machine.staging_directory / "1-2-3.staged").write_bytes(b"x" * 10)
    ended = run_here(machine, "doctor", "--max-disk=5M")
    said = findings(ended)
    assert said["Python"].endswith(f"({sys.executable})")
    assert said["tgcrypto"].startswith(f"right: installed; {in_use()} decrypts")
    assert said["data directory"].startswith(f"right: {machine.data_directory}, ")
    assert said["data directory"].endswith(" free")
    assert said["staging disk"].startswith(f"right: 5.0 MB in {machine.staging_directory}")
    assert said["rclone's configuration"] == f"right: {machine.rclone_config}: box: (alias)"
    assert said["remote"].startswith("right: box:files takes files, ")
    account_id = scene.world.account.user_id
    assert said["Telegram session"] == f"right: signed in, account {account_id}"
    assert said["clock"] == "right: agrees with Telegram's"
    assert (ended.exit_status, ended.stderr, wrong_parts(ended)) == (0, "", [])
    assert len(ended.stdout.splitlines()) == 9
    assert machine.data_directory.stat().st_mode & 0o777 == 0o700


def test_a_part_that_is_wrong_says_its_mend_and_the_others_are_looked_at(scene: Scene) -> None:
    ended = run_here(
        scene.machine,
        *("doctor", "--staging=/proc/none", "--rclone-config=/none/rclone.conf"),
        variables=NO_SESSION,
    )
    said = findings(ended)
    assert said["staging disk"].endswith("choose another with --staging")
    assert said["rclone's configuration"].endswith(
        "make it with `rclone config` or name another with --rclone-config"
    )
    assert said["Telegram session"].endswith("Please log in: tdl_sync.py login")
    assert wrong_parts(ended) == ["staging disk", "rclone's configuration", "Telegram session"]
    # Of a remote and a clock nothing can be said without these.
    assert [part for part in said if part in ("remote", "clock")] == []
    assert ended.exit_status == 2


def test_without_rclone_nothing_is_said_of_its_configuration(scene: Scene) -> None:
    machine = scene.machine
    in_the_way = machine.directory / "file"
    in_the_way.write_text("in the way")
    ended = run_here(machine, "doctor", "--rclone=/no/rclone", f"--data-dir={in_the_way}/below")
    said = findings(ended)
    assert said["rclone"].startswith("WRONG: there is no rclone at '/no/rclone'; install rclone ")
    assert said["data directory"].endswith(
        "cannot be made: Not a directory; choose another with --data-dir"
    )
    assert [part for part in said if part in ("rclone's configuration", "remote")] == []
    assert ended.exit_status == 2


def test_only_a_session_that_telegram_refuses_is_a_status_of_its_own(scene: Scene) -> None:
    ended = run_here(scene.machine, "doctor", "--rclone=/no/rclone", variables=NO_SESSION)
    assert (wrong_parts(ended), ended.exit_status) == (["rclone", "Telegram session"], 2)
    scene.telegram.faults.add(Fault("session_revoked", times=None))
    ended = run_here(scene.machine, "doctor")
    assert "(SESSION_REVOKED). Please log in again" in findings(ended)["Telegram session"]
    assert (wrong_parts(ended), ended.exit_status) == (["Telegram session"], 4)


def test_a_remote_that_takes_no_files_is_wrong_though_it_is_configured(scene: Scene) -> None:
    scene.machine.remote_directory.write_text("in the way")
    ended = run_here(scene.machine, "doctor")
    assert findings(ended)["remote"].startswith("WRONG: rclone can't write to 'box:files': ")
    assert (wrong_parts(ended), ended.exit_status) == (["remote"], 2)


def test_a_configuration_that_may_only_be_read_is_right_and_said_to_be_copied(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's answer is given for it here, since root may write everywhere."""
    machine, allows = scene.machine, os.access

    def access(path: Any, mode: int, **how: Any) -> bool:
        is_its_directory = Path(path) == machine.rclone_config.parent.resolve()
        return not (is_its_directory and mode == os.W_OK) and allows(path, mode, **how)

    monkeypatch.setattr(os, "access", access)
    ended = run_here(machine, "doctor")
    assert findings(ended)["rclone's configuration"] == (
        f"right: {machine.rclone_config}: box: (alias); "
        "it can't be written: renewed tokens go into a copy"
    )
    assert ended.exit_status == 0
    assert (machine.data_directory / "rclone.conf").stat().st_mode & 0o777 == 0o600


def test_a_configuration_without_the_remote_says_which_ones_there_are(scene: Scene) -> None:
    machine = scene.machine
    machine.rclone_config.write_text("[b]\ntype = alias\nremote = /x\n[a]\ntype = memory\n")
    ended = run_here(machine, "doctor")
    said = findings(ended)
    assert said["rclone's configuration"].endswith("rclone.conf: a: (memory), b: (alias)")
    assert said["remote"].startswith("WRONG: rclone knows no remote 'box', only: a:, b:; make it ")
    machine.rclone_config.write_text("")
    ended = run_here(machine, "doctor", f"--remote={machine.remote_directory}")
    said = findings(ended)
    assert said["rclone's configuration"].endswith("rclone.conf: no remote")
    assert said["remote"].startswith(f"right: {machine.remote_directory} takes files")


def test_each_finding_is_one_line_that_drives_no_terminal() -> None:
    assert Finding("remote", "a\x1b[2J\nb").line() == "right  remote: a�[2J b"
    assert Finding("remote", "c", 4).line() == "WRONG  remote: c"


def test_a_python_that_is_too_old_is_wrong_and_said_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    first = next(examine(parse_config(["doctor"], {})))
    assert (first.part, first.exit_status) == ("Python", ConfigurationError.exit_status)
    assert "and at least 3.10 is needed; install a newer Python" in first.text
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert next(examine(parse_config(["doctor"], {}))).exit_status == 0


def test_tgcrypto_that_is_missing_is_wrong_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "tgcrypto", raising=False)
    monkeypatch.setattr(sys, "path", [])
    examined = examine(parse_config(["doctor"], {}))
    _, found = next(examined), next(examined)
    assert (found.part, found.exit_status) == ("tgcrypto", 2)
    assert found.text.endswith("install it: python3 -m pip install tgcrypto-pyrofork")
