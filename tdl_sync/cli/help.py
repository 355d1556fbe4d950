"""What ``--help`` shows: a page for each command, cut from the whole text of ``usage``.

An option's lines are those of the whole text, so a page can't say anything else of it than that,
or than the man page, which is made of it as well.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tdl_sync.cli.usage import LINES_OF_OPTIONS, OF_COMMAND, USAGE
from tdl_sync.core.program import PROGRAM, SCRIPT, VERSION

EVERYTHING = "all"
"""``--help all`` shows the whole text."""

COLUMNS = 80


@dataclass(frozen=True)
class Page:
    """What one command's help has besides the lines of its options: what it does, in a few words
    for the list of commands and in some lines for its own page, how it is used, and examples."""

    summary: str
    about: str
    usage: tuple[str, ...]
    examples: tuple[str, ...]
    options: tuple[str, ...]


EVERYDAY = tuple(
    "--url --remote --max-disk --type --since --limit --dry-run --resume --retry-failed --follow "
    "--quiet --log-file".split()
)
"""The options that most people need, and no others."""


def _all_of(command: str) -> tuple[str, ...]:
    return tuple(name for name in LINES_OF_OPTIONS if name in OF_COMMAND[command])


PAGES: Mapping[str, Page] = {
    "sync": Page(
        "move a chat's files to the remote (the same as no command)",
        "Moves every file of each chat to the remote, through a disk of --max-disk. It can be "
        "stopped and started anywhere: what is done stays done, and the next run goes on.",
        ("[sync] -u CHAT... [options]", "[sync] --resume [options]"),
        ("-u @channel --max-disk 50", "-u @channel --dry-run", "--resume --max-runtime 5h40m"),
        EVERYDAY,
    ),
    "login": Page(
        "sign in to Telegram, once",
        "Signs in to Telegram and stores the session in the data directory, for you alone: by "
        "phone number, code and two-step password, or by a code that the app scans (--qr). It "
        "asks for an api id and hash, from https://my.telegram.org/apps, unless the variables "
        "TDL_SYNC_API_ID and TDL_SYNC_API_HASH have them, and keeps them beside the session. A "
        "session that is there and works is only shown. It needs a terminal, but for --import, "
        "which takes over a session that another program has on this machine.",
        ("login [--qr | --import FILE] [--print-session] [options]",),
        ("login", "login --qr", "login --import ~/old/my.session", "login --print-session"),
        _all_of("login"),
    ),
    "chats": Page(
        "list this account's chats, and how -u takes them",
        "Lists the chats of this account with the spelling that -u takes, their kind and how "
        "many messages they have. It changes nothing.",
        ("chats [--json] [options]",),
        ("chats", "chats --json"),
        _all_of("chats"),
    ),
    "status": Page(
        "how far each chat is",
        "Says of each chat how far it is: what is moved, what failed and why, and what is left, "
        "by the state that runs save in Saved Messages. It changes nothing.",
        ("status [-u CHAT]... [--json] [options]",),
        ("status", "status -u @channel --json"),
        _all_of("status"),
    ),
    "verify": Page(
        "compare the remote with the chat",
        "Compares what is on the remote with what the chat holds (by size, and by hash "
        "where the remote lists one), downloads nothing, and names "
        "what is missing, wrong, or there twice. Without --repair it changes nothing. The filters "
        "of sync (--type, --since, ...) choose what is compared, too. Status 3 where something "
        "is missing or wrong.",
        ("verify -u CHAT... [--repair] [--yes] [--json] [options]",),
        ("verify -u @channel", "verify -u @channel --repair"),
        tuple("--url --remote --type --since --repair --yes --json".split()),
    ),
    "doctor": Page(
        "check all that a run needs",
        "Looks at all that a run needs (Python, rclone, the remote and its free space, the "
        "Telegram session, the clock, the disk) and says of each that it is right, or how to "
        "mend it. Give it the options that the run gets. The status is that of what is wrong.",
        ("doctor [--json] [options]",),
        ("doctor", "doctor --remote box:telegram --max-disk 200"),
        _all_of("doctor"),
    ),
    "adopt": Page(
        "take for done what another program has moved",
        "Matches what lies somewhere on a remote, moved by tdl or telegram_media_downloader, with "
        "the chat's messages, by ids in the names, sizes, and hashes where they are known. What is "
        "certain is taken for done where it lies; no run moves it again, and nothing ever moves or "
        "deletes it. What is not certain is left and told. Try it with --dry-run first. --undo "
        "takes it back.",
        (
            "adopt -u CHAT --from REMOTE:PATH [--dry-run] [options]",
            "adopt -u CHAT --undo [--from REMOTE:PATH] [--dry-run] [options]",
        ),
        (
            "adopt -u @channel --from gdrive:downloads --dry-run",
            "adopt -u @channel --from box: --template '{message_id}.{ext}'",
        ),
        tuple("--url --from --template --undo --remote --dry-run --json".split()),
    ),
    "find": Page(
        "search what was moved, by its catalogues",
        "Searches the catalogues that runs with --catalogue keep (a row for each file: date, kind, "
        "sender, caption, name, path) for what holds all the words, in any case. It looks in the "
        "data directory; on a machine that has moved nothing, on the remote. It changes nothing.",
        ("find WORD... [--json] [options]",),
        ("find beach 2024-05", "find invoice .pdf --json"),
        _all_of("find"),
    ),
    "config": Page(
        "show the settings that hold, and where each came from",
        "Shows what would hold for a run with these options: the command line wins over variables "
        "(TDL_SYNC_...), they win over the settings file, and what is given nowhere has its "
        "default. What may hold a secret is not shown. What it prints could be the settings file. "
        "It changes nothing.",
        ("config [options]",),
        ("config", "config --config other.toml", "config -u @channel --workers 6"),
        ("--config",),
    ),
    "demo": Page(
        "see it work, without an account",
        "Starts a stand-in for Telegram on this machine, which speaks Telegram's real protocol, "
        "and moves the 291 files of its channel through 50 MB of disk, with rclone, to a "
        "directory that plays Drive. Then it compares each by its SHA-256, and removes all of it. "
        "It takes half a minute and needs no network and no account.",
        ("demo",),
        ("demo",),
        _all_of("demo"),
    ),
    "completion": Page(
        "a script for your shell's Tab key",
        "Prints a script that teaches the shell the commands and options. It changes nothing; "
        "for bash, write its output to ~/.local/share/bash-completion/completions/tdl-sync. "
        "For zsh, to a file _tdl-sync in a directory of $fpath; for fish, to "
        "~/.config/fish/completions/tdl-sync.fish.",
        ("completion (bash | zsh | fish)",),
        ("completion bash", "completion zsh", "completion fish"),
        _all_of("completion"),
    ),
}
"""Every command's own page."""


ABOUT_ITSELF = ("--help", "--version")


def about_itself(argv: Sequence[str]) -> str | None:
    """What ``--help`` or ``--version`` among these words asks for; they count wherever they are,
    and whatever else is wrong. ``None`` where neither is there."""
    if "-h" in argv or "--help" in argv:
        return help_text(argv).replace(SCRIPT, PROGRAM)
    if "--version" in argv or "-V" in argv:
        return f"tdl_sync {VERSION}\n"
    return None


def help_text(argv: Sequence[str]) -> str:
    """What ``--help`` among these words asks for, with the script's name as the program's."""
    words = list(argv)
    if any(
        word in ("-h", "--help") and words[i + 1 :][:1] == [EVERYTHING]
        for i, word in enumerate(words)
    ):
        return USAGE
    command = next((word for word in words if word in PAGES), None)
    return _first_page() if command is None else _page_of(command)


def _first_page() -> str:
    width = max(map(len, PAGES))
    return "\n".join(
        [
            USAGE[: USAGE.index("\nExamples:")],
            f"Usage: {SCRIPT} [COMMAND] [options]",
            "",
            "First steps:",
            *_called(("demo", "login", "doctor", "-u @channel --max-disk 50")),
            "",
            "Commands:",
            *(f"  {name:<{width}}  {page.summary}" for name, page in PAGES.items()),
            "",
            "Everyday options:",
            _lines_of(EVERYDAY),
            "More help:",
            f"  {SCRIPT} COMMAND --help   of one command",
            f"  {SCRIPT} --help {EVERYTHING}       everything: all options, variables, exit states",
            "",
        ]
    )


def _page_of(command: str) -> str:
    page = PAGES[command]
    options = [name for name in page.options if name not in ABOUT_ITSELF]
    has_others = bool(OF_COMMAND[command] - {*options, *ABOUT_ITSELF})
    heading = "Everyday options:" if has_others else "Options:"
    return "\n".join(
        [
            textwrap.fill(page.about, COLUMNS, break_on_hyphens=False),
            "",
            "Usage:",
            *_called(page.usage),
            "",
            "Examples:",
            *_called(page.examples),
            "",
            *([heading, _lines_of(options)] if options else []),
            f"All options, variables and exit states: {SCRIPT} --help {EVERYTHING}",
            "",
        ]
    )


def _called(lines: Sequence[str]) -> list[str]:
    return [f"  {SCRIPT} {line}" for line in lines]


def _lines_of(names: Sequence[str]) -> str:
    """Without the list of spellings below a description and the commands that an option is for,
    which the whole text alone needs."""
    lines = "".join(LINES_OF_OPTIONS[name] + "\n" for name in names)
    lines = re.sub(r":\n(?: {29,}.*\n)+", "\n", lines)
    return re.sub(r"^(  .{23,25})\((?:chats|verify)[^)]*\) ", r"\1", lines, flags=re.MULTILINE)
