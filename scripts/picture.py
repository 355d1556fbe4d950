"""Draws what the demo shows on a terminal: ``docs/demo.svg``, which the README shows.

    python3 scripts/picture.py

Runs ``scripts/demo.py`` at a terminal of its own, reads its bytes as a terminal does, and writes
some moments of it as frames of one animated SVG: text and lines without a script, a font or
anything else from elsewhere, so that it shows wherever pictures do. Where animations are unwanted
or unknown it stands still at one moment in the midst. Needs POSIX. The figures are this machine's.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import ROOT, SetUpFailed, prepare_environment
from scripts.test import TEST_REQUIREMENTS

if TYPE_CHECKING:
    import pyte

PICTURE = ROOT / "docs" / "demo.svg"
COLUMNS, ROWS = 80, 24
INSIDE = "--inside"
"""The script calls itself with this in the environment that has what it needs."""

FRAME_SECONDS = 1.5
LAST_FRAME_SECONDS = 8.0
CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, MARGIN = 8, 18, 13, 16
FILLER = "\0"
FULL, EMPTY = "━", "╌"
"""What bars are made of: drawn as lines, since not every font joins these signs."""

# pyte knows no dim text, but bright black, which nothing here is painted with.
_DIM, _BRIGHT_BLACK = b"\x1b[2m", b"\x1b[90m"
_CLASS_OF_COLOUR = {"brightblack": "d", "green": "g", "brown": "y", "red": "r"}

_STYLE = """\
text{font:%dpx ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
fill:#e6edf3}
path{stroke:#e6edf3;stroke-width:2.5}
.b{font-weight:bold}.d{fill:#8b949e}.g{fill:#3fb950}.y{fill:#d29922}.r{fill:#f85149}
path.d{stroke:#484f58}path.g{stroke:#3fb950}
.film{animation:film %gs infinite step-end;transform:translateX(-%dpx)}
@keyframes film{%s}
@media(prefers-reduced-motion:reduce){.film{animation:none}}
"""


@dataclass(frozen=True)
class Run:
    """Signs of one look, side by side in one row; never two blanks, which not everybody draws."""

    column: int
    text: str
    look: str
    """The names of the classes of the style."""


Row = tuple[Run, ...]
Frame = tuple[Row, ...]


@dataclass(frozen=True)
class Moment:
    """What the terminal shows from this time on."""

    seconds: float
    frame: Frame


def frame_of(screen: pyte.Screen) -> Frame:
    """What it shows, by row and from left to right; blanks at the ends are left out."""
    rows = []
    for number in range(screen.lines):
        cells = [screen.buffer[number][column] for column in range(screen.columns)]
        while cells and cells[-1].data == " ":
            cells.pop()
        rows.append(tuple(_runs(cells)))
    return tuple(rows)


def _runs(cells: Sequence[Any]) -> Iterable[Run]:
    def look(column: int) -> tuple[str, str]:
        cell = cells[column]
        names = ["b"] if cell.bold else []
        if (name := _CLASS_OF_COLOUR.get(cell.fg)) is not None:
            names.append(name)
        return " ".join(names), cell.data if cell.data in (FULL, EMPTY) else ""

    for (names, _), columns in groupby(range(len(cells)), look):
        first, *_ = where = list(columns)
        # The second cell of a wide sign holds nothing: its column is kept for what comes after it.
        text = "".join(cells[column].data or FILLER for column in where)
        for words in re.finditer(r"\S+(?: \S+)*", text):
            yield Run(first + words.start(), words[0], names)


def svg(moments: Sequence[Moment]) -> str:
    """The film, whose last moment stays a while before it begins again: frames side by side, on a
    strip that is pushed on from one to the next. A row that is shown several times is drawn once.
    """
    width, height = 2 * MARGIN + COLUMNS * CELL_WIDTH, 2 * MARGIN + ROWS * CELL_HEIGHT
    whole_seconds = moments[-1].seconds + LAST_FRAME_SECONDS
    drawn: dict[Row, str] = {}
    strip = []
    for place, moment in enumerate(moments):
        for number, row in enumerate(moment.frame):
            if row:
                name = drawn.setdefault(row, f"r{len(drawn)}")
                at = f'x="{place * width}" y="{number * CELL_HEIGHT}"'
                strip.append(f'<use href="#{name}" {at}/>')
    steps = "".join(
        f"{100 * moment.seconds / whole_seconds:.2f}%{{transform:translateX(-{place * width}px)}}"
        for place, moment in enumerate(moments)
    )
    still = len(moments) // 2 * width
    style = _STYLE % (FONT_SIZE, round(whole_seconds, 2), still, steps)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-label="The demo on a terminal">',
            f"<style>{style}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>',
            "<defs>",
            *(f'<g id="{name}">{_drawn(row)}</g>' for row, name in drawn.items()),
            "</defs>",
            f'<svg x="{MARGIN}" y="{MARGIN}" width="{width - 2 * MARGIN}" '
            f'height="{height - 2 * MARGIN}">',
            f'<g class="film">{"".join(strip)}</g>',
            "</svg>",
            "</svg>",
            "",
        ]
    )


def _drawn(row: Row) -> str:
    """Each text is as wide as its cells, whatever font there is."""
    parts = []
    for run in row:
        look = f' class="{run.look}"' if run.look else ""
        x, width = run.column * CELL_WIDTH, len(run.text) * CELL_WIDTH
        if run.text[0] in (FULL, EMPTY):
            dashes = ' stroke-dasharray="4 4"' if run.text[0] == EMPTY else ""
            parts.append(f'<path d="M{x} {CELL_HEIGHT // 2}h{width}"{look}{dashes}/>')
            continue
        parts.append(
            f'<text x="{x}" y="{FONT_SIZE}" textLength="{width}" '
            f'lengthAdjust="spacingAndGlyphs"{look}>{escape(run.text.replace(FILLER, ""))}</text>'
        )
    return "".join(parts)


def film_of(recording: Iterable[tuple[float, bytes]]) -> list[Moment]:
    """One moment a second at the most, and the last; ``recording`` says when which bytes came."""
    import pyte

    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    moments: list[Moment] = []
    due = 0.0
    seconds = 0.0
    for seconds, sent in recording:
        # What is shown a moment before the next bytes come is no half of a drawing.
        while seconds > due:
            _add(moments, due, frame_of(screen))
            due += FRAME_SECONDS
        stream.feed(sent.replace(_DIM, _BRIGHT_BLACK))
    _add(moments, seconds, frame_of(screen))
    return moments


def _add(moments: list[Moment], seconds: float, frame: Frame) -> None:
    if any(frame) and (not moments or moments[-1].frame != frame):
        moments.append(Moment(seconds, frame))


def recorded(command: Sequence[str]) -> list[tuple[float, bytes]]:
    """Run this at a terminal of its own; when it sent what. Raises ``SetUpFailed``."""
    if sys.platform == "win32":
        raise SetUpFailed("there are no pseudo terminals on Windows")
    import fcntl
    import pty
    import struct
    import subprocess
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    own = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**own, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    recording = list(_read(ours, time.monotonic))
    os.close(ours)
    if process.wait() != 0:
        raise SetUpFailed(f"the demo failed: {b''.join(sent for _, sent in recording).decode()}")
    return recording


def _read(descriptor: int, clock: Callable[[], float]) -> Iterable[tuple[float, bytes]]:
    """From the first byte on, until the other side is closed."""
    began_at: float | None = None
    while True:
        try:
            sent = os.read(descriptor, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return
        if not sent:
            return
        now = clock()
        began_at = now if began_at is None else began_at
        yield now - began_at, sent


def draw() -> None:
    moments = film_of(recorded([sys.executable, "-m", "scripts.demonstrate"]))
    PICTURE.write_text(svg(moments), "utf-8")
    size_kb = PICTURE.stat().st_size / 1000
    print(f"{PICTURE.relative_to(ROOT)}: {len(moments)} frames, {size_kb:.0f} kB")


def main(arguments: Sequence[str]) -> int:
    try:
        if INSIDE in arguments:
            draw()
            return 0
        environment = prepare_environment(TEST_REQUIREMENTS)
    except SetUpFailed as error:
        print(f"picture: {error}", file=sys.stderr)
        return 1
    import subprocess

    command = [str(environment.python), "-m", "scripts.picture", INSIDE]
    return subprocess.call(command, cwd=ROOT, env=environment.variables())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
