"""A message may hold several files, in many kinds of envelopes: each is moved or counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from standins.telegram.service.faults import Fault
from standins.telegram.world import envelopes, schema
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from tdl_sync.core.model import IN_PART, LOCKED, UNSUPPORTED
from tdl_sync.telegram.messages.envelopes import TABLE, Decision, LeftOut, Posted
from tdl_sync.telegram.messages.history import TelegramChatReader
from tests.e2e.choosing.posts import Post, world_of
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_on_remote, remote_files, the_state, wanted
from tests.e2e.program import SOURCE, Ended
from tests.e2e.state.machines import another
from tests.in_process import run_here

SIZE = 4000
"""All files of a message have one size: it is not by their sizes that they are told apart."""

PHOTO = FilePlan("photo", SIZE, None, "image/jpeg", 2)
VIDEO = FilePlan("video", SIZE, "clip.mp4", "video/mp4", 2)
DOCUMENT = FilePlan("document", SIZE, "a.pdf", "application/pdf", 2)


BESIDE_ANOTHER = (
    "MessageMediaPhoto.video",
    "MessageMediaDocument.video_cover",
    "MessageMediaDocument.alt_documents",
)


def post_all(channel: Channel) -> None:
    """One post for each kind of envelope."""
    for envelope in (
        envelopes.paid(PHOTO, VIDEO, PHOTO),
        envelopes.paid(PHOTO),
        envelopes.invoice(VIDEO),
        envelopes.live_photo(PHOTO, VIDEO),
        envelopes.with_cover(VIDEO, PHOTO),
        envelopes.poll(PHOTO, VIDEO, DOCUMENT, solution=PHOTO),
        envelopes.rich(DOCUMENT, PHOTO, DOCUMENT),
        envelopes.rich(DOCUMENT, PHOTO, PHOTO, DOCUMENT, in_part=True),
    ):
        channel.append("a post", envelope=envelope)


def assert_balanced(ended: Ended, **figures: int) -> None:
    numbers = ended.numbers()
    assert {name: numbers[name] for name in figures} == figures, ended.stderr
    assert numbers["seen"] == numbers["done"] + numbers["skipped"] + numbers["failed"]


def test_every_file_of_every_kind_of_post_is_moved_under_a_name_of_its_own(stage: Stage) -> None:
    scene = stage(world_of([Post("document", SIZE, "plain.bin")]))
    source = scene.world.source
    post_all(source)
    second = source.items_of(2)[1]
    scene.telegram.faults.add(Fault("file_reference_expired", file_id=second.file.file_id))
    for sidecar in ([], ["--sidecar", "--restart"]):
        ended = run_here(scene.machine, "-u", SOURCE, *sidecar)
        assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
        assert_balanced(ended, seen=21, done=21, skipped=0, failed=0)
        assert_on_remote(scene.machine, (source, wanted(source)))
    names = {path.name.partition("_")[0] for path in remote_files(scene.machine)}
    assert {"2", "2.2", "2.3", "7", "7.2", "7.3", "7.4", "9.4"} <= names
    assert the_state(scene.world)["last_message_id"] == source.newest_id()
    checked = run_here(scene.machine, "verify", "-u", SOURCE, "--json")
    assert json.loads(checked.stdout)[0]["there"] == 21
    assert checked.exit_status == 0


def test_wherever_telegram_can_hang_a_file_it_is_moved_or_told_why_not_or_is_none(
    stage: Stage,
) -> None:
    scene = stage(world_of([]))
    source = scene.world.source
    rules: Counter[str] = Counter()
    for path in shortest_paths():
        file = PHOTO if path[-1].leads_to == "Photo" else DOCUMENT
        decision = decision_of(path)
        rules.update([decision.rule] if isinstance(decision, LeftOut) else [])
        is_posted = isinstance(decision, Posted)
        source.append("a post", envelope=envelopes.at(path, file, is_posted=is_posted))
    ended = run_here(scene.machine, "-u", SOURCE)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    posted = len(wanted(source))
    assert_balanced(ended, done=posted, skipped=rules.total())
    assert posted > 5
    assert len(rules) == 4
    for rule, count in rules.items():
        assert f"{rule} {count}" in ended.stderr
    assert_on_remote(scene.machine, (source, wanted(source)))


def shortest_paths() -> Iterable[schema.Path]:
    """To each field that leads to a document or a photo, one way that ends in one. (What comes
    with another file is posted with it, above.)"""
    found: dict[str, schema.Path] = {}
    for path in sorted(schema.paths(), key=len):
        if str(path[-1]) not in BESIDE_ANOTHER:
            for step in path:
                found.setdefault(str(step), path)
    return dict.fromkeys(found.values())


def decision_of(path: schema.Path) -> Decision:
    """The first that ends the way, or that of its end."""
    decisions = (TABLE[step.owner][step.field] for step in path)
    return next((each for each in decisions if not isinstance(each, Posted)), Posted())


def test_what_is_bought_later_is_found_by_a_later_run_though_the_first_has_passed_it(
    stage: Stage, tmp_path: Path
) -> None:
    scene = stage(world_of([Post("document", SIZE, "before.bin")]))
    source, machine = scene.world.source, scene.machine
    locked_id = source.append("for 50 stars", envelope=envelopes.paid(PHOTO, VIDEO, locked=True))
    never_id = source.append("for 50 stars", envelope=envelopes.invoice(PHOTO, locked=True))
    source.append("later", file=DOCUMENT)
    ended = run_here(machine, "-u", SOURCE)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete")
    assert_balanced(ended, seen=5, done=2, skipped=3, failed=0)
    assert f"{LOCKED} 3" in ended.stderr
    assert the_state(scene.world)["last_message_id"] == source.newest_id()
    assert the_state(scene.world)["waiting"] == f"{locked_id}-{never_id}"

    shown = run_here(machine, "status").stdout
    assert "complete since" in shown
    assert "waiting 2 messages of which something may be a file later" in " ".join(shown.split())
    (record,) = json.loads(run_here(machine, "status", "--json").stdout)
    assert record["waiting_message_ids"] == [locked_id, never_id]

    source.buy(locked_id)
    ended = run_here(machine, "--resume")
    assert_balanced(ended, seen=3, done=2, skipped=1, failed=0)
    assert_on_remote(machine, (source, wanted(source)))
    assert the_state(scene.world)["waiting"] == str(never_id)

    # On another machine, which knows no more than the state message and the remote.
    source.buy(never_id)
    elsewhere = another(tmp_path / "elsewhere", scene.telegram, machine)
    assert_balanced(run_here(elsewhere, "-u", SOURCE), seen=1, done=1, skipped=0, failed=0)
    assert_on_remote(machine, (source, wanted(source)))
    assert "waiting" not in the_state(scene.world)


def test_a_kind_that_can_not_be_read_is_counted_once_and_waits_for_a_later_version(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = stage(world_of([Post("document", SIZE, "before.bin")]))
    source, machine = scene.world.source, scene.machine
    source.append(envelope=envelopes.unsupported())
    source.append("later", file=DOCUMENT)
    ended = run_here(machine, "-u", SOURCE)
    assert_balanced(ended, seen=3, done=2, skipped=1, failed=0)
    assert f"{UNSUPPORTED} 1" in ended.stderr
    assert_balanced(run_here(machine, "-u", SOURCE), seen=0)
    monkeypatch.setattr(TelegramChatReader, "reads", "a later layer")
    assert_balanced(run_here(machine, "-u", SOURCE), seen=1, skipped=1)
    assert_balanced(run_here(machine, "-u", SOURCE), seen=0)


def test_a_run_that_is_killed_between_two_files_of_a_message_loses_and_doubles_nothing(
    stage: Stage,
) -> None:
    scene = stage(world_of([Post("document", SIZE, "before.bin")]))
    source, machine = scene.world.source, scene.machine
    post_id = source.append("two", envelope=envelopes.paid(DOCUMENT, DOCUMENT, VIDEO))
    source.append("later", file=DOCUMENT)
    second = source.items_of(post_id)[1]
    scene.telegram.faults.add(Fault("no_answer", file_id=second.file.file_id, times=None))
    running = machine.start("-u", SOURCE)

    def all_but_the_second_are_there() -> bool:
        names = {path.name.partition("_")[0] for path in remote_files(machine)}
        return {"1", str(post_id), f"{post_id}.3", str(post_id + 1)} <= names

    running.wait_until(all_but_the_second_are_there)
    running.kill()
    moved_bytes = scene.telegram.statistics.counts().file_bytes
    scene.telegram.faults.clear()
    ended = run_here(machine, "-u", SOURCE)
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(machine, (source, wanted(source)))
    assert scene.telegram.statistics.counts().file_bytes - moved_bytes == SIZE
    assert the_state(scene.world)["last_message_id"] == source.newest_id()
    assert_balanced(run_here(machine, "-u", SOURCE, "--restart"), seen=5, done=5, failed=0)


@pytest.mark.parametrize(("code", "text"), [(400, "MESSAGE_ID_INVALID"), (500, "RPC_CALL_FAIL")])
def test_a_long_message_of_which_telegram_does_not_give_the_whole_waits_and_holds_up_no_other(
    code: int, text: str, stage: Stage
) -> None:
    """None of its files is moved under the number of another."""
    scene = stage(world_of([]))
    source, machine = scene.world.source, scene.machine
    source.append(envelope=envelopes.rich(DOCUMENT, PHOTO, PHOTO, in_part=True))
    source.append("later", file=DOCUMENT)
    refused = Fault("error", rpc="messages.GetRichMessage", code=code, text=text, times=None)
    scene.telegram.faults.add(refused)
    for way in ([], ["--restart", "--desc"]):
        ended = run_here(machine, "-u", SOURCE, *way)
        assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
        assert_balanced(ended, seen=2, done=1, skipped=1, failed=0)
        assert f"{IN_PART} 1" in ended.stderr
    scene.telegram.faults.clear()
    assert_balanced(run_here(machine, "-u", SOURCE), seen=3, done=3, skipped=0)
    assert_on_remote(machine, (source, wanted(source)))
