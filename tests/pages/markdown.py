"""The project's pages as a reader of Markdown sees them: headings, links, commands."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = "tdl-sync"


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    def _tokens(self) -> list[Token]:
        return MarkdownIt().enable("table").parse(self.text)

    def _inline(self) -> Iterator[Token]:
        for token in self._tokens():
            yield from token.children or []

    def links(self) -> list[str]:
        """What its links and pictures lead to."""
        found = (token.attrGet("href") or token.attrGet("src") for token in self._inline())
        return [str(target) for target in found if target]

    def anchors(self) -> set[str]:
        """Where links into this page may lead: its headings, as GitHub names them."""
        tokens = self._tokens()
        pairs = itertools.pairwise(tokens)
        return {_slug(inside) for token, inside in pairs if token.type == "heading_open"}

    def code_words(self) -> list[str]:
        """What stands in the text as code."""
        return [token.content for token in self._inline() if token.type == "code_inline"]

    def shell_blocks(self) -> list[str]:
        """Blocks of commands to copy: without a prompt, and not what a program has printed."""
        blocks = [
            token.content
            for token in self._tokens()
            if token.type == "code_block" or (token.type == "fence" and token.info == "sh")
        ]
        return [block for block in blocks if _begins_with_a_command(block)]

    def python_files(self) -> dict[str, str]:
        """Those that it shows whole, by the name that stands in their first line."""
        blocks = [
            token.content
            for token in self._tokens()
            if token.type == "fence" and token.info == "python"
        ]
        named = [(re.match(r"# (\w+\.py)\n", block), block) for block in blocks]
        return {match[1]: block for match, block in named if match is not None}

    def commands(self) -> list[list[str]]:
        """The program's own among them, and those that are shown with what they print, as the
        words behind its name."""
        kinds = ("code_block", "fence")
        blocks = [token.content for token in self._tokens() if token.type in kinds]
        return [words for block in blocks for words in commands_in(block)]


def commands_in(block: str) -> list[list[str]]:
    """The program's own commands in a block of code, as the words behind its name."""
    lines = block.replace("\\\n", " ").splitlines()
    found = [_PROGRAM.match(line.strip()) for line in lines]
    return [_words(match[1]) for match in found if match is not None]


_PROGRAM = re.compile(rf"(?:\$ )?{PROGRAM}(?: (.*))?$")
_COMMANDS = tuple(
    "python3 pipx tdl-sync rclone mkdir cp systemctl loginctl sudo docker install umask git".split()
)


def _begins_with_a_command(block: str) -> bool:
    return block.split(maxsplit=1)[0] in _COMMANDS


def _words(text: str | None) -> list[str]:
    """Up to a comment, and to what the shell does with what is printed."""
    words = shlex.split(text or "", comments=True)
    ends = [i for i, word in enumerate(words) if word in (">", ">>", "|", "&&", ";")]
    return words[: min(ends, default=len(words))]


def _slug(heading: Token) -> str:
    """https://github.com/gjtorikian/html-pipeline: what is neither word, space nor hyphen goes."""
    text = "".join(child.content for child in heading.children or [])
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
