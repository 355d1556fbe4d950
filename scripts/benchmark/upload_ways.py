"""A child: one way to move all files of a directory into a folder on Drive that is there already.

    python -m scripts.benchmark.upload_ways WAY WORKERS DIRECTORY REMOTE:PATH FOLDER

``ours`` are the program's own hand-offs, ``moveto`` plain `rclone moveto` by path, ``move`` one
`rclone move` of the whole directory, ``rcd`` one long-lived rclone that is told over HTTP.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

from scripts.benchmark.child import Meter
from scripts.benchmark.frame import BenchFailed, end
from tdl_sync.core.model import (
    FileLocation,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
    Reservation,
    StagedFile,
)
from tdl_sync.core.stop import StopFlag
from tdl_sync.remote.check import CheckedRemote
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.rclone import Rclone

_LOCATION = FileLocation(LocationKind.DOCUMENT, 2, 1, 1, b"")


def run_rclone(*arguments: str) -> None:
    run = subprocess.run(["rclone", *arguments], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise BenchFailed(f"rclone {arguments[0]} ended with {run.returncode}: {run.stderr}")


def all_at_once(work: Callable[[Path], None], files: list[Path], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work, file) for file in files]:
            done.result()


def ours(files: list[Path], workers: int, remote: str, folder: str) -> Meter:
    rclone = Rclone.find()
    checked = CheckedRemote(remote, "drive", True, free_bytes=None, takes_folder_ids=True)
    hand_off = RcloneHandOff(rclone, checked, Pace(StopFlag(), lambda *_: None), lambda _: None)
    hand_off.prepare_folder(folder)

    def move(file: Path) -> None:
        hand_off.move(_staged(file), folder, file.name, lambda _: None)

    meter = Meter()
    all_at_once(move, files, workers)
    return meter


def _staged(file: Path) -> StagedFile:
    size_bytes = file.stat().st_size
    item = MediaItem(
        MessageKey(1, 0, 1),
        MediaType.DOCUMENT,
        file.name,
        "application/octet-stream",
        size_bytes,
        datetime.fromtimestamp(file.stat().st_mtime, timezone.utc),
        _LOCATION,
    )
    return StagedFile(Reservation(item, size_bytes), file)


def moveto(files: list[Path], workers: int, remote: str, folder: str) -> Meter:
    meter = Meter()
    all_at_once(
        lambda file: run_rclone("moveto", str(file), f"{remote}/{folder}/{file.name}"),
        files,
        workers,
    )
    return meter


def move(files: list[Path], workers: int, remote: str, folder: str) -> Meter:
    meter = Meter()
    run_rclone("move", str(files[0].parent), f"{remote}/{folder}", f"--transfers={workers}")
    return meter


def rcd(files: list[Path], workers: int, remote: str, folder: str) -> Meter:
    # https://rclone.org/rc/#operations-movefile; its pacer would allow ten calls a second.
    command = ["rclone", "rcd", "--rc-no-auth", "--rc-addr=127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--drive-pacer-min-sleep=10ms"], stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        try:
            urls = (re.search(r"http://127\.0\.0\.1:\d+/", line) for line in server.stderr)
            url = next(match[0] for match in urls if match)

            def tell(file: Path) -> None:
                request = {
                    "srcFs": str(file.parent),
                    "srcRemote": file.name,
                    "dstFs": f"{remote}/{folder}",
                    "dstRemote": file.name,
                    "_config": {"CheckSum": True},
                }
                _post(f"{url}operations/movefile", request)

            meter = Meter()
            all_at_once(tell, files, workers)
            return meter
        finally:
            end(server)


def _post(url: str, value: object) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(value).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=600) as answer:
        answer.read()


def quick_move(files: list[Path], workers: int, remote: str, folder: str) -> Meter:
    os.environ["RCLONE_DRIVE_PACER_MIN_SLEEP"] = "10ms"  # else ten calls a second, after a hundred
    return move(files, workers, remote, folder)


WAYS = {"quick-move": quick_move, "ours": ours, "moveto": moveto, "move": move, "rcd": rcd}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("workers", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("remote")
    parser.add_argument("folder")
    arguments = parser.parse_args()
    files = sorted(arguments.directory.iterdir())
    total_bytes = sum(file.stat().st_size for file in files)
    way = WAYS[arguments.way]
    meter = way(files, arguments.workers, arguments.remote, arguments.folder)
    meter.report(total_bytes)


if __name__ == "__main__":
    main()
