"""What the files of a folder of shards are called, and their digests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["digest_of", "shard_name"]


def shard_name(number: int) -> str:
    """Return the name of a shard, from 0.

    Examples
    --------
    >>> shard_name(0)
    'shard-000000.tar'
    """
    return f"shard-{number:06d}.tar"


def digest_of(path: Path) -> str:
    """Return the digest of a file, as headers spell it."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
