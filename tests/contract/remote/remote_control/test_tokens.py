"""Each remote string has a token of its own, renewed when it is used."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from standins.drive.shaping import Shaping
from tests.contract.remote.remote_control.on_drive import AT_ONCE, EARLIER, OnDrive
from tests.contract.remote.remote_control.raw_rclone import Answer
from tests.waiting import PATIENCE_SECONDS, in_thread, result_of, until

KIB = 1024

EIGHT = [f"gdrive,pacer_min_sleep={number}ms:" for number in range(1, 9)]

PASSWORD = "of-the-configuration"

HAS_RUN_OUT = 0
RUNS_OUT_SECONDS = 10
"""rclone renews a token that has less left."""
HAVE_SOME_TIME_LEFT = (RUNS_OUT_SECONDS + 6, RUNS_OUT_SECONDS + 20, RUNS_OUT_SECONDS + 50)
"""Enough for a start and some calls; a busy machine needs more, so the next one is tried."""

FAR = Shaping(call_seconds=0.2)
"""So that what is done side by side meets, on a busy machine, too."""


def side_by_side(on_drive: OnDrive, remotes: Iterable[str]) -> list[Answer]:
    with ThreadPoolExecutor(8) as workers:
        return list(workers.map(lambda remote: on_drive.look(remote, _config=AT_ONCE), remotes))


def refreshes(on_drive: OnDrive) -> int:
    return on_drive.calls.get("token.refresh", 0)


@pytest.mark.parametrize("remotes", [EIGHT, EIGHT[:1] * 8], ids=["eight strings", "one string"])
def test_strings_that_nobody_has_opened_yet_renew_a_token_again_and_again(
    on_drive: OnDrive, remotes: list[str]
) -> None:
    on_drive.drive.shaping = FAR
    on_drive.start(token_seconds=HAS_RUN_OUT)

    answers = side_by_side(on_drive, remotes)

    assert all(answer.succeeded for answer in answers)
    assert refreshes(on_drive) > 1  # eight, unless the machine is busy


def test_where_refresh_tokens_are_good_for_one_use_that_ends_the_grant(on_drive: OnDrive) -> None:
    on_drive.drive.take_refresh_tokens_once()
    on_drive.drive.shaping = FAR
    on_drive.start(token_seconds=HAS_RUN_OUT)

    side_by_side(on_drive, EIGHT)

    assert on_drive.drive.statistics.counts().errors["400 invalid_grant"] > 0
    assert on_drive.make_the_token_old().succeeded
    assert on_drive.call("fscache/clear").succeeded
    assert "invalid_grant" in on_drive.look("gdrive:").error


def test_at_the_start_one_call_renews_it_for_all(on_drive: OnDrive) -> None:
    on_drive.drive.take_refresh_tokens_once()
    on_drive.drive.shaping = FAR
    on_drive.start(token_seconds=HAS_RUN_OUT)

    assert on_drive.look(EIGHT[0]).succeeded
    answers = side_by_side(on_drive, EIGHT)

    assert all(answer.succeeded for answer in answers)
    assert refreshes(on_drive) == 1


def use_a_token_that_has_time_left(on_drive: OnDrive, remotes: Iterable[str]) -> None:
    """None of these makes it a new one."""
    for token_seconds in HAVE_SOME_TIME_LEFT:
        on_drive.forget_calls()
        on_drive.start(token_seconds=token_seconds)
        for remote in remotes:
            assert on_drive.look(remote).succeeded
        if refreshes(on_drive) == 0:
            break
    assert refreshes(on_drive) == 0


@pytest.fixture
def opened(on_drive: OnDrive) -> OnDrive:
    """With eight strings that have all been used, and a token that is about to run out."""
    use_a_token_that_has_time_left(on_drive, EIGHT)
    until(lambda: on_drive.token_ends_in_seconds() < RUNS_OUT_SECONDS - 0.5)
    on_drive.drive.shaping = FAR
    return on_drive


def test_in_mid_run_opened_strings_renew_it_again_and_again(opened: OnDrive) -> None:
    answers = side_by_side(opened, EIGHT)

    assert all(answer.succeeded for answer in answers)
    assert refreshes(opened) > 1  # eight, unless the machine is busy


def test_in_mid_run_one_call_renews_it_for_all(opened: OnDrive) -> None:
    opened.drive.take_refresh_tokens_once()

    assert opened.look(EIGHT[3]).succeeded
    answers = side_by_side(opened, EIGHT)

    assert all(answer.succeeded for answer in answers)
    assert refreshes(opened) == 1


def test_calls_side_by_side_on_one_opened_string_renew_it_once(opened: OnDrive) -> None:
    answers = side_by_side(opened, EIGHT[:1] * 8)

    assert all(answer.succeeded for answer in answers)
    assert refreshes(opened) == 1


def test_a_token_that_has_more_than_ten_seconds_left_is_not_renewed(on_drive: OnDrive) -> None:
    use_a_token_that_has_time_left(on_drive, ["gdrive:"])


@pytest.fixture(params=["", PASSWORD], ids=["open", "encrypted"])
def refused(on_drive: OnDrive, request: pytest.FixtureRequest) -> OnDrive:
    """Whose token is refused before its time, in all strings."""
    on_drive.start(password=request.param)
    for remote in EIGHT:
        assert on_drive.look(remote).succeeded
    on_drive.drive.expire_access_tokens()
    for remote in EIGHT:
        assert "googleapi: Error 401: Invalid Credentials" in on_drive.look(remote).error
    on_drive.drive.take_refresh_tokens_once()
    on_drive.forget_calls()
    return on_drive


def test_a_refused_token_is_not_renewed_by_an_old_time_in_the_file_alone(
    refused: OnDrive,
) -> None:
    """The strings that are in use stay as they are."""
    assert refused.make_the_token_old().succeeded

    assert "Error 401" in refused.look(EIGHT[0]).error
    assert "Error 401" in refused.look(EIGHT[0]).error


def test_a_refused_token_is_renewed_by_an_old_time_and_a_cleared_cache(refused: OnDrive) -> None:
    assert refused.make_the_token_old().succeeded
    assert refused.call("fscache/clear").succeeded

    assert refused.look(EIGHT[0]).succeeded
    assert all(answer.succeeded for answer in side_by_side(refused, EIGHT))

    assert refreshes(refused) == 1


def test_a_token_that_another_has_renewed_is_found_by_a_cleared_cache(refused: OnDrive) -> None:
    refused.renew_the_token_elsewhere()

    assert "Error 401" in refused.look(EIGHT[0]).error
    assert refused.call("fscache/clear").succeeded
    assert all(answer.succeeded for answer in side_by_side(refused, EIGHT))

    assert refreshes(refused) == 0


def test_an_old_time_is_taken_at_once_and_asks_nobody(refused: OnDrive) -> None:
    answer = refused.make_the_token_old()

    assert answer.succeeded
    assert refused.token()["expiry"] == EARLIER
    assert refused.calls == {}
    assert not refused.rclone.logged("Starting auth server")


def test_a_token_may_be_renewed_while_an_upload_runs(on_drive: OnDrive) -> None:
    """It goes on beyond the time when rclone renews the old one, and finds the new one."""
    on_drive.drive.take_refresh_tokens_once()
    for token_seconds in HAVE_SOME_TIME_LEFT:
        on_drive.start(token_seconds=token_seconds)
        folder = on_drive.make_folder(f"{token_seconds}", upload_cutoff="0", chunk_size="256k")
        seconds = on_drive.token_ends_in_seconds() - RUNS_OUT_SECONDS
        if not 1 < seconds < token_seconds:
            continue  # too late: it has run out before the upload
        runs_out = time.monotonic() + seconds
        moving = in_thread(partial(upload_for, on_drive, folder, seconds + 2))
        until(lambda: on_drive.calls.get("upload.chunk", 0) > 0)

        assert on_drive.make_the_token_old().succeeded
        assert on_drive.call("fscache/clear").succeeded
        looked = on_drive.look("gdrive:")
        in_time = time.monotonic() < runs_out

        moved = result_of(moving, 2 * PATIENCE_SECONDS)
        if in_time:
            break
    assert in_time
    assert looked.succeeded
    assert moved.succeeded
    assert refreshes(on_drive) == 1


def upload_for(on_drive: OnDrive, folder: str, seconds: float) -> Answer:
    source = on_drive.stage("source", bytes(8 * 256 * KIB))
    on_drive.drive.shaping = Shaping(total_bytes_per_second=8 * 256 * KIB / seconds)
    try:
        return on_drive.move(source, folder, "name")
    finally:
        on_drive.drive.shaping = Shaping()
