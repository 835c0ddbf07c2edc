"""Tars that other programs wrote for WebDataset: read as unverified where all samples are alike, refused otherwise."""

from __future__ import annotations

import io
import re
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import webdataset

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.storage.gather import RowReader
from lapsdata.storage.tar_arrays import npy_header, parse_npy_header, plain_bytes
from lapsdata.storage.tar_samples import first_json, foreign_shards

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.index import ChunkIndex

Samples = dict[str, dict[str, Any]]


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def numbered(first: int, count: int) -> Samples:
    return {
        f"s{n:03d}": {"flow.npy": np.full((3, 5, 2), n, np.float32), "mask.npy": np.eye(3) == n % 2, "cls": n}
        for n in range(first, first + count)
    }


def by_webdataset(path: Path, samples: Samples) -> Path:
    with webdataset.TarWriter(str(path)) as writer:
        for key, sample in samples.items():
            writer.write({"__key__": key, **sample})
    return path


class Piece:
    """An index as the reader of rows wants it."""

    def __init__(self, **indexes: ChunkIndex) -> None:
        self._indexes, self.where = indexes, "theirs"
        self.rows = next(iter(indexes.values())).shape[0]

    def sources(self) -> dict[str, ChunkIndex]:
        return self._indexes


def test_samples_of_the_webdataset_writer_are_gathered(tmp_path: Path) -> None:
    samples = numbered(0, 5) | numbered(5, 2)
    paths = [by_webdataset(tmp_path / "0.tar", numbered(0, 5)), by_webdataset(tmp_path / "1.tar", numbered(5, 2))]
    found = foreign_shards(paths)
    assert (found.keys, len(found), found.unverified) == (tuple(samples), 7, 7)
    assert found.fields == {"flow": ((3, 5, 2), np.dtype("f4")), "mask": ((3, 3), np.dtype(bool))}
    assert found.ignored == {"cls": 7}
    fields = {name: np.dtype((dtype, shape)) for name, (shape, dtype) in found.fields.items()}
    reader = RowReader([Piece(flow=found.index("flow"), mask=found.index("mask"))], fields)
    batch = reader.gather(np.array([6, 0, 6, 4]))
    for n, key in enumerate(["s006", "s000", "s006", "s004"]):
        assert np.array_equal(batch["flow"][n], samples[key]["flow.npy"])
        assert np.array_equal(batch["mask"][n], samples[key]["mask.npy"])
    assert reader.unverified > 0
    reader.close()
    with pytest.raises(SchemaError, match=r"expected one of \['flow', 'mask'\], got 'vis'"):
        found.index("vis")


def test_folders_capitals_and_names_for_what_is_no_sample(tmp_path: Path) -> None:
    one = npy(np.zeros(2))
    path = tar(tmp_path / "a.tar", [("__meta__", b"x"), ("a.b/0.X.NPY", one), ("a.b/1.x.npy", one), ("1.x.npy", one)])
    assert foreign_shards([path]).keys == ("a.b/0", "a.b/1", "1")


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (np.zeros((2, 3)), r"got x \(2, 3\) float64"),
        (np.zeros((3, 2), np.float32), r"got x \(3, 2\) float32"),
        (None, "got no arrays"),
    ],
)
def test_the_first_odd_sample_is_named(tmp_path: Path, odd: NDArray[Any] | None, told: str) -> None:
    good = ("a.x.npy", npy(np.zeros((3, 2))))
    members = [good, ("b.x.npy", good[1]), ("c.txt", b"")]
    if odd is not None:
        members.append(("c.x.npy", npy(odd)))
    path = tar(tmp_path / "a.tar", members)
    with pytest.raises(
        SchemaError, match=rf"a\.tar: c: expected x \(3, 2\) float64 as in .*a\.tar: a, {told}.*unlike-samples"
    ):
        foreign_shards([path])


def test_what_webdataset_would_mix_up_is_an_error(tmp_path: Path) -> None:
    one = npy(np.zeros(2))
    for names, code in {
        ("a.x.npy", "b.x.npy", "a.y.npy"): "sample-twice",
        ("a.x.npy", "a.X.npy"): "sample-twice",
        ("a.x.npy", "folder/noending"): "no-key",
        ("a.x.npy", ".hidden.npy"): "no-key",
        ("a.txt", "b.txt"): "no-arrays",
    }.items():
        path = tar(tmp_path / "a.tar", [(name, one) for name in names])
        with pytest.raises((SchemaError, CorruptDataError), match=rf"a\.tar: .*\[{code}\]"):
            foreign_shards([path])
    with pytest.raises(SchemaError, match="got none"):
        foreign_shards([tar(tmp_path / "a.tar", [])])
    with pytest.raises(SchemaError, match="expected at least one tar"):
        foreign_shards([])
    with pytest.raises(StorageError, match=r"none\.tar"):
        foreign_shards([tmp_path / "none.tar"])


def test_arrays_that_are_not_plain_are_refused(tmp_path: Path) -> None:
    unplain = [np.zeros(2, dtype) for dtype in ([("a", "f4")], "c8", "M8[s]", "m8[s]", "S4", "U3", "V4")]
    for array in (np.zeros((2, 3), order="F"), *unplain):
        with pytest.raises(SchemaError, match=r"a\.tar: a\.x\.npy: expected plain numbers in C order"):
            foreign_shards([tar(tmp_path / "a.tar", [("a.x.npy", npy(array))])])
    objects = io.BytesIO()
    np.save(objects, np.array([{}]), allow_pickle=True)
    with pytest.raises(SchemaError, match="got dtype object"):
        foreign_shards([tar(tmp_path / "a.tar", [("a.x.npy", objects.getvalue())])])


def test_damaged_arrays_are_named(tmp_path: Path) -> None:
    good = npy(np.zeros((3, 2)))
    for content in (good[:-1], good[:100], good[:8], b"", b"text", good.replace(b"{", b"(")):
        with pytest.raises(CorruptDataError, match=r"a\.tar: a\.x\.npy: expected .*\[npy-damaged\]"):
            foreign_shards([tar(tmp_path / "a.tar", [("a.x.npy", content)])])


@pytest.mark.parametrize("version", [(2, 0), (3, 0)])
def test_headers_of_later_versions_and_long_ones(tmp_path: Path, version: tuple[int, int]) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.zeros((1,) * 32), version=version)
    assert foreign_shards([tar(tmp_path / "a.tar", [("a.x.npy", file.getvalue())])]).fields["x"][0] == (1,) * 32


@pytest.mark.parametrize("dtype", ["<f4", "bool", "<i8", ">f4"])
@pytest.mark.parametrize("shape", [(), (4,), (16, 400, 2), (1,) * 30])
def test_our_npy_files_are_those_of_numpy(shape: tuple[int, ...], dtype: str) -> None:
    array = np.arange(np.prod(shape), dtype=np.float64).reshape(shape).astype(dtype)
    header = npy_header(shape, array.dtype)
    assert len(header) % 64 == 0
    back = np.load(io.BytesIO(header + plain_bytes(array)), allow_pickle=False)
    assert np.array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("<")
    assert parse_npy_header(header, "a") == (shape, array.dtype.newbyteorder("<"), len(header))


@pytest.mark.parametrize("endings", [("npz",), ("pyd", "cls"), ("tracks.npz",)], ids=str)
def test_samples_of_other_kinds_are_told_by_what_they_hold(tmp_path: Path, endings: tuple[str, ...]) -> None:
    path = tar(tmp_path / "a.tar", [(f"{key}.{ending}", b"x") for key in ("0", "1") for ending in endings])
    named = re.escape(", ".join(map(repr, endings)))
    with pytest.raises(SchemaError, match=rf"a\.tar: 0: expected samples with arrays .*, got one with {named} alone;"):
        foreign_shards([path])


def test_the_json_of_the_first_sample_is_found(tmp_path: Path) -> None:
    one = npy(np.zeros(2))
    members = [("__meta__", b"x"), ("a.x.npy", one), ("a.JSON", b"{1}"), ("b.json", b"{2}")]
    assert first_json(tar(tmp_path / "a.tar", members)) == b"{1}"
    assert first_json(tar(tmp_path / "a.tar", [("a.x.npy", one), ("b.json", b"{2}")])) == b""
    assert first_json(tar(tmp_path / "a.tar", [])) == b""
