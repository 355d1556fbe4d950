"""What a user's environment does to rclone's remote control, and what nobody gets through it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.contract.remote.remote_control.conftest import Start
from tests.contract.remote.remote_control.raw_rclone import PASSWORD, RawRclone
from tests.waiting import until

ANYWHERE = "0.0.0.0"


def listening(rclone: RawRclone) -> set[str]:
    sockets = psutil.Process(rclone.process.pid).net_connections()
    return {str(one.laddr.ip) for one in sockets if one.status == psutil.CONN_LISTEN}


def noop(rclone: RawRclone, password: str | None = PASSWORD) -> int:
    return rclone.post("/rc/noop", b"{}", "application/json", password).status


def test_it_listens_on_one_port_of_this_machine_alone(rclone: RawRclone) -> None:
    sockets = psutil.Process(rclone.process.pid).net_connections()

    (listens,) = [one for one in sockets if one.status == psutil.CONN_LISTEN]
    assert (listens.laddr.ip, listens.laddr.port) == ("127.0.0.1", rclone.port)


def test_nothing_is_said_without_the_password(rclone: RawRclone) -> None:
    """An older one answers OPTIONS, a browser's question before a call, with nothing."""
    for path in ["/", "/rc/noop", "/rc/error", "/metrics", "/[x:]/y", "/nowhere"]:
        for password in [None, "another", ""]:
            for method in ["GET", "POST", "HEAD", "PUT", "DELETE"]:
                assert rclone.status_of(method, path, password) == 401, (method, path)


def test_the_user_s_passwords_file_replaces_the_password(start: Start, tmp_path: Path) -> None:
    passwords = tmp_path / "htpasswd"
    passwords.write_text("other:$apr1$x$y\n")

    assert noop(start(environment={"RCLONE_RC_HTPASSWD": str(passwords)})) == 401


@pytest.mark.parametrize("variable", ["RCLONE_RC_ADDR", "RCLONE_METRICS_ADDR"])
def test_a_newer_one_also_listens_where_the_user_s_environment_says(
    start: Start, variable: str, is_current: bool
) -> None:
    rclone = start(environment={variable: f"{ANYWHERE}:0"})

    assert noop(rclone) == 200
    if is_current:
        until(lambda: len(listening(rclone)) > 1)
    assert (len(listening(rclone)) > 1) == is_current


def test_a_base_path_hides_all_calls(start: Start) -> None:
    assert noop(start(environment={"RCLONE_RC_BASEURL": "/base"})) == 404


@pytest.mark.parametrize(
    "variables",
    [
        {"RCLONE_RC_CERT": "/nowhere"},
        {"RCLONE_QUIET": "true"},
        {"RCLONE_LOG_LEVEL": "ERROR"},
        {"RCLONE_AUTH_PROXY": "/nowhere"},
    ],
    ids=str,
)
def test_variables_that_end_it(start: Start, variables: dict[str, str]) -> None:
    assert start(environment=variables).exit_status() != 0


def test_with_a_log_file_it_does_not_say_where_it_listens(executable: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    rclone = RawRclone(executable, "", {"RCLONE_LOG_FILE": str(log)})
    rclone.begin_to_start()
    try:
        until(lambda: log.exists() and b"Serving remote control" in log.read_bytes())
        assert not rclone.logged("Serving remote control")
    finally:
        rclone.end()


@pytest.mark.parametrize(
    "variable",
    ["ADDR", "KEY", "USER", "PASS", "RC_NO_AUTH", "RC_SERVE", "RC_ENABLE_METRICS", "STDIO"],
)
def test_variables_that_change_nothing_here(start: Start, variable: str) -> None:
    values = {"ADDR": f"{ANYWHERE}:0", "KEY": "/nowhere", "USER": "a", "PASS": "b"}
    rclone = start(environment={f"RCLONE_{variable}": values.get(variable, "true")})

    assert noop(rclone) == 200
    assert noop(rclone, None) == 401
    assert listening(rclone) == {"127.0.0.1"}


def test_its_log_holds_the_password(rclone: RawRclone) -> None:
    """So it is not to be shown as it is."""
    assert any(PASSWORD in line for line in rclone.log)


def test_its_log_holds_what_calls_were_given(start: Start) -> None:
    rclone = start(config="[x]\ntype = alias\nremote = /\n")
    secret = "a secret of the user's"
    assert rclone.call("rc/noop", secret=secret).succeeded

    until(lambda: any("reply" in line and secret in line for line in rclone.log))
    assert any("with parameters" in line and secret in line for line in rclone.log)


def test_the_first_lines_of_its_log_are_not_in_the_form_that_was_asked_for(
    rclone: RawRclone,
) -> None:
    assert any(
        line.endswith(' from environment variable RCLONE_RC_USER="a user"\n')
        and not line.startswith("{")
        for line in rclone.log
    )
