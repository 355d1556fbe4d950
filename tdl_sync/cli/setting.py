"""One option as it was given, and where: the one of the higher source holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Source(IntEnum):
    """Where a setting comes from. A chat's table says more of that chat than the rest of its
    file."""

    FILE = 1
    TABLE = 2
    ENVIRONMENT = 3
    COMMAND_LINE = 4


@dataclass(frozen=True)
class Setting:
    """``texts`` is empty for a switch. ``origin`` is for errors. ``is_off``: a switch that is
    explicitly not given, so that it hides one of a lower source."""

    texts: tuple[str, ...]
    origin: str
    source: Source
    is_off: bool = False

    @property
    def from_command_line(self) -> bool:
        return self.source is Source.COMMAND_LINE


Settings = Mapping[str, Setting]


def highest(*layers: Settings) -> dict[str, Setting]:
    """Of each option what holds; switches that are off are still among them."""
    found: dict[str, Setting] = {}
    for layer in layers:
        for name, setting in layer.items():
            if name not in found or found[name].source < setting.source:
                found[name] = setting
    return found


def switched_on(settings: Settings) -> dict[str, Setting]:
    return {name: setting for name, setting in settings.items() if not setting.is_off}
