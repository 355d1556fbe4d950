"""A plot of costs by size, both axes logarithmic, as an SVG. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 270, 30, 60
COLOURS = ("#0b6bcb", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0f766e")
UNITS = ((1e6, "s"), (1e3, "ms"), (1.0, "µs"))


@dataclass(frozen=True)
class Point:
    n: int
    microseconds: float


@dataclass(frozen=True)
class Series:
    name: str
    points: Sequence[Point]


def svg(title: str, across: str, up: str, series: Sequence[Series]) -> str:
    points = [point for each in series for point in each.points]
    columns = _decades([float(point.n) for point in points])
    rows = _decades([point.microseconds for point in points])

    def x(n: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * _share(n, columns)

    def y(microseconds: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(microseconds, rows)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for n in columns:
        lines.append(_line(x(n), y(rows[0]), x(n), y(rows[-1]), "#dddddd"))
        lines.append(_text(x(n), HEIGHT - BOTTOM + 20, f"{n:,.0f}", "middle"))
    for value in rows:
        lines.append(_line(x(columns[0]), y(value), x(columns[-1]), y(value), "#dddddd"))
        lines.append(_text(LEFT - 8, y(value) + 4, _told(value), "end"))
    lines.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 15, across, "middle"))
    lines.append(_text(8, TOP - 12, up, "start"))
    for position, each in enumerate(series):
        colour = COLOURS[position % len(COLOURS)]
        path = " ".join(f"{x(p.n):.1f},{y(p.microseconds):.1f}" for p in each.points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [
            f'<circle cx="{x(p.n):.1f}" cy="{y(p.microseconds):.1f}" r="3.5" fill="{colour}"/>'
            for p in each.points
        ]
        below = TOP + 20 * position + 10
        lines.append(_line(WIDTH - RIGHT + 20, below, WIDTH - RIGHT + 40, below, colour))
        lines.append(_text(WIDTH - RIGHT + 46, below + 4, each.name, "start"))
    return "\n".join([*lines, "</svg>", ""])


def _decades(values: Sequence[float]) -> list[float]:
    """The powers of ten from below all of them to above."""
    lowest = math.floor(math.log10(min(values)))
    highest = max(math.ceil(math.log10(max(values))), lowest + 1)
    return [10.0**power for power in range(lowest, highest + 1)]


def _share(value: float, decades: Sequence[float]) -> float:
    low, high = math.log10(decades[0]), math.log10(decades[-1])
    return (math.log10(value) - low) / (high - low)


def _told(microseconds: float) -> str:
    for least, unit in UNITS:
        if microseconds >= least:
            return f"{microseconds / least:g} {unit}"
    return f"{microseconds:g} µs"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        'stroke-width="1"/>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
