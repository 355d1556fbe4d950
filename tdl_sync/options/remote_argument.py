"""What of rclone's own notation the program takes: remotes, and flags."""

from __future__ import annotations

import ntpath
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tdl_sync.core.operating_system import is_drive_letter
from tdl_sync.options.rclone_options import flag_fault

# https://rclone.org/docs/#valid-remote-names and #connection-strings
_REMOTE = re.compile(
    r"(?P<name>:?[\w.+@](?:[\w.+@ -]*[\w.+@-])?)"
    r"(?P<options>(?:,[A-Za-z0-9_.]+(?:=(?:\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|[^,:\"']*))?)*)"
    r":(?P<path>.*)",
    re.DOTALL,
)
_OPTION = re.compile(
    r",(?P<key>[A-Za-z0-9_.]+)(?:=(?P<value>\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|[^,:\"']*))?",
    re.DOTALL,
)
_SECRET_KEY = re.compile(r"(?:^|_)(?:pass|password2?|secret|token|credentials|key|key_pem)(?==)")


def parse_remote(text: str) -> str:
    """The remote in the one form that records are kept by (no slash at the end).

    Takes ``NAME:PATH``, ``:backend,option=value:PATH`` and absolute local paths. Raises
    ``ValueError`` with what is expected; it does not print ``text``, which may hold a secret.
    """
    expected = "REMOTE:PATH, such as gdrive:tdl-sync (rclone listremotes shows the names)"
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError(f"{expected}, without line breaks or control characters")
    if posixpath.isabs(text) or ntpath.splitdrive(text)[0].startswith("\\\\"):
        return text.rstrip("/") or "/"
    match = _REMOTE.fullmatch(text)
    if match is None:
        raise ValueError(f"{expected}, or an absolute local path")
    if _SECRET_KEY.search(match["options"].replace(",", "_")):
        raise ValueError(
            "a remote without secrets, since it is shown in logs and process lists; "
            "put them into rclone's configuration"
        )
    path: str = match["path"]
    return text if not path.strip("/") else text.rstrip("/")


@dataclass(frozen=True)
class RemoteNotation:
    """``gdrive,chunk_size=64M:films`` taken apart; of a path nothing but ``path`` is set.

    ``name`` is ``gdrive``, or ``:drive`` for a remote that is made of its options alone, and
    ``name_and_options`` all before the colon.
    """

    name: str
    name_and_options: str
    options: Mapping[str, str]
    path: str


def notation_of(remote: str) -> RemoteNotation:
    """Of what ``parse_remote`` has taken, or what a configuration names. An option without a value
    is ``true``, as for rclone."""
    match = None if posixpath.isabs(remote) else _REMOTE.fullmatch(remote)
    if match is None or is_drive_letter(match["name"]):
        return RemoteNotation("", "", {}, remote)
    options = {}
    for option in _OPTION.finditer(match["options"]):
        value = option["value"]
        if value is None:
            value = "true"
        elif value[:1] in ("'", '"'):
            value = value[1:-1].replace(2 * value[0], value[0])
        options[option["key"]] = value
    name = match["name"]
    return RemoteNotation(name, name + match["options"], options, match["path"])


def parse_upload_flag(text: str) -> str:
    """One flag for rclone, in its long form. Errors print its name, never its value.

    One without a value gets ``=true``, or rclone might take the argument after it for its value.
    A value may also stand behind a space, as in a shell: ``--bwlimit 8M``.
    """
    spaced = re.fullmatch(r"(--[A-Za-z0-9][A-Za-z0-9_-]*)\s+(\S.*)", text, re.DOTALL)
    text = f"{spaced[1]}={spaced[2]}" if spaced else text
    match = re.fullmatch(r"--([A-Za-z0-9][A-Za-z0-9_-]*)(=.*)?", text, re.DOTALL)
    if match is None:
        raise ValueError("rclone's flags in their long form with =, such as --bwlimit=8M")
    name = match[1].lower().replace("_", "-")
    if name == "config":
        raise ValueError("--rclone-config FILE for rclone's configuration, not --config")
    why = flag_fault(name)
    if why is not None:
        raise ValueError(f"another flag than --{name}, {why}")
    return text if match[2] else f"{text}=true"
