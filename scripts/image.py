"""Builds the image of recipes/Dockerfile without Docker, and tries its commands in it. Linux, root.

    apt-get install buildah mmdebstrap
    python3 scripts/image.py

Where no image can be fetched, Debian's packages make what the recipe begins with; its Python is
older then than the recipe's. buildah has no health checks and no processes of their own: what the
health check says, signals to the first process, and compose are not tried here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGINNING = "docker.io/library/python:3.13-slim"
IMAGE = "localhost/tdl-sync"
PROGRAM = "/opt/tdl-sync/bin/tdl-sync"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
LONGEST_SECONDS = 600.0
NO_SESSION = 4

# A machine behind a mirror has pip set up for it, which holds in the image as well while it is
# built.
_PIP_READS = ("/etc/ssl/certs", "/etc/pip.conf", "/etc/xdg/pip")
_PLACES_OF_PIP = ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")


class ImageFailed(Exception):
    """A step that did not end as it should, and what it said."""


def buildah(storage: Path, *arguments: str, expected: int = 0) -> str:
    """What it prints. Images are kept in ``storage`` alone, which is removed with them."""
    ran = subprocess.run(
        ["buildah", f"--root={storage / 'images'}", f"--runroot={storage / 'run'}", *arguments],
        env={**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    if ran.returncode != expected:
        said = f"{ran.stdout}{ran.stderr}".strip()
        raise ImageFailed(
            f"buildah {' '.join(arguments)}: status {ran.returncode}, not {expected}:\n{said}"
        )
    return ran.stdout.strip()


def make_beginning(storage: Path) -> None:
    packed = storage / "beginning.tar"
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", packed],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if made.returncode:
        raise ImageFailed(f"mmdebstrap: status {made.returncode}, not 0:\n{made.stderr.strip()}")
    with container(storage, "scratch") as beginning:
        buildah(storage, "add", "--quiet", beginning, str(packed), "/")
        buildah(storage, "run", beginning, "--", "ln", "-s", "python3", "/usr/bin/python")
        buildah(storage, "commit", "--quiet", beginning, BEGINNING)
    packed.unlink()


@contextmanager
def container(storage: Path, image: str) -> Iterator[str]:
    name = buildah(storage, "from", "--pull=never", image)
    try:
        yield name
    finally:
        buildah(storage, "rm", name)


def build(storage: Path) -> None:
    local = [word for name in _PLACES_OF_PIP for word in os.environ.get(name, "").split()]
    places = [*_PIP_READS, *(word.removeprefix("file://") for word in local)]
    volumes = [f"--volume={place}:{place}:ro" for place in places if Path(place).exists()]
    options = ["--format=docker", "--pull=never", *volumes]
    buildah(storage, "build", *options, "-f", "recipes/Dockerfile", "-t", IMAGE, str(ROOT))


def try_it(storage: Path) -> None:
    """Raises ``ImageFailed``."""
    with container(storage, IMAGE) as ours:

        def run(*words: str, expected: int = 0) -> str:
            return buildah(storage, "run", ours, "--", *words, expected=expected)

        print(run(PROGRAM, "--version"))
        if (user := run("id", "-u")) != "10001":
            raise ImageFailed(f"the program runs as user {user}, not 10001")
        run(PROGRAM, "status", expected=NO_SESSION)
        print(run(PROGRAM, "demo"))


def main() -> int:
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="tdl_sync-image-") as directory:
        storage = Path(directory)
        try:
            make_beginning(storage)
            build(storage)
            try_it(storage)
        except FileNotFoundError as missing:
            print(f"{missing.filename} is not installed: apt-get install buildah mmdebstrap")
            return 1
        except ImageFailed as failed:
            print(failed)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
