"""Builds what is published: sdist and wheel in ``dist/``, of a tagged version and nothing else.

    git tag v0.2.0 && python3 scripts/release.py

It publishes nothing itself; its last line says how.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import ROOT, SetUpFailed, prepare_environment
from scripts.test import TEST_REQUIREMENTS


def reasons_against(checkout: Path) -> list[str]:
    """Why this checkout is not to be published; none if it is."""
    program = (checkout / "tdl_sync" / "core" / "program.py").read_text("utf-8")
    (version,) = re.findall(r'^VERSION = "(.+)"', program, re.MULTILINE)
    changes = (checkout / "CHANGELOG.md").read_text("utf-8")
    project = (checkout / "pyproject.toml").read_text("utf-8")
    (repository,) = re.findall(r'^Repository = "(.+)"', project, re.MULTILINE)
    reasons = []
    if _git(checkout, "status", "--porcelain"):
        reasons.append("there are changes that were not committed")
    if f"v{version}" not in _git(checkout, "tag", "--points-at", "HEAD").split():
        reasons.append(f"the version is {version}, and this commit has no tag v{version}")
    if not re.search(rf"^## {re.escape(version)}$", changes, re.MULTILINE):
        reasons.append(f"CHANGELOG.md says nothing of {version}")
    origin = origin_page(checkout)
    if origin != repository:
        reasons.append(
            f"pyproject.toml has the links of the README lead to {repository}, and this checkout's "
            f"origin is {origin or 'nowhere on the web'}"
        )
    return reasons


def origin_page(checkout: Path) -> str | None:
    """Where a browser finds the repository that this is a clone of."""
    urls = _git(checkout, "config", "--default", "", "--get", "remote.origin.url")
    match = re.fullmatch(
        r"(?:https://(?:[^/@]+@)?|ssh://git@|git@)([^/:]+)[/:](.+?)(?:\.git)?/?", urls.strip()
    )
    return None if match is None else f"https://{match[1]}/{match[2]}"


def _git(checkout: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["git", *arguments], cwd=checkout, capture_output=True, text=True, check=True
    )
    return run.stdout


def build(checkout: Path, python: Path, directory: Path) -> list[Path]:
    """The sdist, and the wheel that is made of it. Raises ``CalledProcessError``."""
    module = [str(python), "-m", "build", "--no-isolation", "--outdir", str(directory)]
    subprocess.run([*module, str(checkout)], check=True, stdout=subprocess.DEVNULL)
    made = sorted(directory.iterdir())
    check = [str(python), "-m", "twine", "check", "--strict", *map(str, made)]
    subprocess.run(check, check=True)
    return made


def main() -> int:
    reasons = reasons_against(ROOT)
    if reasons:
        print("\n".join(f"release: {reason}" for reason in reasons), file=sys.stderr)
        return 1
    try:
        environment = prepare_environment(TEST_REQUIREMENTS)
    except SetUpFailed as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    target = ROOT / "dist"
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as directory:
        # Not from the checkout: what git ignores does not belong into it.
        copy = Path(directory, "tdl_sync")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
        made = build(copy, environment.python, target)
    print(f"python3 -m twine upload {' '.join(str(path.relative_to(ROOT)) for path in made)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
