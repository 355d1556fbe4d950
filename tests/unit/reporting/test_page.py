"""The page to watch: whatever names hold, it is ours alone; ``scripts/page_in_browser.py`` opens it
in a real browser."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.page_in_browser import HOSTILE, hostile_page
from tdl_sync.core.errors import UsageError
from tdl_sync.core.links import message_link
from tdl_sync.core.text import printable
from tdl_sync.reporting.page import ChatCard, FailedFile, Failures, FlyingFile, Page, html
from tdl_sync.reporting.page_outlet import write_page
from tdl_sync.reporting.rates import SLOT_SECONDS, SLOTS, Rate, RateHistory

NOW = datetime(2024, 5, 6, 14, 0, tzinfo=timezone.utc)
ALLOWED = set(
    "html head meta title style body header h1 h2 p main section ul li div i span small bdi "
    "details summary a svg path text polyline".split()
)
VOID = {"meta"}
UNCLOSED = {"li"}


@dataclass
class Read(HTMLParser):
    """What a browser would make of it, as far as this parser sees it."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    title: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID | UNCLOSED:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in UNCLOSED:
            assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open_tags[-1:] == ["title"]:
            self.title += data
        self.texts.append(data)


def read(text: str) -> Read:
    found = Read()
    found.feed(text)
    found.close()
    assert found.open_tags == []
    return found


def assert_ours(text: str) -> Read:
    found = read(text)
    assert {tag for tag, _ in found.tags} <= ALLOWED
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") or name == "src" for name in attributes)
        href = attributes.get("href")
        assert href is None or href == "?" or (tag == "a" and href.startswith("https://t.me/"))
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
    assert "\x1b" not in text
    return found


@pytest.mark.parametrize("lives", [True, False])
def test_hostile_names_are_shown_and_are_nothing_but_text(lives: bool) -> None:
    found = assert_ours(html(hostile_page(NOW, lives=lives)))
    assert found.title == "tdl_sync: 42 %"
    assert f"Films {printable(HOSTILE)}" in "".join(found.texts)
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert links == [*["?"] * lives, "https://t.me/c/1234/4711"]
    policies = [a["content"] for _, a in found.tags if "Policy" in (a.get("http-equiv") or "")]
    assert (policies[0] or "").startswith("default-src 'none'")


@given(st.text(alphabet=st.characters() | st.sampled_from("<>&\"'/=;:#")))
def test_any_text_anywhere_is_text(text: str) -> None:
    failed = Failures(text, 1, (FailedFile(text, text, text),))
    flying = (FlyingFile(True, text, 1, 2),)
    chat = ChatCard(text, 1, (text,), flying, text, (failed,))
    found = assert_ours(html(Page(NOW, text, True, (chat,), (), (text,))))
    assert found.title == f"tdl_sync: {printable(text)}"


def test_a_page_loads_itself_by_the_moment_of_its_writing_and_the_last_one_does_not() -> None:
    """So a page that is the same after that shows the warning, and a new one does not."""

    def parts(page: Page) -> tuple[str | None, str | None]:
        found = read(html(page))
        refresh = [a["content"] for _, a in found.tags if a.get("http-equiv") == "refresh"]
        stale = [a["id"] for _, a in found.tags if a.get("class") == "stale"]
        return next(iter(refresh), None), next(iter(stale), None)

    refresh, stale = parts(Page(NOW, "1 %", True, ()))
    assert refresh == f"25;url=?1715004000000#{stale}"
    assert parts(Page(NOW.replace(second=10), "2 %", True, ()))[1] != stale
    assert parts(Page(NOW, "the end", False, ())) == (None, None)


def test_the_page_is_whole_or_as_before_and_for_its_owner_unless_it_was_opened_for_others(
    tmp_path: Path,
) -> None:
    path = tmp_path / "watch.html"
    page = Page(NOW, "1 %", True, ())
    write_page(path, page)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat().st_ino
    path.chmod(0o644)
    write_page(path, page)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert path.stat().st_ino != before  # not written into the one that somebody reads
    link = tmp_path / "link.html"
    link.symlink_to(path)
    write_page(link, Page(NOW, "2 %", True, ()))
    assert link.is_symlink()
    assert "2 %" in path.read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.html", "watch.html"]
    with pytest.raises(UsageError, match=r"--page: .* cannot be written"):
        write_page(tmp_path / "no" / "page.html", page)


def test_links_lead_to_the_message_where_telegram_has_them() -> None:
    assert message_link(-1001234, None, 5) == "https://t.me/c/1234/5"
    assert message_link(-1001234, "films", 5) == "https://t.me/films/5"
    assert message_link(-1001234, "x/../../evil?", 5) == "https://t.me/c/1234/5"
    assert message_link(-42, None, 5) is None
    assert message_link(4711, None, 5) is None


def test_rates_are_kept_for_a_day_from_run_to_run(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    seconds = [NOW.timestamp()]
    first = RateHistory(path, lambda: seconds[0])
    first.add(100, 10)
    first.add(20, 2)
    now = int(seconds[0] // SLOT_SECONDS)
    assert RateHistory(path, lambda: seconds[0]).rates() == (Rate(now, 120, 12),)
    seconds[0] += SLOT_SECONDS
    RateHistory(path, lambda: seconds[0]).add(1, 1)
    assert first.rates() == (Rate(now, 120, 12), Rate(now + 1, 1, 1))
    seconds[0] += SLOT_SECONDS * (SLOTS - 1)
    assert first.rates() == (Rate(now + 1, 1, 1),)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[",
        "[]",
        '{"rates": 5}',
        '{"rates": [[1, 2]]}',
        '{"rates": [["x", 1, 2]]}',
        "[" * 50_000,
    ],
)
def test_a_spoilt_record_of_rates_is_an_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rates.json"
    path.write_text(content)
    assert RateHistory(path).rates() == ()
    assert len(RateHistory(path).add(1, 2)) == 1
    assert len(RateHistory(path).rates()) == 1


def test_where_nothing_can_be_kept_the_run_goes_on(tmp_path: Path) -> None:
    history = RateHistory(tmp_path / "no" / os.sep.join("ab") / "rates.json")
    assert len(history.add(1, 2)) == 1
    assert history.rates() == ()
