"""What is believed of followed points, against the same in whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from lapsmodels.trackers._beliefs import believe, noise_of

F = np.float32
SHARES = st.floats(0, 1, width=32) | st.sampled_from([F(0.8), F(0.6), 0.5])
DISTANCES = st.floats(0, 20, width=32) | st.just(F(3.0))


@settings(max_examples=100)
@given(
    rows=st.lists(st.tuples(SHARES, SHARES, DISTANCES, st.booleans(), st.booleans()), min_size=1, max_size=30),
    limit=st.sampled_from([0.0, 3.0, 8.0]),
)
def test_points_that_fit_and_come_back_or_look_the_same_are_visible(
    rows: list[tuple[float, float, float, bool, bool]], limit: float
) -> None:
    alike, misfit, back = np.array([row[:3] for row in rows], F).T
    found, textured = np.array([row[3:] for row in rows], bool).T
    measures = np.stack([alike, misfit, np.where(found, back, np.nan), np.zeros(len(rows))], axis=1).astype(F)
    vis, confidence = np.ones(len(rows), bool), np.full(len(rows), np.nan, F)
    believe(measures, found, textured, F(limit), vis, confidence)
    good = found & ((back <= F(limit)) | (alike >= F(0.8))) & (misfit < F(0.6))
    np.testing.assert_array_equal(vis, good & textured)
    sure = np.where(good, alike * np.exp(-back / 8), 0)
    np.testing.assert_allclose(confidence, np.where(textured, sure, np.minimum(sure, 0.1)), atol=1e-6)


@pytest.mark.parametrize(
    ("residual", "noise"),
    [([np.nan, np.nan], 7), ([], 7), ([0.2, 0.1, np.nan], 1), ([-3.0], 1), ([4, 90, 9, np.nan], 9), ([500, 900], 200)],
)
def test_noise_is_the_middle_of_what_is_unexplained_within_what_pictures_have(
    residual: list[float], noise: float
) -> None:
    measures = np.zeros((len(residual), 4), F)
    measures[:, 3] = residual
    assert noise_of(measures, F(7)) == noise


@settings(max_examples=50)
@given(st_numpy.arrays(F, st.integers(1, 60), elements=st.floats(1, 200, width=32)))
def test_the_middle_is_the_median(residual: np.ndarray) -> None:
    measures = np.zeros((len(residual), 4), F)
    measures[:, 3] = residual
    assert noise_of(measures, F(7)) == pytest.approx(np.median(residual), rel=1e-6)
