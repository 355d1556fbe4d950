"""Which run this is, and whether another one on this machine is still there."""

from __future__ import annotations

import math
import os
import secrets
import socket

import psutil

from tdl_sync.core.operating_system import machine_id
from tdl_sync.state.run_state import RunIdentity
from tdl_sync.state.state_saver import SHORTEST_GAP_SECONDS

_SAME_START_SECONDS = 60
"""How far apart two looks at one process's start may be: the clock may have been set between."""


def this_run(save_interval_seconds: float) -> RunIdentity:
    """A new run of this process, with the interval at which it will really save."""
    return RunIdentity(
        host=socket.gethostname(),
        pid=os.getpid(),
        run_id=secrets.token_hex(8),
        machine=machine_id(),
        process_started=int(psutil.Process().create_time()),
        save_interval_seconds=math.ceil(max(save_interval_seconds, SHORTEST_GAP_SECONDS)),
    )


def is_gone(run: RunIdentity) -> bool:
    """Whether its process was on this machine and has ended. Process ids are used again."""
    if run.machine != machine_id():
        return False
    try:
        process = psutil.Process(run.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return bool(abs(process.create_time() - run.process_started) > _SAME_START_SECONDS)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
