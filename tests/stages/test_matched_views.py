"""Which sets are reported, and what is opened as views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lapsdata import formats
from lapsdata.errors import CorruptDataError, SchemaError, StorageError, UnknownFormatError
from lapsdata.stages._matched_views import chosen_sets, open_views
from lapsdata.testing.samples import sample_segments, sample_views

if TYPE_CHECKING:
    from pathlib import Path


def test_sets_come_in_the_order_that_is_asked_for() -> None:
    made = sample_views()
    assert chosen_sets(made, None, [1, 0], "views").frame.tolist() == [70, 69]
    assert chosen_sets(made, "validate", [0], "views").frame.tolist() == [70]
    assert chosen_sets(made, "train", [0], "views").frame.tolist() == [69]


def test_what_is_opened_is_named_as_what_it_was_made_from(tmp_path: Path) -> None:
    formats.write(tmp_path / "views.h5", sample_views())
    opened = open_views(tmp_path / "views.h5", "prediction")
    assert opened.views.equals(sample_views())
    assert [(one.role, one.name) for one in opened.parents] == [("prediction", "views.h5")]
    assert opened.notes == ()


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    formats.write(tmp_path / "s.parquet", sample_segments())
    with pytest.raises(UnknownFormatError, match=r"s\.parquet: expected views, got segments; name a file with views"):
        open_views(tmp_path / "s.parquet", "truth")
    with pytest.raises(StorageError, match=r"nothing\.h5: cannot open: no such file"):
        open_views(tmp_path / "nothing.h5", "truth")


def test_files_of_views_in_a_folder_are_opened_as_one_and_each_is_a_parent(tmp_path: Path) -> None:
    for place, split in enumerate(("train", "validate")):
        formats.write(tmp_path / f"{split}.h5", sample_views().take([place]))
    (tmp_path / "notes.txt").write_text("mine")
    opened = open_views(tmp_path, "truth")
    assert opened.views.split == ("train", "validate")
    assert [(one.role, one.name) for one in opened.parents] == [("truth", "train.h5"), ("truth", "validate.h5")]
    assert [one.code for one in opened.notes] == ["passed-over"]
    assert chosen_sets(opened.views, "val", [0], "views").frame.tolist() == [70]
    with pytest.raises(SchemaError, match=r"expected nothing to be said of views of ours, got depth_root"):
        open_views(tmp_path, "truth", depth_root=tmp_path)


def test_of_a_file_no_pixel_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "views.h5"
    formats.write(path, sample_views())
    data, image = bytearray(path.read_bytes()), sample_views().read("image", 2).tobytes()
    data[data.index(image)] ^= 255
    path.write_bytes(bytes(data))
    views = chosen_sets(open_views(path, "truth").views, None, [0], "views")
    assert views.read("image", 0).shape == (3, 4, 3)
    with pytest.raises(CorruptDataError, match=r"views\.h5: .*image"):
        open_views(path, "truth").views.read("image", 2)
