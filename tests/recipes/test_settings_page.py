"""Three chats, one settings file, one line in the crontab: as docs/settings.md shows them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from scripts import reaper
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Stage, stage
from tests.e2e.expectations import state_texts
from tests.e2e.program import PATIENCE_SECONDS, PROGRAM, RCLONE, ROOT
from tests.recipes.hosts import cron_variables

__all__ = ["stage"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="cron is of POSIX systems")

PAGE = (ROOT / "docs" / "settings.md").read_text()


def shown() -> tuple[str, str]:
    """The file, and the job of the line."""
    section = PAGE.partition("## Several chats and cron")[2].partition("\n## ")[0]
    (settings,) = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    (line,) = re.findall(r"```text\n(.*?)\n```", section, re.DOTALL)
    *times, job = line.split(maxsplit=5)
    assert times == ["17", "*", "*", "*", "*"]
    assert "%" not in job, "cron reads it as the end of the line"
    return settings, job


def test_the_file_and_the_line_that_are_shown_move_three_chats_and_mail_nothing(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    world, home = scene.world, scene.machine.directory / "home"
    world.source.username = "films"
    music = next(c for c in world.channels.values() if c.username == "stand_in_news")
    music.username = "music"
    music.append(file=FilePlan("audio", 300, "song.mp3", "audio/mpeg", 2))
    music.append(file=FilePlan("document", 400, "text.pdf", "application/pdf", 2))
    world.saved_messages.append(file=FilePlan("document", 500, "mine.pdf", "application/pdf", 2))

    settings, job = shown()
    own = scene.telegram.environment()
    connection = "".join(
        f'{name} = "{own[variable]}"\n'
        for name, variable in (
            ("proxy", "TDL_SYNC_PROXY"),
            ("session-string", "TDL_SYNC_SESSION_STRING"),
        )
    )
    for path, text in (
        (".config/tdl-sync/config.toml", f'{connection}rclone = "{RCLONE}"\n{settings}'),
        (
            ".config/rclone/rclone.conf",
            f"[gdrive]\ntype = alias\nremote = {home}/gdrive\n"
            f"[box]\ntype = alias\nremote = {home}/box\n",
        ),
        (".local/bin/tdl-sync", f'#!/bin/sh\nexec "{sys.executable}" "{PROGRAM}" "$@"\n'),
    ):
        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o700 if path.endswith("tdl-sync") else 0o600)

    for moved_bytes in (1000 + 2000 + 300 + 500, 0):  # an hour later nothing is moved again
        ended = subprocess.run(
            ["/bin/sh", "-c", job],
            cwd=home,
            env={**cron_variables(home), **reaper.mark()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            text=True,
        )
        log = (home / "tdl-sync.log").read_text()
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", ""), log
        result = [line for line in log.splitlines() if "result: " in line][-1]
        assert "status=complete" in result
        assert f"bytes={moved_bytes}" in result.split()
    names = sorted(
        f"{folder}/{path.name}"
        for folder in ("gdrive/films", "gdrive/music", "box/mine")
        for path in (home / folder).rglob("*_*")
        if path.is_file()
    )
    assert [name.partition("_")[2] for name in names] == [
        "mine.pdf",
        "file-1.bin",
        "file-2.bin",
        "song.mp3",
    ]
    assert len(state_texts(world)) == 3
