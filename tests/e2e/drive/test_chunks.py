"""How large the pieces are in which a file goes to Drive is what rclone's configuration says."""

from __future__ import annotations

import pytest

from standins.telegram.world import worlds
from tests.contract.places import OBSCURED_PASSWORD
from tests.contract.versions import rclone_named
from tests.e2e.conftest import SetScene
from tests.e2e.expectations import assert_moved


@pytest.mark.parametrize("version", ["current", "oldest"])
@pytest.mark.parametrize("remote", ["gdrive:a/b", "over:b"])
def test_the_configurations_chunk_size_counts_below_an_encrypted_remote_too(
    scene: SetScene, version: str, remote: str
) -> None:
    on = scene(worlds.files(sizes=[600_000]))
    config = on.rclone_config.read_text().replace("[gdrive]\n", "[gdrive]\nchunk_size = 256k\n")
    over = f"[over]\ntype = crypt\nremote = gdrive:a\npassword = {OBSCURED_PASSWORD}\n"
    on.rclone_config.write_text(f"{config}\n{over}")
    assert_moved(on.run(f"--rclone={rclone_named(version)}", remote=remote), 1)
    assert on.drive.statistics.counts().calls.get("upload.chunk", 0) == 2  # before the last one
