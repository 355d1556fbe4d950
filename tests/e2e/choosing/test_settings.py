"""One settings file for several chats, each with a remote and a choice of its own."""

from __future__ import annotations

from pathlib import Path

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_moved, assert_refused, state_texts, the_state
from tests.e2e.follow.conftest import Stay, stay
from tests.e2e.program import NOTHING_DONE, SOURCE
from tests.in_process import run_here

__all__ = ["stay"]

TWO_CHATS = """
[[chat]]
url = "@stand_in_source"
remote = "box:films"
include = ["bin"]
sidecar = true

[[chat]]
url = "@stand_in_news"
remote = "other:news"
type = "photo"
name = "{type}/{stem}.{ext}"
"""
PHOTO = FilePlan("photo", 700, None, "image/jpeg", 2)


def settings(scene: Scene, text: str) -> Path:
    """As the user's own file; nothing but it says where files go."""
    machine = scene.machine
    machine.variables.pop("TDL_SYNC_REMOTE", None)
    other = machine.directory / "other"
    with machine.rclone_config.open("a") as file:
        file.write(f"[other]\ntype = alias\nremote = {other}\n")
    path = Path(machine.variables["HOME"]) / ".config" / "tdl-sync" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o600)
    return other


def two_chats(stage: Stage) -> tuple[Scene, Channel]:
    scene = stage(worlds.files(sizes=[1000, 20]))
    news = next(c for c in scene.world.channels.values() if c.username == "stand_in_news")
    news.append(file=FilePlan("document", 300, "a.bin", "application/octet-stream", 2))
    news.append(file=PHOTO)
    return scene, news


def names_below(directory: Path) -> list[str]:
    return sorted(
        "/".join(path.relative_to(directory).parts[1:])
        for path in directory.rglob("*")
        if path.is_file()
    )


def test_the_program_alone_moves_every_chat_as_its_table_says(stage: Stage) -> None:
    scene, _ = two_chats(stage)
    other = settings(scene, TWO_CHATS)
    films = scene.machine.remote_directory / "films"
    shown = run_here(scene.machine, "--dry-run")
    assert shown.numbers()["seen"] == 4
    assert f"-> box:films, 'Stand-in_ all kinds [{scene.world.source.chat_id}]'" in shown.stdout
    assert "-> other:news, " in shown.stdout
    ended = run_here(scene.machine)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert (ended.numbers()["done"], ended.numbers()["skipped"]) == (3, 1)
    photo = next(name for name in names_below(other / "news"))
    assert (photo.split("/")[0], photo.endswith(".jpg")) == ("photo", True)
    assert len(names_below(other / "news")) == 1
    moved = [name for name in names_below(films) if name.endswith(".bin")]
    assert len(moved) == 2
    assert len(names_below(films)) == 4  # with a sidecar each
    assert len(state_texts(scene.world)) == 2
    again = run_here(scene.machine)
    assert again.numbers()["seen"] == 0
    compared = run_here(scene.machine, "verify")
    assert (compared.exit_status, compared.numbers()["there"]) == (0, 3), compared.stdout
    # The one that is named by hand goes its own way, too; under another name it is not guessed.
    scene.world.source.append(file=FilePlan("document", 30, "b.bin", "text/plain", 2))
    by_id = run_here(scene.machine, "-u", str(scene.world.source.chat_id), "--remote=box:x")
    assert (by_id.exit_status, by_id.numbers()["done"]) == (2, 0)
    assert "has a table of its own in the settings file, where it is called" in by_id.said
    assert_moved(run_here(scene.machine, "-u", "https://t.me/stand_in_source"), 1)
    assert len([name for name in names_below(films) if name.endswith(".bin")]) == 3


def test_what_is_told_and_kept_of_a_run_holds_for_all_its_remotes(
    stage: Stage, tmp_path: Path
) -> None:
    scene, _ = two_chats(stage)
    told, page = tmp_path / "told", tmp_path / "watch.html"
    command = f'sh -c \'printf "%s\\\\n" "$SYNC_REMOTE" >> {told}\''
    of_the_run = (
        f'bwlimit = "100M"\npage = "{page}"\ncatalogue = true\n'
        f'exec = """{command}"""\nexec-file = """{command}"""\n'
    )
    other = settings(scene, of_the_run + TWO_CHATS.replace("sidecar = true", "catalogue = false"))
    ended = run_here(scene.machine)
    assert (ended.exit_status, ended.numbers()["done"]) == (0, 3), ended.stderr
    assert page.exists()
    lines = told.read_text().splitlines()
    assert sorted(lines[:3]) == ["box:films", "box:films", "other:news"]
    assert lines[3:] == ["box:films", "other:news"]
    assert len(list(scene.machine.directory.rglob("catalogues/*.sqlite"))) == 1
    (kept,) = (other / "news").rglob("catalogue.sqlite")
    found = run_here(scene.machine, "find", "photo")
    # On a machine that has moved nothing they are looked for on each remote.
    elsewhere = run_here(scene.machine, "find", "photo", "--data-dir", str(tmp_path / "elsewhere"))
    assert "other:news/" in found.stdout
    assert (elsewhere.exit_status, elsewhere.stdout) == (0, found.stdout), elsewhere.stderr
    assert kept.exists()


def test_chats_that_go_to_two_remotes_are_followed(stage: Stage, stay: Stay) -> None:
    scene, news = two_chats(stage)
    other = settings(scene, TWO_CHATS)
    staying = stay(scene, chats=(), followed=2)
    newest = news.append(file=PHOTO)
    staying.until(lambda: f"up to message {newest}" in staying.said)
    result = staying.ended()
    assert [report.done for report in result.reports] == [2, 2]
    assert len(names_below(other / "news")) == 2


def test_each_remote_is_proven_before_anything_is_moved(stage: Stage) -> None:
    scene, _ = two_chats(stage)
    settings(scene, TWO_CHATS.replace("other:news", "nowhere:news"))
    ended = run_here(scene.machine)
    assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE)
    assert "nowhere" in ended.said
    assert not (scene.machine.remote_directory / "films").exists() or not names_below(
        scene.machine.remote_directory / "films"
    )


def test_a_chat_that_is_not_there_holds_up_no_other(stage: Stage) -> None:
    scene, _ = two_chats(stage)
    settings(scene, TWO_CHATS + '\n[[chat]]\nurl = "@nobody_here"\nremote = "box:x"\n')
    ended = run_here(scene.machine)
    assert (ended.exit_status, ended.numbers()["done"]) == (2, 3)
    assert "cannot read the chat '@nobody_here'" in ended.said


def test_a_chat_under_two_names_goes_to_one_remote_once(stage: Stage) -> None:
    scene, _ = two_chats(stage)
    own_id = scene.world.source.chat_id
    settings(scene, f'{TWO_CHATS}[[chat]]\nurl = "{own_id}"\nremote = "box:films"\n')
    ended = run_here(scene.machine)
    assert (ended.exit_status, ended.numbers()["done"]) == (2, 3)
    assert f"the chat '{own_id}' ('Stand-in: all kinds') is left out" in ended.said


def test_one_chat_can_go_to_two_remotes(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    table = f'[[chat]]\nurl = "{SOURCE}"\nremote = '
    other = settings(scene, f'{table}"box:one"\n{table}"other:two"\n')
    assert_moved(run_here(scene.machine), 2)
    assert names_below(scene.machine.remote_directory / "one") == names_below(other / "two")
    assert len(state_texts(scene.world)) == 2


def test_a_secret_of_the_file_is_used_and_shown_nowhere(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    session = scene.machine.variables.pop("TDL_SYNC_SESSION_STRING")
    settings(scene, f'url = "{SOURCE}"\nremote = "box:files"\nsession-string = "{session}"\n')
    shown = run_here(scene.machine, "config")
    assert "session-string (not shown" in shown.stdout
    ended = run_here(scene.machine, "-v")
    assert_moved(ended, 1)
    assert session not in shown.stdout + ended.stderr + ended.stdout
    assert the_state(scene.world)["status"] == "complete"


def test_a_wrong_line_ends_the_run_before_it_begins(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    settings(scene, f'url = "{SOURCE}"\nremot = "box:files"\n')
    path = Path(scene.machine.variables["HOME"]) / ".config" / "tdl-sync" / "config.toml"
    assert_refused(
        run_here(scene.machine),
        2,
        f"{path}: unknown key 'remot'; did you mean 'remote'? (docs/settings.md)",
    )
