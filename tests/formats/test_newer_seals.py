"""A newer major version may seal its files in another way: it is too new, and not damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.errors import CorruptDataError, FormatTooNewError
from lapsdata.schema.base import canonical_json
from lapsdata.testing.samples import sample_boxes, sample_energies, sample_segments, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container


def in_hdf5(path: Path, version: str) -> None:
    with h5py.File(path, "r+") as file:
        header = json.loads(bytes(file["lapsdata/header"][()]))
        text = canonical_json(header | {"format_version": version})
        del file["lapsdata/header"], file["lapsdata/seal"]
        file["lapsdata/header"] = np.array(text, dtype=f"S{len(text)}")
        file["lapsdata/seal"] = np.array(b"sealed in another way", dtype="S21")


def in_zarr(path: Path, version: str) -> None:
    document = json.loads((path / "zarr.json").read_bytes())
    document["attributes"]["lapsdata"]["header"]["format_version"] = version
    document["attributes"]["lapsdata"]["seal"] = ["sealed", "in another way"]
    (path / "zarr.json").write_text(json.dumps(document))


def in_parquet(path: Path, version: str) -> None:
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    header = json.loads(metadata[b"lapsdata:header"])
    metadata[b"lapsdata:header"] = canonical_json(header | {"format_version": version})
    metadata[b"lapsdata:seal"] = b"sealed in another way"
    pq.write_table(table.replace_schema_metadata(metadata), path)


def in_jsonl(path: Path, version: str) -> None:
    first, *lines = path.read_bytes().splitlines()
    lines[-1] = b'{"sealed":"in another way"}'
    header = canonical_json(json.loads(first) | {"format_version": version})
    path.write_bytes(b"\n".join((header, *lines)) + b"\n")


FILES: dict[str, tuple[Callable[[], Container], Callable[[Path, str], None]]] = {
    "clip.h5": (sample_tracks, in_hdf5),
    "clip.zarr": (sample_tracks, in_zarr),
    "tokens.zarr": (sample_tokens, in_zarr),
    "clips.jsonl": (sample_energies, in_jsonl),
    "segments.parquet": (sample_segments, in_parquet),
    "boxes.parquet": (sample_boxes, in_parquet),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("version", ["2.0", "10.3"])
def test_a_newer_major_version_says_what_to_install(tmp_path: Path, name: str, version: str) -> None:
    make, change = FILES[name]
    lapsdata.write(tmp_path / name, make())
    change(tmp_path / name, version)
    message = rf"{name}: written in format {version}, this release reads up to 1; install a newer release: pip install"
    with pytest.raises(FormatTooNewError, match=message):
        lapsdata.read(tmp_path / name)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("version", ["1.0", "1.9", "0.1", "two"])
def test_another_seal_under_our_own_version_is_damage(tmp_path: Path, name: str, version: str) -> None:
    make, change = FILES[name]
    lapsdata.write(tmp_path / name, make())
    change(tmp_path / name, version)
    with pytest.raises(CorruptDataError, match=name):
        lapsdata.read(tmp_path / name)
