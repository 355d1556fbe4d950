"""Looks up the known weaknesses of every package in the lock files. Standard library only.

    python3 scripts/audit.py

pip-audit does it, in an environment of its own. It is given all that the lock files name, for
whatever system or Python, and its report has to speak of each: what nobody could say anything of
makes this fail as a weakness does.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PIP_AUDIT = "pip-audit~=2.10"
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)


class AuditFailed(Exception):
    """The packages could not be looked up at all. ``str()`` is one line."""


@dataclass(frozen=True, order=True)
class Pin:
    """One version of one package."""

    name: str
    version: str

    @classmethod
    def of(cls, name: str, version: str) -> Pin:
        """Names are compared as an index compares them."""
        return cls(re.sub(r"[-_.]+", "-", name).lower(), version)


def pins(lock_file: str) -> set[Pin]:
    """All of a lock file's text, whatever its markers say of where they are for."""
    return {Pin.of(*match) for match in _PIN.findall(lock_file)}


def in_turn(of_all: Iterable[Pin]) -> list[list[Pin]]:
    """In lists that name no package twice: a list is for one environment."""
    lists: list[list[Pin]] = []
    for pin in sorted(of_all):
        for known in lists:
            if all(other.name != pin.name for other in known):
                known.append(pin)
                break
        else:
            lists.append([pin])
    return lists


def problems(asked: Sequence[Pin], report: Any) -> list[str]:
    """What a report of pip-audit (its JSON) says against them, a line each; a package that it does
    not speak of, or has left out, is one."""
    found = []
    silent = set(asked)
    for entry in report["dependencies"]:
        if "skip_reason" in entry:
            found.append(f"{entry['name']}: not audited ({entry['skip_reason']})")
            silent = {pin for pin in silent if pin.name != Pin.of(entry["name"], "").name}
            continue
        pin = Pin.of(entry["name"], entry["version"])
        silent.discard(pin)
        for weakness in entry["vulns"]:
            mended = ", ".join(weakness["fix_versions"]) or "no version yet"
            found.append(f"{pin.name} {pin.version}: {weakness['id']}, mended by {mended}")
    found += [f"{pin.name} {pin.version}: not audited" for pin in sorted(silent)]
    return found


def audited(python: Path, asked: Sequence[Pin], directory: Path) -> list[str]:
    """Raises ``AuditFailed``."""
    listed, report = directory / "requirements.txt", directory / "report.json"
    listed.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in asked), "utf-8")
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner"]
    command += ["off", "--requirement", str(listed), "--format", "json", "--output", str(report)]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    try:
        return problems(asked, json.loads(report.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        last = (run.stderr.strip().splitlines() or [f"it ended with status {run.returncode}"])[-1]
        raise AuditFailed(f"pip-audit made no report: {last}") from None


def main() -> int:
    locks = sorted(ROOT.glob("requirements*.lock"))
    asked = set[Pin]().union(*(pins(lock.read_text("utf-8")) for lock in locks))
    with tempfile.TemporaryDirectory(prefix="tdl_sync-audit-") as name:
        directory = Path(name)
        venv.create(directory / "environment", with_pip=True)
        python = directory / "environment" / "bin" / "python"
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        try:
            subprocess.run([*pip, PIP_AUDIT], check=True)
            found = [line for some in in_turn(asked) for line in audited(python, some, directory)]
        except (AuditFailed, subprocess.CalledProcessError) as error:
            print(f"audit: {error}", file=sys.stderr)
            return 1
    print("\n".join([*found, f"audit: {len(asked)} packages, {len(found)} problems"]))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
