"""Statistics of one feature over rows: what samples are normalised with, and what a checkpoint carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import model_validator

from lapsdata.schema.base import Count, Positive, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOMENTS", "QUANTILES", "FeatureStats", "StatsOrigin", "StatsValues"]

MOMENTS = ("min", "max", "mean", "std")
"""What is known wherever anything is."""

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
"""Quantiles by the names that LeRobot and GR00T give them."""

StatsOrigin = Literal["stated", "merged", "computed"]
"""As the data set says; merged from what it says of each episode; computed from the rows."""

StatsValues = tuple[float | None, ...]
"""One value for each number of a row, in row-major order; null where no number is finite."""


class FeatureStats(Record):
    """Statistics of each number of a feature, over rows.

    Examples
    --------
    >>> one = FeatureStats(shape=(2,), origin="stated", min=(0.0, 1.0), max=(2.0, 1.0), mean=(1.0, 1.0), std=(1.0, 0.0))
    >>> one.array("mean").tolist(), one.array("q01")
    ([1.0, 1.0], None)
    """

    shape: tuple[Positive, ...]
    """Shape of the value of one row; empty for a single number. Of images (channels, 1, 1): one value per channel."""
    origin: StatsOrigin
    """Where min, max, mean and std are from."""
    count: Count | None = None
    """Number of rows (of images: as the data set says); null where that is not told."""
    not_finite: tuple[Count, ...] | None = None
    """How many values of each number are NaN, missing or infinite, and in none of the others; null if not counted."""
    min: StatsValues
    """Least value."""
    max: StatsValues
    """Greatest value."""
    mean: StatsValues
    """Mean."""
    std: StatsValues
    """Standard deviation of all values, divided by their number and not by one less."""
    quantiles_origin: StatsOrigin | None = None
    """Where the quantiles are from; null where there are none."""
    q01: StatsValues | None = None
    """Quantile 0.01, between two values in proportion (NumPy's "linear"), as all quantiles that are computed."""
    q10: StatsValues | None = None
    """Quantile 0.1."""
    q50: StatsValues | None = None
    """Quantile 0.5, the median."""
    q90: StatsValues | None = None
    """Quantile 0.9."""
    q99: StatsValues | None = None
    """Quantile 0.99."""

    @model_validator(mode="after")
    def _a_value_for_each(self) -> Self:
        size = int(np.prod(self.shape, dtype=np.int64))
        for name in ("not_finite", *MOMENTS, *QUANTILES):
            values = getattr(self, name)
            if values is not None and len(values) != size:
                raise ValueError(f"expected {size} values of {name}, one for each of {self.shape}, got {len(values)}")
        if (self.quantiles_origin is None) != all(getattr(self, name) is None for name in QUANTILES):
            raise ValueError("expected quantiles_origin exactly where there are quantiles")
        return self

    def array(self, kind: str) -> NDArray[np.float64] | None:
        """Return values of one kind.

        Parameters
        ----------
        kind : {"min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99"}

        Returns
        -------
        np.ndarray, shape `self.shape`, float64, or None
            NaN where no number is finite; None where this kind is not known.
        """
        values: StatsValues | None = getattr(self, kind)
        return None if values is None else np.array(values, np.float64).reshape(self.shape)
