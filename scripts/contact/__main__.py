"""See ``scripts/acceptance.py``, which starts this in an environment that has what it needs."""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scripts.contact.channel import NotTaken, TestChannel
from scripts.contact.machines import Machine, Remote
from scripts.contact.promises import Finding, Trial, Verdict
from scripts.contact.record import Record
from tdl_sync.cli.parse import parse_config
from tdl_sync.core.errors import TdlSyncError
from tdl_sync.core.program import VERSION
from tdl_sync.run.telegram_session import telegram_client
from tdl_sync.state.state_message import HEADER
from tdl_sync.telegram.messages.saved_messages import TelegramSavedMessages
from tdl_sync.telegram.session.client import TelegramClient
from tdl_sync.telegram.session.session_copy import session_string_of

MARK = "tdl-sync-acceptance-"
MADE = "made.json"
INTERRUPTED = 128 + signal.SIGINT

ASK = """\
This makes a private channel in the Telegram account of this session, and a folder on the remote:
    {folder}
It posts some {megabytes} MB there, runs tdl_sync on them for some minutes, and then deletes that
channel, that folder, and the notes of its state in Saved Messages. Nothing else is touched.
Go on? [y/N] """


@dataclass(frozen=True)
class Made:
    """What there is to be cleaned up, written before or as soon as it is made."""

    folder: str
    title: str
    """Of the channel, as it is made."""
    channel_id: int = 0
    access_hash: int = 0

    def write(self, directory: Path) -> None:
        # Whole or not at all: who is interrupted here must know what was made before.
        written = directory / f"{MADE}.new"
        written.touch(mode=0o600)
        written.write_text(json.dumps(asdict(self)))
        written.replace(directory / MADE)

    @classmethod
    def read(cls, directory: Path) -> Made:
        return cls(**json.loads((directory / MADE).read_text()))


def parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "acceptance.py", description="Against real services; see docs."
    )
    parser.add_argument("--remote", required=True, help="REMOTE:PATH below which a folder is made")
    parser.add_argument("--rclone", default=_rclone())
    parser.add_argument("--rclone-config", help="its configuration, if it is not the usual one")
    parser.add_argument("--data-dir", help="where `login` has put the session")
    parser.add_argument("--megabytes", type=float, default=0.5, help="size of most files")
    parser.add_argument("--record", type=Path, help="keep what was answered, without what is yours")
    parser.add_argument("--work", type=Path, help="a directory for the machines' homes")
    parser.add_argument("--keep", action="store_true", help="clean nothing up")
    parser.add_argument("--clean", type=Path, metavar="WORK", help="only clean up what is left")
    parser.add_argument("--yes", action="store_true", help="do not ask before it begins")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    given = parsed(sys.argv[1:] if words is None else words)
    # SIGTERM and a terminal that goes away clean up, too.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupted)
    try:
        if given.clean is not None:
            return cleaned(given, given.clean)
        return tried(given)
    except TdlSyncError as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:  # before anything was made, or a second one, in the cleaning up
        return INTERRUPTED


def _rclone() -> str:
    """On PATH, or the wheel's."""
    return shutil.which("rclone") or str(Path(sys.executable).with_name("rclone"))


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def tried(given: argparse.Namespace) -> int:
    if shutil.which(given.rclone) is None:
        print("acceptance: there is no rclone; name it with --rclone", file=sys.stderr)
        return 2
    folder = f"{given.remote.rstrip('/')}/{MARK}{secrets.token_hex(4)}"
    if given.remote.endswith(":"):
        folder = f"{given.remote}{MARK}{secrets.token_hex(4)}"
    if not given.yes and not _agreed(folder, given.megabytes):
        return 2
    work = given.work or Path(tempfile.mkdtemp(prefix=MARK))
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    Made(folder, _title(folder)).write(work)
    record = None if given.record is None else Record(given.record)
    findings: list[Finding] = []
    interrupted = False
    try:
        with record.listening() if record else nullcontext():
            for finding in _findings(given, work, folder):
                print(finding.line, flush=True)
                findings.append(finding)
    except KeyboardInterrupt:
        interrupted = True
        findings.append(Finding("the whole was run", Verdict.NOT_SEEN, "interrupted"))
    except NotTaken as error:
        findings.append(Finding("the test channel can be made", Verdict.BROKEN, str(error)))
    finally:
        if given.keep:
            print(f"kept: the channel, the folder and {work}; --clean {work} removes the first two")
        elif cleaned(given, work) == 0:
            shutil.rmtree(work, ignore_errors=True)
    print(report(findings))
    if interrupted:
        return INTERRUPTED
    return 1 if any(each.verdict is Verdict.BROKEN for each in findings) else 0


def _agreed(folder: str, megabytes: float) -> bool:
    question = ASK.format(folder=folder, megabytes=round(megabytes * 100))
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _findings(given: argparse.Namespace, work: Path, folder: str) -> Iterator[Finding]:
    remote = Remote(folder, given.rclone, given.rclone_config)
    with _telegram(given) as (client, session):
        channel = TestChannel.made(client, _title(folder))
        Made(folder, _title(folder), channel.channel_id, channel.access_hash).write(work)
        machines = [
            Machine(work / name, session, remote, channel.spelling) for name in ("first", "second")
        ]
        yield from Trial(
            channel, machines[0], machines[1], remote, int(given.megabytes * 1e6)
        ).findings()


def _title(folder: str) -> str:
    return f"tdl_sync acceptance {folder.rpartition(MARK)[2]}"


@contextmanager
def _telegram(given: argparse.Namespace) -> Iterator[tuple[TelegramClient, str]]:
    """Signed in with the user's own session, of which nothing is changed; and the session."""
    # Of what the program knows no chat or remote is wanted here; it finds the session, and the rest
    # of what says how Telegram is reached.
    words = ["chats", "--config", os.devnull]
    words += ["--data-dir", given.data_dir] if given.data_dir else []
    settings = parse_config(words, os.environ).telegram
    session = settings.session_string or session_string_of(settings.session_path)
    with telegram_client(replace(settings, session_string=session)) as client:
        client.start()
        yield client, session


def cleaned(given: argparse.Namespace, work: Path) -> int:
    """Delete what ``work`` says was made here, and nothing else."""
    made = Made.read(work)
    if MARK not in made.folder.rpartition("/")[2].rpartition(":")[2]:
        print("acceptance: that names no folder of ours", file=sys.stderr)
        return 2
    print(f"cleaning up … (--clean {work} does it again, should this be cut short)", flush=True)
    left = []
    Remote(made.folder, given.rclone, given.rclone_config).remove()
    try:
        with _telegram(given) as (client, _):
            channel: TestChannel | None = TestChannel(client, made.channel_id, made.access_hash)
            if not made.channel_id:  # it may have been made, and the answer was not waited for
                channel = TestChannel.found(client, made.title)
            if channel is not None:
                _forget_states(client, channel.channel_id)
                channel.delete()
    except (NotTaken, TdlSyncError) as error:
        left.append(type(error).__name__)
    if left:
        print(f"not all could be removed ({', '.join(left)}): --clean {work} tries it again")
        return 1
    return 0


def _forget_states(client: TelegramClient, channel_id: int) -> None:
    """The program's own messages in Saved Messages that are about the test channel."""
    saved = TelegramSavedMessages(client)
    about = f'"-100{channel_id}"'
    saved.delete([each.message_id for each in saved.find(HEADER) if about in each.text])


def report(findings: Sequence[Finding]) -> str:
    """Nothing in it names an account, a chat, a remote or a file."""
    counts = {verdict: sum(each.verdict is verdict for each in findings) for verdict in Verdict}
    lines = [
        "",
        f"tdl_sync {VERSION}, Python {platform.python_version()}, {platform.system()}",
        *(finding.line for finding in findings),
        ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
