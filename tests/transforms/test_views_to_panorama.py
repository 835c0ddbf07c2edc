"""Panoramas of scenes that are known: where their pixels are in the world, at edges, and what is told of the rest."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
    carla_poses,
    convert_rotations,
    pixel_rays,
    unproject_depth,
)
from lapsdata.transforms.views_to_panorama import Panorama, PanoramaRig, views_to_panorama
from tests.transforms.cast_scene import CENTRE, Picture, Scene, cameras, colours
from tests.transforms.panorama_plainly import plain_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

STREET = Scene(
    boxes=(
        ((8.0, -1.0, 10.0), (2.0, 1.0, 2.0)),
        ((-9.0, -2.0, 6.0), (1.0, 2.0, 3.0)),
        ((3.0, -1.5, -12.0), (3.0, 1.5, 1.0)),
        ((0.0, -5.0, 40.0), (30.0, 5.0, 1.0)),
    ),
    spheres=(((6.0, -1.5, -5.0), 1.5), ((-5.0, -1.0, -4.0), 1.0)),
)
# A car on a slope, a car that leans, and one upright: x, y, z, roll, yaw, pitch in CARLA's axes.
CARS = {
    "upright": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "on a slope": (4.0, -3.0, 0.2, 2.0, 35.0, 6.0),
    "leaning": (-1.0, 2.0, 0.1, -5.0, -120.0, -3.0),
}
KINDS = pytest.mark.parametrize("kind", [EquirectangularCamera, CylinderCamera])
Kind = type[EquirectangularCamera] | type[CylinderCamera]
WIDE, HALF = FrameSize(width=1008, height=252), FrameSize(width=504, height=126)


@functools.cache
def pictures(car: str) -> tuple[Picture, ...]:
    car2world = carla_poses(np.array(CARS[car]))
    return tuple(STREET.picture(camera, car2world) for camera in cameras(shrunk=2))


def around(kind: Kind = EquirectangularCamera, pose: NDArray[np.float64] = CENTRE, **options: Any) -> Any:
    return kind(**{"size": HALF, "cam2world": pose} | options)


def made(seen: tuple[Picture, ...], panorama: Any, **options: Any) -> Panorama:
    rig = PanoramaRig(cameras=cameras(shrunk=2), panorama=panorama)
    return views_to_panorama([one.image for one in seen], rig, **{"depths": [one.depth for one in seen]} | options)


def world_points(panorama: Panorama, car: str) -> NDArray[np.float64]:
    car2world = carla_poses(np.array(CARS[car]))
    held = unproject_depth(panorama.depth.astype(np.float64), panorama.camera, kind="ray")
    return held @ car2world[:3, :3].T + car2world[:3, 3]


# --- what the rig of OPV2V covers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "crop_first", "share", "overlap"),
    [
        (EquirectangularCamera, False, 0.858, 0.080),
        (CylinderCamera, False, 0.802, None),
        # Pictures cut to 4:1 first: what a log took for the coverage of its panorama.
        (EquirectangularCamera, True, 0.332, None),
        (CylinderCamera, True, 0.267, None),
    ],
)
def test_coverage_of_the_four_cameras(kind: Kind, crop_first: bool, share: float, overlap: float | None) -> None:
    rig = PanoramaRig(cameras=cameras(), panorama=around(kind, size=WIDE), crop_first=crop_first)
    seers = rig.views.sum(axis=0)
    assert (seers > 0).mean() == pytest.approx(share, abs=5e-4)
    if overlap is not None:
        assert (seers > 1).mean() == pytest.approx(overlap, abs=5e-4)
    views = [np.full((600, 800, 3), 9, np.uint8)] * 4
    panorama = views_to_panorama(views, rig, colour="infinity")
    assert np.array_equal(panorama.covered, seers > 0)
    assert np.array_equal(panorama.non_ambiguous, panorama.covered)
    assert not panorama.valid.any()
    assert panorama.at_infinity == panorama.covered.sum()


def test_what_is_cut_off_first_is_the_top_and_the_bottom() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:200] = 255
    rig = PanoramaRig(cameras=cameras(shrunk=2)[:1], panorama=around(), crop_first=True)
    panorama = views_to_panorama([image], rig, colour="infinity")
    assert (panorama.image[panorama.covered] == 255).all()
    whole = PanoramaRig(cameras=rig.cameras, panorama=rig.panorama)
    assert (views_to_panorama([image], whole, colour="infinity").image[whole.views[0]] == 0).any()


# --- where pixels are in the world ------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("car", CARS)
def test_points_are_where_the_scene_is(kind: Kind, car: str) -> None:
    panorama = made(pictures(car), around(kind))
    truth = STREET.picture(panorama.camera, carla_poses(np.array(CARS[car])))
    # What hides from all four cameras is no part of this.
    error = np.linalg.norm(world_points(panorama, car) - truth.points, axis=-1)
    at_10_m = panorama.valid & (np.abs(truth.depth - 10) < 3)
    assert at_10_m.sum() > 500
    assert np.median(error[at_10_m]) < 1e-4
    sure = panorama.valid & panorama.non_ambiguous & (truth.depth > 0)
    assert np.quantile(error[sure] / truth.depth[sure], 0.95) < 1e-3
    assert panorama.valid.mean() > 0.25
    # Beyond the border of all pictures nothing is known.
    assert not (panorama.valid & ~panorama.covered).any()


@pytest.mark.parametrize("number", range(4))
def test_from_the_place_of_a_camera(number: int) -> None:
    panorama = made(pictures("leaning"), around(pose=cameras()[number].cam2world))
    truth = STREET.picture(panorama.camera, carla_poses(np.array(CARS["leaning"])))
    error = np.linalg.norm(world_points(panorama, "leaning") - truth.points, axis=-1)
    assert np.median(error[panorama.valid & (np.abs(truth.depth - 10) < 3)]) < 1e-4
    # All that this camera itself sees is there, and as it sees it: not a point is lost or moved.
    own = PanoramaRig(cameras=cameras(shrunk=2), panorama=panorama.camera).views[number]
    own &= truth.depth > 0
    assert panorama.valid[own].all()
    sure = own & panorama.non_ambiguous
    relative = error[sure] / truth.depth[sure]
    # Surfaces less than the agreement apart are one: there the error is as large.
    assert np.quantile(relative, 0.98) < 1e-3
    assert np.quantile(relative, 0.999) < 0.01


def test_agents_agree_on_the_world() -> None:
    """Each car's points on the ground and on the walls lie on the same planes, whatever its roll and pitch."""
    for car in CARS:
        panorama = made(pictures(car), around())
        truth = STREET.picture(panorama.camera, carla_poses(np.array(CARS[car])))
        points = world_points(panorama, car)
        sure = panorama.valid & panorama.non_ambiguous
        ground = sure & (truth.seen == 0) & (truth.depth < 20)
        assert np.quantile(np.abs(points[ground][:, 1]), 0.98) < 0.01
        wall = sure & (truth.seen == 4)
        assert wall.sum() > 50
        assert np.median(np.abs(points[wall][:, 2] - 39)) < 0.01


@KINDS
@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (-1.0, 0.5, 1.0)])
def test_the_nearest_surface_is_that_of_a_walk_along_every_ray(kind: Kind, place: tuple[float, float, float]) -> None:
    small, centre = cameras(shrunk=10), CENTRE.copy()
    centre[:3, 3] += place
    panorama = around(kind, centre, size=FrameSize(width=50, height=12))
    depths = [STREET.picture(camera, np.eye(4)).depth for camera in small]
    images = [np.zeros((60, 80, 3), np.uint8)] * 4
    ours = views_to_panorama(images, PanoramaRig(cameras=small, panorama=panorama), depths=depths)
    plain = plain_depth(depths, small, panorama, lengths=np.geomspace(1, 140, 600))
    # A walk steps over what is thinner than its steps, and over edges: a few pixels of hundreds.
    assert (ours.valid != np.isfinite(plain)).sum() <= 4
    both = ours.valid & np.isfinite(plain)
    assert both.sum() > 120
    assert (np.abs(ours.depth[both] / plain[both] - 1) > 0.015).sum() <= 4


# --- edges, holes and several surfaces --------------------------------------------------------------------------

BEFORE_A_WALL = Scene(boxes=(((0.3, 0.2, 5.0), (0.8, 0.7, 0.01)), ((0.0, 0.0, 12.0), (90.0, 90.0, 0.01))), ground=False)


def one_camera(pose: NDArray[np.float64]) -> PinholeCamera:
    return PinholeCamera(
        size=FrameSize(width=160, height=120), focal_px=(80.0, 80.0), centre_px=(79.5, 59.5), cam2world=pose
    )


@pytest.mark.parametrize("aside", [0.0, 0.4, -1.1])
@pytest.mark.parametrize("holes", [0.0, 0.1])
def test_no_depth_lies_between_two_surfaces(aside: float, holes: float) -> None:
    """A board 5 m ahead, a wall 12 m ahead, and a panorama beside the camera: everything is at 4.99 or 11.99 m."""
    pose = np.eye(4)
    pose[0, 3] = aside
    camera = one_camera(pose)
    seen = BEFORE_A_WALL.picture(camera, np.eye(4))
    depth = np.where(np.random.default_rng(3).random(seen.depth.shape) < holes, np.float32(0), seen.depth)
    rig = PanoramaRig(cameras=[camera], panorama=around(pose=np.eye(4)))
    panorama = views_to_panorama([seen.image], rig, depths=[depth])
    ahead = unproject_depth(panorama.depth.astype(np.float64), rig.panorama, kind="ray")[..., 2][panorama.valid]
    board, wall = (np.abs(ahead - at) < 1e-3 for at in (4.99, 11.99))
    assert (board | wall).all()
    assert min(board.sum(), wall.sum()) > 300
    # The board is whole: every ray that meets it inside of its outline says so.
    truth = BEFORE_A_WALL.picture(rig.panorama, np.eye(4))
    inside = (truth.seen == 1) & panorama.covered
    whole = np.abs(panorama.depth - truth.depth)[inside] < 0.01
    assert whole.all() if holes == 0 else whole.mean() > 0.995
    assert panorama.at_edges > 20


def test_what_no_camera_sees_has_no_depth() -> None:
    """From beside the camera there is a strip of the wall that the board hides from it."""
    pose = np.eye(4)
    pose[0, 3] = -1.1
    camera = one_camera(pose)
    seen = BEFORE_A_WALL.picture(camera, np.eye(4))
    rig = PanoramaRig(cameras=[camera], panorama=around(pose=np.eye(4)))
    panorama = views_to_panorama([seen.image], rig, depths=[seen.depth])
    middle = panorama.depth[66, 240:300]
    gap = np.flatnonzero(middle == 0)
    assert len(gap) > 3
    assert np.array_equal(gap, np.arange(gap[0], gap[-1] + 1))
    # Its colour is that of a surface elsewhere, and said to be.
    assert panorama.covered[66, 240:300][gap].all()
    assert not panorama.non_ambiguous[66, 240:300][gap].any()
    assert panorama.elsewhere >= len(gap)


def test_sparse_depth_is_never_spread_nor_mixed() -> None:
    camera = one_camera(np.eye(4))
    seen = BEFORE_A_WALL.picture(camera, np.eye(4))
    few = np.random.default_rng(0).random(seen.depth.shape) < 0.02
    rig = PanoramaRig(cameras=[camera], panorama=around(pose=np.eye(4)))
    panorama = views_to_panorama([seen.image], rig, depths=[np.where(few, seen.depth, np.float32(0))])
    ahead = unproject_depth(panorama.depth.astype(np.float64), rig.panorama, kind="ray")[..., 2][panorama.valid]
    assert ((np.abs(ahead - 4.99) < 1e-3) | (np.abs(ahead - 11.99) < 1e-3)).all()
    # Each measure fills the four squares between it and its neighbours, at most.
    assert 0.02 < panorama.valid.sum() / rig.views[0].sum() < 0.1


def test_two_cameras_that_contradict_one_another() -> None:
    """Of two cameras at one place one measures a board where the other looks through: the nearest counts, and is told.

    Where both measure it their colours are blended.
    """
    camera = one_camera(np.eye(4))
    board = np.full((120, 160), 12.0, np.float32)
    board[40:80, 60:100] = 5
    wall = np.full((120, 160), 12.0, np.float32)
    rig = PanoramaRig(cameras=[camera, camera], panorama=around(pose=np.eye(4)))
    images = [np.full((120, 160, 3), value, np.uint8) for value in (10, 200)]
    for depths, image in (((board, wall), 10), ((wall, board), 200)):
        panorama = views_to_panorama(images, rig, depths=depths)
        near = panorama.valid & (panorama.depth < 8)
        assert near[62, 252]
        assert panorama.disagreeing > 0.8 * near.sum()
        assert not panorama.non_ambiguous[near].any()
        assert (panorama.image[62, 252] == image).all()
        assert panorama.non_ambiguous[panorama.valid & ~near].mean() > 0.95
    agreed = views_to_panorama(images, rig, depths=(board, board))
    assert agreed.disagreeing == 0
    assert (agreed.image[62, 252] == 105).all()


# --- colours ----------------------------------------------------------------------------------------------------


def test_colours_by_depth_are_those_of_the_thing_at_this_depth() -> None:
    seen = pictures("on a slope")
    panorama = made(seen, around())
    truth = STREET.picture(panorama.camera, carla_poses(np.array(CARS["on a slope"])))
    error = np.linalg.norm(world_points(panorama, "on a slope") - truth.points, axis=-1)
    right = panorama.valid & panorama.non_ambiguous & (error < 0.02 * truth.depth)
    assert (panorama.image[right] == colours(truth.seen)[right]).all(axis=-1).mean() > 0.99
    infinite = made(seen, around(), colour="infinity")
    # Depth does not depend on where colours come from.
    assert np.array_equal(infinite.depth, panorama.depth)
    near = right & (truth.depth < 12) & (truth.seen > 0)
    shares = [(one.image[near] == colours(truth.seen)[near]).all(axis=-1).mean() for one in (panorama, infinite)]
    assert shares[0] > 0.98 > 0.9 > shares[1]


def test_the_sky_is_at_infinity_and_is_told() -> None:
    panorama = made(pictures("upright"), around())
    truth = STREET.picture(panorama.camera, np.eye(4))
    sky = panorama.depth == -1
    assert panorama.sky == sky.sum() > 0.3 * sky.size
    assert not (sky & (panorama.valid | panorama.non_ambiguous)).any()
    assert panorama.covered[sky].all()
    assert (truth.seen[sky] == -1).mean() > 0.98
    blue = (panorama.image == colours(np.array(-1))).all(axis=-1)
    assert blue[sky & (truth.seen == -1)].mean() > 0.99
    finite = [np.where(one.depth < 0, np.float32(np.nan), one.depth) for one in pictures("upright")]
    finite[1][np.isnan(finite[1])] = np.inf
    other = made(pictures("upright"), around(), depths=finite, sky="not_finite")
    assert np.array_equal(other.depth, panorama.depth)
    assert np.isfinite(other.depth).all()


@pytest.mark.parametrize("with_depth", [False, True])
def test_cameras_are_blended_by_the_cosine_of_their_angle(with_depth: bool) -> None:
    turned = carla_poses(np.array([0.0, 0.0, 0.0, 0.0, 40.0, 0.0]))
    pair = [one_camera(np.eye(4)), one_camera(turned)]
    rig = PanoramaRig(cameras=pair, panorama=around(pose=np.eye(4)))
    images = [np.full((120, 160, 3), value, np.uint8) for value in ((200, 0, 90), (0, 100, 90))]
    # A ball of 7 m around both.
    balls = [np.float32(7) * pixel_rays(one)[..., 2].astype(np.float32) for one in pair]
    options: dict[str, Any] = {"depths": balls} if with_depth else {"colour": "infinity"}
    panorama = views_to_panorama(images, rig, **options)
    # In the row nearest to the horizon, 15 degrees to the right: 15 from one axis and 25 from the other.
    column = round((15 / 360 + 0.5) * 504 - 0.5)
    angle = np.radians(((column + 0.5) / 504 - 0.5) * 360)
    level = np.cos(np.radians(0.5 / 126 * 90))
    one, other = level * np.cos(angle), level * np.cos(np.radians(40) - angle)
    expected = [200 * one / (one + other), 100 * other / (one + other), 90]
    np.testing.assert_allclose(panorama.image[63, column], expected, atol=0.51)
    assert (panorama.image[63, round((-15 / 360 + 0.5) * 504)] == [200, 0, 90]).all()
    assert panorama.valid.any() == with_depth


def test_a_straight_edge_of_the_world_is_straight_on_a_cylinder() -> None:
    """Upright edges stay upright: each column of a wall's corner shows one thing above another, at one azimuth."""
    pole = Scene(boxes=(((2.0, 0.0, 6.0), (0.5, 50.0, 0.5)), ((0.0, 0.0, 30.0), (200.0, 200.0, 0.1))), ground=False)
    camera = one_camera(np.eye(4))
    seen = pole.picture(camera, np.eye(4))
    rig = PanoramaRig(cameras=[camera], panorama=around(CylinderCamera, np.eye(4)))
    panorama = views_to_panorama([seen.image], rig, depths=[seen.depth])
    shown = (panorama.image == colours(np.array(1))).all(axis=-1) & panorama.covered
    rows = [np.flatnonzero(row) for row in shown[40:90]]
    assert len({(row[0], row[-1]) for row in rows}) <= 2
    assert all(row[-1] - row[0] + 1 == len(row) for row in rows)


# --- the same from anywhere -------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_the_seam_may_be_anywhere(kind: Kind, quarters: int) -> None:
    seen = pictures("on a slope")
    straight = made(seen, around(kind))
    turned = made(seen, around(kind, CENTRE @ carla_poses(np.array([0.0, 0.0, 0.0, 0.0, 90.0 * quarters, 0.0]))))
    rolled = np.roll(straight.depth, -126 * quarters, axis=1)
    same = np.isclose(turned.depth, rolled, rtol=1e-4)
    # What rounding puts on one side of an edge or the other.
    assert same.mean() > 0.999
    alike = np.abs(turned.image.astype(int) - np.roll(straight.image, -126 * quarters, axis=1)) <= 2
    assert alike.mean() > 0.995
    assert (turned.covered == np.roll(straight.covered, -126 * quarters, axis=1)).mean() > 0.999


@settings(max_examples=5)
@given(st.tuples(*[st.floats(-3, 3)] * 3), st.tuples(*[st.floats(-50, 50)] * 3))
def test_the_frame_of_the_rig_does_not_matter(turn: tuple[float, ...], place: tuple[float, ...]) -> None:
    move = np.eye(4)
    move[:3, :3] = convert_rotations(np.array(turn), source="axis_angle", target="matrix")
    move[:3, 3] = place
    small, seen = cameras(shrunk=8), [STREET.picture(camera, np.eye(4)) for camera in cameras(shrunk=8)]
    options = {"h_fov_deg": 240.0, "v_fov_deg": 70.0, "elevation_deg": -5.0, "size": FrameSize(width=120, height=40)}
    results = []
    for pose in (np.eye(4), move):
        moved = [
            PinholeCamera(size=c.size, focal_px=c.focal_px, centre_px=c.centre_px, cam2world=pose @ c.cam2world)
            for c in small
        ]
        rig = PanoramaRig(cameras=moved, panorama=around(CylinderCamera, pose @ CENTRE, **options))
        results.append(views_to_panorama([one.image for one in seen], rig, depths=[one.depth for one in seen]))
    still, moved_ = results
    assert np.isclose(still.depth, moved_.depth, rtol=1e-4).mean() > 0.99
    assert (still.covered == moved_.covered).mean() > 0.99


def test_the_order_of_cameras_does_not_matter() -> None:
    seen, order = pictures("leaning"), [2, 0, 3, 1]
    one = made(seen, around())
    rig = PanoramaRig(cameras=[cameras(shrunk=2)[k] for k in order], panorama=one.camera)
    other = views_to_panorama([seen[k].image for k in order], rig, depths=[seen[k].depth for k in order])
    assert np.array_equal(one.depth, other.depth)
    assert np.array_equal(one.non_ambiguous, other.non_ambiguous)
    assert np.abs(one.image.astype(int) - other.image).max() <= 1


def test_cameras_of_different_sizes_and_lenses() -> None:
    wide = one_camera(np.eye(4))
    right = carla_poses(np.array([0.5, 0.2, 0.1, 5.0, 60.0, -4.0]))
    behind = carla_poses(np.array([-0.5, 0.0, 0.0, 0.0, 180.0, 0.0]))
    tele = PinholeCamera(
        size=FrameSize(width=90, height=70), focal_px=(200.0, 150.0), centre_px=(40.0, 30.0), cam2world=right
    )
    coarse = PinholeCamera(
        size=FrameSize(width=12, height=9), focal_px=(4.0, 5.0), centre_px=(5.5, 4.0), cam2world=behind
    )
    walls = ((0.0, 9.0), (0.0, -9.0), (9.0, 0.0), (-9.0, 0.0))
    room = Scene(boxes=tuple(((x, 0.0, z), (20 - 2 * abs(x), 20.0, 20 - 2 * abs(z))) for x, z in walls), ground=False)
    rig = PanoramaRig(cameras=[wide, tele, coarse], panorama=around(pose=np.eye(4)))
    seen = [room.picture(camera, np.eye(4)) for camera in rig.cameras]
    panorama = views_to_panorama([one.image for one in seen], rig, depths=[one.depth for one in seen])
    truth = room.picture(rig.panorama, np.eye(4))
    looked = rig.views.any(axis=0)
    assert panorama.valid[looked].mean() > 0.9
    error = np.abs(panorama.depth - truth.depth)[panorama.valid & panorama.non_ambiguous]
    assert np.median(error) < 1e-3
    # A camera so coarse that a panorama has twenty pixels for each of its own leaves no pixel out.
    assert panorama.valid[rig.views[2]].mean() > 0.9


@settings(max_examples=25)
@given(st.data(), st.sampled_from([EquirectangularCamera, CylinderCamera]), st.sampled_from(["by_depth", "infinity"]))
def test_whatever_is_given_the_masks_say_what_is_there(data: st.DataObject, kind: Kind, colour: Any) -> None:
    sides = st.integers(2, 9)
    draw_pose = st.tuples(*[st.floats(-3, 3)] * 3, *[st.floats(-180, 180)] * 3)
    given_cameras = [
        PinholeCamera(
            size=FrameSize(width=data.draw(sides), height=data.draw(sides)),
            focal_px=(data.draw(st.floats(0.5, 9)), data.draw(st.floats(0.5, 9))),
            centre_px=(data.draw(st.floats(-2, 9)), 2.0),
            cam2world=carla_poses(np.array(data.draw(draw_pose))),
        )
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    size = FrameSize(width=data.draw(st.integers(1, 12)), height=data.draw(st.integers(1, 6)))
    fov = data.draw(st.sampled_from([360.0, 100.0]))
    panorama = around(kind, carla_poses(np.array(data.draw(draw_pose))), size=size, h_fov_deg=fov)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    depths = [
        rng.choice(np.array([0, -1, 1e-3, 1, 1.005, 2, 30, 1000], np.float32), camera.size.shape)
        for camera in given_cameras
    ]
    images = [rng.integers(1, 256, (*camera.size.shape, 3), dtype=np.uint8) for camera in given_cameras]
    rig = PanoramaRig(cameras=given_cameras, panorama=panorama)
    told = views_to_panorama(images, rig, depths=depths, colour=colour)
    assert np.isfinite(told.depth).all()
    assert np.array_equal(told.valid, told.depth > 0)
    assert not (told.non_ambiguous & ~told.covered).any()
    assert np.array_equal(told.image.any(axis=-1), told.covered)
    assert set(np.unique(told.depth[~told.valid])) <= {0.0, -1.0}
    assert told.sky == (told.depth == -1).sum()
    assert (told.covered >= (rig.views.any(axis=0) & (colour == "infinity"))).all()
    # By depth all that has depth has the colour of what is there.
    assert colour == "infinity" or not (told.valid & ~told.covered).any()


# --- calibrations -----------------------------------------------------------------------------------------------


def test_tables_are_computed_once_per_calibration() -> None:
    size = FrameSize(width=64, height=16)
    one, same = (PanoramaRig(cameras=cameras(shrunk=8), panorama=around(size=size)) for _ in range(2))
    assert one._tables is same._tables
    others = [
        PanoramaRig(cameras=one.cameras, panorama=one.panorama, crop_first=True),
        PanoramaRig(cameras=one.cameras[::-1], panorama=one.panorama),
        PanoramaRig(cameras=one.cameras, panorama=around(CylinderCamera, size=size)),
        PanoramaRig(cameras=one.cameras, panorama=around(size=size, elevation_deg=1)),
    ]
    assert len({id(rig._tables) for rig in (one, *others)}) == 5


def test_what_is_given_stays_as_it_is() -> None:
    seen = pictures("upright")
    views, depths = [one.image[::-1, ::-1] for one in seen], [one.depth[::-1, ::-1] for one in seen]
    kept = [one.copy() for one in (*views, *depths)]
    rig = PanoramaRig(cameras=cameras(shrunk=2), panorama=around())
    panorama = views_to_panorama(views, rig, depths=depths)
    assert all(np.array_equal(one, other) for one, other in zip((*views, *depths), kept, strict=True))
    whole = views_to_panorama([one.copy() for one in views], rig, depths=[one.copy() for one in depths])
    assert np.array_equal(whole.image, panorama.image)
    assert panorama.image.dtype == np.uint8
    assert panorama.depth.dtype == np.float32


# --- bad input --------------------------------------------------------------------------------------------------

SMALL = FrameSize(width=8, height=6)
EYE = PinholeCamera(size=SMALL, focal_px=(4.0, 4.0), centre_px=(3.5, 2.5), cam2world=np.eye(4))


@pytest.mark.parametrize(
    ("given_cameras", "panorama", "message"),
    [
        ([], around(), "cameras: expected at least one camera, got none"),
        ([EYE, "eye"], around(), r"cameras\[1\]: expected a PinholeCamera, got 'eye'"),
        ([EYE], EYE, "panorama: expected a CylinderCamera or EquirectangularCamera, got PinholeCamera"),
        (
            [replace(EYE, size=FrameSize(width=1, height=6))],
            around(),
            r"cameras\[0\]: expected at least 2 x 2 pixels, got 1x6",
        ),
    ],
)
def test_a_rig_that_is_none_is_refused(given_cameras: Any, panorama: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        PanoramaRig(cameras=given_cameras, panorama=panorama)


IMAGE, DEPTH = np.zeros((6, 8, 3), np.uint8), np.ones((6, 8), np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [IMAGE, IMAGE]}, "images: expected 1, one per camera, got 2"),
        ({"images": [IMAGE[..., :1]]}, r"images\[0\]: expected \(6, 8, 3\), got \(6, 8, 1\)"),
        ({"images": [IMAGE.astype(np.float32)]}, r"images\[0\]: expected uint8, got float32"),
        ({"depths": [DEPTH.T]}, r"depths\[0\]: expected \(6, 8\), got \(8, 6\)"),
        ({"depths": [DEPTH.astype(np.float64)]}, r"depths\[0\]: expected float32, got float64"),
        ({"depths": []}, "depths: expected 1, one per camera, got 0"),
        ({"depths": None}, 'colour: expected depth for "by_depth", got none; hand over .* colour="infinity"'),
        ({"colour": "nearest"}, "colour: expected one of 'by_depth', 'infinity', got 'nearest'"),
        ({"sky": "zero"}, "sky: expected one of 'negative', 'not_finite', got 'zero'"),
        ({"agreement": 1}, "agreement: expected 0 or more and below 1, got 1"),
        ({"agreement": float("nan")}, "agreement: expected 0 or more and below 1, got nan"),
        (
            {"depths": [np.where(np.arange(8) < 2, np.float32(np.nan), DEPTH)]},
            r"depths\[0\]: expected 0 or a length, and the sky marked as negative, got 12 pixels NaN or infinite",
        ),
        (
            {"depths": [-DEPTH], "sky": "not_finite"},
            r"depths\[0\]: expected 0 or a length, and the sky marked as not_finite, got 48 pixels below 0",
        ),
    ],
)
def test_what_is_no_view_is_refused(changes: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"images": [IMAGE], "depths": [DEPTH]} | changes
    rig = PanoramaRig(cameras=[EYE], panorama=around(size=FrameSize(width=20, height=5)))
    with pytest.raises(SchemaError, match=message):
        views_to_panorama(options.pop("images"), rig, **options)
