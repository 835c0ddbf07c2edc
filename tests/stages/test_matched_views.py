"""Which sets are reported, and what is opened as views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lapsdata import formats
from lapsdata.errors import SchemaError, StorageError
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
    with pytest.raises(SchemaError, match=r"s\.parquet.*expected .*[Vv]iews"):
        open_views(tmp_path / "s.parquet", "truth")
    with pytest.raises(StorageError, match=r"nothing\.h5: cannot open: no such file"):
        open_views(tmp_path / "nothing.h5", "truth")
