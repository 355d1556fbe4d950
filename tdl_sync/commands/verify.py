"""``verify``: holds what the remote lists against the chat's messages. It downloads nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tdl_sync.commands.output import StandardOutput
from tdl_sync.commands.verify_comparison import AdoptedThere, Comparison, GivenUp, Missing, Wrong
from tdl_sync.commands.verify_repair import recorded, save_state
from tdl_sync.commands.verify_surplus import (
    WITHOUT_A_YES,
    is_agreed_to,
    is_agreed_to_folders,
    remove_surplus,
)
from tdl_sync.commands.verify_text import Verdict, json_record, report_lines, result_line
from tdl_sync.core.errors import EXIT_SOME_FAILED, ChatError, SidecarUnreadable, TdlSyncError
from tdl_sync.core.model import (
    READER,
    AdoptedFile,
    Chat,
    FileNumber,
    ListedFile,
    MarkedFile,
    MediaItem,
    MediaType,
    Reading,
    Scope,
    folder_and_name,
    scope_key,
)
from tdl_sync.core.ports import ChatReader, RemoteFiles, SavedMessages, SavedText
from tdl_sync.core.shards import WHOLE, Shard
from tdl_sync.core.stop import StopFlag
from tdl_sync.core.text import human_bytes
from tdl_sync.options.chat_spelling import LARGEST_MESSAGE_ID
from tdl_sync.options.config import Config
from tdl_sync.remote.double_folders import DoubleFolders, EmptyDoubles
from tdl_sync.remote.surplus_removal import SurplusRemoval
from tdl_sync.reporting.stderr import teller
from tdl_sync.run.books import balanced_in_time, is_whole
from tdl_sync.run.in_turn import InTurn
from tdl_sync.run.parts import PartsToLook, parts_to_look
from tdl_sync.run.wanted_chats import chats_to_move
from tdl_sync.state.done_marks import DoneMarks
from tdl_sync.state.exclusive import exclusive
from tdl_sync.state.local_state import LocalStates
from tdl_sync.state.run_identity import this_run
from tdl_sync.state.saved_texts import State, parsed
from tdl_sync.state.state_store import LoadedState, StateStore
from tdl_sync.transfer.adopted import Places, read_records
from tdl_sync.transfer.sidecar import described_file, sidecar_folders, sidecar_name


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
    files = f"{_files(bad)} missing or wrong on {' and '.join(config.by_remote)}"
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
    return f"not on {' and '.join(config.by_remote)}: {', '.join(ways)}"


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"


def _verdicts(
    config: Config, verdicts: list[Verdict], errors: list[TdlSyncError]
) -> Iterator[Verdict]:
    """One after the other. What ends a chat, or all of them, goes to ``errors``."""
    try:
        with parts_to_look(config) as parts, DoneMarks(config.places.marks) as marks:
            telegram, on_line = parts.telegram, teller(config.telling)
            wanted = chats_to_move(config, telegram.saved_messages, on_line)
            for found in InTurn(wanted, telegram, on_line, errors.append):
                try:
                    verifier = _verifier(found.config, parts, marks)
                    verdict = verifier.verdict(found.chat, found.lower_bound)
                except ChatError as error:
                    errors.append(error)
                    continue
                verdicts.append(verdict)
                yield verdict
    except TdlSyncError as error:
        errors.append(error)


def _verifier(config: Config, parts: PartsToLook, marks: DoneMarks) -> Verifier:
    remote = config.task.remote
    return Verifier(
        config=config,
        reader=parts.telegram.reader,
        look=parts.files(remote),
        marks=marks,
        saved_messages=parts.telegram.saved_messages,
        removal=SurplusRemoval(parts.control, parts.remotes[remote]),
        double_folders=DoubleFolders(parts.control, parts.remotes[remote]),
    )


class AdoptedFiles:
    """Where the files lie that were adopted: by their marks, or by the chat's record."""

    def __init__(self, recorded: Sequence[AdoptedFile], places: Places) -> None:
        self._recorded = {each.number: each for each in recorded}
        self._places = places

    def of(self, number: FileNumber, mark: MarkedFile | None) -> AdoptedThere | None:
        """A mark of our own says that the file was moved since."""
        if mark is None:
            file = self._recorded.get(number)
        elif mark.adopted_from is None or mark.adopted_path is None:
            file = None
        else:
            file = AdoptedFile(
                number,
                mark.adopted_from,
                mark.adopted_path,
                mark.size_bytes,
                mark.sha256,
                mark.identity,
            )
        if file is None:
            return None
        found = self._places.at(file.source, file.path)
        if len(found) != 1:
            return AdoptedThere(file, None)
        folder, _ = folder_and_name(file)
        return AdoptedThere(file, replace(found[0], subfolder=folder))


@dataclass(frozen=True)
class Verifier:
    """The parts that a look at a chat needs. Blocks."""

    config: Config
    reader: ChatReader
    look: RemoteFiles
    marks: DoneMarks
    saved_messages: SavedMessages
    removal: SurplusRemoval | None = None
    double_folders: DoubleFolders | None = None

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
            shard=scope.shard,
        ) as lease:
            loaded = self._loaded(scope, lease.found)
            if loaded is not None and loaded.stale_ids:
                self.saved_messages.delete(loaded.stale_ids)
            compared = self._compared(chat, scope, loaded)
            lease.check_claim()
            parts = self._parts_loaded(scope, lease.found)
            repaired = self._repaired(compared, scope, loaded, parts)
            without_surplus = self._without_surplus(repaired, lease.check_claim)
            return self._without_empty_folders(without_surplus, lease.check_claim)

    def _loaded(self, scope: Scope, found: Sequence[SavedText] | None = None) -> LoadedState | None:
        return StateStore(self.saved_messages, self.local_states, found).load(scope)

    def _parts_loaded(self, scope: Scope, found: Sequence[SavedText]) -> dict[Shard, LoadedState]:
        """What was saved of the shards of this scope, where it is about the whole chat."""
        key = scope_key(scope)
        shards = {
            each.shard
            for each in parsed(found)
            if isinstance(each, State) and each.state.whole_scope_key == key
        }
        loaded = {shard: self._loaded(replace(scope, shard=shard), found) for shard in shards}
        return {shard: each for shard, each in loaded.items() if each is not None}

    def _compared(self, chat: Chat, scope: Scope, loaded: LoadedState | None) -> Verdict:
        folder = loaded.state.folder if loaded else self.look.find_folder(chat.id)
        remote = self.config.task.remote
        listing = self.look.files(folder, with_hashes=True) if folder else []
        sidecars = sidecar_folders(folder or "", listing)
        adopted = self._adopted(folder, listing)
        comparison = Comparison(
            listing,
            folder or "",
            lambda key: self.marks.marked(remote, key),
            {failure.key: failure for failure in self.marks.failures(remote, chat.id, 0)},
            lambda number: self._hash_in_sidecar(number, sidecars.get(number)),
            self.config.running.max_disk_bytes,
            {
                f"{each.file.folder}/{each.file.name}"
                for each in self.marks.former_files(remote, chat.id, 0)
            },
            adopted.of,
        )
        choice = self.config.task.choice
        after_id, up_to_id = choice.bounds(self.reader, chat, max(scope.lower_bound - 1, 0))
        seen: Counter[MediaType] = Counter()
        for page in choice.pages(self.reader, chat, after_id, up_to_id):
            seen.update(kind for _, kind in page.kinds)
            for entry in page.entries:
                comparison.take(entry)
        if choice.dedupe:
            comparison.leave_out_copies()
        ends = choice.filters.until is not None or choice.filters.to_id is not None
        for number in comparison.unclaimed():
            if not self.reader.holds(chat, scope.shard, number.message_id):
                comparison.leave_out(number)
        self._sort_out(comparison, chat, after_id, up_to_id if ends else LARGEST_MESSAGE_ID)
        balance = None
        if is_whole(scope, choice):
            read = {WHOLE: Reading(up_to_id, READER, seen)}
            balance = balanced_in_time(self.reader, chat, read, StopFlag())
        empty_folders: tuple[EmptyDoubles, ...] = ()
        if folder is not None and self.double_folders is not None:
            looks_below = any(each.subfolder for each in listing)
            empty_folders = tuple(self.double_folders.of(folder, looks_below=looks_below))
        findings = comparison.findings()
        return Verdict(chat, remote, folder, findings, balance=balance, empty_folders=empty_folders)

    def _adopted(self, folder: str | None, listing: Sequence[ListedFile]) -> AdoptedFiles:
        if folder is None:
            return AdoptedFiles([], Places(self.look.elsewhere))
        record = read_records(listing, partial(self.look.read, folder))
        return AdoptedFiles(record.files, Places(self.look.elsewhere))

    def _hash_in_sidecar(self, number: FileNumber, folder: str | None) -> str | None:
        if folder is None:
            return None
        text = self.look.read(folder, sidecar_name(number))
        try:
            return None if text is None else described_file(text).sha256
        except SidecarUnreadable:
            return None

    def _sort_out(self, comparison: Comparison, chat: Chat, after_id: int, up_to_id: int) -> None:
        """Files of messages that were not asked for, or that came meanwhile, are not unknown."""
        left = comparison.unclaimed()
        for number in left:
            if number.message_id <= after_id or up_to_id < number.message_id < LARGEST_MESSAGE_ID:
                comparison.leave_out(number)
        ids = sorted({each.message_id for each in left if after_id < each.message_id <= up_to_id})
        if ids:
            for entry in self.reader.fetch(replace(chat, topic_id=0), ids):
                if isinstance(entry, MediaItem):
                    comparison.leave_out(entry.number)

    def _repaired(
        self,
        verdict: Verdict,
        scope: Scope,
        loaded: LoadedState | None,
        parts: Mapping[Shard, LoadedState],
    ) -> Verdict:
        state_id = loaded.state.last_message_id if loaded else 0
        passed_id = max(self.marks.watermark(scope), state_id)
        own_ids = self._ids_of_parts(verdict, parts)
        task = self.config.task
        failures = recorded(
            verdict.findings,
            self.marks,
            task.remote,
            passed_id,
            replaced=task.replaced is not None,
            passed_ids={
                message_id
                for shard, each in parts.items()
                for message_id in own_ids[shard]
                if message_id <= max(each.state.last_message_id, self._watermark(scope, shard))
            },
        )
        if failures and loaded is not None:
            save_state(loaded, failures, self.saved_messages, self.local_states)
        for shard, each in parts.items():
            own = [failure for failure in failures if failure.key.message_id in own_ids[shard]]
            if own:
                save_state(each, own, self.saved_messages, self.local_states)
        return replace(verdict, repaired=len(failures))

    def _ids_of_parts(
        self, verdict: Verdict, parts: Mapping[Shard, LoadedState]
    ) -> dict[Shard, set[int]]:
        """Which of the messages with a bad file each part has, as its own run would read them."""
        bad: tuple[Missing | Wrong, ...] = (*verdict.findings.missing, *verdict.findings.wrong)
        ids = sorted({found.key.message_id for found in bad})
        return {
            shard: {each.key.message_id for each in self.reader.fetch(verdict.chat, ids, shard)}
            for shard in parts
        }

    def _watermark(self, scope: Scope, shard: Shard) -> int:
        return self.marks.watermark(replace(scope, shard=shard))

    def _without_surplus(self, verdict: Verdict, check_claim: Callable[[], None]) -> Verdict:
        """``check_claim`` raises when the chat is not ours any more: a person may think long."""
        surplus = [each for each in verdict.findings.double if each.is_surplus]
        if not surplus or verdict.folder is None or self.removal is None:
            return verdict
        if not self.config.yes and not is_agreed_to(surplus, verdict.remote):
            return replace(verdict, left=f"{len(surplus)} surplus copies left: {WITHOUT_A_YES}")
        removed, left = remove_surplus(
            surplus, partial(self.removal.remove, verdict.folder), check_claim
        )
        return replace(verdict, removed=removed, left=left)

    def _without_empty_folders(self, verdict: Verdict, check_claim: Callable[[], None]) -> Verdict:
        removable = [each for each in verdict.empty_folders if not each.kept_because]
        if not removable or verdict.folder is None or self.double_folders is None:
            return verdict
        if not self.config.yes and not is_agreed_to_folders(removable):
            return replace(verdict, left_folders=(f"empty folders left: {WITHOUT_A_YES}",))
        check_claim()
        removed, left = self.double_folders.remove(verdict.folder, verdict.empty_folders)
        return replace(verdict, removed_folders=removed, left_folders=tuple(left))
