"""A dry run's figures add up, and read as what they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from tdl_sync.commands.dry_run_counts import Amount, Prospect
from tdl_sync.commands.dry_run_text import Target, last_lines, prospect_lines
from tdl_sync.core.model import Chat, ChatKind, MediaItem, MediaType, SkippedItem
from tests.fakes.chat import CHAT_ID, item_of

CHAT = Chat(CHAT_ID, "A channel", ChatKind.CHANNEL)
REMOTE = "box:files"


def item(number: int, size_bytes: int, kind: MediaType, year: int) -> MediaItem:
    date = datetime(year, 5, 6, tzinfo=timezone.utc)
    return replace(item_of(number, size_bytes, date=date), media_type=kind)


def target(free_bytes: int | None, *, on_drive: bool = False) -> dict[str, Target]:
    return {REMOTE: Target(free_bytes, on_drive)}


def prospect_of(path: str = "a") -> Prospect:
    return Prospect(CHAT, REMOTE, "A folder", lambda item: path)


fates = st.lists(
    st.tuples(
        st.sampled_from(["move", "there", "skip", "fail"]),
        st.integers(0, 10**12),
        st.sampled_from(list(MediaType)),
        st.integers(2014, 2030),
    )
)


@given(fates)
def test_types_and_years_divide_what_would_be_moved_and_each_item_is_seen_once(
    of: list[tuple[str, int, MediaType, int]],
) -> None:
    prospect = prospect_of()
    for number, (fate, size_bytes, kind, year) in enumerate(of, 1):
        one = item(number, size_bytes, kind, year)
        if fate == "move":
            prospect.would_move(one)
        elif fate == "there":
            prospect.is_there(one)
        elif fate == "skip":
            prospect.would_skip(SkippedItem(one.key, "type"))
        else:
            prospect.would_fail(one, "too large")
    assert prospect.seen == len(of)
    moving = [size_bytes for fate, size_bytes, _, _ in of if fate == "move"]
    assert prospect.to_move == Amount(len(moving), sum(moving))
    assert sum(prospect.by_type.values(), Amount()) == prospect.to_move
    assert sum(prospect.by_year.values(), Amount()) == prospect.to_move
    assert len(prospect.examples) == min(5, len(moving))
    result = last_lines([prospect, prospect], target(None), failed=False)[-1]
    assert f"seen={2 * len(of)} " in result
    assert result.startswith(f"result: status={'more' if moving else 'complete'} ")


def test_the_days_of_a_drive_are_those_of_all_chats_together_and_a_full_remote_is_named() -> None:
    one = prospect_of()
    one.would_move(item(1, 500 * 10**9, MediaType.VIDEO, 2024))
    for chats, on_drive in (([one], True), ([one, one], False)):
        said = last_lines(chats, target(None, on_drive=on_drive), failed=False)
        assert "Drive" not in " ".join(said)
    assert last_lines([one, one, one, one], target(10**12, on_drive=True), failed=True) == [
        "in all: 4 files, 2.0 TB",
        "Google Drive takes that in 3 days at the soonest (750 GB a day)",
        "the remote has only 1.0 TB free",
        "nothing was written; the same command without --dry-run does it",
        "result: status=error seen=4 done=0 skipped=0 failed=0 bytes=0",
    ]


def test_what_never_fits_is_told_with_what_would_make_it_fit() -> None:
    one, other = prospect_of(), prospect_of()
    one.would_never_fit(item(1, 3 * 10**9, MediaType.VIDEO, 2024))
    other.would_never_fit(item(2, 60 * 10**9, MediaType.VIDEO, 2024))
    assert (
        "what is too large has up to 60 GB: raise --max-disk above that to move it, too"
        in last_lines([one, other], target(None), failed=False)
    )
    # To raise it is no advice where the disk has less than it allows.
    assert (
        "what is too large has up to 60 GB: free some of the disk, or choose a larger one with "
        "--staging to move it, too"
        in last_lines([other], target(None), disk_decides=True, failed=False)
    )


def test_hostile_names_stay_in_their_line() -> None:
    prospect = prospect_of("1_\x1b[2Ja\nresult: b")
    prospect.would_move(item(1, 1, MediaType.VIDEO, 2024))
    prospect = replace(prospect, chat=replace(CHAT, title="a\x1b]0;x\x07\nb"))
    lines = prospect_lines(prospect)
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == "  would be named: 1_�[2Ja result: b"
