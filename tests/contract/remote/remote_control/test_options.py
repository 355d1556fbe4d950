"""What a call names in its options wins over all that a user may have said elsewhere.

What it does not name is taken from there, and much of that decides about data.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.contract.remote.remote_control.conftest import Start
from tests.contract.remote.remote_control.raw_rclone import Answer, RawRclone

OURS, THEIRS = b"what is to be sent", b"what is there, and"
"""Of one size."""

EARLIER_SECONDS = 1_000_000_000


@dataclass
class Moving:
    """A local directory, a remote, and a file in the one that may also be in the other."""

    start: Start
    base: Path
    there: bytes | None = THEIRS
    their_seconds: float = EARLIER_SECONDS - 100

    def __post_init__(self) -> None:
        for name in ("staging", "remote", "other"):
            (self.base / name).mkdir(exist_ok=True)
        self._write("staging", OURS, EARLIER_SECONDS)
        self._write("other", OURS, EARLIER_SECONDS)

    @property
    def source(self) -> Path:
        return self.base / "staging" / "name"

    @property
    def sent(self) -> bytes | None:
        file = self.base / "remote" / "name"
        return file.read_bytes() if file.exists() else None

    def move(
        self,
        *options: str,
        environment: Mapping[str, str] | None = None,
        section: str = "",
        named: Mapping[str, object] = MappingProxyType({}),
    ) -> Answer:
        if self.there is not None:
            self._write("remote", self.there, self.their_seconds)
        config = f"[x]\ntype = alias\nremote = {self.base / 'remote'}\n{section}\n"
        rclone = self.start(*options, config=config, environment=environment)
        return rclone.call(
            "operations/movefile",
            srcFs=str(self.base / "staging"),
            srcRemote="name",
            dstFs="x:",
            dstRemote="name",
            _config=dict(named),
        )

    def _write(self, where: str, content: bytes, seconds: float) -> None:
        file = self.base / where / "name"
        file.write_bytes(content)
        os.utime(file, (seconds, seconds))


@pytest.fixture
def moving(start: Start, tmp_path: Path) -> Moving:
    return Moving(start, tmp_path)


SIZE_ONLY = ["option", "variable"]


@pytest.mark.parametrize("where", SIZE_ONLY)
def test_what_is_not_named_is_taken_from_elsewhere_and_costs_a_file(
    moving: Moving, where: str
) -> None:
    """Other bytes of the same size are there, and the source is deleted."""
    assert say_size_only(moving, where).succeeded

    assert not moving.source.exists()
    assert moving.sent == THEIRS


@pytest.mark.parametrize("where", SIZE_ONLY)
def test_a_comparison_by_checksum_does_not_mend_that(moving: Moving, where: str) -> None:
    assert say_size_only(moving, where, CheckSum=True).succeeded

    assert not moving.source.exists()
    assert moving.sent == THEIRS


@pytest.mark.parametrize("where", SIZE_ONLY)
def test_what_is_named_wins(moving: Moving, where: str) -> None:
    assert say_size_only(moving, where, SizeOnly=False, CheckSum=True).succeeded

    assert not moving.source.exists()
    assert moving.sent == OURS


def say_size_only(moving: Moving, where: str, **named: object) -> Answer:
    if where == "option":
        return moving.move("--size-only", named=named)
    return moving.move(environment={"RCLONE_SIZE_ONLY": "true"}, named=named)


@pytest.mark.parametrize("prefix", ["global", "override"])
def test_what_a_remote_s_section_says_of_comparisons_changes_no_move(
    moving: Moving, prefix: str
) -> None:
    assert moving.move(section=f"{prefix}.size_only = true").succeeded

    assert moving.sent == OURS


def test_without_any_option_the_same_size_and_time_cost_a_file(moving: Moving) -> None:
    """Whatever the bytes are: so a comparison is always named."""
    moving.their_seconds = EARLIER_SECONDS

    assert moving.move().succeeded

    assert not moving.source.exists()
    assert moving.sent == THEIRS


@pytest.mark.parametrize("named", [{"CheckSum": True}, {"IgnoreTimes": True}], ids=str)
def test_a_comparison_that_is_named_sends_other_bytes(
    moving: Moving, named: dict[str, bool]
) -> None:
    moving.their_seconds = EARLIER_SECONDS

    assert moving.move(named=named).succeeded

    assert not moving.source.exists()
    assert moving.sent == OURS


def test_a_directory_to_compare_with_costs_a_file_that_was_never_sent(
    moving: Moving, is_current: bool
) -> None:
    """On an older one. A newer one panics, which fails this call alone."""
    moving.there = None

    answer = moving.move(environment={"RCLONE_COMPARE_DEST": str(moving.base / "other")})

    assert moving.sent is None
    if is_current:
        assert (answer.status, moving.source.exists()) == (500, True)
        assert answer.error.startswith("panic received: runtime error")
    else:
        assert (answer.status, moving.source.exists()) == (200, False)


def test_after_a_panic_it_goes_on(start: Start, tmp_path: Path, is_current: bool) -> None:
    if not is_current:
        pytest.skip("an older one does not panic here")
    moving = Moving(start, tmp_path, there=None)
    rclone = start(environment={"RCLONE_COMPARE_DEST": str(tmp_path / "other")})
    call = {
        "srcFs": str(tmp_path / "staging"),
        "srcRemote": "name",
        "dstFs": str(tmp_path / "remote"),
        "dstRemote": "name",
    }
    assert "panic" in rclone.call("operations/movefile", **call).error

    assert rclone.call("operations/movefile", **call, _config={"CompareDest": []}).succeeded

    assert moving.sent == OURS


@dataclass(frozen=True)
class Case:
    """A user's variable that would change what a move does, and how a call undoes it."""

    variable: str
    value: str
    named: dict[str, object]


HARM = [
    Case("IGNORE_EXISTING", "true", {"IgnoreExisting": False}),
    Case("DRY_RUN", "true", {"DryRun": False}),
    Case("IMMUTABLE", "true", {"Immutable": False}),
    Case("UPDATE", "true", {"UpdateOlder": False}),
    Case("SUFFIX", ".old", {"Suffix": ""}),
    Case("COMPARE_DEST", "{other}", {"CompareDest": []}),
    Case("COPY_DEST", "{other}", {"CopyDest": []}),
    Case("BACKUP_DIR", "x:bin", {"BackupDir": ""}),
    Case("MAX_TRANSFER", "1b", {"MaxTransfer": "off"}),
    Case("CUTOFF_MODE", "SOFT", {"CutoffMode": "HARD"}),
]


@pytest.mark.parametrize("case", HARM, ids=lambda case: case.variable)
def test_a_variable_is_undone_by_what_a_call_names(moving: Moving, case: Case) -> None:
    variable = {f"RCLONE_{case.variable}": case.value.format(other=moving.base / "other")}
    if case.variable == "UPDATE":
        moving.their_seconds = EARLIER_SECONDS + 100

    answer = moving.move(environment=variable, named={"IgnoreTimes": True, **case.named})

    assert (answer.status, answer.said) == (200, {})
    assert not moving.source.exists()
    assert moving.sent == OURS
    assert [file.name for file in (moving.base / "remote").iterdir()] == ["name"]


@pytest.mark.parametrize(
    "case",
    [case for case in HARM if case.variable in ("IGNORE_EXISTING", "DRY_RUN")],
    ids=lambda case: case.variable,
)
def test_a_move_that_moves_nothing_also_succeeds(moving: Moving, case: Case) -> None:
    """Whether it moved is told by the source that is gone."""
    answer = moving.move(
        environment={f"RCLONE_{case.variable}": case.value}, named={"IgnoreTimes": True}
    )

    assert (answer.status, answer.said) == (200, {})
    assert moving.source.exists()
    assert moving.sent == THEIRS


def test_names_of_options_that_it_does_not_know_are_ignored_without_a_word(
    moving: Moving,
) -> None:
    answer = moving.move(named={"IgnoreTimes": True, "NoSuchOption": "any value"})

    assert (answer.status, answer.said) == (200, {})
    assert moving.sent == OURS


def test_a_newer_one_sends_it_under_a_name_that_the_user_s_environment_makes(
    moving: Moving, is_current: bool
) -> None:
    moving.there = None

    assert moving.move(environment={"RCLONE_NAME_TRANSFORM": "prefix=x"}).succeeded

    assert (moving.sent is None) == is_current


def test_a_name_transform_is_undone_by_what_a_call_names(moving: Moving) -> None:
    moving.there = None

    assert moving.move(
        environment={"RCLONE_NAME_TRANSFORM": "prefix=x"}, named={"NameTransform": []}
    ).succeeded

    assert moving.sent == OURS


def test_a_question_to_a_terminal_is_undone_by_what_a_call_names(moving: Moving) -> None:
    """Else it would wait for an answer on its input, for ever."""
    answer = moving.move(
        environment={"RCLONE_INTERACTIVE": "true"},
        named={"Interactive": False, "IgnoreTimes": True},
    )

    assert answer.succeeded
    assert moving.sent == OURS


def test_a_move_of_one_file_knows_no_filter(moving: Moving) -> None:
    filters = {"RCLONE_MAX_SIZE": "1b", "RCLONE_MAX_AGE": "1s", "RCLONE_EXCLUDE": "*"}

    assert moving.move(environment=filters, named={"IgnoreTimes": True}).succeeded

    assert moving.sent == OURS


RULES: dict[str, list[str]] = {
    f"{kind}{which}": [] for kind in ("Filter", "Include", "Exclude") for which in ("Rule", "From")
}
NO_FILTER = {
    "MaxSize": "off",
    "MinSize": "off",
    "MaxAge": "off",
    "MinAge": "off",
    **RULES,
    "ExcludeFile": [],
    "FilesFrom": [],
    "FilesFromRaw": [],
    "IgnoreCase": False,
    "HashFilter": "",
    "MetaRules": RULES,
}


def listed(rclone: RawRclone, directory: Path, **named: object) -> Answer:
    return rclone.call("operations/list", fs=str(directory), remote="", **named)


FILTERS = {
    "MAX_SIZE": "1b",
    "MIN_SIZE": "1k",
    "MAX_AGE": "1s",
    "MIN_AGE": "100y",
    "EXCLUDE": "*",
    "EXCLUDE_FROM": "{everything}",
    "INCLUDE": "nothing",
    "FILTER": "- *",
    "EXCLUDE_IF_PRESENT": "name",
    "FILES_FROM": os.devnull,
    "FILES_FROM_RAW": os.devnull,
}
NEW_FILTERS = {
    "HASH_FILTER": "0/1000000",
    "METADATA_EXCLUDE": "*",
    "METADATA_INCLUDE": "nothing=such",
    "METADATA_FILTER": "- *",
}


@pytest.mark.parametrize("variable", FILTERS)
def test_a_listing_knows_the_user_s_filters_until_a_call_names_them(
    moving: Moving, variable: str
) -> None:
    everything = moving.base / "everything"
    everything.write_text("*\n")
    value = FILTERS[variable].format(everything=everything)
    rclone = moving.start(environment={f"RCLONE_{variable}": value})
    directory = moving.base / "staging"

    assert listed(rclone, directory).said["list"] == []
    (entry,) = listed(rclone, directory, _filter=NO_FILTER).said["list"]
    assert entry["Name"] == "name"


@pytest.mark.parametrize("variable", NEW_FILTERS)
def test_the_filters_of_a_newer_one_are_named_in_the_same_call(
    moving: Moving, variable: str, is_current: bool
) -> None:
    """An older one knows neither the variable nor the name."""
    rclone = moving.start(environment={f"RCLONE_{variable}": NEW_FILTERS[variable]})
    directory = moving.base / "staging"

    assert (listed(rclone, directory).said["list"] == []) == is_current
    (entry,) = listed(rclone, directory, _filter=NO_FILTER).said["list"]
    assert entry["Name"] == "name"


def test_an_age_is_named_by_a_word(moving: Moving) -> None:
    """Not by the number that it has in rclone."""
    rclone = moving.start()

    answer = listed(rclone, moving.base / "staging", _filter={"MaxAge": 9223372036854775807})

    assert answer.status == 400


TAKEN_BY_BOTH = {
    "Timeout": 300_000_000_000,
    "ConnectTimeout": 60_000_000_000,
    "MaxDuration": 0,
    "ModifyWindow": 1,
    "MaxTransfer": "off",
    "CutoffMode": "HARD",
    "BwLimit": "off",
    "BwLimitFile": "off",
    "BufferSize": "16M",
    "StreamingUploadCutoff": "100k",
    "CompareDest": [],
    "CopyDest": [],
    "Headers": [],
    "UploadHeaders": [],
    "DownloadHeaders": [],
    "DisableFeatures": [],
    "NameTransform": [],
    "MetadataMapper": [],
    "MetadataSet": {},
    "Suffix": "",
    "BackupDir": "",
    "OrderBy": "",
}


def test_the_forms_of_values_that_both_versions_take(rclone: RawRclone, tmp_path: Path) -> None:
    """Times are numbers of nanoseconds, and ages words."""
    for name, value in TAKEN_BY_BOTH.items():
        answer = listed(rclone, tmp_path, _config={name: value})
        assert answer.succeeded, (name, answer.error)


@pytest.mark.parametrize("name", ["Timeout", "ConnectTimeout", "MaxDuration", "ModifyWindow"])
def test_a_newer_one_alone_takes_a_time_as_a_word(
    rclone: RawRclone, tmp_path: Path, name: str, is_current: bool
) -> None:
    answer = listed(rclone, tmp_path, _config={name: "5m"})

    assert answer.status == (200 if is_current else 400)


@pytest.mark.parametrize(
    ("name", "value"), [("BwLimit", ""), ("CompareDest", ""), ("CheckSum", "true")]
)
def test_one_value_of_another_form_fails_the_whole_call(
    rclone: RawRclone, tmp_path: Path, name: str, value: str
) -> None:
    assert listed(rclone, tmp_path, _config={name: value}).status == 400
