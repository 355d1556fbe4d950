"""The `fields` parameter: which parts of an answer the client wants.

https://developers.google.com/workspace/drive/api/guides/fields-parameter
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

Selection: TypeAlias = "dict[str, Selection]"
"""Names and what is wanted below each; an empty one means everything."""

_TOKEN = re.compile(r"\s*([*]|\w+|[(),/])\s*")

_FILE_NAMES = (
    "kind id name mimeType description size md5Checksum sha1Checksum sha256Checksum trashed "
    "explicitlyTrashed createdTime modifiedTime parents driveId webViewLink "
    # Known to Drive, but never there on what this stand-in holds.
    "shortcutDetails exportLinks resourceKey"
)
FILE: Selection = {name: {} for name in _FILE_NAMES.split()}
FILE_LIST: Selection = {"kind": {}, "files": FILE, "nextPageToken": {}, "incompleteSearch": {}}
ABOUT: Selection = {
    "kind": {},
    "user": {name: {} for name in ("kind", "displayName", "emailAddress", "me", "permissionId")},
    "storageQuota": {name: {} for name in ("limit", "usage", "usageInDrive", "usageInDriveTrash")},
    "importFormats": {},
    "exportFormats": {},
}
SHARED_DRIVE: Selection = {
    name: {} for name in ("kind", "id", "name", "capabilities", "createdTime", "restrictions")
}
SHARED_DRIVE_LIST: Selection = {"kind": {}, "drives": SHARED_DRIVE, "nextPageToken": {}}


class FieldsError(ValueError):
    """The text is no selection, or names what is not in the answer."""


def parse_fields(text: str, known: Selection) -> Selection:
    """Raises FieldsError."""
    tokens = _TOKEN.findall(text)
    if _TOKEN.sub("", text):
        raise FieldsError(f"Invalid field selection {text}")
    selection = _parse_list(tokens)
    if tokens:
        raise FieldsError(f"Invalid field selection {text}")
    _check(selection, known)
    return selection


def select(value: Any, selection: Selection) -> Any:
    """The selected part of an answer."""
    if isinstance(value, list):
        return [select(item, selection) for item in value]
    if not selection or "*" in selection or not isinstance(value, dict):
        return value
    return {name: select(value[name], below) for name, below in selection.items() if name in value}


def _parse_list(tokens: list[str]) -> Selection:
    selection: Selection = {}
    while tokens and tokens[0] not in "()/,":
        name = tokens.pop(0)
        below: Selection = {}
        if tokens[:1] == ["/"]:
            del tokens[0]
            below = _parse_one(tokens)
        elif tokens[:1] == ["("]:
            del tokens[0]
            below = _parse_list(tokens)
            if tokens[:1] != [")"]:
                raise FieldsError(f"Invalid field selection {name}: no closing bracket")
            del tokens[0]
        selection[name] = below
        if tokens[:1] != [","]:
            break
        del tokens[0]
    return selection


def _parse_one(tokens: list[str]) -> Selection:
    if not tokens:
        raise FieldsError("Invalid field selection: it ends with a slash")
    name = tokens.pop(0)
    if tokens[:1] != ["/"]:
        return {name: {}}
    del tokens[0]
    return {name: _parse_one(tokens)}


def _check(selection: Selection, known: Selection) -> None:
    for name, below in selection.items():
        if name == "*" or not known:
            continue
        if name not in known:
            raise FieldsError(f"Invalid field selection {name}")
        _check(below, known[name])
