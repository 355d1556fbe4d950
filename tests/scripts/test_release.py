"""What is published is a version that has its tag and its words in the changelog."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.release import origin_page, reasons_against

REPOSITORY = "https://code.example/someone/some-sync"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A commit that is tagged as its version."""
    core = tmp_path / "tdl_sync" / "core"
    core.mkdir(parents=True)
    (core / "program.py").write_text('VERSION = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# New\n\n## Unreleased\n\n## 1.2.3\n\n- Much.\n")
    (tmp_path / "pyproject.toml").write_text(f'Repository = "{REPOSITORY}"\n')
    git(tmp_path, "init")
    git(tmp_path, "remote", "add", "origin", f"{REPOSITORY}.git")
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


def test_what_would_have_its_links_lead_to_another_repository_is_not(checkout: Path) -> None:
    """Who publishes a copy names that: the README's links and the metadata are made of it."""
    git(checkout, "remote", "set-url", "origin", "git@code.example:fork/some-sync.git")
    links = f"pyproject.toml has the links of the README lead to {REPOSITORY}, and this checkout's "
    assert reasons_against(checkout) == [f"{links}origin is https://code.example/fork/some-sync"]
    git(checkout, "remote", "remove", "origin")
    assert reasons_against(checkout) == [f"{links}origin is nowhere on the web"]


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://code.example/a/b", "https://code.example/a/b"),
        ("https://me:secret@code.example/a/b.git", "https://code.example/a/b"),
        ("git@code.example:a/b.git", "https://code.example/a/b"),
        ("ssh://git@code.example/a/b.git", "https://code.example/a/b"),
        ("/srv/git/b", None),
    ],
)
def test_a_clone_is_known_by_its_origin_however_that_is_spelt(
    checkout: Path, url: str, page: str | None
) -> None:
    git(checkout, "remote", "set-url", "origin", url)
    assert origin_page(checkout) == page
