"""Names of pictures: after what they show, and no longer than file systems allow."""

from __future__ import annotations

import hashlib

__all__ = ["file_stem"]

# File systems allow 255 bytes for a name.
_LONGEST = 200


def file_stem(name: str) -> str:
    """Return the name of an item as that of a file without its ending; a digest stands for the end of a long one.

    Examples
    --------
    >>> file_stem("clip_1"), len(file_stem("ü" * 200).encode())
    ('clip_1', 199)
    """
    if len(name.encode()) <= _LONGEST:
        return name
    told = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name.encode()[: _LONGEST - 13].decode(errors='ignore')}-{told}"
