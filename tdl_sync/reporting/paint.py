"""Colours on a terminal, where they are wanted: of its own sixteen, so that they suit its
background, light or dark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

_TITLED = ("xterm", "screen", "tmux", "rxvt", "alacritty", "foot", "kitty", "konsole", "vte", "wez")
"""Terminals with a title that can be set, and kept before (``TERM`` begins with one of these)."""


@dataclass(frozen=True)
class Paint:
    """Each method gives the text back, with escapes around it if there are colours."""

    has_colours: bool

    @classmethod
    def for_terminal(cls, variables: Mapping[str, str] = os.environ) -> Paint:
        """Without ``NO_COLOR`` (https://no-color.org: any value but the empty one)."""
        return cls(not variables.get("NO_COLOR") and variables.get("TERM") != "dumb")

    def bold(self, text: str) -> str:
        return self._painted("1", text)

    def dim(self, text: str) -> str:
        return self._painted("2", text)

    def good(self, text: str) -> str:
        return self._painted("32", text)

    def warning(self, text: str) -> str:
        return self._painted("33", text)

    def bad(self, text: str) -> str:
        return self._painted("31", text)

    def _painted(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.has_colours and text else text


def has_title(variables: Mapping[str, str] = os.environ) -> bool:
    return variables.get("TERM", "").startswith(_TITLED)
