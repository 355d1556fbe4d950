"""What a run is given to tell by: on a terminal bars, elsewhere lines, and a file beside them."""

from __future__ import annotations

import os
from typing import TextIO

from tdl_sync.options.config import Telling, Verbosity
from tdl_sync.reporting.events import Level, as_json, as_text
from tdl_sync.reporting.log_file import LogFile
from tdl_sync.reporting.outlets import LineOutlet, Output
from tdl_sync.reporting.reporter import Outlet, Reporter

_LEAST = {
    Verbosity.QUIET: Level.WARNING,
    Verbosity.NORMAL: Level.INFO,
    Verbosity.VERBOSE: Level.DEBUG,
}


def progress_for(stream: TextIO, telling: Telling) -> Reporter:
    """Bars if the stream is a terminal that can move its cursor, else lines, as for a log.

    ``--quiet`` and ``--log-json`` are lines on a terminal, too. ``--quiet`` is not for the log
    file, which is there for what was not looked at. Raises ``UsageError`` for a log file that
    can't be written, such a page, or such metrics.
    """
    reporter = Reporter()
    style = as_json if telling.lines_as_json else as_text
    least = _LEAST[telling.verbosity]
    has_bars = (
        stream.isatty()
        and os.environ.get("TERM") != "dumb"
        and telling.verbosity is not Verbosity.QUIET
        and not telling.lines_as_json
    )
    outlets: list[Outlet] = []
    if has_bars:
        from tdl_sync.reporting.bars import BarsOutlet  # only on a terminal: it brings tqdm along

        outlets.append(BarsOutlet(stream, least))
    else:
        outlets.append(LineOutlet(Output(stream), style, least))
    if telling.log_file is not None:
        file = LogFile(telling.log_file, reporter.message)
        outlets.append(LineOutlet(file, style, min(least, Level.INFO)))
    if telling.page is not None:
        # Only here, as the metrics below: a run without it does not pay for what it brings along.
        from tdl_sync.reporting.page_outlet import PageOutlet
        from tdl_sync.reporting.rates import RateHistory

        history = RateHistory(telling.page.rates)
        outlets.append(
            PageOutlet(telling.page.file, history, reporter.message, lambda: reporter.last_words)
        )
    reporter.tell_to(*outlets)
    if telling.metrics is not None:
        from tdl_sync.reporting.metrics import Figures
        from tdl_sync.reporting.metrics_file import MetricsFile

        figures = Figures(telling.metrics.shard)
        reporter.count_by(
            MetricsFile(telling.metrics.file, figures, reporter.message, lambda: reporter.outcome)
        )
    return reporter
