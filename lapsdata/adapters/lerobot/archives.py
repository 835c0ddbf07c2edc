"""Whether the archives of episodes in shards are as they were written, and which of their episodes are not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
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
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata.schema.episode_shards import FileBeside
    from lapsdata.schema.shards import ShardFile

__all__ = ["changed_beside", "changed_episodes", "check_archives", "read_seal"]

_COLUMNS = ("episode_index", SHARD, "shards/offset", "shards/nbytes", "shards/digest")
_FIX = "take it from a copy, make the shards anew, or save what is whole: lapsdata repair PATH"
_UNSEALED = "take it from a copy, or write it anew with what is whole: lapsdata repair PATH --out FOLDER"


def check_archives(root: Path) -> tuple[int, list[Problem]]:
    """Compare every archive and the files of `meta/` with their digests.

    Returns
    -------
    int
        Archives that are as they were written; without `meta/shards.json`, by the digests of the catalog.
    list of Problem
        What is wrong.

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
    told, problems = read_seal(root)
    if told is None:
        return _by_catalog(root, problems)
    if fault := _fault(root / CATALOG, told.catalog):
        problems.append(Problem("not-as-written", str(root / CATALOG), fault, _FIX))
    faults = {number: fault for number, shard in enumerate(told.shards) if (fault := _fault(root / shard.name, shard))}
    changed = changed_episodes(root) if faults and not problems else {}
    for number, fault in faults.items():
        problems.append(
            Problem("not-as-written", str(root / shard_name(number)), fault + _which(changed, number), _FIX)
        )
    return len(told.shards) - len(faults), [*problems, *changed_beside(root, told)]


def changed_beside(root: Path, told: EpisodeShards | None) -> list[Problem]:
    """Return which files of `meta/` beside the catalog are not as they were written, as far as that is told."""
    faults = {one.name: _fault(root / "meta" / one.name, one) for one in (() if told is None else told.beside)}
    return [Problem("not-as-written", str(root / "meta" / name), why, _FIX) for name, why in faults.items() if why]


def read_seal(root: Path) -> tuple[EpisodeShards | None, list[Problem]]:
    """Return what `meta/shards.json` says, None where it cannot be read, and why.

    Examples
    --------
    See `check_archives`.
    """
    if not (root / SHARDS).is_file():
        return None, [
            Problem("no-seal", str(root / SHARDS), "expected the digests of the archives, got none", _UNSEALED)
        ]
    try:
        return read_sealed_json(root / SHARDS, EpisodeShards), []
    except LapsError as error:
        return None, [replace(problem, fix=_UNSEALED) for problem in error.problems]


def _by_catalog(root: Path, problems: list[Problem]) -> tuple[int, list[Problem]]:
    """Compare each sample with the digest that the catalog has of it, which nothing proves itself."""
    try:
        changed = changed_episodes(root)
        shards = set(read_parquet(root / CATALOG).column(SHARD).to_pylist())
    except LapsError as error:
        return 0, [*problems, *error.problems]
    for number in changed:
        fault = "expected the samples that the catalog tells of, got others" + _which(changed, number)
        problems.append(Problem("not-as-written", str(root / shard_name(number)), fault, _FIX))
    return len(shards) - len(changed), problems


def _which(changed: Mapping[int, Sequence[int]], number: int) -> str:
    numbers = changed.get(number)
    return f"; episodes that are not as they were: {spans_told(numbers)}" if numbers else ""


def _fault(path: Path, told: ShardFile | FileBeside) -> str:
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
