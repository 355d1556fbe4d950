"""The README's picture of the demo is what a terminal showed, and shows wherever pictures do."""

from __future__ import annotations

from xml.etree import ElementTree

import pyte

from scripts.picture import PICTURE, film_of, frame_of, svg
from tests.pages.markdown import ROOT, Page

SVG = "{http://www.w3.org/2000/svg}"


def shown(sent: bytes) -> list[tuple[int, int, str, str]]:
    """Row, column, text and look of all that is drawn."""
    screen = pyte.Screen(80, 24)
    pyte.ByteStream(screen).feed(sent)
    return [
        (number, run.column, run.text, run.look)
        for number, row in enumerate(frame_of(screen))
        for run in row
    ]


def test_what_the_terminal_shows_is_drawn_at_its_place_and_in_its_colours() -> None:
    sent = "\x1b[1mFilms\x1b[0m: 1 <of> 2\r\n\x1b[32m━━\x1b[0m\x1b[90m╌\x1b[0m  a   b".encode()
    assert shown(sent) == [
        (0, 0, "Films", "b"),
        (0, 5, ": 1 <of> 2", ""),
        (1, 0, "━━", "g"),
        (1, 2, "╌", "d"),
        (1, 5, "a", ""),
        (1, 9, "b", ""),
    ]
    # What comes after a wide sign is drawn behind both of its columns.
    assert [(column, len(text)) for _, column, text, _ in shown("東京x".encode())] == [(0, 5)]


def test_the_film_has_what_was_shown_at_each_time_and_stays_at_the_end() -> None:
    moments = film_of([(0.0, b"a"), (0.2, b"b"), (4.0, b"c"), (9.5, b"d\x1b[2m & dim\x1b[0m")])
    texts = [moment.frame[0][0].text for moment in moments]
    assert texts == ["a", "ab", "abc", "abcd"]
    picture = svg(moments)
    assert [each.text for each in ElementTree.fromstring(picture).iter(f"{SVG}text")] == [
        *texts,
        "& dim",
    ]


def test_the_picture_in_the_readme_is_light_and_takes_nothing_from_elsewhere() -> None:
    assert "docs/demo.svg" in Page(ROOT / "README.md").links()
    text = PICTURE.read_text("utf-8")
    assert len(text) < 120_000
    root = ElementTree.fromstring(text)
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == set(
        "svg style rect defs g text path use".split()
    )
    references = {value for each in root.iter() for name, value in each.items() if "href" in name}
    assert all(value.startswith("#r") for value in references)
    assert "url(" not in text
    last = " ".join(each.text or "" for each in root.iter(f"{SVG}text"))
    assert "All 291 files are there once, each with the right SHA-256, name and date." in last
