"""What every call to rclone's remote control names, so that nobody else can decide it.

What a call names in ``_config`` and ``_filter`` wins over the command line, over variables
(``RCLONE_UPDATE``) and over what stands in the configuration (``global.update``); what it does not
name is taken from those. So each call names all that decides about data: what rclone compares,
sends, skips, limits, renames, deletes and lists. A word that one version of rclone does not know it
ignores without a word of its own, so each is held against the real ones in
``tests/contract/remote/test_call_options.py``, and what a call can't be told is left to
``options/rclone_options``.

The values are written so that all versions take them: times that are off are ``"off"``, where old
versions have plain nanoseconds numbers, lists never ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

# Either of these, not what "the same size and time" would be by default: that sends nothing and
# deletes the source where the bytes differ. CheckSum also makes rclone compare what it has just put
# by its hash, and stays true where everything is sent.
_BY_HASH = {"CheckSum": True, "IgnoreTimes": False}
_ALWAYS_SEND = {"CheckSum": True, "IgnoreTimes": True}

_BASE: Mapping[str, object] = {
    # What counts as the same, and is not sent.
    "CompareDest": [],
    "CopyDest": [],
    "IgnoreCaseSync": False,
    "IgnoreExisting": False,
    "IgnoreSize": False,
    "Immutable": False,
    "ModifyWindow": 1,
    "NoUnicodeNormalization": False,
    "NoUpdateDirModTime": False,
    "NoUpdateModTime": False,
    "RefreshTimes": False,
    "SizeOnly": False,
    "UpdateOlder": False,
    "UseServerModTime": False,
    # Whether it is done at all, and to its end.
    "CutoffMode": "HARD",
    "DryRun": False,
    "Interactive": False,
    "MaxDuration": 0,
    "MaxTransfer": "off",
    "Retries": 1,
    # How it is sent: with a look at what has arrived, and under another name until it is whole.
    "Dump": 0,
    "IgnoreChecksum": False,
    "MultiThreadSet": False,
    "PartialSuffix": ".partial",
    "ServerSideAcrossConfigs": False,
    "StreamingUploadCutoff": 102400,
    # What is stored: these bytes by this name. (A file's type that is set as its metadata makes
    # Drive convert it, and rclone then finds no size and no hash to compare.)
    "FixCase": False,
    "Links": False,
    "Metadata": False,
    "MetadataMapper": [],
    "MetadataSet": None,
    "NameTransform": [],
    "Suffix": "",
    "SuffixKeepExtension": False,
    # What is deleted, or put elsewhere.
    "BackupDir": "",
    "IgnoreErrors": False,
    "MaxDelete": -1,
    "MaxDeleteSize": "off",
    "TrackRenames": False,
    "TrackRenamesStrategy": "hash",
    # What is listed.
    "MaxDepth": -1,
    "NoTraverse": False,
}

NO_FILTER: Mapping[str, object] = MappingProxyType(
    {
        "DeleteExcluded": False,
        "ExcludeFile": [],
        "ExcludeFrom": [],
        "ExcludeRule": [],
        "FilesFrom": [],
        "FilesFrom0": [],
        "FilesFromRaw": [],
        "FilterFrom": [],
        "FilterRule": [],
        "HashFilter": "",
        "IgnoreCase": False,
        "IncludeFrom": [],
        "IncludeRule": [],
        "MaxAge": "off",
        "MaxSize": "off",
        "MetaRules": {
            "ExcludeFrom": [],
            "ExcludeRule": [],
            "FilterFrom": [],
            "FilterRule": [],
            "IncludeFrom": [],
            "IncludeRule": [],
        },
        "MinAge": "off",
        "MinSize": "off",
    }
)
"""``_filter`` of every call: nothing is left out, of a listing either. (It would be no limit for
the size of one file: calls that name their file don't ask the filter.)"""


class Comparison(Enum):
    """When rclone takes a file that is there by that name for the same, and sends nothing."""

    BY_HASH = "by hash"
    """Same size and same hash. Only for a remote that shares a hash with this machine, and for a
    file that is listed with it: for one that has no hash it compares the size alone."""

    ALWAYS_SEND = "always send"


def call_config(
    *,
    compare: Comparison = Comparison.ALWAYS_SEND,
    look_first: bool = True,
    low_level_retries: int | None = None,
    max_bytes: int | None = None,
) -> Mapping[str, object]:
    """``_config`` of a call.

    Without ``look_first`` rclone does not look whether the name is there already: only for one that
    is known to be new. ``low_level_retries`` counts from the first call to a remote string on, for
    all later ones; ``None``: the user's, else rclone's own ten. With ``max_bytes`` rclone ends
    the call with an error when a file turns out to be longer, and leaves nothing of it; not
    together with a ``_group``, whose earlier bytes would be counted.
    """
    retries = {} if low_level_retries is None else {"LowLevelRetries": low_level_retries}
    return {
        **_BASE,
        **(_BY_HASH if compare is Comparison.BY_HASH else _ALWAYS_SEND),
        "NoCheckDest": not look_first,
        "MaxTransfer": "off" if max_bytes is None else max_bytes,
        **retries,
    }
