"""What gets lost, fails or goes away while a chat is followed is mended by the next rounds."""

from __future__ import annotations

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tdl_sync.core.reports import RunReport
from tests.e2e.conftest import Scene, Stage
from tests.e2e.expectations import assert_on_remote, the_state, wanted
from tests.e2e.follow.conftest import Stay
from tests.e2e.program import SOURCE

NEW = FilePlan("document", 3000, "new.bin", "application/octet-stream", 2)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    """Whose updates are lost, so that only looking helps."""
    scene = stage(worlds.files(sizes=[1000]))
    scene.telegram.faults.updates_lost = True
    return scene


def totals(report: RunReport) -> tuple[int, int, int, int]:
    return report.seen, report.done, report.skipped, report.failed


def test_without_updates_new_messages_are_found_by_looking(scene: Scene, stay: Stay) -> None:
    source = scene.world.source
    staying = stay(scene)
    for _ in range(2):
        newest = source.append(file=NEW)
        staying.until(lambda newest=newest: f"up to message {newest}" in staying.said)  # type: ignore[misc]
    result = staying.ended()
    assert scene.telegram.statistics.counts().updates == 0
    assert [totals(report) for report in result.reports] == [(3, 3, 0, 0)]
    assert_on_remote(scene.machine, (source, wanted(source)))
    state = the_state(scene.world)
    assert (state["last_message_id"], state["total_uploaded"]) == (3, 3)


def test_a_look_without_news_costs_one_call(scene: Scene, stay: Stay) -> None:
    staying = stay(scene)

    def looks() -> int:
        return scene.telegram.statistics.counts().calls.get("messages.GetHistory", 0)

    saving = {"messages.GetMessages", "messages.EditMessage"}
    for _ in range(5):  # what the start leaves to do comes a moment later
        scene.telegram.statistics.reset()
        staying.until(lambda: looks() >= 4)
        calls = scene.telegram.statistics.counts().calls.keys() - saving
        if calls == {"messages.GetHistory"}:
            break
    assert calls == {"messages.GetHistory"}
    staying.ended()


def test_a_file_that_failed_is_tried_again_while_its_chat_is_followed(
    scene: Scene, stay: Stay
) -> None:
    """It counts once, as moved."""
    source = scene.world.source
    first = next(iter(source.items())).file.file_id
    scene.telegram.faults.add(Fault("short_part", file_id=first, times=4, keep_bytes=10))
    staying = stay(scene)
    assert "failed: 1 " in staying.said
    staying.until(lambda: "1 moved (" in staying.said)
    result = staying.ended()
    assert [totals(report) for report in result.reports] == [(1, 1, 0, 0)]
    assert not result.some_failed_for_now
    assert_on_remote(scene.machine, (source, wanted(source)))
    assert the_state(scene.world)["failed"] == ""


def test_an_upload_that_failed_is_tried_again_without_another_download(
    scene: Scene, stay: Stay
) -> None:
    source = scene.world.source
    staying = stay(scene)
    (chat_folder,) = (scene.machine.remote_directory / "files").iterdir()
    in_the_way = chat_folder / "2_new.bin"
    (in_the_way / "x").mkdir(parents=True)
    source.append(file=NEW)
    staying.until(lambda: staying.said.count("failed: 2 ") >= 2)
    newest = source.append(file=NEW)
    staying.until(lambda: f"moved {newest}_new.bin" in staying.said)
    (in_the_way / "x").rmdir()
    in_the_way.rmdir()
    staying.until(lambda: "moved 2_new.bin" in staying.said)
    result = staying.ended()
    assert [totals(report) for report in result.reports] == [(3, 3, 0, 0)]
    assert scene.telegram.statistics.counts().file_bytes == 1000 + 2 * 3000
    assert_on_remote(scene.machine, (source, wanted(source)))


def test_what_will_not_pass_is_not_tried_again(scene: Scene, stay: Stay) -> None:
    source = scene.world.source
    staying = stay(scene, "--max-disk=9000B")
    source.append(file=FilePlan("document", 10_000, "large.bin", "text/plain", 2))
    staying.until(lambda: "0 moved (0 B), 1 failed" in staying.said)
    newest = source.append(file=FilePlan("document", 10, "small.txt", "text/plain", 2))
    staying.until(lambda: f"up to message {newest}" in staying.said)
    assert staying.said.count("failed: 2 ") == 1
    result = staying.ended()
    assert [totals(report) for report in result.reports] == [(3, 2, 0, 1)]


def test_a_network_that_goes_and_a_flood_wait_only_delay_what_is_new(
    scene: Scene, stay: Stay
) -> None:
    source, faults = scene.world.source, scene.telegram.faults
    staying = stay(scene)
    faults.network_down = True
    scene.telegram.drop_connections()
    staying.until(lambda: "the network is gone" in staying.said)
    source.append(file=NEW)
    faults.add(Fault("flood_wait", rpc="messages.GetHistory", seconds=1))
    faults.network_down = False
    staying.until(lambda: "up to message 2" in staying.said)
    assert "Telegram asks for a pause of 1 s" in staying.said
    # What Telegram says of itself is no reason to leave, however often it says so.
    faults.add(Fault("internal_error", rpc="messages.GetHistory", times=5))
    staying.until(lambda: "looking for new messages is tried again" in staying.said)
    source.append(file=NEW)
    staying.until(lambda: "up to message 3" in staying.said)
    result = staying.ended()
    assert result.errors == ()
    assert [totals(report) for report in result.reports] == [(3, 3, 0, 0)]
    assert_on_remote(scene.machine, (source, wanted(source)))


def test_a_chat_that_turns_private_ends_its_own_following_alone(scene: Scene, stay: Stay) -> None:
    news = next(c for c in scene.world.channels.values() if c.username == "stand_in_news")
    staying = stay(scene, chats=(SOURCE, "@stand_in_news"), followed=2)
    scene.world.source.private = True
    staying.until(lambda: "is not followed any more" in staying.said)
    newest = news.append(file=NEW)
    staying.until(lambda: f"up to message {newest}" in staying.said)
    result = staying.ended()
    (error,) = result.errors
    assert "Telegram no longer shows it to this account" in str(error)
    assert [totals(report) for report in result.reports] == [(1, 1, 0, 0), (1, 1, 0, 0)]
