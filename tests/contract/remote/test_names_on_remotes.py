"""The names that are made for remotes arrive there unchanged, with the real rclone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tdl_sync.core.naming import file_name, folder_name
from tests.unit.core.test_naming import HOSTILE, chat, item

OBSCURED_PASSWORD = "8RfwdqxJ3jdk1n07bXGGY0XqPrJRIg"


def rclone(*arguments: str) -> str:
    command = ["rclone", "--config", "", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


ON_WINDOWS = (
    "Slash,LtGt,DoubleQuote,Colon,Question,Asterisk,Pipe,BackSlash,Ctl,RightSpace,RightPeriod,"
    "InvalidUtf8,Dot"
)
"""What rclone spells otherwise there (https://rclone.org/local/#restricted-characters)."""


@pytest.mark.parametrize("kind", ["plain", "crypt", "windows"])
def test_names_arrive_unchanged_and_fit_even_when_encrypted(kind: str, tmp_path: Path) -> None:
    made = {file_name(item(name, number)) for number, name in enumerate(HOSTILE, start=1)}
    made |= {file_name(item("x" * 300, 2**31 - 1)), folder_name(chat("я" * 200))}
    staged = tmp_path / "staged"
    staged.mkdir()
    for name in made:
        (staged / name).write_bytes(b"x")
    remote = f"{tmp_path}/remote"
    if kind == "crypt":
        remote = f":crypt,remote={tmp_path}/remote,password={OBSCURED_PASSWORD}:"
    if kind == "windows":
        remote = f':local,encoding="{ON_WINDOWS}":{tmp_path}/remote'
    rclone("copy", str(staged), remote)
    if kind != "crypt":
        assert {path.name for path in Path(tmp_path, "remote").iterdir()} == made
    assert {entry["Name"] for entry in json.loads(rclone("lsjson", remote))} == made
