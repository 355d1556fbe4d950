"""Where the unpacked program begins.

It has no Python beside it, so it is one for some modules of its own: the demo starts them, and the
program, by ``<executable> -m <module>``, as it does where they are installed.
"""

from __future__ import annotations

import runpy
import sys

MODULES = ("tdl_sync", "tdl_sync.standins.guard", "tdl_sync.standins.telegram")

if sys.argv[1:2] == ["-m"] and sys.argv[2:3] and sys.argv[2] in MODULES:
    module = sys.argv[2]
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=False)
else:
    from tdl_sync.__main__ import start_program

    start_program()
