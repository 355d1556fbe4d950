"""What users may set for rclone goes to it; what would make "done" untrue is named, with why."""

from __future__ import annotations

import pytest

from tdl_sync.options.rclone_options import dropped_variables, flag_fault, refused_keys
from tdl_sync.options.remote_argument import notation_of, parse_remote, parse_upload_flag

FALSE_SUCCESS = "with which rclone may report success for a file that it did not send"
OTHER_BYTES = "with which something else than the file's bytes may be stored"
HIDDEN = "with which rclone does not list the files as they are"
UNPROVEN = "with which rclone may take files for the same without comparing their bytes"
OURS = "which tdl_sync sets itself"
UNKNOWN = "of which tdl_sync does not know what it would do to the files"


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("bwlimit", None),
        ("user-agent", None),
        ("fast-list", None),
        ("inplace", None),
        ("drive-chunk-size", None),
        ("s3-storage-class", None),
        ("sftp-host", None),
        ("update", FALSE_SUCCESS),
        ("hash-filter", FALSE_SUCCESS),
        ("max-transfer", FALSE_SUCCESS),
        ("dropbox-batch-mode", FALSE_SUCCESS),
        ("cache-tmp-upload-path", FALSE_SUCCESS),
        ("metadata-set", OTHER_BYTES),
        ("links", OTHER_BYTES),
        ("drive-import-formats", OTHER_BYTES),
        ("drive-trashed-only", HIDDEN),
        ("one-file-system", HIDDEN),
        ("s3-no-head", UNPROVEN),
        ("local-hashes", UNPROVEN),
        ("onedrive-hash-type", UNPROVEN),
        ("checksum", OURS),
        ("retries", OURS),
        ("low-level-retries", None),
        ("rc-addr", OURS),
        ("rc-whatever-comes", OURS),
        ("metrics-addr", OURS),
        ("addr", OURS),
        ("vfs-cache-mode", OURS),
        ("stats-unit", OURS),
        ("drive-upload-cutoff", OURS),
        ("daemon", "which belongs to a command of rclone's that tdl_sync does not use"),
        ("new-in-rclone-2", UNKNOWN),
        ("drive-new-in-rclone-2", UNKNOWN),
        ("newbackend-token", UNKNOWN),
        ("drive", UNKNOWN),
    ],
)
def test_a_flag_is_passed_on_or_the_reason_is_said(flag: str, why: str | None) -> None:
    assert flag_fault(flag) == why
    if why is None:
        assert parse_upload_flag(f"--{flag}=1") == f"--{flag}=1"
    else:
        with pytest.raises(ValueError, match=f"^another flag than --{flag}, {why}$"):
            parse_upload_flag(f"--{flag}=secret")


def test_a_flag_without_a_value_does_not_take_the_next_argument_for_it() -> None:
    assert parse_upload_flag("--user-agent") == "--user-agent=true"
    assert parse_upload_flag("--user-agent=") == "--user-agent="


def dropped(**variables: str) -> dict[str, str]:
    return {
        each.name: each.why
        for each in dropped_variables({f"RCLONE_{name}": text for name, text in variables.items()})
    }


def test_variables_that_decide_about_files_are_dropped_and_others_stay() -> None:
    assert dropped(BWLIMIT="1M", DRIVE_CHUNK_SIZE="64M", USER_AGENT="x", DISABLE="Move") == {}
    assert dropped(UPDATE="true", EXCLUDE="*", RC="true", LOG_FILE="x", ADDR=":1", KEY="x") == {
        "RCLONE_ADDR": OURS,
        "RCLONE_EXCLUDE": FALSE_SUCCESS,
        "RCLONE_KEY": OURS,
        "RCLONE_LOG_FILE": OURS,
        "RCLONE_RC": OURS,
        "RCLONE_UPDATE": FALSE_SUCCESS,
    }
    assert dropped(DRIVE_IMPORT_FORMATS="docx", LOCAL_HASHES="none", NEW_ONE="1") == {
        "RCLONE_DRIVE_IMPORT_FORMATS": OTHER_BYTES,
        "RCLONE_LOCAL_HASHES": UNPROVEN,
        "RCLONE_NEW_ONE": UNKNOWN,
    }


def test_variables_that_are_not_rclones_are_left_alone() -> None:
    assert dropped_variables({"PATH": "/bin", "UPDATE": "1", "MY_RCLONE_UPDATE": "1"}) == []


def test_a_variable_counts_in_any_case_of_letters_as_it_does_on_windows() -> None:
    environment = {"rclone_update": "true", "Rclone_Update": "true", "RCLONE_UPDATE": "true"}
    assert {each.name for each in dropped_variables(environment)} == environment.keys()


def test_where_the_configuration_is_and_what_opens_it_stays() -> None:
    assert dropped(CONFIG="/x", CONFIG_PASS="x", CONFIG_DIR="/x", PASSWORD_COMMAND="pass x") == {}


def test_a_setting_that_changes_nothing_may_stand() -> None:
    assert dropped(S3_NO_HEAD="false", DROPBOX_BATCH_MODE="sync", LOCAL_TIME_TYPE="mtime") == {}
    assert refused_keys("x", "mailru", {"check_hash": "TRUE"}) == []
    assert refused_keys("x", "onedrive", {"hash_type": "none"}) == []
    assert refused_keys("x", "s3", {"version_at": "off"}) == []


def test_a_remote_made_by_variables_is_made_and_what_is_unsafe_in_it_is_dropped() -> None:
    made = {"CONFIG_MY_DRIVE_TYPE": "drive", "CONFIG_MY_DRIVE_TOKEN": "{}"}
    assert dropped(**made, CONFIG_MY_DRIVE_ROOT_FOLDER_ID="x") == {}
    assert dropped(**made, CONFIG_MY_DRIVE_IMPORT_FORMATS="docx") == {
        "RCLONE_CONFIG_MY_DRIVE_IMPORT_FORMATS": OTHER_BYTES
    }
    # What is unsafe in another kind means something else here.
    hashes = {"CONFIG_THERE_TYPE": "sftp", "CONFIG_THERE_HASHES": "md5"}
    assert dropped(**hashes) == {}


def test_what_a_variable_sets_for_a_remote_of_unknown_kind_is_dropped_if_it_is_unsafe_in_any() -> (
    None
):
    assert dropped(CONFIG_THERE_NO_HEAD="true", CONFIG_THERE_CHUNK_SIZE="1M") == {
        "RCLONE_CONFIG_THERE_NO_HEAD": UNPROVEN
    }


def test_a_variable_for_a_remote_called_local_counts_for_paths_whatever_its_type() -> None:
    variables = {"CONFIG_LOCAL_TYPE": "sftp", "CONFIG_LOCAL_HASHES": "md5"}
    assert dropped(**variables) == {"RCLONE_CONFIG_LOCAL_HASHES": UNPROVEN}


@pytest.mark.parametrize(
    ("backend", "key", "value", "why"),
    [
        ("drive", "token", "{}", None),
        ("drive", "upload_cutoff", "100M", None),  # the remote string of an upload says its own
        ("drive", "import_formats", "docx", OTHER_BYTES),
        ("drive", "import-formats", "docx", OTHER_BYTES),
        ("drive", "size_as_quota", "true", UNPROVEN),
        ("drive", "new_in_rclone_2", "x", UNKNOWN),
        ("crypt", "no_data_encryption", "true", None),
        ("google photos", "batch_mode", "async", FALSE_SUCCESS),
        ("oracleobjectstorage", "disable_checksum", "true", UNPROVEN),
        ("sftp", "whatever", "x", None),
        ("newbackend", "token", "x", UNKNOWN),
        ("drive", "global.bwlimit", "1M", None),
        ("drive", "global.update", "true", None),  # a call's own word wins
        ("drive", "override.low_level_retries", "1", OURS),  # not here: it is opened with that
        ("drive", "global.log_level", "ERROR", OURS),
        ("drive", "global.fs_cache_expire_duration", "0", OURS),
        ("drive", "global.new_in_rclone_2", "1", UNKNOWN),
    ],
)
def test_a_key_of_a_remotes_section_is_taken_or_refused(
    backend: str, key: str, value: str, why: str | None
) -> None:
    refused = refused_keys("there", backend, {"type": backend, key: value})
    assert [(each.key, each.why) for each in refused] == ([] if why is None else [(key, why)])


def test_a_section_called_local_is_asked_about_paths_too() -> None:
    section = {"type": "sftp", "host": "h", "hashes": "md5"}
    assert [each.key for each in refused_keys("local", "sftp", section)] == ["hashes"]
    assert refused_keys("there", "sftp", section) == []


@pytest.mark.parametrize(
    ("remote", "name", "options"),
    [
        ("/srv/films", "", {}),
        ("gdrive:films", "gdrive", {}),
        ("gdrive,chunk_size=64M:a,b=c:d", "gdrive", {"chunk_size": "64M"}),
        (
            ':local,links,encoding="a,b:""c""",time_type=\'it\'\'s\',hashes=:/x',
            ":local",
            {"links": "true", "encoding": 'a,b:"c"', "time_type": "it's", "hashes": ""},
        ),
        (
            "x,global.update=true,override.links=true:",
            "x",
            {
                "global.update": "true",
                "override.links": "true",
            },
        ),
    ],
)
def test_a_remotes_notation_is_taken_apart_as_rclone_does(
    remote: str, name: str, options: dict[str, str]
) -> None:
    notation = notation_of(parse_remote(remote))
    assert (notation.name, notation.options) == (name, options)
