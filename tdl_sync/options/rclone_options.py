"""All options of rclone's, and what becomes of one that a user has set.

An option reaches rclone as a flag (``--rclone-arg=--bwlimit=8M``), as a variable
(``RCLONE_BWLIMIT``), and from the configuration: in a remote's section, as ``global.bwlimit`` or
``override.bwlimit`` in one, in the notation of a remote (``gdrive,chunk_size=64M:``) or as a
variable for one remote (``RCLONE_CONFIG_GDRIVE_CHUNK_SIZE``). This list answers for all of them;
one that it does not know is refused as a flag and dropped as a variable. Nobody asks yet for what a
section or a notation sets (``refused_keys``): there only what each call names is sure to win.
``tests/contract/remote/test_rclone_options.py`` holds it against all options of the real rclones.

Names are written as in rclone's configuration: with ``_``, those of a backend without its prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Treatment(Enum):
    SAFE = "goes to rclone as the user set it"
    SAID = "named in every call, which wins; dropped as a variable, refused as a flag"
    OURS = "belongs to how the program starts rclone and reads it; dropped or refused"
    UNSAFE = "can't be named in a call and would make done untrue; dropped or refused"


@dataclass(frozen=True)
class Option:
    name: str
    treatment: Treatment
    why: str
    """Why it can't be set, to be read after its name and a comma; empty for what is safe."""

    harmless_values: frozenset[str] = frozenset()
    """Of an option that is not safe: values, in lower case, that may stand all the same."""

    def allows(self, value: str) -> bool:
        if self.treatment is Treatment.SAFE:
            return True
        return value.strip().lower() in self.harmless_values


_CLAIMS = "with which rclone may report success for a file that it did not send"
_STORES = "with which something else than the file's bytes may be stored"
_HIDES = "with which rclone does not list the files as they are"
_UNPROVEN = "with which rclone may take files for the same without comparing their bytes"
_SETS_ITSELF = "which tdl_sync sets itself"
_OTHER_COMMANDS = "which belongs to a command of rclone's that tdl_sync does not use"
_UNKNOWN = "of which tdl_sync does not know what it would do to the files"

_FALSE = frozenset({"", "false", "f", "0"})
_TRUE = frozenset({"", "true", "t", "1"})
_EMPTY = frozenset({""})
_OFF = frozenset({"", "off"})

_SAFE_MAIN = {
    "how fast, over which network, with which certificates": (
        "bind bwlimit bwlimit_file ca_cert client_cert client_key client_pass contimeout "
        "disable_http2 disable_http_keep_alives dscp expect_continue_timeout header "
        "header_download header_upload http_proxy max_connections no_check_certificate "
        "low_level_retries no_gzip_encoding timeout tpslimit tpslimit_burst use_cookies user_agent"
    ),
    "how much at a time, and with how much memory": (
        "buffer_size checkers disable fast_list kv_lock_time max_buffer_memory "
        "multi_thread_chunk_size multi_thread_cutoff multi_thread_streams "
        "multi_thread_write_buffer_size transfers use_mmap"
    ),
    # Whoever may add to a remote but not rename needs it. A killed upload then leaves part of a
    # file under its own name; so does each rclone before 1.63.
    "under which name it is sent": "inplace",
    "where things lie on this machine, and what opens them": (
        "auto_confirm cache_dir color cpuprofile memprofile no_console password_command temp_dir"
    ),
    "of no meaning for single files that are compared by their hash": (
        "check_first default_time human_readable list_cutoff max_backlog order_by"
    ),
}

_NOT_SAFE_MAIN: tuple[tuple[Treatment, str, str], ...] = (
    (
        Treatment.SAID,
        _CLAIMS,
        "backup_dir compare_dest copy_dest cutoff_mode dry_run ignore_case_sync ignore_checksum "
        "ignore_errors ignore_existing ignore_size immutable interactive max_delete "
        "max_delete_size max_depth max_duration max_transfer modify_window name_transform "
        "no_check_dest no_traverse no_unicode_normalization no_update_dir_modtime "
        "no_update_modtime partial_suffix refresh_times server_side_across_configs size_only "
        "streaming_upload_cutoff suffix suffix_keep_extension fix_case track_renames "
        "track_renames_strategy update use_server_modtime",
    ),
    (
        Treatment.SAID,
        _CLAIMS,
        "delete_excluded exclude exclude_from exclude_if_present files_from files_from0 "
        "files_from_raw filter filter_from hash_filter ignore_case include include_from max_age "
        "max_size metadata_exclude metadata_exclude_from metadata_filter metadata_filter_from "
        "metadata_include metadata_include_from min_age min_size",
    ),
    # A file's type among them: with one of Google's own, Drive makes a document of the file, and
    # rclone finds neither size nor hash to compare. A file that is called x.rclonelink by a
    # stranger becomes a link to wherever they want.
    (Treatment.SAID, _STORES, "links metadata metadata_mapper metadata_set"),
    (Treatment.SAID, _SETS_ITSELF, "checksum dump ignore_times retries"),
    (Treatment.OURS, _SETS_ITSELF, "ask_password config retries_sleep error_on_no_transfer"),
    # Each remote string has a token and a memory of folders, for as long as it is kept.
    (Treatment.OURS, _SETS_ITSELF, "fs_cache_expire_duration fs_cache_expire_interval"),
    (
        # The log is how progress, errors and the end are heard of; nobody else reads it.
        Treatment.OURS,
        _SETS_ITSELF,
        "dump_bodies dump_headers log_file log_file_compress log_file_max_age "
        "log_file_max_backups log_file_max_size log_format log_level log_systemd "
        "max_stats_groups progress progress_terminal_title quiet stats stats_file_name_length "
        "stats_log_level stats_one_line stats_one_line_date stats_one_line_date_format "
        "stats_unit syslog syslog_facility use_json_log verbose windows_event_log "
        "windows_event_log_level",
    ),
    (Treatment.OURS, _OTHER_COMMANDS, "delete_after delete_before delete_during help version"),
    (
        # Of `rclone serve sftp`, by which a run holds its rclone.
        Treatment.OURS,
        _SETS_ITSELF,
        "addr auth_proxy authorized_keys dir_cache_time dir_perms file_perms gid key link_perms "
        "no_auth no_checksum no_modtime no_seek pass poll_interval read_only stdio uid umask "
        "user vfs_block_norm_dupes vfs_cache_max_age vfs_cache_max_size vfs_cache_min_free_space "
        "vfs_cache_mode vfs_cache_poll_interval vfs_case_insensitive vfs_disk_space_total_size "
        "vfs_fast_fingerprint vfs_handle_caching vfs_links vfs_metadata_extension vfs_read_ahead "
        "vfs_read_chunk_size vfs_read_chunk_size_limit vfs_read_chunk_streams vfs_read_wait "
        "vfs_refresh vfs_used_is_size vfs_write_back vfs_write_wait",
    ),
    (
        # Their variables are read, and a wrong one ends rclone, whatever the command.
        Treatment.OURS,
        _OTHER_COMMANDS,
        "allow_idmap allow_non_empty allow_origin allow_other allow_root announce_interval "
        "append_only async_read attr_timeout auth_key baseurl cache_objects cert client_ca "
        "daemon daemon_timeout daemon_wait debug_fuse default_permissions devname direct_io "
        "disable_dir_list disable_multipart_streaming disable_zip etag_hash force_path_style "
        "fuse_flag htpasswd interface log_trace max_header_bytes max_read_ahead "
        "metadata_max_objects min_tls_version mount_case_insensitive multipart_expiry "
        "multipart_max_uploads multipart_streaming_buffer_limit multipart_streaming_buffer_total "
        "name network_mode nfs_cache_dir nfs_cache_handle_limit nfs_cache_type no_cleanup "
        "noappledouble noapplexattr option passive_port private_repos public_ip realm "
        "response_header salt server_read_timeout server_write_timeout template user_from_header "
        "volname write_back_cache",
    ),
)

_OUR_PREFIXES = ("metrics_", "rc_")

_WHERE_THE_CONFIGURATION_IS = frozenset({"config", "config_dir", "config_pass"})
"""Variables that say it, and what opens it."""

_TAKEN_WHEN_OPENED = frozenset({"dump", "links", "low_level_retries", "metadata"})
"""What a call names does not win where a remote's section sets these for it: the remote is opened
with the section's."""


@dataclass(frozen=True)
class _Decided:
    why: str
    harmless_values: frozenset[str]
    treatment: Treatment = Treatment.UNSAFE


@dataclass(frozen=True)
class _Backend:
    """Options of one kind of remote. ``safe`` is None where all others count as safe."""

    not_safe: Mapping[str, _Decided]
    safe: frozenset[str] | None = None


def _gone_through(safe: str, **not_safe: _Decided) -> _Backend:
    """A backend of which each option was looked at: one that is not named is not known."""
    return _Backend(not_safe, frozenset(f"description encoding {safe}".split()))


_OAUTH = "auth_url client_credentials client_id client_secret token token_url"
_CHECKSUM = _Decided(_UNPROVEN, _FALSE)  # objects without one are compared by their size alone
_HEAD = _Decided(_UNPROVEN, _FALSE)  # what was sent, or whether it is there, is not looked at
_DECOMPRESS = _Decided(_UNPROVEN, _FALSE)  # such objects have neither size nor hash
# The remote string of each upload says it, and no other place counts beside that.
_IN_OUR_STRING = _Decided(_SETS_ITSELF, _EMPTY, Treatment.OURS)
_HIDING = _Decided(_HIDES, _FALSE)
_VERSIONS = {"versions": _HIDING, "version_at": _Decided(_HIDES, _OFF)}

_BACKENDS: Mapping[str, _Backend] = {
    "drive": _gone_through(
        f"{_OAUTH} acknowledge_abuse alternate_export chunk_size copy_shortcut_content "
        "disable_http2 env_auth export_formats formats impersonate keep_revision_forever "
        "list_chunk metadata_enforce_expansive_access metadata_labels metadata_owner "
        "metadata_permissions pacer_burst pacer_min_sleep resource_key root_folder_id scope "
        "server_side_across_configs service_account_credentials service_account_file "
        "shared_with_me show_all_gdocs skip_dangling_shortcuts skip_gdocs skip_shortcuts "
        "stop_on_download_limit team_drive use_created_date use_shared_date use_trash "
        "v2_download_min_size",
        allow_import_name_change=_Decided(_STORES, _FALSE),
        import_formats=_Decided(_STORES, _EMPTY),
        size_as_quota=_Decided(_UNPROVEN, _FALSE),
        skip_checksum_gphotos=_CHECKSUM,
        auth_owner_only=_HIDING,
        fast_list_bug_fix=_Decided(_HIDES, _TRUE),
        starred_only=_HIDING,
        trashed_only=_HIDING,
        stop_on_upload_limit=_IN_OUR_STRING,
        upload_cutoff=_IN_OUR_STRING,
    ),
    "crypt": _gone_through(
        "directory_name_encryption filename_encoding filename_encryption no_data_encryption "
        "password password2 remote server_side_across_configs show_mapping strict_names suffix",
        pass_bad_blocks=_Decided(_UNPROVEN, _FALSE),
    ),
    "compress": _gone_through("level mode ram_cache_limit remote"),
    # With "none" or "quick" as its type it lists no hash in common, and everything is sent.
    "chunker": _gone_through(
        "chunk_size fail_hard hash_type meta_format name_format remote start_from transactions"
    ),
    "s3": _gone_through(
        "access_key_id acl bucket_acl bucket_object_lock_enabled bypass_governance_retention "
        "chunk_size copy_cutoff directory_bucket directory_markers disable_http2 download_url "
        "endpoint env_auth force_path_style ibm_api_key ibm_iam_endpoint "
        "ibm_resource_instance_id leave_parts_on_error list_chunk list_url_encode list_version "
        "list_versions_oldest_first location_constraint max_upload_parts memory_pool_flush_time "
        "memory_pool_use_mmap might_gzip no_check_bucket no_system_metadata "
        "object_lock_legal_hold_status object_lock_mode object_lock_retain_until_date "
        "object_lock_set_after_upload object_lock_supported profile provider region "
        "requester_pays role_arn role_external_id role_session_duration role_session_name "
        "sdk_log_mode secret_access_key server_side_encryption session_token "
        "shared_credentials_file sign_accept_encoding sse_customer_algorithm sse_customer_key "
        "sse_customer_key_base64 sse_customer_key_md5 sse_kms_key_id storage_class sts_endpoint "
        "upload_concurrency upload_cutoff use_accelerate_endpoint use_accept_encoding_gzip "
        "use_already_exists use_arn_region use_data_integrity_protections use_dual_stack "
        "use_multipart_etag use_multipart_uploads use_presigned_request use_unsigned_payload "
        "use_x_id v2_auth",
        disable_checksum=_CHECKSUM,
        decompress=_DECOMPRESS,
        no_head=_HEAD,
        no_head_object=_HEAD,
        version_deleted=_HIDING,
        **_VERSIONS,
    ),
    "onedrive": _gone_through(
        f"{_OAUTH} access_scopes av_override chunk_size delta disable_site_permission drive_id "
        "drive_type expose_onenote_files hard_delete link_password link_scope link_type "
        "list_chunk metadata_permissions no_versions region root_folder_id "
        "server_side_across_configs tenant tenant_url upload_cutoff",
        # Files that don't have the one that is asked for count as files without any.
        hash_type=_Decided(_UNPROVEN, frozenset({"", "auto", "quickxor", "none"})),
    ),
    "dropbox": _gone_through(
        f"{_OAUTH} batch_commit_timeout batch_size batch_timeout chunk_size export_formats "
        "impersonate impersonate_admin pacer_min_sleep root_namespace shared_folders "
        "show_all_exports skip_exports",
        # What was sent is done for rclone before Dropbox has it.
        batch_mode=_Decided(_CLAIMS, frozenset({"", "off", "sync"})),
        shared_files=_HIDING,
        skip_shared_folders=_HIDING,
        skip_unowned_folders=_HIDING,
    ),
    # Of the staging directory, too. A section that is called [local] counts for plain paths.
    "local": _gone_through(
        "case_insensitive case_sensitive copy_links fatal_if_no_space "
        "metadata_restore_special_bits no_clone no_preallocate no_set_modtime no_sparse nounc "
        "skip_links skip_specials unicode_normalization zero_size_links",
        # Without the remote's hash here, files are compared by their size alone.
        hashes=_Decided(_UNPROVEN, frozenset()),
        links=_Decided(_STORES, _FALSE),
        no_check_updated=_Decided(_UNPROVEN, _FALSE),
        one_file_system=_HIDING,
        time_type=_Decided(_STORES, frozenset({"", "mtime"})),
    ),
    "azureblob": _Backend(
        {"decompress": _DECOMPRESS, "disable_checksum": _CHECKSUM, "no_head_object": _HEAD}
    ),
    "b2": _Backend({"disable_checksum": _CHECKSUM, **_VERSIONS}),
    # With it a file waits on this machine, and counts as sent.
    "cache": _Backend({"tmp_upload_path": _Decided(_CLAIMS, _EMPTY)}),
    "ftp": _Backend({"no_check_upload": _HEAD}),
    "gcs": _Backend({"decompress": _DECOMPRESS}),
    "gphotos": _Backend({"batch_mode": _Decided(_CLAIMS, frozenset({"", "off", "sync"}))}),
    "imagekit": _Backend({"versions": _HIDING}),
    "jottacloud": _Backend({"trashed_only": _HIDING}),
    "mailru": _Backend({"check_hash": _Decided(_UNPROVEN, _TRUE)}),
    "oos": _Backend({"decompress": _DECOMPRESS, "disable_checksum": _CHECKSUM}),
    "pikpak": _Backend({"trashed_only": _HIDING}),
    "quatrix": _Backend({"skip_project_folders": _HIDING}),
    **dict.fromkeys(
        (
            "acd alias archive azurefiles box cloudinary combine doi drime fichier filefabric "
            "filelu filen filescom gofile hasher hdfs hidrive http huaweidrive iclouddrive "
            "internetarchive internxt koofr linkbox mega memory netstorage opendrive pcloud "
            "pixeldrain premiumizeme protondrive putio qingstor seafile sftp shade sharefile sia "
            "smb storj sugarsync swift tardigrade ulozto union uptobox webdav yandex zoho"
        ).split(),
        _Backend({}),
    ),
}
"""By the prefix that its flags and variables have."""

_PREFIX_OF_TYPE = {
    "amazon cloud drive": "acd",
    "google cloud storage": "gcs",
    "google photos": "gphotos",
    "oracleobjectstorage": "oos",
}

_WITHOUT_PREFIX = frozenset({"copy_links", "one_file_system", "skip_links", "skip_specials"})
"""Options of the local backend whose flags and variables are called like one of rclone's own."""


def _main_options() -> dict[str, Option]:
    names = ((name, "") for group in _SAFE_MAIN.values() for name in group.split())
    options = {name: Option(name, Treatment.SAFE, why) for name, why in names}
    for treatment, why, group in _NOT_SAFE_MAIN:
        options |= {name: Option(name, treatment, why) for name in group.split()}
    return options


MAIN_OPTIONS: Mapping[str, Option] = MappingProxyType(_main_options())
"""What is not a backend's, without the ``rc_…`` and ``metrics_…``: those are all ours."""


def option_of(name: str) -> Option | None:
    """The option that a flag (``drive-chunk-size``) or a variable, in lower case and without its
    ``RCLONE_``, sets; None if this list does not know it."""
    name = _written(name)
    if name in MAIN_OPTIONS:
        return MAIN_OPTIONS[name]
    if name == "rc" or name.startswith(_OUR_PREFIXES):
        return Option(name, Treatment.OURS, _SETS_ITSELF)
    if name in _WITHOUT_PREFIX:
        return backend_option("local", name)
    prefix, _, key = name.partition("_")
    return backend_option(prefix, key) if key else None


def backend_option(backend: str, key: str) -> Option | None:
    """An option of a kind of remote, named by its type (``google photos``) or by its prefix."""
    known = _BACKENDS.get(_prefix(backend))
    if known is None:
        return None
    if key in known.not_safe:
        decided = known.not_safe[key]
        return Option(key, decided.treatment, decided.why, decided.harmless_values)
    return Option(key, Treatment.SAFE, "") if known.safe is None or key in known.safe else None


def flag_fault(name: str) -> str | None:
    """Why the flag (``drive-chunk-size``) can't be passed on; None if it can."""
    option = option_of(name)
    if option is None:
        return _UNKNOWN
    return None if option.treatment is Treatment.SAFE else option.why


@dataclass(frozen=True)
class DroppedVariable:
    name: str
    why: str
    """To be read after the name and a comma."""


def dropped_variables(environment: Mapping[str, str]) -> list[DroppedVariable]:
    """Those of rclone's variables that must not reach it, in the order of their names.

    On Windows rclone reads them in any case of letters, so here they count in any case everywhere.
    """
    rclones = [
        (name.upper().removeprefix("RCLONE_").lower(), name)
        for name in sorted(environment)
        if name.upper().startswith("RCLONE_")
    ]
    types = {
        match[1]: environment[name]
        for key, name in rclones
        if (match := re.fullmatch("config_(.+)_type", key, re.DOTALL))
    }
    dropped = []
    for key, name in rclones:
        if key in _WHERE_THE_CONFIGURATION_IS:
            continue
        if key.startswith("config_"):
            why = _fault_of_a_remote(key.removeprefix("config_"), environment[name], types)
        else:
            why = _fault(option_of(key), environment[name])
        if why is not None:
            dropped.append(DroppedVariable(name, why))
    return dropped


def _fault_of_a_remote(remote_and_key: str, value: str, types: Mapping[str, str]) -> str | None:
    """Of ``RCLONE_CONFIG_<remote>_<key>``. It does not say where the remote's name ends; of what
    kind it is only another variable tells, if any does. Else the key counts for each kind."""
    for_all = re.search(r"_((?:global|override)\..+)", remote_and_key, re.DOTALL)
    if for_all is not None:
        return _key_fault("", for_all[1], value)
    kinds = {
        kind
        for remote, kind in [*types.items(), ("local", "local")]
        if remote_and_key.startswith(f"{remote}_")
    }
    for prefix, backend in _BACKENDS.items():
        if kinds and not any(prefix == _prefix(kind) for kind in kinds):
            continue
        for key in backend.not_safe:
            why = _key_fault(prefix, key, value) if remote_and_key.endswith(f"_{key}") else None
            if why is not None:
                return why
    return None


@dataclass(frozen=True)
class RefusedKey:
    """A key of a remote's section, or of its notation, with which a run can't be trusted."""

    key: str
    why: str
    """To be read after the key and a comma."""


def refused_keys(remote_name: str, backend: str, options: Mapping[str, str]) -> list[RefusedKey]:
    """Of what a remote's section or notation sets. ``backend`` is its type (``drive``), and
    ``remote_name`` is empty for one that has none (``:drive:``).

    What a section that is called ``local`` sets counts for plain paths as well, whatever its type.
    """
    refused = []
    for key, value in options.items():
        why = _key_fault(backend, _written(key), value)
        if why is None and remote_name == "local" and _written(key) in _BACKENDS["local"].not_safe:
            why = _key_fault("local", _written(key), value)
        if why is not None:
            refused.append(RefusedKey(key, why))
    return refused


def _key_fault(backend: str, key: str, value: str) -> str | None:
    for_all = re.fullmatch(r"(?:global|override)\.(.+)", key, re.DOTALL)
    if key == "type":
        return None
    if for_all is None:
        option = backend_option(backend, key)
        ours_wins = option is not None and option.treatment is Treatment.OURS
    elif for_all[1] in _TAKEN_WHEN_OPENED:
        return _SETS_ITSELF
    else:
        option = option_of(for_all[1])
        ours_wins = option is not None and option.treatment is Treatment.SAID
    return None if ours_wins else _fault(option, value)


def _fault(option: Option | None, value: str) -> str | None:
    if option is None:
        return _UNKNOWN
    return None if option.allows(value) else option.why


def _prefix(backend: str) -> str:
    return _PREFIX_OF_TYPE.get(backend.lower(), backend.lower())


def _written(name: str) -> str:
    return name.lower().replace("-", "_")
