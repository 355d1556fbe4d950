"""``config``: what holds, and where each value came from; as TOML, which the settings file
could hold.

Never a secret: of what may hold one there is said that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tdl_sync.cli.arguments import Arguments
from tdl_sync.cli.setting import Setting, Source
from tdl_sync.cli.settings_file import CREDENTIAL_VARIABLES, may_hold_secrets
from tdl_sync.cli.usage import ABOUT_THE_PROGRAM, OPTIONS, Option
from tdl_sync.core.program import VARIABLE_PREFIX
from tdl_sync.core.text import printable

HIDDEN = "(not shown: it may hold a secret)"
_REMARK_COLUMN = 36


def settings_in_force(arguments: Arguments) -> str:
    """The whole text, fit for a terminal."""
    file = arguments.file
    lines = [f"# {'no settings file' if file.path is None else file.path}"]
    lines += _whole_run(arguments)
    for table in file.tables:
        lines += ["", "[[chat]]"]
        holds = arguments.settings_of(table)
        for name, setting in table.settings.items():
            wins = name == "--url" or setting.is_off or holds.get(name) == setting
            remark = "" if wins else f"but {holds[name].origin} wins" if name in holds else ""
            lines.append(_line(OPTIONS[name], setting, remark or "this table"))
    return "\n".join(printable(line) for line in lines) + "\n"


def _whole_run(arguments: Arguments) -> Iterator[str]:
    settings = arguments.settings
    for name, option in OPTIONS.items():
        if name in ABOUT_THE_PROGRAM:
            continue
        setting = settings.get(name)
        if setting is not None:
            yield _line(option, setting, _origin(arguments, setting))
        elif option.default is not None:
            yield _line(option, Setting((option.default,), "", Source.FILE), "default")
    for variable in CREDENTIAL_VARIABLES:
        if (given := arguments.credentials.get(variable)) is not None:
            key = variable.removeprefix(VARIABLE_PREFIX).lower().replace("_", "-")
            origin = variable if given.origin == variable else "settings file"
            yield _with_remark(f"# {key} {HIDDEN}", origin)


def _origin(arguments: Arguments, setting: Setting) -> str:
    if setting.source is Source.COMMAND_LINE:
        return "command line"
    return setting.origin if setting.source is Source.ENVIRONMENT else "settings file"


def _line(option: Option, setting: Setting, remark: str) -> str:
    key = option.name.removeprefix("--")
    if option.name == "--config":
        return _with_remark(f"# {key} = {_quoted(setting.texts[0])}", remark)
    if may_hold_secrets(option.name, setting.texts):
        return _with_remark(f"# {key} {HIDDEN}", remark)
    if option.value_name is None:
        value = "false" if setting.is_off else "true"
    elif option.repeatable:
        value = f"[{', '.join(map(_quoted, setting.texts))}]"
    else:
        value = _quoted(setting.texts[0])
    return _with_remark(f"{key} = {value}", remark)


def _with_remark(text: str, remark: str) -> str:
    return f"{text:<{_REMARK_COLUMN}}  # {remark}"


def _quoted(text: str) -> str:
    """As TOML has it: with what a text of one line can't hold as an escape."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'
