"""The figures for Prometheus: what is counted, and how they are told."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tdl_sync.core.errors import UsageError
from tdl_sync.core.failures import Failure
from tdl_sync.core.program import VERSION
from tdl_sync.core.reports import Outcome
from tdl_sync.core.steps import (
    DiskUsed,
    DoneBefore,
    Downloaded,
    Failed,
    Moved,
    Seen,
    Skipped,
    Staged,
    UploadBegan,
    Uploaded,
)
from tdl_sync.reporting.metrics import FAMILIES, Figures
from tdl_sync.reporting.metrics_file import MetricsFile, write_metrics
from tests.promtool import lint
from tests.unit.reporting.test_outlets import CHAT, HOSTILE, Clock, fails, item
from tests.waiting import until

SHARD = "2/4"


def told(text: bytes) -> dict[tuple[str, ...], float]:
    """By name and label values, the shard left out, which all have."""
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("shard") == SHARD
            assert labels.pop("chat", str(CHAT.id)) == str(CHAT.id)
            key = (sample.name.removeprefix("tdl_sync_"), *labels.values())
            assert key not in found
            found[key] = sample.value
    return found


def played() -> Figures:
    """A chat with a file of each fate."""
    figures = Figures(SHARD, Clock())
    figures.held(CHAT.id, is_ours=True)
    figures.started(CHAT.id, 50_000)
    twice = item(2, 2000)
    for step in (
        Seen(4),
        DoneBefore(item(1, 1000)),
        DiskUsed(3000),
        Downloaded(twice, 500),
        Downloaded(twice, 1500),
        Staged(twice),
        UploadBegan(twice, "2.staged", "box:2"),
        Uploaded(twice, 1200),
        UploadBegan(twice, "2.staged", "box:2"),
        Uploaded(twice, 900),
        Uploaded(twice, 800),  # rclone has begun a part of it anew
        Moved(twice, 2000),
        Skipped(item(3).key, "type"),
        fails(4, HOSTILE),
        DiskUsed(0),
    ):
        figures.told(CHAT.id, step)
    figures.waiting("uploading", None)
    return figures


def test_files_and_bytes_are_counted_by_result_and_leg_and_failures_by_reason() -> None:
    found = told(played().text())
    began_at = found.pop(("run_start_timestamp_seconds",))
    assert 1.7e9 < began_at <= found.pop(("written_timestamp_seconds",))
    statuses = {key[1]: found.pop(key) for key in list(found) if key[0] == "run_status"}
    assert statuses == {"running": 1.0, **{each.value: 0.0 for each in Outcome}}
    assert found == {
        ("build_info", VERSION): 1.0,
        ("lease_held",): 1.0,
        ("staging_budget_bytes",): 50_000.0,
        ("staging_used_bytes",): 0.0,
        ("files_seen_total",): 4.0,
        ("files_total", "moved"): 1.0,
        ("files_total", "there"): 1.0,
        ("files_total", "skipped"): 1.0,
        ("files_total", "failed"): 1.0,
        ("file_bytes_total", "moved"): 2000.0,
        ("file_bytes_total", "there"): 1000.0,
        ("transferred_files_total", "down"): 1.0,
        ("transferred_files_total", "up"): 1.0,
        ("transferred_bytes_total", "down"): 2000.0,
        ("transferred_bytes_total", "up"): 1200.0 + 2000.0,  # of both attempts
        ("failures_total", "wrong size"): 1.0,
        ("waits_total", "uploading"): 1.0,
        ("wait_seconds_total", "uploading"): 30.0,
    }


def test_prometheus_own_linter_finds_nothing_and_an_error_where_there_is_one() -> None:
    text = played().text()
    told_of = [line.split()[2] for line in text.decode().splitlines() if line[:6] == "# HELP"]
    assert told_of == [family.name for family in FAMILIES]
    assert b"_created" not in text
    assert lint(text) == []
    assert lint(text.replace(b"tdl_sync_failures_total", b"tdl_sync_failures")) != []


def test_all_that_a_chat_may_have_is_there_with_0_before_anything_happens() -> None:
    """So the first one that is counted shows as an increase."""
    figures = Figures(SHARD)
    figures.started(CHAT.id, 50_000)
    before = told(figures.text())
    assert {key[0]: value for key, value in before.items() if key[0].endswith("_total")} == {
        name: 0.0
        for name in (
            "files_seen_total",
            "files_total",
            "file_bytes_total",
            "transferred_files_total",
            "transferred_bytes_total",
        )
    }
    missing = told(played().text()).keys() - before.keys()
    assert {key[0] for key in missing} == {
        "lease_held",
        "staging_used_bytes",
        "failures_total",
        "waits_total",
        "wait_seconds_total",
    }


def test_a_pause_that_many_requests_meet_counts_once() -> None:
    clock = Clock()
    figures = Figures(SHARD, clock)

    def counted() -> tuple[float, float]:
        found = told(figures.text())
        waits, seconds = "waits_total", "wait_seconds_total"
        return found[waits, "downloading"], round(found[seconds, "downloading"])

    def pause(seconds: float) -> None:
        figures.waiting("downloading", datetime.now(timezone.utc) + timedelta(seconds=seconds))

    pause(20)
    pause(20)
    assert counted() == (1, 20)
    clock.seconds += 15
    pause(20)  # it is longer by that
    assert counted() == (1, 35)
    clock.seconds += 25
    pause(5)
    assert counted() == (2, 40)
    pause(-3)
    assert counted() == (2, 40)


@given(st.text(), st.text())
def test_any_reason_is_a_label_and_nothing_else(reason: str, what: str) -> None:
    figures = Figures(SHARD)
    failure = Failure(item(1).key, reason, HOSTILE, 1, False)
    figures.told(CHAT.id, Failed(failure, HOSTILE))
    figures.waiting(what, None)
    lines = figures.text().decode().split("\n")
    assert [line for line in lines if line and not line.startswith(("# ", "tdl_sync_"))] == []
    assert sum(line.startswith("tdl_sync_failures_total{") for line in lines) == 1


def test_the_file_is_whole_or_as_before_and_may_be_read_by_everybody(tmp_path: Path) -> None:
    path = tmp_path / "tdl.prom"
    write_metrics(path, b"one 1\n")
    path.chmod(0o600)
    before = path.stat().st_ino
    write_metrics(path, b"one 2\n")
    assert path.read_bytes() == b"one 2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert path.stat().st_ino != before  # not written into the one that somebody reads
    write_metrics(path, None)
    assert path.read_bytes() == b"one 2\n"
    assert [each.name for each in tmp_path.iterdir()] == ["tdl.prom"]
    for bad in (tmp_path / "no" / "tdl.prom", tmp_path):
        for text in (None, b"one 3\n"):
            with pytest.raises(UsageError, match=r"--metrics: .* cannot be written"):
                write_metrics(bad, text)


def kept(
    path: Path, outcome: Outcome | None, on_line: Callable[[str], None] = print
) -> MetricsFile:
    return MetricsFile(path, Figures(SHARD), on_line, lambda: outcome, renewed_seconds=0.01)


def test_a_run_that_another_one_keeps_from_its_chats_leaves_the_file_to_that(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tdl.prom"
    path.write_text("of the other one")
    kept(path, None).close()
    assert path.read_text() == "of the other one"
    kept(path, Outcome.ERROR).close()  # nor does a run that never came to a chat say nothing
    assert told(path.read_bytes())["run_status", "error"] == 1


def test_the_file_is_renewed_and_says_in_the_end_how_it_went(tmp_path: Path) -> None:
    path = tmp_path / "tdl.prom"
    file = kept(path, Outcome.MORE)
    assert not path.exists()
    file.held(CHAT.id, is_ours=True)
    until(path.exists)
    file.started(CHAT.id, 1)
    file.told(CHAT.id, Seen(3))
    until(lambda: told(path.read_bytes()).get(("files_seen_total",)) == 3)
    assert told(path.read_bytes())["run_status", "running"] == 1
    file.held(CHAT.id, is_ours=False)
    file.close()
    file.close()
    found = told(path.read_bytes())
    status = [key[1] for key, value in found.items() if key[0] == "run_status" and value]
    assert (status, found[("lease_held",)]) == (["more"], 0)


def test_a_file_that_can_not_be_written_any_more_is_told_once(tmp_path: Path) -> None:
    lines: list[str] = []
    directory = tmp_path / "figures"
    directory.mkdir()
    file = kept(directory / "tdl.prom", Outcome.COMPLETE, lines.append)
    directory.rmdir()
    file.held(CHAT.id, is_ours=True)
    until(lambda: bool(lines))
    file.close()
    (line,) = lines
    assert line.startswith("warning: --metrics: ")


def test_its_library_is_not_paid_for_by_a_run_without_it() -> None:
    ask = "import sys, tdl_sync.reporting.progress; print('prometheus_client' in sys.modules)"
    command = [sys.executable, "-c", ask]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "False\n"
