"""``--filter``: by what no option names; and what changes later is looked at again."""

from __future__ import annotations

from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, wanted
from tests.e2e.program import NOTHING_DONE, SOURCE
from tests.in_process import run_here


def test_what_comes_to_pass_later_is_moved_later(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 20, 300]))
    machine, source = scene.machine, scene.world.source
    source.views.update({1: 5, 2: 2000, 3: 5})
    command = ("-u", SOURCE, "--filter", "views > 1000 and size < 1 * MB")
    ended = run_here(machine, *command)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete")
    assert (ended.numbers()["done"], ended.numbers()["skipped"]) == (1, 2)
    assert "filter 2" in ended.stderr
    assert_on_remote(machine, (source, wanted(source, [2])))
    # The first has become popular, and the second is there though it has lost its views.
    source.views.update({1: 3000, 2: 0})
    scene.telegram.statistics.reset()
    shown = run_here(machine, *command, "--dry-run")
    assert "  would move  1   1.0 kB" in shown.stdout, shown.stdout
    ended = run_here(machine, *command)
    assert ended.numbers()["done"] == 1
    assert scene.telegram.statistics.counts().file_bytes == 1000
    assert_on_remote(machine, (source, wanted(source, [1, 2])))
    verified = run_here(machine, "verify", *command)
    assert (verified.exit_status, verified.numbers()["there"]) == (0, 1), verified.stdout
    refused = run_here(machine, *command, "--follow")
    assert (refused.exit_status, refused.stdout) == (2, NOTHING_DONE)
    assert "can't go with --follow" in refused.said


def test_what_stays_as_it_is_goes_on_from_the_watermark(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[], kind="supergroup"))
    source = scene.world.source
    for name in ("a.mkv", "b.txt"):
        source.append(file=FilePlan("document", 300, name, "text/plain", 2))
    owner = scene.world.account.first_name
    command = ("-u", SOURCE, "--filter", f'sender == "{owner}" and ext in ("mkv", "mp4")')
    assert run_here(scene.machine, *command).numbers()["done"] == 1
    assert_on_remote(scene.machine, (source, wanted(source, [source.newest_id() - 1])))
    assert run_here(scene.machine, *command).numbers()["seen"] == 0


def test_a_wrong_expression_ends_the_run_before_it_begins(stage: Stage) -> None:
    machine = stage(worlds.files(sizes=[10])).machine
    ended = run_here(machine, "-u", SOURCE, "--filter", "vews > 1000")
    assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE)
    assert "--filter: expected one of the fields message_id" in ended.said
    assert "found 'vews > 1000'" in ended.said
