"""What the log of the running rclone tells, line by line.

It holds secrets: the password of the remote control, each call's parameters and reply. So only what
is classed here goes further, and nothing else, also when rclone dies.

rclone-python, which builds shell command lines from strings, is used for one thing only, in which
no command is run: to read the progress out of the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdl_sync.core.text import printable

_SERVING = re.compile(r"Serving remote control on http://127\.0\.0\.1:(\d{1,5})/")
_TRIED_AGAIN = re.compile(r"low level retry \d+/\d+ \(error (.*)\)", re.DOTALL)
_CONFIG_FILE = re.compile(r'(?:Using config file from|Config file) ("(?:[^"\\]|\\.)*")')
_DATE = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ((NOTICE|ERROR|CRITICAL)(\+\d+)? *:? )?")

# Most lines repeat calls and their replies, which may be megabytes: these are not even parsed.
_TELLING = (b'"stats":', b"low level retry", b"Serving remote control", b"onfig file")
_DEBUG = b'"level":"debug"'

_LAST_WORDS = ("Failed", "Fatal", "Error:", "panic:", "fatal error:", "runtime:", "Invalid value")
"""How plain lines begin that say why rclone ends."""


@dataclass(frozen=True)
class Serving:
    """It listens on this port of 127.0.0.1."""

    port: int


@dataclass(frozen=True)
class SentSoFar:
    """How many bytes of each file that is under way have been sent, by the source's name."""

    by_name: Mapping[str, int]


@dataclass(frozen=True)
class CallTriedAgain:
    """One call to the remote failed, and rclone makes it again by itself."""

    reason: str


@dataclass(frozen=True)
class ConfigFile:
    """The configuration that it uses; it may not be there."""

    path: Path


Told = Serving | SentSoFar | CallTriedAgain | ConfigFile


class RcloneLog:
    """Reads the lines of one rclone. ``read`` raises nothing, whatever a line is."""

    def __init__(self) -> None:
        self._error = ""
        self._final = ""

    @property
    def last_words(self) -> str:
        """Why rclone ended, as one printable line; empty if it said nothing."""
        return printable(_without_preamble(self._final or self._error))

    def read(self, line: bytes) -> Told | None:
        """Take in one line; returns what it tells besides errors, if anything."""
        if _DEBUG in line and not any(sign in line for sign in _TELLING):
            return None
        text = line.decode("utf-8", "replace").strip()
        entry = _json_object(text)
        if entry is None:
            # The first lines, and before 1.66 or so the last words, are plain text in spite of the
            # option; of the first, some are secrets.
            plain = _DATE.sub("", text)
            if plain.startswith(_LAST_WORDS):
                self._final = self._final or plain
            return None
        sent = _sent(text)
        if sent is not None:
            return sent
        level, message = str(entry.get("level", "")), str(entry.get("msg", ""))
        if level in ("critical", "fatal", "panic"):
            self._final = message
        elif level == "error" and not message.startswith("rc: "):
            self._error = message
        return _told(level, message)


def _told(level: str, message: str) -> Told | None:
    if tried_again := _TRIED_AGAIN.match(message) if level == "debug" else None:
        return CallTriedAgain(printable(tried_again[1]))
    if serving := _SERVING.match(message):
        return Serving(int(serving[1]))
    if config_file := _CONFIG_FILE.match(message):
        return ConfigFile(Path(_unquoted(config_file[1])))
    return None


def _sent(text: str) -> SentSoFar | None:
    if '"transferring":' not in text:
        return None
    # Only where something is sent: it brings all of rich along, which a start would wait for.
    from rclone_python.utils import extract_rclone_progress

    try:
        told, progress = extract_rclone_progress(text)
        if not told or progress is None:
            return None
        return SentSoFar({str(task["name"]): int(task["sent"]) for task in progress["tasks"]})
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError):
        return None  # a line that looks like progress and is none


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unquoted(text: str) -> str:
    """Go quotes as JSON does, but for what no path has in it."""
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _without_preamble(message: str) -> str:
    """``Failed to serve with 2 errors: last error was: X`` says X."""
    message = re.sub(r"^Failed to \w+( with \d+ errors)?: (last error was: )?", "", message)
    message = re.sub(r"^(Fatal error|Error): ", "", message)
    return " ".join(message.split())
