"""One window as members of a tar archive: npy files and a JSON file that says what they must be."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.schema.base import canonical_json
from lapsdata.schema.shards import ShardSample
from lapsdata.storage.seal import REPAIR, crc32c
from lapsdata.storage.tar_arrays import npy_header
from lapsdata.storage.tar_headers import BLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["check_sample", "sample_array", "sample_key", "sample_record", "spelled_sample"]

_SEAL = "x-seal"
# The seal is the last key, since keys are sorted; then nothing but what fills the block up.
_SEALED = re.compile(rb'(\{.*),"x-seal":"crc32c:([0-9a-f]{8})"\} *\n', re.DOTALL)

_SPARE = 64
"""Bytes by which the JSON of a later window of a video may be longer, beside 8 for each time, before it takes another
block."""


def sample_key(video: int, window: int) -> str:
    """Return the key of a sample: no dots, since WebDataset splits there, and no other sample's.

    Examples
    --------
    >>> sample_key(3, 123)
    '000003_000000123'
    """
    return f"{video:06d}_{window:09d}"


def spelled_sample(document: dict[str, JsonValue], least: int) -> bytes:
    """Spell the JSON member of a sample, sealed, filled up with spaces to whole blocks.

    Samples of equal length lie at equal distances, so that many of them are read as one strided array.

    Parameters
    ----------
    document : dict
        As `ShardSample.as_json` gives it.
    least : int
        Smallest length, in bytes.
    """
    seal = f"crc32c:{crc32c(canonical_json(document)):08x}"
    text = canonical_json({**document, _SEAL: seal})
    size = max(least, -(-(len(text) + 1) // BLOCK) * BLOCK)
    return text.ljust(size - 1) + b"\n"


def room_for(text: bytes, horizon: int) -> int:
    """Return the length that the JSON members of a video should have, from the first one without what fills it up."""
    return -(-(len(text.rstrip()) + 1 + _SPARE + 8 * horizon) // BLOCK) * BLOCK


def sample_record(data: bytes, where: str) -> ShardSample:
    """Read the JSON member of a sample.

    Parameters
    ----------
    data : bytes
    where : str
        File and member, for messages.

    Raises
    ------
    CorruptDataError
        It is not what was sealed.
    SchemaError
        It was sealed, and is no such record.
    """
    found = _SEALED.fullmatch(data)
    text = b"" if found is None else found[1] + b"}"
    if found is None or f"{crc32c(text):08x}".encode() != found[2]:
        message = "expected the JSON of a sample that fits its own checksum, got other bytes"
        raise CorruptDataError(Problem("sample-damaged", where, message, REPAIR))
    try:
        return ShardSample.model_validate_json(text)
    except ValidationError:
        # Sealed, and another record: slower, this says what is wrong with it.
        return ShardSample.parse(text, where)


def check_sample(key: str, members: Mapping[str, bytes], where: str) -> tuple[ShardSample, dict[str, NDArray[Any]]]:
    """Compare the members of a sample with what its JSON says; return that and the arrays, read-only views.

    Parameters
    ----------
    key : str
        Before the first dot of the members' names.
    members : mapping of bytes
        By what follows that dot.
    where : str
        The archive, for messages.

    Raises
    ------
    CorruptDataError
        A member is missing, too many, or is not as it was written.
    """
    if "json" not in members:
        message = f"expected a member {key}.json, got none: a sample of another program, or a part of one"
        raise CorruptDataError(Problem("sample-damaged", f"{where}: {key}", message, REPAIR))
    record = sample_record(members["json"], f"{where}: {key}.json")
    expected = {*(f"{field}.npy" for field in record.arrays), "json"}
    if record.key != key or members.keys() != expected:
        message = f"expected {record.key} with {sorted(expected)}, got {key} with {sorted(members)}"
        raise CorruptDataError(Problem("sample-damaged", f"{where}: {key}", message, REPAIR))
    arrays = {
        field: sample_array(
            members[f"{field}.npy"], told.shape, np.dtype(told.dtype), told.crc32c, f"{where}: {key}.{field}.npy"
        )
        for field, told in record.arrays.items()
    }
    return record, arrays


def sample_array(data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], checksum: str, where: str) -> NDArray[Any]:
    """Return the array in an npy member: its header must be to the byte what shape and dtype make it.

    Raises
    ------
    CorruptDataError
        Another header, another length, or another checksum.
    """
    header, size = _expected(shape, dtype)
    if len(data) != size or not data.startswith(header):
        message = f"expected an npy file of {shape} {dtype}, {size} bytes, got {len(data)} bytes or another header"
        raise CorruptDataError(Problem("sample-damaged", where, message, REPAIR))
    found = f"{crc32c(data[len(header) :]):08x}"
    if found != checksum:
        message = f"expected CRC-32C {checksum}, got {found}"
        raise CorruptDataError(Problem("payload-checksum", where, message, REPAIR))
    return np.frombuffer(data, dtype.newbyteorder("<"), offset=len(header)).reshape(shape)


@functools.lru_cache(maxsize=64)
def _expected(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[bytes, int]:
    """Return the npy header, and the size of the whole member."""
    header = npy_header(shape, dtype)
    return header, len(header) + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
