"""Whole archives that a writer which was stopped has left, each with the rows of its samples beside it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.errors import LapsError
from lapsdata.formats._shards_files import digest_of, shard_name
from lapsdata.formats._shards_tables import SampleTable
from lapsdata.schema.shards import ShardFile
from lapsdata.storage.atomic import remove
from lapsdata.storage.sealed_parquet import read_sealed_parquet, write_sealed_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic import JsonValue

__all__ = ["KeptParts", "Part", "drop_parts", "kept_parts", "save_part"]

_FORMAT: dict[str, JsonValue] = {"format": "lapsdata.shards_part", "format_version": "1.0"}
_NAMES = "part-*.parquet"


@dataclass(frozen=True)
class Part:
    """An archive that is whole.

    Parameters
    ----------
    shard : ShardFile
    samples : SampleTable
        The rows of its samples.
    largest_error_px : float
        Over all samples up to here.
    """

    shard: ShardFile
    samples: SampleTable
    largest_error_px: float


def save_part(folder: Path, number: int, part: Part) -> None:
    """Write down an archive whose bytes are on the disk: from now on it need not be made again."""
    told: dict[str, JsonValue] = {"shard": part.shard.as_json(), "largest_error_px": part.largest_error_px}
    write_sealed_parquet(folder / _name(number), _FORMAT | told, part.samples.table())


class KeptParts(NamedTuple):
    """What an earlier writer has left.

    Parameters
    ----------
    parts : tuple of Part
        The archives from the first one on that are what was written.
    refused : int
        Archives that were written down as whole too: the first of them is not what was written.
    """

    parts: tuple[Part, ...] = ()
    refused: int = 0


def kept_parts(folder: Path, fields: Sequence[str]) -> KeptParts:
    """Return the archives from the first one on that are what was written; everything else in the folder is removed."""
    parts = tuple(_whole(folder, fields))
    known = {name for number, part in enumerate(parts) for name in (_name(number), part.shard.name)}
    refused = sum(item.name not in known for item in folder.glob(_NAMES))
    for item in folder.iterdir():
        if item.name not in known:
            remove(item)
    return KeptParts(parts, refused)


def _whole(folder: Path, fields: Sequence[str]) -> Iterator[Part]:
    for number in itertools.count():
        # Whatever is wrong with an archive or its rows: it is made again, and so are those behind it.
        try:
            part = _part(folder, number, fields)
        except (LapsError, OSError, KeyError, ValueError):  # a record that is none is a ValueError
            return
        if part is None:
            return
        yield part


def _part(folder: Path, number: int, fields: Sequence[str]) -> Part | None:
    """Return an archive with its rows; None where it is not what was written."""
    header, table = read_sealed_parquet(folder / _name(number))
    told: dict[str, Any] = dict(header)
    shard, samples = ShardFile.model_validate(told["shard"]), SampleTable.of(table, fields)
    fits = shard.name == shard_name(number) and len(samples.shard) == shard.rows
    sound = fits and digest_of(folder / shard.name) == shard.digest
    return Part(shard, samples, float(told["largest_error_px"])) if sound else None


def drop_parts(folder: Path) -> None:
    """Remove the rows of the archives: the index has them all."""
    for item in folder.glob(_NAMES):
        item.unlink()


def _name(number: int) -> str:
    return f"part-{number:06d}.parquet"
