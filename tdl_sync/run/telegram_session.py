"""The user's data directory and Telegram session, without the library until it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Places
from tdl_sync.options.credentials import TelegramSettings
from tdl_sync.telegram.session.event_loop import EventLoopThread

if TYPE_CHECKING:
    from tdl_sync.telegram.session.client import TelegramClient


def make_data_dir(places: Places) -> None:
    """Make the data directory for the owner alone. Raises ``ConfigurationError``."""
    try:
        places.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {places.data_dir} cannot be made: {error.strerror}; "
            "choose another with --data-dir"
        ) from error


@contextmanager
def telegram_client(
    settings: TelegramSettings,
    on_line: Callable[[str], None] = lambda _: None,
    on_wait: Callable[[str, str, datetime], None] = lambda *_: None,
) -> Iterator[TelegramClient]:
    """For who moves nothing: not started, and stopped on leaving.

    ``on_line`` and ``on_wait`` are told of a network that is gone and of flood waits.
    """
    # Most of a second, so where it is needed.
    from tdl_sync.telegram.session.client import TelegramClient

    loop = EventLoopThread()
    loop.start()
    try:
        client = TelegramClient(loop, settings, StopFlag(), on_wait, on_line)
        try:
            yield client
        finally:
            client.stop()
    finally:
        loop.stop()
