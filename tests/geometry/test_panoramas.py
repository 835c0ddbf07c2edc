"""Cameras that look around: by hand, there and back, at the seam and at the poles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import (
    Camera,
    CylinderCamera,
    EquirectangularCamera,
    FrameSize,
    PinholeCamera,
    convert_rotations,
    inside_frame,
    pixel_rays,
    project_points,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDE = FrameSize(width=1008, height=252)
KINDS = pytest.mark.parametrize("kind", [CylinderCamera, EquirectangularCamera])
Kind = type[CylinderCamera] | type[EquirectangularCamera]


def turned(turn: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    pose = np.eye(4)
    pose[:3, :3] = convert_rotations(turn, source="axis_angle", target="matrix")
    pose[:3, 3] = place
    return pose


@st.composite
def panoramas(draw: st.DrawFn, kind: st.SearchStrategy[Kind] | None = None) -> CylinderCamera | EquirectangularCamera:
    """Draw a panorama of any shape, anywhere, rolled and pitched."""
    model = draw(kind or st.sampled_from([CylinderCamera, EquirectangularCamera]))
    low = draw(st.floats(-80, 40))
    high = draw(st.floats(low + 5, 85))
    vector = hnp.arrays(np.float64, 3, elements=st.floats(-3, 3))
    return model(
        size=FrameSize(width=draw(st.integers(1, 300)), height=draw(st.integers(1, 300))),
        cam2world=turned(draw(vector), draw(vector)),
        h_fov_deg=draw(st.sampled_from([360.0, 180.0, 90.0, 359.9])),
        v_fov_deg=high - low,
        elevation_deg=(high + low) / 2,
    )


# --- where pixels look ------------------------------------------------------------------------------------------


@KINDS
def test_the_middle_looks_ahead_and_quarters_to_the_sides(kind: Kind) -> None:
    rays = kind(size=WIDE, cam2world=np.eye(4)).rays(
        np.array([[503.5, 125.5], [755.5, 125.5], [251.5, 125.5], [-0.5, 125.5]])
    )
    np.testing.assert_allclose(rays, [[0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 0, -1]], atol=1e-12)


def test_rows_are_linear_in_elevation_or_in_its_tangent() -> None:
    rows = np.stack([np.full(252, 503.5), np.arange(252.0)], axis=-1)
    level, upright = (
        kind(size=WIDE, cam2world=np.eye(4)).rays(rows) for kind in (EquirectangularCamera, CylinderCamera)
    )
    np.testing.assert_allclose(np.degrees(np.arcsin(-level[:, 1])), 45 - (np.arange(252) + 0.5) / 252 * 90, atol=1e-9)
    np.testing.assert_allclose(-upright[:, 1] / upright[:, 2], 1 - (np.arange(252) + 0.5) / 126, atol=1e-12)


def test_the_formula_for_rays_with_an_elevation_of_its_own() -> None:
    camera = CylinderCamera(
        size=FrameSize(width=90, height=40), cam2world=np.eye(4), h_fov_deg=180, v_fov_deg=50, elevation_deg=10
    )
    assert (camera.low_deg, camera.high_deg) == (-15, 35)
    # The outer edges of the first and the last row, straight ahead.
    edges = camera.rays(np.array([[44.5, -0.5], [44.5, 39.5]]))
    np.testing.assert_allclose(np.degrees(np.arcsin(-edges[:, 1])), [35, -15], atol=1e-9)
    # The outer edges of the first and the last column.
    sides = camera.rays(np.array([[-0.5, 0.0], [89.5, 0.0]]))
    np.testing.assert_allclose(np.degrees(np.arctan2(sides[:, 0], sides[:, 2])), [-90, 90], atol=1e-9)


@KINDS
def test_pseudo_intrinsics_say_columns_per_radian_and_no_more(kind: Kind) -> None:
    matrix = kind(size=WIDE, cam2world=np.eye(4)).pseudo_intrinsics()
    expected = [[1008 / (2 * np.pi), 0, 504], [0, 1008 / (2 * np.pi), 126], [0, 0, 1]]
    np.testing.assert_allclose(matrix, expected)
    # A pinhole with this matrix would look elsewhere.
    (focal, _, centre), _, _ = matrix
    aside = kind(size=WIDE, cam2world=np.eye(4)).rays(np.array([700.0, 125.5]))
    assert abs(aside[0] / aside[2] - (700.5 - centre) / focal) > 0.1


# --- there and back ---------------------------------------------------------------------------------------------


@given(panoramas(), st.floats(0.1, 900))
def test_every_pixel_is_found_again_from_any_point_of_its_ray(camera: Any, length: float) -> None:
    rays = pixel_rays(camera)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=-1), 1, atol=1e-12)
    points = rays * length @ camera.cam2world[:3, :3].T + camera.cam2world[:3, 3]
    seen = project_points(points, camera)
    assert seen.vis.all()
    across, down = np.meshgrid(np.arange(camera.size.width), np.arange(camera.size.height))
    np.testing.assert_allclose(seen.points, np.stack([across, down], axis=-1), atol=1e-6)
    np.testing.assert_allclose(seen.depth, length, rtol=1e-9)


@given(panoramas(), hnp.arrays(np.float64, (20, 3), elements=st.floats(-50, 50)))
def test_a_point_is_on_the_ray_of_its_pixel(camera: Any, points: NDArray[np.float64]) -> None:
    seen = project_points(points, camera)
    assert np.array_equal(seen.vis, np.isfinite(seen.points).all(axis=-1))
    back = camera.rays(seen.points) * seen.depth[:, np.newaxis] @ camera.cam2world[:3, :3].T + camera.cam2world[:3, 3]
    # Beside the axis a small step is a large angle: its own length is what counts.
    np.testing.assert_allclose(back[seen.vis], points[seen.vis], atol=1e-6)


@given(panoramas(), hnp.arrays(np.float32, (20, 3), elements=st.floats(-50, 50, width=32)))
def test_single_precision_is_on_a_pixel_as_well(camera: Any, points: NDArray[np.float32]) -> None:
    seen = project_points(points, camera)
    assert seen.points.dtype == np.float32
    assert inside_frame(seen.points[seen.vis], camera.size).all()


# --- the seam and the poles -------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_on_the_seam_is_in_the_first_column(kind: Kind, dtype: Any) -> None:
    camera = kind(size=WIDE, cam2world=np.eye(4))
    back = np.array([[0.0, 0.0, -5.0], [-0.0, 0.0, -5.0], [1e-9, 0.0, -5.0], [-1e-9, 0.0, -5.0]], dtype)
    seen = project_points(back, camera)
    assert seen.vis.all()
    np.testing.assert_allclose(seen.points[:2], [[-0.5, 125.5], [-0.5, 125.5]], atol=1e-4)
    # Both sides of it are neighbours, whatever the precision leaves of the distance between them.
    assert set(np.round(seen.points[2:, 0], 3).tolist()) <= {-0.5, 1007.5}


@given(panoramas(), st.floats(-np.pi, np.pi))
def test_all_around_no_azimuth_is_lost(camera: Any, azimuth: float) -> None:
    middle = np.radians(camera.elevation_deg)
    ray = np.array([np.cos(middle) * np.sin(azimuth), -np.sin(middle), np.cos(middle) * np.cos(azimuth)])
    seen = project_points(ray @ camera.cam2world[:3, :3].T + camera.cam2world[:3, 3], camera)
    outside = abs(np.degrees(azimuth)) > camera.h_fov_deg / 2
    if camera.h_fov_deg == 360:
        assert seen.vis
    elif abs(abs(np.degrees(azimuth)) - camera.h_fov_deg / 2) > 1e-6:
        assert seen.vis != outside


def test_poles_are_in_an_equirectangular_picture_and_never_on_a_cylinder() -> None:
    both = np.array([[0.0, -3.0, 0.0], [0.0, 3.0, 0.0]])
    whole = EquirectangularCamera(size=FrameSize(width=8, height=4), cam2world=np.eye(4), v_fov_deg=180)
    seen = project_points(both, whole)
    # The lower edge of the picture is outside, as it is of every picture.
    assert seen.vis.tolist() == [True, False]
    assert seen.points[0, 1] == -0.5
    assert not project_points(both, CylinderCamera(size=WIDE, cam2world=np.eye(4), v_fov_deg=179)).vis.any()


@KINDS
def test_the_camera_itself_and_lost_points_are_nowhere(kind: Kind) -> None:
    points = np.array([[0, 0, 0], [np.nan, 0, 1], [0, np.inf, 1], [0, 0, 1]], np.float64)
    seen = project_points(points, kind(size=WIDE, cam2world=np.eye(4)))
    assert seen.vis.tolist() == [False, False, False, True]


# --- one protocol -----------------------------------------------------------------------------------------------


def test_three_models_keep_one_protocol() -> None:
    pinhole = PinholeCamera(size=WIDE, focal_px=(300.0, 200.0), centre_px=(500.0, 100.0), cam2world=np.eye(4))
    around = [kind(size=WIDE, cam2world=np.eye(4)) for kind in (CylinderCamera, EquirectangularCamera)]
    cameras: list[Camera] = [pinhole, *around]
    assert [camera.depth_kinds[0] for camera in cameras] == ["z", "ray", "ray"]
    assert all(isinstance(camera, Camera) for camera in cameras)
    for camera in cameras:
        assert pixel_rays(camera).shape == (252, 1008, 3)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(5, 90))
def test_a_pinholes_rays_lead_back_to_its_pixels(width: int, height: int, focal: float) -> None:
    camera = PinholeCamera(
        size=FrameSize(width=width, height=height), focal_px=(focal, focal / 2), centre_px=(1.5, 2.0),
        cam2world=turned(np.array([0.3, -0.2, 0.1]), np.array([1.0, 2.0, 3.0])),
    )  # fmt: skip
    points = 7 * pixel_rays(camera) @ camera.cam2world[:3, :3].T + camera.cam2world[:3, 3]
    seen = project_points(points, camera)
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    np.testing.assert_allclose(seen.points, np.stack([across, down], axis=-1), atol=1e-9)


# --- bad input --------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"h_fov_deg": 0}, "h_fov_deg: expected above 0 and at most 360, got 0"),
        ({"h_fov_deg": 361}, "h_fov_deg: expected above 0 and at most 360, got 361"),
        ({"h_fov_deg": float("nan")}, "h_fov_deg: expected above 0 and at most 360, got nan"),
        ({"v_fov_deg": -1}, "v_fov_deg: expected rows above each other .* got 0.5 to -0.5"),
        ({"v_fov_deg": 90, "elevation_deg": 60}, "v_fov_deg: expected rows .* of elevation, got 15 to 105"),
        ({"elevation_deg": "up"}, "elevation_deg: expected a number of degrees, got 'up'"),
        ({"size": (4, 2)}, r"size: expected a FrameSize, got \(4, 2\)"),
        ({"cam2world": np.eye(3)}, r"cam2world: expected \(\.\.\., 4, 4\), got \(3, 3\)"),
    ],
)
def test_a_panorama_that_is_none_is_refused(kind: Kind, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        kind(**{"size": WIDE, "cam2world": np.eye(4)} | changes)


def test_a_cylinder_ends_before_the_poles() -> None:
    with pytest.raises(SchemaError, match=r"within -89\.9 to 89\.9 degrees of elevation, got -90 to 90"):
        CylinderCamera(size=WIDE, cam2world=np.eye(4), v_fov_deg=180)


def test_pixel_rays_want_a_camera() -> None:
    nothing: Any = WIDE
    with pytest.raises(SchemaError, match=r"camera: expected a PinholeCamera, .* got FrameSize"):
        pixel_rays(nothing)
