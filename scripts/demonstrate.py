"""The demo of a checkout, inside its environment; nothing that it has started outlives it."""

from __future__ import annotations

from scripts.reaper import end_with_this_process
from standins.demonstration import main

if __name__ == "__main__":
    end_with_this_process()
    raise SystemExit(main())
