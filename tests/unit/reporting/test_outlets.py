"""What a person sees of a run: on a terminal, in a log, and at the end."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pyte
import pytest

from tdl_sync.core.balance import Balance, Shortfall
from tdl_sync.core.failures import Failure
from tdl_sync.core.model import (
    Amount,
    Chat,
    ChatKind,
    ChatTotals,
    FileLocation,
    LocationKind,
    MediaItem,
    MediaType,
    MessageKey,
)
from tdl_sync.core.ports import ProgressListener
from tdl_sync.core.reports import FailedItem, Outcome, RunReport
from tdl_sync.core.steps import (
    Admitted,
    DiskUsed,
    DoneBefore,
    DownloadBegan,
    Downloaded,
    DownloadEnded,
    Failed,
    Moved,
    Resumed,
    Seen,
    Skipped,
    Steps,
    UploadBegan,
    Uploaded,
    UploadEnded,
)
from tdl_sync.core.text import columns_of, cut_to_columns
from tdl_sync.options.config import Telling, Verbosity
from tdl_sync.reporting.bars import BarsOutlet
from tdl_sync.reporting.events import Level, as_text
from tdl_sync.reporting.lines import Signs, block, log_line, percent, transfer_line
from tdl_sync.reporting.numbers import SpeedMeter, Waiting
from tdl_sync.reporting.outlets import LineOutlet, Output
from tdl_sync.reporting.paint import Paint
from tdl_sync.reporting.progress import progress_for
from tdl_sync.reporting.reporter import Outlet, Reporter
from tdl_sync.reporting.summary import result_line, summary
from tdl_sync.transfer.tally import Tally
from tests.fakes.progress import RecordingProgress, Shown
from tests.waiting import PATIENCE_SECONDS, until

HOSTILE = "\x1b[31mred\x07\x1b]0;title\x07\r\n\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe"
CHAT = Chat(-1001, f"Films {HOSTILE}", ChatKind.CHANNEL)
NOW = datetime(2024, 5, 6, 14, 0, 0)
TOTALS = ChatTotals(5, 5_000_000, 5)
SIGNS = Signs("↓", "↑", "━", "╌")


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def item(message_id: int, size_bytes: int = 1_000_000, name: str | None = "a.mp4") -> MediaItem:
    return MediaItem(
        MessageKey(CHAT.id, 0, message_id),
        MediaType.VIDEO,
        name,
        "video/mp4",
        size_bytes,
        datetime(2020, 1, 1, tzinfo=timezone.utc),
        FileLocation(LocationKind.DOCUMENT, 2, 1, 1, b""),
    )


def fails(message_id: int, name: str) -> Failed:
    return Failed(Failure(item(message_id).key, "wrong size", "3 bytes, not 4", 1, False), name)


def upload_began(of: MediaItem) -> UploadBegan:
    return UploadBegan(of, "1.staged", "box:1")


def shown(clock: Clock, files: int = 10, estimated_bytes: int = 10_000_000) -> Shown:
    return Shown(CHAT, ChatTotals(files, estimated_bytes, 5), 50_000_000, clock)


def test_a_speed_is_an_average_over_the_last_seconds_only() -> None:
    clock = Clock()
    meter = SpeedMeter(20.0, clock)
    for _ in range(40):
        clock.seconds += 1
        meter.add(1000)
    assert meter.bytes_per_second() == pytest.approx(1000, rel=0.1)
    clock.seconds += 100
    assert meter.bytes_per_second() == 0


def test_the_first_second_does_not_show_a_giant_speed() -> None:
    clock = Clock()
    meter = SpeedMeter(20.0, clock)
    clock.seconds += 0.001
    meter.add(1_000_000)
    assert meter.bytes_per_second() == 1_000_000


def test_the_counts_add_up_and_the_bytes_are_those_on_the_remote() -> None:
    counted = shown(Clock())
    counted.tell(Seen(4))
    counted.tell(DoneBefore(item(1, 3_000_000)))
    counted.tell(DoneBefore(item(2, 2_000_000)))
    counted.tell(Skipped(item(3).key, "sticker"))
    counted.tell(fails(4, "4_a.mp4"))
    snapshot = counted.numbers.snapshot()
    assert (snapshot.done, snapshot.skipped, snapshot.failed, snapshot.finished) == (2, 1, 1, 3)
    assert snapshot.done_bytes == 5_000_000


def test_more_files_than_telegram_counted_never_show_as_more_than_all() -> None:
    counted = shown(Clock(), files=2, estimated_bytes=1_000_000)
    counted.tell(Seen(3))
    for message_id in (1, 2, 3):
        counted.tell(DoneBefore(item(message_id)))
    snapshot = counted.numbers.snapshot()
    assert (snapshot.finished, snapshot.total_files) == (3, 3)
    assert snapshot.total_bytes == 3_000_000


def test_what_is_left_out_is_no_part_of_the_whole_any_more() -> None:
    """Telegram counts all files, and not those that a filter wants: a run over a part of a chat
    would end in the midst."""
    counted = shown(Clock(), files=3, estimated_bytes=3_000_000)
    assert counted.numbers.snapshot().total_files == 3
    counted.tell(Seen(3))
    for message_id in (1, 2):
        counted.tell(Skipped(item(message_id).key, "type"))
    counted.tell(DoneBefore(item(3)))
    snapshot = counted.numbers.snapshot()
    assert (snapshot.finished, snapshot.total_files) == (1, 1)
    assert percent(snapshot) == 100


def test_bytes_that_an_earlier_run_wrote_count_for_the_file_and_not_for_the_speed() -> None:
    clock = Clock()
    counted = shown(clock)
    counted.tell(DownloadBegan(item(12)))
    counted.tell(Resumed(item(12), 700_000))
    clock.seconds += 1
    counted.tell(Downloaded(item(12), 100_000))
    snapshot = counted.numbers.snapshot()
    (transfer,) = snapshot.transfers
    assert transfer.done_bytes == 800_000
    assert snapshot.download_speed == pytest.approx(100_000)


def test_a_second_attempt_of_an_upload_counts_its_bytes_from_zero() -> None:
    counted = shown(Clock())
    for _ in range(2):
        counted.tell(upload_began(item(1)))
        counted.tell(Uploaded(item(1), 400_000))
    (transfer,) = counted.numbers.snapshot().transfers
    assert transfer.done_bytes == 400_000


def test_a_wait_is_shown_until_it_is_over() -> None:
    clock = Clock()
    counted = shown(clock)
    until = datetime.now(timezone.utc) + timedelta(seconds=100)
    counted.numbers.waiting(Waiting("Telegram", "FLOOD_WAIT", until))
    assert counted.numbers.snapshot().waiting is not None
    clock.seconds += 101
    assert counted.numbers.snapshot().waiting is None


def told(counted: Shown, columns: int, rows: int = 30) -> list[str]:
    return block(counted.numbers.snapshot(), SIGNS, Paint(has_colours=False), NOW, columns, rows)


@pytest.mark.parametrize("columns", [20, 40, 59, 119, 300])
def test_no_part_of_the_status_is_lost_at_any_width(columns: int) -> None:
    counted = shown(Clock())
    counted.tell(Moved(item(1), 1_003_520))
    counted.tell(Seen(2))
    counted.tell(fails(2, "2_a.mp4"))
    counted.tell(DiskUsed(38_000_000))
    lines = told(counted, columns)
    text = " ".join(lines)
    for part in ("1.0 of ~9.", "10 %", "2 of 10 files", "↓ 0  ↑ 0", "disk 38 MB of 50 MB"):
        assert part in text
    assert "1 failed" in text
    assert all(columns_of(line) <= columns for line in lines)


def test_what_people_look_for_first_is_in_the_first_line() -> None:
    clock = Clock()
    counted = shown(clock, files=1000, estimated_bytes=1000_000_000)
    for number in range(100):
        counted.tell(Seen(1))
        counted.tell(upload_began(item(number)))
        clock.seconds += 2
        counted.tell(Moved(item(number), 1_003_520))
        counted.tell(UploadEnded(item(number)))
        counted.numbers.snapshot()
    line, *_ = told(counted, 79)
    assert line.endswith(": 100 MB of ~1.0 GB, 10 %, 550 kB/s, 30 min left")
    line, *_ = told(counted, 119)
    assert line.endswith(" left (14:30)")


def test_the_total_is_named_as_telegrams_in_a_log() -> None:
    snapshot = shown(Clock()).numbers.snapshot()
    assert "0 of 10 files by Telegram's count; 0 of ~10 MB, 0 %" in log_line(snapshot, NOW)


def test_files_in_flight_are_shown_in_two_groups_each_with_a_bar() -> None:
    counted = shown(Clock())
    for message_id in (12, 13, 14):
        counted.tell(upload_began(item(message_id, 4_000_000, None)))
        counted.tell(Uploaded(item(message_id, 4_000_000), 2_000_000))
        counted.tell(DownloadBegan(item(message_id + 10, 4_000_000, None)))
        counted.tell(Downloaded(item(message_id + 10, 4_000_000), 1_000_000))
    lines = told(counted, 79)
    assert any("↓ 3  ↑ 3 " in line for line in lines)
    *_, last_down, first_up, _, _ = lines
    assert last_down == "↓ ━━╌╌╌╌╌╌╌╌  25 % 4.0 MB 24_video_2020-01-01_00-00-00.mp4"
    assert first_up == "↑ ━━━━━╌╌╌╌╌  50 % 4.0 MB 12_video_2020-01-01_00-00-00.mp4"


def test_what_has_no_room_is_counted_and_both_groups_are_seen() -> None:
    counted = shown(Clock())
    for message_id in range(1, 6):
        counted.tell(DownloadBegan(item(message_id)))
        counted.tell(upload_began(item(message_id + 10)))
    lines = told(counted, 79, rows=8)
    assert len(lines) == 8
    assert [line[0] for line in lines[3:]] == ["↓", "↓", "↑", "↑", "a"]
    assert lines[-1] == "and 6 more"


def test_what_is_downloaded_and_not_handed_over_waits() -> None:
    counted = shown(Clock())
    for message_id in (1, 2, 3):
        counted.tell(Admitted(item(message_id)))
        counted.tell(Downloaded(item(message_id), 1_000_000))
    counted.tell(upload_began(item(1)))
    assert any("↓ 0  ↑ 1  2 wait" in line for line in told(counted, 79))


def test_an_empty_file_in_flight_is_no_division_by_zero() -> None:
    counted = shown(Clock())
    counted.tell(upload_began(item(12, 0)))
    (transfer,) = counted.numbers.snapshot().transfers
    assert "100 %" in transfer_line(transfer, SIGNS, Paint(has_colours=False), 79)


def test_a_title_is_cut_by_what_a_terminal_draws() -> None:
    family = "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}"
    assert columns_of(family) == 2
    assert cut_to_columns(family * 5, 5) == family * 2 + "…"
    assert cut_to_columns("東京タワー", 6) == "東京…"


def test_while_nothing_moves_it_is_said_what_is_waited_for() -> None:
    clock = Clock()
    counted = shown(clock)
    counted.tell(Admitted(item(1)))
    counted.tell(DownloadBegan(item(1)))
    counted.tell(Downloaded(item(1), 10))
    clock.seconds += 8
    assert not any("nothing has moved" in line for line in told(counted, 79))
    clock.seconds += 8
    said = "nothing has moved for 16 s, waiting for Telegram"
    assert said in told(counted, 79)
    assert said in log_line(counted.numbers.snapshot(), NOW)


def test_a_standstill_stands_in_the_place_of_the_pace_and_the_time_left() -> None:
    """What was forecast before is not shown beside it: it would not be true."""
    moving = replace(
        shown(Clock()).numbers.snapshot(), upload_speed=2_000_000.0, remaining_seconds=720.0, seen=1
    )
    plain = Paint(has_colours=False)
    for columns in (79, 119):
        first = block(moving, SIGNS, plain, NOW, columns, 24)[0]
        assert "2.0 MB/s, 12 min left" in first
        still = replace(moving, still_seconds=90.0)
        lines = block(still, SIGNS, plain, NOW, columns, 24)
        assert lines[0].endswith(", 0 %, waiting")
        assert "nothing has moved for 1 min 30 s, waiting for the network" in lines
        assert "left" not in "".join(lines)
    assert log_line(moving, NOW).endswith("; about 12 min left (14:12)")
    assert log_line(still, NOW).endswith(
        "; nothing has moved for 1 min 30 s, waiting for the network"
    )
    # One connection that waits as Telegram has asked it to holds no other one up.
    waits = replace(moving, waiting=Waiting("reading", "Telegram asks for a pause of 9 s", None))
    lines = block(waits, SIGNS, plain, NOW, 79, 24)
    assert "12 min left" in lines[0]
    assert "reading waits: Telegram asks for a pause of 9 s" in lines


def test_colours_are_on_a_terminal_that_wants_them() -> None:
    assert Paint.for_terminal({"TERM": "xterm"}).has_colours
    assert Paint.for_terminal({"TERM": "xterm", "NO_COLOR": ""}).has_colours
    assert not Paint.for_terminal({"TERM": "xterm", "NO_COLOR": "1"}).has_colours
    assert not Paint.for_terminal({"TERM": "dumb"}).has_colours


def test_signs_are_plain_where_the_terminal_has_none() -> None:
    assert Signs.for_encoding("utf-8") == SIGNS
    assert Signs.for_encoding("ascii") == Signs("v", "^", "#", ".")


def begun(listener: ProgressListener, totals: ChatTotals = TOTALS) -> Steps:
    """A chat of this run begins; what happens to its files is told to what is returned."""
    tally = Tally()
    listener.started(CHAT, totals, 50_000_000, tally.of_round)
    return Steps(tally.told, listener.told)


def play(listener: ProgressListener) -> None:
    """A run with everything in it, names as hostile as they come."""
    listener.message("the staging directory is empty")
    steps = begun(listener)
    steps.tell(Seen(5))
    steps.tell(DoneBefore(item(1)))
    steps.tell(Skipped(item(2).key, "sticker"))
    hostile = item(3, name=HOSTILE)
    steps.tell(DownloadBegan(hostile))
    steps.tell(Downloaded(hostile, 1_000_000))
    steps.tell(DiskUsed(1_000_000))
    steps.tell(DownloadEnded(hostile))
    steps.tell(UploadBegan(hostile, "1.staged", f"box:{HOSTILE}"))
    steps.tell(Uploaded(hostile, 1_000_000))
    steps.tell(UploadEnded(hostile))
    steps.tell(Moved(hostile, 1_003_520))
    steps.tell(fails(4, HOSTILE))
    listener.waiting(f"Telegram {HOSTILE}", "FLOOD_WAIT", None)
    listener.waiting(f"Telegram {HOSTILE}", "FLOOD_WAIT", None)
    listener.message(f"freed 1.0 MB: {HOSTILE}")


def reporter(outlet: Outlet, interval_seconds: float = 30.0) -> Reporter:
    made = Reporter(interval_seconds)
    made.tell_to(outlet)
    return made


def bars(stream: io.TextIOWrapper) -> Reporter:
    return reporter(BarsOutlet(stream, Level.INFO))


PLAINLY = Telling(Verbosity.NORMAL, None, lines_as_json=False, notify=False)

REPORT = RunReport(
    seen=5,
    moved=1,
    done_before=1,
    skipped_by_rule={"sticker": 1},
    failed_by_reason={"wrong size": 1},
    failed_items=(FailedItem(4, "4_a.mp4", "wrong size", "3 bytes, not 4", False),),
    downloaded_bytes=1_000_000,
    uploaded_bytes=1_000_000,
    seconds=2.0,
)


def test_a_log_has_every_message_one_line_for_repeated_waits_and_the_summary() -> None:
    stream = io.StringIO()
    log = reporter(LineOutlet(Output(stream), as_text, Level.INFO))
    play(log)
    log.finished(CHAT, REPORT)
    lines = [line[len("2024-05-06 14:00:00 ") :] for line in stream.getvalue().splitlines()]
    assert lines[0] == "the staging directory is empty"
    assert lines[1].startswith("moved ")
    assert lines[1].endswith(" (1.0 MB)")
    assert lines[2].startswith("failed: 4 ")
    assert lines[2].endswith(": 3 bytes, not 4")
    assert lines[3].startswith("Telegram ")
    assert lines[3].endswith(" waits: FLOOD_WAIT")
    assert lines[4].startswith("freed 1.0 MB: ")
    assert "\n".join(lines[5:]) == summary(REPORT, CHAT)


class Lines(io.StringIO):
    """Tells each time that it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Semaphore(0)

    def write(self, text: str) -> int:
        self.written.release()
        return super().write(text)


def test_a_log_says_how_far_the_run_is_though_nothing_happens() -> None:
    stream = Lines()
    log = reporter(LineOutlet(Output(stream), as_text, Level.INFO), interval_seconds=0.01)
    begun(log)
    until(lambda: stream.getvalue().count("0 of 5 files by Telegram's count") >= 3)
    log.close()


def test_a_log_says_nothing_while_the_run_waits_for_new_messages() -> None:
    stream = Lines()
    log = reporter(LineOutlet(Output(stream), as_text, Level.INFO), interval_seconds=0.01)
    begun(log)
    assert stream.written.acquire(timeout=PATIENCE_SECONDS)
    log.idle("waiting for new messages (--follow)")
    # Twenty times as long as between its lines. One may have been on its way.
    until(lambda: not stream.written.acquire(timeout=0.2))
    begun(log, ChatTotals(0, 0, 0)).tell(Seen(3))
    # Telegram's counters say nothing of what has come since.
    while "0 of 3 files; " not in stream.getvalue():
        assert stream.written.acquire(timeout=PATIENCE_SECONDS)
    log.close()


@contextmanager
def terminal(columns: int, rows: int) -> Iterator[tuple[int, io.TextIOWrapper]]:
    """A pseudo terminal: the end that a person would look at, and the program's stream."""
    looker, program = os.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with os.fdopen(program, "w", encoding="utf-8") as stream:
        yield looker, stream
    os.close(looker)


class Screen:
    """Reads what is shown until something expected is in it."""

    def __init__(self, looker: int) -> None:
        self._looker = looker
        self.text = ""

    def read_until(self, expected: str) -> str:
        while expected not in self.text:
            self.text += os.read(self._looker, 65536).decode("utf-8", "ignore")
        return self.text


@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (60, 24), (12, 4), (0, 0)])
def test_a_terminal_shows_the_run_at_any_size_and_no_name_drives_it(
    columns: int, rows: int
) -> None:
    with terminal(columns, rows) as (looker, stream):
        progress = progress_for(stream, PLAINLY)
        screen = Screen(looker)
        play(progress)
        screen.read_until("freed 1.0 MB")
        progress.finished(CHAT, REPORT)
        shown = (
            screen.read_until("not 4\r\n") if columns == 12 else screen.read_until("failed items")
        )
    for escape in ("\x1b[31mred", "\x1b]0;", "\N{RIGHT-TO-LEFT OVERRIDE}"):
        assert escape not in shown


@dataclass
class Emulated:
    """A terminal that a screen emulator draws."""

    looker: int
    program: int
    screen: pyte.Screen

    def __post_init__(self) -> None:
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""

    def read_until(self, is_right: Callable[[str], bool]) -> str:
        while not is_right(shown := "\n".join(line.rstrip() for line in self.screen.display)):
            more = os.read(self.looker, 65536)
            self.sent += more
            self._stream.feed(more)
        return shown

    def resize(self, columns: int, rows: int) -> None:
        """As a terminal that has no text besides: the lines are cut."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.program, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def emulated(columns: int, rows: int) -> Iterator[tuple[Emulated, io.TextIOWrapper]]:
    with terminal(columns, rows) as (looker, stream):
        yield Emulated(looker, stream.fileno(), pyte.Screen(columns, rows)), stream


def in_flight(progress: Reporter) -> None:
    steps = begun(progress)
    steps.tell(Seen(2))
    steps.tell(DownloadBegan(item(12)))
    steps.tell(Downloaded(item(12), 500_000))
    steps.tell(UploadBegan(item(13), "1.staged", "box:13_a.mp4"))


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40), (50, 20)])
def test_a_terminal_shows_what_is_in_flight_and_is_left_as_it_was(
    columns: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with emulated(columns, rows) as (shown, stream):
        progress = bars(stream)
        progress.message("before")
        in_flight(progress)
        screen = shown.read_until(lambda text: "↑ ╌" in text and bool(shown.screen.title))
        assert "↓ ━━━━━╌╌╌╌╌  50 % 1.0 MB 12_a.mp4" in screen
        assert "0 of 5 files   ↓ 1  ↑ 1" in screen
        assert "0 of ~" in screen
        assert shown.screen.title.startswith("0 % ")
        row = screen.split("\n").index("↓ ━━━━━╌╌╌╌╌  50 % 1.0 MB 12_a.mp4")
        assert shown.screen.buffer[row][2].fg == "green"
        progress.message("a line above the bars")
        progress.close()
        stream.write("end")
        stream.flush()
        screen = shown.read_until(lambda text: "end" in text)
    assert screen.rstrip("\n").split("\n") == ["before", "a line above the bars", "end"]
    assert shown.sent.count(b"\x1b[22;2t") == shown.sent.count(b"\x1b[23;2t") == 1


def test_without_colours_and_a_title_a_terminal_shows_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "vt100")
    monkeypatch.setenv("NO_COLOR", "1")
    with emulated(80, 24) as (shown, stream):
        progress = bars(stream)
        in_flight(progress)
        shown.read_until(lambda text: "↓ ━━━━━╌╌╌╌╌  50 % 1.0 MB 12_a.mp4" in text)
        progress.close()
    assert b"m" not in re.findall(rb"\x1b\[[0-9;]*([A-Za-z])", shown.sent)
    assert b"\x1b]" not in shown.sent


def test_a_terminal_that_changes_its_size_is_drawn_anew() -> None:
    with emulated(80, 24) as (shown, stream):
        progress = bars(stream)
        in_flight(progress)
        shown.read_until(lambda text: "↑ ╌" in text)
        shown.resize(120, 30)
        shown.read_until(lambda text: "╌" * 119 in text and "↑ ╌" in text)
        screen = "\n".join(shown.screen.display)
        assert screen.count("12_a.mp4") == 1
        assert screen.count("13_a.mp4") == 1
        progress.close()


def test_a_terminal_says_in_a_sentence_that_the_run_waits_for_new_messages() -> None:
    with emulated(120, 40) as (shown, stream):
        progress = bars(stream)
        begun(progress, ChatTotals(0, 0, 0))
        progress.idle("waiting for new messages (--follow)")
        screen = shown.read_until(lambda text: "waiting for new messages (--follow)" in text)
        assert "╌" not in screen
        assert "0 of 0" not in screen
        progress.close()


def test_a_terminal_that_was_closed_does_not_stop_the_run() -> None:
    looker, program = os.openpty()
    stream = os.fdopen(program, "w", encoding="utf-8")
    progress = bars(stream)
    begun(progress)
    os.close(looker)
    play(progress)
    progress.finished(CHAT, REPORT)
    with suppress(OSError):
        stream.close()


@pytest.mark.parametrize(
    ("term", "telling"),
    [
        ("dumb", PLAINLY),
        ("xterm", replace(PLAINLY, lines_as_json=True)),
        ("xterm", replace(PLAINLY, verbosity=Verbosity.QUIET)),
    ],
)
def test_a_terminal_without_bars_is_sent_no_escape_sequence(
    term: str, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    with terminal(120, 40) as (looker, stream):
        progress = progress_for(stream, telling)
        play(progress)
        progress.finished(CHAT, REPORT)
        shown = Screen(looker).read_until("not 4")
    assert "\x1b" not in shown


def test_the_recording_listener_knows_what_happened_to_a_message() -> None:
    listener = RecordingProgress()
    play(listener)
    assert listener.order(3) == [
        DownloadBegan,
        Downloaded,
        DownloadEnded,
        UploadBegan,
        Uploaded,
        UploadEnded,
        Moved,
    ]
    assert listener.order(4) == [Failed]
    assert listener.steps(DiskUsed) == [DiskUsed(1_000_000)]


def test_the_summary_says_everything_that_a_run_did() -> None:
    chat = Chat(-1001, "Films", ChatKind.CHANNEL)
    report = RunReport(
        seen=300,
        moved=200,
        done_before=90,
        skipped_by_rule={"deleted": 1, "sticker": 3},
        failed_by_reason={"larger than the disk budget": 1, "wrong size": 2},
        failed_items=(FailedItem(7, "7_a.mp4", "wrong size", "3 bytes, not 4", False),),
        downloaded_bytes=1_500_000_000,
        uploaded_bytes=1_200_000_000,
        seconds=312.0,
    )
    assert summary(report, chat) == "\n".join(
        [
            "Films",
            "  seen               300",
            "  done               290  200 moved now, 90 there before",
            "  skipped              4  sticker 3, deleted 1",
            "  failed               3  wrong size 2, larger than the disk budget 1",
            "  unfinished           3  left for the next run",
            "  downloaded      1.5 GB  4.8 MB/s on average",
            "  uploaded        1.2 GB  3.8 MB/s on average",
            "  time        5 min 12 s",
            "  failed items:",
            "    7  7_a.mp4: 3 bytes, not 4",
        ]
    )


def test_a_run_that_found_nothing_new_says_that_in_a_line_and_no_other_run_does() -> None:
    chat = Chat(-1001, "Films", ChatKind.CHANNEL)
    quiet = RunReport(before=Amount(291, 308_789_340), is_through=True)
    assert summary(quiet, chat) == "Films: nothing new; 291 files (309 MB) are there"
    assert summary(replace(quiet, none_is_there=True), chat) == (
        "Films: nothing new; of 291 files (309 MB) that earlier runs have moved none is there now"
    )
    looked_at_all = RunReport(
        seen=3,
        done_before=1,
        done_before_bytes=2_000,
        skipped_by_rule={"sticker": 1},
        failed_by_reason={"larger than the disk budget": 1},
        failed_before=1,
        is_through=True,
    )
    assert summary(looked_at_all, chat) == (
        "Films: nothing new; 1 file (2.0 kB) is there, 1 failed for good, as before; "
        "left out: sticker 1"
    )
    assert summary(RunReport(is_through=True), chat) == "Films: nothing to move"
    none_wanted = RunReport(seen=3, skipped_by_rule={"sticker": 1, "type": 2}, is_through=True)
    assert summary(none_wanted, chat) == "Films: nothing to move; left out: type 2, sticker 1"
    for other in (
        replace(quiet, is_through=False),  # it was stopped before it had looked
        replace(quiet, more=True),
        replace(quiet, seen=1),  # what is neither done nor skipped nor failed is unfinished
        replace(quiet, seen=1, moved=1),
        replace(quiet, downloaded_bytes=1),
        replace(looked_at_all, failed_before=0),
        replace(looked_at_all, believed=1),  # how many, and by what, is to be seen
        replace(quiet, balance=Balance((Shortfall(MediaType.VIDEO, 20, 18),))),
    ):
        assert summary(other, chat).startswith("Films\n  seen  "), other


def test_the_summary_names_twenty_failed_items_and_counts_the_others() -> None:
    items = tuple(FailedItem(n, f"{n}_a", "r", "d", False) for n in range(1, 26))
    lines = summary(RunReport(seen=25, failed_items=items), CHAT).splitlines()
    assert lines[-2:] == ["    20  20_a: d", "    and 5 more"]


def test_nothing_in_the_summary_drives_the_terminal() -> None:
    items = (FailedItem(1, HOSTILE, "r", HOSTILE, False),)
    text = summary(RunReport(seen=1, failed_items=items, failed_by_reason={HOSTILE: 1}), CHAT)
    assert not [sign for sign in text.replace("\n", "") if not sign.isprintable()]


def test_the_result_line_adds_up_all_chats() -> None:
    reports = [
        RunReport(seen=3, moved=1, done_before=1, skipped_by_rule={"x": 1}, uploaded_bytes=5),
        RunReport(seen=2, moved=1, failed_by_reason={"y": 1}, uploaded_bytes=7),
    ]
    assert result_line(Outcome.FAILED, reports) == (
        "result: status=failed seen=5 done=3 skipped=1 failed=1 bytes=12"
    )


def test_a_run_that_could_not_begin_has_a_result_line_too() -> None:
    assert result_line(Outcome.ERROR, []) == (
        "result: status=error seen=0 done=0 skipped=0 failed=0 bytes=0"
    )
