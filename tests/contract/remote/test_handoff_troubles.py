"""What goes wrong on the way: which error says so, what is on the remote then, and whether the
staged file is kept. With each rclone, on a Drive that fails as Google's does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from standins.drive.faults import Fault
from standins.drive.shaping import Shaping
from tdl_sync.core.errors import ConfigurationError, HandOffFailed, QuotaExceeded, StorageFull
from tdl_sync.remote.check import CheckedRemote
from tests.contract.conftest import RCLONES
from tests.contract.false_rclone import Answer, false_rclone
from tests.contract.places import (
    CHAT_ID,
    FOLDER,
    RclonePlace,
    Remotes,
    hand_off,
    ignore_bytes,
    stage,
)
from tests.contract.rclones import opened_control
from tests.contract.remote.on_drive import AT_ONCE, OnDrive, on_drive
from tests.waiting import PATIENCE_SECONDS, until

MakePlace = Callable[[str], RclonePlace]

LAG_SECONDS = 5.0
"""How long Drive's listings may lag behind, as far as is known."""

FOR_EVER = Shaping(listing_lag_seconds=3600.0)


@pytest.fixture(params=RCLONES)
def here(
    request: pytest.FixtureRequest, make_place: MakePlace, remotes: Remotes
) -> Iterator[OnDrive]:
    place = make_place(f"gdrive-{request.param}")
    with on_drive(remotes.drive, place) as opened:
        yield opened


@pytest.fixture(params=RCLONES)
def plain(request: pytest.FixtureRequest, make_place: MakePlace) -> RclonePlace:
    return make_place(f"plain-{request.param}")


# --- what is believed --------------------------------------------------------------------------


def test_success_is_not_believed_while_the_source_is_still_there(
    tmp_path: Path, staging: Path, closing: ExitStack
) -> None:
    """An rclone that does nothing and calls that success. (No option makes the real one do so: a
    call wins over all.)"""
    pretending = false_rclone(tmp_path, {"operations/movefile": Answer()})
    staged = stage(staging, b"precious")
    handoff = hand_off(opened_control(closing, pretending), CheckedRemote("x:", "", True, None))
    with pytest.raises(HandOffFailed, match="the source is still there; the next run") as caught:
        handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert type(caught.value) is HandOffFailed
    assert staged.path.read_bytes() == b"precious"


LIKE_ERRORS = "no such host, error 401, SlowDown, invalid_grant"


def test_a_name_that_reads_like_an_error_decides_nothing_and_is_not_repeated(
    plain: RclonePlace, staging: Path
) -> None:
    """Neither a file's name nor a chat's title: else anybody who posts a file could stop a run,
    or let it wait for ever."""
    folder, name = f"{LIKE_ERRORS} [{CHAT_ID}]", f"1 {LIKE_ERRORS}"
    plain.looker.run(["rcat"], plain.path(folder), stdin=b"no folder")
    staged = stage(staging, b"precious")
    handoff = plain.handoff
    of_one_file: list[Callable[[], object]] = [
        lambda: handoff.move(staged, folder, name, ignore_bytes),
        lambda: handoff.put(b"text", folder, name),
        lambda: handoff.read(folder, name),
    ]
    for ask in of_one_file:
        with pytest.raises(HandOffFailed) as caught:
            ask()
        assert type(caught.value) is HandOffFailed
        assert LIKE_ERRORS not in str(caught.value)
    assert staged.path.read_bytes() == b"precious"
    below = f"{folder}/{LIKE_ERRORS}"
    of_a_folder: list[Callable[[], object]] = [
        lambda: handoff.prepare_folder(folder),
        lambda: handoff.move(staged, below, name, ignore_bytes),
    ]
    for ask in of_a_folder:
        with pytest.raises(ConfigurationError, match="rclone can't make "):
            ask()


# --- a remote that is unwilling ----------------------------------------------------------------


def test_a_rate_limit_is_waited_out_and_is_not_taken_for_the_days_quota(
    here: OnDrive, staging: Path
) -> None:
    """Google gives both the same reason. It is told once, though rclone's log tells it, too."""
    handoff = here.prepared(AT_ONCE)
    here.drive.faults.add(Fault("user_rate_limit", call="upload.start"))
    handoff.move(stage(staging, b"content"), FOLDER, "1_a", ignore_bytes)
    assert here.names == ["1_a"]
    until(lambda: bool(here.waits))  # it is in what rclone logs
    (why,) = here.waits
    assert why.startswith("the remote limits the rate (googleapi: Error 403: User Rate Limit Exc")


def test_a_rate_limit_is_told_while_rclone_itself_waits_for_its_end(
    here: OnDrive, staging: Path
) -> None:
    """It can do so for half an hour, in which all other uploads have to know."""
    handoff = here.prepared()
    here.drive.faults.add(Fault("rate_limit", call="upload.start"))
    handoff.move(stage(staging, b"content"), FOLDER, "1_a", ignore_bytes)
    assert here.names == ["1_a"]
    until(lambda: bool(here.waits))  # it is in what rclone logs
    (why,) = here.waits
    assert why.startswith("the remote limits the rate (googleapi: Error 403: Rate Limit Exceeded")


def test_the_days_quota_is_said_at_the_first_refusal(here: OnDrive, staging: Path) -> None:
    """Of files and of texts; nothing is tried again, though this Drive would then take it."""
    handoff = here.prepared()
    here.drive.faults.add(Fault("daily_quota", times=2))
    staged = stage(staging, b"precious")
    began_at = datetime.now().astimezone()
    with pytest.raises(QuotaExceeded) as caught:
        handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert began_at < caught.value.resume_at <= datetime.now().astimezone() + timedelta(hours=24)
    assert staged.path.read_bytes() == b"precious"
    with pytest.raises(QuotaExceeded):
        handoff.put(b"text", FOLDER, "1.json")
    assert here.calls["upload.start"] == 2
    assert (here.names, here.waits) == ([], [])
    handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert here.names == ["1_a"]


def test_a_drive_that_has_no_room_is_full_and_the_need_is_said(
    here: OnDrive, staging: Path
) -> None:
    handoff = here.prepared()
    here.drive.faults.add(Fault("storage_full"))
    staged = stage(staging, b"precious")
    with pytest.raises(StorageFull, match=r"is full: this file needs 8 B and \S+ \w+ are free"):
        handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert staged.path.read_bytes() == b"precious"
    assert (here.names, here.waits) == ([], [])


def test_an_access_token_that_drive_disowns_is_renewed_each_time_and_nothing_is_said(
    here: OnDrive, staging: Path
) -> None:
    """A long run meets that more than once."""
    handoff = here.prepared()
    for number in (1, 2):
        here.drive.expire_access_tokens()
        handoff.move(stage(staging, b"content", number), FOLDER, f"{number}_a", ignore_bytes)
    assert here.names == ["1_a", "2_a"]
    assert here.calls["token.refresh"] == 2
    assert (here.waits, here.lines) == ([], [])


# --- answers that are lost, while listings lag -------------------------------------------------


def test_a_lost_answer_makes_no_double_of_a_file_or_a_text(here: OnDrive, staging: Path) -> None:
    handoff = here.prepared()
    here.drive.shaping = FOR_EVER
    lost = [Fault("answer_lost", call=call) for call in ("upload.finish", "upload.multipart")]
    here.drive.faults.add(*lost)
    staged = stage(staging, b"content")
    handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert not staged.path.exists()
    here.drive.faults.replace(lost)
    handoff.put(b"text", FOLDER, "1.json")
    assert here.names == ["1.json", "1_a"]


@pytest.mark.parametrize(
    ("content", "call", "user_options"),
    [(b"", "upload.multipart", []), (b"content", "upload.finish", [AT_ONCE])],
    ids=["an empty file", "a file of a user who lets rclone give up at once"],
)
def test_after_an_upload_whose_end_is_unknown_the_next_attempt_waits_and_sends_nothing_again(
    here: OnDrive, staging: Path, content: bytes, call: str, user_options: list[str]
) -> None:
    """For as long as listings may lag: then the next attempt sees what is there already."""
    handoff = here.prepared(*user_options)
    here.drive.shaping = FOR_EVER
    here.drive.faults.add(Fault("answer_lost", call=call))
    staged = stage(staging, content)
    with pytest.raises(HandOffFailed) as caught:
        handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert caught.value.retry_after_seconds >= LAG_SECONDS
    assert here.names == ["1_a"]
    assert staged.path.read_bytes() == content
    here.drive.shaping = Shaping()  # as after that time
    here.drive.statistics.reset()
    handoff.move(staged, FOLDER, "1_a", ignore_bytes)
    assert here.names == ["1_a"]
    assert [call for call in here.calls if call.startswith("upload.")] == []
    assert not staged.path.exists()


def test_a_folder_that_several_moves_need_at_once_is_made_once(
    make_place: MakePlace, remotes: Remotes, staging: Path
) -> None:
    """And what each of them has sent into it is remembered, whether they know its end or not."""
    place = make_place("gdrive-current")
    with on_drive(remotes.drive, place) as here:
        handoff = here.prepared(AT_ONCE)
        here.drive.shaping = Shaping(listing_lag_seconds=2.0)
        here.drive.faults.add(Fault("answer_lost", call="upload.finish", times=3))
        begin = Barrier(3)
        staged = {number: stage(staging, b"content", number) for number in (1, 2, 3)}

        def move(number: int) -> None:
            begin.wait()
            handoff.move(staged[number], f"{FOLDER}/2024-05", f"{number}_a", ignore_bytes)

        def move_all() -> list[BaseException | None]:
            with ThreadPoolExecutor(3) as pool:
                moving = [pool.submit(move, number) for number in staged]
                return [each.exception(PATIENCE_SECONDS) for each in moving]

        assert [type(error) for error in move_all()] == [HandOffFailed] * 3
        assert here.names == ["1_a", "2024-05", "2_a", "3_a"]
        assert here.calls["files.create"] == 1
        here.drive.shaping = Shaping()  # as after the time that such a move waits for
        here.drive.statistics.reset()
        assert move_all() == [None] * 3
        assert here.names == ["1_a", "2024-05", "2_a", "3_a"]
        assert [call for call in here.calls if call.startswith("upload.")] == []
