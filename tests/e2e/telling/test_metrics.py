"""``--metrics``: the figures of a run for Prometheus, as the real program writes them."""

from __future__ import annotations

import stat

from prometheus_client.parser import text_string_to_metric_families

from standins.telegram.service.faults import Fault
from tests.e2e.choosing.posts import Post, world_of
from tests.e2e.conftest import Stage
from tests.e2e.program import NOTHING_DONE, SOURCE
from tests.in_process import run_here
from tests.promtool import lint


def test_a_run_writes_its_figures_for_everybody_to_read_and_a_later_one_its_own(
    stage: Stage,
) -> None:
    posts = [Post("video", 30_000, "large.mp4"), Post("document", 9_000, "b.pdf")]
    scene = stage(world_of([*posts, Post("document", 700, "c.pdf")]))
    scene.telegram.faults.add(Fault("flood_wait", rpc="upload.GetFile", seconds=1))
    path = scene.machine.directory / "tdl.prom"
    arguments = ("-u", SOURCE, "--metrics", str(path), "--max-disk=20000B", "--include=mp4,pdf")

    def figures(shard: str = "1/1") -> dict[tuple[str, ...], float]:
        text = path.read_bytes()
        assert lint(text) == []
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        for private in ("b.pdf", scene.world.source.title, SOURCE.removeprefix("@")):
            assert private not in text.decode()
        samples = [
            sample
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        ]
        assert {sample.labels.pop("shard") for sample in samples} == {shard}
        chats = {sample.labels.pop("chat", None) for sample in samples}
        assert chats == {None, str(scene.world.source.chat_id)}
        return {
            (sample.name.removeprefix("tdl_sync_"), *sample.labels.values()): sample.value
            for sample in samples
        }

    ended = run_here(scene.machine, *arguments)
    assert (ended.result["done"], ended.result["failed"]) == ("2", "1"), ended.stderr
    found = figures()
    assert found["transferred_bytes_total", "down"] == 9700
    assert found["transferred_bytes_total", "up"] == 9700
    assert found["file_bytes_total", "moved"] == 9700
    assert found["files_total", "moved"] == found["transferred_files_total", "down"] == 2
    assert found["failures_total", "larger than the disk budget"] == 1
    assert found["staging_budget_bytes",] <= 20_000
    assert (found["staging_used_bytes",], found["lease_held",]) == (0, 0)
    assert found["waits_total", "downloading"] == 1
    assert [key[1] for key in found if key[0] == "run_status" and found[key]] == ["complete"]

    assert run_here(scene.machine, *arguments, "--shard=1/2").exit_status == 0
    found = figures("1/2")
    assert found["files_total", "moved"] == found["transferred_bytes_total", "up"] == 0
    assert (found["files_total", "there"], found["file_bytes_total", "there"]) == (2, 9700)


def test_figures_that_cannot_be_written_are_said_before_anything_is_moved(stage: Stage) -> None:
    scene = stage(world_of([Post("document", 700, "c.pdf")]))
    ended = run_here(scene.machine, "-u", SOURCE, "--metrics", "/no/such/tdl.prom")
    assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE)
    assert "--metrics: '/no/such/tdl.prom' cannot be written" in ended.said
