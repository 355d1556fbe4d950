"""How to reach Telegram and as whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tdl_sync.options.credentials import Proxy

SESSION_NAME = "telegram"


@dataclass(frozen=True)
class TelegramSettings:
    """How to reach Telegram and as whom. ``session_string`` wins over the session file."""

    session_directory: Path
    api_id: int | None = None
    api_hash: str | None = field(default=None, repr=False)
    session_string: str | None = field(default=None, repr=False)
    proxy: Proxy | None = field(default=None, repr=False)

    @property
    def session_path(self) -> Path:
        return self.session_directory / f"{SESSION_NAME}.session"

    @property
    def library_proxy(self) -> Any:
        """The proxy as the library takes it."""
        if self.proxy is None:
            return None
        record = {
            "scheme": self.proxy.scheme,
            "hostname": self.proxy.host,
            "port": self.proxy.port,
        }
        if self.proxy.username is not None:
            record |= {"username": self.proxy.username, "password": self.proxy.password or ""}
        return record
