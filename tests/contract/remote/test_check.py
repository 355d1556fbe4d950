"""The start-up checks: what can be wrong with rclone or the remote is said before any download."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from standins.drive.refusals import MESSAGES
from tdl_sync.core.errors import (
    AccessTokenRefused,
    ConfigurationError,
    CorruptedInTransfer,
    CredentialsRefused,
    FolderFull,
    HandOffFailed,
    QuotaExceeded,
    RateLimited,
    RemoteAccountRefused,
    RemoteCredentialsRefused,
    RemoteRefuses,
    RemoteUnreachable,
    StorageFull,
)
from tdl_sync.remote.check import StageProbe, check_remote
from tdl_sync.remote.rclone import CallFailed
from tdl_sync.remote.rclone_errors import RcloneFailure, transfer_error
from tdl_sync.remote.remote_control import Remote, RemoteControl
from tests.contract.places import OBSCURED_PASSWORD
from tests.contract.rclones import opened_control, opened_rclone
from tests.contract.remote.remote_control.raw_rclone import BROKEN_OFF


def rclone_config(directory: Path) -> Path:
    config = directory / "rclone.conf"
    config.write_text(
        f"[plain]\ntype = alias\nremote = {directory}/plain remote\n\n"
        f"[secret]\ntype = crypt\nremote = {directory}/secret remote\n"
        f"filename_encryption = off\nsuffix = none\ndirectory_name_encryption = false\n"
        f"password = {OBSCURED_PASSWORD}\n"
    )
    return config


def test_a_remote_without_a_common_hash_is_known_as_such(
    tmp_path: Path, closing: ExitStack
) -> None:
    control = opened_control(closing, None, rclone_config(tmp_path))
    plain = check_remote(control, "plain:")
    secret = check_remote(control, "secret:")
    assert (plain.type, plain.shares_hash) == ("alias", True)
    assert (secret.type, secret.shares_hash) == ("crypt", False)
    assert plain.free_bytes is not None
    assert plain.free_bytes > 0


@pytest.mark.parametrize("form", ["plain:a/b", ":local:{0}/x y", "{0}/path", "plain,foo=1:c"])
def test_the_check_takes_every_spelling_of_a_remote_and_leaves_nothing(
    tmp_path: Path, closing: ExitStack, form: str
) -> None:
    control = opened_control(closing, None, rclone_config(tmp_path))
    check_remote(control, form.format(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "rclone.conf"]


def check_error(tmp_path: Path, remote: str, config: str | None = None) -> str:
    config_file = rclone_config(tmp_path)
    if config is not None:
        config_file.write_text(config)
    with pytest.raises(ConfigurationError) as caught, ExitStack() as closing:
        check_remote(opened_control(closing, None, config_file), remote)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_remote_that_is_not_configured_is_named_with_those_that_are(tmp_path: Path) -> None:
    """With what is to be typed: the rclone that is used may be none that is on PATH."""
    config_file = rclone_config(tmp_path)
    with ExitStack() as closing:
        executable = opened_control(closing, None, config_file).rclone.executable
    assert check_error(tmp_path, "gdrive:x") == (
        "rclone knows no remote 'gdrive', only: plain:, secret:; make it with "
        f"`{executable} --config={config_file} config`, "
        "or name another with --remote or --rclone-config"
    )


def test_a_remote_that_takes_no_files_is_found_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "plain remote").write_bytes(b"in the way")
    error = check_error(tmp_path, "plain:base")
    assert re.fullmatch(
        r"rclone can't (write to|open) 'plain:base': .*not a directory; .* with --remote", error
    )


def test_a_remote_that_refuses_to_be_written_to_is_found_before_the_run(tmp_path: Path) -> None:
    """By writing: nothing else tells."""
    (tmp_path / "shown" / "base").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    upstreams = f"{tmp_path}/shown:ro {tmp_path}/other:ro"
    config = f"[shown]\ntype = union\nupstreams = {upstreams}\n"
    error = check_error(tmp_path, "shown:base", config)
    assert re.fullmatch(r"rclone can't write to 'shown:base': .*; .* with --remote", error)


def staged_in(directory: Path) -> StageProbe:
    def stage(content: bytes) -> Path:
        directory.mkdir(exist_ok=True)
        (directory / "probe").write_bytes(content)
        return directory / "probe"

    return stage


def test_a_probe_that_a_run_has_left_is_removed_by_the_next_one_and_never_taken_for_its_own(
    tmp_path: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another name each time: Drive may still show what the killed run had sent there. What
    comes from another directory, and what people call alike, stays."""
    control = opened_control(closing, None, rclone_config(tmp_path))
    ours, other = staged_in(tmp_path / "ours"), staged_in(tmp_path / "other")
    with monkeypatch.context() as killed:
        killed.setattr(control, "delete_file", refuse_to_delete)
        for stage in (ours, ours, other):
            (warning,) = check_remote(control, "plain:", stage_probe=stage).warnings
            assert warning.endswith("can't be deleted: no right to")
    base = tmp_path / "plain remote"
    (base / ".tdl-sync-write-test-kept").touch()
    left = {path.name for path in base.iterdir()}
    assert len(left) == 4
    assert check_remote(control, "plain:", stage_probe=ours).warnings == ()
    assert len({path.name for path in base.iterdir()} & left) == 2
    assert check_remote(control, "plain:", stage_probe=other).warnings == ()
    assert [path.name for path in base.iterdir()] == [".tdl-sync-write-test-kept"]


def refuse_to_delete(remote: Remote, path: str) -> None:
    raise CallFailed(403, "no right to")


def test_runs_that_start_at_once_on_one_remote_do_not_take_each_others_files_for_theirs(
    tmp_path: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a staging directory of its own; the other one moves and deletes its file between
    this one's move and its look."""
    control = opened_control(closing, None, rclone_config(tmp_path))
    move = RemoteControl.move

    def move_while_another_starts(*to: Any, **how: Any) -> None:
        move(*to, **how)
        monkeypatch.setattr(RemoteControl, "move", move)
        check_remote(control, "plain:", stage_probe=staged_in(tmp_path / "other"))

    monkeypatch.setattr(RemoteControl, "move", move_while_another_starts)
    assert check_remote(control, "plain:", stage_probe=staged_in(tmp_path / "ours")).warnings == ()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "rclone.conf"]


def test_an_encrypted_configuration_is_named_and_nothing_waits_for_a_password(
    tmp_path: Path,
) -> None:
    """The header alone decides; the base64 is a box that no password opens."""
    config = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\n" + "A" * 120 + "\n"
    error = check_error(tmp_path, "plain:", config)
    assert error.startswith("rclone's configuration is encrypted and can't be opened (")
    assert error.endswith("put its password into the environment variable RCLONE_CONFIG_PASS")


def test_a_broken_configuration_is_named(tmp_path: Path) -> None:
    error = check_error(tmp_path, "plain:", "[plain\ntype")
    assert error.startswith("rclone can't read its configuration (")


def test_a_configuration_that_is_not_there_is_named(closing: ExitStack) -> None:
    with pytest.raises(ConfigurationError, match="there is no rclone configuration '/none/x'"):
        opened_rclone(closing, None, Path("/none/x"))


def test_gdrive_demands_a_google_drive(tmp_path: Path, closing: ExitStack) -> None:
    control = opened_control(closing, None, rclone_config(tmp_path))
    with pytest.raises(ConfigurationError, match="expects a remote of type 'drive', but 'plain:'"):
        check_remote(control, "plain:", must_be_drive=True)


def test_a_drive_without_a_token_is_refused_credentials_with_the_command(
    tmp_path: Path, closing: ExitStack
) -> None:
    config = tmp_path / "drive.conf"
    config.write_text("[gdrive]\ntype = drive\nclient_id = x\nclient_secret = y\n")
    reconnect = rf"Run: rclone config reconnect gdrive: --config {re.escape(str(config))}$"
    with pytest.raises(CredentialsRefused, match=reconnect):
        check_remote(opened_control(closing, None, config), "gdrive:x", must_be_drive=True)


def test_an_rclone_that_is_not_there_is_named(closing: ExitStack) -> None:
    with pytest.raises(ConfigurationError, match="there is no rclone at '/none/rclone'"):
        opened_rclone(closing, "/none/rclone")


def script(path: Path, line: str) -> str:
    path.write_text(f"#!/bin/sh\necho '{line}'\n")
    path.chmod(0o700)
    return str(path)


def test_an_rclone_that_is_too_old_is_named_with_both_versions(
    tmp_path: Path, closing: ExitStack
) -> None:
    old = script(tmp_path / "old rclone", "rclone v1.53.3-DEV")
    with pytest.raises(ConfigurationError, match=r"is rclone 1\.53, but at least 1\.60 is needed"):
        opened_rclone(closing, old)


def test_a_program_that_is_not_rclone_is_named(tmp_path: Path, closing: ExitStack) -> None:
    other = script(tmp_path / "other", "hello")
    with pytest.raises(ConfigurationError, match="does not say its version as rclone does"):
        opened_rclone(closing, other)


def test_an_old_rclone_on_the_path_does_not_hide_the_one_beside_python(
    tmp_path: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = opened_rclone(closing).executable
    (tmp_path / "old").mkdir()
    (tmp_path / "environment").mkdir()
    script(tmp_path / "old" / "rclone", "rclone v1.53.3-DEV")
    (tmp_path / "environment" / "rclone").symlink_to(real)
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    assert opened_rclone(closing).executable == str(tmp_path / "environment" / "rclone")


REASONS: dict[str, type[Exception]] = {
    **dict.fromkeys(MESSAGES, RemoteRefuses),
    "dailyLimitExceeded": QuotaExceeded,
    "numChildrenInNonRootLimitExceeded": FolderFull,
    "insufficientPermissions": RemoteCredentialsRefused,
    "quotaExceeded": StorageFull,
    "sharingRateLimitExceeded": RateLimited,
    "UrlLeaseLimitExceeded": RateLimited,
}
SAID = tuple(MESSAGES.items())
"""What Google says beside each."""


@pytest.mark.parametrize(
    ("last_error", "expected"),
    [
        ('oauth2: "invalid_grant" "Token has been expired"', RemoteCredentialsRefused),
        ("couldn't fetch token - maybe it has expired?", RemoteCredentialsRefused),
        ('oauth2: "invalid_grant" "Invalid JWT Signature."', RemoteAccountRefused),
        ("googleapi: Error 401: Invalid Credentials, authError", AccessTokenRefused),
        (
            "googleapi: Error 403: User rate limit exceeded., userRateLimitExceeded",
            QuotaExceeded,
        ),
        ("googleapi: Error 403: User Rate Limit Exceeded, userRateLimitExceeded", RateLimited),
        ("googleapi: Error 403: Quota exceeded for quota metric 'Queries'", RateLimited),
        ("operation error S3: PutObject, api error SlowDown: please wait", RateLimited),
        ("googleapi: Error 403: full, storageQuotaExceeded", StorageFull),
        *((f"googleapi: Error 403: {said}, {reason}", REASONS[reason]) for reason, said in SAID),
        ("pacer: Insufficient Storage: 507 Insufficient Storage", StorageFull),
        ("preallocate: file too big for remaining disk space", StorageFull),
        ("write C:\\x: There is not enough space on the disk.", StorageFull),
        ("api error XMinioStorageFull: Storage backend has reached its minimum", StorageFull),
        ("api error QuotaExceeded: quota of the bucket", StorageFull),
        ("upload failed: path/insufficient_space/", StorageFull),
        ("update stor: 552 Disk full - please upload later", StorageFull),
        ("response error: STATUS_DISK_FULL", StorageFull),
        ("HTTP Error: 413 Request Entity Too Large: Upload exceeds: quota exceeded", StorageFull),
        ("DSQuotaExceededException: The DiskSpace quota of /x is exceeded", StorageFull),
        ("error 460: Out of quota", StorageFull),
        ("file_space_not_enough (8)", StorageFull),
        ("400 Bad Request: storage limit exceeded", StorageFull),
        ("open /x: read-only file system", RemoteRefuses),
        ("write /x: no space left on device", StorageFull),
        ("didn't find section in config file", ConfigurationError),
        ('Get "https://x/": dial tcp: lookup x: no such host', RemoteUnreachable),
        ("corrupted on transfer: md5 hashes differ", CorruptedInTransfer),
        ('Put "https://x/": read tcp: connection reset by peer', HandOffFailed),
        ("what nobody ever saw", HandOffFailed),
    ],
)
def test_every_reason_of_rclone_has_its_class(last_error: str, expected: type[Exception]) -> None:
    error = transfer_error(RcloneFailure("gdrive:x", 500, last_error))
    assert type(error) is expected
    assert last_error in str(error) or expected is ConfigurationError
    assert "\n" not in str(error)


@pytest.mark.parametrize("ending", [*BROKEN_OFF, ": dial tcp: i/o timeout"])
def test_a_token_that_a_broken_connection_did_not_bring_is_no_matter_of_credentials(
    ending: str,
) -> None:
    said = f'couldn\'t fetch token: Post "https://oauth2.googleapis.com/token"{ending}'
    assert type(transfer_error(RcloneFailure("gdrive:x", 500, said))) is RemoteUnreachable


@pytest.mark.parametrize(
    ("last_error", "seconds"),
    [
        ("too many requests: try again after 1m30s (2024-01-01 00:00:00)", 90.0),
        ("429 Too Many Requests: Trying again in 300 seconds.", 300.0),
        ("Error 429: Rate Limit Exceeded", 0.0),
    ],
)
def test_the_time_that_a_server_asks_for_is_read_where_rclone_says_it(
    last_error: str, seconds: float
) -> None:
    assert RcloneFailure("box:", 500, last_error).retry_after_seconds == seconds


def test_the_command_names_the_drive_below_an_encrypted_remote() -> None:
    said = 'couldn\'t fetch token: invalid_grant: try "rclone config reconnect gdrive{X4}:"'
    error = transfer_error(RcloneFailure("secret:x", 500, said))
    assert str(error).endswith("Run: rclone config reconnect gdrive:")
