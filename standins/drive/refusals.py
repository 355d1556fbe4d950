"""What Google Drive refuses, in its own words, by the reason that it gives.

https://developers.google.com/workspace/drive/api/guides/handle-errors, and what clients have seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .faults import Fault

MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "accessNotConfigured": (
            "Access Not Configured. Google Drive API has not been used in project 1 before or it "
            "is disabled."
        ),
        "activeItemCreationLimitExceeded": (
            "This account has exceeded the creation limit of active, non-trashed items."
        ),
        "appNotAuthorizedToFile": (
            "The user has not granted the app 1 write access to the file a."
        ),
        "cannotAddParent": "Increasing the number of parents is not allowed",
        "dailyLimitExceeded": "Daily Limit Exceeded",
        "domainPolicy": "The domain administrators have disabled Drive apps.",
        "insufficientFilePermissions": (
            "The user does not have sufficient permissions for file a."
        ),
        "insufficientParentPermissions": "Insufficient permissions for the specified parent.",
        "insufficientPermissions": (
            "Insufficient Permission: Request had insufficient authentication scopes."
        ),
        "myDriveHierarchyDepthLimitExceeded": (
            "Your My Drive can't contain more than 100 levels of folders."
        ),
        "numChildrenInNonRootLimitExceeded": (
            "The limit for this folder's number of children (files and folders) has been exceeded."
        ),
        "quotaExceeded": "The quota has been exceeded.",
        "sharingRateLimitExceeded": "Rate limit exceeded. User message: try again later.",
        "storageQuotaExceeded": (
            "Service Accounts do not have storage quota. Leverage shared drives "
            "(https://developers.google.com/workspace/drive/api/guides/about-shareddrives), or use "
            "OAuth delegation (http://support.google.com/a/answer/7281227) instead."
        ),
        "teamDriveFileLimitExceeded": "The file limit for this shared drive has been exceeded.",
        "teamDriveHierarchyTooDeep": "The shared drive hierarchy depth will exceed the limit.",
        "teamDriveMembershipRequired": ("The attempted action requires shared drive membership."),
        "UrlLeaseLimitExceeded": "Too many pending uploads for this account.",
    }
)
"""All with 403. Of a service account the one of ``storageQuotaExceeded``; a user's is the fault
``storage_full``."""


def refusal(reason: str, **more: Any) -> Fault:
    """For ever, unless ``times`` says otherwise."""
    fields: dict[str, Any] = {"times": None, **more}
    return Fault("error", status=403, reason=reason, message=MESSAGES[reason], **fields)
