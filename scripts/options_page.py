"""Writes ``docs/options.md``: every option, in the words of the program's own help.

    python3 scripts/options_page.py

What an option does is said in ``tdl_sync/cli/usage.py`` alone, as for ``--help``, the completion
and the man page. Here is only what surrounds it on a page: where there is more to read. Standard
library only.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import ROOT
from tdl_sync.cli.help import PAGES
from tdl_sync.cli.usage import ABOUT_THE_PROGRAM, OF_COMMAND, OPTIONS, USAGE
from tdl_sync.core.program import INSTALLED, SCRIPT

PAGE = ROOT / "docs" / "options.md"

MORE: Mapping[str, str] = {
    "--metrics": "[which](looking.md#figures-for-prometheus)",
    "--url": "[all spellings](#chats)",
    "--takeout": "a [takeout session](https://core.telegram.org/api/takeout), which ends with the "
    "run; status 75 until you have confirmed it in your app",
    "--max-disk": "[the disk](how-it-works.md)",
    "--replaced": "[more](everyday.md#a-message-that-was-given-another-file)",
    "--follow": "[more](everyday.md#staying-with-a-chat)",
    "--dry-run": "[more](looking.md#--dry-run-what-would-be-moved); with `--json` "
    "[file by file](looking.md#sync---dry-run---json)",
    "--match": "as [regex](https://pypi.org/project/regex/) takes them",
    "--dedupe": "[more](everyday.md#a-part-of-a-chat)",
    "--config": "[more](settings.md), [what holds](settings.md#what-holds)",
    "--name": "[more](everyday.md#names-and-folders)",
    "--text": "[its shape](sidecar.md#messagesjsonl)",
    "--bwlimit": "[more](everyday.md#limits-for-the-line)",
    "--exec": "[more](everyday.md#calling-programs-of-your-own)",
    "--max-runtime": "[more](everyday.md#machines-that-end-and-several-of-them)",
    "--take-over": "[more](everyday.md#machines-that-end-and-several-of-them)",
    "--on-quota": "[more](remote-errors.md)",
    "--notify": "[more](everyday.md#staying-with-a-chat)",
    "--log-file": "[more](log.md)",
    "--log-json": "[its keys](log.md#lines-as-json)",
    "--json": "[its keys](looking.md#for-programs)",
    "--repair": "[more](looking.md#verify-whether-it-is-there)",
    "--rclone-arg": "[the one rclone of a run](rclone.md)",
}
"""What the page says of an option beyond the help: where that is told in full."""

_INTRODUCTION = f"""\
# Options and commands

For looking one up. `{INSTALLED} --help` shows the commands and a dozen options,
`{INSTALLED} verify --help` (or another command) a page of its own, `{INSTALLED} --help all` all
of this; so does `man {INSTALLED}` where pip has installed the program into a prefix that man looks
into.

This page is made of the same text as those, by `scripts/options_page.py`.
"""

_CHATS = """\
## Chats

A chat is one of `@name`, `name`, `https://t.me/name`, `https://t.me/name/123` (from message 123
on), `https://t.me/c/1234567890/123` (a private channel), `-1001234567890`, `https://t.me/+invite`
(a channel that you have joined), `me` (Saved Messages), or whatever `chats` lists: a number for a
person without a user name, an id from `-200…` on for the direct messages to a channel. A link to a
message says in a line that it means all from there on, and how to have that one alone; one to a
topic (`https://t.me/c/1234567890/5/123`) means that topic. What a link names and can't be had so (a
comment, a story, a search) is refused, never read as the whole chat.
"""

_OPTION = re.compile(
    r"^  (?:(-\w)(?: [A-Z]+)?, )?(--[a-z-]+)(?: ([A-Z:/]+))?((?:  .*)?(?:\n {10,}.*)*)",
    re.MULTILINE,
)
_IN_DOCS = re.compile(r" \(docs/(\w+\.md)\)")
_DEFAULT = re.compile(r"\s*\[default: .*?\]")
_CODE = re.compile(
    r'"(?P<quoted>[^"]+)"|(?P<bare>(?<![\w`/])--?[a-z][a-z-]*(?:=[^\s,;)]+)?|\{\w+\}'
    r"|TDL_SYNC_[A-Z_]*(?:=\w+)?|gdrive:tdl-sync|messages\.jsonl|~/[\w./-]+"
    r"|(?:socks5|http)://host:port)"
)


def options_page() -> str:
    """The whole page in Markdown."""
    _, _, rest = USAGE.partition("What to move:\n")
    options, _, environment = f"What to move:\n{rest}".partition("\nEnvironment:\n")
    variables, _, states = environment.partition("\nExit states ")
    parts = [_INTRODUCTION, _commands()]
    for group in options.strip("\n").split("\n\n"):
        if not group.startswith("  -h"):
            heading, _, lines = group.partition("\n")
            parts.append(_table(heading.removesuffix(":"), lines))
    parts += [_CHATS, "## Environment\n\n" + _variables(variables)]
    parts.append(f"## Exit states\n\nOf these the first that holds.\n\n{_indented(_below(states))}")
    return "\n".join(parts)


def _commands() -> str:
    rows = ["## Commands", "", "| command | what it does | its options |", "| --- | --- | --- |"]
    for name, page in PAGES.items():
        own = OF_COMMAND[name] - ABOUT_THE_PROGRAM
        others = OPTIONS.keys() - OF_COMMAND[name]
        if len(others) < len(own) / 4:
            options = f"all but {_listed(others)}"
        else:
            options = _listed(own) or "none"
        rows.append(f"| `{name}` | {_marked(page.summary)} | {options} |")
    return "\n".join([*rows, ""])


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"`{option}`" for option in OPTIONS if option in names)


def _table(heading: str, lines: str) -> str:
    heading, _, remark = heading.partition(" (")
    rows = [f"## {heading}", ""]
    if remark:
        rows += [f"{_marked(remark[0].upper() + remark[1:].rstrip(')'))}.", ""]
    rows += ["| option | meaning | default |", "| --- | --- | --- |"]
    for spelling, name, text in _options(lines):
        option = OPTIONS[name]
        more = f" ({MORE[name]})" if name in MORE else ""
        if more:
            text = _IN_DOCS.sub("", text)
        default = f"`{option.default}`" if option.default is not None else ""
        rows.append(f"| {spelling} | {_marked(text)}{more} | {default} |")
    return "\n".join([*rows, ""])


def _options(lines: str) -> Iterator[tuple[str, str, str]]:
    """Of each its spelling, its name and what is said of it. The list of a chat's spellings, which
    the page has on its own, is left out."""
    for match in _OPTION.finditer(lines):
        short, name, value, description = match.groups()
        value = f" {value}" if value else ""
        names = [f"`{each}{value}`" for each in (short, name) if each]
        text = re.sub(r":\n(?: {29,}.*\n?)+", "", description)
        yield ", ".join(names), name, _DEFAULT.sub("", " ".join(text.split()))


def _variables(text: str) -> str:
    """The sentences, and the list of the variables that are no options."""
    prose, _, table = text.strip("\n").partition("\n\n")
    sentences = textwrap.fill(_marked(" ".join(prose.split())), 100, break_on_hyphens=False)
    return f"{sentences}\n\n{_indented(table)}"


def _below(text: str) -> str:
    return text.partition("\n")[2]


def _indented(lines: str) -> str:
    """As it stands in the help."""
    return "\n".join(f"    {line[2:]}".rstrip() for line in lines.rstrip("\n").split("\n")) + "\n"


def _marked(text: str) -> str:
    """What is typed is marked as such."""

    def mark(match: re.Match[str]) -> str:
        return f"`{match['quoted'] or match['bare']}`"

    shown = text.replace(SCRIPT, INSTALLED).replace("|", "\\|")
    return _IN_DOCS.sub(r" ([more](\1))", _CODE.sub(mark, shown))


def main() -> int:
    PAGE.write_text(options_page(), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
