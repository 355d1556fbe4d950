"""The command line: signals, exit status, and the one place where an error becomes text."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from tdl_sync.cli.parse import (
    TextRequested,
    is_sync_at_a_glance,
    parse_config,
    telling_at_a_glance,
)
from tdl_sync.cli.supervisor import Supervisor, print_result
from tdl_sync.commands.doctor import Finding, examine
from tdl_sync.commands.login import login, offer_login, offer_reconnect
from tdl_sync.commands.output import NobodyReads, StandardOutput
from tdl_sync.core import open_files
from tdl_sync.core.errors import (
    EXIT_BUG,
    EXIT_COME_BACK_LATER,
    EXIT_COMPLETE,
    EXIT_SOME_FAILED,
    ComeBackLater,
    ConfigurationError,
    TdlSyncError,
)
from tdl_sync.core.operating_system import (
    share_freed_memory,
    unspellable,
    write_whatever_comes,
)
from tdl_sync.core.reports import Outcome
from tdl_sync.options.config import PLAINLY, Command, Config, Telling
from tdl_sync.reporting.events import Event, EventKind, Level
from tdl_sync.reporting.stderr import (
    check_log_file,
    of_bug,
    tell,
    tell_what_nobody_caught,
)
from tdl_sync.run.sync import SyncResult

# The order in which exit states count when a run over several chats met more than one.
EXIT_ORDER = (1, 2, 4, 5, 129, 130, 143, 75, 3, 0)

NOTHING_MOVED = SyncResult((), ())


def run_program() -> NoReturn:
    """The program as a process of its own, which ends here and nowhere else."""
    status = main()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    # All is saved, closed and said. The interpreter would wait for threads that hang, and else take
    # half a second to take Telegram's thousands of types apart.
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Returns the exit status; never raises for what a user can cause.

    Threads that hang may be left behind.
    """
    os.umask(0o077)
    share_freed_memory()
    write_whatever_comes()
    open_files.allow_more()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        config = parse_config(words, os.environ)
        check_log_file(config.telling)
    except TextRequested as wanted:
        return printed(wanted.text)
    except Exception as error:  # noqa: BLE001 - here, too, errors become text
        telling = telling_at_a_glance(words, os.environ)
        status = report_error(error, telling)
        if is_sync_at_a_glance(words):
            print_result(_outcome(status, NOTHING_MOVED), NOTHING_MOVED, telling)
        return status
    tell_what_nobody_caught(config.telling)
    result = NOTHING_MOVED
    try:
        return COMMANDS[config.command](config)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - the one place where errors become text
        result = SyncResult((), (error,))
        status = report_error(error, config.telling)
    if config.command is Command.SYNC and not (config.dry_run and config.as_json):
        # A run prints its own as the last that it does: it did not come to that.
        print_result(_outcome(status, result), result, config.telling)
    return status


def printed(text: str) -> int:
    """Print what was asked for, and no more than that; the status to exit with."""
    try:
        StandardOutput(sys.stdout).line(text.removesuffix("\n"))
    except NobodyReads:
        pass
    except TdlSyncError as error:
        return report_error(error, PLAINLY)
    return EXIT_COMPLETE


def report_error(error: BaseException, telling: Telling) -> int:
    """Tell what went wrong; the status to exit with."""
    if not isinstance(error, TdlSyncError):
        error = open_files.named(error) or _locale_named(error) or error
    if isinstance(error, TdlSyncError):
        status = error.exit_status
        tell(Event(EventKind.ERROR, Level.ERROR, (str(error),), exit_status=status), telling)
        return status
    tell(of_bug(error), telling)
    return EXIT_BUG


def _locale_named(error: BaseException) -> TdlSyncError | None:
    unspelt = unspellable(error)
    if unspelt is None:
        return None
    return ConfigurationError(
        f"a name cannot be spelt in this locale's encoding ({unspelt.encoding}): set "
        "LC_ALL=C.UTF-8 or PYTHONUTF8=1 in the environment, then run again"
    )


def doctor(config: Config) -> int:
    """Print what is found of each part that a run needs; the status of the first error that
    holds."""
    statuses = [EXIT_COMPLETE]

    def found() -> Iterator[Finding]:
        for finding in examine(config):
            statuses.append(finding.exit_status)
            yield finding

    try:
        output = StandardOutput(sys.stdout)
        if config.as_json:
            output.json_array(finding.record() for finding in found())
        else:
            for finding in found():
                output.line(finding.line())
    except NobodyReads:
        pass
    return min(statuses, key=EXIT_ORDER.index)


def signed_in_sync(config: Config) -> int:
    if config.dry_run:
        return dry_run(config)
    offer_login(config)
    return sync(config)


def sync(config: Config) -> int:
    """Move the chats, obey signals, and print the result line."""
    while True:
        supervisor = Supervisor(config)
        with supervisor.heeding_signals():
            result = supervisor.run()
            if supervisor.has_cut_off:
                return _cut_off(supervisor.signal_number, result, config)
        statuses = [report_error(error, config.telling) for error in result.errors]
        signal_number = supervisor.signal_number
        if signal_number is None:
            try:
                if offer_reconnect(config, result.errors):
                    continue
            except KeyboardInterrupt:
                signal_number = signal.SIGINT
        if signal_number is not None:
            statuses.append(128 + signal_number)
        statuses.append(EXIT_SOME_FAILED if result.some_failed_for_now else EXIT_COMPLETE)
        status = min(statuses, key=EXIT_ORDER.index)
        print_result(_outcome(status, result), result, config.telling)
        return status


def _cut_off(signal_number: int | None, result: SyncResult, config: Config) -> int:
    """By a second signal, or because a stop took longer than it may."""
    outcome = Outcome.MORE if signal_number is None else Outcome.STOPPED
    print_result(outcome, result, config.telling)
    line = "stopped at once; what was under way is taken up next time"
    tell(Event(EventKind.ERROR, Level.WARNING, (line,)), config.telling)
    return EXIT_COMPLETE if signal_number is None else 128 + signal_number


def _outcome(status: int, result: SyncResult) -> Outcome:
    if status == EXIT_COMPLETE:
        return Outcome.MORE if result.more else Outcome.COMPLETE
    if status == EXIT_SOME_FAILED:
        return Outcome.FAILED
    if status > 128:
        return Outcome.STOPPED
    if status == EXIT_COME_BACK_LATER and any(isinstance(e, ComeBackLater) for e in result.errors):
        return Outcome.QUOTA
    return Outcome.ERROR


def looked(look: Callable[[Config, StandardOutput], Iterable[TdlSyncError]], config: Config) -> int:
    """Print what ``look`` finds; what it returns could not be looked at."""
    try:
        errors = list(look(config, StandardOutput(sys.stdout)))
    except NobodyReads:
        return EXIT_COMPLETE
    statuses = [report_error(error, config.telling) for error in errors]
    return min([*statuses, EXIT_COMPLETE], key=EXIT_ORDER.index)


def chats(config: Config) -> int:
    from tdl_sync.commands.chats import list_chats

    return looked(list_chats, config)


def status(config: Config) -> int:
    from tdl_sync.commands.status import show_status

    return looked(show_status, config)


def dry_run(config: Config) -> int:
    from tdl_sync.commands.dry_run import dry_run

    return looked(dry_run, config)


def verify(config: Config) -> int:
    from tdl_sync.commands.verify import verify

    return looked(verify, config)


def find(config: Config) -> int:
    from tdl_sync.commands.find import find

    return looked(find, config)


def adopt(config: Config) -> int:
    from tdl_sync.commands.adopt import adopt

    return looked(adopt, config)


def demo(_: Config) -> int:
    from tdl_sync.commands.demo import run_demo

    return run_demo()


COMMANDS: Mapping[Command, Callable[[Config], int]] = {
    Command.SYNC: signed_in_sync,
    Command.LOGIN: login,
    Command.CHATS: chats,
    Command.STATUS: status,
    Command.VERIFY: verify,
    Command.DOCTOR: doctor,
    Command.FIND: find,
    Command.ADOPT: adopt,
    Command.DEMO: demo,
}
"""What each command runs; it returns the exit status."""
