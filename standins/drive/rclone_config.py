"""An rclone.conf as `rclone config` would have made it for these drives."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .api.tokens import Tokens


def write_rclone_config(
    directory: Path, tokens: Tokens, shared_drive_id: str, token_seconds: int
) -> Path:
    """The remotes are gdrive, gdrive-shared and gdrive-sa (a service account's own drive)."""
    service_account_file = directory / "service-account.json"
    _write_secret(service_account_file, tokens.service_account_json())
    common = "type = drive\nscope = drive\n"
    client = f"client_id = {tokens.client_id}\nclient_secret = {tokens.client_secret}\n"
    config = directory / "rclone.conf"
    _write_secret(
        config,
        f"[gdrive]\n{common}{client}token = {_token(tokens, token_seconds)}\n\n"
        f"[gdrive-shared]\n{common}{client}token = {_token(tokens, token_seconds)}\n"
        f"team_drive = {shared_drive_id}\n\n"
        f"[gdrive-sa]\n{common}service_account_file = {service_account_file}\n",
    )
    return config


def _token(tokens: Tokens, seconds: int) -> str:
    expiry = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return json.dumps(
        {
            "access_token": tokens.issue("user", seconds),
            "token_type": "Bearer",
            "refresh_token": tokens.refresh_token,
            "expiry": expiry.isoformat(),
        }
    )


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
