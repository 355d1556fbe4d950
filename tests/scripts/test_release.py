"""What is published is a version that has its tag and its words in the changelog."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.release import reasons_against


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A commit that is tagged as its version."""
    core = tmp_path / "tdl_sync" / "core"
    core.mkdir(parents=True)
    (core / "program.py").write_text('VERSION = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# New\n\n## Unreleased\n\n## 1.2.3\n\n- Much.\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "All of it")
    git(tmp_path, "tag", "v1.2.3")
    return tmp_path


def git(directory: Path, *arguments: str) -> None:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@invalid"]
    subprocess.run(["git", *who, *arguments], cwd=directory, check=True, capture_output=True)


def test_a_tagged_version_is_published(checkout: Path) -> None:
    assert reasons_against(checkout) == []


def test_what_has_no_tag_of_its_version_is_not(checkout: Path) -> None:
    (checkout / "tdl_sync" / "core" / "program.py").write_text('VERSION = "1.3.0"\n')
    (checkout / "CHANGELOG.md").write_text("## 1.3.0\n")
    git(checkout, "commit", "-a", "-m", "More of it")
    assert reasons_against(checkout) == ["the version is 1.3.0, and this commit has no tag v1.3.0"]


def test_what_was_not_committed_is_not(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("## Unreleased\n")
    assert reasons_against(checkout) == [
        "there are changes that were not committed",
        "CHANGELOG.md says nothing of 1.2.3",
    ]
