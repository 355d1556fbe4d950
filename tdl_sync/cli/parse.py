"""The command line and the environment, made into one validated ``Config``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from tdl_sync.cli.arguments import SEE_HELP, gather
from tdl_sync.cli.completion.scripts import completion_script
from tdl_sync.cli.help import about_itself
from tdl_sync.cli.option_values import Given, after_exclusions, seconds_between, whole
from tdl_sync.cli.usage import OF_COMMAND, OPTIONS
from tdl_sync.core.errors import UsageError
from tdl_sync.core.program import PROGRAM
from tdl_sync.options.bandwidth import UNLIMITED, parse_bandwidth
from tdl_sync.options.chat_spelling import LARGEST_MESSAGE_ID, ChatSpelling, parse_chat
from tdl_sync.options.choice import Choice, Replacing
from tdl_sync.options.config import (
    PLAINLY,
    Chats,
    Command,
    Config,
    OnQuota,
    PageSettings,
    Places,
    RcloneSettings,
    Running,
    Task,
    Telling,
    Verbosity,
)
from tdl_sync.options.credentials import Proxy, parse_proxy, telegram_settings
from tdl_sync.options.directories import default_data_dir, expand
from tdl_sync.options.expressions import Expression
from tdl_sync.options.filters import (
    Filters,
    parse_extensions,
    parse_since,
    parse_types,
    parse_until,
)
from tdl_sync.options.hooks import HookCommands, parse_command
from tdl_sync.options.name_template import PLAIN_NAMES, Keeping, parse_name_template
from tdl_sync.options.remote_argument import parse_remote, parse_upload_flag
from tdl_sync.options.units import parse_bytes
from tdl_sync.run.time_left import CLOSING_SECONDS

_LARGEST_DISK_BYTES = 10**15
_MESSAGE_ID = whole(1, LARGEST_MESSAGE_ID)
_DAY_SECONDS = 86400.0
_LONGEST_GRACE_SECONDS = 3600.0
_LONGEST_RUN_SECONDS = 366 * _DAY_SECONDS


class TextRequested(Exception):
    """``--help``, ``--version`` or ``completion``: ``text`` is to be printed, and all is well."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


def parse_config(argv: Sequence[str], environ: Mapping[str, str]) -> Config:
    """``argv`` is without the program's name. Reads the file of ``--chats``, if that is given.

    Raises ``UsageError``, one line that never holds a secret, or ``TextRequested``.
    """
    text = about_itself(argv)
    if text is not None:
        raise TextRequested(text)
    arguments = gather(argv, environ)
    if arguments.shell is not None:
        raise TextRequested(completion_script(arguments.shell))
    given = Given(after_exclusions(arguments))
    data_dir = _path(given, "--data-dir", environ) or default_data_dir(environ)
    bandwidth = given.optional("--bwlimit", parse_bandwidth) or UNLIMITED
    config = Config(
        command=Command(arguments.command),
        chats=Chats(
            spellings=_chats(given, environ),
            from_id=given.optional("--resume-from", _MESSAGE_ID)
            or given.optional("--from-id", _MESSAGE_ID),
            topic_id=given.optional("--topic", _MESSAGE_ID),
            comments=given.switch("--comments"),
        ),
        task=Task(
            choice=_choice(given, datetime.now(timezone.utc)),
            keeping=Keeping(
                template=given.optional("--name", parse_name_template) or PLAIN_NAMES,
                with_sidecar=given.switch("--sidecar"),
            ),
            texts=given.switch("--text"),
            catalogue=given.switch("--catalogue"),
            remote=_remote(given),
            resume=given.switch("--resume"),
            restart=given.switch("--restart"),
            retry_failed=given.switch("--retry-failed"),
            replaced=given.optional("--replaced", _replacing),
        ),
        running=Running(
            max_disk_bytes=given.value("--max-disk", _disk_bytes),
            workers=given.value("--workers", whole(1, 32)),
            downloads=given.value("--downloads", whole(1, 64)),
            connections=given.value("--connections", whole(1, 32)),
            save_interval_seconds=given.value("--save-interval", seconds_between(1, _DAY_SECONDS)),
            grace_seconds=given.value("--grace", seconds_between(0, _LONGEST_GRACE_SECONDS)),
            max_runtime_seconds=given.optional(
                "--max-runtime", seconds_between(1, _LONGEST_RUN_SECONDS)
            ),
            on_quota=given.value("--on-quota", _on_quota),
            take_over=given.switch("--take-over"),
            takeout=given.switch("--takeout"),
            follow=given.switch("--follow"),
            bandwidth=bandwidth,
        ),
        places=Places(data_dir, _path(given, "--staging", environ) or data_dir / "staging"),
        rclone=RcloneSettings(
            program=_program(given, environ),
            config_file=_path(given, "--rclone-config", environ),
            arguments=given.values("--rclone-arg", parse_upload_flag),
            must_be_drive=given.switch("--gdrive"),
            bandwidth=bandwidth,
        ),
        telegram=telegram_settings(environ, data_dir, _proxy(given)),
        telling=_telling(given, environ, data_dir),
        dry_run=given.switch("--dry-run"),
        login_by_qr=given.switch("--qr"),
        print_session=given.switch("--print-session"),
        as_json=given.switch("--json"),
        repair=given.switch("--repair"),
        yes=given.switch("--yes"),
        words=arguments.words,
        hooks=HookCommands(
            at_end=given.optional("--exec", parse_command, secret=True) or (),
            for_file=given.optional("--exec-file", parse_command, secret=True) or (),
        ),
    )
    if config.command is Command.SYNC:
        _refuse_what_does_not_fit(config)
    if config.command is Command.VERIFY and not config.chats.spellings:
        raise UsageError(
            "no chat is given: say which with -u, for example "
            f"{PROGRAM} verify -u @channel; {SEE_HELP}"
        )
    agreed = given.setting("--yes")
    if agreed is not None and agreed.from_command_line and not config.repair:
        raise UsageError(
            f"--yes answers what verify --repair asks; give --repair, too, or {SEE_HELP}"
        )
    if config.command in (Command.SYNC, Command.VERIFY):
        _refuse_several_chats_for_one(config.chats)
    return config


def _refuse_what_does_not_fit(config: Config) -> None:
    running, task, places = config.running, config.task, config.places
    if running.bandwidth.is_set and any(
        flag.lower().startswith("--bwlimit=") for flag in config.rclone.arguments
    ):
        raise UsageError(
            "--bwlimit and --rclone-arg=--bwlimit=... exclude each other: the first is for both "
            "legs, and UP:off limits uploads alone; give only one of them"
        )
    if task.choice.dedupe and task.replaced is Replacing.OVER:
        raise UsageError(
            "--replaced=over can't go with --dedupe: the file that gives way may be the only copy "
            "of what other messages hold; use --replaced=beside"
        )
    least_seconds = running.grace_seconds + CLOSING_SECONDS
    if running.max_runtime_seconds is not None and running.max_runtime_seconds <= least_seconds:
        raise UsageError(
            f"--max-runtime: expected more than {least_seconds:g} seconds (--grace and "
            f"{CLOSING_SECONDS:g} s for closing), found {running.max_runtime_seconds:g}"
        )
    if not config.chats.spellings and (not task.resume or task.retry_failed):
        why = " (--retry-failed needs one)" if task.retry_failed else ""
        raise UsageError(
            f"no chat is given{why}: say which with -u, for example "
            f"{PROGRAM} -u @channel, or go on with all that is unfinished by --resume; {SEE_HELP}"
        )
    if places.staging_dir == places.data_dir or places.staging_dir in places.data_dir.parents:
        raise UsageError(
            f"--staging {str(places.staging_dir)!r} holds the data directory "
            f"{str(places.data_dir)!r}; it must be a directory that is used for nothing else"
        )
    page = config.telling.page
    for option, file in (
        ("--log-file", config.telling.log_file),
        ("--page", None if page is None else page.file),
    ):
        if file is None or places.staging_dir not in file.parents:
            continue
        raise UsageError(
            f"{option} {str(file)!r} is in the staging directory, which is used for nothing "
            "else; name a file somewhere else"
        )


def _refuse_several_chats_for_one(chats: Chats) -> None:
    """What is said of one chat's messages means nothing for another's."""
    given = len(chats.spellings)
    for each in chats.spellings:
        if each.topic_id and chats.topic_id not in (None, each.topic_id):
            raise UsageError(
                f"--topic {chats.topic_id} is another topic than the one that {each.text!r} "
                "names; give one of them"
            )
    if chats.topic_id is not None and given != 1:
        raise UsageError(
            f"--topic is a topic of one chat, and {given} chats are given; name one with -u"
        )
    if chats.from_id is not None and given > 1:
        raise UsageError(
            f"--resume-from is a message id of one chat, and {given} chats are given; "
            "run them one by one"
        )


def _chats(given: Given, environ: Mapping[str, str]) -> tuple[ChatSpelling, ...]:
    chats: list[ChatSpelling] = []
    setting = given.setting("--url")
    if setting is not None:
        origin = "-u" if setting.from_command_line else setting.origin
        chats += [parse_chat(text, origin) for text in setting.texts]
    path = _path(given, "--chats", environ)
    if path is not None:
        chats += _chats_in(path)
    return tuple(dict.fromkeys(chats))


def _chats_in(path: Path) -> list[ChatSpelling]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--chats: {str(path)!r} cannot be read ({why})") from None
    # A sign for a comment within a word belongs to the word: a link may have one.
    lines = [
        (number, re.sub(r"(^|\s)#.*", "", line).strip())
        for number, line in enumerate(text.splitlines(), 1)
    ]
    chats = [parse_chat(line, f"{path}, line {number}") for number, line in lines if line]
    if not chats:
        raise UsageError(f"--chats: there is no chat in {str(path)!r}; write one in each line")
    return chats


def _choice(given: Given, now: datetime) -> Choice:
    return Choice(
        Filters(
            types=given.optional("--type", parse_types) or frozenset(),
            included_extensions=given.optional("--include", parse_extensions) or frozenset(),
            excluded_extensions=given.optional("--exclude", parse_extensions) or frozenset(),
            least_bytes=given.optional("--min-size", parse_bytes),
            most_bytes=given.optional("--max-size", parse_bytes),
            since=given.optional("--since", lambda text: parse_since(text, now)),
            until=given.optional("--until", lambda text: parse_until(text, now)),
            to_id=given.optional("--to-id", _MESSAGE_ID),
            name=given.optional("--match", Expression.parse),
            caption=given.optional("--caption", Expression.parse),
        ),
        newest_first=given.switch("--desc"),
        limit=given.optional("--limit", _MESSAGE_ID),
        dedupe=given.switch("--dedupe"),
    )


def _telling(given: Given, environ: Mapping[str, str], data_dir: Path) -> Telling:
    page = _path(given, "--page", environ)
    verbosity = Verbosity.NORMAL
    if given.switch("--quiet"):
        verbosity = Verbosity.QUIET
    elif given.switch("--verbose"):
        verbosity = Verbosity.VERBOSE
    return Telling(
        verbosity=verbosity,
        log_file=_path(given, "--log-file", environ),
        lines_as_json=given.switch("--log-json"),
        notify=given.switch("--notify"),
        page=None if page is None else PageSettings(page, data_dir / "rates.json"),
    )


def _remote(given: Given) -> str:
    setting = given.setting("--remote")
    may_hold_secrets = setting is not None and "," in setting.texts[0]
    return given.value("--remote", parse_remote, secret=may_hold_secrets)


def _proxy(given: Given) -> Proxy | None:
    setting = given.setting("--proxy")
    from_command_line = setting is not None and setting.from_command_line
    return given.optional(
        "--proxy", lambda text: parse_proxy(text, from_command_line=from_command_line), secret=True
    )


def _program(given: Given, environ: Mapping[str, str]) -> str | None:
    def program(text: str) -> str:
        if text.startswith("-") or "\0" in text:
            raise ValueError("the path or the name of the rclone program")
        return str(expand(text, environ)) if text.startswith("~") else text

    return given.optional("--rclone", program)


def _path(given: Given, name: str, environ: Mapping[str, str]) -> Path | None:
    def path(text: str) -> Path:
        if text.startswith("-") or "\0" in text:
            raise ValueError("a path (one that begins with a dash: ./-name)")
        return expand(text, environ).absolute()

    return given.optional(name, path)


def _on_quota(text: str) -> OnQuota:
    try:
        return OnQuota(text.strip().lower())
    except ValueError:
        raise ValueError("exit or wait") from None


def _replacing(text: str) -> Replacing:
    try:
        return Replacing(text.strip().lower())
    except ValueError:
        raise ValueError("beside or over") from None


def _disk_bytes(text: str) -> int:
    size_bytes = parse_bytes(text)
    if not 0 < size_bytes <= _LARGEST_DISK_BYTES:
        raise ValueError("a size above 0 and up to 1 PB (a bare number is in GB; 4096B in bytes)")
    return size_bytes


def is_sync_at_a_glance(argv: Sequence[str]) -> bool:
    """Whether this command line, however wrong it is, asks for a run, of which scripts expect a
    result."""
    takers = {
        spelling
        for option in OPTIONS.values()
        if option.value_name is not None
        for spelling in (option.name, option.short)
    }
    words = [word for before, word in zip(["", *argv], argv, strict=False) if before not in takers]
    return next((word for word in words if word in OF_COMMAND), "sync") == "sync"


def _is_switched_on(environ: Mapping[str, str], name: str) -> bool:
    given = environ.get(OPTIONS[name].variable, "").strip().lower()
    return given in ("1", "yes", "true", "on")


def telling_at_a_glance(argv: Sequence[str], environ: Mapping[str, str]) -> Telling:
    """How to tell what is wrong with this command line: what it says of that, however wrong it
    is otherwise."""
    path = environ.get(OPTIONS["--log-file"].variable, "").strip()
    for word, following in zip(argv, [*argv, ""][1:], strict=True):
        if word == "--log-file":
            path = following
        elif word.startswith("--log-file="):
            path = word.partition("=")[2]
    log_file = None
    if path and "\0" not in path:
        with contextlib.suppress(UsageError):
            log_file = expand(path, environ)
    return replace(
        PLAINLY,
        log_file=log_file,
        lines_as_json="--log-json" in argv or _is_switched_on(environ, "--log-json"),
    )
