from __future__ import annotations

from fractions import Fraction

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, amplify_to_pixel, pixel_to_amplify, swap_xy

SIZES = st.from_type(FrameSize)
ROWS = st.integers(0, 12).map(lambda n: (n, 2))
LOST = st.sampled_from([np.nan, np.inf, -np.inf])
ANY_POINTS = hnp.arrays(np.float32, ROWS, elements=st.floats(-5000, 5000, width=32))
WITH_LOST = hnp.arrays(np.float32, ROWS, elements=st.floats(-5000, 5000, width=32) | LOST)


def exact(x: float, y: float, size: FrameSize) -> tuple[Fraction, Fraction]:
    """Return (row, column) in exact arithmetic."""
    half_height, half_width = Fraction(size.height, 2), Fraction(size.width, 2)
    return (Fraction(y) - half_height) / half_height, (Fraction(x) - half_width) / half_width


@pytest.mark.parametrize(
    ("xy", "row_col"),
    [
        ((0, 0), (-1, -1)),
        ((800, 480), (1, 1)),
        ((400, 240), (0, 0)),
        ((200, 240), (0, -0.5)),
        ((400, 360), (0.5, 0)),
    ],
)
def test_by_hand(xy: tuple[float, float], row_col: tuple[float, float]) -> None:
    size = FrameSize(width=800, height=480)
    np.testing.assert_array_equal(pixel_to_amplify(np.array(xy, dtype=float), size).row_col, row_col)
    np.testing.assert_array_equal(amplify_to_pixel(np.array(row_col, dtype=float), size), xy)


def test_the_right_edge_of_the_frame_is_half_a_pixel_below_one(wide: FrameSize) -> None:
    last = pixel_to_amplify(np.array([770.5, 479.5]), wide).row_col
    np.testing.assert_allclose(1 - last, [0.5 / 240, 0.5 / 385.5], rtol=1e-12)


@given(xy=ANY_POINTS, size=SIZES)
def test_against_exact_arithmetic(xy: np.ndarray, size: FrameSize) -> None:
    result = pixel_to_amplify(xy, size, outside="keep")
    assert result.row_col.dtype == np.float32
    for got, (x, y) in zip(result.row_col, xy, strict=True):
        for value, true, half in zip(got, exact(float(x), float(y), size), (size.height, size.width), strict=True):
            # A subtraction and a division, half an ulp each; subnormal differences cannot occur here.
            assert abs(Fraction(float(value)) - true) <= (abs(true) + Fraction(1, half)) * Fraction(1, 2**22)


@given(xy=ANY_POINTS, size=SIZES)
def test_round_trip(xy: np.ndarray, size: FrameSize) -> None:
    back = amplify_to_pixel(pixel_to_amplify(xy, size, outside="keep").row_col, size)
    assert back.dtype == np.float32
    bound = 3 * (np.abs(xy.astype(np.float64)) + np.array([size.width, size.height])) * 2.0**-23
    assert np.all(np.abs(back.astype(np.float64) - xy) <= bound)


@given(xy=ANY_POINTS, size=SIZES)
def test_row_comes_first(xy: np.ndarray, size: FrameSize) -> None:
    # Turning frame and points over the diagonal exchanges rows and columns, and nothing else.
    mirrored = FrameSize(width=size.height, height=size.width)
    here = pixel_to_amplify(xy, size, outside="keep").row_col
    there = pixel_to_amplify(swap_xy(xy), mirrored, outside="keep").row_col
    np.testing.assert_array_equal(here, swap_xy(there))


def test_mixed_up_axes_are_outside_on_a_wide_frame(wide: FrameSize) -> None:
    corner = np.array([[770.0, 10.0]])
    assert pixel_to_amplify(corner, wide).outside == 0
    with pytest.raises(SchemaError, match="got 1 points outside"):
        pixel_to_amplify(swap_xy(corner), wide)


@given(xy=ANY_POINTS, size=SIZES)
def test_outside_is_counted_the_same_under_every_policy(xy: np.ndarray, size: FrameSize) -> None:
    kept = pixel_to_amplify(xy, size, outside="keep")
    clipped = pixel_to_amplify(xy, size, outside="clip")
    blanked = pixel_to_amplify(xy, size, outside="nan")
    beyond = np.any(np.abs(kept.row_col) > 1, axis=-1)
    assert kept.outside == clipped.outside == blanked.outside == beyond.sum()
    assert kept.lost == clipped.lost == blanked.lost == 0
    np.testing.assert_array_equal(clipped.row_col, np.clip(kept.row_col, -1, 1))
    assert np.isnan(blanked.row_col[beyond]).all()
    np.testing.assert_array_equal(blanked.row_col[~beyond], kept.row_col[~beyond])
    if beyond.any():
        with pytest.raises(SchemaError, match=f"got {beyond.sum()} points outside"):
            pixel_to_amplify(xy, size)
    else:
        np.testing.assert_array_equal(pixel_to_amplify(xy, size).row_col, kept.row_col)


@given(xy=WITH_LOST, size=SIZES)
def test_lost_is_counted_and_never_changed_unasked(xy: np.ndarray, size: FrameSize) -> None:
    gone = ~np.isfinite(xy).all(axis=-1)
    kept = pixel_to_amplify(xy, size, outside="clip", lost="keep")
    zeroed = pixel_to_amplify(xy, size, outside="clip", lost="zero")
    assert kept.lost == zeroed.lost == gone.sum()
    np.testing.assert_array_equal(np.isfinite(kept.row_col), np.isfinite(xy)[:, ::-1])
    assert np.isfinite(zeroed.row_col).all()
    np.testing.assert_array_equal(zeroed.row_col[~np.isfinite(xy)[:, ::-1]], -1.0)
    if gone.any():
        with pytest.raises(SchemaError, match=f"got {gone.sum()} points with NaN or infinity"):
            pixel_to_amplify(xy, size, outside="keep")


def test_upstream_policy_by_hand(wide: FrameSize) -> None:
    xy = np.array([[np.nan, 240.0], [np.inf, 240.0], [900.0, 240.0], [385.5, -3.0], [0.0, 0.0]], dtype=np.float32)
    result = pixel_to_amplify(xy, wide, outside="clip", lost="zero")
    np.testing.assert_array_equal(result.row_col, [[0, -1], [0, -1], [0, 1], [-1, 0], [-1, -1]])
    assert (result.outside, result.lost) == (2, 2)


def test_a_point_can_be_both_outside_and_lost(wide: FrameSize) -> None:
    xy = np.array([[np.nan, 9000.0]])
    with pytest.raises(SchemaError, match="2 problems") as caught:
        pixel_to_amplify(xy, wide)
    assert {p.code for p in caught.value.problems} == {"points-outside-frame", "points-lost"}
    assert all(p.fix and "choose" in p.fix for p in caught.value.problems)
    result = pixel_to_amplify(xy, wide, outside="nan", lost="keep")
    assert (result.outside, result.lost) == (1, 1)
    assert np.isnan(result.row_col).all()


def test_input_is_not_written_to(wide: FrameSize) -> None:
    xy = np.array([[np.nan, 9000.0]], dtype=np.float32)
    xy.flags.writeable = False
    pixel_to_amplify(xy, wide, outside="clip", lost="zero")
    assert np.isnan(xy[0, 0])


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"outside": "clamp"}, "outside: expected one of 'raise', 'keep', 'clip', 'nan', got 'clamp'"),
        ({"lost": "nan"}, "lost: expected one of 'raise', 'keep', 'zero', got 'nan'"),
    ],
)
def test_policies_must_be_known(policies: dict[str, str], message: str, wide: FrameSize) -> None:
    with pytest.raises(SchemaError, match=message):
        pixel_to_amplify(np.zeros(2), wide, **policies)  # type: ignore[arg-type]  # the point of the test


def test_numbers_beyond_float32_are_outside_not_lost() -> None:
    far = np.array([[3e38, 0.0]], dtype=np.float32)
    with pytest.warns(RuntimeWarning, match="overflow"):
        result = pixel_to_amplify(far, FrameSize(width=1, height=2), outside="clip")
    assert (result.outside, result.lost) == (1, 0)
    np.testing.assert_array_equal(result.row_col, [[-1, 1]])
