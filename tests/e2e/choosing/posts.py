"""A small chat with something for each filter to keep and to leave out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from standins.telegram.world import worlds
from standins.telegram.world.channel import Channel
from standins.telegram.world.plan import FilePlan
from standins.telegram.world.world import World

FIRST_DAY = datetime(2024, 1, 10, 12, tzinfo=timezone.utc)

_MIME_TYPES = {"photo": "image/jpeg", "video": "video/mp4", "sticker": "image/webp"}


@dataclass(frozen=True)
class Post:
    """``day`` is 1 for ``FIRST_DAY``; posts with one ``album`` are one album."""

    kind: str
    size_bytes: int
    name: str | None
    caption: str = ""
    day: int = 1
    album: int | None = None


POSTS = (
    Post("video", 30_000, "Beach.mp4", "Holidays in Greece", day=1),
    Post("document", 1_000, "invoice.PDF", day=2),
    Post("photo", 5_000, None, "Greece, the harbour", day=3, album=7),
    Post("photo", 6_000, None, day=3, album=7),
    Post("document", 2_500_000, "backup.tar.gz", "weekly", day=4),
    Post("sticker", 700, "sticker.webp", day=5),
    Post("audio", 80_000, "song.mp3", "A (song", day=6),
)
"""Messages 1 to 7."""


def put(channel: Channel, posts: Iterable[Post]) -> list[int]:
    """Post them, oldest first; the ids of their messages."""
    return [
        channel.append(
            post.caption,
            file=FilePlan(
                post.kind,
                post.size_bytes,
                post.name,
                _MIME_TYPES.get(post.kind, "application/octet-stream"),
                2,
            ),
            date=int((FIRST_DAY + timedelta(days=post.day - 1)).timestamp()),
            grouped_id=post.album,
        )
        for post in posts
    ]


def world_of(posts: Iterable[Post] = POSTS) -> World:
    world = worlds.files(sizes=[])
    put(world.source, posts)
    return world
