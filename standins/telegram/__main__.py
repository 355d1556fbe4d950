"""The stand-in as a process of its own.

    python -m standins.telegram --world mixed --seed 7 --messages 500
    python -m standins.telegram --world files --parameters '{"sizes": [1000, 5000000]}'

prints one JSON line: what a program under test needs in its environment, and how to find the chat.
Then it obeys JSON lines on standard input (see `COMMANDS`), answers each with one line, and ends
at the end of the input or on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from .. import control
from ..shaping import Shaping
from .connection import Connection
from .server import StandIn
from .service.faults import Fault
from .service.limits import RequestLimit
from .world import worlds
from .world.world import World

WORLDS: dict[str, Callable[..., World]] = {
    "mixed": worlds.mixed,
    "sparse": worlds.sparse,
    "files": worlds.files,
}


def _set_faults(telegram: StandIn, value: Any) -> None:
    telegram.faults.replace([Fault.from_json(fault) for fault in value])


def _add_faults(telegram: StandIn, value: Any) -> None:
    telegram.faults.add(*(Fault.from_json(fault) for fault in value))


def _strikes(telegram: StandIn, _: Any) -> list[int]:
    return [struck for _, struck in telegram.faults.strikes()]


def _set_limits(telegram: StandIn, value: Any) -> None:
    telegram.faults.limit(*(RequestLimit.from_json(limit) for limit in value))


def _limited(telegram: StandIn, _: Any) -> list[dict[str, int]]:
    return [asdict(counts) for counts in telegram.faults.limited()]


def _set_shaping(telegram: StandIn, value: Any) -> None:
    telegram.shaping = Shaping(**value)


def _slow_connections(telegram: StandIn, value: Any) -> int:
    which = {name: n for name, n in value.items() if name != "bytes_per_second"}
    return telegram.slow_connections(value["bytes_per_second"], _chosen(which))


def _set_network_down(telegram: StandIn, value: Any) -> None:
    telegram.faults.network_down = bool(value)


def _statistics(telegram: StandIn, _: Any) -> dict[str, Any]:
    return {**telegram.statistics.counts().as_json(), "unknown_rpcs": telegram.unknown_rpcs}


def _expire_file_references(telegram: StandIn, _: Any) -> None:
    telegram.world.file_reference_epoch += 1


def _append(telegram: StandIn, value: Any) -> int:
    chat_id = value.get("chat_id", telegram.world.source.chat_id)
    return telegram.world.channels[chat_id].append(value["text"])


COMMANDS: dict[str, Callable[[StandIn, Any], Any]] = {
    "faults": _set_faults,  # a list of faults, instead of those that are armed
    "add_faults": _add_faults,  # a list of further faults
    "strikes": _strikes,  # true: how often each fault struck
    "limits": _set_limits,  # a list of request limits, instead of those that hold
    "limited": _limited,  # true: what each limit has taken and refused
    "shaping": _set_shaping,  # the fields of Shaping, all at once
    "network_down": _set_network_down,  # true or false
    "statistics": _statistics,  # true
    "flow": lambda t, _: t.statistics.flow(),  # true: bytes of file parts by tenths of a second
    "note_calls": lambda t, _: t.statistics.note_calls(),  # true: from now on, afresh
    "noted_calls": lambda t, _: t.statistics.noted_calls(),
    # true: of each call its name, and when it began and ended (0 for not yet), by this machine's
    # monotonic clock
    "drop_connections": lambda t, value: t.drop_connections(_chosen(value)),
    "stall_connections": lambda t, value: t.stall_connections(_chosen(value)),
    # both: true, or {"dc_id": ...} and/or {"number": ...}; answered with how many there were
    "slow_connections": _slow_connections,  # the same with {"bytes_per_second": ...}
    "rotate_salts": lambda t, _: t.rotate_salts(),
    "forget_auth_keys": lambda t, _: t.forget_auth_keys(),
    "expire_file_references": _expire_file_references,  # true
    "saved_messages_id": lambda t, _: t.world.own_user_id,  # true: that chat's id
    "append": _append,  # {"text": ..., "chat_id": ...}; the new message's id
    "accept_login_token": lambda t, link: t.accept_login_token(link),
    "session_string": lambda t, _: t.session_string(),  # true: a new one
}


def _chosen(value: Any) -> Callable[[Connection], bool]:
    wanted: Mapping[str, int] = value if isinstance(value, dict) else {}
    unknown = set(wanted) - {"dc_id", "number"}
    if unknown:
        raise ValueError(f"connections are not chosen by {', '.join(sorted(unknown))}")
    return lambda connection: all(getattr(connection, name) == n for name, n in wanted.items())


def make_world(arguments: argparse.Namespace) -> World:
    parameters: dict[str, Any] = {"seed": arguments.seed, **json.loads(arguments.parameters)}
    if arguments.messages is not None:
        parameters["messages"] = arguments.messages
    return WORLDS[arguments.world](**parameters)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m standins.telegram", description=__doc__)
    parser.add_argument("--world", choices=sorted(WORLDS), default="mixed")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--messages", type=int)
    parser.add_argument(
        "--parameters", default="{}", help="more of the world's parameters, as a JSON object"
    )
    telegram = StandIn(make_world(parser.parse_args()))
    control.end_on_sigterm()
    try:
        with telegram:
            greeting = {
                "environment": telegram.environment(),
                "username": telegram.world.source.username,
                "chat_id": telegram.world.source.chat_id,
            }
            control.serve(greeting, lambda line: control.obey(COMMANDS, telegram, line))
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
