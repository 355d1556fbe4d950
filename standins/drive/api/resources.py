"""Nodes as Drive describes them in JSON."""

from __future__ import annotations

from typing import Any

from ..files.world import Node, World


def file_resource(node: Node, world: World) -> dict[str, Any]:
    """Sizes are text, as in all of Google's JSON for 64-bit numbers."""
    resource: dict[str, Any] = {
        "kind": "drive#file",
        "id": node.file_id,
        "name": node.name,
        "mimeType": node.mime_type,
        "trashed": node.is_trashed(),
        "explicitlyTrashed": node.explicitly_trashed,
        "createdTime": node.created_time,
        "modifiedTime": node.modified_time,
        "webViewLink": f"https://drive.google.com/file/d/{node.file_id}/view",
    }
    if node.parent_id is not None:
        resource["parents"] = [node.parent_id]
    if node.description is not None:
        resource["description"] = node.description
    if node.top is world.tops["shared"]:
        resource["driveId"] = node.top.file_id
    if node.content is not None:
        resource["size"] = str(node.content.size_bytes)
        resource["md5Checksum"] = node.content.md5
        resource["sha1Checksum"] = node.content.sha1
        resource["sha256Checksum"] = node.content.sha256
    return resource


def shared_drive_resource(world: World) -> dict[str, Any]:
    top = world.tops["shared"]
    return {
        "kind": "drive#drive",
        "id": top.file_id,
        "name": world.shared_drive_name,
        "createdTime": top.created_time,
        "capabilities": {"canAddChildren": True, "canListChildren": True},
        "restrictions": {},
    }


def about_resource(top: Node, world: World, limit_bytes: int) -> dict[str, Any]:
    used_bytes = world.used_bytes(top)
    return {
        "kind": "drive#about",
        "user": {
            "kind": "drive#user",
            "displayName": "Stand-in",
            "emailAddress": "stand-in@example.com",
            "me": True,
            "permissionId": "01",
        },
        "storageQuota": {
            "limit": str(limit_bytes),
            "usage": str(used_bytes),
            "usageInDrive": str(used_bytes),
            "usageInDriveTrash": str(world.used_bytes(top, trashed_only=True)),
        },
        "importFormats": {},
        "exportFormats": {},
    }
