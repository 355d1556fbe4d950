"""Which command lines the kept table of scopes names."""

from __future__ import annotations

from tdl_sync.cli.parse import parse_config
from tdl_sync.core.model import Chat, ChatKind, Scope
from tdl_sync.options.choice import Choice
from tdl_sync.run.wanted_chats import wanted_chats

CHANNEL = Chat(-1001234567890, "A channel", ChatKind.CHANNEL)
DISCUSSION = Chat(-1009876543210, "Its talk", ChatKind.SUPERGROUP, comments_on_id=CHANNEL.id)

COMMAND_LINES = [
    "",
    "--remote=box:a",
    "--remote=/mnt/box",
    "--remote=box,shared_with_me:Фото",
    "--topic=55",
    "--resume-from=77",
    "--from-id=77",
    "--topic=55 --resume-from=77",
    "--type=photo",
    "--type=photo,video",
    "--type=document,video,audio,voice,video_note,animation,photo,sticker",
    "--type=sticker",
    "--include=mp4",
    "--include=mp4,tar.gz",
    "--exclude=mp4",
    "--min-size=1",
    "--max-size=1",
    "--min-size=100B --max-size=2GiB",
    "--min-size=0B",
    "--since=2024-01-31",
    "--since=2024-01-31T12:30",
    "--since=30d",
    "--since=90m",
    "--until=2024-01-31",
    "--until=2024-01-31T12:30:15",
    "--until=12h",
    "--to-id=1000",
    "--match=^IMG",
    '--match=Ä\\d+"x',
    "--caption=^IMG",
    "--dedupe",
    "--dedupe --type=photo",
    "--comments",
    "--comments --type=photo",
    "--comments --dedupe",
    "--comments --dedupe --type=photo",
    "--resume-from=5 --topic=7 --type=video,photo --include=mp4 --min-size=1M"
    " --max-size=1G --since=2024-01-01 --until=30d --to-id=9 --match=a --caption=b --dedupe",
]
"""Each is a scope of its own, but for those in ``SAME``."""

SAME = {
    "--from-id=77": "--resume-from=77",
    # What is no part of a scope.
    "--limit=5": "",
    "--desc": "",
    "--sidecar": "",
    "--text": "",
    "--name={date}/{file_name}": "",
    "--restart": "",
    "--retry-failed": "",
    "--max-disk=7": "",
    "--gdrive": "",
    "--takeout": "",
    "--follow": "",
    "--workers=1 --downloads=1 --connections=1 --save-interval=1h --grace=1s --on-quota=wait": "",
    # The same, spelt in another way.
    "--remote=gdrive:tdl-sync/": "",
    "--type=Video,photo,video": "--type=photo,video",
    "--include=.TAR.GZ,MP4": "--include=mp4,tar.gz",
    "--min-size=0.1k --max-size=2048MiB": "--min-size=100B --max-size=2GiB",
    "--since=2024-01-31T00:00Z": "--since=2024-01-31",
    "--since=720h": "--since=30d",
    "--since=1h30m": "--since=90m",
    "--until=2024-02-01T00:00": "--until=2024-01-31",
    "--type=photo --dedupe": "--dedupe --type=photo",
}
"""Command lines that go on with the scope of another one."""


def scope_of(command_line: str) -> Scope:
    """What a run by this command line over the channel is about, or over its comments."""
    config = parse_config(
        ["-u", "@channel", *command_line.split(" ")] if command_line else ["-u", "@channel"], {}
    )
    task = config.task
    wanted = list(wanted_chats(config))[-1]
    if wanted.comments:
        return task.choice.scope(task.remote, DISCUSSION, wanted.lower_bound)
    chat = Chat(CHANNEL.id, CHANNEL.title, CHANNEL.kind, topic_id=wanted.topic_id)
    choice: Choice = task.choice
    return choice.scope(task.remote, chat, wanted.lower_bound)
