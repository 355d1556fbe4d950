"""Machines and stand-ins for whole runs; a call that no stand-in could answer fails its test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from standins.shaping import Shaping
from standins.telegram.server import StandIn
from standins.telegram.world.world import World
from tests.e2e.program import Machine

# Signals, terminals and processes are looked at as POSIX has them.
collect_ignore_glob = ["test_*.py"] if sys.platform == "win32" else []


@dataclass(frozen=True)
class Scene:
    """A stand-in with its world, and a fresh machine that can reach it."""

    telegram: StandIn
    machine: Machine

    @property
    def world(self) -> World:
        return self.telegram.world


Stage: TypeAlias = Callable[..., Scene]


def set_stage(stack: ExitStack, directory: Path) -> Stage:
    count = 0

    def stage(world: World, shaping: Shaping | None = None) -> Scene:
        nonlocal count
        count += 1
        telegram = stack.enter_context(StandIn(world, shaping))
        stack.callback(lambda: _check(telegram))
        return Scene(telegram, Machine(directory / f"machine-{count}", telegram))

    return stage


def _check(telegram: StandIn) -> None:
    assert telegram.unknown_rpcs == []


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Call it with a world (and a shaping)."""
    with ExitStack() as stack:
        yield set_stage(stack, tmp_path)


@pytest.fixture(scope="module")
def module_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The same for runs that several tests look at."""
    with ExitStack() as stack:
        yield set_stage(stack, tmp_path_factory.mktemp("module"))
