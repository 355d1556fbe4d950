"""The limits of requests are as those of Telegram are seen to be. No clock runs."""

from __future__ import annotations

import pytest

from standins.telegram.service.limits import ArmedLimit, LimitCounts, RequestLimit

GET_FILE = "upload.GetFile"


class Clients:
    """Ask at given moments."""

    def __init__(self, limit: RequestLimit) -> None:
        self.now = 0.0
        self.limit = ArmedLimit(limit, lambda: self.now)

    def ask(
        self, times: int = 1, *, at: float, dc_id: int = 2, connection: int = 1
    ) -> list[int | None]:
        self.now = at
        return [self.limit.seconds_to_wait(GET_FILE, dc_id, connection) for _ in range(times)]


def test_what_comes_too_soon_is_refused_and_told_what_is_left_of_the_pause() -> None:
    clients = Clients(RequestLimit(3, 5))
    assert clients.ask(4, at=0.0) == [None, None, None, 5]
    assert clients.ask(2, at=0.5) == [5, 5]
    assert clients.ask(at=3.9) == [2]
    assert clients.ask(4, at=5.0) == [None, None, None, 5]
    assert clients.limit.counts() == LimitCounts(taken=6, refused=5, pauses=2)


def test_a_bucket_paces_with_short_waits_once_it_is_empty() -> None:
    clients = Clients(RequestLimit(4, 2, shape="bucket"))
    assert clients.ask(5, at=0.0) == [None] * 4 + [1]
    assert clients.ask(at=0.5) == [1]
    assert clients.ask(3, at=1.0) == [None, None, 1]


def test_a_burst_is_used_up_however_slowly_it_is_asked_for() -> None:
    clients = Clients(RequestLimit(2, 3, shape="burst"))
    assert [clients.ask(at=10.0 * n) for n in range(1, 4)] == [[None], [None], [3]]
    assert clients.ask(at=32.0) == [1]
    assert clients.ask(3, at=33.0) == [None, None, 3]


@pytest.mark.parametrize(
    ("scope", "refused"),
    [("account", [5, 5]), ("data_centre", [5, None]), ("connection", [None, None])],
)
def test_a_limit_is_of_the_account_of_a_data_centre_or_of_a_connection(
    scope: str, refused: list[int | None]
) -> None:
    clients = Clients(RequestLimit.from_json({"requests": 1, "seconds": 5, "scope": scope}))
    assert clients.ask(at=0.0, connection=1) == [None]
    others = [(2, 2), (4, 3)]
    assert [
        clients.ask(at=0.0, dc_id=dc_id, connection=connection)[0] for dc_id, connection in others
    ] == refused


def test_other_calls_and_other_connections_are_not_counted() -> None:
    clients = Clients(RequestLimit(1, 5, connection=7))
    assert clients.ask(3, at=0.0) == [None] * 3
    assert clients.ask(2, at=0.0, connection=7) == [None, 5]
    assert clients.limit.seconds_to_wait("messages.GetHistory", 2, 7) is None


@pytest.mark.parametrize("wrong", [{"scope": "file"}, {"shape": "line"}, {"rate": 3}])
def test_a_limit_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a limit"):
        RequestLimit.from_json({"requests": 1, "seconds": 1, **wrong})
