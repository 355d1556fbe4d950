"""The real shells, asked how a command line can go on."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scripts import reaper
from tests.debian_packages import unpacked
from tests.e2e.program import PATIENCE_SECONDS

END = "== that was all"

_IN_BASH = """\
unset HISTFILE
bind 'set enable-bracketed-paste off'
source {script}
cd {directory}
keep() {{ printf '%s\\n' "$READLINE_LINE" >> {answers}; READLINE_LINE=; READLINE_POINT=0; }}
bind -x '"\\C-xk": keep'
"""

_IN_ZSH = """\
module_path=({root}/usr/lib/*/zsh/5*)
fpath=({script}.d {root}/usr/share/zsh/functions/**/*(/N) {root}/usr/share/zsh/functions)
zmodload zsh/zle
autoload -Uz compinit
compinit -u -D
cd {directory}
compadd() {{
    if [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a hits
    builtin compadd -A hits "$@"
    print -rl -- $hits >> {answers}
    builtin compadd "$@"
}}
zle -C ask list-choices _main_complete
zle-line-init() {{
    local line
    for line in ${{(f)"$(<{lines})"}}; do
        print -r -- "== $line" >> {answers}
        BUFFER=$line
        CURSOR=$#BUFFER
        zle ask
    done
    print -r -- "{end}" >> {answers}
}}
zle -N zle-line-init
"""


class Shells:
    """``asked[shell](lines)`` gives for each line the words that it can go on with.

    ``scripts`` are the completion scripts; ``directory`` is where the shells are, and may hold
    files. A line with a blank at its end asks for another word.
    """

    def __init__(self, scripts: Mapping[str, str], directory: Path, scratch: Path) -> None:
        self._directory = directory
        self._scratch = scratch
        self._scripts: dict[str, Path] = {}
        for shell, script in scripts.items():
            self._scripts[shell] = scratch / f"script.{shell}"
            self._scripts[shell].write_text(script)
            # zsh finds it by its name, where functions are looked for.
            functions = scratch / f"script.{shell}.d"
            functions.mkdir()
            (functions / "_tdl-sync").write_text(script)
        self.asked: dict[str, Callable[[Sequence[str]], dict[str, set[str]]]] = {
            "bash": self._bash,
            "zsh": self._zsh,
            "fish": self._fish,
        }

    def _bash(self, lines: Sequence[str]) -> dict[str, set[str]]:
        """``M-*`` has readline insert all completions into the line, which is kept then."""
        answers = self._scratch / "bash.answers"
        rc = self._rc("bash", _IN_BASH, answers)
        program = shutil.which("bash")
        assert program is not None
        typed = "".join(f"{line}\x1b*\x18k" for line in lines)
        _at_terminal(
            [program, "--noprofile", "--rcfile", str(rc), "-i"],
            self._scratch,
            typed,
            lambda: answers.exists() and len(answers.read_text().splitlines()) == len(lines),
        )
        found = {}
        for line, answer in zip(lines, answers.read_text().splitlines(), strict=True):
            # The last word begins at a blank, or for bash at the sign of --option=value.
            start = max(line.rfind(" "), line.rfind("=")) + 1
            words = answer[start:].split()
            found[line] = set(words) - {line[start:]}
        return found

    def _zsh(self, lines: Sequence[str]) -> dict[str, set[str]]:
        root = unpacked("zsh", "zsh", "zsh-common")
        answers, asked = self._scratch / "zsh.answers", self._scratch / "zsh.lines"
        asked.write_text("\n".join(lines))
        rc = self._rc("zsh", _IN_ZSH, answers, root=root, lines=asked)
        _at_terminal(
            [str(root / "bin" / "zsh"), "-f", "-i"],
            self._scratch,
            f"source {rc}\n",
            lambda: answers.exists() and END in answers.read_text(),
        )
        found: dict[str, set[str]] = {}
        for answer in answers.read_text().splitlines():
            if answer == END:
                break
            if answer.startswith("== "):
                words = found.setdefault(answer.removeprefix("== "), set())
            elif answer:
                words.add(answer)
        return found

    def _fish(self, lines: Sequence[str]) -> dict[str, set[str]]:
        root = unpacked("fish", "fish", "fish-common", "libpcre2-32-0")
        (library,) = root.glob("usr/lib/*/libpcre2-32.so.0")
        functions = root / "usr" / "share" / "fish" / "functions"
        source = f"set fish_function_path {functions}; source {self._scripts['fish']}"
        found = {}
        for line in lines:
            run = subprocess.run(
                [
                    str(root / "usr" / "bin" / "fish"),
                    "--no-config",
                    "-c",
                    f"{source}; complete -C $argv[1]",
                    line,
                ],
                cwd=self._directory,
                env={**_variables(self._scratch), "LD_LIBRARY_PATH": str(library.parent)},
                capture_output=True,
                text=True,
            )
            assert run.stderr == "", run.stderr
            # With the beginning of --option=value, which the other shells do not repeat.
            begun = line.rpartition(" ")[2]
            head = begun[: begun.find("=") + 1]
            words = [answer.split("\t")[0] for answer in run.stdout.splitlines()]
            found[line] = {word.removeprefix(head) for word in words}
        return found

    def _rc(self, shell: str, text: str, answers: Path, **parts: Path) -> Path:
        rc = self._scratch / f"rc.{shell}"
        rc.write_text(
            text.format(
                script=self._scripts[shell],
                directory=self._directory,
                answers=answers,
                end=END,
                **parts,
            )
        )
        return rc


def _variables(home: Path) -> dict[str, str]:
    known = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    return {**known, **reaper.mark()}


def _at_terminal(command: list[str], home: Path, typed: str, done: Callable[[], bool]) -> None:
    """Run the command at a terminal of its own, type this, and end it when that is done."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=_variables(home),
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        os.write(ours, typed.encode())
        while not done():
            assert time.monotonic() < deadline, shown.decode(errors="replace")
            ready, _, _ = select.select([ours], [], [], 0.05)
            if ready:
                shown += os.read(ours, 65536)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
