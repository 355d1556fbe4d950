"""Puts one small fault after the other into a copy of this tree; the tests have to find each.

    python3 scripts/faults.py                              all of tests/faults.jsonl
    python3 scripts/faults.py W1 L11                       these
    python3 scripts/faults.py --file tdl_sync/state/lease.py     those of one file
    python3 scripts/faults.py --jobs 4                     so many at a time (default: 2)

The list has one fault a line: in ``file`` the ``nth`` occurrence of ``old`` becomes ``new``, and
one of ``tests`` has to fail then, or not to end in time. ``harmless`` is a sentence that says why
a fault changes nothing that anybody could observe; such a fault is only run with ``--harmless``.
What is copied is what git knows of and what it does not ignore; the working tree is only read.
The exit status is 0 when all faults were found or are harmless, 1 when some survived, 2 when the
list does not fit the code or a test fails without any fault. Standard library only, and git.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.environment import ROOT, SetUpFailed, prepare_environment
from scripts.reaper import kill_session
from scripts.test import TEST_REQUIREMENTS

LIST = Path("tests/faults.jsonl")
DEFAULT_JOBS = 2
LEAST_SECONDS = 60.0
TIMES_AS_LONG = 10.0
"""With a fault the tests may take ten times as long as without, and a minute: then they hang."""

_PYTEST = ("-n", "0", "-q", "-x", "--tb=short", "-rfE", "-p", "no:cacheprovider")
_SAME_EXAMPLES = "--hypothesis-seed=0"
"""The verdict on a fault must not depend on luck."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)
_NOTHING_RAN = (4, 5)
_OPTIONAL = {"harmless"}


class Misfit(Exception):
    """The list does not fit the code, or the tests fail by themselves. ``str()`` says where."""


@dataclass(frozen=True)
class Fault:
    """One line of the list."""

    id: str
    file: str
    old: str
    new: str
    nth: int
    tests: tuple[str, ...]
    harmless: str | None = None

    @classmethod
    def from_json(cls, line: str) -> Fault:
        """Raises ``Misfit`` for anything that is not exactly one fault."""
        try:
            fields = json.loads(line)
            needed = set(cls.__dataclass_fields__) - _OPTIONAL
            if set(fields) - _OPTIONAL != needed:
                raise ValueError(f"expected the keys {', '.join(sorted(needed))}")
            return cls(**{**fields, "tests": tuple(fields["tests"])})
        except (ValueError, TypeError) as error:
            raise Misfit(f"{line[:60]!r} is not a fault: {error}") from error

    def put_into(self, text: str) -> str:
        """The text of its file with the fault. Raises ``Misfit`` where it has no such place."""
        at = -len(self.old)
        for _ in range(self.nth):
            at = text.find(self.old, at + len(self.old))
            if at < 0:
                raise Misfit(
                    f"{self.id}: {self.file} does not hold its old text {self.nth} times: "
                    f"{self.old!r}"
                )
        return text[:at] + self.new + text[at + len(self.old) :]


def read_faults(path: Path) -> list[Fault]:
    """All faults of a list. Raises ``Misfit``."""
    faults = [Fault.from_json(line) for line in path.read_text("utf-8").splitlines() if line]
    ids = [fault.id for fault in faults]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise Misfit(f"{path.name} holds more than one fault {', '.join(twice)}")
    return faults


def chosen(faults: Sequence[Fault], ids: Sequence[str], files: Sequence[str]) -> list[Fault]:
    """Those with these ids and those of these files; all where neither is given."""
    if unknown := sorted(set(ids) - {fault.id for fault in faults}):
        raise Misfit(f"there is no fault {', '.join(unknown)} in {LIST}")
    if unknown := sorted(set(files) - {fault.file for fault in faults}):
        raise Misfit(f"{LIST} holds no fault of {', '.join(unknown)}")
    if not ids and not files:
        return list(faults)
    return [fault for fault in faults if fault.id in ids or fault.file in files]


@dataclass(frozen=True)
class Run:
    """How tests ended. ``exit_status`` is ``None`` where they had to be ended."""

    exit_status: int | None
    output: str
    seconds: float

    @property
    def failed(self) -> str | None:
        """What failed first; ``None`` if all passed."""
        if self.exit_status == 0:
            return None
        if self.exit_status is None:
            return f"not ending within {self.seconds:.0f} s"
        found = _FAILED.search(self.output)
        if found:
            return found[1]
        last_line = self.output.rstrip().rpartition("\n")[2]
        return f"pytest, which ended with status {self.exit_status}: {last_line}"


class Trees:
    """Copies of a tree, each with a fault for a while. ``close`` removes them, and what runs."""

    def __init__(self, root: Path, python: Path, variables: Mapping[str, str], copies: int) -> None:
        self._root = root
        self._python = python
        self._variables = dict(variables)
        self._copies = copies
        self._directory = Path(tempfile.mkdtemp(prefix="tdl_sync-faults-"))
        self._first = self._directory / "tree1"
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def copy(self) -> None:
        """Copy what git tracks or would track. Raises ``Misfit`` where it is no git tree."""
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            listed = subprocess.run(command, cwd=self._root, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Misfit(f"git cannot list the files of {self._root}: {error}") from error
        for name in sorted(set(os.fsdecode(listed.stdout).split("\0")) - {""}):
            source, target = self._root / name, self._first / name
            if source.is_file() or source.is_symlink():  # a deleted one is still in the index
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)

    def run_sound(self, tests: Sequence[str]) -> Run:
        """Run tests without a fault. What Python compiles is kept for the faulty runs."""
        return self._run(self._first, tests, self._variables, None)

    def multiply(self) -> None:
        """After the sound runs, before the first faulty one."""
        self._free.put(self._first)
        for number in range(2, self._copies + 1):
            another = self._first.with_name(f"tree{number}")
            shutil.copytree(self._first, another, symlinks=True)
            self._free.put(another)

    def run_with(self, fault: Fault, limit_seconds: float) -> Run:
        """Run a fault's tests with it."""
        tree = self._free.get()
        path = tree / fault.file
        sound, times = path.read_bytes(), path.stat()
        try:
            path.write_bytes(fault.put_into(sound.decode()).encode())
            # Python takes a compiled file for current by the seconds of its source's date.
            os.utime(path, (times.st_atime, times.st_mtime + 10))
            variables = {**self._variables, "PYTHONDONTWRITEBYTECODE": "1"}
            return self._run(tree, fault.tests, variables, limit_seconds)
        finally:
            path.write_bytes(sound)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            shutil.rmtree(tree / ".hypothesis" / "examples", ignore_errors=True)
            self._free.put(tree)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for process in self._running:
                kill_session(process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(
        self,
        tree: Path,
        tests: Sequence[str],
        variables: Mapping[str, str],
        limit_seconds: float | None,
    ) -> Run:
        began = time.monotonic()
        with self._lock:
            if self._closed:
                return Run(None, "", 0.0)
            process = subprocess.Popen(
                [str(self._python), "-m", "pytest", *_PYTEST, _SAME_EXAMPLES, *tests],
                cwd=tree,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        try:
            output, _ = process.communicate(timeout=limit_seconds)
            exit_status: int | None = process.returncode
        except subprocess.TimeoutExpired:
            exit_status, output = None, ""
        finally:
            kill_session(process)  # and what a test that failed has started
            process.wait()
            with self._lock:
                self._running.remove(process)
        if exit_status in _NOTHING_RAN:
            raise Misfit(f"pytest runs nothing of {' '.join(tests)}:\n{output}")
        return Run(exit_status, output, time.monotonic() - began)


class Campaign:
    """Runs faults and says of each what became of it."""

    def __init__(self, trees: Trees, jobs: int, say: Callable[[str], None]) -> None:
        self._trees = trees
        self._jobs = jobs
        self._say = say
        self.found = 0
        self.harmless = 0
        self.survivors: list[Fault] = []
        self.not_harmless: list[Fault] = []

    def run(self, faults: Sequence[Fault], *, run_harmless: bool) -> None:
        """Raises ``Misfit`` before the first fault where a test fails without any."""
        self._trees.copy()
        to_run = []
        for fault in faults:
            if fault.harmless is None or run_harmless:
                to_run.append(fault)
            else:
                self.harmless += 1
                self._say(f"{fault.id} harmless: {fault.harmless}")
        sound_seconds = self._run_sound({fault.tests for fault in to_run})
        self._trees.multiply()
        with ThreadPoolExecutor(self._jobs) as pool:
            runs: dict[Future[Run], Fault] = {
                pool.submit(
                    self._trees.run_with,
                    fault,
                    LEAST_SECONDS + TIMES_AS_LONG * sound_seconds[fault.tests],
                ): fault
                for fault in to_run
            }
            try:
                for done in as_completed(runs):
                    self._judge(runs[done], done.result())
            except BaseException:
                self._give_up(runs)
                raise

    def summary(self) -> str:
        parts = [f"{self.found} found", f"{self.harmless} harmless"]
        parts.append(f"{len(self.survivors)} survived{self._names(self.survivors)}")
        if self.not_harmless:
            parts.append(
                f"{len(self.not_harmless)} called harmless and found"
                f"{self._names(self.not_harmless)}"
            )
        return "faults: " + ", ".join(parts)

    @staticmethod
    def _names(faults: Iterable[Fault]) -> str:
        names = " ".join(fault.id for fault in faults)
        return f" ({names})" if names else ""

    def _run_sound(self, sets_of_tests: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
        seconds: dict[tuple[str, ...], float] = {}
        with ThreadPoolExecutor(self._jobs) as pool:
            runs = {
                pool.submit(self._trees.run_sound, tests): tests for tests in sorted(sets_of_tests)
            }
            try:
                for done in as_completed(runs):
                    run = done.result()
                    if run.failed is not None:
                        raise Misfit(f"without any fault there fails {run.failed}:\n{run.output}")
                    seconds[runs[done]] = run.seconds
            except BaseException:
                self._give_up(runs)
                raise
        return seconds

    def _judge(self, fault: Fault, run: Run) -> None:
        failed = run.failed
        if fault.harmless is not None:
            if failed is None:
                self.harmless += 1
                self._say(f"{fault.id} harmless: {fault.harmless}")
            else:
                self.not_harmless.append(fault)
                self._say(f"{fault.id} NOT HARMLESS, found by {failed}")
        elif failed is None:
            self.survivors.append(fault)
            self._say(f"{fault.id} SURVIVED {' '.join(fault.tests)}")
        else:
            self.found += 1
            self._say(f"{fault.id} found by {failed}")

    def _give_up(self, runs: Iterable[Future[Run]]) -> None:
        for run in runs:
            run.cancel()
        self._trees.close()


def run_faults(
    root: Path, python: Path, variables: Mapping[str, str], arguments: Sequence[str]
) -> int:
    """The script, for the tree at ``root`` with a Python that has pytest. The exit status."""
    options = _parse(arguments)
    trees = None
    try:
        faults = chosen(read_faults(root / LIST), options.ids, options.files)
        for fault in faults:
            fault.put_into((root / fault.file).read_bytes().decode())
        trees = Trees(root, python, variables, options.jobs)
        campaign = Campaign(trees, options.jobs, lambda line: print(line, flush=True))
        campaign.run(faults, run_harmless=options.harmless)
    except (Misfit, OSError) as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2
    finally:
        if trees is not None:
            trees.close()
    print(campaign.summary())
    return 1 if campaign.survivors or campaign.not_harmless else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faults.py",
        description=f"Puts the faults of {LIST} into a copy of this tree, one after the other.",
        allow_abbrev=False,
    )
    parser.add_argument("ids", metavar="ID", nargs="*", help="only these")
    parser.add_argument(
        "--file", metavar="PATH", dest="files", action="append", default=[], help="those of a file"
    )
    parser.add_argument("--jobs", metavar="N", type=_positive, default=DEFAULT_JOBS)
    parser.add_argument(
        "--harmless", action="store_true", help="run those, too, that are said to be harmless"
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a number from 1 up, found {text!r}")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    _parse(arguments)  # a wrong word, or --help, is answered before anything is installed
    for end in (signal.SIGINT, signal.SIGTERM):  # in the background, too: the copies are removed
        signal.signal(end, signal.default_int_handler)
    try:
        environment = prepare_environment(TEST_REQUIREMENTS)
    except SetUpFailed as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2
    return run_faults(ROOT, environment.python, environment.variables(), arguments)


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
