"""What import-linter's contracts in ``pyproject.toml`` can't say of who imports what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LIBRARIES = {
    "cryptg",
    "diskcache",
    "docopt",
    "prometheus_client",
    "psutil",
    "pyrogram",
    "python_socks",
    "qrcode",
    "rclone_python",
    "regex",
    "tomli",
    "wcwidth",
    "tqdm",
}
"""Each but psutil has its one room, by a contract of its own."""


def _imported(path: Path) -> set[str]:
    """The packages that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names.add(str(node.module).split(".")[0])
    return names


def test_no_library_is_used_that_has_no_contract() -> None:
    used: set[str] = set()
    for path in (ROOT / "tdl_sync").rglob("*.py"):
        used |= _imported(path)
    assert used - sys.stdlib_module_names - {"tdl_sync"} == LIBRARIES


def _puts_something_in_place(statement: ast.stmt) -> bool:
    """As must be done before anything of a room is imported."""
    return ast.unparse(statement) in (
        "from tdl_sync.telegram.session.schema_on_demand import import_on_demand",
        "import_on_demand()",
    )


def test_every_room_says_in_two_sentences_what_it_is_for_and_what_it_may_import() -> None:
    for room in (ROOT / "tdl_sync").rglob("__init__.py"):
        tree = ast.parse(room.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), room
        more = [each for each in tree.body[1:] if not _puts_something_in_place(each)]
        assert more == [], f"{room} hands names on"


def test_the_command_line_is_there_before_the_library_for_telegram() -> None:
    """That takes most of a second: not for ``--help``, and in a run while rclone works already."""
    ask = "import sys, tdl_sync.cli.main; print('pyrogram' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"


_BEGINNINGS = ("__init__", "__post_init__")


def _stored(tree: ast.AST) -> set[str]:
    """The attributes of ``self`` that are set in it."""
    return {
        each.attr
        for each in ast.walk(tree)
        if isinstance(each, ast.Attribute)
        and isinstance(each.ctx, ast.Store)
        and isinstance(each.value, ast.Name)
        and each.value.id == "self"
    }


def test_what_an_object_knows_it_knows_from_its_beginning() -> None:
    """No attribute is born later: whoever reads the beginning of a class has seen all."""
    late = []
    for path in (ROOT / "tdl_sync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                born: set[str] = set()
                for each in node.body:
                    if isinstance(each, ast.AnnAssign | ast.Assign):
                        born |= {name.id for name in ast.walk(each) if isinstance(name, ast.Name)}
                    elif isinstance(each, ast.FunctionDef) and each.name in _BEGINNINGS:
                        born |= _stored(each)
                late += [f"{node.name}.{name}" for name in sorted(_stored(node) - born)]
    assert late == []


MOST_CLASS_LINES = 200
MOST_ATTRIBUTES = 12
LARGE_CLASSES = {
    "RcloneHandOff": "one port's methods, and all that makes a move's outcome known",
    "Resumption": "what earlier runs have left to do: one answer out of marks, state and listing",
    "Rclone": "call and answer, and all that makes an answer count for the one that was asked",
    "DoneMarks": "a port's methods over one table, whose transactions hold it together",
    "Remaining": "what is known of each file before it is touched, decided in one place",
    "RemoteControl": "a method for each call of rclone's remote control",
    "Comparison": "what both sides show of each file, held against each other in one pass",
    "Lease": "the one protocol of who may write, in the order of a run",
    "TelegramClient": "starting, calling and waiting share two events and the library's client",
    "MediaConnections": "choosing a connection and opening one both turn on how busy they are",
    "TelegramChatReader": "one port's methods over one request",
    "Reporter": "as long as the listener that it implements",
    "Pipeline": "the whole life of a file, to be read in one place",
    "ProgressNumbers": "what the display shows of one chat, changed and copied under one lock",
    "Reception": "one buffered protocol: who reads and what comes share where the bytes go",
    "ChatRun": "all that is found out of one chat before anything of it moves, in one order",
    "ChatSession": "rounds, stops and saves of one chat's run, which know each other's state",
}
"""Classes beyond the bounds, and why they stay whole."""


def test_a_class_has_outgrown_its_idea_where_it_is_long_or_knows_too_much() -> None:
    """Past the bounds an idea in it wants a name of its own, or there is a reason why not."""
    large = set()
    for path in (ROOT / "tdl_sync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                attributes = _stored(node)
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MOST_CLASS_LINES or len(attributes) > MOST_ATTRIBUTES:
                    large.add(node.name)
    assert large == LARGE_CLASSES.keys()
