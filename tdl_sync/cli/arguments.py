"""Command line, environment and settings file -> the texts that the user gave, and where each came
from.

Nothing is converted here (``option_values`` does), but every wrong word is found here: docopt-ng's
own errors are unreadable, print values (which may be secrets), and it "corrects" misspelt
options while printing to the terminal. So what reaches it is known to be right.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docopt import DocoptExit, docopt

from tdl_sync.cli.setting import Setting, Settings, Source, highest, switched_on
from tdl_sync.cli.settings_file import (
    CREDENTIAL_VARIABLES,
    NO_FILE,
    ChatTable,
    SettingsFile,
    settings_file,
)
from tdl_sync.cli.usage import (
    ABOUT_THE_PROGRAM,
    OF_COMMAND,
    OPTIONS,
    PATTERNS,
    SHELLS,
    Option,
)
from tdl_sync.core.errors import UsageError
from tdl_sync.core.program import PROGRAM, VARIABLE_PREFIX
from tdl_sync.options.credentials import Credential
from tdl_sync.options.directories import expand

SEE_HELP = f"see {PROGRAM} --help"
_NEEDS_SHELL = f"completion takes the name of one shell: {', '.join(SHELLS)}; {SEE_HELP}"

_OF_TDL = {
    **dict.fromkeys(("-d", "--dir"), "--remote"),
    "-i": "--include",
    "-e": "--exclude",
    "-l": "--downloads",
    **dict.fromkeys(("-t", "--threads"), "--connections"),
    "--template": "--name",
    **dict.fromkeys(("--continue", "--skip-same"), "--resume"),
    **dict.fromkeys(("-c", "--chat"), "--url"),
}
"""Options that people type who know tdl, and what they are here."""


@dataclass(frozen=True)
class Arguments:
    """The command and all options that were given, by long name; no defaults.

    ``shell`` is the word after ``completion``, ``words`` are those after ``find``. ``given`` is
    what the command line and the environment say, with the switches that are off.
    """

    command: str
    shell: str | None
    words: tuple[str, ...]
    given: Settings
    file: SettingsFile
    credentials: Mapping[str, Credential]

    @property
    def settings(self) -> dict[str, Setting]:
        """What holds for the whole run, and for the chats without a table of their own."""
        return switched_on(highest(self.file.settings, self.given))

    def settings_of(self, table: ChatTable) -> dict[str, Setting]:
        """What holds for the chats of this table."""
        return switched_on(highest(self.file.settings, table.settings, self.given))


def gather(argv: Sequence[str], environ: Mapping[str, str]) -> Arguments:
    """``argv`` is without the program's name. Raises ``UsageError``."""
    argv, sought = _sought_apart(list(argv))
    command = _command_of(argv)
    try:
        parsed = docopt(PATTERNS[command], [*argv, *sought[:1]], default_help=False)
    except DocoptExit:
        if command == "find":
            raise _no_words() from None
        # Its text prints every value.
        raise UsageError(f"the command line can't be understood; {SEE_HELP}") from None
    if command == "demo":  # it shows the program, whatever the user has set, right or wrong
        return Arguments(command, None, (), {}, NO_FILE, {})
    settings = _from_environment(environ)
    for option in OPTIONS.values():
        value = parsed.get(option.name)
        if value is True:
            settings[option.name] = Setting((), option.name, Source.COMMAND_LINE)
        elif value:
            texts = tuple(value) if isinstance(value, list) else (str(value),)
            settings[option.name] = Setting(texts, option.name, Source.COMMAND_LINE)
    shell = next((name for name in SHELLS if parsed.get(name)), None)
    file = NO_FILE if shell is not None else settings_file(_named_file(settings, environ), environ)
    words = (*(parsed.get("WORD") or ())[: -1 if sought else None], *sought[1:])
    if command == "find" and not any(word.strip() for word in words):
        raise _no_words()
    return Arguments(command, shell, words, settings, file, _credentials(environ, file))


def _sought_apart(argv: list[str]) -> tuple[list[str], list[str]]:
    """What stands behind ``find ... --`` is looked for, however it begins. A word for docopt is put
    in front of it: it wants one."""
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return (argv[:at], ["word", *argv[at + 1 :]]) if "find" in argv[:at] else (argv, [])


def _no_words() -> UsageError:
    return UsageError(f"find takes the words to look for; {SEE_HELP}")


def _credentials(environ: Mapping[str, str], file: SettingsFile) -> dict[str, Credential]:
    found = {}
    for variable in CREDENTIAL_VARIABLES:
        if text := environ.get(variable, "").strip():
            found[variable] = Credential(text, variable)
        elif (setting := file.credentials.get(variable)) is not None:
            found[variable] = Credential(setting.texts[0].strip(), setting.origin)
    return found


def _named_file(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    named = settings.get("--config")
    return None if named is None else expand(named.texts[0], environ).absolute()


def _command_of(argv: Sequence[str]) -> str:
    """Raises ``UsageError`` for the first wrong word."""
    words = iter(argv)
    given: list[Option] = []
    command: str | None = None
    shell: str | None = None
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"--?|-[0-9].*", word):
            option = _option_of(word)
            if option in given and not option.repeatable:
                raise UsageError(f"{option.name} is given twice; give it once")
            given.append(option)
            if option.value_name is not None:
                _refuse_missing_value(option, word, words)
            elif "=" in word or (not word.startswith("--") and len(word) > 2):
                raise UsageError(f"{option.name} takes no value; write just {option.name}")
        elif command is None and word in OF_COMMAND:
            command = word
        elif command == "completion" and shell is None and word in SHELLS:
            shell = word
        elif command != "find":
            raise UsageError(_about_stray_word(word, command))
    if command == "completion" and shell is None:
        raise UsageError(_NEEDS_SHELL)
    _refuse_options_of_others(given, command or "sync")
    return command or "sync"


def _refuse_options_of_others(given: Sequence[Option], command: str) -> None:
    for option in given:
        if option.name not in OF_COMMAND[command]:
            takers = [name for name, names in OF_COMMAND.items() if option.name in names]
            raise UsageError(
                f"{option.name} belongs to the command {takers[0]}, not to {command}; {SEE_HELP}"
            )


def _option_of(word: str) -> Option:
    name = word.partition("=")[0] if word.startswith("--") else word[:2]
    for option in OPTIONS.values():
        if name in (option.name, option.short):
            return option
    variable = VARIABLE_PREFIX + name.strip("-").replace("-", "_").upper()
    if variable in CREDENTIAL_VARIABLES:
        raise UsageError(
            f"{name} is not an option, since other users can see a command line; "
            f"set the variable {variable} instead"
        )
    if name in _OF_TDL:
        raise UsageError(
            f"unknown option {name!r}; what tdl calls so is {_OF_TDL[name]}; {SEE_HELP}"
        )
    near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}? Else {SEE_HELP}" if near else SEE_HELP
    raise UsageError(f"unknown option {name!r}; {hint}")


def _refuse_missing_value(option: Option, word: str, words: Iterator[str]) -> None:
    """``words`` is the iterator over the rest; the value is taken from it."""
    if word.startswith("--"):
        attached = word.partition("=")[2] if "=" in word else None
    else:
        attached = word[2:] or None
    value = next(words, None) if attached is None else attached
    expected = f"{option.name} needs a value ({option.name} {option.value_name})"
    if value is None or (value == "--" and attached is None):
        raise UsageError(f"{expected}, and nothing follows it; {SEE_HELP}")
    if not value:
        raise UsageError(f"{expected}, and the one given is empty; {SEE_HELP}")
    next_name = value.partition("=")[0]
    if attached is None and option.name != "--rclone-arg" and next_name in OPTIONS:
        raise UsageError(f"{expected}, and {next_name} follows it; {SEE_HELP}")


def _about_stray_word(word: str, command: str | None) -> str:
    """Prints the word only where it can't be a secret that lost its option."""
    if re.match(r"@|-100\d|-[1-4]\d{12}$|(https?://)?(t|telegram)\.me/|tg:", word):
        return f"a chat is given with -u (-u {word}); {SEE_HELP}"
    if re.fullmatch(r"[kmgtp]?i?b|[kmgtp]", word, re.IGNORECASE):
        return f"{word!r} stands alone: write a size in one word, such as 50{word}; {SEE_HELP}"
    if command == "completion":
        return _NEEDS_SHELL
    commands = ", ".join(OF_COMMAND)
    if not re.fullmatch(r"[a-z][a-z-]{0,11}", word):
        return (
            "a word that belongs to no option: a chat is given with -u, and values that hold "
            f"spaces are quoted; {SEE_HELP}"
        )
    if command is not None:
        return f"{word!r} after the command {command} belongs to no option; {SEE_HELP}"
    near = difflib.get_close_matches(word, OF_COMMAND, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"a chat is given with -u (-u {word});"
    return f"unknown command {word!r} (there are {commands}); {hint} {SEE_HELP}"


def _from_environment(environ: Mapping[str, str]) -> dict[str, Setting]:
    by_variable = {
        option.variable: option
        for option in OPTIONS.values()
        if option.name not in ABOUT_THE_PROGRAM
    }
    settings = {}
    for variable in sorted(environ):
        text = environ[variable].strip()
        if not variable.startswith(VARIABLE_PREFIX) or variable in CREDENTIAL_VARIABLES:
            continue
        if variable not in by_variable:
            _refuse_misspelt(variable, [*by_variable, *CREDENTIAL_VARIABLES])
        elif text:
            option = by_variable[variable]
            texts = _texts_of(option, text)
            settings[option.name] = Setting(
                texts or (), variable, Source.ENVIRONMENT, is_off=texts is None
            )
    return settings


def _refuse_misspelt(variable: str, known: Sequence[str]) -> None:
    """Names that resemble none may belong to somebody's scripts and are left alone."""
    ends = [name.removeprefix(VARIABLE_PREFIX) for name in known]
    near = difflib.get_close_matches(variable.removeprefix(VARIABLE_PREFIX), ends, 1, cutoff=0.75)
    if near:
        raise UsageError(
            f"unknown variable {variable!r} in the environment; "
            f"did you mean {VARIABLE_PREFIX}{near[0]}? Correct it or unset it"
        )


def _texts_of(option: Option, text: str) -> tuple[str, ...] | None:
    """``None`` for a switch that is off."""
    if option.value_name is None:
        if text.lower() in ("1", "yes", "true", "on"):
            return ()
        if text.lower() in ("0", "no", "false", "off"):
            return None
        raise UsageError(f"{option.variable}: expected yes or no, found {text!r}")
    if option.name == "--rclone-arg":
        try:
            return tuple(shlex.split(text))
        except ValueError:
            raise UsageError(
                f"{option.variable}: a quotation mark is not closed; flags are quoted as in a shell"
            ) from None
    return tuple(text.split()) if option.repeatable else (text,)
