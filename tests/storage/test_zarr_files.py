"""Zarr files that are put together without zarr-python: they are, byte by byte, those that it writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec

from lapsdata.storage.seal import StoredArray
from lapsdata.storage.sealed_zarr_writer import write_sealed_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Profile = Literal["raw", "compact"]

KINDS = ("bool", "int8", "uint8", "int16", "uint32", "int64", "float16", "float32", "float64")


def values_of(kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    random = np.random.default_rng(len(kind) + sum(shape))
    return (random.integers(0, 100, shape) % (2 if kind == "bool" else 100)).astype(kind)


def by_zarr_python(folder: Path, arrays: dict[str, StoredArray], profile: Profile, attributes: dict[str, Any]) -> None:
    """Write the same group by the library: shards of 256 windows, a window to a chunk."""
    root = zarr.open_group(str(folder), mode="w", zarr_format=3)
    for name, item in arrays.items():
        values = item.values
        blosc = BloscCodec(typesize=values.dtype.itemsize, cname="zstd", clevel=3, shuffle="shuffle")
        inner = tuple(max(1, length) for length in values.shape[1:])
        made: Any = root.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(max(1, len(values)) if item.small else 1, *inner),
            shards=None if item.small else (256, *inner),
            compressors=[*([blosc] if profile == "compact" and not item.small else []), Crc32cCodec()],
            filters=[],
            fill_value=np.nan if values.dtype.kind == "f" else 0,
            config={"write_empty_chunks": True},
        )
        for first in range(0, len(values), 256):
            made[first : first + 256] = values[first : first + 256]
    root.attrs.update(attributes)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def compare(folder: Path, arrays: dict[str, StoredArray], profile: Profile) -> dict[str, bytes]:
    """Compare what both write; return ours."""
    write_sealed_zarr(folder / "ours.zarr", {"format": "numbers", "ß": [1.5, None]}, {}, arrays, profile=profile)
    ours = content_of(folder / "ours.zarr")
    attributes = json.loads(ours["zarr.json"])["attributes"]
    # The sums beside an array are arrays like others; what they hold is compared elsewhere.
    sums = {
        name + "_crc32c": StoredArray(zarr.open_array(str(folder / "ours.zarr" / f"{name}_crc32c"), mode="r")[:], True)
        for name, item in arrays.items()
        if not item.small
    }
    by_zarr_python(folder / "theirs.zarr", arrays | sums, profile, attributes)
    theirs = content_of(folder / "theirs.zarr")
    assert ours.keys() == theirs.keys()
    assert [name for name, content in ours.items() if content != theirs[name]] == []
    return ours


@pytest.mark.parametrize("profile", ["raw", "compact"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_number(kind: str, profile: Profile, tmp_path: Path) -> None:
    windows, small = values_of(kind, (3, 5, 2)), values_of(kind, (7,))
    arrays = {"root/one/big": StoredArray(windows), "root/small": StoredArray(small, small=True)}
    assert len(compare(tmp_path, arrays, profile)) == 3 + 2 * 3


@pytest.mark.parametrize("profile", ["raw", "compact"])
@pytest.mark.parametrize("windows", [1, 255, 256, 257, 520])
def test_shards_that_are_full_and_those_that_are_not(windows: int, profile: Profile, tmp_path: Path) -> None:
    arrays = {"a": StoredArray(values_of("float32", (windows, 300)))}
    ours = compare(tmp_path, arrays, profile)
    assert sum(name.startswith("a/c/") for name in ours) == -(-windows // 256)


@pytest.mark.parametrize("shape", [(300,), (2, 0), (2, 3, 0, 4), (3, 1, 1, 1, 2)])
def test_windows_of_any_shape(shape: tuple[int, ...], tmp_path: Path) -> None:
    compare(tmp_path, {"a": StoredArray(values_of("float32", shape))}, "raw")


def test_numbers_of_another_byte_order(tmp_path: Path) -> None:
    big = values_of("float32", (3, 4)).astype(">f4")
    write_sealed_zarr(tmp_path / "ours.zarr", {}, {}, {"a": StoredArray(big)}, profile="raw")
    write_sealed_zarr(tmp_path / "same.zarr", {}, {}, {"a": StoredArray(big.astype("<f4"))}, profile="raw")
    assert content_of(tmp_path / "ours.zarr") == content_of(tmp_path / "same.zarr")


@given(windows=st.integers(1, 600), shape=st.lists(st.integers(1, 4), max_size=3), compact=st.booleans())
def test_what_is_written_is_what_zarr_python_reads(
    windows: int, shape: list[int], compact: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("zarr")
    values = values_of("float32", (windows, *shape))
    write_sealed_zarr(folder / "n.zarr", {}, {}, {"n": StoredArray(values)}, profile="compact" if compact else "raw")
    read: Any = zarr.open_array(str(folder / "n.zarr" / "n"), mode="r")
    assert np.array_equal(read[...], values)
