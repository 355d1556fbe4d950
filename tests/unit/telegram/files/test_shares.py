"""What each connection carries of a file, in virtual time."""

from __future__ import annotations

from collections import Counter

import pytest

from tdl_sync.core.ports import PART_BYTES
from tests.unit.telegram.files.limited_telegram import (
    LimitedSession,
    Server,
    ready_to_download,
)
from tests.virtual_time import in_virtual_time

pytestmark = pytest.mark.usefixtures("opened_to_the_limited_telegram")

CONNECTIONS = 4
PARTS = 160


class Unlike(Server):
    """One of its connections has a tenth of the others' rate after so many parts."""

    def __init__(self, after_parts: int) -> None:
        super().__init__(limits=())
        self.slow: int | None = None
        self.asked = 0
        self.carried_since: Counter[int] = Counter()
        self._after_parts = after_parts

    async def answer(self, session: LimitedSession, size_bytes: int, *, is_file: bool) -> bytes:
        if is_file:
            self.asked += 1
            if self.slow is None and self.asked > self._after_parts:
                self.slow = session.number
                session.bytes_per_second /= 10
            self.carried_since[session.number] += self.slow is not None
        return await super().answer(session, size_bytes, is_file=is_file)


@pytest.mark.parametrize("after_parts", [0, 1, 8, 40])
def test_a_connection_at_a_tenth_of_the_others_rate_loses_its_share(after_parts: int) -> None:
    """It carries less than that rate would allow: what it has when it becomes slow, and what shows
    that it still is."""

    async def downloaded() -> Unlike:
        server = Unlike(after_parts)
        await (await ready_to_download(server, [PARTS * PART_BYTES], CONNECTIONS))
        return server

    server = in_virtual_time(downloaded())
    assert server.slow is not None
    of_slow = server.carried_since.pop(server.slow)
    assert len(server.carried_since) == CONNECTIONS - 1
    assert server.asked == PARTS + 1  # the last one shows that nothing follows
    assert 10 * of_slow < min(server.carried_since.values())
