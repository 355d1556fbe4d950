"""What is moved of which chats, and where to: one answer for the whole run, and one for each table
of the settings file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tdl_sync.cli.arguments import Arguments
from tdl_sync.cli.option_values import Given, after_exclusions, path_given, whole
from tdl_sync.cli.setting import Setting, Source
from tdl_sync.cli.settings_file import ChatTable
from tdl_sync.core.errors import ConfigurationError, UsageError
from tdl_sync.core.shards import WHOLE, Shard, parse_shard
from tdl_sync.options.chat_spelling import (
    LARGEST_MESSAGE_ID,
    ChatSpelling,
    parse_chat,
    same_chat,
)
from tdl_sync.options.choice import Choice, Replacing
from tdl_sync.options.config import Apart, Chats, Config, Task
from tdl_sync.options.expressions import Expression
from tdl_sync.options.file_filter import FileFilter
from tdl_sync.options.filters import (
    Filters,
    parse_extensions,
    parse_since,
    parse_types,
    parse_until,
)
from tdl_sync.options.name_template import PLAIN_NAMES, Keeping, parse_name_template
from tdl_sync.options.remote_argument import parse_remote
from tdl_sync.options.units import parse_bytes

_MESSAGE_ID = whole(1, LARGEST_MESSAGE_ID)


@dataclass(frozen=True)
class Groups:
    """The fields of ``Config`` with these names."""

    chats: Chats
    task: Task
    apart: tuple[Apart, ...]
    left_out: tuple[ChatSpelling, ...]


def groups(arguments: Arguments, environ: Mapping[str, str], now: datetime) -> Groups:
    """Which chats, and what of each. Raises ``UsageError``.

    Chats that are named by hand are all that is moved; those with a table of their own are moved
    as it says.
    """
    settings = arguments.settings
    by_hand = [
        each
        for name in ("--url", "--chats")
        if (each := settings.get(name)) is not None and each.source > Source.TABLE
    ]
    if by_hand:
        settings = {
            name: each
            for name, each in settings.items()
            if name not in ("--url", "--chats") or each in by_hand
        }
    given = Given(after_exclusions(settings))
    # `status` shows what was moved with this account, whatever the file says is to be moved.
    named = by_hand or arguments.command != "status"
    spellings = _spellings(given, environ) if named else ()
    tables = [(each, _spellings_of(each.settings["--url"])) for each in arguments.file.tables]
    tabled = [spelling for _, found in tables for spelling in found]
    apart = []
    for table, found in tables:
        wanted = _among(spellings, found) if by_hand else found
        if wanted:
            apart.append(_apart(arguments, table, wanted, now))
    rest = tuple(each for each in spellings if not _among([each], tabled))
    found_groups = Groups(
        chats=_chats(given, rest),
        task=_task(given, now),
        apart=tuple(apart),
        left_out=tuple(each for each in tabled if by_hand and not _among([each], spellings)),
    )
    _refuse_twice(found_groups)
    return found_groups


def refuse_several_chats_for_one(config: Config, arguments: Arguments) -> None:
    """What is said of one chat's messages means nothing for another's."""
    in_all = sum(len(each.chats.spellings) for each in config.groups)
    tables = {table.name: table for table in arguments.file.tables}
    _refuse_several(config.chats, in_all, in_all)
    for each in config.apart:
        own = tables[each.name].settings
        count = len(each.chats.spellings)
        with_topic = count if "--topic" in own else in_all
        with_id = count if "--from-id" in own else in_all
        try:
            _refuse_several(each.chats, with_topic, with_id)
        except UsageError as error:
            raise UsageError(f"{each.name}: {error}") from None


def _refuse_several(chats: Chats, with_topic: int, with_id: int) -> None:
    """``with_topic`` and ``with_id`` are how many chats the topic and the first id are said of."""
    for each in chats.spellings:
        if each.topic_id and chats.topic_id not in (None, each.topic_id):
            raise UsageError(
                f"--topic {chats.topic_id} is another topic than the one that {each.text!r} "
                "names; give one of them"
            )
    if chats.topic_id is not None and with_topic != 1:
        raise UsageError(
            f"--topic is a topic of one chat, and {with_topic} chats are given; name one with -u"
        )
    if chats.from_id is not None and with_id > 1:
        raise UsageError(
            f"--resume-from is a message id of one chat, and {with_id} chats are given; "
            "run them one by one"
        )


def _apart(
    arguments: Arguments, table: ChatTable, spellings: Sequence[ChatSpelling], now: datetime
) -> Apart:
    given = Given(after_exclusions(arguments.settings_of(table)))
    return Apart(
        name=table.name,
        chats=_chats(given, spellings),
        task=_task(given, now),
        must_be_drive=given.switch("--gdrive"),
    )


def _refuse_twice(found: Groups) -> None:
    """Of two tables only one can hold. To two remotes a chat may go, each with its own table."""
    seen: dict[tuple[object, ...], str] = {}
    for each in found.apart:
        for spelling in each.chats.spellings:
            part = each.chats.topic_id or spelling.topic_id
            chat = replace(spelling, from_message_id=0, topic_id=0)
            key = (chat, part, each.task.remote)
            if key in seen:
                raise UsageError(
                    f"{each.name}: {spelling.text!r} goes to the same remote by "
                    f"{seen[key]}; name it in one of them, or give each its own remote"
                )
            seen[key] = "another line of it" if each.name in seen.values() else each.name


def _among(
    spellings: Sequence[ChatSpelling], others: Sequence[ChatSpelling]
) -> tuple[ChatSpelling, ...]:
    return tuple(each for each in spellings if any(same_chat(each, other) for other in others))


def _chats(given: Given, spellings: Sequence[ChatSpelling]) -> Chats:
    return Chats(
        spellings=tuple(spellings),
        from_id=given.optional("--resume-from", _MESSAGE_ID)
        or given.optional("--from-id", _MESSAGE_ID),
        topic_id=given.optional("--topic", _MESSAGE_ID),
        comments=given.switch("--comments"),
    )


def _task(given: Given, now: datetime) -> Task:
    choice = _choice(given, now)
    retry_failed = given.switch("--retry-failed")
    return Task(
        choice=choice,
        keeping=Keeping(
            template=given.optional("--name", parse_name_template) or PLAIN_NAMES,
            with_sidecar=given.switch("--sidecar"),
        ),
        # There is one of each for a chat.
        texts=given.switch("--text") and choice.shard.is_first,
        catalogue=given.switch("--catalogue") and choice.shard.is_first,
        remote=_remote(given),
        resume=given.switch("--resume"),
        # What may pass tomorrow is looked at again tomorrow.
        restart=given.switch("--restart") or (choice.filters.change and not retry_failed),
        retry_failed=retry_failed,
        replaced=given.optional("--replaced", _replacing),
    )


def _spellings(given: Given, environ: Mapping[str, str]) -> tuple[ChatSpelling, ...]:
    chats: list[ChatSpelling] = []
    setting = given.setting("--url")
    if setting is not None:
        chats += _spellings_of(setting)
    path = path_given(given, "--chats", environ)
    if path is not None:
        chats += _chats_in(path)
    return tuple(dict.fromkeys(chats))


def _spellings_of(setting: Setting) -> tuple[ChatSpelling, ...]:
    origin = "-u" if setting.from_command_line else setting.origin
    return tuple(dict.fromkeys(parse_chat(text, origin) for text in setting.texts))


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
            expression=given.optional("--filter", FileFilter.parse),
        ),
        newest_first=given.switch("--desc"),
        limit=given.optional("--limit", _MESSAGE_ID),
        dedupe=given.switch("--dedupe"),
        shard=given.optional("--shard", _shard) or WHOLE,
    )


def _shard(text: str) -> Shard:
    try:
        return parse_shard(text.strip())
    except ConfigurationError:
        raise ValueError("part K of N as K/N, from 1/N to N/N, such as 2/4") from None


def _remote(given: Given) -> str:
    setting = given.setting("--remote")
    may_hold_secrets = setting is not None and "," in setting.texts[0]
    return given.value("--remote", parse_remote, secret=may_hold_secrets)


def _replacing(text: str) -> Replacing:
    try:
        return Replacing(text.strip().lower())
    except ValueError:
        raise ValueError("beside or over") from None
