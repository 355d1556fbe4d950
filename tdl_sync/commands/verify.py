"""``verify``: holds what the remote lists against the chat's messages. It downloads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from tdl_sync.commands.output import StandardOutput
from tdl_sync.commands.verify_comparison import Comparison, GivenUp
from tdl_sync.commands.verify_repair import recorded, save_state
from tdl_sync.commands.verify_text import Verdict, json_record, report_lines, result_line
from tdl_sync.core.errors import EXIT_SOME_FAILED, ChatError, TdlSyncError
from tdl_sync.core.model import Chat, MediaItem, Scope
from tdl_sync.core.ports import ChatReader, RemoteFiles, SavedMessages, SavedText
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import human_bytes
from tdl_sync.options.chat_spelling import LARGEST_MESSAGE_ID
from tdl_sync.options.config import Config
from tdl_sync.remote.check import look_at_remote
from tdl_sync.remote.listing import RemoteLook
from tdl_sync.remote.program import told_of_dropped_variables
from tdl_sync.remote.rclone_config import use_writable_config
from tdl_sync.run.parts import opened_rclone
from tdl_sync.run.telegram_side import opened_to_look, teller
from tdl_sync.run.wanted_chats import beginnings, wanted_chats
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.exclusive import exclusive
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.state_store import LoadedState, StateStore
from tdl_sync.telegram.messages.chats import ChatBook


class NotAllThere(TdlSyncError):
    """Some files are missing on the remote, or wrong."""

    exit_status = EXIT_SOME_FAILED


def verify(config: Config, output: StandardOutput) -> tuple[TdlSyncError, ...]:
    """Print what is there, missing, wrong, double and unknown, chat by chat."""
    verdicts: list[Verdict] = []
    errors: list[TdlSyncError] = []
    looked = _verdicts(config, verdicts, errors)
    if config.as_json:
        output.json_array(json_record(verdict) for verdict in looked)
    else:
        for verdict in looked:
            for line in report_lines(verdict):
                output.line(line)
        output.line(result_line(verdicts, failed=bool(errors)))
    bad = sum(len(each.findings.missing) + len(each.findings.wrong) for each in verdicts)
    if bad:
        errors.append(NotAllThere(_what_next(bad, verdicts, config)))
    given_up = [found for each in verdicts for found in each.findings.given_up]
    if given_up:
        errors.append(NotAllThere(_how_to_move(given_up, config)))
    return tuple(errors)


def _what_next(bad: int, verdicts: list[Verdict], config: Config) -> str:
    files = f"{_files(bad)} missing or wrong on {config.task.remote}"
    repaired = sum(each.repaired for each in verdicts)
    if config.repair:
        return f"{files}; {repaired} recorded, for the next run to move again"
    return f"{files}; verify --repair has the next run move again what had been moved"


def _how_to_move(given_up: Sequence[GivenUp], config: Config) -> str:
    """What no run moves by itself, and no repair either."""
    too_large = [each.size_bytes for each in given_up if each.is_too_large]
    others = len(given_up) - len(too_large)
    ways = []
    if too_large:
        ways.append(
            f"{_files(len(too_large))} larger than the disk budget (a run with a --max-disk above "
            f"{human_bytes(max(too_large))} moves them)"
        )
    if others:
        ways.append(f"{_files(others)} refused for good (--retry-failed tries them again)")
    return f"not on {config.task.remote}: {', '.join(ways)}"


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _verdicts(
    config: Config, verdicts: list[Verdict], errors: list[TdlSyncError]
) -> Iterator[Verdict]:
    """One after the other. What ends a chat, or all of them, goes to ``errors``."""
    try:
        with ExitStack() as closing:
            chats, verifier = _opened(config, closing)
            for wanted in wanted_chats(config.chats):
                try:
                    chat = wanted.find(chats)
                    verdict = verifier.verdict(chat, wanted.lower_bound)
                except ChatError as error:
                    errors.append(error)
                    continue
                verdicts.append(verdict)
                yield verdict
    except TdlSyncError as error:
        errors.append(error)


def _opened(config: Config, closing: ExitStack) -> tuple[ChatBook, Verifier]:
    on_line = teller(config.telling)
    telegram = closing.enter_context(opened_to_look(config))
    for line in (*beginnings(config), *told_of_dropped_variables()):
        on_line(line)
    control = closing.enter_context(opened_rclone(config))
    use_writable_config(control.rclone, config.places.data_dir, on_line)
    remote = look_at_remote(control, config.task.remote, must_be_drive=config.rclone.must_be_drive)
    if config.running.takeout:
        telegram.begin_takeout(closing, on_line, success=lambda: True)
    verifier = Verifier(
        config=config,
        reader=telegram.reader,
        look=RemoteLook(control, remote),
        marks=closing.enter_context(DoneMarks(config.places.marks)),
        saved_messages=telegram.saved_messages,
    )
    return telegram.chats, verifier


@dataclass(frozen=True)
class Verifier:
    """The parts that a look at a chat needs. Blocks."""

    config: Config
    reader: ChatReader
    look: RemoteFiles
    marks: DoneMarks
    saved_messages: SavedMessages

    @property
    def local_states(self) -> LocalStates:
        return LocalStates(self.config.places.states)

    def verdict(self, chat: Chat, lower_bound: int) -> Verdict:
        config, task = self.config, self.config.task
        scope = task.choice.scope(task.remote, chat, lower_bound)
        if not config.repair:
            return self._compared(chat, scope, self._loaded(scope))
        # As a run: what another one moves meanwhile would seem to be missing.
        with exclusive(
            chat,
            task.remote,
            this_run(config.running.save_interval_seconds),
            self.saved_messages,
            config.places.locks,
            StopFlag(),
            take_over=config.running.take_over,
        ) as lease:
            loaded = self._loaded(scope, lease.found)
            if loaded is not None and loaded.stale_ids:
                self.saved_messages.delete(loaded.stale_ids)
            compared = self._compared(chat, scope, loaded)
            lease.check_claim()
            return self._repaired(compared, scope, loaded)

    def _loaded(self, scope: Scope, found: Sequence[SavedText] | None = None) -> LoadedState | None:
        return StateStore(self.saved_messages, self.local_states, found).load(scope)

    def _compared(self, chat: Chat, scope: Scope, loaded: LoadedState | None) -> Verdict:
        folder = loaded.state.folder if loaded else self.look.find_folder(chat.id)
        remote = self.config.task.remote
        comparison = Comparison(
            self.look.files(folder, with_sha256=True) if folder else [],
            folder or "",
            lambda key: self.marks.marked(remote, key),
            {failure.key: failure for failure in self.marks.failures(remote, chat.id, 0)},
            self.config.running.max_disk_bytes,
        )
        choice = self.config.task.choice
        after_id, up_to_id = choice.bounds(self.reader, chat, max(scope.lower_bound - 1, 0))
        for page in choice.pages(self.reader, chat, after_id, up_to_id):
            for entry in page.entries:
                comparison.take(entry)
        if choice.dedupe:
            comparison.leave_out_copies()
        ends = choice.filters.until is not None or choice.filters.to_id is not None
        self._sort_out(comparison, chat, after_id, up_to_id if ends else LARGEST_MESSAGE_ID)
        return Verdict(chat, remote, folder, comparison.findings())

    def _sort_out(self, comparison: Comparison, chat: Chat, after_id: int, up_to_id: int) -> None:
        """Files of messages that were not asked for, or that came meanwhile, are not unknown."""
        left = comparison.unclaimed_ids()
        for message_id in left:
            if message_id <= after_id or up_to_id < message_id < LARGEST_MESSAGE_ID:
                comparison.leave_out(message_id)
        ids = [each for each in left if after_id < each <= up_to_id]
        if ids:
            for entry in self.reader.fetch(replace(chat, topic_id=0), ids):
                if isinstance(entry, MediaItem):
                    comparison.leave_out(entry.message_id)

    def _repaired(self, verdict: Verdict, scope: Scope, loaded: LoadedState | None) -> Verdict:
        state_id = loaded.state.last_message_id if loaded else 0
        passed_id = max(self.marks.watermark(scope), state_id)
        failures = recorded(verdict.findings, self.marks, self.config.task.remote, passed_id)
        if failures and loaded is not None:
            save_state(loaded, failures, self.saved_messages, self.local_states)
        return replace(verdict, repaired=len(failures))
