"""Damaged HDF5 and Zarr of ours, opened as far as they can be: header, times and checksums vouched for, windows not."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata._repair._seals import REMAKE, Seal, parse_seal
from lapsdata._repair._zarr_shards import shard_index, whole_array
from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.decoding import decoding
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import hdf5_index
from lapsdata.storage.seal import CHECKSUMS, digest
from lapsdata.storage.sealed_hdf5 import HEADER_PATH, SEAL_PATH, STORAGE_PATH
from lapsdata.storage.sealed_zarr import ATTRIBUTE
from lapsdata.storage.zarr_files import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source

__all__ = ["Salvage", "open_hdf5_salvage", "open_zarr_salvage"]

_TIMES = ("start_index", "frame_s", "source_index")

_OURS = "lapsdata/"
"""Group of what tracks in HDF5 have beside the windows."""

_PROFILE_LOST = "how it was stored is not known any more: it is written raw"


@dataclass(frozen=True)
class Salvage:
    """A damaged store: what is known of it for sure, and where its windows may lie.

    Parameters
    ----------
    header : dict
        As stored; the seal has vouched for it.
    storage : dict
        How it was stored: `profile`, `round_px`; empty where that is lost.
    small : dict of array
        Small arrays that the seal has vouched for, by name.
    sources : dict of Source
        Big arrays, by name, each window with its checksum.
    notes : tuple of Problem
    """

    header: dict[str, Any]
    storage: dict[str, Any]
    small: dict[str, NDArray[Any]]
    sources: dict[str, Source]
    notes: tuple[Problem, ...]


def open_hdf5_salvage(path: Path, whole: int | None = None) -> Salvage:
    """Open a damaged HDF5 file of ours.

    Parameters
    ----------
    path : Path
    whole : int, optional
        Of a file that was cut and filled up with zeros: how many bytes of it are its own.

    Raises
    ------
    CorruptDataError
        Its structure cannot be read, or what vouches for the windows is damaged, or was cut off.
    """
    with Hdf5File(path) as file:
        names = {name.strip("/") for name in file.datasets()}
        if HEADER_PATH not in names:
            message = "expected a header, got none: it is written last, so the file was never finished"
            raise CorruptDataError(Problem("no-header", str(path), message, REMAKE))
        arrays = names - {HEADER_PATH, SEAL_PATH, STORAGE_PATH}
        big = sorted(name for name in arrays if name + CHECKSUMS in arrays)
        small = sorted(name for name in arrays if name.startswith(_OURS) and name.removeprefix(_OURS) in _TIMES)
        _expect_inside(file, (HEADER_PATH, *small), whole)
        header, seal = _bytes(file, HEADER_PATH), _seal(file, names, whole)
        seal.expect_header(header, str(path))
        storage, notes = _storage(lambda: _bytes(file, STORAGE_PATH), str(path))
        times = _times(seal, small, file.read, str(path))
        sums, told = _sums(seal, big, file.read, str(path))
        sources = {name: hdf5_index(file, name, row_crc32c=sums[name], fill=True) for name in big}
    others = sorted(arrays - {*big, *small, *(name + CHECKSUMS for name in big)})
    notes = (*_cut(path, whole), *seal.notes(), *notes, *told, *_left_behind(others))
    return Salvage(_json(header, str(path)), storage, times, dict(sources), notes)


def _seal(file: Hdf5File, names: set[str], whole: int | None) -> Seal:
    if whole is not None and (SEAL_PATH not in names or not _inside(file, SEAL_PATH, whole)):
        return Seal("cut", {})
    return parse_seal(_bytes(file, SEAL_PATH) if SEAL_PATH in names else None)


def _inside(file: Hdf5File, name: str, whole: int) -> bool:
    """Say whether a dataset lies in the bytes that a cut file still has, as far as it says where it lies."""
    told = file.describe(name)
    count = math.prod(told.shape or ())
    return told.problem is None and told.offset is not None and told.offset + count * told.size <= whole


def _expect_inside(file: Hdf5File, names: Iterable[str], whole: int | None) -> None:
    """Refuse a header, or times, of which zeros may stand for what was cut off: a seal may have gone with them.

    Raises
    ------
    CorruptDataError
        Names the first one.
    """
    for name in names:
        if whole is not None and not _inside(file, name, whole):
            message = f"expected it in the {whole:,} bytes that the file still has, got it behind them: it was cut off"
            raise CorruptDataError(Problem("cut-off", f"{file.path}: {name}", message, REMAKE))


def _cut(path: Path, whole: int | None) -> tuple[Problem, ...]:
    if whole is None:
        return ()
    end = path.stat().st_size
    message = f"{end - whole:,} of {end:,} bytes are missing at the end: what lies in them is not there"
    return (Problem("truncated-file", "", message, "copy it again from where it is whole, if it is", "warning"),)


def _left_behind(names: list[str]) -> tuple[Problem, ...]:
    if not names:
        return ()
    message = f"{len(names)} datasets of others have no checksums and are not carried: {', '.join(names[:12])}"
    return (Problem("left-behind", "", message, "keep the damaged file if you need them", "warning"),)


def open_zarr_salvage(path: Path) -> Salvage:
    """Open a damaged Zarr group of ours.

    Raises
    ------
    CorruptDataError
        There is no header, or what vouches for the windows is damaged.
    """
    with storage_errors(path, "open"), decoding(f"{path}: {METADATA}", "a header and a seal"):
        ours = json.loads((path / METADATA).read_bytes())["attributes"][ATTRIBUTE]
        header, stored = dict(ours["header"]), ours.get("storage")
    seal = parse_seal(None if "seal" not in ours else canonical_json(ours["seal"]))
    seal.expect_header(canonical_json(header), str(path))
    storage, notes = _storage(lambda: canonical_json(stored), str(path))
    arrays = _zarr_metadata(path, seal)

    def read(name: str) -> NDArray[Any]:
        return whole_array(path / name, arrays[name], f"{path}: {name}")

    big = sorted(name for name in arrays if name + CHECKSUMS in arrays)
    times = _times(seal, [name for name in arrays if name in _TIMES], read, str(path))
    sums, told = _sums(seal, big, read, str(path))
    sources: dict[str, Source] = {}
    for name in big:
        sources[name], cut = shard_index(path / name, arrays[name], sums[name], f"{path}: {name}")
        told += cut
    return Salvage(header, storage, times, sources, (*seal.notes(), *notes, *told))


def _zarr_metadata(path: Path, seal: Seal) -> dict[str, Any]:
    """Return the metadata of all arrays: as sealed, so that a damaged or missing file of them costs nothing."""
    if seal.state == "sound":
        return {name: entry["metadata"] for name, entry in seal.manifest["arrays"].items()}
    found = {}
    for marker in sorted(path.rglob(METADATA)):
        with storage_errors(path, "open"), decoding(f"{marker}", "array metadata"):
            document = json.loads(marker.read_bytes())
            if document["node_type"] == "array":
                found[marker.parent.relative_to(path).as_posix()] = document
    return found


def _times(
    seal: Seal, names: Iterable[str], read: Callable[[str], NDArray[Any]], where: str
) -> dict[str, NDArray[Any]]:
    """Read the small arrays; each must be what was sealed, since nothing else tells the time.

    Raises
    ------
    CorruptDataError
        Another digest.
    """
    found = {}
    for name in names:
        values = read(name)
        if not seal.silent and seal.digest(name) != digest(values):
            message = f"expected digest {seal.digest(name)} as sealed, got {digest(values)}: the times are lost"
            raise CorruptDataError(Problem("times-damaged", f"{where}: {name}", message, REMAKE))
        found[name.rpartition("/")[2]] = values
    return found


def _sums(
    seal: Seal, names: Iterable[str], read: Callable[[str], NDArray[Any]], where: str
) -> tuple[dict[str, NDArray[np.uint32]], tuple[Problem, ...]]:
    """Read the checksums of windows.

    A list of checksums that is not the sealed one is used all the same: a window and a checksum that agree are both
    as they were written, and any other window counts as damaged.

    Raises
    ------
    CorruptDataError
        It cannot be read at all.
    """
    sums, notes = {}, list[Problem]()
    for name in names:
        values = read(name + CHECKSUMS)
        if not seal.silent and seal.digest(name + CHECKSUMS) != digest(values):
            message = "the list of checksums is damaged itself; a window that fits its entry is as it was written"
            notes.append(Problem("checksums-damaged", name, message, severity="warning"))
        if values.dtype != np.uint32 or values.ndim != 1:
            message = f"expected uint32 (W,), got {values.dtype} {values.shape}"
            raise CorruptDataError(Problem("checksums-damaged", f"{where}: {name}", message, REMAKE))
        sums[name] = values
    return sums, tuple(notes)


def _storage(read: Callable[[], bytes], where: str) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    try:
        storage = _json(read(), where)
        good = storage.get("profile") in ("raw", "compact")
    except LapsError:
        storage, good = {}, False
    if good:
        return storage, ()
    return {}, (Problem("storage-damaged", "storage", _PROFILE_LOST, severity="warning"),)


def _json(data: bytes, where: str) -> dict[str, Any]:
    with decoding(where, "a JSON object"):
        return dict(json.loads(data))


def _bytes(file: Hdf5File, name: str) -> bytes:
    with decoding(f"{file.path}: {name}", "bytes"):
        return bytes(file.read(name).item())
