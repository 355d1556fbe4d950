"""What flows through all rooms, where it does more than hold."""

from __future__ import annotations

import pytest

from tdl_sync.core.model import path_at


@pytest.mark.parametrize(
    ("source", "joined"),
    [
        ("gdrive:", "gdrive:name"),
        ("gdrive:a", "gdrive:a/name"),
        ("gdrive:a:", "gdrive:a:/name"),
        ("gdrive:a/b:", "gdrive:a/b:/name"),
        ("gdrive::", "gdrive::/name"),
        (":local:", ":local:name"),
        (":local:/x:", ":local:/x:/name"),
        (":webdav,url='http://host:80/':", ":webdav,url='http://host:80/':name"),
        ("gdrive,root_folder_id=x:", "gdrive,root_folder_id=x:name"),
        ("gdrive,root_folder_id=x:a:", "gdrive,root_folder_id=x:a:/name"),
        ("/", "/name"),
        ("/mnt/a", "/mnt/a/name"),
        ("/mnt/a:", "/mnt/a:/name"),
    ],
)
def test_a_folder_whose_name_ends_with_a_colon_is_no_remote(source: str, joined: str) -> None:
    assert path_at(source, "name") == joined
