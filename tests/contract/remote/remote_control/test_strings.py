"""What a remote takes when it is opened stays, for all calls to the same remote string."""

from __future__ import annotations

from functools import partial

import pytest

from standins.drive.faults import Fault
from standins.drive.shaping import Shaping
from tests.contract.remote.remote_control.on_drive import AT_ONCE, FOLDER, OnDrive
from tests.waiting import in_thread, result_of, until

AGAIN_AND_AGAIN = {"LowLevelRetries": 10}
SECOND = 1_000_000_000
"""In nanoseconds, the unit of rclone's times."""

NEITHER = [AT_ONCE, AGAIN_AND_AGAIN]
KIB = 1024

LISTED_LATER = Shaping(listing_lag_seconds=3600)
"""As it is on Drive for some seconds: what has just arrived is not found."""


@pytest.fixture
def section() -> str:
    """What the remote's section has besides; a test may ask for something."""
    return ""


@pytest.fixture
def environment() -> dict[str, str]:
    """The user's; a test may ask for something."""
    return {}


@pytest.fixture
def options() -> list[str]:
    """Of its command line; a test may ask for some."""
    return []


@pytest.fixture(autouse=True)
def started(
    on_drive: OnDrive, section: str, environment: dict[str, str], options: list[str]
) -> None:
    on_drive.start(*options, section=section, environment=environment)


def opened(on_drive: OnDrive, options: str, config: dict[str, int], path: str = "") -> str:
    """A remote string that was first used with these."""
    remote = f"gdrive,{options},pacer_min_sleep=10ms:{path}"
    assert on_drive.look(remote, _config=config).succeeded
    on_drive.forget_calls()
    return remote


@pytest.mark.parametrize("said", NEITHER, ids=str)
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "used"])
def test_a_folder_whose_answer_is_lost_is_made_once_where_the_remote_was_opened_without_retries(
    on_drive: OnDrive, said: dict[str, int], fresh: bool
) -> None:
    remote = (
        "gdrive,pacer_min_sleep=10ms:" if fresh else opened(on_drive, "use_trash=true", AT_ONCE)
    )
    on_drive.drive.faults.add(Fault("answer_lost", call="files.create"))

    answer = on_drive.call(
        "operations/mkdir", fs=remote, remote=FOLDER, _config=AT_ONCE if fresh else said
    )

    assert answer.status == 500
    assert answer.was_broken_off, answer.error
    assert len(on_drive.there(FOLDER)) == 1


@pytest.mark.parametrize("said", NEITHER, ids=str)
def test_a_folder_whose_answer_is_lost_is_made_twice_where_it_was_opened_with_retries(
    on_drive: OnDrive, said: dict[str, int]
) -> None:
    """Whatever the call says."""
    remote = opened(on_drive, "use_trash=true", AGAIN_AND_AGAIN)
    on_drive.drive.faults.add(Fault("answer_lost", call="files.create"))

    answer = on_drive.call("operations/mkdir", fs=remote, remote=FOLDER, _config=said)

    assert answer.succeeded
    assert len(on_drive.there(FOLDER)) == 2


@pytest.mark.parametrize("environment", [{"RCLONE_LOW_LEVEL_RETRIES": "10"}], ids=str)
def test_the_call_that_opens_it_wins_over_the_user_s_environment(on_drive: OnDrive) -> None:
    on_drive.drive.faults.add(Fault("answer_lost", call="files.create"))
    remote = "gdrive,pacer_min_sleep=10ms:"

    answer = on_drive.call("operations/mkdir", fs=remote, remote=FOLDER, _config=AT_ONCE)

    assert answer.status == 500
    assert len(on_drive.there(FOLDER)) == 1


@pytest.mark.parametrize(
    "section", ["override.low_level_retries = 10", "global.low_level_retries = 10"]
)
def test_on_a_newer_one_the_remote_s_section_opens_it_whatever_the_call_says(
    on_drive: OnDrive, is_current: bool
) -> None:
    """An older one does not know such a line."""
    on_drive.drive.faults.add(Fault("answer_lost", call="files.create"))
    remote = "gdrive,pacer_min_sleep=10ms:"

    answer = on_drive.call("operations/mkdir", fs=remote, remote=FOLDER, _config=AT_ONCE)

    assert answer.status == (200 if is_current else 500)
    assert len(on_drive.there(FOLDER)) == (2 if is_current else 1)


@pytest.mark.parametrize(
    "section", ["override.low_level_retries = 10", "global.low_level_retries = 10"]
)
def test_on_a_newer_one_an_override_in_the_remote_string_opens_it(
    on_drive: OnDrive, is_current: bool
) -> None:
    """An older one does not take such a string."""
    on_drive.drive.faults.add(Fault("answer_lost", call="files.create"))
    remote = "gdrive,override.low_level_retries=1,pacer_min_sleep=10ms:"

    answer = on_drive.call("operations/mkdir", fs=remote, remote=FOLDER, _config=AT_ONCE)

    assert answer.status == 500
    assert answer.was_broken_off == is_current, answer.error
    assert len(on_drive.there(FOLDER)) == (1 if is_current else 0)


@pytest.mark.parametrize("said_seconds", [1, 300])
def test_a_string_waits_for_an_answer_as_long_as_the_call_that_opened_it_said(
    on_drive: OnDrive, said_seconds: int
) -> None:
    """Whatever later calls say."""
    remote = opened(on_drive, "use_trash=true", {**AT_ONCE, "Timeout": 1 * SECOND})
    on_drive.drive.faults.add(Fault("stall", call="files.list", times=None))

    named = {**AT_ONCE, "Timeout": said_seconds * SECOND}
    answer = on_drive.look(remote, _config=named)

    assert answer.was_waited_for_too_long, answer.error


@pytest.mark.parametrize("options", [["--dump=headers"]], ids=str)
def test_a_string_sends_the_headers_of_the_call_that_opened_it(on_drive: OnDrive) -> None:
    """And no later call's."""

    def named(value: str) -> dict[str, object]:
        return {"UserAgent": f"program {value}", "Headers": [{"Key": "X-Of", "Value": value}]}

    remote = "gdrive,pacer_min_sleep=10ms:"
    assert on_drive.look(remote, _config=named("first")).succeeded
    assert on_drive.look(remote, _config=named("second")).succeeded

    on_drive.rclone.catch_up_with_its_log()
    assert on_drive.rclone.logged("X-Of: first")
    assert on_drive.rclone.logged("User-Agent: program first")
    assert not on_drive.rclone.logged("X-Of: second")
    assert not on_drive.rclone.logged("User-Agent: program second")


LOST = [
    ("upload.multipart", "8M"),
    ("upload.chunk", "0"),
    ("upload.finish", "0"),
]


@pytest.mark.parametrize(("lost", "cutoff"), LOST)
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "used"])
def test_a_move_whose_answer_is_lost_is_made_once_where_all_was_said_without_retries(
    on_drive: OnDrive, lost: str, cutoff: str, fresh: bool
) -> None:
    assert on_drive.make_folder()
    options = f"upload_cutoff={cutoff},chunk_size=256k"
    remote = f"gdrive,{options},pacer_min_sleep=10ms:{FOLDER}"
    if not fresh:
        remote = opened(on_drive, options, AT_ONCE, FOLDER)
    source = on_drive.stage("source", bytes(300 * KIB))
    on_drive.drive.shaping = LISTED_LATER
    on_drive.drive.faults.add(Fault("answer_lost", call=lost))

    answer = on_drive.move(source, remote, "name", _config=AT_ONCE)

    assert answer.status == 500
    assert source.exists()
    assert len(on_drive.there(f"{FOLDER}/name")) == (lost in ("upload.multipart", "upload.finish"))


def test_the_start_of_an_upload_whose_answer_is_lost_makes_no_double(on_drive: OnDrive) -> None:
    """It is told, but for the few times in which rclone's HTTP client itself asks again."""
    folder = on_drive.make_folder(upload_cutoff="0")
    source = on_drive.stage("source")
    on_drive.drive.shaping = LISTED_LATER
    on_drive.drive.faults.add(Fault("answer_lost", call="upload.start"))

    answer = on_drive.move(source, folder, "name", _config=AT_ONCE)

    assert answer.succeeded == (not source.exists())
    assert len(on_drive.there(f"{FOLDER}/name")) == answer.succeeded


@pytest.mark.parametrize(("lost", "cutoff"), [LOST[0], LOST[2]])
def test_a_move_with_retries_of_its_own_makes_two_files(
    on_drive: OnDrive, lost: str, cutoff: str
) -> None:
    """Though the remote was opened without: rclone sends the whole file again."""
    assert on_drive.make_folder()
    remote = opened(on_drive, f"upload_cutoff={cutoff}", AT_ONCE, FOLDER)
    on_drive.drive.shaping = LISTED_LATER
    on_drive.drive.faults.add(Fault("answer_lost", call=lost))

    answer = on_drive.move(on_drive.stage("source"), remote, "name", _config=AGAIN_AND_AGAIN)

    assert answer.succeeded
    assert len(on_drive.there(f"{FOLDER}/name")) == 2


def test_a_string_that_was_opened_with_retries_sends_a_chunk_again(on_drive: OnDrive) -> None:
    """Whatever the call says, and so a large file lives through a lost answer."""
    assert on_drive.make_folder()
    options = "upload_cutoff=0,chunk_size=256k"
    remote = opened(on_drive, options, AGAIN_AND_AGAIN, FOLDER)
    on_drive.drive.faults.add(
        Fault("answer_lost", call="upload.chunk"), Fault("answer_lost", call="upload.finish")
    )

    source = on_drive.stage("source", bytes(2 * 256 * KIB))
    answer = on_drive.move(source, remote, "name", _config=AT_ONCE)

    assert answer.succeeded
    assert len(on_drive.there(f"{FOLDER}/name")) == 1


def chunks(on_drive: OnDrive, remote: str) -> int:
    """In how many calls a file of 1 MiB is sent."""
    on_drive.forget_calls()
    source = on_drive.stage("source", bytes(1024 * KIB))
    assert on_drive.move(source, remote, "name", _config={"IgnoreTimes": True}).succeeded
    return on_drive.calls.get("upload.chunk", 0) + on_drive.calls.get("upload.finish", 0)


def test_the_last_of_two_values_in_a_remote_string_holds(on_drive: OnDrive) -> None:
    before = "gdrive,upload_cutoff=0,pacer_min_sleep=10ms"

    assert chunks(on_drive, f"{before},chunk_size=256k,chunk_size=512k:") == 2
    assert chunks(on_drive, f"{before},chunk_size=512k,chunk_size=256k:") == 4


def test_two_spellings_of_one_value_are_two_remotes(on_drive: OnDrive) -> None:
    opened(on_drive, "upload_cutoff=0", AGAIN_AND_AGAIN)
    other = opened(on_drive, "upload_cutoff=0B", AT_ONCE)
    on_drive.drive.faults.add(Fault("server_error", call="files.list"))

    assert on_drive.look(other).status == 500


def test_two_orders_of_the_same_options_are_one_remote(on_drive: OnDrive) -> None:
    """As it was opened first."""
    opened(on_drive, "upload_cutoff=0,chunk_size=8M", AGAIN_AND_AGAIN)
    other = opened(on_drive, "chunk_size=8M,upload_cutoff=0", AT_ONCE)
    on_drive.drive.faults.add(Fault("server_error", call="files.list"))

    assert on_drive.look(other, _config=AT_ONCE).succeeded


def test_a_string_that_has_to_wait_keeps_no_other_waiting(on_drive: OnDrive) -> None:
    """After it was limited, it makes one call at once and waits before the next. (A busy machine
    may be longer about the other one's call than that: then it is tried again.)"""
    slow = opened(on_drive, "upload_cutoff=0", AT_ONCE)
    other = opened(on_drive, "upload_cutoff=8M", AT_ONCE)
    came_first = False
    for _ in range(10):
        on_drive.drive.faults.add(Fault("rate_limit", call="files.list"))
        assert on_drive.look(slow).status == 500
        waiting = in_thread(lambda: [on_drive.look(slow), on_drive.look(slow)])
        assert on_drive.look(other).succeeded
        came_first = not waiting.done()
        assert all(answer.succeeded for answer in result_of(waiting))
        if came_first:
            break
    assert came_first


def test_rclone_s_own_pace_is_slower_than_the_one_that_a_string_may_ask_for(
    on_drive: OnDrive,
) -> None:
    """After a hundred calls: it lets ten through in a second. (A busy machine may make no more
    than that by itself: then it is tried again.)"""
    many = on_drive.drive.put_folder("root", "many")
    for number in range(160):
        on_drive.drive.put_folder(many, f"folder {number}")

    def a_call_for_each(remote: str) -> None:
        answer = on_drive.look(remote, opt={"recurse": True})
        assert len(answer.said["list"]) == 161, answer

    came_first = False
    for number in range(10):
        own = in_thread(partial(a_call_for_each, f"gdrive,description={number}:"))
        a_call_for_each("gdrive,pacer_min_sleep=1ms:")
        came_first = not own.done()
        result_of(own)
        if came_first:
            break
    assert came_first


def has_sent(on_drive: OnDrive, chunks: int) -> bool:
    return on_drive.calls.get("upload.chunk", 0) >= chunks


def test_a_cleared_cache_harms_no_move_that_runs(on_drive: OnDrive) -> None:
    """Nor does what is then opened anew under the same string."""
    folder = on_drive.make_folder(upload_cutoff="0", chunk_size="256k")
    source = on_drive.stage("source", bytes(4 * 256 * KIB))
    on_drive.drive.shaping = Shaping(total_bytes_per_second=1024 * KIB)
    moving = in_thread(lambda: on_drive.move(source, folder, "name"))

    for number in range(1, 4):
        until(partial(has_sent, on_drive, number))
        assert on_drive.call("fscache/clear").succeeded
        assert on_drive.look(folder).succeeded

    assert result_of(moving).succeeded
    assert not source.exists()
    assert len(on_drive.there(f"{FOLDER}/name")) == 1
