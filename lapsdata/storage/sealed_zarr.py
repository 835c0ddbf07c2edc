"""Sealed Zarr v3 groups, read: standard codecs only, a checksum on every chunk, nothing left to fill values.

Big arrays are sharded: 256 windows to a file, one window to an inner chunk, so that one window can be read alone and
a folder does not drown in files. Each has a `<name>_crc32c (W,)` array beside it: codec checksums find flipped bits
in a chunk, these also find chunks that are missing or stand in another's place.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from lapsdata.errors import CorruptDataError, LapsError, Problem, StorageError, UnknownFormatError
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.decoding import decoding
from lapsdata.storage.seal import (
    CHECKSUMS,
    REPAIR,
    check_rows,
    crc32c,
    digest,
    open_seal,
    sealed_by,
)
from lapsdata.storage.slabs import decoded
from lapsdata.storage.whole import read_whole
from lapsdata.storage.zarr_files import METADATA
from lapsdata.storage.zarr_index import zarr_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.storage.index import ChunkIndex

__all__ = ["ATTRIBUTE", "SealedZarr", "is_sealed_zarr", "zarr_manifest"]

ATTRIBUTE = "lapsdata"
"""Attribute of the group that holds header, storage facts and seal."""


class SealedZarr:
    """A group of ours, opened for reading; the seal has been checked.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StorageError
        Nothing is there.
    UnknownFormatError
        Not a group that this library wrote.
    CorruptDataError
        Metadata, small arrays or seal do not fit each other.
    """

    def __init__(self, path: Path) -> None:
        self.path = existing(path)
        self._generation = _generation(path)
        attributes = _attributes(path)
        if attributes is None:
            message = "expected a Zarr group with a lapsdata header, got something else"
            raise UnknownFormatError(Problem("not-ours", str(path), message, "name its format, or use an adapter"))
        with decoding(f"{path}: {METADATA}", "a header"):
            self.header: dict[str, JsonValue] = dict(attributes["header"])
        with sealed_by(self.header, str(path)), self._one_generation():
            with decoding(f"{path}: {METADATA}", "storage facts and a seal"):
                self.storage: dict[str, JsonValue] = dict(attributes["storage"])
                seal = canonical_json(attributes["seal"])
                sealed = dict(attributes["seal"]["manifest"]["arrays"])
            self._check_seal(seal, sealed)

    def _check_seal(self, seal: bytes, sealed: dict[str, Any]) -> None:
        self._small: dict[str, NDArray[Any]] = {}
        self._metadata: dict[str, Any] = {}
        described: dict[str, JsonValue] = {}
        for name in sealed:
            with decoding(f"{self.path}: {name}", "array metadata"):
                self._metadata[name] = json.loads((self.path / name / METADATA).read_bytes())
            entry = {"metadata": self._metadata[name]}
            # Structure first: nothing may be decoded by metadata that is not what was written.
            if isinstance(sealed[name], dict) and "digest" in sealed[name]:
                entry["digest"] = sealed[name]["digest"]
            described[name] = entry
        open_seal(seal, zarr_manifest(self.header, self.storage, described), str(self.path))
        for name, entry in sealed.items():
            if "digest" in entry:
                self._small[name] = decoded(zarr_index(self.path, name))
                found = digest(self._small[name])
                if found != entry["digest"]:
                    message = f"expected digest {entry['digest']} as sealed, got {found}"
                    raise CorruptDataError(Problem("seal-mismatch", f"{self.path}: {name}", message, REPAIR))

    @contextlib.contextmanager
    def _one_generation(self) -> Iterator[None]:
        """Refuse what was read while another writer put a new folder in this one's place.

        Raises
        ------
        StorageError
            The folder is another one now; what was read may be of both.
        """
        damage: LapsError | None = None
        try:
            yield
        except (CorruptDataError, StorageError) as error:  # the latter: a chunk's file that is gone by now
            damage = error
        if _generation(self.path) != self._generation:
            message = "expected one folder from beginning to end, got another: it was replaced while it was read"
            raise StorageError(Problem("replaced", str(self.path), message, "read it again")) from damage
        if damage is not None:
            raise damage

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays, checksum arrays left out."""
        return tuple(name for name in self._metadata if not name.endswith(CHECKSUMS))

    def small(self, name: str) -> NDArray[Any] | None:
        """Return a small array, which the seal has vouched for; None where there is none of that name."""
        return self._small.get(name)

    def source(self, name: str) -> ChunkIndex:
        """Say where the windows of a big array lie, and what their checksums are.

        Raises
        ------
        CorruptDataError
            A shard or a window is missing, or a shard's index is damaged.
        StorageError
            The folder was replaced while it was looked at.
        """
        with self._one_generation():
            return zarr_index(self.path, name, row_crc32c=self._small[name + CHECKSUMS])

    def check_shards(self) -> None:
        """Look for the place of every window of every big array, and not at the windows; raises as `source` does."""
        for name in self.names:
            if name not in self._small:
                self.source(name)

    def read(self, name: str, *, verify: bool = True) -> NDArray[Any]:
        """Return a whole array; each window is compared with its checksum unless `verify` is False.

        Raises
        ------
        CorruptDataError
            A chunk is missing (whatever `verify` is), damaged, or stands in another's place.
        StorageError
            The folder was replaced while it was read.
        """
        if name in self._small:
            return self._small[name]
        with self._one_generation():
            index = zarr_index(self.path, name, row_crc32c=self._small[name + CHECKSUMS])
            try:
                return read_whole(index, index.where, verify=verify)
            except CorruptDataError:
                find_damage(index)
                # What is stored is whole: how many windows are others than they should be is worth knowing.
                stored = read_whole(index, index.where, verify=False)
                check_rows(stored, self._small[name + CHECKSUMS], index.where, index.place)
                raise


def find_damage(index: ChunkIndex) -> None:
    """Compare the stored bytes of each window with the CRC-32C that ends them.

    Raises
    ------
    CorruptDataError
        Names the first window that differs, its file and its bytes.
    """
    for window, (file, offset, length) in enumerate(zip(index.file, index.offset, index.length, strict=True)):
        with index.files[file].open("rb") as raw:
            raw.seek(offset)
            stored = raw.read(length)
        found, stated = crc32c(stored[:-4]), stored[-4:]
        if found.to_bytes(4, "little") != stated:
            where = f"{index.where}: window {window} ({index.place(window)})"
            message = f"expected CRC-32C {int.from_bytes(stated, 'little'):08x}, got {found:08x}"
            raise CorruptDataError(Problem("payload-checksum", where, message, REPAIR))


def _generation(path: Path) -> tuple[int, int, int] | None:
    """Return what tells a folder from its successor of the same name; None where nothing is there."""
    try:
        status = path.stat()
    except OSError:
        return None  # compared with a generation that was there, this is another one
    # With its time: the number of a folder that was removed is given to a new one.
    return status.st_dev, status.st_ino, status.st_ctime_ns


def is_sealed_zarr(path: Path, name: str) -> bool:
    """Say whether a folder is a group of ours whose header names the format `name`.

    Raises
    ------
    CorruptDataError
        There is a `zarr.json` that cannot be read as JSON.
    """
    attributes = _attributes(path)
    header = None if attributes is None else attributes.get("header")
    return isinstance(header, dict) and header.get("format") == name


def _attributes(path: Path) -> dict[str, Any] | None:
    """Return what this library wrote into a group's attributes; None where it is no group of ours."""
    file = path / METADATA
    with storage_errors(path, "open"):
        if not file.is_file():
            return None
    with decoding(f"{path!s}: zarr.json", "JSON"):
        document = json.loads(file.read_bytes())
    attributes = document.get("attributes") if isinstance(document, dict) else None
    ours = attributes.get(ATTRIBUTE) if isinstance(attributes, dict) else None
    return ours if isinstance(ours, dict) else None


def zarr_manifest(
    header: Mapping[str, JsonValue], storage: Mapping[str, JsonValue], arrays: dict[str, JsonValue]
) -> dict[str, JsonValue]:
    """Describe a group: its header, how it was stored, and its arrays."""
    return {
        "header": f"{crc32c(canonical_json(dict(header))):08x}",
        "storage": dict(storage),
        "arrays": arrays,
    }
