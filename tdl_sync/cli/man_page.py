"""The man page ``tdl-sync.1``, made of the help texts when the package is built (``setup.py``).

It needs the standard library alone, since what builds a package has nothing else.
"""

from __future__ import annotations

from tdl_sync.cli.help import PAGES
from tdl_sync.cli.usage import USAGE
from tdl_sync.core.program import INSTALLED, SCRIPT, VERSION

FILE_NAME = f"{INSTALLED}.1"


def man_page() -> str:
    """The whole page in man's own language (man(7))."""
    about, _, rest = USAGE.partition("\nExamples:\n")
    examples, _, rest = rest.partition("\nUsage:\n")
    usage, _, rest = rest.partition("\n\n")
    lines = [
        f'.TH TDL\\-SYNC 1 "" "{_plain(f"tdl_sync {VERSION}")}" "User Commands"',
        ".nh",  # what is to be typed is not broken
        ".SH NAME",
        f"{_plain(INSTALLED)} \\- move every file of a Telegram chat to an rclone remote",
        ".SH SYNOPSIS",
        *_verbatim(usage),
        ".SH DESCRIPTION",
        *_text(about),
        ".SH COMMANDS",
    ]
    for name, page in PAGES.items():
        lines += [".TP", f"\\fB{_plain(name)}\\fR", *_text(page.about)]
    lines += [".SH OPTIONS"]
    options, _, environment = rest.partition("\nEnvironment:\n")
    variables, _, states = environment.partition("\nExit states")
    for paragraph in options.strip("\n").split("\n\n"):
        lines += _options(paragraph)
    lines += [".SH ENVIRONMENT", *_verbatim(variables)]
    lines += [".SH EXIT STATUS", "Of these the first that holds.", *_verbatim(_below(states))]
    lines += [".SH EXAMPLES", *_verbatim(examples)]
    return "\n".join(lines) + "\n"


def _below(text: str) -> str:
    return text.partition("\n")[2]


def _options(paragraph: str) -> list[str]:
    """A heading, if there is one, and each option with its lines below it."""
    lines: list[str] = []
    for line in paragraph.split("\n"):
        if not line.startswith(" "):
            lines += [f'.SS "{_plain(line.removesuffix(":"))}"']
        elif line.startswith("  -"):
            tag, _, text = line.strip().partition("  ")
            lines += [".TP", f"\\fB{_plain(tag)}\\fR", *([_plain(text.strip())] if text else [])]
        elif line.startswith(" " * 28):
            lines += [".br", _plain(line.strip())]
        else:
            lines.append(_plain(line.strip()))
    return lines


def _verbatim(text: str) -> list[str]:
    return [".nf", *map(_plain, text.strip("\n").split("\n")), ".fi"]


def _text(text: str) -> list[str]:
    return [_plain(line) for line in text.strip("\n").split("\n")]


def _plain(text: str) -> str:
    """Text that man shows as it is, and that calls the program by its installed name."""
    shown = text.replace(SCRIPT, INSTALLED).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{shown}" if shown.startswith((".", "'")) else shown
