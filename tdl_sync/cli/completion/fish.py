"""The completion script for fish 3 (https://fishshell.com/docs/current/completions.html)."""

from __future__ import annotations

from tdl_sync.cli.completion.words import (
    NAMES,
    NO_COMMAND,
    Value,
    ValueKind,
    filled,
    spellings,
    value_of,
)
from tdl_sync.cli.usage import OF_COMMAND, OPTIONS, Option

_SCRIPT = """\
# fish completion for @names@, made by: @first@ completion fish

function __tdl_sync_command
    set -l expects no
    for word in (commandline -opc)[2..-1]
        if test $expects = yes
            set expects no
            continue
        end
        switch $word
            case @takers@
                set expects yes
            case @commands@
                echo $word
                return
        end
    end
    echo @none@
end

function __tdl_sync_is
    contains -- (__tdl_sync_command) $argv
end

# An option whose value is being written does not count as given.
function __tdl_sync_lacks
    set -l words (commandline -opc)
    contains -- $words[-1] @takers@; and set -e words[-1]
    for word in $words
        contains -- (string replace -r '^(--[^=]*)=.*' '$1' -- $word) $argv; and return 1
    end
    return 0
end

function __tdl_sync_list
    set -l given (commandline -ct | string replace -r '^--[^=]*=' '')
    set -l head (string match -r '^.*,' -- $given)
    for word in $argv
        contains -- $word (string split , -- $head); or echo "$head$word"
    end
end

# What rclone has in its configuration: it is not asked over the network.
function __tdl_sync_remotes
    set -l given (commandline -ct | string replace -r '^--[^=]*=' '')
    if string match -q '/*' -- $given
        __fish_complete_directories $given
        return
    end
    set -l rclone rclone
    set -l config
    test -n "$TDL_SYNC_RCLONE"; and set rclone $TDL_SYNC_RCLONE
    test -n "$TDL_SYNC_RCLONE_CONFIG"; and set config --config $TDL_SYNC_RCLONE_CONFIG
    type -q $rclone; or return
    $rclone @listremotes@ $config 2>/dev/null </dev/null
end

complete -c @first@ -f
complete -c @first@ -n '__tdl_sync_is @none@' -a '@commands@'
complete -c @first@ -n '__tdl_sync_is completion; and __tdl_sync_lacks @shells@' -a '@shells@'
@options@
@others@
"""


def fish_script() -> str:
    others = [f"complete -c {name} -w {NAMES[0]}" for name in NAMES[1:]]
    return filled(
        _SCRIPT,
        " ",
        options="\n".join(_line(option) for option in OPTIONS.values()),
        others="\n".join(others),
    )


def _line(option: Option) -> str:
    takers = [name for name, options in OF_COMMAND.items() if option.name in options]
    if "sync" in takers:
        takers.append(NO_COMMAND)
    condition = f"__tdl_sync_is {' '.join(takers)}"
    if not option.repeatable:
        condition += f"; and __tdl_sync_lacks {' '.join(spellings(option))}"
    parts = [f"complete -c {NAMES[0]} -n {_quoted(condition)} -l {option.name.removeprefix('--')}"]
    if option.short is not None:
        parts.append(f"-s {option.short.removeprefix('-')}")
    value = value_of(option)
    if value is not None:
        parts.append(_of_value(value))
    parts.append(f"-d {_quoted(option.summary)}")
    return " ".join(parts)


def _of_value(value: Value) -> str:
    words = " ".join(value.words)
    return {
        ValueKind.UNKNOWN: "-x",
        ValueKind.FILE: "-r -F",
        ValueKind.DIRECTORY: "-x -a '(__fish_complete_directories)'",
        ValueKind.REMOTE: "-x -a '(__tdl_sync_remotes)'",
        ValueKind.ONE_OF: f"-x -a '{words}'",
        ValueKind.LIST_OF: f"-x -a '(__tdl_sync_list {words})'",
    }[value.kind]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
