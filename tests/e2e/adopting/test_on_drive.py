"""``adopt`` on Drive, which lists a hash of each file, and may hold two of one path."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from standins.telegram.world import worlds
from tests.e2e.conftest import REMOTE, DriveScene, SetScene
from tests.e2e.looking.on_drive import person_at
from tests.e2e.program import SOURCE, Ended, Machine
from tests.in_process import run_here

SIZES = [1000, 2000, 3000, 4000]
OLD = "gdrive:downloads"


def test_hashes_tell_what_is_the_same_and_what_has_changed_since(
    scene: SetScene, tmp_path: Path
) -> None:
    on = scene(worlds.files(sizes=SIZES))
    channel, person = on.world.source, person_at(on)
    bare = -channel.chat_id - 10**12
    content = {item.message_id: b"".join(item.file.chunks()) for item in channel.items()}
    for path, of in {
        f"a/{bare}_1_x.bin": content[1],
        f"b/{bare}_1_x.bin": content[1],
        f"a/{bare}_2_x.bin": content[2],
        f"b/{bare}_2_x.bin": b"?" * 2000,
        "2024_05/file-3.bin": content[3],
    }.items():
        person.succeed("rcat", f"{OLD}/{path}", stdin=of)

    ended = on_drive(on.machine, "adopt", "-u", SOURCE, "--from", OLD, "--json")
    assert ended.exit_status == 0, ended.stderr
    told = {each["path"]: each for each in json.loads(ended.stdout)}
    assert [path for path, each in told.items() if each["done"]] == [
        f"{OLD}/2024_05/file-3.bin",
        f"{OLD}/a/{bare}_1_x.bin",
    ]
    assert told[f"{OLD}/b/{bare}_1_x.bin"]["why"].startswith("it is the same as another")
    assert told[f"{OLD}/a/{bare}_2_x.bin"]["why"].startswith("several files fit its message")
    on.telegram.statistics.reset()
    assert on.run().numbers()["done"] == 4
    assert on.telegram.statistics.counts().file_bytes == 2000 + 4000
    verified = on_drive(on.machine, "verify", "-u", SOURCE)
    assert "4 compared by size and SHA-256, 0 by size alone; 2 adopted" in verified.stdout

    # Of the same size, and another content: seen, not believed, moved beside it.
    person.succeed("rcat", f"{OLD}/2024_05/file-3.bin", stdin=b"?" * 3000)
    second = second_machine(on, tmp_path)
    verified = on_drive(second, "verify", "-u", SOURCE, "--repair")
    assert "has another content than was uploaded (SHA-256)" in verified.stdout
    on.telegram.statistics.reset()
    assert on_drive(second, "-u", SOURCE, "--restart").numbers()["done"] == 4
    assert on.telegram.statistics.counts().file_bytes == 3000
    verified = on_drive(second, "verify", "-u", SOURCE)
    assert (verified.exit_status, "1 adopted" in verified.stdout) == (0, True), verified.stdout
    paths = [each.path for each in on.present() if not each.is_folder]
    assert sum(path.startswith("downloads/") for path in paths) == 5


def on_drive(machine: Machine, *arguments: str) -> Ended:
    return run_here(machine, *arguments, "--remote", REMOTE)


def second_machine(on: DriveScene, tmp_path: Path) -> Machine:
    second = Machine(tmp_path / "second", on.telegram)
    second.variables.update(on.drive.environment())
    shutil.copy(on.rclone_config, second.rclone_config)
    return second
