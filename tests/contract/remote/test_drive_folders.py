"""Folders on Google Drive, where one name can stand for several, and listings lag."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from standins.drive.faults import Fault
from standins.drive.files.world import DriveFile
from standins.drive.server import DriveStandIn
from standins.drive.shaping import Shaping
from tdl_sync.core.errors import HandOffFailed
from tdl_sync.core.stop import StopFlag
from tdl_sync.remote import drive_folder, folders_by_id, handoff, one_of_several
from tdl_sync.remote.base_folder import wait_beside
from tdl_sync.remote.check import CheckedRemote, check_remote, look_at_remote, prove_remote
from tdl_sync.remote.folders_by_id import FoldersById
from tdl_sync.remote.handoff import RcloneHandOff
from tdl_sync.remote.listing import RemoteLook
from tdl_sync.remote.pace import Pace
from tdl_sync.remote.remote_control import RemoteControl
from tests.contract.places import CHAT_ID, OBSCURED_PASSWORD, hand_off, ignore_bytes, stage
from tests.contract.rclones import looker_beside, opened_control
from tests.contract.remote.on_drive import drive_of_the_environment
from tests.waiting import in_thread, result_of, until

FOLDER = f"A channel [{CHAT_ID}]"
LAG = Shaping(listing_lag_seconds=2.0)


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[DriveStandIn]:
    with drive_of_the_environment(monkeypatch) as standin:
        yield standin


@pytest.fixture
def control(drive: DriveStandIn, tmp_path: Path, closing: ExitStack) -> RemoteControl:
    return opened_control(closing, None, drive.rclone_config(tmp_path))


def by_hand(control: RemoteControl, command: str, path: str, stdin: bytes = b"") -> None:
    """As a person does it, or another program."""
    looker_beside(control).run([command], path, stdin=stdin)


def present(drive: DriveStandIn) -> list[str]:
    return [file.path for file in drive.files("user") if not file.trashed]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_folder_is_made_once_though_answers_are_lost_and_listings_lag(
    drive: DriveStandIn, control: RemoteControl, lost: int
) -> None:
    drive.shaping = LAG
    drive.faults.add(Fault("answer_lost", call="files.create", times=lost))
    remote = check_remote(control, "gdrive:a/b")
    assert hand_off(control, remote).prepare_folder(FOLDER) == []
    assert present(drive) == ["a", "a/b", f"a/b/{FOLDER}"]


def test_of_two_folders_with_one_name_all_files_count_and_one_takes_the_new(
    drive: DriveStandIn, control: RemoteControl, staging: Path
) -> None:
    """A warning says so; every run takes the same one."""
    remote = check_remote(control, "gdrive:a")
    (base_id,) = (file.file_id for file in drive.files("user") if file.path == "a")
    drive.shaping = Shaping(listing_lag_seconds=3600.0)
    for _ in range(2):  # as two programs do that do not see each other's folder yet
        by_hand(control, "mkdir", remote.inside(base_id).text + FOLDER)
    drive.shaping = Shaping()
    ids = sorted(file.file_id for file in drive.files("user") if file.name == FOLDER)
    assert len(ids) == 2
    for number, folder_id in enumerate(ids, start=1):
        target = f"{remote.inside(folder_id).text}{number}_old"
        by_hand(control, "rcat", target, b"old")
    warnings: list[str] = []
    pace = Pace(StopFlag(), lambda *_: None)
    two_runs = [RcloneHandOff(control, remote, pace, warnings.append) for _ in range(2)]
    for number, run in enumerate(two_runs, start=3):
        listed = {file.name for file in run.prepare_folder(FOLDER)}
        assert {"1_old", "2_old"} <= listed
        run.move(stage(staging, b"new", number), FOLDER, f"{number}_new", ignore_bytes)
    new = [file for file in drive.files("user") if file.name.endswith("_new")]
    assert [file.parents for file in new] == [(ids[0],)] * 2
    assert len(warnings) == 2
    assert warnings[0].startswith(f"warning: Drive has 2 folders 'gdrive:a/{FOLDER}'")
    assert "may be moved into that one" in warnings[0]


def test_a_folder_that_was_made_since_the_check_has_listed_them_is_not_made_again(
    drive: DriveStandIn, control: RemoteControl
) -> None:
    """The listing that the check begins with counts for the first chat, but not blindly."""
    by_hand(control, "mkdir", "gdrive:a")
    proven = prove_remote(control, "gdrive:a")
    assert proven.folders == []
    by_hand(control, "rcat", f"gdrive:a/{FOLDER}/1_old", b"old")
    pace = Pace(StopFlag(), lambda *_: None)
    run = RcloneHandOff(control, proven.remote, pace, lambda _: None, folders=proven.folders)
    assert [file.name for file in run.prepare_folder(FOLDER)] == ["1_old"]
    assert proven.cleaning.result() == ()
    assert present(drive) == ["a", f"a/{FOLDER}", f"a/{FOLDER}/1_old"]


def test_the_chats_folder_is_found_among_those_that_the_check_has_listed_and_later_anew(
    drive: DriveStandIn, control: RemoteControl
) -> None:
    other_id = CHAT_ID - 1
    by_hand(control, "mkdir", f"gdrive:a/{FOLDER}")
    proven = prove_remote(control, "gdrive:a")
    pace = Pace(StopFlag(), lambda *_: None)
    run = RcloneHandOff(control, proven.remote, pace, lambda _: None, folders=proven.folders)
    drive.faults.add(Fault("unauthorized", times=None))
    assert run.find_folder(CHAT_ID) == FOLDER  # nobody had to be asked
    drive.faults.clear()
    assert run.prepare_folder(FOLDER) == []
    by_hand(control, "mkdir", f"gdrive:a/Another [{other_id}]")
    assert run.find_folder(other_id) == f"Another [{other_id}]"


@pytest.mark.parametrize(("below", "others_at_work"), [("", False), ("/x", True)])
def test_nothing_is_put_into_a_new_folder_before_all_machines_know_which_one_counts(
    drive: DriveStandIn,
    control: RemoteControl,
    staging: Path,
    monkeypatch: pytest.MonkeyPatch,
    below: str,
    others_at_work: bool,
) -> None:
    """Another machine's, made at the same time, may have the lower id. Below the chat's folder
    others make folders only where several machines move one chat."""
    remote = check_remote(control, "gdrive:a")
    pace = Pace(StopFlag(), lambda *_: None)
    warnings: list[str] = []
    run = RcloneHandOff(control, remote, pace, warnings.append, others_at_work=others_at_work)
    assert run.prepare_folder(FOLDER) == []
    if below:
        run.put(b"text", FOLDER, "messages.jsonl")
    others_are_there = threading.Event()
    monkeypatch.setattr(one_of_several, "WAIT_SECONDS", 4.0)

    def wait_until_others_are_there(control: RemoteControl, seconds: float) -> None:
        """However busy this machine is: they make theirs while this run waits."""
        others_are_there.wait()
        wait_beside(control, seconds)

    def made() -> list[DriveFile]:
        return [file for file in drive.files("user") if file.path == f"a/{FOLDER}{below}"]

    def others_make_it() -> None:
        ours = made()[0]
        while min(file.file_id for file in made()) == ours.file_id:
            drive.put_folder(ours.parents[0], ours.name)
        others_are_there.set()

    if not below:
        assert run.prepare_folder(FOLDER) == []
        others_make_it()
    monkeypatch.setattr(folders_by_id, "wait_beside", wait_until_others_are_there)
    moving = in_thread(
        lambda: run.move(stage(staging, b"new", 1), FOLDER + below, "1_new", ignore_bytes)
    )
    if below:
        until(lambda: bool(made()) or moving.done())
        others_make_it()
    result_of(moving)
    (file,) = [file for file in drive.files("user") if file.name == "1_new"]
    assert file.parents == (min(file.file_id for file in made()),)
    (warning,) = warnings
    assert "the others are empty, and verify --repair removes them" in warning


def test_nobody_waits_for_other_machines_where_something_is_in_the_folders(
    drive: DriveStandIn, control: RemoteControl, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(control, "rcat", f"gdrive:a/{FOLDER}/1_old", b"old")
    monkeypatch.setattr(one_of_several, "WAIT_SECONDS", 3600.0)
    run = hand_off(control, check_remote(control, "gdrive:a"))
    assert [file.name for file in run.prepare_folder(FOLDER)] == ["1_old"]
    run.move(stage(staging, b"new", 2), FOLDER, "2_new", ignore_bytes)
    run.move(stage(staging, b"new", 3), f"{FOLDER}/x", "3_new", ignore_bytes)
    assert len(present(drive)) == 6


def test_a_chats_new_folder_that_nobody_else_makes_is_taken_when_it_is_shown(
    drive: DriveStandIn, control: RemoteControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not another chat's, of which that was not said."""
    by_hand(control, "rcat", "gdrive:a/something", b"old")
    monkeypatch.setattr(one_of_several, "WAIT_SECONDS", 3600.0)
    other = f"Another [{CHAT_ID - 1}]"
    folders = FoldersById(control, check_remote(control, "gdrive:a"), lambda _: None, None)
    folders.nobody_else_makes(FOLDER)
    assert folders.prepare(FOLDER) == folders.prepare(other) == []
    assert folders.is_ready(FOLDER)
    assert not folders.is_ready(other)
    assert {FOLDER, other} < {file.name for file in drive.files("user")}


def test_of_several_folders_with_the_remotes_path_all_take_the_one_in_which_something_is(
    drive: DriveStandIn, control: RemoteControl, staging: Path
) -> None:
    """By the path alone rclone would take the first one that Drive lists."""
    used = drive.put_folder("root", "a")
    chat = drive.put_folder(used, FOLDER)
    drive.put_file(chat, "1_old", b"old")
    empty = [drive.put_folder("root", "a") for _ in range(2)]
    remote = check_remote(control, "gdrive:a")
    run = hand_off(control, remote)
    assert [file.name for file in run.prepare_folder(FOLDER)] == ["1_old"]
    run.move(stage(staging, b"new", 2), FOLDER, "2_new", ignore_bytes)
    look = RemoteLook(control, look_at_remote(control, "gdrive:a"))
    assert look.find_folder(CHAT_ID) == FOLDER
    assert [file.name for file in look.files(FOLDER)] == ["2_new", "1_old"]
    assert look.read(FOLDER, "1_old") == b"old"
    inside = {file.path for file in drive.files("user") if set(file.parents) & set(empty)}
    assert inside == set()


def thrown_away(control: RemoteControl, remote: CheckedRemote, folder: str) -> None:
    """As a person does it: into the bin."""
    by_hand(control, "purge", f"{remote.remote}/{folder}")


def test_a_chats_folder_that_was_thrown_away_is_made_again_before_the_next_round(
    drive: DriveStandIn, control: RemoteControl, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drive takes files for a folder in the bin, so a run that stays would lose them there."""
    monkeypatch.setattr(drive_folder, "LISTING_LAG_SECONDS", 0.0)
    remote = check_remote(control, "gdrive:a")
    warnings: list[str] = []
    run = RcloneHandOff(control, remote, Pace(StopFlag(), lambda *_: None), warnings.append)
    run.prepare_folder(FOLDER)
    for number, folder in enumerate((FOLDER, f"{FOLDER}/x", f"{FOLDER}/x/y"), start=1):
        run.move(stage(staging, b"old", number), folder, f"{number}_old", ignore_bytes)
    run.renew_folder(FOLDER)
    assert (len(present(drive)), warnings) == (7, [])

    thrown_away(control, remote, f"{FOLDER}/x")
    run.renew_folder(FOLDER)
    run.move(stage(staging, b"new", 4), f"{FOLDER}/x/y", "4_new", ignore_bytes)
    there = ["a", f"a/{FOLDER}", f"a/{FOLDER}/1_old", f"a/{FOLDER}/x", f"a/{FOLDER}/x/y"]
    assert present(drive) == [*there, f"a/{FOLDER}/x/y/4_new"]
    assert warnings == []

    thrown_away(control, remote, FOLDER)
    run.renew_folder(FOLDER)
    run.move(stage(staging, b"new", 5), f"{FOLDER}/x", "5_new", ignore_bytes)
    assert present(drive) == ["a", f"a/{FOLDER}", f"a/{FOLDER}/x", f"a/{FOLDER}/x/5_new"]
    (warning,) = warnings
    assert warning.startswith(f"warning: the folder '{FOLDER}' is not in 'gdrive:a' any more")


@pytest.mark.parametrize("below", ["alias", "crypt"])
def test_where_files_go_by_their_path_a_folder_that_was_thrown_away_is_made_again_as_well(
    drive: DriveStandIn,
    control: RemoteControl,
    staging: Path,
    monkeypatch: pytest.MonkeyPatch,
    below: str,
) -> None:
    """rclone remembers folders, and takes files for one in the bin without a word."""
    monkeypatch.setattr(drive_folder, "LISTING_LAG_SECONDS", 0.0)
    config_file = control.rclone.config_file
    assert config_file is not None
    names = "filename_encryption = off\nsuffix = none\ndirectory_name_encryption = false\n"
    with config_file.open("a") as config:
        secret = f"{names}password = {OBSCURED_PASSWORD}\n" if below == "crypt" else ""
        config.write(f"\n[over]\ntype = {below}\nremote = gdrive:a\n{secret}")
    remote = check_remote(control, "over:")
    assert not remote.takes_folder_ids
    warnings: list[str] = []
    run = RcloneHandOff(control, remote, Pace(StopFlag(), lambda *_: None), warnings.append)
    run.prepare_folder(FOLDER)
    for number, folder in enumerate((FOLDER, f"{FOLDER}/x"), start=1):
        run.move(stage(staging, b"old", number), folder, f"{number}_old", ignore_bytes)

    by_hand(control, "purge", f"gdrive:a/{FOLDER}/x")
    run.renew_folder(FOLDER)
    run.move(stage(staging, b"new", 3), f"{FOLDER}/x", "3_new", ignore_bytes)
    there = ["a", f"a/{FOLDER}", f"a/{FOLDER}/1_old", f"a/{FOLDER}/x", f"a/{FOLDER}/x/3_new"]
    assert (present(drive), warnings) == (there, [])

    by_hand(control, "purge", f"gdrive:a/{FOLDER}")
    run.renew_folder(FOLDER)
    run.move(stage(staging, b"new", 4), f"{FOLDER}/x", "4_new", ignore_bytes)
    assert present(drive) == ["a", f"a/{FOLDER}", f"a/{FOLDER}/x", f"a/{FOLDER}/x/4_new"]
    (warning,) = warnings
    assert warning.startswith(f"warning: the folder '{FOLDER}' is not in 'over:' any more")


def test_a_folder_that_listings_leave_out_for_a_moment_is_not_made_again(
    drive: DriveStandIn, control: RemoteControl
) -> None:
    """What is looked for in vain is looked for until Drive's listings have had their time."""
    handoff = hand_off(control, check_remote(control, "gdrive:a"))
    handoff.prepare_folder(FOLDER)
    drive.statistics.reset()
    drive.shaping = Shaping(listing_lag_seconds=3600.0)
    renewing = in_thread(lambda: handoff.renew_folder(FOLDER))
    # More calls than one look makes: so the first one was in vain.
    until(lambda: renewing.done() or drive.statistics.counts().calls.get("files.list", 0) > 6)
    drive.shaping = Shaping()
    result_of(renewing)
    assert "files.create" not in drive.statistics.counts().calls
    assert present(drive) == ["a", f"a/{FOLDER}"]


def test_a_rate_limit_is_no_reason_to_give_up_a_new_folder(
    drive: DriveStandIn, control: RemoteControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive_folder, "LISTING_LAG_SECONDS", 0.0)
    remote = check_remote(control, "gdrive:a")
    drive.faults.add(Fault("rate_limit", call="files.create"))
    run = RcloneHandOff(control, remote, Pace(StopFlag(), lambda *_: None), lambda _: None)
    assert run.prepare_folder(FOLDER) == []
    assert present(drive) == ["a", f"a/{FOLDER}"]


def test_a_rate_limit_that_lasts_is_waited_for_where_a_folder_below_is_made(
    drive: DriveStandIn, control: RemoteControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the folder was tried for in vain before."""
    monkeypatch.setattr(drive_folder, "LISTING_LAG_SECONDS", 0.0)
    waits: list[str] = []
    pace = Pace(StopFlag(), lambda _, why, until: waits.append(why))
    run = RcloneHandOff(control, check_remote(control, "gdrive:a"), pace, lambda _: None)
    run.prepare_folder(FOLDER)
    drive.faults.add(Fault("rate_limit", call="files.create", times=4))
    result_of(in_thread(lambda: run.put(b"text", f"{FOLDER}/x", "1.json")))
    assert present(drive) == ["a", f"a/{FOLDER}", f"a/{FOLDER}/x", f"a/{FOLDER}/x/1.json"]
    assert waits != []


@pytest.mark.parametrize("gone", ["a", f"a/{FOLDER}", f"a/{FOLDER}/x"])
def test_a_folder_that_is_waited_for_is_not_made_in_one_that_is_in_the_bin_by_now(
    drive: DriveStandIn, control: RemoteControl, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    monkeypatch.setattr(drive_folder, "LISTING_LAG_SECONDS", 0.0)
    monkeypatch.setattr(one_of_several, "WAIT_SECONDS", 0.0)
    lines: list[str] = []
    remote = check_remote(control, "gdrive:a")
    folders = FoldersById(control, remote, lines.append, None, others_at_work=True)
    folders.prepare(FOLDER)
    wanted = f"{FOLDER}/x/y"
    while folders.seconds_until_ready(f"{FOLDER}/x"):
        pass
    with monkeypatch.context() as waiting:
        waiting.setattr(one_of_several, "WAIT_SECONDS", 3600.0)
        assert folders.seconds_until_ready(wanted) > 0
    by_hand(control, "purge", f"gdrive:{gone}")
    folders.look_again(FOLDER, 0.0)
    until(lambda: not folders.seconds_until_ready(wanted))
    assert present(drive) == ["a", f"a/{FOLDER}", f"a/{FOLDER}/x", f"a/{wanted}"]


def test_in_a_long_round_the_chats_folder_is_looked_for_again_now_and_then(
    drive: DriveStandIn, control: RemoteControl, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive_folder, "LISTING_LAG_SECONDS", 0.0)
    remote = check_remote(control, "gdrive:a")
    run = RcloneHandOff(control, remote, Pace(StopFlag(), lambda *_: None), lambda _: None)
    run.prepare_folder(FOLDER)
    thrown_away(control, remote, FOLDER)
    monkeypatch.setattr(handoff, "LOOK_AGAIN_SECONDS", 0.0)
    run.move(stage(staging, b"new", 1), FOLDER, "1_new", ignore_bytes)
    assert present(drive) == ["a", f"a/{FOLDER}", f"a/{FOLDER}/1_new"]


def test_what_others_share_is_known_wherever_that_is_said(
    drive: DriveStandIn, control: RemoteControl, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a folder's id would show all that is shared, instead of that folder: paths are used."""

    def by_id(remote: str, control: RemoteControl = control) -> bool:
        return look_at_remote(control, remote).takes_folder_ids

    assert by_id("gdrive:")
    assert by_id("gdrive,shared_with_me=false:")
    assert not by_id("gdrive,shared_with_me=true:")
    config_file = control.rclone.config_file
    assert config_file is not None
    shares = opened_control(closing, None, config_file, "--drive-shared-with-me")
    assert not by_id("gdrive:", shares)
    config = config_file.read_text()
    config_file.write_text(config.replace("[gdrive]", "[gdrive]\nshared_with_me = true"))
    assert not by_id("gdrive:", opened_control(closing, None, config_file))
    config_file.write_text(config)
    monkeypatch.setenv("RCLONE_DRIVE_SHARED_WITH_ME", "true")
    assert not by_id("gdrive:", opened_control(closing, None, config_file))


def test_only_a_drive_itself_is_addressed_by_id(
    drive: DriveStandIn, control: RemoteControl
) -> None:
    """A wrapper of a Drive would ignore the id without a word, and put the file elsewhere."""
    assert control.rclone.config_file is not None
    with control.rclone.config_file.open("a") as config:
        config.write("\n[wrapper]\ntype = alias\nremote = gdrive:wrapped\n")
    assert not check_remote(control, "wrapper:a").takes_folder_ids


@pytest.fixture
def over(control: RemoteControl) -> RcloneHandOff:
    """To an alias of a Drive, with the folder of the chat made."""
    config_file = control.rclone.config_file
    assert config_file is not None
    with config_file.open("a") as config:
        config.write("\n[over]\ntype = alias\nremote = gdrive:a\n")
    handoff = hand_off(control, check_remote(control, "over:"))
    handoff.prepare_folder(FOLDER)
    return handoff


def test_below_another_remote_an_attempt_waits_for_the_listing_as_well(
    drive: DriveStandIn, over: RcloneHandOff, staging: Path
) -> None:
    drive.faults.add(Fault("server_error", call="upload.start", times=None, status=400))
    with pytest.raises(HandOffFailed) as failed:
        over.move(stage(staging, b"new", 1), FOLDER, "1_new", ignore_bytes)
    assert failed.value.retry_after_seconds == drive_folder.LISTING_LAG_SECONDS


def test_below_another_remote_a_file_without_content_is_there_once_too(
    drive: DriveStandIn, over: RcloneHandOff, staging: Path
) -> None:
    """It is sent by one request, which rclone would make again when the answer was lost."""
    drive.shaping = Shaping(listing_lag_seconds=3600.0)
    drive.faults.add(Fault("answer_lost", call="upload.multipart"))
    with pytest.raises(HandOffFailed):
        over.move(stage(staging, b"", 1), FOLDER, "1_empty", ignore_bytes)
    drive.shaping = Shaping()
    over.move(stage(staging, b"", 1), FOLDER, "1_empty", ignore_bytes)
    assert present(drive) == ["a", f"a/{FOLDER}", f"a/{FOLDER}/1_empty"]
