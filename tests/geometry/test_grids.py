from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import (
    FrameSize,
    GridKind,
    GridOrder,
    PixelArea,
    amplify_grid,
    amplify_to_pixel,
    cotracker_grid,
    inside_frame,
    uniform_grid,
)

SIZES = st.from_type(FrameSize)
ORDERS = st.sampled_from(get_args(GridOrder))


def as_lattice(points: np.ndarray, rows: int, columns: int, order: str) -> np.ndarray:
    """Return points by [row, column], from the meaning of the order's name."""
    memory = "C" if order == "row_major" else "F"
    return np.stack([points[:, axis].reshape((rows, columns), order=memory) for axis in (0, 1)], axis=-1)


# --- uniform --------------------------------------------------------------------------------------------------


def test_uniform_by_hand() -> None:
    grid = uniform_grid(FrameSize(width=6, height=4), count=6)
    assert (grid.kind, grid.order, grid.rows, grid.columns) == ("uniform", "row_major", 2, 3)
    expected = [[0.5, 0.5], [2.5, 0.5], [4.5, 0.5], [0.5, 2.5], [2.5, 2.5], [4.5, 2.5]]
    np.testing.assert_array_equal(grid.points, expected)
    other = uniform_grid(FrameSize(width=6, height=4), count=6, order="column_major")
    np.testing.assert_array_equal(other.points, np.array(expected)[[0, 3, 1, 4, 2, 5]])


@pytest.mark.parametrize(
    ("width", "height", "rows", "columns"),
    [
        (771, 480, 16, 25),
        (480, 771, 25, 16),
        (1920, 1080, 16, 25),
        (128, 96, 16, 25),
        (2000, 400, 8, 50),
        (1000, 100, 5, 80),
    ],
)
def test_400_points_on_common_frames(width: int, height: int, rows: int, columns: int) -> None:
    grid = uniform_grid(FrameSize(width=width, height=height), count=400)
    assert (grid.rows, grid.columns) == (rows, columns)


# Few sizes drawn at random have cells that are about square.
@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(size=SIZES, rows=st.integers(1, 12), columns=st.integers(1, 12), order=ORDERS)
def test_every_cell_has_its_point_in_the_middle(size: FrameSize, rows: int, columns: int, order: GridOrder) -> None:
    area = PixelArea.whole(size)
    aspect = size.width * rows / (size.height * columns)
    assume(0.5 <= aspect <= 2)
    grid = uniform_grid(size, count=rows * columns, order=order)
    assert grid.points.shape == (rows * columns, 2)
    assert grid.points.dtype == np.float32
    assert grid.rows * grid.columns == rows * columns
    assert inside_frame(grid.points, size).all()
    lattice = as_lattice(grid.points.astype(np.float64), grid.rows, grid.columns, order)
    column, row = np.meshgrid(np.arange(grid.columns), np.arange(grid.rows))
    edge_x = (lattice[..., 0] + 0.5) * grid.columns / area.width
    edge_y = (lattice[..., 1] + 0.5) * grid.rows / area.height
    np.testing.assert_allclose(edge_x, column + 0.5, atol=1e-4)
    np.testing.assert_allclose(edge_y, row + 0.5, atol=1e-4)


@given(size=SIZES, count=st.integers(1, 200))
def test_cells_are_as_square_as_the_count_allows_or_the_count_is_refused(size: FrameSize, count: int) -> None:
    def stretch(rows: int) -> float:
        aspect = size.width * rows / (size.height * (count // rows))
        return max(aspect, 1 / aspect)

    best = min(stretch(rows) for rows in range(1, count + 1) if count % rows == 0)
    if best > 2:
        with pytest.raises(SchemaError, match=rf"count: expected a count that splits .* on {size}, got {count}; take"):
            uniform_grid(size, count=count)
    else:
        assert math.isclose(stretch(uniform_grid(size, count=count).rows), best)


@pytest.mark.parametrize(("count", "advice"), [(397, "396 or 400"), (1, "2")])
def test_a_refused_count_names_its_neighbours(count: int, advice: str) -> None:
    size = FrameSize(width=1000, height=400)
    with pytest.raises(SchemaError, match=f"got {count}; take {advice} ") as caught:
        uniform_grid(size, count=count)
    assert caught.value.problems[0].code == "no-near-square-grid"
    for works in advice.split(" or "):
        assert len(uniform_grid(size, count=int(works)).points) == int(works)


def test_active_area_is_covered_and_nothing_else() -> None:
    size, area = FrameSize(width=640, height=480), PixelArea(x=80, y=60, width=480, height=360)
    grid = uniform_grid(size, count=12, area=area)
    alone = uniform_grid(area.size, count=12)
    np.testing.assert_array_equal(grid.points, alone.points + np.float32([80, 60]))
    np.testing.assert_array_equal(grid.points[0], [139.5, 119.5])


def test_active_area_outside_the_frame() -> None:
    with pytest.raises(SchemaError, match="expected an area inside the 640x480 frame, got columns 320"):
        uniform_grid(FrameSize(width=640, height=480), count=12, area=PixelArea(x=320, y=0, width=321, height=4))


@pytest.mark.parametrize("count", [0, -1, 4.0, True])
def test_count_must_be_a_positive_integer(count: object, wide: FrameSize) -> None:
    with pytest.raises(SchemaError, match="count: expected an integer of at least 1, got"):
        uniform_grid(wide, count=count)  # type: ignore[arg-type]  # the point of the test


def test_order_must_be_known(wide: FrameSize) -> None:
    with pytest.raises(SchemaError, match="order: expected one of 'row_major', 'column_major', got 'C'"):
        uniform_grid(wide, count=4, order="C")  # type: ignore[arg-type]  # the point of the test


# --- AMPLIFY --------------------------------------------------------------------------------------------------


def test_amplify_grid_covers_61_percent_of_a_laps_frame(wide: FrameSize) -> None:
    grid = amplify_grid(wide)
    assert (grid.kind, grid.order, grid.rows, grid.columns) == ("amplify_square", "column_major", 20, 20)
    x, y = grid.points.T
    assert (x.min(), x.max(), y.min(), y.max()) == (12, 468, 12, 468)
    assert round(468 / 771, 2) == 0.61


@given(height=st.integers(1, 3000), extra=st.integers(0, 3000), side=st.integers(1, 24))
def test_amplify_grid_is_linspace_with_the_row_index_fastest(height: int, extra: int, side: int) -> None:
    assume(side < height)
    size = FrameSize(width=height + extra, height=height)
    grid = amplify_grid(size, side=side)
    places = np.linspace(-1 + 1 / side, 1 - 1 / side, side)
    square = FrameSize(width=height, height=height)
    upstream = [amplify_to_pixel(np.array([row, column]), square) for column in places for row in places]
    np.testing.assert_allclose(grid.points, upstream, rtol=1e-6, atol=1e-6)


def test_amplify_grid_takes_the_height_for_both_axes() -> None:
    here = amplify_grid(FrameSize(width=771, height=480)).points
    np.testing.assert_array_equal(here, amplify_grid(FrameSize(width=4000, height=480)).points)
    assert not np.array_equal(here, amplify_grid(FrameSize(width=771, height=481)).points)


def test_amplify_grid_would_leave_a_narrow_frame() -> None:
    message = r"a frame that reaches x = y = 751\.725, .*, got 480x771; use uniform_grid"
    with pytest.raises(SchemaError, match=message) as caught:
        amplify_grid(FrameSize(width=480, height=771))
    assert caught.value.problems[0].code == "grid-outside-frame"
    # Less high than wide by a little only: the outermost points are a fortieth inside.
    assert inside_frame(amplify_grid(FrameSize(width=760, height=771)).points, FrameSize(width=760, height=771)).all()


def test_amplify_grid_needs_more_rows_than_points() -> None:
    with pytest.raises(SchemaError, match=r"reaches x = y = 19\.5, .* got 900x20"):
        amplify_grid(FrameSize(width=900, height=20))
    assert inside_frame(amplify_grid(FrameSize(width=900, height=21)).points, FrameSize(width=900, height=21)).all()


# --- CoTracker ------------------------------------------------------------------------------------------------


def test_cotracker_grid_by_hand(wide: FrameSize) -> None:
    grid = cotracker_grid(wide, side=20)
    assert (grid.kind, grid.order, grid.rows, grid.columns) == ("cotracker", "row_major", 20, 20)
    margin = 771 / 64
    lattice = as_lattice(grid.points, 20, 20, "row_major")
    np.testing.assert_allclose(lattice[0, :, 0], np.linspace(margin, 771 - margin, 20), rtol=1e-6)
    np.testing.assert_allclose(lattice[:, 0, 1], np.linspace(margin, 480 - margin, 20), rtol=1e-6)
    assert np.ptp(lattice[..., 0], axis=0).max() == np.ptp(lattice[..., 1], axis=1).max() == 0


def test_one_cotracker_point_is_half_the_size() -> None:
    np.testing.assert_array_equal(cotracker_grid(FrameSize(width=640, height=480), side=1).points, [[320, 240]])


def test_cotracker_grid_needs_rows() -> None:
    with pytest.raises(SchemaError, match=r"expected a height above W/32, got 1280x40: two margins of W/64 = 20"):
        cotracker_grid(FrameSize(width=1280, height=40), side=4)
    assert np.ptp(cotracker_grid(FrameSize(width=1280, height=41), side=4).points[:, 1]) == 1


# --- all ------------------------------------------------------------------------------------------------------


@given(size=SIZES.filter(lambda s: s.height > 20 and 1 < s.width / s.height < 30))
def test_two_grids_of_400_points_are_not_the_same_points_in_the_same_order(size: FrameSize) -> None:
    # LAPS trained on one and ran on the other: the tokenizer saw a mirrored scene.
    amplify, cotracker = amplify_grid(size), cotracker_grid(size, side=20)
    assert amplify.points.shape == cotracker.points.shape
    assert amplify.kind != cotracker.kind
    assert amplify.order != cotracker.order
    assert amplify.points[1, 0] == amplify.points[0, 0]
    assert cotracker.points[1, 1] == cotracker.points[0, 1]


@pytest.mark.parametrize("make", [amplify_grid, cotracker_grid])
@pytest.mark.parametrize("side", [0, 2.5])
def test_side_must_be_a_positive_integer(make: object, side: object, wide: FrameSize) -> None:
    with pytest.raises(SchemaError, match="side: expected an integer of at least 1, got"):
        make(wide, side=side)  # type: ignore[operator]  # the point of the test


def test_grids_are_read_only_and_named(wide: FrameSize) -> None:
    grids = [uniform_grid(wide, count=400), amplify_grid(wide), cotracker_grid(wide, side=20)]
    assert tuple(grid.kind for grid in grids) == get_args(GridKind)
    for grid in grids:
        with pytest.raises(ValueError, match="read-only"):
            grid.points[0] = 0
