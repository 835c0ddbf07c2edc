"""Whether the archives of episodes in shards are as they were written, and which of their episodes are not."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lapsdata.adapters.lerobot.info import CATALOG, SHARD, SHARDS
from lapsdata.errors import CorruptDataError, LapsError, Problem, spans_told
from lapsdata.formats._shards_files import shard_name
from lapsdata.provenance import path_digest
from lapsdata.schema import EpisodeShards
from lapsdata.storage.archive_path import FilePart
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.parquet_rows import read_parquet
from lapsdata.storage.sealed_json import read_sealed_json

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema.shards import ShardFile

__all__ = ["changed_episodes", "check_archives"]

_COLUMNS = ("episode_index", SHARD, "shards/offset", "shards/nbytes", "shards/digest")
_FIX = "take it from a copy, make the shards anew, or save what is whole: lapsdata repair PATH"


def check_archives(root: Path) -> tuple[int, list[Problem]]:
    """Compare every archive and the catalog with their digests; return how many are as they were, and what is wrong.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.converting import convert_set
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = convert_set(write_lerobot(folder / "set"), folder / "shards", "shards")
    >>> check_archives(folder / "shards")
    (1, [])
    """
    try:
        told = read_sealed_json(root / SHARDS, EpisodeShards)
    except LapsError as error:
        return 0, list(error.problems)
    problems = []
    if fault := _fault(root / CATALOG, told.catalog):
        problems.append(Problem("not-as-written", str(root / CATALOG), fault, _FIX))
    faults = {number: fault for number, shard in enumerate(told.shards) if (fault := _fault(root / shard.name, shard))}
    changed = changed_episodes(root) if faults and not problems else {}
    for number, fault in faults.items():
        which = f"; episodes that are not as they were: {spans_told(changed[number])}" if changed.get(number) else ""
        problems.append(Problem("not-as-written", str(root / shard_name(number)), fault + which, _FIX))
    return len(told.shards) - len(faults), problems


def _fault(path: Path, told: ShardFile) -> str:
    try:
        with storage_errors(path, "read"):
            size = path.stat().st_size
            digest = path_digest(path) if size == told.size else ""
    except LapsError as error:
        return error.problems[0].message
    if size != told.size:
        return f"expected {told.size} bytes, got {size}"
    return "" if digest == told.digest else f"expected {told.digest}, got {digest}"


def changed_episodes(root: Path) -> dict[int, list[int]]:
    """Return the numbers of the episodes whose samples are not as they were written, by the number of their archive.

    Raises
    ------
    CorruptDataError
        The catalog is damaged, or tells no places.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.converting import convert_set
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = convert_set(write_lerobot(folder / "set"), folder / "shards", "shards")
    >>> changed_episodes(folder / "shards")
    {}
    """
    table = read_parquet(root / CATALOG)
    if absent := [name for name in _COLUMNS if name not in table.schema.names]:
        message = f"expected the columns of a catalog of shards, got none of {', '.join(absent)}"
        raise CorruptDataError(Problem("missing-column", str(root / CATALOG), message, _FIX))
    changed: dict[int, list[int]] = {}
    for row in table.select(_COLUMNS).to_pylist():
        path = root / shard_name(row[SHARD])
        if not path.is_file() or _digest(path, row["shards/offset"], row["shards/nbytes"]) != row["shards/digest"]:
            changed.setdefault(row[SHARD], []).append(row["episode_index"])
    return changed


def _digest(path: Path, offset: int, nbytes: int) -> str:
    with storage_errors(path, "read"), FilePart(path, offset, nbytes) as part:
        return f"sha256:{hashlib.file_digest(part, 'sha256').hexdigest()}"
