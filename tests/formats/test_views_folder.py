"""Files of views in one folder are opened as one; what else lies there is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import pytest

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.formats import write
from lapsdata.formats._views_folder import open_views_folder
from lapsdata.testing.samples import sample_segments, sample_tracks, sample_views

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, split in enumerate(("train", "validate")):
        write(tmp_path / f"{split}.h5", sample_views().take([place]))
    (tmp_path / "run.json").write_text("{}")
    return tmp_path


def test_splits_are_opened_in_the_order_of_their_files(folder: Path) -> None:
    found = open_views_folder(folder)
    assert found is not None
    assert [path.name for path in found.files] == ["train.h5", "validate.h5"]
    assert (found.views.split, found.notes) == (("train", "validate"), ())
    whole = sample_views()
    for layer, view in whole.layers():
        assert (found.views.read(layer, view) == whole.read(layer, view)).all()
    assert found.views.pixels.told("image", 2).startswith(str(folder / "validate.h5"))


def test_one_file_is_what_it_is_alone(folder: Path) -> None:
    (folder / "train.h5").unlink()
    found = open_views_folder(folder)
    assert found is not None
    assert found.views.equals(sample_views().take([1]))


def test_other_things_are_passed_over_and_told(folder: Path) -> None:
    write(folder / "clip.h5", sample_tracks())
    (folder / "notes.txt").write_text("mine")
    (folder / "more").mkdir()
    write(folder / "more" / "test.h5", sample_views())
    found = open_views_folder(folder)
    assert found is not None
    assert found.views.sets == 2
    (note,) = found.notes
    assert (note.code, note.severity) == ("passed-over", "info")
    assert note.message == "3 that are no files of views were passed over: 'clip.h5', 'more', 'notes.txt'"


def test_a_folder_without_views_is_none(tmp_path: Path) -> None:
    assert open_views_folder(tmp_path) is None
    write(tmp_path / "s.parquet", sample_segments())
    write(tmp_path / "clip.h5", sample_tracks())
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["x"] = 1
    assert open_views_folder(tmp_path) is None


def test_a_file_that_is_cut_off_is_named_and_not_passed_over(folder: Path) -> None:
    path = folder / "validate.h5"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises((CorruptDataError, StorageError), match=r"validate\.h5"):
        open_views_folder(folder)


def test_damaged_pixels_are_found_at_once_where_that_is_asked_for(folder: Path) -> None:
    path = folder / "train.h5"
    data, image = bytearray(path.read_bytes()), sample_views().read("image", 1).tobytes()
    data[data.index(image)] ^= 255
    path.write_bytes(bytes(data))
    found = open_views_folder(folder)
    assert found is not None
    assert found.views.read("image", 0).shape == (3, 4, 3)
    with pytest.raises(CorruptDataError, match=r"train\.h5: .*image"):
        found.views.read("image", 1)
    with pytest.raises(CorruptDataError, match=r"train\.h5: .*image"):
        open_views_folder(folder, checked=True)


def test_sets_that_were_converted_twice_are_refused(folder: Path) -> None:
    write(folder / "train_000000.h5", sample_views().take([0]))
    with pytest.raises(SchemaError, match=r"train_000000\.h5: expected each set in one file, got 1 in .*train\.h5 too"):
        open_views_folder(folder)
