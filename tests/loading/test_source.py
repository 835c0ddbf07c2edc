"""What every source of batches keeps."""

from __future__ import annotations

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.loading.source import BatchSpec, FieldSpec, require_alike

WINDOWS = BatchSpec({
    "tracks": FieldSpec((16, 400, 2), np.dtype("f4"), "pixel xy"),
    "vis": FieldSpec((16, 400), np.dtype(bool)),
})  # fmt: skip


def test_a_specification_knows_what_a_sample_weighs() -> None:
    assert WINDOWS.nbytes == 16 * 400 * 9
    assert WINDOWS["vis"].empty(3).shape == (3, 16, 400)
    assert repr(WINDOWS) == "BatchSpec(tracks: (B, 16, 400, 2) float32 pixel xy; vis: (B, 16, 400) bool)"


def test_fields_are_chosen_in_the_order_asked_for() -> None:
    assert list(WINDOWS.only(["vis", "tracks"])) == ["vis", "tracks"]
    assert WINDOWS.only(None) is WINDOWS


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(SchemaError, match=r"expected some of \['tracks', 'vis'\], got \['images'\]"):
        WINDOWS.only(["tracks", "images"])


def test_unlike_sources_are_told_field_by_field() -> None:
    other = BatchSpec({"tracks": FieldSpec((16, 400, 2), np.dtype("f4"), "pixel yx")})
    with pytest.raises(SchemaError, match="unlike-specs") as told:
        require_alike({"a": WINDOWS, "b": other})
    assert [problem.where for problem in told.value.problems] == ["b: tracks", "b: vis"]
    assert "got no such field" in str(told.value)


def test_like_sources_pass() -> None:
    copy = BatchSpec(WINDOWS)
    require_alike({"a": WINDOWS, "b": copy})
    assert dict(copy) == dict(WINDOWS)
