"""While rclone makes up a listing it tidies up its memory sooner, and then again as before."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping
from tdl_sync.remote.rclone import Rclone
from tdl_sync.remote.remote_control import Remote
from tests.contract.rclones import opened_control
from tests.waiting import in_thread, result_of, until

NO_LIMIT = 2**63 - 1
OF_THE_USER = 300 * 1024 * 1024


def limit_bytes(rclone: Rclone) -> object:
    only_ask = {"mem-limit": -1}
    return rclone.call("debug/set-soft-memory-limit", only_ask)["existing-mem-limit"]


def gc_percent(rclone: Rclone) -> object:
    """There is no way to ask without setting it: what rclone begins with is what it gets."""
    return rclone.call("debug/set-gc-percent", {"gc-percent": 100})["existing-gc-percent"]


@pytest.mark.parametrize(
    ("variable", "before"), [(None, NO_LIMIT), (f"{OF_THE_USER}B", OF_THE_USER)]
)
def test_a_limit_for_memory_holds_while_something_is_listed_and_the_users_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, before: int
) -> None:
    monkeypatch.delenv("GOMEMLIMIT", raising=False)
    monkeypatch.delenv("GOGC", raising=False)
    if variable is not None:
        monkeypatch.setenv("GOMEMLIMIT", variable)
    with DriveStandIn() as drive, ExitStack() as closing:
        for name, value in drive.environment().items():
            monkeypatch.setenv(name, value)
        control = opened_control(closing, None, drive.rclone_config(tmp_path))
        rclone, remote = control.rclone, Remote("gdrive:")
        assert control.files(remote) == []
        assert (limit_bytes(rclone), gc_percent(rclone)) == (before, 100)
        drive.shaping = Shaping(call_seconds=3.0)
        listing = in_thread(lambda: control.files(remote))
        if variable is None:
            until(lambda: limit_bytes(rclone) != before)
        else:
            until(lambda: gc_percent(rclone) != 100)
            assert limit_bytes(rclone) == before
        drive.shaping = Shaping()
        assert result_of(listing) == []
        assert (limit_bytes(rclone), gc_percent(rclone)) == (before, 100)
