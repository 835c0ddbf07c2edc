"""Seals and checksums: how a file of ours proves that its bytes are those that were written.

Payload: one CRC-32C per window (the first axis), kept beside the array. Structure: a *manifest* that says, for
every array, its dtype, shape, codecs and, for small arrays, the digest of the values; the *seal* is the manifest with
its CRC-32C. A reader builds the manifest anew from what it finds and compares, so that a flipped bit in a header, a
dtype, a codec setting or a checksum list is found before any value is believed.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lapsdata.errors import CorruptDataError, FormatTooNewError, LengthMismatchError, Problem, Problems, SchemaError
from lapsdata.schema.base import Header, canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = [
    "Verify",
    "check_rows",
    "check_verify",
    "crc32c",
    "digest",
    "make_seal",
    "open_seal",
    "row_checksums",
    "sealed_by",
]

Verify = Literal["first", "always", "never"]
"""When payload checksums are compared: each window once per process, on every read, or not at all."""

CHECKSUMS = "_crc32c"
"""Ending of the name of the array that holds another's row checksums."""

_LOOP = "lapsdata.storage._copy_loop"

REPAIR = "take it from a copy, make it anew from its parents, or save what is whole: lapsdata repair PATH"
"""What to do about damage."""


@dataclass(frozen=True)
class StoredArray:
    """An array on its way to a file: a `small` one has its digest in the seal, others a checksum per window."""

    values: NDArray[Any]
    small: bool = False


@dataclass(frozen=True)
class WindowArray:
    """A big array that is going to be written window by window: its whole shape is known, its values are not."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class WindowSums:
    """Checksums of arrays of windows while they are being appended, and how many windows there are of each.

    Parameters
    ----------
    arrays : mapping of WindowArray
        By name.

    Examples
    --------
    >>> sums = WindowSums({"vis": WindowArray((3, 2), np.dtype(bool))})
    >>> sums.add("vis", np.zeros((2, 2), bool))
    slice(0, 2, None)
    >>> sums.add("vis", np.ones((1, 2), bool))
    slice(2, 3, None)
    >>> sums.finish()["vis_crc32c"].values.shape
    (3,)
    """

    def __init__(self, arrays: Mapping[str, WindowArray]) -> None:
        self._arrays = dict(arrays)
        self._sums = {name: np.empty(array.shape[0], np.uint32) for name, array in arrays.items()}
        self._seen = dict.fromkeys(arrays, 0)

    def add(self, name: str, windows: NDArray[Any]) -> slice:
        """Note the next windows of an array; return which ones they are.

        Raises
        ------
        LengthMismatchError
            There would be more windows than the array has.
        """
        first, expected = self._seen[name], self._arrays[name].shape[0]
        after = first + len(windows)
        if after > expected:
            message = f"expected {expected} windows in all, got {after}"
            raise LengthMismatchError(Problem("length-mismatch", name, message))
        self._sums[name][first:after] = row_checksums(windows)
        self._seen[name] = after
        return slice(first, after)

    def of(self, name: str, windows: slice) -> NDArray[np.uint32]:
        """Return the checksums of windows that were noted."""
        return self._sums[name][windows]

    def finish(self) -> dict[str, StoredArray]:
        """Return the arrays of checksums, by name.

        Raises
        ------
        LengthMismatchError
            An array has fewer windows than it should have.
        """
        problems = Problems()
        for name, array in self._arrays.items():
            if self._seen[name] != array.shape[0]:
                message = f"expected {array.shape[0]} windows in all, got {self._seen[name]}"
                problems.add("length-mismatch", name, message)
        problems.raise_as(LengthMismatchError)
        return {name + CHECKSUMS: StoredArray(sums, small=True) for name, sums in self._sums.items()}


def split_arrays(arrays: Mapping[str, StoredArray]) -> tuple[dict[str, WindowArray], dict[str, StoredArray]]:
    """Part arrays into big ones, as what they are going to be, and small ones.

    Examples
    --------
    >>> split_arrays({"tracks": StoredArray(np.zeros((2, 3), np.float32))})
    ({'tracks': WindowArray(shape=(2, 3), dtype=dtype('float32'))}, {})
    """
    big = {name: WindowArray(item.values.shape, item.values.dtype) for name, item in arrays.items() if not item.small}
    return big, {name: item for name, item in arrays.items() if item.small}


def check_verify(verify: str) -> None:
    """Refuse a word that is no verification policy.

    Raises
    ------
    SchemaError
        `verify` is not "first", "always" or "never".

    Examples
    --------
    >>> check_verify("sometimes")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: verify: expected one of ('first', 'always', 'never'), got 'sometimes' [wrong-value]
    """
    if verify not in get_args(Verify):
        raise SchemaError(Problem("wrong-value", "verify", f"expected one of {get_args(Verify)}, got '{verify}'"))


def crc32c(data: bytes | NDArray[Any]) -> int:
    """Return the CRC-32C (Castagnoli) of bytes, or of an array's bytes in C order, from 0 to 2**32 - 1.

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    import google_crc32c

    # The library takes bytes alone, no other buffers: the copy costs less than the checksum.
    return int(google_crc32c.value(data.tobytes() if isinstance(data, np.ndarray) else data))


def row_checksums(array: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the CRC-32C of each entry of the first axis, over its little-endian C-order bytes.

    Parameters
    ----------
    array : (W, ...) of any fixed-size dtype

    Returns
    -------
    uint32 (W,)

    Examples
    --------
    >>> row_checksums(np.zeros((2, 3), np.float32))
    array([727758173, 727758173], dtype=uint32)
    """
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if _LOOP not in sys.modules or little.ndim == 0:  # what has not compiled anything yet does not wait for Numba
        return np.array([crc32c(row) for row in little], np.uint32)
    from lapsdata.storage._copy_loop import sum_rows

    little = np.ascontiguousarray(little)
    sums = np.zeros(len(little), np.uint32)
    if len(little):
        sum_rows(little.__array_interface__["data"][0], little.nbytes // len(little), sums)
    return sums


def check_rows(
    array: NDArray[Any],
    expected: NDArray[np.uint32],
    where: str,
    place: Callable[[int], str | None] = lambda _: None,
) -> None:
    """Compare the checksum of each window with the stored one.

    Parameters
    ----------
    array : (W, ...)
    expected : uint32 (W,)
    where : str
        File and array, for the message.
    place : callable
        Says where in the file a window lies, for the message; None where that is not known.

    Raises
    ------
    CorruptDataError
        Names the windows that differ: the first one, and how many.

    Examples
    --------
    >>> windows = np.zeros((2, 3), np.float32)
    >>> check_rows(windows, row_checksums(windows), "clip.h5: tracks")
    >>> check_rows(windows + 1, row_checksums(windows), "clip.h5: tracks")
    Traceback (most recent call last):
    lapsdata.errors.CorruptDataError: clip.h5: tracks: window 0: ... [payload-checksum]
    """
    found = row_checksums(array)
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        first = int(wrong[0])
        message = (
            f"expected CRC-32C {expected[first]:08x}, got {found[first]:08x} ({len(wrong)} of {len(found)} windows)"
        )
        lies = place(first)
        at = f"{where}: window {first}" + (f" ({lies})" if lies else "")
        raise CorruptDataError(Problem("payload-checksum", at, message, REPAIR))


def digest(array: NDArray[Any]) -> str:
    """Return the digest of a small array for the manifest: its CRC-32C, in hex.

    Examples
    --------
    >>> digest(np.array([0.0, 0.1]))
    '8f002b35'
    """
    return f"{crc32c(array.astype(array.dtype.newbyteorder('<'), copy=False)):08x}"


def make_seal(manifest: Mapping[str, JsonValue]) -> bytes:
    """Return the seal of a manifest: canonical JSON of `{"crc32c", "manifest"}`.

    Examples
    --------
    >>> make_seal({"header": "00000000"})
    b'{"crc32c":"a51c9f0a","manifest":{"header":"00000000"}}'
    """
    body = dict(manifest)
    return canonical_json({"crc32c": f"{crc32c(canonical_json(body)):08x}", "manifest": body})


@contextlib.contextmanager
def sealed_by(header: Mapping[str, JsonValue], where: str) -> Iterator[None]:
    """Say that a file is too new, and not damaged, where its header names a newer major version than ours.

    A newer version may seal its files in another way, so its seal need not make sense here.

    Raises
    ------
    FormatTooNewError
        In place of `CorruptDataError`.

    Examples
    --------
    >>> with sealed_by({"format": "lapsdata.tracks", "format_version": "2.0"}, "clip.h5"):
    ...     open_seal(b"", {}, "clip.h5")
    Traceback (most recent call last):
    lapsdata.errors.FormatTooNewError: clip.h5: written in format 2.0, ... [format-too-new]
    """
    try:
        yield
    except CorruptDataError as error:
        major = str(header.get("format_version", "")).partition(".")[0]
        if not (major.isascii() and major.isdigit() and int(major[:9]) > Header.MAJOR):
            raise
        message = f"written in format {header['format_version']}, this release reads up to {Header.MAJOR}"
        fix = "install a newer release: pip install --upgrade lapsdata"
        raise FormatTooNewError(Problem("format-too-new", where, message, fix)) from error


def open_seal(seal: bytes, found: Mapping[str, JsonValue], where: str) -> None:
    """Compare a stored seal with the manifest of what was found in the file.

    Parameters
    ----------
    seal : bytes
        As stored.
    found : mapping
        The manifest built from the file as it is now.
    where : str
        The file, for the message.

    Raises
    ------
    CorruptDataError
        The seal is damaged, or the entries that differ, each with both values.

    Examples
    --------
    >>> open_seal(make_seal({"shape": [3]}), {"shape": [4]}, "clip.h5")
    Traceback (most recent call last):
    lapsdata.errors.CorruptDataError: clip.h5: shape: expected [3] as sealed, got [4]; ... [seal-mismatch]
    """
    try:
        document = json.loads(seal)
        stated, manifest = document["crc32c"], document["manifest"]
        good = make_seal(manifest) == seal and isinstance(stated, str)
    except (ValueError, KeyError, TypeError, RecursionError):
        good, manifest = False, {}
    if not good:
        message = "expected a seal that fits its own checksum, got damaged bytes"
        raise CorruptDataError(Problem("seal-damaged", where, message, REPAIR))
    flat_sealed, flat_found = _flatten(manifest), _flatten(dict(found))
    problems = Problems(where)
    for key in sorted(flat_sealed.keys() | flat_found.keys()):
        sealed, now = flat_sealed.get(key, "nothing"), flat_found.get(key, "nothing")
        if sealed != now:
            problems.add("seal-mismatch", key, f"expected {sealed} as sealed, got {now}", REPAIR)
    problems.raise_as(CorruptDataError)


def _flatten(value: JsonValue, prefix: str = "") -> dict[str, JsonValue]:
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    flat: dict[str, JsonValue] = {}
    for key, item in value.items():
        flat.update(_flatten(item, f"{prefix}.{key}" if prefix else key))
    return flat
