"""Going through an archive of ours from its beginning: each sample against its own JSON, without or with the index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.formats._shards_sample import check_sample, sample_key
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.tarfiles import stream_members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.formats._shards_tables import SampleTable
    from lapsdata.schema.shards import ShardSample

__all__ = ["check_shard", "stream_shard"]

_Checked = tuple["ShardSample", dict[str, "NDArray[Any]"]]


def stream_shard(
    source: Path | BinaryIO, *, batch: int = 64, where: str | None = None
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the samples of one archive of ours in batches, without `shards.json` and without the index.

    Each sample is compared with the checksums in its own JSON; of samples that are missing as a whole nothing is
    known here: `ShardsFolder.stream` knows.

    Parameters
    ----------
    source : Path or binary file
        A file that can only be read forward is enough: a pipe, a URL that is open.
    batch : int
        Samples at once; the last batch may have fewer.
    where : str, optional
        Name of the source, for messages.

    Yields
    ------
    dict of array
        Fields (B, ...), and `step_s` float64 (B, T), seconds, `video` and `window` int64 (B,).

    Raises
    ------
    StorageError
        It is not there, or may not be read.
    CorruptDataError
        Names archive and member; what was yielded before was sound.
    SchemaError
        A sample of another shape than the one before.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_shards
    >>> target = Path(tempfile.mkdtemp()) / "clips.shards"
    >>> report = write(target, sample_shards())
    >>> [found] = stream_shard(target / "shard-000000.tar")
    >>> found["tracks"].shape, found["step_s"][3]
    ((5, 4, 5, 2), array([0. , 0.1, 0.2, 0.3]))
    """
    if isinstance(source, Path):
        with storage_errors(source, "open"), source.open("rb") as file:
            yield from stream_shard(file, batch=batch, where=where or str(source))
        return
    place = where or str(getattr(source, "name", "stream"))
    held: list[_Checked] = []
    for sample in _samples(source, place):
        held.append(sample)
        if len(held) == batch:
            yield _stacked(held, place)
            held = []
    if held:
        yield _stacked(held, place)


def _samples(file: BinaryIO, where: str) -> Iterator[_Checked]:
    key, members = None, dict[str, bytes]()
    for member, content in stream_members(file, where):
        begins, _, ending = member.name.partition(".")
        if begins != key and key is not None:
            yield check_sample(key, members, where)
            members = {}
        if ending in members:
            message = "expected each member once, got it twice"
            raise CorruptDataError(Problem("sample-damaged", f"{where}: {member.name}", message, REPAIR))
        key = begins
        members[ending] = content
    if key is not None:
        yield check_sample(key, members, where)


def _stacked(samples: list[_Checked], where: str) -> dict[str, NDArray[Any]]:
    """Put samples into one batch."""
    records = [record for record, _ in samples]
    spelled = [{name: (told.shape, told.dtype) for name, told in record.arrays.items()} for record in records]
    for record, arrays in zip(records, spelled, strict=True):
        if arrays != spelled[0] or len(record.step_s) != len(records[0].step_s):
            message = f"expected {spelled[0]} as in {records[0].key}, got {arrays}"
            raise CorruptDataError(Problem("sample-damaged", f"{where}: {record.key}", message, REPAIR))
    batch: dict[str, NDArray[Any]] = {
        name: np.stack([arrays[name] for _, arrays in samples]) for name in records[0].arrays
    }
    batch["step_s"] = np.array([record.step_s for record in records], np.float64)
    batch["video"] = np.array([record.video_number for record in records], np.int64)
    batch["window"] = np.array([record.window for record in records], np.int64)
    return batch


def check_shard(path: Path, table: SampleTable, shard: int) -> None:
    """Go through a whole archive, and compare every sample with its JSON and with the index.

    Raises
    ------
    StorageError
        It is not there, or may not be read.
    CorruptDataError
        Names the first member that is not as it was written, missing, or too many.
    """
    rows = np.flatnonzero(table.shard == shard)
    keys = [sample_key(int(table.video[row]), int(table.window[row])) for row in rows]
    with storage_errors(path, "open"), path.open("rb") as file:
        found = 0
        for record, _ in _samples(file, str(path)):
            expected = keys[found] if found < len(keys) else "no more samples"
            checksums = {name: f"{told.crc32c}" for name, told in record.arrays.items()}
            sealed = (
                {name: f"{part.crc32c[rows[found]]:08x}" for name, part in table.fields.items()}
                if found < len(keys)
                else {}
            )
            if record.key != expected or checksums != sealed:
                message = f"expected {expected} with {sealed}, as the index says, got {record.key} with {checksums}"
                raise CorruptDataError(Problem("shard-swapped", f"{path}: {record.key}", message, REPAIR))
            found += 1
    if found < len(keys):
        message = f"expected {len(keys)} samples, got {found}"
        raise CorruptDataError(Problem("shard-swapped", str(path), message, REPAIR))
