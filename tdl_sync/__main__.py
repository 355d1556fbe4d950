"""The way in, whatever the program is called by: the script of the checkout, the installed command,
or ``python -m tdl_sync``.

What it says of itself is said before anything of it is imported that takes time.
"""

from __future__ import annotations

import os
import sys

from tdl_sync.cli.help import about_itself


def start_program() -> None:
    text = about_itself(sys.argv[1:])
    if text is not None and _printed(text):
        return
    from tdl_sync.core.imports import nothing_collected

    with nothing_collected():
        from tdl_sync.cli.main import run_program
    run_program()


def _printed(text: str) -> bool:
    """Whether it could be, without more ado. What is in its way is told by the whole program, for
    which nothing is left behind in a buffer."""
    try:
        buffer = sys.stdout.buffer
        raw = getattr(buffer, "raw", buffer)  # the same where Python was told not to buffer
        shown = (text.removesuffix("\n") + "\n").replace("\n", os.linesep)
        left = shown.encode(sys.stdout.encoding, "backslashreplace")
        while left:
            left = left[raw.write(left) :]
    except (AttributeError, OSError, TypeError, ValueError):
        return False  # no output, nobody who reads it, no room
    return True


if __name__ == "__main__":
    start_program()
