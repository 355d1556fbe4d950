"""The whole help text, and what it says of each option.

The text is the single source: docopt-ng parses the command line by it, and ``OPTIONS`` (names,
values, defaults, variables of the environment) is read from it too, as are the page of each
command (``help``), the completion and the man page (``man_page``). Beware when editing: docopt
takes every line whose first sign is a dash for an option, also a wrapped one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tdl_sync.core.program import VARIABLE_PREFIX

USAGE = """\
tdl_sync moves every file of a Telegram chat to Google Drive (or to any other
rclone remote) through a small disk. It can be stopped and started anywhere.

Examples:
  tdl_sync.py demo                           see it work, without an account
  tdl_sync.py login                          sign in to Telegram, once
  tdl_sync.py doctor                         check all that a run needs
  tdl_sync.py -u @channel --max-disk 50      move it through 50 GB of disk
  tdl_sync.py -u https://t.me/+AbCdEf --remote box:telegram --workers 6
  tdl_sync.py -u @channel --dry-run          only say what would be moved
  tdl_sync.py --resume                       go on with everything unfinished
  tdl_sync.py status                         how far each chat is
  tdl_sync.py verify -u @channel             compare the remote with the chat
  tdl_sync.py adopt -u @channel --from gdrive:tdl   take for done what is there
  tdl_sync.py find beach 2024-05             search what was moved (--catalogue)
  tdl_sync.py                                move what the settings file names
  tdl_sync.py completion bash                a script for your shell's Tab key

Usage:
  tdl_sync.py [sync] [-u CHAT]... [--json] [--rclone-arg ARG]... [options]
  tdl_sync.py login [--qr | --import FILE] [--print-session] [options]
  tdl_sync.py chats [--json] [options]
  tdl_sync.py status [-u CHAT]... [--json] [options]
  tdl_sync.py verify [-u CHAT]... [--repair] [--yes] [--json]
                     [--rclone-arg ARG]... [options]
  tdl_sync.py doctor [--json] [--rclone-arg ARG]... [options]
  tdl_sync.py adopt [-u CHAT]... [--json] [--rclone-arg ARG]... [options]
  tdl_sync.py find WORD... [--json] [--rclone-arg ARG]... [options]
  tdl_sync.py config [-u CHAT]... [--rclone-arg ARG]... [options]
  tdl_sync.py demo
  tdl_sync.py completion (bash | zsh | fish)

What to move:
  -u CHAT, --url CHAT      the chat to read; may be given several times:
                             @name, name, https://t.me/name
                             https://t.me/name/123    from message 123 on
                             https://t.me/c/ID/123    a private channel
                             https://t.me/+invite     joined already
                             me (Saved Messages), or an id: -1001234567890
  --chats FILE             a file with a chat in each line, spelt as for -u;
                           what follows a # is a comment
  --topic ID               only this topic of a forum (the number in its link)
  --comments               also the comments on a channel's posts: the files in
                           its discussion group, into a folder of their own
  --shard K/N              only part K of N of each chat, for N runs at once on
                           as many machines or sessions: 1,000 messages in a
                           row belong to one part, the next ones to the next
  --takeout                read within an export that Telegram asks you to
                           confirm, and for which its limits are milder
  --resume                 demand a saved state; without -u: every chat that is
                           unfinished. (Otherwise a saved state is used if there
                           is one, and else the first message is the start.)
  --resume-from ID         start at this message id
  --restart                look at all messages again; what is known to be on
                           the remote is not moved again
  --replaced WAY           look at all messages again, for files that were moved
                           and replaced since (an edit): put the new one beside
                           the old one, or over it: beside or over
  --retry-failed           only what failed before, also what failed for good
  --follow                 then stay, and move new messages as they come, until
                           it is stopped
  --dry-run                only say what would be moved; nothing is written
                           anywhere

Which of its files (what is left out stays for a run with other filters):
  --type LIST              only these, with commas between: document, video,
                           audio, voice, video_note, animation, photo, sticker
                           (without it all but stickers)
  --include LIST           only names with these endings: mp4,mkv
  --exclude LIST           only names without these endings
  --min-size SIZE          only files at least this large
  --max-size SIZE          only files at most this large
  --since WHEN             only messages from this date on (2024-01-31, UTC), or
                           not older than this age (30d, 12h)
  --until WHEN             only messages up to this date, which counts whole, or
                           at least this old
  --match REGEX            only names in which this is found, in any case
  --caption REGEX          only captions (or an album's) in which this is found
  --filter EXPR            only what this holds for, such as "views > 1000 and
                           duration > 60 and not forwarded" (docs/filters.md)
  --from-id ID             only messages from this id on
  --to-id ID               only messages up to this id
  --limit N                stop after this many files of each chat
  --desc                   the newest first
  --dedupe                 move a file only once that the chat holds in several
                           messages (forwarded, or sent again)

Where it goes:
  --remote REMOTE:PATH     a remote of rclone and a folder in it, or an absolute
                           local path [default: gdrive:tdl-sync]
  --name TEMPLATE          names, and folders below the chat's own, such as
                           "{date:%Y-%m}/{stem} ({type}).{ext}"; fields:
                           {message_id} {file_name} {stem} {ext} {date} {chat}
                           {topic} {topic_name} {album} {type} {caption}
                           {sender} {views}. The message's id is put in front of
                           each name; a file keeps the place that it once got
  --sidecar                beside each file a JSON file: caption, sender, date,
                           hash (docs/sidecar.md)
  --text                   messages.jsonl in the chat's folder: all messages
                           that are text only, whatever the filters
  --catalogue              catalogue.sqlite in the chat's folder: a row for each
                           file, which the command find searches
  --gdrive                 use gdrive:tdl-sync, and check that it is a Drive

Disk and speed (SIZE is in GB, or like 500M, 1.5T, 20GiB):
  --max-disk SIZE          the most that may lie on the disk [default: 50]
  --workers N              uploads at once, 1 to 32 [default: 3]
  --downloads N            files downloaded at once, 1 to 64 [default: 4]
  --connections N          connections to each Telegram data centre at most,
                           1 to 32 [default: 8]
  --bwlimit RATE           the most that each leg may carry, spelt as rclone
                           has it: 10M, or up:down (8M:off), or by the time of
                           the day and week ("08:00,512k 19:00,off"); M is MiB/s

State and stopping (DUR is in seconds, or like 90s, 5m, 1h30m):
  --save-interval DUR      save the state at least this often (it is never
                           saved twice within 30 s) [default: 5m]
  --max-runtime DUR        be gone after this long, e.g. 5h40m; before that only
                           what can still be uploaded in time is begun
  --take-over              take the chat from another run that is dead for
                           certain; without it a dead run on another machine
                           holds its chat for three save intervals
  --grace DUR              time that running uploads get after a signal to stop
                           [default: 5s]
  --on-quota WHAT          what to do when Google Drive takes no more today:
                           exit (saves the state) or wait (goes on by itself)
                           [default: exit]

What another program has moved (adopt; docs/adopt.md):
  --from REMOTE:PATH       where it lies: anything that rclone knows
  --undo                   take back what was adopted, or what of it lies there:
                           the next run moves it; nothing is touched
  --template TEMPLATE      how it was named, if not by the defaults of tdl or of
                           telegram_media_downloader: as tdl has it, such as
                           "{{ .MessageID }}/{{ .FileName }}", or with fields:
                           {message_id} {chat_id} {file_name} {any}

Telling:
  --notify                 leave a note in Saved Messages when the run ends, is
                           stopped, fails, or has used up the Drive's day
  --page FILE              an HTML page to watch the run by, written anew every
                           10 s and at the end. (status --page: of what is
                           stored)
  --metrics FILE           the run's figures in Prometheus' text format, written
                           anew every 10 s and at the end
  --exec CMD               at the end of the run call this program, which finds
                           how it went in variables named SYNC_...
                           (docs/everyday.md); no shell reads CMD
  --exec-file CMD          the same after each file that was moved, one by one
  -q, --quiet              say only what is wrong, and the result (a log file
                           still has all)
  -v, --verbose            say more: each step of each file
  --log-file FILE          keep the lines in this file, too; at 10 MB it is put
                           aside, and the last five are kept
  --log-json               a JSON object for each line instead of text
  --json                   (chats, status, verify, doctor, find, adopt, sync
                           --dry-run) JSON for programs
  --repair                 (verify) have the next run move again what is missing
                           or wrong; remove what is on the remote twice, after
                           a question
  --yes                    (verify --repair) remove that without a question

Places and programs:
  --config FILE            the settings file, if not the user's own
                           (~/.config/tdl-sync/config.toml); command and
                           variables win over it (docs/settings.md)
  --data-dir DIR           session and records; without it the directory
                           for a user's program data (~/.local/share/tdl-sync)
  --staging DIR            the directory that --max-disk bounds, used for
                           nothing else; without it "staging" in the data
                           directory
  --rclone PATH            the rclone program; without it the one on PATH, else
                           the one that pip has put beside this Python
  --rclone-config FILE     its configuration, if not rclone's own choice
  --rclone-arg ARG         a further flag for rclone's uploads, for example
                           "--rclone-arg=--drive-chunk-size=64M"; may be given
                           several times
  --proxy URL              the way to Telegram: socks5://host:port or
                           http://host:port; one with a password is only taken
                           from TDL_SYNC_PROXY

Signing in (login, which also takes --data-dir and --proxy):
  --qr                     by a code that the phone's Telegram app scans
  --import FILE            take over the session that Pyrogram, Kurigram or
                           Telethon has here: its file, or a file with its
                           session string; - for a string that is piped in
  --print-session          print the session as a text for
                           TDL_SYNC_SESSION_STRING; it opens the account: keep
                           it secret

  -h, --help               show the commands and the everyday options; after a
                           command its own; --help all shows this text
  -V, --version            show the version

Environment:
  Every option can be a variable: TDL_SYNC_MAX_DISK=50, TDL_SYNC_RESUME=yes.
  The command line wins over them, and they win over the settings file.
  TDL_SYNC_URL may hold several chats with spaces between them,
  TDL_SYNC_RCLONE_ARG several flags, quoted as in a shell. An empty variable
  counts as not set.

  TDL_SYNC_API_ID, TDL_SYNC_API_HASH     from https://my.telegram.org
  TDL_SYNC_SESSION_STRING                from login --print-session; without it
                                         the session that login stored is used

Exit states (the first that holds):
    1   a bug in the program
    2   wrong usage or configuration
    4   Telegram or the remote refuses the credentials
    5   another run holds this chat or the staging directory
  129   stopped by SIGHUP, 130 by SIGINT (Ctrl-C), 143 by SIGTERM; state saved
   75   come back later: quota or storage is used up, or no network
    3   some files failed for now; the next run tries them again. (verify:
        something is missing or wrong)
    0   nothing is left to do, or --max-runtime was reached
"""


@dataclass(frozen=True)
class Option:
    """One option of the help text. ``value_name`` is ``None`` for a switch; ``summary`` is the
    beginning of its description, a few words."""

    name: str
    short: str | None
    value_name: str | None
    default: str | None
    repeatable: bool
    summary: str

    @property
    def variable(self) -> str:
        return VARIABLE_PREFIX + self.name.removeprefix("--").replace("-", "_").upper()


_DEFAULT = re.compile(r"\s*\[default: (.*?)\]")
_END_OF_SUMMARY = re.compile(r"[;:.] | ?\[|: |, (?:such as|e\.g\.|for example)|:$| \(")
_OPTION = re.compile(
    r"^  (?:(?P<short>-\w)(?: [A-Z]+)?, )?(?P<name>--[a-z-]+)(?: (?P<value_name>[A-Z:/]+))?"
    r"(?P<description>  .*(?:\n {10,}.*)*)?",
    re.MULTILINE,
)


def _read_options(text: str) -> Mapping[str, Option]:
    patterns = text[text.index("Usage:") : text.index("What to move:")]
    options = {}
    for match in _OPTION.finditer(text):
        name, short = match["name"], match["short"]
        default = _DEFAULT.search(match["description"] or "")
        options[name] = Option(
            name=name,
            short=short,
            value_name=match["value_name"],
            default=default[1] if default else None,
            repeatable=any(
                re.search(rf"\[{spelling} [A-Z]+\]\.\.\.", patterns) for spelling in (name, short)
            ),
            summary=_END_OF_SUMMARY.split(" ".join((match["description"] or "").split()))[0],
        )
    return options


OPTIONS: Mapping[str, Option] = _read_options(USAGE)
"""Every option of the text by its long name."""

LINES_OF_OPTIONS: Mapping[str, str] = {m["name"]: m[0] for m in _OPTION.finditer(USAGE)}
"""What the text says of each option, as it stands there."""

_PATTERN = re.compile(
    r"^  tdl_sync\.py (?:\[sync\]|(?P<command>\w+)).*(?:\n {10,}.*)*\n", re.MULTILINE
)


def _patterns_alone(text: str) -> Mapping[str, str]:
    begin, end = text.index("Usage:"), text.index("What to move:")
    # docopt could not tell a default from a value that was given.
    options = _DEFAULT.sub("", text[end:])
    return {
        match["command"] or "sync": f"Usage:\n{match[0]}\n{options}"
        for match in _PATTERN.finditer(text, begin, end)
    }


PATTERNS = _patterns_alone(USAGE)
"""The text for docopt by the command. It compares each option of each pattern with all others, so
that the patterns of all commands at once would take it 40 ms."""

ABOUT_THE_PROGRAM = frozenset({"--help", "--version"})
FOR_EACH = ABOUT_THE_PROGRAM | {"--config"}
LOGIN_ONLY = frozenset({"--qr", "--import", "--print-session"})
LOOKING_ONLY = frozenset({"--json", "--repair", "--yes"})
ADOPT_ONLY = frozenset({"--from", "--template", "--undo"})
WHICH_FILES = frozenset(
    "--url --chats --topic --comments --shard --takeout --from-id --type --include --exclude "
    "--min-size --max-size --since --until --match --caption --filter --to-id --dedupe".split()
)
WHAT_A_RUN_NEEDS = frozenset(
    "--remote --gdrive --max-disk --data-dir --staging --rclone --rclone-config --rclone-arg "
    "--proxy".split()
)
OF_COMMAND: Mapping[str, frozenset[str]] = {
    "sync": frozenset(OPTIONS) - LOGIN_ONLY - ADOPT_ONLY - (LOOKING_ONLY - {"--json"}),
    "login": LOGIN_ONLY | {"--data-dir", "--proxy"} | FOR_EACH,
    "chats": frozenset({"--json", "--data-dir", "--proxy"}) | FOR_EACH,
    "status": frozenset({"--url", "--chats", "--json", "--page", "--data-dir", "--proxy"})
    | FOR_EACH,
    "verify": WHICH_FILES
    | LOOKING_ONLY
    | WHAT_A_RUN_NEEDS
    | FOR_EACH
    | {"--take-over", "--replaced"},
    "doctor": WHAT_A_RUN_NEEDS | FOR_EACH | {"--json"},
    "adopt": (WHICH_FILES - {"--comments", "--takeout"})
    | (WHAT_A_RUN_NEEDS - {"--max-disk", "--staging"})
    | ADOPT_ONLY
    | FOR_EACH
    | {"--json", "--dry-run", "--take-over"},
    "find": frozenset(
        "--remote --gdrive --data-dir --rclone --rclone-config --rclone-arg --json".split()
    )
    | FOR_EACH,
    "config": frozenset(OPTIONS) - LOGIN_ONLY - LOOKING_ONLY - ADOPT_ONLY,
    "demo": ABOUT_THE_PROGRAM,
    "completion": ABOUT_THE_PROGRAM,
}
"""Which options each command takes on the command line."""

OF_CHAT = frozenset(
    "--url --topic --comments --from-id --type --include --exclude --min-size --max-size --since "
    "--until --match --caption --filter --to-id --limit --desc --dedupe --remote --name --sidecar "
    "--text --catalogue --replaced".split()
)
"""Which options a chat's own table in the settings file takes: the others are of the whole run."""

SHELLS = ("bash", "zsh", "fish")
"""What ``completion`` takes."""
