"""``--page``: a run keeps a page to watch it by, ``status --page`` makes one of what is stored."""

from __future__ import annotations

from standins.shaping import Shaping
from standins.telegram.world import worlds
from tests.e2e.choosing.posts import Post, world_of
from tests.e2e.conftest import Stage
from tests.e2e.program import NOTHING_DONE, SOURCE
from tests.in_process import run_here
from tests.unit.reporting.test_page import assert_ours
from tests.waiting import until

HOSTILE = "<script>alert(1)</script></title>\u202e.mp4"


def test_the_page_of_a_run_and_the_one_of_what_is_stored_say_what_failed_with_its_link(
    stage: Stage,
) -> None:
    scene = stage(world_of([Post("video", 30_000, HOSTILE), Post("document", 9_000, "b.pdf")]))
    scene.world.source.title = f"Films {HOSTILE}"
    page = scene.machine.directory / "page.html"
    ended = run_here(scene.machine, "-u", SOURCE, "--page", str(page), "--max-disk=20000B")
    assert (ended.result["done"], ended.result["failed"]) == ("1", "1"), ended.stderr
    found = assert_ours(page.read_text())
    shown = "".join(found.texts)
    assert found.title == "tdl_sync: the run has ended"
    assert f"Films {HOSTILE[:-5]}.mp4" in shown
    assert "2 of 2 files" in shown
    assert "larger than the disk budget: 1" in shown
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert links == ["https://t.me/stand_in_source/1"]
    assert "polyline" in {tag for tag, _ in found.tags}
    assert all("refresh" not in attributes.values() for _, attributes in found.tags)
    stored = scene.machine.directory / "stored.html"
    assert run_here(scene.machine, "status", "--page", str(stored)).exit_status == 0
    found = assert_ours(stored.read_text())
    shown = "".join(found.texts)
    assert "moved: 1 file" in shown
    assert "larger than the disk budget: 1" in shown
    assert found.tags[-1][0] != "script"
    assert "polyline" in {tag for tag, _ in found.tags}
    (link,) = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert link == f"https://t.me/c/{str(scene.world.source.chat_id).removeprefix('-100')}/1"


def test_a_run_that_is_killed_leaves_a_page_that_will_say_so(stage: Stage) -> None:
    """While it lives the page is one that loads itself again."""
    slow = Shaping(total_bytes_per_second=10_000)
    scene = stage(worlds.files(sizes=[3_000_000]), slow)
    page = scene.machine.directory / "page.html"
    running = scene.machine.start("-u", SOURCE, "--page", str(page))
    until(lambda: page.exists() and "a run prepares" not in page.read_text())
    running.kill()
    found = assert_ours(page.read_text())
    stale = next(attrs["id"] for _, attrs in found.tags if attrs.get("class") == "stale")
    assert f"#{stale}" in page.read_text()
    assert "by Telegram's count" in "".join(found.texts) or "0 of" in "".join(found.texts)


def test_a_page_that_cannot_be_written_is_said_before_anything_is_moved(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    ended = run_here(scene.machine, "-u", SOURCE, "--page", "/no/such/page.html")
    assert (ended.exit_status, ended.stdout) == (2, NOTHING_DONE)
    assert "--page: '/no/such/page.html' cannot be written" in ended.said
