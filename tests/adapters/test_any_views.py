"""Views of any file are opened by one verb, whoever wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.adapters import expect_views
from lapsdata.errors import SchemaError, StorageError, UnknownFormatError
from lapsdata.formats import write
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_energies, sample_views

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_of_ours_is_opened_and_its_pixels_stay_where_they_are(tmp_path: Path) -> None:
    write(tmp_path / "scene.views.h5", sample_views())
    found = expect_views(tmp_path / "scene.views.h5")
    assert (found.format, found.notes) == ("views_hdf5", ())
    assert found.views.equals(sample_views())


def test_a_root_of_others_is_read_with_what_is_told_of_it(tmp_path: Path) -> None:
    scenes = [
        Opv2vScene(split, f"2021_08_22_21_41_2{place}", ("641", "650"), (69,), size=(16, 12), beams=(4, 8))
        for place, split in enumerate(("train", "validate"))
    ]
    write_opv2v(tmp_path, scenes)
    assert expect_views(tmp_path).views.sets == 2
    narrow = expect_views(tmp_path, split="train", agents="1")
    assert (narrow.format, narrow.views.sets, set(narrow.views.agent)) == ("opv2v", 1, {"641"})
    with pytest.raises(SchemaError, match="got zoom"):
        expect_views(tmp_path, zoom=2)


def test_what_holds_no_views_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "energies.jsonl", sample_energies())
    with pytest.raises(UnknownFormatError, match="expected views, got energies; name a file with views"):
        expect_views(tmp_path / "energies.jsonl")
    np.save(tmp_path / "views.npy", np.zeros(3))
    with pytest.raises(UnknownFormatError, match=r"views\.npy"):
        expect_views(tmp_path / "views.npy")
    with pytest.raises(StorageError, match="gone"):
        expect_views(tmp_path / "gone")
