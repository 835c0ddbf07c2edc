"""Points and outlines of cameras, beside formulas that are written out, and the scenes they come from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers.model_cameras import model_camera
from lapsdata.report.view_clouds import (
    ViewCloud,
    camera_outline,
    cloud_from_above,
    placed,
    thinned,
    view_cloud,
)
from lapsdata.schema import CameraModel, PanoramaAngles, PinholeLens, Size
from lapsdata.testing.samples import sample_views

if TYPE_CHECKING:
    from collections.abc import Callable

PINHOLE = CameraModel(
    kind="pinhole", size=Size(width=6, height=4), lens=PinholeLens(focal_px=(3.0, 2.0), centre_px=(2.5, 1.5)), depth="z"
)
AROUND = PanoramaAngles(h_fov_deg=360, low_deg=-30, high_deg=50)


def cloud_of(count: int) -> ViewCloud:
    points = np.arange(3 * count, dtype=np.float32).reshape(-1, 3)
    return ViewCloud(points, np.arange(3 * count, dtype=np.uint8).reshape(-1, 3), 7)


def test_points_of_a_pinhole_are_where_its_formula_says() -> None:
    views = sample_views()
    depth, image = views.read("depth", 0), views.read("image", 0)
    cloud = view_cloud(views, 0, depth, image, 1000)
    expected, colours = [], []
    for y in range(3):
        for x in range(4):
            if depth[y, x] > 0:
                expected.append([(x - 1.5) / 2 * depth[y, x], (y - 1) / 2 * depth[y, x], depth[y, x]])
                colours.append(image[y, x].tolist())
    np.testing.assert_allclose(cloud.points, expected, rtol=1e-6)
    assert cloud.colours.tolist() == colours
    assert cloud.farther == 0


def test_points_beyond_are_counted_by_the_length_of_their_ray() -> None:
    views = sample_views()
    depth = np.zeros((3, 4), np.float32)
    depth[1, 1], depth[0, 0] = 4.0, 4.0
    # Those of the corner are sqrt(0.75^2 + 0.5^2 + 1) times as far as along the axis.
    away = [4 * math.hypot(0.25, 0, 1), 4 * math.hypot(0.75, 0.5, 1)]
    near = view_cloud(views, 0, depth, None, (away[0] + away[1]) / 2)
    assert (len(near.points), near.farther) == (1, 1)
    assert np.linalg.norm(near.points[0]) == pytest.approx(away[0])
    assert near.colours.tolist() == [[170, 170, 170]]


@pytest.mark.parametrize(
    ("kind", "elevation"),
    [
        ("equirectangular", lambda share: math.radians(50 - 80 * share)),
        (
            "cylinder",
            lambda share: math.atan(math.tan(math.radians(50)) * (1 - share) + math.tan(math.radians(-30)) * share),
        ),
    ],
)
def test_rays_of_a_panorama_are_those_of_its_angles(kind: str, elevation: Callable[[float], float]) -> None:
    model = CameraModel.parse(
        f'{{"kind":"{kind}","size":{{"width":8,"height":4}},"angles":{AROUND.to_bytes().decode()},"depth":"ray"}}'
    )
    rays = model_camera(model, np.eye(4)).rays(np.array([[5.0, 1.0]]))
    azimuth, up = ((5 + 0.5) / 8 - 0.5) * 2 * math.pi, elevation((1 + 0.5) / 4)
    expected = [math.cos(up) * math.sin(azimuth), -math.sin(up), math.cos(up) * math.cos(azimuth)]
    np.testing.assert_allclose(rays[0], expected, atol=1e-12)


@given(st.integers(0, 40), st.integers(1, 60))
def test_a_thinned_cloud_has_some_of_the_points_each_once_with_its_colour(count: int, most: int) -> None:
    cloud = cloud_of(count)
    few = thinned(cloud, most)
    assert len(few.points) == min(count, most)
    assert few.farther == 7
    pairs = {(tuple(point), tuple(colour)) for point, colour in zip(cloud.points, cloud.colours, strict=True)}
    found = [(tuple(point), tuple(colour)) for point, colour in zip(few.points, few.colours, strict=True)]
    assert len(set(found)) == len(found)
    assert set(found) <= pairs
    again = thinned(cloud, max(most // 2, 1))
    assert (again.points == few.points[: len(again.points)]).all()


def test_points_are_placed_as_homogeneous_ones_are() -> None:
    pose = np.array([[0, 0, 1, 5], [1, 0, 0, 6], [0, 1, 0, 7], [0, 0, 0, 1]], float)
    points = np.random.default_rng(0).normal(0, 9, (5, 3)).astype(np.float32)
    whole = np.column_stack([points, np.ones(5)]) @ pose.T
    np.testing.assert_allclose(placed(points, pose), whole[:, :3], atol=1e-12)


def test_the_outline_of_a_pinhole_goes_through_the_corners_of_its_picture() -> None:
    frame, *edges, roof = camera_outline(PINHOLE)
    for corner, (x, y) in zip(frame, [(-0.5, -0.5), (5.5, -0.5), (5.5, 3.5), (-0.5, 3.5), (-0.5, -0.5)], strict=True):
        # 1.5 m along the axis.
        assert corner == pytest.approx([(x - 2.5) / 3 * 1.5, (y - 1.5) / 2 * 1.5, 1.5], abs=1e-4)
    assert [edge[0] for edge in edges] == [[0, 0, 0]] * 4
    assert [edge[1] for edge in edges] == frame[:4]
    # Its roof is above: y is down.
    assert roof[1][1] < frame[0][1]


def test_the_outline_of_a_panorama_is_level_with_an_arrow_ahead() -> None:
    model = CameraModel(kind="equirectangular", size=Size(width=8, height=4), angles=AROUND)
    ring, arrow, up = camera_outline(model)
    assert {point[1] for point in ring} == {0}
    assert [math.hypot(point[0], point[2]) for point in ring] == pytest.approx([1] * len(ring), abs=1e-4)
    assert arrow[1] == [0, 0, 2]
    assert up[1] == [0, -1, 0]


def test_from_above_ahead_is_up_and_the_highest_point_hides_others() -> None:
    points = np.array([[0, 0, 10.0], [10, 0, 0], [10, -3, 0], [10, 2, 0], [-5, 0, -10]])
    colours = np.array([[1, 0, 0], [2, 0, 0], [3, 0, 0], [4, 0, 0], [5, 0, 0]], np.uint8)
    drawn = cloud_from_above(points + 100, colours, np.full(3, 100.0), side_px=161)
    found = {int(drawn[row, column, 0]): (row, column) for row, column in np.argwhere(drawn[..., 1] == 0).tolist()}
    assert found == {1: (0, 80), 3: (80, 160), 5: (160, 40)}
    assert drawn[80, 80].tolist() == [255, 255, 255]


def test_no_point_from_above_is_the_cross_alone() -> None:
    nothing = cloud_of(0)
    drawn = cloud_from_above(nothing.points.astype(float), nothing.colours, np.zeros(3))
    assert drawn.shape == (640, 640, 3)
    assert (drawn == 255).all(axis=-1).sum() == 33
