"""The README's commands, run as they stand there by somebody who has set up what it says."""

from __future__ import annotations

from standins.telegram.world import worlds
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, state_texts, wanted
from tests.e2e.program import SOURCE
from tests.in_process import SignalWhen, run_here
from tests.pages.markdown import ROOT, Page, commands_in


def test_a_day_of_the_readme_moves_the_channel_and_finds_it_right(stage: Stage) -> None:
    """Only the channel's name is another one, and Ctrl-C ends what would stay."""
    scene = stage(worlds.mixed(messages=14, too_large_bytes=None, mean_size_bytes=2000))
    machine, channel = scene.machine, scene.world.source
    machine.rclone_config.write_text(f"[gdrive]\ntype = alias\nremote = {machine.directory}\n")
    del machine.variables["TDL_SYNC_REMOTE"]
    machine.remote_directory = machine.directory / "tdl-sync"
    page = Page(ROOT / "README.md").text
    (block,) = (each for each in page.split("```sh\n") if each.startswith("tdl-sync chats"))
    day = commands_in(block.partition("```")[0])
    assert len(day) == 10

    said = {}
    for words in day:
        stays = "--follow" in words
        over = SignalWhen(lambda: "running" in "".join(state_texts(scene.world).values()))
        ended = run_here(
            machine,
            *(SOURCE if word == "@channel" else word for word in words),
            signal_when=over if stays else None,
        )
        assert ended.exit_status == (130 if stays else 0), (words, ended.stderr)
        said[" ".join(words)] = ended.stdout + ended.stderr
    assert_on_remote(machine, (channel, wanted(channel)))
    assert SOURCE in said["chats"]
    assert "nothing was written" in said["-u @channel --dry-run"]
    assert f"moved   {len(wanted(channel))} files" in said["status"]
    assert f"there={len(wanted(channel))} missing=0 wrong=0" in said["verify -u @channel"]
