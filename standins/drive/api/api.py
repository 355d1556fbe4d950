"""Drive's API v3, as far as rclone uses it: what each call does.

https://developers.google.com/workspace/drive/api/reference/rest/v3
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from ..files.world import Node, World, parent_for_new
from ..refusals import MESSAGES
from ..shaping import Shaping
from ..web.api_error import ApiError, UnknownRequest, bad_request, not_found
from ..web.http import Request, Response
from .fields import (
    ABOUT,
    FILE,
    FILE_LIST,
    SHARED_DRIVE,
    SHARED_DRIVE_LIST,
    FieldsError,
    Selection,
    parse_fields,
    select,
)
from .listing import Listing, PageTokenError
from .query import QueryError, parse_query
from .resources import about_resource, file_resource, shared_drive_resource
from .tokens import Account

_FOLDER_FULL = "numChildrenInNonRootLimitExceeded"
_COMMON_PARAMETERS = frozenset({"alt", "fields", "prettyPrint"})
_DEFAULT_FILE_FIELDS = "kind,id,name,mimeType"
_WRITABLE = frozenset("name mimeType parents createdTime modifiedTime trashed description".split())
_LARGEST_PAGE = 1000


def check_parameters(request: Request, known: Collection[str]) -> None:
    """Raises UnknownRequest for a parameter that nobody looks at."""
    unknown = set(request.parameters) - set(known) - _COMMON_PARAMETERS
    if unknown:
        raise UnknownRequest(f"{request.method} {request.path} with {', '.join(sorted(unknown))}")


def check_metadata(metadata: dict[str, Any]) -> None:
    """Raises UnknownRequest."""
    unknown = set(metadata) - _WRITABLE
    if unknown:
        raise UnknownRequest(f"file metadata with {', '.join(sorted(unknown))}")


def selected(
    value: dict[str, Any], fields: str | None, default: str, known: Selection
) -> dict[str, Any]:
    """What the `fields` parameter wants; an empty one means the default. Raises UnknownRequest."""
    try:
        chosen: dict[str, Any] = select(value, parse_fields(fields or default, known))
    except FieldsError as error:
        raise UnknownRequest(str(error)) from error
    return chosen


class Access:
    """Which nodes an account's request may see and change."""

    def __init__(self, world: World) -> None:
        self.world = world

    def node(self, file_id: str, request: Request, account: Account) -> Node:
        """Raises ApiError 404 for what is not there, or not for this account and request."""
        top = self.world.tops[account]
        node = top if file_id == "root" else self.world.find(file_id)
        if node is None or node.top not in self._tops(request, account):
            raise not_found(file_id)
        return node

    def parent(self, metadata: dict[str, Any], request: Request, account: Account) -> Node:
        """Where a new file or folder goes. Raises ApiError."""
        parents = metadata.get("parents", ["root"])
        if len(parents) != 1:
            raise ApiError(
                403, "cannotAddParent", "Increasing the number of parents is not allowed"
            )
        parent = parent_for_new(self.node(parents[0], request, account), parents[0])
        is_root = parent.parent is None
        if not is_root and self.world.children_count(parent) >= self.world.most_in_folder:
            raise ApiError(403, _FOLDER_FULL, MESSAGES[_FOLDER_FULL])
        return parent

    def _tops(self, request: Request, account: Account) -> list[Node]:
        tops = [self.world.tops[account]]
        if request.parameters.get("supportsAllDrives") == "true":
            tops.append(self.world.tops["shared"])
        return tops


class DriveApi:
    """The calls without content on the way in. Handlers may run in many threads at once."""

    def __init__(
        self,
        world: World,
        access: Access,
        storage_limit_bytes: Callable[[], int],
        shaping: Callable[[], Shaping],
        on_behind: Callable[[], None],
    ) -> None:
        self._world = world
        self._access = access
        self._storage_limit_bytes = storage_limit_bytes
        self._listing = Listing(world, shaping, on_behind)

    def list_files(self, request: Request, account: Account, _: str) -> Response:
        parameters = request.parameters
        check_parameters(
            request,
            "q pageSize pageToken supportsAllDrives includeItemsFromAllDrives corpora driveId "
            "spaces".split(),
        )
        if parameters.get("spaces", "drive") != "drive":
            raise UnknownRequest(f"files.list in the space {parameters['spaces']}")
        try:
            page, next_token = self._listing.page(
                parse_query(parameters.get("q", ""), self._world.tops[account].file_id),
                self._listed_tops(request, account),
                _page_size(parameters.get("pageSize", "100")),
                parameters.get("pageToken"),
            )
        except QueryError as error:
            raise UnknownRequest(f"the search {parameters['q']!r}: {error}") from error
        except PageTokenError as error:
            raise ApiError(400, "invalid", "Invalid Value") from error
        answer: dict[str, Any] = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": [file_resource(node, self._world) for node in page],
        }
        if next_token is not None:
            answer["nextPageToken"] = next_token
        default = f"kind,nextPageToken,incompleteSearch,files({_DEFAULT_FILE_FIELDS})"
        return Response.of_json(selected(answer, parameters.get("fields"), default, FILE_LIST))

    def get_file(self, request: Request, account: Account, file_id: str) -> Response:
        check_parameters(request, {"supportsAllDrives", "acknowledgeAbuse"})
        with self._world.lock:
            return self.described(self._access.node(file_id, request, account), request)

    def download(self, request: Request, account: Account, file_id: str) -> Response:
        check_parameters(request, {"supportsAllDrives", "acknowledgeAbuse"})
        # rclone names no `supportsAllDrives` here, and Drive sends the content all the same.
        request.parameters["supportsAllDrives"] = "true"
        node = self._access.node(file_id, request, account)
        if node.content is None:
            raise ApiError(403, "fileNotDownloadable", "Only files with binary content.")
        if node.content.data is None:
            raise UnknownRequest(f"the content of {node.name!r}, which was too large to keep")
        return _ranged(node.content.data, request.headers.get("Range"), node.mime_type)

    def create_file(self, request: Request, account: Account, _: str) -> Response:
        check_parameters(request, {"supportsAllDrives", "keepRevisionForever"})
        metadata = request.json()
        check_metadata(metadata)
        with self._world.lock:
            parent = self._access.parent(metadata, request, account)
            return self.described(self._world.create(metadata, parent, None), request)

    def update_file(self, request: Request, account: Account, file_id: str) -> Response:
        known = {"supportsAllDrives", "keepRevisionForever", "addParents", "removeParents"}
        check_parameters(request, known)
        metadata = request.json()
        check_metadata(metadata)
        with self._world.lock:
            node = self._access.node(file_id, request, account)
            parent = self._new_parent(node, request, account)
            self._world.update(node, metadata, None, parent)
            return self.described(node, request)

    def delete_file(self, request: Request, account: Account, file_id: str) -> Response:
        check_parameters(request, {"supportsAllDrives"})
        with self._world.lock:
            node = self._access.node(file_id, request, account)
            if node.parent is None:
                raise ApiError(403, "insufficientFilePermissions", "The root can't be deleted.")
            self._world.delete(node)
        return Response(204)

    def empty_trash(self, request: Request, account: Account, _: str) -> Response:
        check_parameters(request, ())
        self._world.empty_trash(self._world.tops[account])
        return Response(204)

    def about(self, request: Request, account: Account, _: str) -> Response:
        check_parameters(request, ())
        fields = request.parameters.get("fields")
        if not fields:
            raise ApiError(400, "required", "The 'fields' parameter is required for this method.")
        top = self._world.tops[account]
        answer = about_resource(top, self._world, self._storage_limit_bytes())
        return Response.of_json(selected(answer, fields, "*", ABOUT))

    def list_drives(self, request: Request, _: Account, __: str) -> Response:
        check_parameters(request, {"pageSize"})
        answer = {"kind": "drive#driveList", "drives": [shared_drive_resource(self._world)]}
        default = "kind,drives(kind,id,name)"
        fields = request.parameters.get("fields")
        return Response.of_json(selected(answer, fields, default, SHARED_DRIVE_LIST))

    def get_drive(self, request: Request, _: Account, drive_id: str) -> Response:
        check_parameters(request, ())
        if drive_id != self._world.tops["shared"].file_id:
            raise ApiError(404, "notFound", f"Shared drive not found: {drive_id}")
        answer = shared_drive_resource(self._world)
        fields = request.parameters.get("fields")
        return Response.of_json(selected(answer, fields, "kind,id,name", SHARED_DRIVE))

    def described(self, node: Node, request: Request) -> Response:
        """The node as this request's `fields` want it."""
        resource = file_resource(node, self._world)
        fields = request.parameters.get("fields")
        return Response.of_json(selected(resource, fields, _DEFAULT_FILE_FIELDS, FILE))

    def _listed_tops(self, request: Request, account: Account) -> list[Node]:
        parameters = request.parameters
        corpora, drive_id = parameters.get("corpora", "user"), parameters.get("driveId")
        with_shared = (
            parameters.get("includeItemsFromAllDrives") == "true"
            and parameters.get("supportsAllDrives") == "true"
        )
        shared = self._world.tops["shared"]
        if corpora == "drive":
            if not with_shared or drive_id is None:
                raise bad_request("corpora=drive wants driveId and both parameters of all drives.")
            if drive_id != shared.file_id:
                raise ApiError(404, "notFound", f"Shared drive not found: {drive_id}")
            return [shared]
        if corpora != "user" or drive_id is not None:
            raise UnknownRequest(f"files.list with corpora={corpora} and driveId={drive_id}")
        return [self._world.tops[account], *([shared] if with_shared else [])]

    def _new_parent(self, node: Node, request: Request, account: Account) -> Node | None:
        added = request.parameters.get("addParents")
        removed = request.parameters.get("removeParents")
        if added is None and removed is None:
            return None
        if added is None or removed != node.parent_id:
            raise ApiError(
                403, "cannotAddParent", "Increasing the number of parents is not allowed"
            )
        return parent_for_new(self._access.node(added, request, account), added)


def _page_size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LARGEST_PAGE:
        raise bad_request(f"Invalid value '{text}'. Values must be within the range: [1, 1000]")
    return int(text)


def _ranged(data: bytes, header: str | None, mime_type: str) -> Response:
    headers = {"Content-Type": mime_type}
    if header is None:
        return Response(200, data, headers)
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if match is None or match.groups() == ("", ""):
        raise UnknownRequest(f"the range {header!r}")
    first = int(match[1]) if match[1] else max(0, len(data) - int(match[2]))
    last = min(int(match[2]), len(data) - 1) if match[1] and match[2] else len(data) - 1
    if first > last:
        return Response(416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(206, data[first : last + 1], headers)
