"""Tokens in the configuration, which is the user's: renewed for all, and never spoilt."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tdl_sync.core.errors import RemoteUnreachable
from tdl_sync.remote.token_renewal import TokenRenewal, renew_token
from tests.contract.rclones import opened_control

NEVER = "0001-01-01T00:00:00Z"
"""How Go writes that there is no such time."""


def token(expiry: str, **more: str) -> str:
    return json.dumps({"access_token": "x", "token_type": "bearer", "expiry": expiry, **more})


def soon() -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=30)).isoformat()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("pcloud", token(NEVER)),
        ("dropbox", token(NEVER, refresh_token="r")),
        ("dropbox", '{"access_token": "x"}'),
        ("drive", token("2020-01-01T00:00:00Z")),
        ("drive", "no token at all"),
    ],
)
def test_a_token_that_is_good_for_ever_or_can_not_be_renewed_stays_as_it_is(
    tmp_path: Path, closing: ExitStack, kind: str, text: str
) -> None:
    """One that is said to be past its time would be of no use to anybody any more."""
    config = tmp_path / "rclone.conf"
    config.write_text(f"[box]\ntype = {kind}\ntoken = {text}\n")
    before = config.read_bytes()
    control = opened_control(closing, None, config)
    TokenRenewal(control, "box:x").in_time()
    renew_token(control, "box")
    assert config.read_bytes() == before


def test_where_the_network_is_dead_at_that_moment_the_token_stays_and_the_run_waits(
    tmp_path: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook that wakes up has no network yet: that is nobody's refusal."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    config = tmp_path / "rclone.conf"
    old = token(soon(), refresh_token="r")
    section = "type = drive\nclient_id = c\nclient_secret = s"
    config.write_text(f"[gdrive]\n{section}\ntoken = {old}\n")
    control = opened_control(closing, None, config, "--low-level-retries=1", "--contimeout=1s")
    with pytest.raises(RemoteUnreachable):
        TokenRenewal(control, "gdrive:x").in_time()
    assert json.loads(control.sections()["gdrive"]["token"]) == json.loads(old)
