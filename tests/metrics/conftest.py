"""Two small videos, scored as a test wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest

from lapsdata.metrics import evaluate_boundaries
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from lapsdata.schema import BoundaryResult


class Evaluate(Protocol):
    """See `evaluate`."""

    def __call__(self, **changes: Any) -> BoundaryResult: ...


@pytest.fixture
def evaluate() -> Evaluate:
    """Return a function that scores two small videos, with what a test changes."""

    def of(**changes: Any) -> BoundaryResult:
        given: dict[str, Any] = {
            "truth": {"a": np.array([2.0, 5.0, 6.5]), "b": np.array([3.0])},
            "found": {"a": np.array([2.2, 4.0, 6.5, 8.0]), "b": np.array([3.75, 1.0])},
            "spans_s": {"a": (0.0, 9.0), "b": (0.0, 6.0)},
            "tolerances_s": (0.25, 1.0),
            "draws": 4,
            "shift_draws": 6,
            "resamples": 20,
            "provenance": sample_provenance(),
        } | changes
        return evaluate_boundaries(given.pop("truth"), given.pop("found"), **given)

    return of
