"""Each test that reads is run for each version that has left something."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import stage
from tests.kept.places import VERSIONS, Kept

__all__ = ["stage"]


@pytest.fixture(params=VERSIONS, ids=[version.name for version in VERSIONS])
def kept(request: pytest.FixtureRequest) -> Kept:
    """What one version has left."""
    version: Kept = request.param
    return version
