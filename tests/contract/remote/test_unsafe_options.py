"""A start is refused where an option of rclone's is set that no call can overrule: wherever it is
set, in one line that names it, its place, the reason and the mend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tdl_sync.core.errors import ConfigurationError, TdlSyncError
from tdl_sync.options import rclone_options
from tdl_sync.options.rclone_options import MAIN_OPTIONS
from tdl_sync.remote import unsafe_options
from tdl_sync.remote.call_options import NO_FILTER, call_config
from tdl_sync.remote.chain import chain, names_below
from tdl_sync.remote.check import check_remote, look_at_remote
from tests.contract.false_rclone import Answer, false_rclone, tell
from tests.contract.places import OBSCURED_PASSWORD
from tests.contract.rclones import opened_control
from tests.contract.remote.test_rclone_process import NO_ANSWERS
from tests.contract.versions import rclone_named

UNPROVEN = "with which rclone may take files for the same without comparing their bytes"
UNKNOWN = "of which tdl_sync does not know what it would do to the files"


@pytest.fixture(params=["current", "oldest"])
def executable(request: pytest.FixtureRequest) -> str:
    return rclone_named(request.param)


def error_at_start(
    tmp_path: Path, executable: str, remote: str, config: str, *arguments: str
) -> str:
    config_file = tmp_path / "rclone.conf"
    config_file.write_text(config)
    with pytest.raises(ConfigurationError) as caught, ExitStack() as closing:
        check_remote(opened_control(closing, executable, config_file, *arguments), remote)
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != config_file]
    return str(caught.value)


BOX = "[box]\ntype = alias\nremote = {0}/there\n"
BELOW = "[below]\ntype = local\ntime_type = btime\n"
CRYPT = f"type = crypt\npassword = {OBSCURED_PASSWORD}\n"
IN_BELOW = "the section [below] of {0}/rclone.conf sets time_type, with which something else"

REFUSED = [
    pytest.param("below:{0}/x", BELOW, IN_BELOW, id="of the remote itself"),
    pytest.param("top:", f"[top]\n{CRYPT}remote = below:{{0}}/x\n{BELOW}", IN_BELOW, id="crypt"),
    pytest.param(
        "top:",
        f"[top]\ntype = alias\nremote = mid:\n[mid]\n{CRYPT}remote = below:{{0}}/x\n{BELOW}",
        IN_BELOW,
        id="two remotes below",
    ),
    pytest.param(
        "top:",
        f'[top]\ntype = union\nupstreams = {{0}}/a "below:{{0}}/b c:ro"\n{BELOW}',
        IN_BELOW,
        id="union",
    ),
    pytest.param(
        "top:a",
        f'[top]\ntype = combine\nupstreams = a={{0}}/a "b=below:{{0}}/b c"\n{BELOW}',
        IN_BELOW,
        id="combine",
    ),
    pytest.param(
        "top:",
        "[top]\ntype = alias\nremote = :local,no_check_updated:{0}/x\n",
        f"the remote of [top] sets no_check_updated, {UNPROVEN}; leave it out there",
        id="in the notation of the one below",
    ),
    pytest.param(
        ":local,hashes=none:{0}/x",
        BOX,
        f"--remote sets hashes, {UNPROVEN}; leave it out there",
        id="in the notation",
    ),
    pytest.param(
        "box:",
        f"{BOX}[local]\ntype = memory\nhashes = none\n",
        f"the section [local] of {{0}}/rclone.conf sets hashes, {UNPROVEN}; take it out of there",
        id="for all paths, in a section called local of whatever type",
    ),
    pytest.param(
        "box:",
        f"{BOX}override.low_level_retries = 10\n",
        "the section [box] of {0}/rclone.conf sets override.low_level_retries, which tdl_sync sets",
        id="for all remotes, where it is taken when a remote is opened",
    ),
    pytest.param(
        "box:",
        f"{BOX}global.new_in_rclone_2 = 10\n",
        f"the section [box] of {{0}}/rclone.conf sets global.new_in_rclone_2, {UNKNOWN}",
        id="for all remotes, unknown",
    ),
]


@pytest.mark.parametrize(("remote", "config", "expected"), REFUSED)
def test_what_no_call_overrules_is_refused_wherever_it_stands_in_the_chain(
    tmp_path: Path, executable: str, remote: str, config: str, expected: str
) -> None:
    said = error_at_start(tmp_path, executable, remote.format(tmp_path), config.format(tmp_path))
    assert said.startswith(expected.format(tmp_path))
    assert said.endswith(("; take it out of there", "; leave it out there"))


def test_a_remote_that_a_flag_or_a_variable_names_is_part_of_the_chain(
    tmp_path: Path, executable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = f"[top]\n{CRYPT}remote = {tmp_path}/elsewhere\n{BELOW}"
    flag = f"--crypt-remote=below:{tmp_path}/x"
    expected = IN_BELOW.format(tmp_path)
    assert error_at_start(tmp_path, executable, "top:", config, flag).startswith(expected)
    for variable in ("RCLONE_CRYPT_REMOTE", "RCLONE_CONFIG_TOP_REMOTE"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, f"below:{tmp_path}/x")
            assert error_at_start(tmp_path, executable, "top:", config).startswith(expected)


def test_a_remote_made_by_variables_alone_is_looked_at_too(
    tmp_path: Path, executable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known to be unsafe does not reach rclone; what is new would."""
    monkeypatch.setenv("RCLONE_CONFIG_MADE_TYPE", "alias")
    monkeypatch.setenv("RCLONE_CONFIG_MADE_REMOTE", f"below:{tmp_path}/x")
    said = error_at_start(tmp_path, executable, "made:", BELOW)
    assert said.startswith(IN_BELOW.format(tmp_path))

    monkeypatch.setenv("RCLONE_CONFIG_MADE_TYPE", "drive")
    monkeypatch.setenv("RCLONE_CONFIG_MADE_CHUNK_SIZE", "8M")
    known = rclone_options._BACKENDS["drive"].safe
    assert known is not None
    without = rclone_options._Backend({}, known - {"chunk_size"})
    backends = {**rclone_options._BACKENDS, "drive": without}
    monkeypatch.setattr(rclone_options, "_BACKENDS", backends)
    assert error_at_start(tmp_path, executable, "made:", "") == (
        f"the variable RCLONE_CONFIG_MADE_CHUNK_SIZE sets chunk_size, {UNKNOWN}; unset it"
    )


def test_a_key_that_rclone_does_not_know_either_may_stand(
    tmp_path: Path, executable: str, closing: ExitStack
) -> None:
    """Notes, misspelt words, options of old versions: they do nothing."""
    config_file = tmp_path / "rclone.conf"
    config_file.write_text(f"[box]\ntype = local\nmy_note = the big disk\nremote = {tmp_path}\n")
    remote = check_remote(opened_control(closing, executable, config_file), f"box:{tmp_path}/x")
    assert remote.type == "local"


def test_one_that_rclone_knows_and_the_program_does_not_is_refused(
    tmp_path: Path, executable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer rclone may have an option that decides about data."""
    known = rclone_options._BACKENDS["local"]
    assert known.safe is not None
    older = rclone_options._Backend(known.not_safe, known.safe - {"case_sensitive"})
    monkeypatch.setattr(rclone_options, "_BACKENDS", {**rclone_options._BACKENDS, "local": older})
    config = "[box]\ntype = local\ncase_sensitive = true\n"
    assert error_at_start(tmp_path, executable, f"box:{tmp_path}/x", config) == (
        f"the section [box] of {tmp_path}/rclone.conf sets case_sensitive, {UNKNOWN}; "
        "take it out of there"
    )


@pytest.mark.parametrize("option", ["update", "size_only", "ignore_checksum", "exclude"])
def test_what_each_call_overrules_may_stand(
    tmp_path: Path, executable: str, closing: ExitStack, option: str
) -> None:
    config_file = tmp_path / "rclone.conf"
    config_file.write_text(BOX.format(tmp_path) + f"global.{option} = true\n")
    look_at_remote(opened_control(closing, executable, config_file), "box:")


def test_a_script_that_adds_an_option_nobody_has_thought_about_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags that calls overrule may be added; a new one is overruled by none."""
    script = tmp_path / "my rclone"
    script.write_text(
        f'#!/bin/sh\nexec {rclone_named("current")} "$@" --size-only --max-backlog=5\n'
    )
    script.chmod(0o700)
    with ExitStack() as closing:
        control = opened_control(closing, str(script))
        if not control.options_set():
            pytest.skip("the current rclone does not tell of its options yet")
        look_at_remote(control, str(tmp_path))
    others = {name: option for name, option in MAIN_OPTIONS.items() if name != "max_backlog"}
    monkeypatch.setattr(rclone_options, "MAIN_OPTIONS", others)
    with pytest.raises(ConfigurationError) as caught, ExitStack() as closing:
        look_at_remote(opened_control(closing, str(script)), str(tmp_path))
    said = f"{script} runs with --max-backlog set, {UNKNOWN}; take it out where it is set, or "
    assert str(caught.value).startswith(said)


def shown(config: Mapping[str, object]) -> Mapping[str, Answer]:
    body = json.dumps({"config": config, "filter": {}})
    return {"options/local": Answer(body)}


def test_an_rclone_in_which_calls_do_not_win_is_refused(tmp_path: Path) -> None:
    named = dict(call_config())
    with ExitStack() as closing:
        program = false_rclone(tmp_path, shown(named))
        look_at_remote(opened_control(closing, program), str(tmp_path))
    program = false_rclone(tmp_path, shown({**named, "UpdateOlder": True}))
    with pytest.raises(ConfigurationError) as caught, ExitStack() as closing:
        look_at_remote(opened_control(closing, program), str(tmp_path))
    assert str(caught.value) == (
        f"{program} can't be told UpdateOlder = False by a call: it shows True; name another "
        "rclone with --rclone"
    )


def test_all_that_a_call_names_is_held_against_what_rclone_shows(
    executable: str, closing: ExitStack
) -> None:
    """Of what it shows each word counts: a list, a size or a time that differs is seen."""
    in_effect = opened_control(closing, executable).in_effect()
    named = {**call_config(), **NO_FILTER}
    both = named.keys() & in_effect.keys()
    assert len(both) > 45
    for name in both:
        assert unsafe_options._same(named[name], in_effect[name]), name
        for other in ("x", ["x"], 7, {"ExcludeRule": ["x"]}, not named[name]):
            if other not in (named[name], in_effect[name], [], "", 0, False, None):
                assert not unsafe_options._same(named[name], other), (name, other)


def test_the_chain_of_a_remote_has_all_that_it_is_made_of_and_no_other() -> None:
    sections = {
        "top": {"type": "union", "upstreams": 'one:a "two words:b c:nc" /path'},
        "one": {"type": "crypt", "remote": "gdrive,chunk_size=8M:x"},
        "two words": {"type": "combine", "upstreams": "f=gdrive: \"g h=:alias,remote='three:':y\""},
        "three": {"type": "alias", "remote": "top:"},  # in a circle
        "gdrive": {"type": "drive"},
        "other": {"type": "drive", "remote": "one:"},
    }
    assert set(names_below(sections, "top:z")) == {"top", "one", "two words", "three", "gdrive"}
    links = list(chain(sections, "top:z"))
    assert {link.type for link in links} == {"union", "crypt", "combine", "alias", "drive", "local"}
    (notation,) = {tuple(link.notation.items()) for link in links if link.name == "gdrive"} - {()}
    assert notation == (("chunk_size", "8M"),)


NO_BLOCKS = [Answer(body) for body in ('{"config": 5, "filter": {}}', '{"config": {}}', "{}")]
NO_KINDS = [
    Answer(body)
    for body in ('{"providers": 5}', '{"providers": [{"Name": 5}]}', "{}", '{"providers": [null]}')
]
STRANGE = {
    "config/dump": Answer('{"box": {"type": "drive", "new_in_rclone_2": "1"}}'),
    "operations/list": Answer('{"list": []}'),
    "operations/about": Answer("{}"),
}


@pytest.mark.parametrize(
    ("command", "no_answers"),
    [
        ("options/local", NO_BLOCKS),
        ("options/info", []),
        ("config/providers", []),
        ("operations/stat", [Answer('{"item": {"Size": "1", "IsDir": false}}'), Answer("{}")]),
    ],
)
def test_an_answer_of_the_start_that_is_none_is_an_error_in_one_line(
    tmp_path: Path, closing: ExitStack, command: str, no_answers: list[Answer]
) -> None:
    staged = tmp_path / "staged"

    def stage_probe(content: bytes) -> Path:
        staged.write_bytes(content)
        return staged

    control = opened_control(closing, false_rclone(tmp_path, STRANGE))
    remote = "box:" if command == "config/providers" else "/remote"
    for no_answer in [*NO_ANSWERS, *no_answers]:
        tell(tmp_path, {**STRANGE, command: no_answer})
        with pytest.raises(TdlSyncError) as caught:
            check_remote(control, remote, stage_probe=stage_probe)
        assert "\n" not in str(caught.value), no_answer
        assert len(str(caught.value)) < 700, no_answer


def test_a_kind_of_remote_that_rclone_does_not_tell_of_has_its_unknown_keys_refused(
    tmp_path: Path, closing: ExitStack
) -> None:
    control = opened_control(closing, false_rclone(tmp_path, STRANGE))
    for no_kinds in NO_KINDS:
        tell(tmp_path, {**STRANGE, "config/providers": no_kinds})
        with pytest.raises(ConfigurationError) as caught:
            look_at_remote(control, "box:")
        assert "\n" not in str(caught.value)


def test_strange_options_of_the_start_are_no_reason_to_fail(
    tmp_path: Path, closing: ExitStack
) -> None:
    strange = '{"main": [5, {"Name": "bwlimit"}, {}], "filter": null}'
    control = opened_control(closing, false_rclone(tmp_path, {"options/info": Answer(strange)}))
    look_at_remote(control, "/remote")
