"""When a refusal that nobody knows is one of every further file."""

from __future__ import annotations

import pytest

from tdl_sync.remote.drive_folder import folder_error
from tdl_sync.remote.rclone_errors import _SYMPTOMS, RcloneFailure, unexpected
from tdl_sync.remote.refusals import Refusals

STRANGE = "googleapi: Error 403: A thing nobody saw., strangeReason"


def refused(refusals: Refusals, *names: str, said: str = STRANGE) -> list[bool]:
    """Whether the run was to end, after each."""
    return [refusals.of_all(name, RcloneFailure("x:", 500, said)) is not None for name in names]


def test_three_files_in_a_row_that_are_refused_alike_end_the_run() -> None:
    assert refused(Refusals(), "1", "2", "3") == [False, False, True]


def test_attempts_of_one_file_are_no_row() -> None:
    assert refused(Refusals(), *"111112") == [False] * 6


def test_a_file_that_was_taken_in_between_begins_a_new_row() -> None:
    refusals = Refusals()
    assert refused(refusals, "1", "2") == [False, False]
    refusals.took_one()
    assert refused(refusals, "3", "4", "5") == [False, False, True]


def test_another_refusal_in_between_begins_a_new_row() -> None:
    refusals = Refusals()
    assert refused(refusals, "1", "2") == [False, False]
    assert refused(refusals, "3", said="googleapi: Error 400: Bad Request, bad") == [False]
    assert refused(refusals, "4", "5") == [False, False]


def test_what_a_server_notes_of_one_request_makes_no_other_refusal_of_it() -> None:
    refusals = Refusals()
    for number, expected in ((1, False), (2, False), (3, True)):
        said = f"api error AccessDenied: no, status code: 403, request id: {number}A{number}"
        assert refused(refusals, str(number), said=said) == [expected]


@pytest.mark.parametrize(
    "said",
    [
        "googleapi: Error 503: Backend Error, backendError",
        "googleapi: Error 408: Timeout, x",
        'Post "https://x/": EOF',
        "read: connection reset by peer",
    ],
)
def test_what_may_pass_is_no_refusal(said: str) -> None:
    assert not any(refused(Refusals(), *"12345", said=said))


def test_all_that_is_known_to_ail_a_remote_is_of_that_remote_alone() -> None:
    """What is wrong with rclone's configuration or command line is of the run."""
    failure = RcloneFailure("box:x", 500, "it says why")
    found = [symptom.error(failure) for symptom in _SYMPTOMS]
    of_the_run = {str(error).partition("(")[0].strip() for error in found if not error.of_remote}
    assert of_the_run == {
        "rclone knows no remote 'box'; make it with `rclone config` or name another with --remote",
        "rclone's configuration is encrypted and can't be opened",
        "rclone can't read its configuration",
        "this rclone can't serve the remote 'box:x'",
        "rclone does not take its arguments",
    }
    assert unexpected(failure).of_remote
    assert folder_error("list", failure).of_remote
