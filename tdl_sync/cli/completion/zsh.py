"""The completion script for zsh (https://zsh.sourceforge.io/Doc/Release/Completion-System.html)."""

from __future__ import annotations

from tdl_sync.cli.completion.words import (
    COMMANDS,
    Value,
    ValueKind,
    filled,
    options_of,
    pattern_of,
    spellings,
    value_of,
)
from tdl_sync.cli.usage import SHELLS, Option

_SCRIPT = """\
#compdef @names@
# zsh completion for @names@, made by: @first@ completion zsh

# What rclone has in its configuration: it is not asked over the network.
_tdl_sync_remotes() {
    local -a config found
    if [[ $PREFIX == /* ]]; then
        _files -/
        return
    fi
    [[ -n $TDL_SYNC_RCLONE_CONFIG ]] && config=(--config $TDL_SYNC_RCLONE_CONFIG)
    found=(${(f)"$(${TDL_SYNC_RCLONE:-rclone} @listremotes@ $config 2>/dev/null </dev/null)"})
    compadd -S '' -a found
}

_tdl_sync() {
    local command=@none@ expects= word
    for word in "${(@)words[2,CURRENT-1]}"; do
        if [[ -n $expects ]]; then
            expects=
            continue
        fi
        case $word in
            (@takers@) expects=yes ;;
            (@commands@) command=$word; break ;;
        esac
    done
    case $command in
@options@
    esac
}

if [[ ${funcstack[1]} == _@first@ ]]; then
    _tdl_sync "$@"
else
    compdef _tdl_sync @names@
fi
"""


def zsh_script() -> str:
    cases = []
    for command in COMMANDS:
        words = [f"'1:command:({' '.join(COMMANDS)})'"]
        if command == "completion":
            words.append(f"'2:shell:({' '.join(SHELLS)})'")
        words += [text for option in options_of(command) for text in _specifications(option)]
        lines = " \\\n                ".join(words)
        cases.append(
            f"        ({pattern_of(command)})\n"
            f"            _arguments -s \\\n                {lines} ;;"
        )
    return filled(_SCRIPT, "|", options="\n".join(cases))


def _specifications(option: Option) -> list[str]:
    """One for each spelling: what excludes it, itself, what it does, its value."""
    names = spellings(option)
    before = "*" if option.repeatable else f"({' '.join(names)})" if len(names) > 1 else ""
    value = value_of(option)
    description = "".join(f"\\{sign}" if sign in "[]\\" else sign for sign in option.summary)
    placeholder = (option.value_name or "").replace(":", "\\:")
    after = "" if value is None else f":{placeholder}:{_action(value)}"
    found = []
    for name in names:
        mark = "=" if value is not None and name.startswith("--") else ""
        found.append(_quoted(f"{before}{name}{mark}[{description}]{after}"))
    return found


def _action(value: Value) -> str:
    words = " ".join(value.words)
    return {
        ValueKind.UNKNOWN: " ",
        ValueKind.FILE: "_files",
        ValueKind.DIRECTORY: "_files -/",
        ValueKind.REMOTE: "_tdl_sync_remotes",
        ValueKind.ONE_OF: f"({words})",
        ValueKind.LIST_OF: f"_values -s , kinds {words}",
    }[value.kind]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
