"""The program to unpack and run, as far as nothing has to be built: scripts/build_executable.py
checks the rest."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from scripts.build_executable import LEFT_OUT, folder_name
from scripts.environment import ROOT
from scripts.executable import check, notices
from scripts.executable.notices import Bundled, Environment, UnknownPart, part_of, without_a_notice
from standins.telegram.inject.standin_public_key import FINGERPRINT

PACKAGES = Path(sysconfig.get_path("purelib"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The tests' own, with a Python that has its licence."""
    tmp_path = tmp_path_factory.mktemp("built")
    python, work = tmp_path / "python", tmp_path / "work"
    for place in (python / "lib" / "python3.11", work):
        place.mkdir(parents=True)
    (python / "lib" / "python3.11" / "LICENSE.txt").write_text("the PSF's")
    return Environment(PACKAGES, python, work)


def test_each_file_and_module_has_its_part(environment: Environment) -> None:
    import pyrogram
    import tqdm

    def part(name: str, source: Path | str) -> str:
        return part_of(Bundled(name, Path(source)), environment)

    assert part("tqdm", str(tqdm.__file__)) == "tqdm"
    assert part("_internal/pyrogram", str(pyrogram.__file__)) == "kurigram"
    assert part("_internal/libcrypto.so.3", "/lib/x86_64-linux-gnu/libcrypto.so.3") == "openssl"
    assert part("_internal/libssl.3.dylib", environment.python / "lib/libssl.3.dylib") == "openssl"
    assert part("_internal/sqlite3.dll", environment.python / "DLLs" / "sqlite3.dll") == "sqlite"
    assert part("_internal/VCRUNTIME140.dll", r"C:\Windows\VCRUNTIME140.dll".split("\\")[-1]) == (
        "microsoft"
    )
    assert part("abc", environment.python / "lib" / "python3.11" / "abc.py") == "python"
    assert part("tdl-sync", environment.work / "tdl-sync") == "tdl-sync"


@pytest.mark.parametrize("name", ["libreadline.so.8", "libtinfo.so.6", "libjpeg.so.62", "x.py"])
def test_what_nobody_has_looked_at_is_not_passed_on(name: str, environment: Environment) -> None:
    with pytest.raises(UnknownPart, match=rf"under which licence _internal/{re.escape(name)} "):
        part_of(Bundled(f"_internal/{name}", Path("/usr/lib") / name), environment)


def test_the_notices_hold_a_text_for_each_part_and_say_which_may_be_exchanged(
    environment: Environment, tmp_path: Path
) -> None:
    folder = tmp_path / "notices"
    known = dict(environment.distributions())
    parts = {"kurigram", "tgcrypto-pyrofork", "gcc", "util-linux", "microsoft", "python", "rclone"}
    for part in parts | {*notices.IN_PYTHON} | {part for _, part in notices.LIBRARIES}:
        texts = notices.texts_of(part, known.get(part), environment)
        assert all(text.stat().st_size for text in texts), part
    folder.mkdir()
    (folder / "bundled.txt").write_text("a\tone\nb\ttwo\n")
    (folder / "one").mkdir()
    (folder / "one" / "LICENSE").write_text("free")
    assert without_a_notice(["a", "b", "c"], folder) == ["b", "c"]
    for part in notices.EXCHANGEABLE:
        assert part in notices.HEAD


def test_a_part_without_the_text_of_its_licence_is_not_passed_on(environment: Environment) -> None:
    with pytest.raises(UnknownPart, match="no-such-part brings no text of its licence"):
        notices.texts_of("no-such-part", None, environment)


def test_readline_is_left_out() -> None:
    """Its licence would be that of the whole."""
    assert "readline" in LEFT_OUT


def test_the_archive_is_named_after_its_system() -> None:
    assert re.fullmatch(r"tdl-sync-1\.2\.3-(linux|macos|windows)(-musl)?-\w+", folder_name("1.2.3"))


def test_a_file_of_kurigram_is_exchanged_for_one_that_trusts_the_stand_in(tmp_path: Path) -> None:
    """In a copy: what is passed on stays as it is."""
    import pyrogram

    crypto = tmp_path / "program" / "_internal" / "pyrogram" / "crypto"
    crypto.mkdir(parents=True)
    own = Path(str(pyrogram.__file__)).parent / "crypto" / "rsa.py"
    shutil.copyfile(own, crypto / "rsa.py")
    copy = check.exchanged(tmp_path / "program", tmp_path / "copies")
    changed = runpy.run_path(str(copy / "_internal" / "pyrogram" / "crypto" / "rsa.py"))
    assert FINGERPRINT in changed["server_public_keys"]
    assert FINGERPRINT not in runpy.run_path(str(crypto / "rsa.py"))["server_public_keys"]


def test_it_is_a_python_for_what_its_demo_starts_and_for_nothing_else() -> None:
    entry = ROOT / "scripts" / "executable" / "entry.py"
    text = entry.read_text("utf-8")
    started = set(
        re.findall(r'f"\{STAND_INS\}\.(\w+)"', (ROOT / "standins/demonstration.py").read_text())
    )
    assert started == {"guard", "telegram"}
    assert all(f'"tdl_sync.standins.{each}"' in text for each in started)
    for words, status, said in (
        (["--version"], 0, "tdl_sync "),
        (["-m", "tdl_sync", "--version"], 0, "tdl_sync "),
        (["-m", "this"], 2, ""),
    ):
        command = [sys.executable, "-c", f"import runpy; runpy.run_path({str(entry)!r})", *words]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (ended.returncode, ended.stdout.startswith(said)) == (status, True), ended.stderr
        assert "Zen" not in ended.stdout
