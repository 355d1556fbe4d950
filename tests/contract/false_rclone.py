"""A program in rclone's place: it serves a remote control as rclone does, and answers whatever it
is told to. For answers that the real one gives on days that no test can make."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = "1.75.2"


@dataclass(frozen=True)
class Answer:
    """``first`` is what it does before it would answer: ``kill`` itself, ``take`` the source of the
    move and kill itself, ``exit`` with its last ``words``, or ``break`` the connection."""

    body: str = "{}"
    status: int = 200
    first: str = ""
    words: str = ""


FIT: Mapping[str, Answer] = {
    "config/listremotes": Answer('{"remotes": []}'),
    "core/version": Answer('{"version": "v1.75.2", "decomposed": [1, 75, 2]}'),
    "operations/fsinfo": Answer('{"Features": {"CanHaveEmptyDirectories": true}, "Hashes": []}'),
    "config/dump": Answer("{}"),
}
"""What a start asks for, and the look at a remote before its first use."""

_ANSWERS = "answers.json"

_PROGRAM = """\
#!{python} -IS
import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if sys.argv[1:2] == ["version"]:
    print("rclone v{version}")
    sys.exit()
writing = threading.Lock()

def log(level, message):
    with writing:
        print(json.dumps(dict(level=level, msg=message)), file=sys.stderr, flush=True)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece is not waited for
    def log_message(self, *arguments): pass
    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        missing = dict(body='{{"error": "couldn\\'t find method"}}', status=404, first="", words="")
        with open({answers!r}) as file:
            answers = json.load(file)
        answer = answers.get(self.path.lstrip("/").partition("?")[0], missing)
        if answer["first"] == "take":
            asked = json.loads(asked)
            os.unlink(os.path.join(asked["srcFs"], asked["srcRemote"]))
        if answer["first"] in ("kill", "take"):
            os.kill(os.getpid(), signal.SIGKILL)
        if answer["first"] == "exit":
            log("critical", answer["words"])
            os._exit(1)
        if answer["first"] == "break":
            self.close_connection = True
            return
        body = answer["body"].encode("utf-8", "surrogateescape")
        self.send_response(answer["status"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

def heartbeat():
    while True:
        time.sleep(0.5)
        log("debug", {config!r})

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
for work in (server.serve_forever, heartbeat):
    threading.Thread(target=work, daemon=True).start()
log("notice", f"Serving remote control on http://127.0.0.1:{{server.server_port}}/")
sys.stdin.buffer.read()
os._exit(0)
"""


def false_rclone(directory: Path, answers: Mapping[str, Answer]) -> str:
    """The path of such a program; commands that ``answers`` do not name are fit for a start."""
    path = directory / "false rclone"
    path.write_text(
        _PROGRAM.format(
            python=sys.executable,
            answers=str(directory / _ANSWERS),
            config=f'Using config file from "{directory / _ANSWERS}"',
            version=VERSION,
        )
    )
    path.chmod(0o700)
    tell(directory, answers)
    return str(path)


def tell(directory: Path, answers: Mapping[str, Answer]) -> None:
    """From now on the one in this directory answers so."""
    told = {command: asdict(answer) for command, answer in {**FIT, **answers}.items()}
    (directory / _ANSWERS).write_text(json.dumps(told))
