"""A child: one way to move all files of a directory into a folder on Drive that is there already.

    python -m scripts.benchmark.upload_ways WAY WORKERS DIRECTORY REMOTE:PATH FOLDER

``moveto`` is plain `rclone moveto` by path for each file, ``move`` one `rclone move` of the whole
directory, ``quick-move`` the same at the most calls that its pacer can be told, and ``rcd`` one
long-lived rclone that is told of each file over HTTP.
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
from pathlib import Path

from scripts.benchmark.child import Meter
from scripts.benchmark.frame import BenchFailed, end


def run_rclone(*arguments: str) -> None:
    run = subprocess.run(["rclone", *arguments], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise BenchFailed(f"rclone {arguments[0]} ended with {run.returncode}: {run.stderr}")


def all_at_once(work: Callable[[Path], None], files: list[Path], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work, file) for file in files]:
            done.result()


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


WAYS = {"moveto": moveto, "move": move, "quick-move": quick_move, "rcd": rcd}


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
