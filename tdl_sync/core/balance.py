"""The messages that were seen of a chat, by kind, held against Telegram's own count of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tdl_sync.core.model import MediaType

COUNTED_KINDS = tuple(kind for kind in MediaType if kind is not MediaType.STICKER)
"""What Telegram counts; of stickers it has no count."""

_WORDS = {
    MediaType.PHOTO: ("photo", "photos"),
    MediaType.VIDEO: ("video", "videos"),
    MediaType.DOCUMENT: ("document", "documents"),
    MediaType.AUDIO: ("audio file", "audio files"),
    MediaType.VOICE: ("voice message", "voice messages"),
    MediaType.VIDEO_NOTE: ("video note", "video notes"),
    MediaType.ANIMATION: ("animation", "animations"),
}


@dataclass(frozen=True)
class Shortfall:
    """Fewer messages of this kind were seen than Telegram counts."""

    kind: MediaType
    counted: int
    seen: int


@dataclass(frozen=True)
class Balance:
    """What the comparison of a whole chat came to. ``not_compared`` are the kinds of which
    Telegram's count, or ours, is inexact or missing."""

    fewer: tuple[Shortfall, ...] = ()
    not_compared: tuple[MediaType, ...] = ()

    @property
    def unseen(self) -> int:
        """So many messages that hold a file are counted and were not seen."""
        return sum(each.counted - each.seen for each in self.fewer)

    @property
    def lines(self) -> list[str]:
        """What there is to say, mostly nothing."""
        lines = []
        if self.fewer:
            lines.append(
                "Telegram counts "
                + ", and ".join(
                    f"{each.counted:,} {_word(each.kind, each.counted)}"
                    f"{'' if number else ' here'}, {each.seen:,} "
                    f"{'was' if each.seen == 1 else 'were'} seen"
                    for number, each in enumerate(self.fewer)
                )
            )
        if self.not_compared:
            kinds = ", ".join(_word(kind, 0) for kind in self.not_compared)
            lines.append(f"not compared with Telegram's count, inexact or missing: {kinds}")
        return lines


def _word(kind: MediaType, count: int) -> str:
    return _WORDS[kind][count != 1]


NOT_COMPARED = Balance(not_compared=COUNTED_KINDS)


def compared(
    counted: Mapping[MediaType, int | None] | None, seen: Mapping[MediaType, int] | None
) -> Balance:
    """``counted`` has ``None`` for what is inexact; either is ``None`` where it is not known."""
    if counted is None or seen is None:
        return NOT_COMPARED
    fewer, not_compared = [], []
    for kind in COUNTED_KINDS:
        count, had = counted.get(kind), seen.get(kind, 0)
        if count is None:
            not_compared.append(kind)
        elif had < count:
            fewer.append(Shortfall(kind, count, had))
    return Balance(tuple(fewer), tuple(not_compared))
