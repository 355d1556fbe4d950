"""What a call names wins in the real rclones, whatever a user has set for rclone in general."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tdl_sync.options.rclone_options import Treatment, option_of
from tdl_sync.remote.call_options import NO_FILTER, Comparison, call_config
from tests.contract.rclone_servers import served
from tests.contract.remote.remote_control.raw_rclone import RawRclone
from tests.contract.versions import printed_by, rclone_named

BY_HASH = call_config(compare=Comparison.BY_HASH)


@dataclass(frozen=True)
class Opposite:
    """What a user could set so that another thing is done than a call wants."""

    field: str
    """As calls name it; with a ``.`` for one in ``MetaRules``."""

    flag: str
    value: str
    alone: bool = False
    """It goes with no filter, and with no ``compare-dest``."""


OPPOSITES = [
    Opposite("BackupDir", "backup-dir", ":memory:backup"),
    Opposite("CheckSum", "checksum", "true"),
    Opposite("CompareDest", "compare-dest", ":memory:compare"),
    Opposite("CopyDest", "copy-dest", ":memory:copy", alone=True),
    Opposite("CutoffMode", "cutoff-mode", "SOFT"),
    Opposite("DryRun", "dry-run", "true"),
    Opposite("Dump", "dump", "headers"),
    Opposite("FixCase", "fix-case", "true"),
    Opposite("IgnoreCaseSync", "ignore-case-sync", "true"),
    Opposite("IgnoreChecksum", "ignore-checksum", "true"),
    Opposite("IgnoreErrors", "ignore-errors", "true"),
    Opposite("IgnoreExisting", "ignore-existing", "true"),
    Opposite("IgnoreSize", "ignore-size", "true"),
    Opposite("IgnoreTimes", "ignore-times", "true"),
    Opposite("Immutable", "immutable", "true"),
    Opposite("Interactive", "interactive", "true"),
    Opposite("Links", "links", "true"),
    Opposite("MaxDelete", "max-delete", "0"),
    Opposite("MaxDeleteSize", "max-delete-size", "1"),
    Opposite("MaxDepth", "max-depth", "1"),
    Opposite("MaxDuration", "max-duration", "1ms"),
    Opposite("MaxTransfer", "max-transfer", "1"),
    Opposite("Metadata", "metadata", "true"),
    Opposite("MetadataMapper", "metadata-mapper", "false"),
    Opposite("MetadataSet", "metadata-set", "content-type=text/plain"),
    Opposite("ModifyWindow", "modify-window", "100h"),
    Opposite("MultiThreadSet", "multi-thread-streams", "9"),
    Opposite("NameTransform", "name-transform", "prefix=x"),
    Opposite("NoCheckDest", "no-check-dest", "true"),
    Opposite("NoTraverse", "no-traverse", "true"),
    Opposite("NoUnicodeNormalization", "no-unicode-normalization", "true"),
    Opposite("NoUpdateDirModTime", "no-update-dir-modtime", "true"),
    Opposite("NoUpdateModTime", "no-update-modtime", "true"),
    Opposite("PartialSuffix", "partial-suffix", ".part"),
    Opposite("RefreshTimes", "refresh-times", "true"),
    Opposite("Retries", "retries", "7"),
    Opposite("ServerSideAcrossConfigs", "server-side-across-configs", "true"),
    Opposite("SizeOnly", "size-only", "true"),
    Opposite("StreamingUploadCutoff", "streaming-upload-cutoff", "1"),
    Opposite("Suffix", "suffix", ".old"),
    Opposite("SuffixKeepExtension", "suffix-keep-extension", "true"),
    Opposite("TrackRenames", "track-renames", "true"),
    Opposite("TrackRenamesStrategy", "track-renames-strategy", "leaf"),
    Opposite("UpdateOlder", "update", "true"),
    Opposite("UseServerModTime", "use-server-modtime", "true"),
    Opposite("DeleteExcluded", "delete-excluded", "true"),
    Opposite("ExcludeFile", "exclude-if-present", "f"),
    Opposite("ExcludeFrom", "exclude-from", "{rules}"),
    Opposite("ExcludeRule", "exclude", "*"),
    Opposite("FilesFrom", "files-from", "{names}", alone=True),
    Opposite("FilesFrom0", "files-from0", "{names}", alone=True),
    Opposite("FilesFromRaw", "files-from-raw", "{names}", alone=True),
    Opposite("FilterFrom", "filter-from", "{rules}"),
    Opposite("FilterRule", "filter", "- *"),
    Opposite("HashFilter", "hash-filter", "1/1000"),
    Opposite("IgnoreCase", "ignore-case", "true"),
    Opposite("IncludeFrom", "include-from", "{names}"),
    Opposite("IncludeRule", "include", "nothing"),
    Opposite("MaxAge", "max-age", "2h"),
    Opposite("MaxSize", "max-size", "2T"),
    Opposite("MinAge", "min-age", "1h"),
    Opposite("MinSize", "min-size", "1T"),
    Opposite("MetaRules.ExcludeFrom", "metadata-exclude-from", "{rules}"),
    Opposite("MetaRules.ExcludeRule", "metadata-exclude", "*"),
    Opposite("MetaRules.FilterFrom", "metadata-filter-from", "{rules}"),
    Opposite("MetaRules.FilterRule", "metadata-filter", "- *"),
    Opposite("MetaRules.IncludeFrom", "metadata-include-from", "{names}"),
    Opposite("MetaRules.IncludeRule", "metadata-include", "nothing"),
]

NOT_AMONG_A_CALLS_IN_THE_OLDEST = {"Links", "Retries"}
"""It is the first an option of a local remote there, and the second one of commands."""


@pytest.fixture(params=["current", "oldest"])
def executable(request: pytest.FixtureRequest) -> str:
    return rclone_named(request.param)


@pytest.fixture
def no_config(tmp_path: Path) -> Path:
    config_file = tmp_path / "rclone.conf"
    config_file.write_text("")
    return config_file


def flat(local: Mapping[str, Any]) -> dict[str, Any]:
    """What ``options/local`` shows, each by the name that ``Opposite`` gives it."""
    values = {**local["config"], **local["filter"]}
    rules = values.pop("MetaRules", {})
    values |= {f"MetaRules.{name}": value for name, value in rules.items()}
    return {name: value or None for name, value in values.items()}


def said() -> dict[str, object]:
    return flat({"config": BY_HASH, "filter": NO_FILTER})


def opposites(executable: str, directory: Path, alone: bool) -> dict[str, str]:
    """Flags and values, of those that this rclone knows."""
    directory.joinpath("rules").write_text("- *\n")
    directory.joinpath("names").write_text("nothing\n")
    flags = printed_by(executable, "help", "flags")
    return {
        each.flag: each.value.format(rules=directory / "rules", names=directory / "names")
        for each in OPPOSITES
        if each.alone is alone and f"--{each.flag} " in flags
    }


def as_variables(flags: Mapping[str, str]) -> dict[str, str]:
    return {f"RCLONE_{flag.upper().replace('-', '_')}": value for flag, value in flags.items()}


def started_with(
    executable: str, config_file: Path, flags: Mapping[str, str]
) -> Iterator[tuple[str, RawRclone]]:
    arguments = [f"--{flag}={value}" for flag, value in flags.items()]
    with RawRclone(executable, config_file, None, *arguments) as rclone:
        yield "flags", rclone
    with RawRclone(executable, config_file, as_variables(flags)) as rclone:
        yield "variables", rclone


def test_there_is_an_opposite_of_all_that_a_call_names_and_the_list_says_so() -> None:
    assert {each.field for each in OPPOSITES} == said().keys()
    for each in OPPOSITES:
        if each.field != "MultiThreadSet":  # what the number of streams is, users may say
            option = option_of(each.flag)
            assert option is not None
            assert option.treatment is Treatment.SAID, each.flag


@pytest.mark.parametrize("alone", [False, True])
def test_what_a_call_names_wins_over_flags_and_variables(
    executable: str, no_config: Path, alone: bool
) -> None:
    """Each option of the opposites is in effect without, and none of it is in a call of ours."""
    with RawRclone(executable, no_config) as rclone:
        wanted = flat(rclone.done("options/local", _config=BY_HASH, _filter=NO_FILTER))
    flags = opposites(executable, no_config.parent, alone)
    fields = {each.field for each in OPPOSITES if each.flag in flags} & wanted.keys()
    # What the call says by itself, the other comparison shows: it takes the other value.
    by_itself = {"CheckSum", "IgnoreTimes"} & fields
    for way, rclone in started_with(executable, no_config, flags):
        without = flat(rclone.done("options/local"))
        within = flat(rclone.done("options/local", _config=BY_HASH, _filter=NO_FILTER))
        assert fields
        for field in fields - by_itself:
            assert without[field] != wanted[field], f"{field} has no opposite among the {way}"
        for field in fields:
            assert within[field] == wanted[field], f"{field} is not the call's beside {way}"


def test_the_other_comparison_is_the_calls_too(executable: str, no_config: Path) -> None:
    """Where everything is sent, what is there already counts for nothing."""
    arguments = ["--checksum=false", "--ignore-times=false", "--size-only", "--update"]
    with RawRclone(executable, no_config, None, *arguments) as rclone:
        within = rclone.done("options/local", _config=call_config())["config"]
        assert (within["CheckSum"], within["IgnoreTimes"]) == (True, True)
        within = rclone.done("options/local", _config=BY_HASH)["config"]
        assert (within["CheckSum"], within["IgnoreTimes"]) == (True, False)
        known = call_config(look_first=False, low_level_retries=1)
        within = rclone.done("options/local", _config=known)["config"]
        assert (within["NoCheckDest"], within["LowLevelRetries"]) == (True, 1)


def test_a_call_says_what_rclone_does_for_a_user_who_has_set_nothing(
    executable: str, no_config: Path
) -> None:
    with RawRclone(executable, no_config) as rclone:
        by_default = flat(rclone.done("options/local"))
        within = flat(rclone.done("options/local", _config=BY_HASH, _filter=NO_FILTER))
    differing = {name for name in within if within[name] != by_default[name]}
    assert differing <= {"CheckSum", "Retries"}
    assert "CheckSum" in differing


def test_what_the_oldest_rclone_can_not_be_told_it_has_no_option_for(no_config: Path) -> None:
    executable = rclone_named("oldest")
    flags = printed_by(executable, "help", "flags")
    with RawRclone(executable, no_config) as rclone:
        known = flat(rclone.done("options/local")).keys()
    not_known = {each.field for each in OPPOSITES} - known
    has_a_flag = {
        each.field
        for each in OPPOSITES
        if each.field in not_known and f"--{each.flag} " in flags + " --retries "
    }
    assert has_a_flag == NOT_AMONG_A_CALLS_IN_THE_OLDEST


class Places:
    """A staging directory and a remote on this machine, with files whose fate tells enough."""

    def __init__(self, directory: Path) -> None:
        self.staging = directory / "staging"
        self.remote = directory / "remote"
        self.staging.mkdir()
        self.remote.joinpath("sub", "deep").mkdir(parents=True)
        self.staging.joinpath("new").write_bytes(b"new file")
        self.staging.joinpath("other").write_bytes(b"good bytes")
        self.staging.joinpath("x.rclonelink").write_bytes(b"/etc/passwd")
        self.remote.joinpath("other").write_bytes(b"bad bytes!")  # as long, and newer
        self.remote.joinpath("sub", "deep", "f").write_bytes(b"deep")
        self.remote.joinpath("surplus").write_bytes(b"surplus")

    def move(
        self, rclone: RawRclone, name: str, remote: str = "", config: object = BY_HASH
    ) -> None:
        rclone.done(
            "operations/movefile",
            **{"srcFs": str(self.staging), "srcRemote": name},
            **{"dstFs": remote or str(self.remote), "dstRemote": name},
            **{"_config": config, "_filter": NO_FILTER, "_group": "global_stats"},
        )

    def on_remote(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.remote)): path.read_bytes()
            for path in self.remote.rglob("*")
            if path.is_file() and not path.is_symlink()
        }


@pytest.mark.parametrize("compare", Comparison)
def test_calls_do_what_they_say_whatever_variables_say(
    executable: str, no_config: Path, tmp_path: Path, compare: Comparison
) -> None:
    """All opposites at once: files are moved, listed, read, put and removed all the same."""
    places = Places(tmp_path)
    named = {"_config": call_config(compare=compare), "_filter": NO_FILTER}
    variables = as_variables(opposites(executable, tmp_path, alone=False))
    del variables["RCLONE_LINKS"]  # the oldest can't be told; see the test of what is dropped
    remote = str(places.remote)
    with RawRclone(executable, no_config, variables) as rclone:
        deleted = rclone.call("operations/deletefile", fs=remote, remote="surplus")
        assert not deleted.succeeded, "the variables are not in effect"
        hidden = rclone.done("operations/list", fs=remote, remote="")["list"]
        assert all(each["IsDir"] for each in hidden)
        for name in ("new", "other", "x.rclonelink"):
            places.move(rclone, name, config=named["_config"])
        rclone.done("operations/deletefile", fs=remote, remote="surplus", **named)
        rclone.done("operations/mkdir", fs=remote, remote="made", **named)
        rclone.upload("put", b"put" * 50_000, fs=remote, remote="", **named)
        copied = {"srcFs": remote, "srcRemote": "sub/deep/f", "dstFs": str(places.staging)}
        rclone.done("operations/copyfile", dstRemote="read", **copied, **named)
        everything = {"recurse": True, "showHash": True}
        listed = rclone.done("operations/list", fs=remote, remote="", opt=everything, **named)[
            "list"
        ]
    assert places.on_remote() == {
        "new": b"new file",
        "other": b"good bytes",
        "x.rclonelink": b"/etc/passwd",
        "sub/deep/f": b"deep",
        "put": b"put" * 50_000,
    }
    assert [path.name for path in places.staging.iterdir()] == ["read"]
    folders = {"made", "sub", "sub/deep"}
    assert {each["Path"] for each in listed} == places.on_remote().keys() | folders


@pytest.mark.parametrize("kind", ["global", "override"])
def test_calls_do_what_they_say_whatever_the_remotes_section_says(
    executable: str, no_config: Path, tmp_path: Path, kind: str
) -> None:
    places = Places(tmp_path)
    flags = opposites(executable, tmp_path, alone=False)
    del flags["links"]  # taken when the remote is opened: such a section is refused
    options = "".join(
        f"{kind}.{flag.replace('-', '_')} = {value}\n" for flag, value in flags.items()
    )
    no_config.write_text(f"[there]\ntype = alias\nremote = {places.remote}\n{options}")
    with RawRclone(executable, no_config) as rclone:
        for name in ("new", "other"):
            places.move(rclone, name, "there:")
        named = {"_config": BY_HASH, "_filter": NO_FILTER}
        listed = rclone.done("operations/list", fs="there:", remote="", **named)["list"]
        rclone.done("operations/deletefile", fs="there:", remote="surplus", **named)
    assert {each["Path"] for each in listed} == {"new", "other", "sub", "surplus"}
    assert places.on_remote() == {
        "new": b"new file",
        "other": b"good bytes",
        "sub/deep/f": b"deep",
    }


def test_a_file_that_is_listed_without_a_hash_is_replaced_only_where_everything_is_sent(
    executable: str, no_config: Path, tmp_path: Path
) -> None:
    """A remote that has hashes may have files without one: put into it by others (Nextcloud), or
    in parts (S3). Told to compare by hash, rclone takes such a file for the same by its size alone
    and deletes the source; so ``BY_HASH`` is for files that were listed with theirs."""
    places = Places(tmp_path)
    with served("webdav", places.remote) as url:
        no_config.write_text(f"[there]\ntype = webdav\nvendor = owncloud\nurl = {url}\n")
        with RawRclone(executable, no_config) as rclone:
            assert "md5" in rclone.done("operations/fsinfo", fs="there:")["Hashes"]
            named = {"_config": BY_HASH, "_filter": NO_FILTER, "opt": {"showHash": True}}
            listed = rclone.done("operations/list", fs="there:", remote="", **named)["list"]
            assert [each for each in listed if each.get("Hashes")] == []

            places.move(rclone, "other", "there:")
            assert not (places.staging / "other").exists()
            assert places.on_remote()["other"] == b"bad bytes!"

            (places.staging / "other").write_bytes(b"good bytes")
            places.move(rclone, "other", "there:", config=call_config())
    assert places.on_remote()["other"] == b"good bytes"


@pytest.mark.parametrize("size_bytes", [0, 999, 1000, 1001, 30_000_000])
def test_reading_ends_where_a_file_is_longer_than_it_may_be(
    executable: str, no_config: Path, tmp_path: Path, size_bytes: int
) -> None:
    """A filter of sizes does not do that: it is not asked where a call names its file."""
    places = Places(tmp_path)
    places.remote.joinpath("f").write_bytes(b"x" * size_bytes)
    copied = {"srcFs": str(places.remote), "srcRemote": "f", "dstFs": str(places.staging)}
    with RawRclone(executable, no_config) as rclone:
        places.move(rclone, "new")  # what other calls send does not count
        config = call_config(max_bytes=1000)
        copy = rclone.call(
            "operations/copyfile", dstRemote="f", **copied, _config=config, _filter=NO_FILTER
        )
    read = places.staging / "f"
    assert copy.succeeded is (size_bytes <= 1000)
    assert (read.stat().st_size if read.exists() else None) == (
        size_bytes if size_bytes <= 1000 else None
    )
