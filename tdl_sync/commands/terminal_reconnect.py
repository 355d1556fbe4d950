"""A remote whose token has ended: a person at a terminal can renew it on the spot."""

from __future__ import annotations

from collections.abc import Iterable

from tdl_sync.commands.terminal_login import Terminal, at_a_terminal
from tdl_sync.core.errors import RemoteCredentialsRefused
from tdl_sync.options.config import Config
from tdl_sync.remote.rclone import Rclone


def offer_reconnect(config: Config, errors: Iterable[BaseException]) -> bool:
    """After a run that ``errors`` ended; whether the remote was reconnected, so that it may go on.

    Never asks where there is no terminal.
    """
    refused = next((each for each in errors if isinstance(each, RemoteCredentialsRefused)), None)
    if refused is None or not at_a_terminal():
        return False
    answer = Terminal().ask("Run that now? [Y/n] ")
    if answer.lower() not in ("", "y", "yes"):
        return False
    rclone = Rclone.find(config.rclone, config.rclone_config)
    return rclone.converse(["config", "reconnect"], f"{refused.remote_name}:") == 0
