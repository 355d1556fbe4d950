"""A file that is moved by a newer version has the name that it had: it is found, not doubled."""

from __future__ import annotations

import json

from tests.kept.places import VERSIONS
from tests.kept.values_names import names


def test_every_name_is_made_as_ever() -> None:
    kept = json.loads(VERSIONS[-1].text("names.json"))
    assert names(kept["files"], kept["folders"]) == kept
