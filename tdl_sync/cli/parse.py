"""The command line, the environment and the settings file, made into one validated ``Config``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from tdl_sync.cli.arguments import SEE_HELP, gather
from tdl_sync.cli.chat_options import groups, refuse_several_chats_for_one
from tdl_sync.cli.completion.scripts import completion_script
from tdl_sync.cli.help import about_itself
from tdl_sync.cli.option_values import (
    Given,
    after_exclusions,
    path_given,
    seconds_between,
    whole,
)
from tdl_sync.cli.setting import Source
from tdl_sync.cli.settings_shown import settings_in_force
from tdl_sync.cli.usage import OF_COMMAND, OPTIONS, WHICH_FILES
from tdl_sync.core.errors import UsageError
from tdl_sync.core.program import PROGRAM
from tdl_sync.core.shards import Shard
from tdl_sync.options.adopt_template import parse_adopt_template
from tdl_sync.options.bandwidth import UNLIMITED, parse_bandwidth
from tdl_sync.options.choice import Replacing
from tdl_sync.options.config import (
    PLAINLY,
    Command,
    Config,
    MetricsSettings,
    OnQuota,
    PageSettings,
    Places,
    RcloneSettings,
    Running,
    Telling,
    Verbosity,
)
from tdl_sync.options.credentials import Proxy, parse_proxy, telegram_settings
from tdl_sync.options.directories import default_data_dir, expand
from tdl_sync.options.hooks import HookCommands, parse_command
from tdl_sync.options.remote_argument import parse_remote, parse_upload_flag
from tdl_sync.options.units import parse_bytes
from tdl_sync.run.time_left import CLOSING_SECONDS

_LARGEST_DISK_BYTES = 10**15
_DAY_SECONDS = 86400.0
_LONGEST_GRACE_SECONDS = 3600.0
_LONGEST_RUN_SECONDS = 366 * _DAY_SECONDS


class TextRequested(Exception):
    """``--help``, ``--version`` or ``completion``: ``text`` is to be printed, and all is well."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


def parse_config(argv: Sequence[str], environ: Mapping[str, str]) -> Config:
    """``argv`` is without the program's name. Reads the settings file, and that of ``--chats``.

    Raises ``UsageError``, one line that never holds a secret, or ``TextRequested``.
    """
    text = about_itself(argv)
    if text is not None:
        raise TextRequested(text)
    arguments = gather(argv, environ)
    if arguments.shell is not None:
        raise TextRequested(completion_script(arguments.shell))
    given = Given(after_exclusions(arguments.settings))
    data_dir = path_given(given, "--data-dir", environ) or default_data_dir(environ)
    bandwidth = given.optional("--bwlimit", parse_bandwidth) or UNLIMITED
    shows_settings = arguments.command == "config"
    found = groups(arguments, environ, datetime.now(timezone.utc))
    config = Config(
        command=Command.SYNC if shows_settings else Command(arguments.command),
        chats=found.chats,
        task=found.task,
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
        places=Places(data_dir, path_given(given, "--staging", environ) or data_dir / "staging"),
        rclone=RcloneSettings(
            program=_program(given, environ),
            config_file=path_given(given, "--rclone-config", environ),
            arguments=given.values("--rclone-arg", parse_upload_flag),
            must_be_drive=given.switch("--gdrive"),
            bandwidth=bandwidth,
        ),
        telegram=telegram_settings(arguments.credentials, data_dir, _proxy(given)),
        telling=_telling(given, environ, data_dir, arguments.command, found.task.choice.shard),
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
        session_import=given.optional("--import", _import_source(environ), secret=True),
        adopt_from=given.optional("--from", parse_remote),
        adopt_template=given.optional("--template", parse_adopt_template),
        undo=given.switch("--undo"),
        apart=found.apart,
        left_out=found.left_out,
    )
    if config.command in (Command.SYNC, Command.VERIFY):
        refuse_several_chats_for_one(config, arguments)
        _refuse_copies_in_shards(config)
    if shows_settings:
        raise TextRequested(settings_in_force(arguments))
    as_json = given.setting("--json")
    if config.command is Command.SYNC:
        if as_json is not None and as_json.from_command_line and not config.dry_run:
            raise UsageError(
                f"--json is for --dry-run and for commands that look; lines of a run as JSON are "
                f"--log-json; {SEE_HELP}"
            )
        _refuse_what_does_not_fit(config)
    if config.command is Command.VERIFY and not config.names_chats:
        raise UsageError(
            "no chat is given: say which with -u, for example "
            f"{PROGRAM} verify -u @channel; {SEE_HELP}"
        )
    if config.command is Command.ADOPT:
        _refuse_vague_adoption(config, given)
    agreed = given.setting("--yes")
    if agreed is not None and agreed.from_command_line and not config.repair:
        raise UsageError(
            f"--yes answers what verify --repair asks; give --repair, too, or {SEE_HELP}"
        )
    return config


def _refuse_vague_adoption(config: Config, given: Given) -> None:
    if not config.names_chats or (config.adopt_from is None and not config.undo):
        raise UsageError(
            "adopt needs the chat and where its files lie, for example "
            f"{PROGRAM} adopt -u @channel --from gdrive:downloads; {SEE_HELP}"
        )
    if not config.undo:
        return
    for name in sorted((WHICH_FILES | {"--template"}) - {"--url", "--chats"}):
        setting = given.setting(name)
        if setting is not None and setting.from_command_line:
            raise UsageError(
                f"{name} and --undo exclude each other: all that was adopted of the chat is taken "
                "back, or what of it lies where --from says; give only one of them"
            )


def _refuse_copies_in_shards(config: Config) -> None:
    for group in config.groups:
        choice = group.task.choice
        if choice.dedupe and not choice.shard.is_whole:
            raise UsageError(
                "--dedupe can't go with --shard: a file and its copies may belong to different "
                "parts, whose runs know nothing of each other; leave one of the two out"
            )


def _refuse_what_does_not_fit(config: Config) -> None:
    running, task, places = config.running, config.task, config.places
    if running.bandwidth.is_set and any(
        flag.lower().startswith("--bwlimit=") for flag in config.rclone.arguments
    ):
        raise UsageError(
            "--bwlimit and --rclone-arg=--bwlimit=... exclude each other: the first is for both "
            "legs, and UP:off limits uploads alone; give only one of them"
        )
    for group in config.groups:
        if group.task.choice.dedupe and group.task.replaced is Replacing.OVER:
            raise UsageError(
                "--replaced=over can't go with --dedupe: the file that gives way may be the only "
                "copy of what other messages hold; use --replaced=beside"
            )
        if running.follow and group.task.choice.filters.change:
            raise UsageError(
                "--filter by views or forwards can't go with --follow, which looks at each message "
                "once, when it has hardly any: run it now and then, without --follow"
            )
    least_seconds = running.grace_seconds + CLOSING_SECONDS
    if running.max_runtime_seconds is not None and running.max_runtime_seconds <= least_seconds:
        raise UsageError(
            f"--max-runtime: expected more than {least_seconds:g} seconds (--grace and "
            f"{CLOSING_SECONDS:g} s for closing), found {running.max_runtime_seconds:g}"
        )
    if not config.names_chats and (not task.resume or task.retry_failed):
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
    page, metrics = config.telling.page, config.telling.metrics
    for option, file in (
        ("--log-file", config.telling.log_file),
        ("--page", None if page is None else page.file),
        ("--metrics", None if metrics is None else metrics.file),
    ):
        if file is None or places.staging_dir not in file.parents:
            continue
        raise UsageError(
            f"{option} {str(file)!r} is in the staging directory, which is used for nothing "
            "else; name a file somewhere else"
        )


def _telling(
    given: Given, environ: Mapping[str, str], data_dir: Path, command: str, shard: Shard
) -> Telling:
    page = path_given(given, "--page", environ)
    asked = given.setting("--page")
    if command == "status" and asked is not None and asked.source is Source.FILE:
        page = None  # that is the page of the runs, and may be kept by one now
    metrics = path_given(given, "--metrics", environ)
    verbosity = Verbosity.NORMAL
    if given.switch("--quiet"):
        verbosity = Verbosity.QUIET
    elif given.switch("--verbose"):
        verbosity = Verbosity.VERBOSE
    return Telling(
        verbosity=verbosity,
        log_file=path_given(given, "--log-file", environ),
        lines_as_json=given.switch("--log-json"),
        notify=given.switch("--notify"),
        page=None if page is None else PageSettings(page, data_dir / "rates.json"),
        metrics=None if metrics is None else MetricsSettings(metrics, str(shard)),
    )


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


def _import_source(environ: Mapping[str, str]) -> Callable[[str], str]:
    """Its errors don't print what was given: it may be a session, which opens the account."""
    expected = "a file with a session, or - for one that is typed or piped in"

    def source(text: str) -> str:
        if text == "-":
            return text
        if re.fullmatch(r"[A-Za-z0-9_=-]{200,}", text):
            raise ValueError(f"{expected}; not the session itself, which other users could see")
        if text.startswith("-") or "\0" in text:
            raise ValueError(expected)
        return str(expand(text, environ).absolute())

    return source


def _on_quota(text: str) -> OnQuota:
    try:
        return OnQuota(text.strip().lower())
    except ValueError:
        raise ValueError("exit or wait") from None


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
    prints_json = "--json" in argv and "--dry-run" in argv
    return (
        not prints_json and next((word for word in words if word in OF_COMMAND), "sync") == "sync"
    )


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
