"""A locale that can't spell a name is no reason not to move its file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from standins.telegram.world import worlds
from tdl_sync.cli.main import report_error
from tdl_sync.core.operating_system import in_utf8
from tdl_sync.options.config import PLAINLY
from tests.e2e.conftest import Stage
from tests.e2e.expectations import assert_moved, assert_on_remote, wanted
from tests.e2e.program import SOURCE

# What Python makes of a locale like ISO-8859-1, with one that every machine has.
SPELLS_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_names_that_the_locale_cannot_spell_are_moved_and_told(stage: Stage) -> None:
    scene = stage(worlds.files(sizes=[1000, 20], names=["日本語.bin", "Ä é.bin"]))
    source = scene.world.source
    source.title = "Лекции 📚"
    ended = scene.machine.run("-u", SOURCE, variables=SPELLS_ASCII)
    assert_moved(ended, 2)
    assert_on_remote(scene.machine, (source, wanted(source)))
    ended = scene.machine.run("verify", "-u", SOURCE, variables=SPELLS_ASCII)
    assert (ended.exit_status, ended.said) == (0, ""), ended.stderr
    assert "\\u041b\\u0435" in ended.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="there all names are Unicode")
def test_a_name_is_looked_for_as_rclone_has_written_it() -> None:
    for path in (Path("/mnt/日本語/é.bin"), Path("/mnt/\udce9.bin")):
        assert in_utf8(path) == path  # the tests' own locale spells it


def test_what_cannot_be_spelt_at_all_is_one_line_with_what_to_do(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        "é".encode("ascii")
    assert report_error(caught.value, PLAINLY) == 2
    told = capfd.readouterr().err
    assert (told.count("\n"), "(ascii): set LC_ALL=C.UTF-8 or PYTHONUTF8=1" in told) == (1, True)
    with pytest.raises(UnicodeEncodeError) as caught:
        "\ud800".encode("utf-8")
    assert report_error(caught.value, PLAINLY) == 1  # that is a bug
