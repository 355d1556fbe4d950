"""The stand-in as tests, demo and benchmarks use it: start, look, change, stop."""

from __future__ import annotations

import json
import tempfile
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType

from .api.service import HOSTS, Service
from .api.tokens import ACCESS_TOKEN_SECONDS
from .faults import Faults
from .files.content import ContentWriter
from .files.world import FOLDER, DriveFile, DriveName, parent_for_new
from .proxy import ProxyServer
from .rclone_config import write_rclone_config
from .shaping import Shaping
from .statistics import Statistics
from .web.certificates import CertificateAuthority

TERABYTE = 10**12
MIB = 1024 * 1024
_STOP_CHECK_SECONDS = 0.02


class DriveStandIn:
    """Google Drive behind an HTTPS proxy on 127.0.0.1.

    Runs in threads of its own between `start` and `stop` (or as a context manager). Everything
    here may be called from any thread. Contents of more than `keep_content_bytes` are known by
    size and hashes only.
    """

    def __init__(
        self,
        shaping: Shaping | None = None,
        faults: Faults | None = None,
        *,
        storage_limit_bytes: int = 2 * TERABYTE,
        keep_content_bytes: int = MIB,
    ) -> None:
        self._service = Service(
            faults or Faults(),
            shaping or Shaping(),
            storage_limit_bytes=storage_limit_bytes,
            keep_content_bytes=keep_content_bytes,
        )
        self._authority = CertificateAuthority()
        self._directory = tempfile.TemporaryDirectory(prefix="drive-stand-in-")
        self._server = ProxyServer(self._service, self._authority.server_context(HOSTS))
        self._thread = threading.Thread(target=self._run, name="drive-stand-in", daemon=True)

    def start(self) -> None:
        """Returns when clients can connect."""
        self.ca_file.write_bytes(self._authority.certificate_pem)
        self._thread.start()

    def stop(self) -> None:
        """Breaks all connections; returns when the port is closed."""
        self._service.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self._directory.cleanup()

    def __enter__(self) -> DriveStandIn:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What a client needs

    @property
    def port(self) -> int:
        return self._server.server_port

    def environment(self) -> dict[str, str]:
        """For the environment of rclone, over its own: every host is reached through here."""
        proxy = f"http://127.0.0.1:{self.port}"
        return {
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,
            "NO_PROXY": "",
            "no_proxy": "",
            "RCLONE_CA_CERT": str(self.ca_file),
        }

    @property
    def ca_file(self) -> Path:
        """The certificate, in PEM, of the authority that a client has to trust; there from `start`
        to `stop`."""
        return Path(self._directory.name, "ca.pem")

    def authorized_user(self) -> dict[str, str]:
        """The user's refresh token and the OAuth client that it is of, as Google's libraries take
        them (``Credentials.from_authorized_user_info``)."""
        tokens = self._service.tokens
        return {
            "type": "authorized_user",
            "client_id": tokens.client_id,
            "client_secret": tokens.client_secret,
            "refresh_token": tokens.refresh_token,
        }

    def service_account(self) -> dict[str, str]:
        """A service account's key file, parsed (``Credentials.from_service_account_info``)."""
        key_file: dict[str, str] = json.loads(self._service.tokens.service_account_json())
        return key_file

    def rclone_config(self, directory: Path, *, token_seconds: int = ACCESS_TOKEN_SECONDS) -> Path:
        """Write an rclone.conf there, 0600; returns its path.

        Its access token holds for `token_seconds`; with 0 rclone has to refresh it first.

        Its remotes are `gdrive` (a refresh token), `gdrive-shared` (the same with a shared drive)
        and `gdrive-sa` (a service account, which has a drive of its own).
        """
        shared_drive_id = self._service.world.tops["shared"].file_id
        return write_rclone_config(directory, self._service.tokens, shared_drive_id, token_seconds)

    # What tests look at and change

    def files(self, drive: DriveName | None = None) -> list[DriveFile]:
        """All files and folders, of one drive or of all, oldest first, trashed ones too."""
        return self._service.world.files(drive)

    def put_file(self, folder_id: str, name: str, data: bytes) -> str:
        """A new file, beside any other of that name, as another program leaves it; its id. It is in
        each listing at once only where these don't lag."""
        world, writer = self._service.world, ContentWriter(len(data))
        writer.write(data)
        with world.lock:
            folder = parent_for_new(world.find(folder_id), folder_id)
            return world.create({"name": name}, folder, writer.finish()).file_id

    def put_folder(self, parent_id: str, name: str, age_seconds: float = 0.0) -> str:
        """The same for a folder, which was made so long ago."""
        world = self._service.world
        made_at = datetime.now(timezone.utc) - timedelta(seconds=age_seconds)
        metadata = {"name": name, "mimeType": FOLDER, "modifiedTime": made_at.isoformat()}
        with world.lock:
            parent = world.tops["user"] if parent_id == "root" else world.find(parent_id)
            return world.create(metadata, parent_for_new(parent, parent_id), None).file_id

    @property
    def faults(self) -> Faults:
        return self._service.faults

    @property
    def shaping(self) -> Shaping:
        return self._service.shaping

    @shaping.setter
    def shaping(self, shaping: Shaping) -> None:
        self._service.shaping = shaping

    @property
    def storage_limit_bytes(self) -> int:
        """What fits into the user's drive, and into the service account's."""
        return self._service.storage_limit_bytes

    @storage_limit_bytes.setter
    def storage_limit_bytes(self, limit_bytes: int) -> None:
        self._service.storage_limit_bytes = limit_bytes

    @property
    def most_in_folder(self) -> int:
        """What a folder takes, files and folders, that is not the root."""
        return self._service.world.most_in_folder

    @most_in_folder.setter
    def most_in_folder(self, most: int) -> None:
        self._service.world.most_in_folder = most

    @property
    def statistics(self) -> Statistics:
        return self._service.statistics

    @property
    def unknown_requests(self) -> list[str]:
        """What the stand-in could not answer; a test fails when there is one."""
        return self._service.unknown_requests()

    def expire_access_tokens(self) -> None:
        """All of them are refused from now on; refresh token and service account stay good.

        rclone goes by the time of expiry that it knows: it is refused and does not refresh.
        """
        self._service.tokens.expire_access_tokens()

    def take_refresh_tokens_once(self) -> None:
        """From now on each is good for one use, as with some providers (Google's are not).

        The answer brings the next one, and one that comes again ends the whole grant.
        """
        self._service.tokens.refresh_tokens_for_one_use = True

    def drop_connections(self) -> int:
        """Break all connections now; how many there were."""
        return self._server.close_connections()

    def _run(self) -> None:
        self._server.serve_forever(poll_interval=_STOP_CHECK_SECONDS)
