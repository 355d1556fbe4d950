"""``--notify`` leaves one note in Saved Messages that says how the run has ended."""

from __future__ import annotations

import signal

from standins.drive.faults import Fault as DriveFault
from standins.telegram.service.faults import Fault
from standins.telegram.world import worlds
from standins.telegram.world.plan import FilePlan
from tests.e2e.conftest import SetScene, Stage
from tests.e2e.expectations import assert_moved, the_state
from tests.e2e.follow.notes import notes
from tests.e2e.program import SOURCE
from tests.in_process import run_here

SEND = "messages.SendMessage"
CLAIM_AND_STATE = 2
"""So often a run's first save has sent something before its note."""


def test_a_run_over_two_chats_leaves_one_note_and_the_next_run_takes_it_for_nothing_else(
    stage: Stage,
) -> None:
    scene = stage(worlds.files(sizes=[1000, 2000]))
    both = ("-u", SOURCE, "-u", "@stand_in_news", "--notify")
    ended = run_here(scene.machine, *both)
    assert_moved(ended, 2)
    (note,) = notes(scene.world)
    headline, source_line, news_line = note.split("\n")
    assert headline.startswith("✅ tdl_sync has moved everything (")
    assert source_line == "Stand-in: all kinds: 2 moved (3.0 kB)"
    assert news_line == "News: 0 moved (0 B)"

    ended = run_here(scene.machine, *both, "--resume")
    assert (ended.exit_status, ended.numbers()["seen"]) == (0, 0), ended.stderr
    assert len(notes(scene.world)) == 2
    # A start that finds another run at work is no news.
    running = scene.machine.start("-u", SOURCE, "--follow")
    running.wait_for("is followed")
    assert run_here(scene.machine, *both).exit_status == 5
    running.signal(signal.SIGTERM)
    running.wait()
    assert len(notes(scene.world)) == 2


def test_what_fails_before_telegrams_turn_is_told_too(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    ended = run_here(scene.machine, "-u", SOURCE, "--remote", "nowhere:x", "--notify")
    assert ended.exit_status == 2
    (note,) = notes(scene.world)
    assert note.startswith("❌ tdl_sync has failed (")
    assert "nowhere" in note.split("\n")[1]
    ended = run_here(scene.machine, "-u", "@nobody_has_this", "--notify")
    assert "nobody has this user name" in notes(scene.world)[1]


def test_a_note_that_cannot_be_sent_is_one_warning_and_changes_nothing(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000]))
    faults = scene.telegram.faults
    faults.add(
        Fault("error", rpc=SEND, after_calls=CLAIM_AND_STATE, times=1, code=400, text="NO_NOTE")
    )
    ended = run_here(scene.machine, "-u", SOURCE, "--notify")
    assert_moved(ended, 1)
    (warning,) = [line for line in ended.log if "--notify" in line]
    assert warning == (
        "warning: the note of --notify could not be sent "
        "(Telegram refuses (sending the note): NO_NOTE; run again later)"
    )
    assert notes(scene.world) == []
    # Where Telegram says nothing at all a stop does not wait for it, and ends as it should.
    faults.add(Fault("no_answer", rpc=SEND, after_calls=1, times=None))
    running = scene.machine.start("-u", SOURCE, "--follow", "--notify")
    running.wait_for("is followed")
    running.signal(signal.SIGTERM)
    ended = running.wait()
    assert (ended.exit_status, ended.said) == (143, ""), ended.stderr
    assert "could not be sent (Telegram does not answer in time)" in ended.stderr
    assert the_state(scene.world)["status"] == "stopped"


def test_the_quota_ends_the_following_and_the_note_says_until_when(scene: SetScene) -> None:
    on = scene(worlds.files(sizes=[1000]))
    running = on.start("--follow", "--notify")
    running.wait_for("is followed")
    on.drive.faults.add(DriveFault("daily_quota", times=None))
    on.world.source.append(file=FilePlan("document", 3000, "new.bin", "text/plain", 2))
    ended = running.wait()
    assert (ended.exit_status, ended.result["status"]) == (75, "quota"), ended.stderr
    assert the_state(on.world)["status"] == "quota"
    (note,) = notes(on.world)
    headline, until, chat = note.split("\n")
    assert headline.startswith("⏳ tdl_sync: the remote takes no more for now (")
    assert until.startswith("Quota exceeded, resume in 24 hours, at ")
    assert chat.endswith("1 moved (1.0 kB), 1 unfinished")
    on.drive.faults.clear()
    assert_moved(on.run(), 1)
    on.assert_all_there()
