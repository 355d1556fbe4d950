from __future__ import annotations

import pytest

from tdl_sync.telegram.files import media_connections
from tests.unit.telegram.files.limited_telegram import opened_beside


@pytest.fixture
def opened_to_the_limited_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    """Media connections are those of ``limited_telegram``."""
    monkeypatch.setattr(media_connections, "opened_beside", opened_beside)
