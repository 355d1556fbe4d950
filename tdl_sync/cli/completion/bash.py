"""The completion script for bash (3.2, which macOS has, or newer)."""

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
from tdl_sync.cli.usage import OPTIONS

_SCRIPT = """\
# bash completion for @names@, made by: @first@ completion bash

_tdl_sync_words() {
    COMPREPLY=($(compgen -W "$1" -- "$2"))
}

_tdl_sync_list() {
    local head= word
    [[ $2 == *,* ]] && head=${2%,*},
    for word in $1; do
        [[ ,$head == *,$word,* ]] || COMPREPLY+=($(compgen -W "$head$word" -- "$2"))
    done
    compopt -o nospace 2>/dev/null
}

_tdl_sync_paths() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen "$1" -- "$2"))
    compopt -o filenames 2>/dev/null
}

# What rclone has in its configuration: it is not asked over the network.
_tdl_sync_remotes() {
    local word config=()
    if [[ $1 == /* ]]; then
        _tdl_sync_paths -d "$1"
        return
    fi
    [[ -n $TDL_SYNC_RCLONE_CONFIG ]] && config=(--config "$TDL_SYNC_RCLONE_CONFIG")
    while IFS= read -r word; do
        [[ $word == "$1"* ]] && COMPREPLY+=("$(printf %q "$word")")
    done < <("${TDL_SYNC_RCLONE:-rclone}" @listremotes@ "${config[@]}" 2>/dev/null </dev/null)
    compopt -o nospace 2>/dev/null
}

_tdl_sync() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command=@none@ options= given=" " expects= word i
    COMPREPLY=()
    # Readline takes the = of --option=value for a word of its own.
    if [[ $current == "=" ]]; then
        current=
    elif [[ $previous == "=" ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == "=" ]]; then
            continue
        elif [[ -n $expects ]]; then
            expects=
            continue
        fi
        case $word in
            @takers@) expects=yes ;;
        esac
        case $word in
@shorts@
            -*) given+="$word " ;;
            @commands@) [[ $command == @none@ ]] && command=$word ;;
        esac
    done
    case $previous in
@values@
        @takers@) return ;;
        completion)
            if [[ $command == completion && $current != -* ]]; then
                _tdl_sync_words "@shells@" "$current"
                return
            fi ;;
    esac
    if [[ $current != -* && $command == @none@ ]]; then
        _tdl_sync_words "@command_words@" "$current"
        return
    fi
    case $command in
@options@
    esac
    # What was given is not offered again, unless it may be repeated.
    for word in $given; do
        case $word in
            @repeatable@) ;;
            *) options=${options/ $word / } ;;
        esac
    done
    _tdl_sync_words "$options" "$current"
}

complete -F _tdl_sync @names@
"""


def bash_script() -> str:
    options = []
    for command in COMMANDS:
        # Each name has two blanks of its own, so that each can be taken out.
        names = "  ".join(option.name for option in options_of(command))
        options.append(f'        {pattern_of(command)}) options=" {names} " ;;')
    return filled(
        _SCRIPT,
        "|",
        shorts="\n".join(
            f'            {option.short}) given+="{option.name} " ;;'
            for option in OPTIONS.values()
            if option.short is not None
        ),
        values="\n".join(_values()),
        command_words=" ".join(COMMANDS),
        options="\n".join(options),
        repeatable="|".join(o.name for o in OPTIONS.values() if o.repeatable),
    )


def _values() -> list[str]:
    lines = []
    for option in OPTIONS.values():
        value = value_of(option)
        if value is not None and value.kind is not ValueKind.UNKNOWN:
            pattern = "|".join(spellings(option))
            lines.append(f'        {pattern}) {_call(value)} "$current"; return ;;')
    return lines


def _call(value: Value) -> str:
    words = " ".join(value.words)
    return {
        ValueKind.ONE_OF: f'_tdl_sync_words "{words}"',
        ValueKind.LIST_OF: f'_tdl_sync_list "{words}"',
        ValueKind.FILE: "_tdl_sync_paths -f",
        ValueKind.DIRECTORY: "_tdl_sync_paths -d",
        ValueKind.REMOTE: "_tdl_sync_remotes",
    }[value.kind]
