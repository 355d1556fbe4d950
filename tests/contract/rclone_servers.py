"""Remotes that are servers: the current rclone serves a directory by WebDAV or S3."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

S3_KEY = "AKIATDLSYNCTEST00000"
S3_SECRET = "a secret of these tests alone"

_PROTOCOL_FLAGS = {"webdav": [], "s3": [f"--auth-key={S3_KEY},{S3_SECRET}"]}


@cache
def can_serve(protocol: str) -> bool:
    command = ["rclone", "serve", "--help"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.search(rf"^  {protocol} ", listed.stdout, re.MULTILINE) is not None


@contextmanager
def served(protocol: str, directory: Path) -> Iterator[str]:
    """The URL of a server on a free port of 127.0.0.1; it ends with the block."""
    command = ["rclone", "serve", protocol, "--config=", "--addr=127.0.0.1:0", str(directory)]
    with subprocess.Popen(
        [*command, *_PROTOCOL_FLAGS[protocol]], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                url = re.search(r"\[(http://127\.0\.0\.1:\d+)/\]", line)
                if url:
                    break
            else:
                raise AssertionError(f"no server came up: {said}")
            # Nobody else reads its log; a full pipe would stop it.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield url[1]
        finally:
            process.terminate()
