"""What rclone's refusals mean, whatever files and folders are called."""

from __future__ import annotations

import pytest

from tdl_sync.core.errors import AccessTokenRefused, RateLimited
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.rclone_errors import classified, was_answered

LIMITED = "googleapi: Error 403: Rate Limit Exceeded, rateLimitExceeded"
REFUSED = "couldn't list directory: googleapi: Error 401: Invalid Credentials, authError"

NAMES = ["x", "e", "03", "01", "4", "Error", "rateLimitExceeded", "authError", ":", ", ", "a:", "…"]


@pytest.mark.parametrize("name", NAMES)
def test_no_folder_is_called_such_that_a_refusal_is_another(name: str) -> None:
    for text, kind in ((LIMITED, RateLimited), (REFUSED, AccessTokenRefused)):
        failure = CallFailed(500, text).failure("gdrive:a", "1_a file.mp4", "A chat [-100]", name)
        assert type(classified(failure)) is kind
        assert was_answered(failure.last_error)


@pytest.mark.parametrize(
    "name", ["rateLimitExceeded", "1_rateLimitExceeded", "x googleapi: Error 403: a, authError"]
)
@pytest.mark.parametrize(
    "text",
    [
        "open /a/{}: permission denied",
        "mkdir /a/{}/b: permission denied",
        'Post "http://host/{}": not implemented',
        "can't make '{}'",
    ],
)
def test_no_name_passes_for_a_refusal(name: str, text: str) -> None:
    failure = CallFailed(500, text.format(name)).failure("gdrive:a", name)
    assert name not in failure.last_error
    assert classified(failure) is None
