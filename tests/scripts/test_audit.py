"""A package with a known weakness fails the audit, and so does one that nobody looked at."""

from __future__ import annotations

from scripts.audit import Pin, in_turn, pins, problems
from tests.e2e.program import ROOT

A, B = Pin("a-b", "1.0"), Pin("c", "2.0")
WELL = {"name": "a-b", "version": "1.0", "vulns": []}


def test_all_of_a_lock_file_is_looked_up_for_whatever_system_it_is() -> None:
    text = """# made by
a_B[extra]==1.0 \\
    --hash=sha256:00
c==2.0 ; sys_platform == "darwin" \\
    --hash=sha256:01
c==2.1 ; sys_platform != "darwin" \\
    --hash=sha256:02
    # via a-b==9
"""
    assert pins(text) == {A, B, Pin("c", "2.1")}
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text("utf-8")
        assert len(pins(text)) == sum(
            "==" in line for line in text.split("\n") if line[:1].isalnum()
        )


def test_no_list_names_a_package_twice() -> None:
    assert in_turn([Pin("c", "2.1"), A, B]) == [[A, B], [Pin("c", "2.1")]]


def test_a_weakness_is_named_with_the_version_that_has_it_no_more() -> None:
    weak = {"id": "PYSEC-1", "fix_versions": ["2.5"]}
    report = {"dependencies": [WELL, {"name": "C", "version": "2.0", "vulns": [weak]}]}
    assert problems([A, B], report) == ["c 2.0: PYSEC-1, mended by 2.5"]


def test_what_could_not_be_audited_is_a_problem_and_not_a_good_sign() -> None:
    left_out = {"name": "c", "skip_reason": "not on the index"}
    assert problems([A, B], {"dependencies": [WELL, left_out]}) == [
        "c: not audited (not on the index)"
    ]
    other = {"name": "c", "version": "2.1", "vulns": []}
    assert problems([A, B], {"dependencies": [WELL, other]}) == ["c 2.0: not audited"]
    assert problems([A, B], {"dependencies": [WELL, {**other, "version": "2.0"}]}) == []
