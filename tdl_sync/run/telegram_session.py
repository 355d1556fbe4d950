"""The user's Telegram session and data directory, as the commands open them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from tdl_sync.core.errors import ConfigurationError
from tdl_sync.core.stop import StopFlag
from tdl_sync.options.config import Config
from tdl_sync.reporting.events import Event
from tdl_sync.reporting.lines import waiting_line
from tdl_sync.reporting.numbers import Waiting
from tdl_sync.reporting.stderr import tell
from tdl_sync.telegram.session.event_loop import EventLoopThread
from tdl_sync.telegram.session.settings import TelegramSettings

if TYPE_CHECKING:
    from tdl_sync.telegram.session.client import TelegramClient


def telegram_settings(config: Config) -> TelegramSettings:
    return TelegramSettings(
        session_directory=config.data_dir,
        api_id=config.credentials.api_id,
        api_hash=config.credentials.api_hash,
        session_string=config.credentials.session_string,
        proxy=config.proxy,
    )


def make_data_dir(config: Config) -> None:
    """Make the data directory for the owner alone. Raises ``ConfigurationError``."""
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {config.data_dir} cannot be made: {error.strerror}; "
            "choose another with --data-dir"
        ) from error


def opened_to_look(config: Config) -> AbstractContextManager[TelegramClient]:
    """A signed-in client for a command that moves nothing; closed on leaving.

    What there is to say meanwhile (a flood wait, a network that is gone) goes to standard error.
    Raises what ``TelegramClient.start`` raises.
    """
    make_data_dir(config)
    return _opened(config, telegram_settings(config))


def opened_on_a_copy(config: Config) -> AbstractContextManager[TelegramClient]:
    """The same on a copy of the session in memory: nothing is written on this machine."""
    settings = telegram_settings(config)
    if settings.session_string is None and settings.session_path.exists():
        from tdl_sync.telegram.session.session_copy import session_string_of

        settings = replace(settings, session_string=session_string_of(settings.session_path))
    return _opened(config, settings)


@contextmanager
def _opened(config: Config, settings: TelegramSettings) -> Iterator[TelegramClient]:
    # Most of a second, so where it is needed.
    from tdl_sync.telegram.session.client import TelegramClient

    with ExitStack() as closing:
        loop = EventLoopThread()
        loop.start()
        closing.callback(loop.stop)

        def on_line(line: str) -> None:
            tell(Event.of_message(line), config.telling)

        def on_wait(what: str, why: str, until: datetime) -> None:
            on_line(waiting_line(Waiting(what, why, until)))

        client = TelegramClient(loop, settings, StopFlag(), on_wait, on_line)
        client.start()
        closing.callback(client.stop)
        yield client
