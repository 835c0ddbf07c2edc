"""Views in HDF5: plain datasets for other tools, opened without reading a pixel, and judged pixel by pixel."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata.containers import Tracks, Views
from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.formats import views_hdf5
from lapsdata.testing.samples import sample_views

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Layer
    from lapsdata.schema import ViewsHeader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lapsdata.write(tmp_path / "scene.h5", sample_views())
    return tmp_path / "scene.h5"


def flip(path: Path, dataset: str, row: int) -> None:
    """Change one bit of a row, past all libraries."""
    with h5py.File(path) as file:
        stored = file[dataset]
        at = stored.id.get_offset() + row * stored.nbytes // len(stored) + 5
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def test_other_tools_read_plain_datasets(path: Path) -> None:
    views = sample_views()
    with h5py.File(path) as file:
        assert sorted(file["pixels/4x3"]) == [
            name for layer in ("depth", "image", "non_ambiguous", "valid") for name in (layer, f"{layer}_crc32c")
        ]
        assert [text.decode() for text in file["views/agent"][()]] == ["641", "1000", "641"]
        assert file["views/cam2world"].shape == (3, 4, 4)
        assert file["pixels/4x3/image"].chunks is None
        for row in range(2):
            np.testing.assert_array_equal(file["pixels/4x3/depth"][row], views.read("depth", row))
            np.testing.assert_array_equal(file["pixels/4x3/valid"][row].astype(bool), views.read("valid", row))
        np.testing.assert_array_equal(file["pixels/4x3/image"][2], views.read("image", 2))


def test_the_front_door_reads_them(path: Path) -> None:
    views = lapsdata.read(path, Views)
    assert views.equals(sample_views())
    assert views.pixels.told("valid", 1) == f"{path}: pixels/4x3/valid: row 1"
    with pytest.raises(SchemaError, match=r"expected a file with Tracks, got one with Views"):
        lapsdata.read(path, Tracks)


def test_reading_tells_damage_and_opening_tells_it_later(path: Path) -> None:
    flip(path, "pixels/4x3/depth", 1)
    with pytest.raises(CorruptDataError, match=r"pixels/4x3/depth.*row 1.*\[payload-checksum\]"):
        views_hdf5.read(path)
    opened = views_hdf5.open_views(path)
    np.testing.assert_array_equal(opened.read("depth", 0), sample_views().read("depth", 0))
    with pytest.raises(CorruptDataError, match=r"pixels/4x3/depth.*row 1.*\[payload-checksum\]"):
        opened.read("depth", 1)
    unverified = views_hdf5.read(path, verify="never")
    assert (unverified.read("depth", 1) != sample_views().read("depth", 1)).sum() == 1


def test_damage_after_the_first_look_is_seen_with_always(path: Path) -> None:
    views = views_hdf5.read(path, verify="always")
    flip(path, "pixels/4x3/image", 0)
    again = views_hdf5.open_views(path, verify="always")
    with pytest.raises(CorruptDataError, match=r"\[payload-checksum\]"):
        again.read("image", 0)
    assert len(views) == 3


def test_opened_views_can_be_sent_to_other_processes(path: Path) -> None:
    views = views_hdf5.open_views(path)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(views)).read("depth", 1), views.read("depth", 1))


def test_views_of_some_sets_are_written_as_they_are(path: Path, tmp_path: Path) -> None:
    part = lapsdata.read(path, Views).take([1])
    lapsdata.write(tmp_path / "part.h5", part)
    back = lapsdata.read(tmp_path / "part.h5", Views)
    assert back.equals(part)
    assert (back.scenario, back.present["depth"].tolist()) == (("2021_09_09_13_20_58",), [False])


def test_a_file_whose_tables_and_pixels_differ_is_refused(path: Path, tmp_path: Path) -> None:
    """A writer of others that seals what does not fit: the reader says which datasets it misses."""
    from lapsdata.storage.seal import StoredArray
    from lapsdata.storage.sealed_hdf5 import SealedHdf5
    from lapsdata.storage.sealed_hdf5_writer import write_sealed_hdf5

    with SealedHdf5(path) as file:
        arrays = {
            name: StoredArray(file.read(name), small=not name.startswith("pixels"))
            for name in file.names
            if name != "pixels/4x3/valid"
        }
        write_sealed_hdf5(tmp_path / "odd.h5", file.header, {}, arrays, {}, profile="raw")
    with pytest.raises(CorruptDataError, match=r"expected the datasets .*4x3/valid, got .*\[wrong-datasets\]"):
        views_hdf5.read(tmp_path / "odd.h5")


def test_a_header_may_be_known_only_when_all_is_written(tmp_path: Path) -> None:
    """What is counted while pixels are read stands in the file; views come one after the other, with all layers."""
    views, read, told = sample_views(), list[tuple[str, int]](), list[int]()

    class Counting:
        def read(self, layer: Layer, view: int) -> NDArray[Any]:
            read.append((layer, view))
            return views.pixels.read(layer, view)

        def told(self, layer: Layer, view: int) -> str:
            return views.pixels.told(layer, view)

    def finished() -> ViewsHeader:
        return views.header.model_copy(update={"policies": {"layers_read": len(read)}})

    views_hdf5.write_views(tmp_path / "late.h5", replace(views, pixels=Counting()), tell=told.append, finished=finished)
    assert [view for _, view in read] == [0] * 4 + [1] * 4 + [2]
    assert told == [1, 1, 1]
    back = views_hdf5.read(tmp_path / "late.h5")
    assert back.header.policies == {"layers_read": 9}
    assert replace(back, header=views.header).equals(views)


def test_a_view_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    class Broken:
        def read(self, layer: Layer, view: int) -> NDArray[Any]:
            if view == 2:
                raise CorruptDataError(Problem("not-decoded", "a.png", "expected a picture, got none"))
            return sample_views().pixels.read(layer, view)

        def told(self, layer: Layer, view: int) -> str:
            return f"{layer} {view}"

    with pytest.raises(CorruptDataError, match=r"a\.png: expected a picture"):
        views_hdf5.write_views(tmp_path / "broken.h5", replace(sample_views(), pixels=Broken()))
    assert list(tmp_path.iterdir()) == []
