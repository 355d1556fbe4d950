"""What a run leaves in Saved Messages for a person."""

from __future__ import annotations

from standins.telegram.world.world import World


def notes(world: World) -> list[str]:
    """The notes of ``--notify``, oldest first."""
    saved = world.saved_messages
    texts = (
        str(getattr(saved.message(number), "message", ""))
        for number in range(1, saved.newest_id() + 1)
    )
    return [text for text in texts if "tdl_sync" in text.partition("\n")[0]]
