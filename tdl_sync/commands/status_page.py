"""``status --page``: what is stored, as the page that a run keeps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from tdl_sync.commands.status_facts import Activity, ScopeStatus
from tdl_sync.commands.status_text import read_percent, rows
from tdl_sync.core.links import message_link
from tdl_sync.core.text import ranked
from tdl_sync.options.config import PageSettings
from tdl_sync.reporting.page import ChatCard, FailedFile, Failures, Page
from tdl_sync.reporting.page_outlet import write_page
from tdl_sync.reporting.rates import RateHistory

_ON_THEIR_OWN = ("failed", "")
"""Rows that the page shows otherwise."""


def write_status_page(
    settings: PageSettings, found: Iterable[ScopeStatus], telegrams_now: datetime
) -> None:
    """Raises ``UsageError`` if it can't be written."""
    page = Page(
        written_at=datetime.now(timezone.utc),
        headline="what is stored of each chat",
        lives=False,
        chats=tuple(_card(status, telegrams_now) for status in found),
        rates=RateHistory(settings.rates).rates(),
    )
    write_page(settings.file, page)


def _card(status: ScopeStatus, now: datetime) -> ChatCard:
    told = [(label, text) for label, text in rows(status, now) if label not in _ON_THEIR_OWN]
    activity = next(text for label, text in told if label == "state")
    waits = status.activity in (Activity.QUOTA, Activity.DIED, Activity.SILENT)
    return ChatCard(
        title=status.saved.state.channel_name,
        percent=read_percent(status),
        facts=tuple(f"{label}: {text}" for label, text in told),
        waits=activity if waits else "",
        failures=_failures(status),
    )


def _failures(status: ScopeStatus) -> tuple[Failures, ...]:
    """A state counts the reasons, and names the messages, but not which failed for which."""
    state = status.saved.state
    links = tuple(
        FailedFile(f"message {each}", "", message_link(state.channel_id, None, each))
        for each in state.failed_ids
    )
    reasons = ranked(state.failures_by_reason)
    if len(reasons) == 1:
        ((reason, count),) = reasons
        return (Failures(reason, max(count, len(links)), links),)
    groups = [Failures(reason, count, ()) for reason, count in reasons]
    if links:
        groups.append(Failures("the messages of these", len(links), links))
    return tuple(groups)
