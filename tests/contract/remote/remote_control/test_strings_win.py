"""What stands in the remote string wins over all that a user may have said elsewhere."""

from __future__ import annotations

import pytest

from tests.contract.remote.remote_control.on_drive import OnDrive
from tests.contract.remote.remote_control.test_strings import chunks

IN_THE_STRING = "upload_cutoff=0,chunk_size=512k,stop_on_upload_limit=true"


@pytest.mark.parametrize("where", ["options", "variables", "section", "variables of the section"])
def test_a_remote_string_wins(on_drive: OnDrive, where: str) -> None:
    values = {"upload_cutoff": "8M", "chunk_size": "256k"}
    if where == "options":
        flags = [f"--drive-{name.replace('_', '-')}={value}" for name, value in values.items()]
        on_drive.start(*flags)
    elif where == "section":
        on_drive.start(section="".join(f"{name} = {value}\n" for name, value in values.items()))
    else:
        prefix = "RCLONE_DRIVE_" if where == "variables" else "RCLONE_CONFIG_GDRIVE_"
        on_drive.start(
            environment={f"{prefix}{name.upper()}": value for name, value in values.items()}
        )

    assert chunks(on_drive, f"gdrive,{IN_THE_STRING}:") == 2
    assert chunks(on_drive, "gdrive,chunk_size=512k,pacer_min_sleep=1ms:") == 0, "by multipart"
