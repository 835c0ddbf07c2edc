"""From a camera to a panorama and back: pixels, rays, kinds of depth, and the two models beside each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import (
    CylinderCamera,
    EquirectangularCamera,
    FrameSize,
    PinholeCamera,
    compose_poses,
    convert_depth,
    convert_rotations,
    flip_camera_axes,
    invert_poses,
    pixel_rays,
    project_points,
    transforms_from_carla,
    unproject_depth,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Panorama = CylinderCamera | EquirectangularCamera
    Matrix = NDArray[np.float64]

# Each example is a whole picture of pixels.
FEW = settings(max_examples=20)
VECTOR = hnp.arrays(np.float64, 3, elements=st.floats(-3, 3))
KINDS = st.sampled_from([CylinderCamera, EquirectangularCamera])
LENGTHS = st.floats(0.05, 500)
WIDE = FrameSize(width=1008, height=252)


def pose_of(turn: Matrix, place: Matrix) -> Matrix:
    pose = np.eye(4)
    pose[:3, :3] = convert_rotations(turn, source="axis_angle", target="matrix")
    pose[:3, 3] = place
    return pose


POSES = st.builds(pose_of, VECTOR, VECTOR)


@st.composite
def pinholes(draw: st.DrawFn, pose: st.SearchStrategy[Matrix] = POSES) -> PinholeCamera:
    """Draw a lens of any kind: its axis may meet the picture at a corner or beside it."""
    return PinholeCamera(
        size=FrameSize(width=draw(st.integers(2, 24)), height=draw(st.integers(2, 24))),
        focal_px=(draw(st.floats(4, 60)), draw(st.floats(4, 60))),
        centre_px=(draw(st.floats(-4, 28)), draw(st.floats(-4, 28))),
        cam2world=draw(pose),
    )


@st.composite
def arounds(draw: st.DrawFn, kind: st.SearchStrategy[type[Panorama]] = KINDS) -> Panorama:
    """Draw a panorama all around, of any height that a cylinder can have too."""
    low, high = draw(st.floats(-80, -5)), draw(st.floats(5, 80))
    size = FrameSize(width=draw(st.integers(4, 64)), height=draw(st.integers(2, 32)))
    angles = {"v_fov_deg": high - low, "elevation_deg": (high + low) / 2}
    return draw(kind)(size=size, cam2world=draw(POSES), **angles)


def grid(size: FrameSize) -> Matrix:
    across, down = np.meshgrid(np.arange(size.width), np.arange(size.height))
    return np.stack([across, down], axis=-1).astype(float)


# --- camera -> panorama -> camera -------------------------------------------------------------------------------


@FEW
@given(pinholes(), arounds(), LENGTHS)
def test_a_point_seen_by_both_leads_from_one_picture_to_the_other_and_back(
    camera: PinholeCamera, around: Panorama, depth: float
) -> None:
    """Pixel, z-depth, point, pixel of the panorama, length of the ray, point, pixel: where it began."""
    pixels = grid(camera.size)
    points = unproject_depth(np.full(camera.size.shape, depth), camera, kind="z")
    seen = project_points(points, around)
    where, away = seen.points[seen.vis], seen.depth[seen.vis]
    back = around.rays(where) * away[:, np.newaxis] @ around.cam2world[:3, :3].T + around.cam2world[:3, 3]
    again = project_points(back, camera)
    assert np.abs(back - points[seen.vis]).max(initial=0) < 1e-6
    # Depth is that of the axis, whatever the way: what is nearly sideways may fall beside the outermost pixel.
    np.testing.assert_allclose(again.depth, depth, rtol=1e-4, atol=1e-6)
    near = np.abs(again.points - pixels[seen.vis])[again.vis]
    assert near.max(initial=0) < 1e-3


@FEW
@given(arounds(), LENGTHS)
def test_a_panorama_leads_to_a_camera_at_its_own_place_whatever_the_distance(around: Panorama, length: float) -> None:
    """Without parallax the pixel of a direction is one, near or far: what tables for the sky rest on."""
    camera = PinholeCamera(
        size=FrameSize(width=40, height=30), focal_px=(20.0, 20.0), centre_px=(19.5, 14.5), cam2world=around.cam2world
    )
    near, far = (
        project_points(unproject_depth(np.full(around.size.shape, metres), around, kind="ray"), camera)
        for metres in (length, 3 * length)
    )
    both = near.vis & far.vis
    np.testing.assert_allclose(near.points[both], far.points[both], atol=1e-4)
    # Rounding alone decides what is on the border of the picture.
    for one, other in ((near, far), (far, near)):
        lone = one.points[one.vis & ~other.vis] + 0.5
        assert (np.minimum(np.abs(lone), np.abs(lone - [40, 30])).min(axis=-1) < 1e-6).all()


@FEW
@given(pinholes(), arounds(), POSES)
def test_moving_the_world_moves_no_pixel(camera: PinholeCamera, around: Panorama, move: Matrix) -> None:
    points = unproject_depth(np.full(camera.size.shape, 5.0), camera, kind="z")
    still = project_points(points, around)
    moved = type(around)(
        size=around.size, cam2world=compose_poses(move, around.cam2world), v_fov_deg=around.v_fov_deg,
        elevation_deg=around.elevation_deg,
    )  # fmt: skip
    other = project_points(points @ move[:3, :3].T + move[:3, 3], moved)
    np.testing.assert_allclose(other.depth, still.depth, rtol=1e-9, atol=1e-9)
    both = still.vis & other.vis
    width = around.size.width
    across = np.abs(still.points - other.points)[both]
    # What is at the seam may be at either end of its row, and what is beside the axis anywhere in it.
    down, across = across[:, 1], np.minimum(across[:, 0], np.abs(across[:, 0] - width))
    assert np.median(across) < 1e-6 if len(across) else True
    assert down.max(initial=0) < 1e-4


# --- ray length <-> z-depth -------------------------------------------------------------------------------------


@FEW
@given(pinholes(), st.data())
def test_the_length_of_a_ray_is_z_by_pythagoras(camera: PinholeCamera, data: st.DataObject) -> None:
    z = data.draw(hnp.arrays(np.float64, camera.size.shape, elements=st.floats(0.01, 900)))
    (fx, fy), (cx, cy) = camera.focal_px, camera.centre_px
    across, down = np.moveaxis(grid(camera.size), -1, 0)
    by_hand = z * np.sqrt(1 + ((across - cx) / fx) ** 2 + ((down - cy) / fy) ** 2)
    length = convert_depth(z, camera, source="z", target="ray")
    np.testing.assert_allclose(length, by_hand, rtol=1e-12)
    np.testing.assert_allclose(convert_depth(length, camera, source="ray", target="z"), z, rtol=1e-12)
    # Never shorter, and as long only on the axis.
    assert (length >= z * (1 - 1e-12)).all()


@FEW
@given(pinholes(), st.floats(0.1, 10), st.data())
def test_depth_scales_and_changes_kind_in_any_order(camera: PinholeCamera, scale: float, data: st.DataObject) -> None:
    depth = data.draw(hnp.arrays(np.float64, camera.size.shape, elements=st.just(0.0) | st.floats(1e-3, 100)))
    first = convert_depth(scale * depth, camera, source="z", target="ray")
    np.testing.assert_allclose(first, scale * convert_depth(depth, camera, source="z", target="ray"), rtol=1e-12)
    # The same kind is the same number, to the bit.
    assert np.array_equal(convert_depth(depth, camera, source="ray", target="ray"), depth)
    # Zeros stay: what is not known stays not known.
    assert np.array_equal(first == 0, depth == 0)


@FEW
@given(arounds(), st.data())
def test_the_length_of_a_ray_is_radial_by_pythagoras(around: Panorama, data: st.DataObject) -> None:
    length = data.draw(hnp.arrays(np.float64, around.size.shape, elements=st.floats(0.01, 900)))
    radial = convert_depth(length, around, source="ray", target="radial")
    rise = length * -pixel_rays(around)[..., 1]
    np.testing.assert_allclose(np.hypot(radial, rise), length, rtol=1e-9)
    points = unproject_depth(radial, around, kind="radial")
    np.testing.assert_allclose(points, unproject_depth(length, around, kind="ray"), rtol=1e-9, atol=1e-9)


@FEW
@given(pinholes(), arounds(), st.floats(-1e3, 0), st.sampled_from([0.0, np.nan, np.inf]))
def test_what_is_no_length_is_none_along_anything(
    camera: PinholeCamera, around: Panorama, below: float, odd: float
) -> None:
    for model, own, other in ((camera, "z", "ray"), (around, "ray", "radial")):
        depth = np.full(model.size.shape, 2.0)
        depth[0, :2] = below, odd
        told: Any = convert_depth(depth, model, source=own, target=other)  # type: ignore[arg-type]
        assert (told[0, 0] <= 0) == (below <= 0)
        assert np.array_equal(np.isfinite(told), np.isfinite(depth))
        lost = np.isnan(unproject_depth(told, model, kind=other)).all(axis=-1)  # type: ignore[arg-type]
        assert np.flatnonzero(lost).tolist() == [0, 1]


# --- equirectangular beside cylinder ----------------------------------------------------------------------------


@FEW
@given(arounds(st.just(EquirectangularCamera)), VECTOR)
def test_both_models_share_columns_edges_and_the_level_row(around: EquirectangularCamera, point: Matrix) -> None:
    """A direction is in the same column of both; its rows are equal shares of elevation, and of its tangent."""
    angles = {"v_fov_deg": around.v_fov_deg, "elevation_deg": around.elevation_deg}
    upright = CylinderCamera(size=around.size, cam2world=around.cam2world, **angles)
    level, steep = around.pixels(point, np.dtype(float)), upright.pixels(point, np.dtype(float))
    if math.hypot(point[0], point[2]) < 1e-6:
        return
    assert level[0] == pytest.approx(steep[0], abs=1e-9)
    elevation = math.atan2(-point[1], math.hypot(point[0], point[2]))
    high, low = math.radians(around.high_deg), math.radians(around.low_deg)
    height = around.size.height
    share = (high - elevation) / (high - low)
    assert level[1] == pytest.approx(share * height - 0.5, abs=1e-6)
    tangents = (math.tan(high) - math.tan(elevation)) / (math.tan(high) - math.tan(low))
    assert steep[1] == pytest.approx(tangents * height - 0.5, rel=1e-6, abs=1e-6)
    # Inside of one is inside of the other: both end at the same angles.
    if min(share, 1 - share) > 1e-6 or max(share, 1 - share) > 1 + 1e-6:
        assert (0 < share < 1) == (0 < tangents < 1)


@FEW
@given(arounds())
def test_rows_fall_and_columns_turn_to_the_right(around: Panorama) -> None:
    rays = pixel_rays(around)
    assert (np.diff(rays[..., 1], axis=0) > 0).all()
    left, right = rays[:, :-1], rays[:, 1:]
    turned = left[..., 0] * right[..., 2] - left[..., 2] * right[..., 0]
    # From z towards x: against the order of the axes in this plane.
    assert (turned < 0).all()
    # All of a column have one azimuth, all of a row one elevation.
    azimuth = np.arctan2(rays[..., 0], rays[..., 2])
    np.testing.assert_allclose(np.sin(azimuth - azimuth[:1]), 0, atol=1e-9)
    np.testing.assert_allclose(rays[..., 1], np.broadcast_to(rays[:, :1, 1], rays.shape[:2]), atol=1e-12)


@FEW
@given(arounds(st.just(EquirectangularCamera)))
def test_pixels_of_an_equirectangular_picture_fill_the_zone_between_its_edges(around: EquirectangularCamera) -> None:
    """By Archimedes, whose cylinder has the area of the sphere: 2 pi (sin high - sin low), to a row's own curve."""
    elevation = np.arcsin(-pixel_rays(around)[..., 1])
    step = math.radians(around.v_fov_deg) / around.size.height
    area = (np.cos(elevation) * step * 2 * math.pi / around.size.width).sum()
    high, low = math.radians(around.high_deg), math.radians(around.low_deg)
    expected = 2 * math.pi * (math.sin(high) - math.sin(low))
    # The midpoint rule for a cosine is off by this factor, exactly.
    assert area * (math.sin(step / 2) / (step / 2)) == pytest.approx(expected, rel=1e-9)


def test_the_cylinder_spends_more_rows_on_what_is_steep() -> None:
    level, upright = (kind(size=WIDE, cam2world=np.eye(4)) for kind in (EquirectangularCamera, CylinderCamera))
    beyond_30 = [int((np.degrees(np.arcsin(np.abs(pixel_rays(one)[:, 0, 1]))) > 30).sum()) for one in (level, upright)]
    # A third of 90 degrees, against 1 - tan 30, above and below.
    assert beyond_30 == [84, 2 * int(126 * (1 - math.tan(math.radians(30))))]


@pytest.mark.parametrize("kind", [CylinderCamera, EquirectangularCamera])
def test_the_rig_may_be_turned_by_whole_columns(kind: type[Panorama]) -> None:
    """Turned by k columns, the picture is the same k columns on."""
    points = np.random.default_rng(3).normal(size=(200, 3)) * [5, 1, 5]
    size = FrameSize(width=36, height=18)
    still = kind(size=size, cam2world=np.eye(4)).pixels(points, np.dtype(float))
    for columns in (1, 9, 35):
        turn = np.array([0, columns * 2 * np.pi / 36, 0])
        turned = kind(size=size, cam2world=pose_of(turn, np.zeros(3)))
        there = project_points(points, turned)
        expected = (still[:, 0] + 0.5 - columns) % 36 - 0.5
        seen = there.vis
        apart = np.abs(there.points[seen, 0] - expected[seen])
        assert np.minimum(apart, 36 - apart).max() < 1e-9
        np.testing.assert_allclose(there.points[seen, 1], still[seen, 1], atol=1e-9)


# --- poses ------------------------------------------------------------------------------------------------------


@FEW
@given(POSES, POSES, POSES)
def test_transforms_are_a_group(one: Matrix, two: Matrix, three: Matrix) -> None:
    left = compose_poses(compose_poses(one, two), three)
    np.testing.assert_allclose(left, compose_poses(one, compose_poses(two, three)), atol=1e-9)
    np.testing.assert_allclose(compose_poses(one, invert_poses(one)), np.eye(4), atol=1e-9)
    np.testing.assert_allclose(
        invert_poses(compose_poses(one, two)), compose_poses(invert_poses(two), invert_poses(one)), atol=1e-9
    )


@FEW
@given(POSES, POSES)
def test_exchanging_axes_and_composing_may_be_done_in_any_order(one: Matrix, two: Matrix) -> None:
    """So that a camera on a car may be composed in CARLA's axes or in ours."""
    there = transforms_from_carla(compose_poses(one, two))
    np.testing.assert_allclose(there, compose_poses(*map(transforms_from_carla, (one, two))), atol=1e-9)


@FEW
@given(POSES, hnp.arrays(np.float64, (5, 3), elements=st.floats(-9, 9)))
def test_opengls_axes_name_the_same_points(pose: Matrix, points: Matrix) -> None:
    own = points @ pose[:3, :3].T + pose[:3, 3]
    flipped = flip_camera_axes(pose)
    np.testing.assert_allclose((points * [1, -1, -1]) @ flipped[:3, :3].T + flipped[:3, 3], own, atol=1e-9)
    assert np.array_equal(flip_camera_axes(flipped), pose)


@FEW
@given(POSES, st.sampled_from([(0, 0), (1, 2), (2, 1)]), st.floats(0.01, 5))
def test_a_matrix_that_is_bent_is_refused_wherever_poses_are_taken(
    pose: Matrix, place: tuple[int, int], much: float
) -> None:
    bent = pose.copy()
    bent[:3, :3] *= 1 + much
    mirrored = pose.copy()
    mirrored[:3, 2] *= -1
    shifted = pose.copy()
    shifted[3, place[0]] = much
    for wrong in (bent, mirrored, shifted):
        for call in (invert_poses, flip_camera_axes, transforms_from_carla):
            with pytest.raises(SchemaError, match="not-a-rotation"):
                call(wrong)
