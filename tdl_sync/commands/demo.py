"""``demo``: the program at work against its stand-in, which is a program of its own.

The stand-ins are imported by their name, as a user would start them: nothing else of the program
knows of them.
"""

from __future__ import annotations

import importlib

from tdl_sync.core.errors import ConfigurationError

PLACES = ("tdl_sync.standins", "standins")
"""Where the stand-ins are: as they are installed, and in a checkout."""


def run_demo() -> int:
    """The exit status. Raises ``ConfigurationError`` where the program came without them."""
    for place in PLACES:
        try:
            importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name != place:
                raise
            continue
        status: int = importlib.import_module(f"{place}.demonstration").main()
        return status
    raise ConfigurationError(
        "the stand-ins that the demo needs are not here: install the wheel or the sdist of "
        "tdl-sync, or run this in a checkout"
    )
