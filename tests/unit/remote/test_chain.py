"""What lies below a remote is found through any chain of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdl_sync.remote.chain import (
    drives_side_by_side,
    kinds_below,
    local_directory,
    with_drive_option,
)

SECTIONS = {
    "gdrive": {"type": "drive"},
    "gdrive-2": {"type": "drive"},
    "crypt": {"type": "crypt", "remote": "gdrive:a b"},
    "union": {"type": "union", "upstreams": 'crypt: "gdrive-2:x y" /disk'},
    "combine": {"type": "combine", "upstreams": 'f=union:z "g h=/disk"'},
    "alias": {"type": "alias", "remote": "/disk/r"},
    "alias-2": {"type": "alias", "remote": "alias:sub"},
    "circle": {"type": "alias", "remote": "circle:"},
    "crypt-here": {"type": "crypt", "remote": "/disk"},
    "here": {"type": "local"},
}
CRYPT_ONCE = "crypt,remote=''gdrive,OPT:a b'':"


@pytest.mark.parametrize(
    ("remote", "kinds", "added"),
    [
        ("gdrive:x", "drive", ",OPT"),
        ("gdrive,chunk_size=8M:x", "drive", ",OPT"),
        (":drive,scope=drive:x", "drive", ",OPT"),
        ("crypt:x", "crypt drive", ",remote='gdrive,OPT:a b'"),
        ('crypt,description="a:b":x', "crypt drive", ",remote='gdrive,OPT:a b'"),
        ("crypt,remote='gdrive-2:':x", "crypt drive", ",remote='gdrive-2,OPT:'"),
        (":crypt,remote='gdrive:a':x", "crypt drive", ",remote='gdrive,OPT:a'"),
        (
            "union:",
            "crypt drive local union",
            f""",upstreams='"{CRYPT_ONCE}" "gdrive-2,OPT:x y" /disk'""",
        ),
        ("alias:gdrive:x", "alias local", ""),
        ("circle:", "alias", ""),
        ("/gdrive:x", "local", ""),
    ],
)
def test_each_drive_is_found_and_opened_with_the_option(
    remote: str, kinds: str, added: str
) -> None:
    assert kinds_below(SECTIONS, remote) == set(kinds.split())
    assert with_drive_option(SECTIONS, remote, "OPT") == added


def test_in_a_chain_of_many_each_drive_gets_the_option_and_all_is_still_found() -> None:
    before = "combine:f"
    after = f"combine{with_drive_option(SECTIONS, before, 'OPT')}:f"
    assert after.count(",OPT:") == 2
    assert kinds_below(SECTIONS, after) == kinds_below(SECTIONS, before)


def test_a_variable_wins_over_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RCLONE_CONFIG_CRYPT_HERE_REMOTE", "gdrive:")
    assert kinds_below(SECTIONS, "crypt-here:") == {"crypt", "drive"}


def test_the_drives_of_a_union_are_told() -> None:
    assert drives_side_by_side(SECTIONS, "combine:f") == {"gdrive-2:x y"}
    assert drives_side_by_side(SECTIONS, "crypt:") == frozenset()


@pytest.mark.parametrize(
    ("remote", "directory"),
    [
        ("/disk/x", "/disk/x"),
        ("alias:x", "/disk/r/x"),
        ("alias-2:", "/disk/r/sub"),
        ("here:/disk", "/disk"),
        (":local:/disk", "/disk"),
        ("crypt-here:x", None),
        ("gdrive:x", None),
        ("circle:", None),
    ],
)
def test_where_files_lie_on_this_machine_under_their_names(
    remote: str, directory: str | None
) -> None:
    assert local_directory(SECTIONS, remote) == (directory and Path(directory))
