"""The page to watch (``--page``): one HTML file that fetches nothing and runs no script.

What comes from Telegram or rclone goes through ``_text`` and nowhere else: one line without marks
that turn the direction, escaped, and shown in a direction of its own. Besides, the page's own
policy forbids whatever would be fetched or run.

That it was not renewed the page has to say by itself, without a script and without a clock. So it
loads itself again by an address that names the moment at which this very page was written
(``?M#seen-M``), and holds a warning with the id ``seen-M``, which is shown where the address names
it: after that load it is the page from before, or a new one, whose warning has another id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from tdl_sync.core.text import human_bytes, human_speed, printable
from tdl_sync.reporting.rates import SLOT_SECONDS, SLOTS, Rate

RENEWED_SECONDS = 10.0
RELOAD_SECONDS = 25
"""Longer than a page lives, however busy the machine is: once it has said that it was not renewed
it stays, since browsers don't load an address anew that they are at."""

MOST_SHOWN = 100
"""Of the files that failed for one reason; the rest is counted."""

_PLOT_WIDTH, _PLOT_HEIGHT = 640, 160
_LINK = "https://t.me/"


@dataclass(frozen=True)
class FlyingFile:
    """A file on its way, of whose bytes so many have come through."""

    is_upload: bool
    name: str
    done_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class FailedFile:
    """``link`` leads to its message, and is ``None`` where there is none."""

    label: str
    detail: str
    link: str | None


@dataclass(frozen=True)
class Failures:
    """Those for one reason: how many, and some of them."""

    reason: str
    count: int
    files: tuple[FailedFile, ...]


@dataclass(frozen=True)
class ChatCard:
    """How far one chat is. ``percent`` is ``None`` where that is not known."""

    title: str
    percent: int | None
    facts: tuple[str, ...]
    flying: tuple[FlyingFile, ...] = ()
    waits: str = ""
    failures: tuple[Failures, ...] = ()


@dataclass(frozen=True)
class Page:
    """All that is shown. ``lives``: it is renewed, and loads itself again. ``told`` are lines about
    the whole."""

    written_at: datetime
    headline: str
    lives: bool
    chats: tuple[ChatCard, ...]
    rates: tuple[Rate, ...] = ()
    told: tuple[str, ...] = ()


def html(page: Page) -> str:
    """The whole file."""
    stamp = f"{page.written_at.timestamp() * 1000:.0f}"
    when = _time(page.written_at)
    refresh = stale = ""
    state = f"written {when}"
    if page.lives:
        refresh = (
            f'<meta http-equiv="refresh" content="{RELOAD_SECONDS};url=?{stamp}#seen-{stamp}">\n'
        )
        stale = (
            f'<p class="stale" id="seen-{stamp}" role="alert">Not renewed since {when}: the run '
            'was killed, or hangs. This page does not load itself again: <a href="?">look</a>.'
            "</p>\n"
        )
        state += f", renewed every {RENEWED_SECONDS:g} s"
    told = "".join(f"<p>{_text(line)}</p>\n" for line in page.told)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"{refresh}<title>tdl_sync: {_text(page.headline)}</title>\n<style>{_STYLE}</style>\n"
        f"</head>\n<body>\n{stale}<header><h1>tdl_sync: {_text(page.headline)}</h1>\n"
        f'<p class="dim">{state}</p>\n{told}</header>\n<main>\n'
        + "".join(map(_chat, page.chats))
        + _plot(page.rates, page.written_at)
        + "</main>\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return escape(printable(text), quote=True)


def _name(text: str) -> str:
    """Of a stranger's: its direction is its own, and turns nothing around it."""
    return f"<bdi>{_text(text)}</bdi>"


def _chat(card: ChatCard) -> str:
    parts = [f"<section>\n<h2>{_name(card.title)}</h2>\n"]
    if card.percent is not None:
        parts.append(_bar(card.percent, "big"))
    parts.append('<ul class="facts">' + "".join(f"<li>{_text(each)}" for each in card.facts))
    parts.append("</ul>\n")
    if card.waits:
        parts.append(f'<p class="waits">{_text(card.waits)}</p>\n')
    if card.flying:
        parts.append('<ul class="flying">\n' + "".join(map(_flying, card.flying)) + "</ul>\n")
    parts += map(_failures, card.failures)
    parts.append("</section>\n")
    return "".join(parts)


def _bar(percent: int, kind: str) -> str:
    return (
        f'<div class="bar {kind}"><i style="width:{percent}%"></i></div>'
        f'<span class="percent">{percent} %</span>\n'
    )


def _flying(file: FlyingFile) -> str:
    percent = min(100, 100 * file.done_bytes // max(file.size_bytes, 1))
    arrow, word = ("↑", "uploading") if file.is_upload else ("↓", "downloading")
    return (
        f'<li><span title="{word}">{arrow}</span> {_bar(percent, "small")} '
        f"{_name(file.name)} <small>{human_bytes(file.size_bytes)}</small></li>\n"
    )


def _failures(failures: Failures) -> str:
    rows = "".join(map(_failed, failures.files[:MOST_SHOWN]))
    more = failures.count - min(len(failures.files), MOST_SHOWN)
    rest = f"<li>and {more:,} more</li>\n" if more else ""
    return (
        f"<details open><summary>{_text(failures.reason)}: {failures.count:,}</summary>\n"
        f"<ul>\n{rows}{rest}</ul></details>\n"
    )


def _failed(file: FailedFile) -> str:
    label = _name(file.label)
    if file.link is not None and file.link.startswith(_LINK):
        label = f'<a href="{_text(file.link)}" rel="noopener noreferrer">{label}</a>'
    detail = f": {_text(file.detail)}" if file.detail else ""
    return f"<li>{label}{detail}</li>\n"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S (%z)}"


# --- the plot ----------------------------------------------------------------------------------


def _plot(rates: Sequence[Rate], now: datetime) -> str:
    """Both legs over the last day."""
    if not any(rate.down_bytes or rate.up_bytes for rate in rates):
        return ""
    last = int(now.timestamp() // SLOT_SECONDS)
    down = {rate.slot: rate.down_bytes / SLOT_SECONDS for rate in rates}
    up = {rate.slot: rate.up_bytes / SLOT_SECONDS for rate in rates}
    highest = max(max(down.values()), max(up.values()), 1.0)
    slots = range(last - SLOTS + 1, last + 1)
    return (
        "<section>\n<h2>The last day</h2>\n"
        f'<svg viewBox="0 0 {_PLOT_WIDTH} {_PLOT_HEIGHT + 24}" role="img" '
        f'aria-label="Rates of the last day, at most {human_speed(highest)}">\n'
        + _grid(now)
        + _line("down", [down.get(slot, 0.0) / highest for slot in slots])
        + _line("up", [up.get(slot, 0.0) / highest for slot in slots])
        + f'<text x="4" y="12">{human_speed(highest)}</text>\n</svg>\n'
        '<p class="legend"><span class="down">↓ from Telegram</span> '
        '<span class="up">↑ to the remote</span></p>\n</section>\n'
    )


def _grid(now: datetime) -> str:
    """The full hours that are a multiple of six, of this machine's time."""
    local = now.astimezone()
    hour = local.replace(minute=0, second=0, microsecond=0)
    marks = []
    for hours in range(25):
        moment = hour - timedelta(hours=hours)
        x = _PLOT_WIDTH * (1 - (local - moment).total_seconds() / (SLOTS * SLOT_SECONDS))
        if moment.hour % 6 == 0 and x >= 20:
            marks.append(
                f'<path class="grid" d="M{x:.0f} 0V{_PLOT_HEIGHT}"/>'
                f'<text x="{x:.0f}" y="{_PLOT_HEIGHT + 18}" text-anchor="middle">'
                f"{moment:%H:%M}</text>\n"
            )
    return "".join(marks) + f'<path class="grid" d="M0 {_PLOT_HEIGHT}H{_PLOT_WIDTH}"/>\n'


def _line(kind: str, shares: Iterable[float]) -> str:
    step = _PLOT_WIDTH / (SLOTS - 1)
    points = " ".join(
        f"{number * step:.1f},{_PLOT_HEIGHT - share * (_PLOT_HEIGHT - 16):.1f}"
        for number, share in enumerate(shares)
    )
    return f'<polyline class="{kind}" points="{points}"/>\n'


_STYLE = """
:root{--back:#f6f7f9;--card:#fff;--ink:#1c2026;--dim:#5d6673;--line:#d9dee5;--down:#1769c7;
--up:#1a7f4b;--bad:#b3261e;--warn:#7a5200;--warnback:#fff3d6}
@media (prefers-color-scheme:dark){:root{--back:#14171b;--card:#1d2127;--ink:#e6e9ee;--dim:#9aa4b2;
--line:#343b45;--down:#6db3ff;--up:#5fd39a;--bad:#ff8a80;--warn:#ffd479;--warnback:#3a2f14}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--back);color:var(--ink);
font:1rem/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.25rem;margin:0}h2{font-size:1.05rem;margin:0 0 .5rem}
p{margin:.4rem 0}.dim,small{color:var(--dim)}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem;
margin:.9rem 0}
ul{list-style:none;margin:.4rem 0;padding:0}
.facts{display:flex;flex-wrap:wrap;gap:.1rem 1.2rem}
.bar{display:inline-block;vertical-align:middle;background:var(--line);border-radius:.5rem;
overflow:hidden}
.bar i{display:block;height:100%;background:var(--up)}
.big{width:calc(100% - 4.5rem);height:.8rem}.small{width:5rem;height:.5rem}
.percent{display:inline-block;min-width:3.2rem;padding-left:.4rem;color:var(--dim)}
details li{border-top:1px solid var(--line);padding:.3rem 0}
.waits,.stale{background:var(--warnback);color:var(--warn);border-radius:.4rem;padding:.5rem .7rem}
.stale{display:none;font-weight:600}.stale:target{display:block}
summary{cursor:pointer;color:var(--bad)}a{color:var(--down)}
svg{width:100%;height:auto}svg text{fill:var(--dim);font-size:12px}
@media (max-width:34rem){svg text{font-size:22px}}
.grid{stroke:var(--line);fill:none}
polyline{fill:none;stroke-width:2;stroke-linejoin:round}
polyline.down{stroke:var(--down)}polyline.up{stroke:var(--up);stroke-dasharray:5 3}
.legend span{margin-right:1.2rem}.legend .down{color:var(--down)}.legend .up{color:var(--up)}
"""
