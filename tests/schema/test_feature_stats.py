"""Statistics of one feature: a value for each number, and the origin of what there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.schema import FeatureStats

TWO: dict[str, Any] = {
    "shape": (1, 2),
    "origin": "stated",
    "min": (0.0, None),
    "max": (2.0, None),
    "mean": (1.0, None),
    "std": (0.5, None),
}


def test_values_have_the_shape_of_a_row_and_nothing_finite_is_nan() -> None:
    stats = FeatureStats(**TWO)
    np.testing.assert_array_equal(stats.array("mean"), [[1.0, np.nan]])
    assert stats.array("q01") is None
    assert FeatureStats.parse(stats.to_bytes()) == stats


def test_a_single_number_has_one_value_and_no_axis() -> None:
    one = FeatureStats(**TWO | dict.fromkeys(("min", "max", "mean", "std"), (1.0,)) | {"shape": ()})
    assert one.array("std").shape == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mean": (1.0,)}, r"expected 2 values of mean, one for each of \(1, 2\), got 1"),
        ({"not_finite": (0, 0, 0)}, "expected 2 values of not_finite, one for each"),
        ({"q01": (0.0,), "quantiles_origin": "stated"}, "expected 2 values of q01"),
        ({"q01": (0.0, 1.0)}, "expected quantiles_origin exactly where there are quantiles"),
        ({"quantiles_origin": "computed"}, "expected quantiles_origin exactly where there are quantiles"),
        ({"max": (2.0, float("nan"))}, "expected a finite number"),
        ({"origin": "guessed"}, "origin: expected 'stated', 'merged' or 'computed'"),
        ({"count": -1}, "count: expected greater than or equal to 0"),
    ],
)
def test_what_does_not_hold_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        FeatureStats(**TWO | fields)
