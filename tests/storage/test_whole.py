"""A whole array by the engine that fills batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import CorruptDataError
from lapsdata.storage.seal import StoredArray
from lapsdata.storage.sealed_zarr import SealedZarr
from lapsdata.storage.sealed_zarr_writer import write_sealed_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def written(path: Path, values: NDArray[Any], profile: Any = "raw") -> Path:
    write_sealed_zarr(path, {"format": "numbers"}, {}, {"n": StoredArray(values)}, profile=profile)
    return path / "n" / "c" / "0" / "0"


@pytest.mark.parametrize("profile", ["raw", "compact"])
@pytest.mark.parametrize("count", [1, 256, 700])
def test_every_row_has_its_place(count: int, profile: str, tmp_path: Path) -> None:
    values = np.random.default_rng(count).random((count, 9))
    written(tmp_path / "n.zarr", values, profile)
    for verify in (True, False):
        np.testing.assert_array_equal(SealedZarr(tmp_path / "n.zarr").read("n", verify=verify), values)


def test_what_is_damaged_is_told_with_its_place(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((5, 2))
    shard = written(tmp_path / "n.zarr", values)
    content = bytearray(shard.read_bytes())
    content[2 * 20 + 3] ^= 1
    shard.write_bytes(content)
    store = SealedZarr(tmp_path / "n.zarr")
    with pytest.raises(CorruptDataError, match=r"window 2 \(n/c/0/0, bytes 40 to 60\): expected CRC-32C"):
        store.read("n")


def test_windows_in_each_others_places_are_counted(tmp_path: Path) -> None:
    """Each chunk fits its own checksum: what stands beside the array tells."""
    values = np.random.default_rng(0).random((5, 2))
    shard = written(tmp_path / "n.zarr", values)
    content = bytearray(shard.read_bytes())
    content[20:40], content[60:80] = content[60:80], content[20:40]
    shard.write_bytes(content)
    with pytest.raises(CorruptDataError, match=r"window 1 \(n/c/0/0, bytes 20 to 40\).* \(2 of 5 windows\)"):
        SealedZarr(tmp_path / "n.zarr").read("n")
