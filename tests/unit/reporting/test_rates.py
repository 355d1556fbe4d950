"""What is written whole, or not at all."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tdl_sync.core.errors import UsageError
from tdl_sync.reporting.metrics_file import write_metrics
from tdl_sync.reporting.page import Page
from tdl_sync.reporting.page_outlet import write_page

PAGE = Page(datetime(2024, 5, 6, tzinfo=timezone.utc), "x", lives=True, chats=())


@pytest.mark.skipif(sys.platform == "win32", reason="has no such file")
def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    """A root could lose ``/dev/null`` by it."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    if sys.platform != "win32":
        os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path):
        with pytest.raises(UsageError, match=r"--page: .* cannot be written"):
            write_page(path, PAGE)
        for text in (None, b"text"):
            with pytest.raises(UsageError, match=r"--metrics: .* is no file"):
                write_metrics(path, text)
    assert pipe.is_fifo()
    assert {*tmp_path.iterdir()} == {pipe, link}
