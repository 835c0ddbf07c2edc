"""Panoramas of planes: each pixel by a formula, from camera to panorama and back, and masks that part its pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.geometry import (
    CylinderCamera,
    EquirectangularCamera,
    FrameSize,
    PinholeCamera,
    convert_rotations,
    project_points,
    unproject_depth,
)
from lapsdata.transforms.panorama_views import counts_of
from lapsdata.transforms.views_to_panorama import Panorama, PanoramaRig, views_to_panorama
from tests.transforms.cast_scene import looks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Kind = type[CylinderCamera | EquirectangularCamera]

KINDS = pytest.mark.parametrize("kind", [CylinderCamera, EquirectangularCamera])
SIZE = FrameSize(width=96, height=32)
FEW = settings(max_examples=15)


def pose(yaw: float = 0.0, pitch: float = 0.0, place: tuple[float, ...] = (0.0, 0.0, 0.0)) -> NDArray[np.float64]:
    found = np.eye(4)
    turn = np.array([math.radians(yaw), math.radians(pitch), 0.0])
    found[:3, :3] = convert_rotations(turn, source="euler_YXZ", target="matrix")
    found[:3, 3] = place
    return found


def lens(cam2world: NDArray[np.float64]) -> PinholeCamera:
    return PinholeCamera(
        size=FrameSize(width=48, height=36), focal_px=(24.0, 24.0), centre_px=(23.5, 17.5), cam2world=cam2world
    )


def plane_depth(camera: Any, normal: NDArray[np.float64], offset: float) -> NDArray[np.float32]:
    """Return how many rays of each pixel fit until a plane is met (normal . p = offset), 0 where it is not."""
    rays = looks(camera) @ camera.cam2world[:3, :3].T
    with np.errstate(divide="ignore", invalid="ignore"):
        times = (offset - camera.cam2world[:3, 3] @ normal) / (rays @ normal)
    return np.where((times > 0.5) & (times < 60), times, 0).astype(np.float32)


def made(cameras: list[PinholeCamera], panorama: Any, depths: list[NDArray[np.float32]], **told: Any) -> Panorama:
    images = [np.full((36, 48, 3), 40 + 50 * number, np.uint8) for number in range(len(cameras))]
    return views_to_panorama(images, PanoramaRig(cameras=cameras, panorama=panorama), depths=depths, **told)


@KINDS
@FEW
@given(
    yaw=st.floats(-40, 40), pitch=st.floats(-20, 20), place=st.tuples(*[st.floats(-1, 1)] * 3), away=st.floats(4, 12)
)
def test_a_wall_is_a_wall_from_anywhere(
    kind: Kind, yaw: float, pitch: float, place: tuple[float, ...], away: float
) -> None:
    """Inverse depth is linear on planes: depth of a panorama elsewhere is exact to the digits of float32."""
    normal = np.array([0.3, -0.2, 1.0]) / np.linalg.norm([0.3, -0.2, 1.0])
    camera = lens(pose(yaw, pitch, place))
    around = kind(size=SIZE, cam2world=np.eye(4))
    told = made([camera], around, [plane_depth(camera, normal, away)])
    expected = plane_depth(around, normal, away)
    both = told.valid & told.non_ambiguous & (expected > 0) & (expected < 20)
    assert both.sum() > 20
    np.testing.assert_allclose(told.depth[both], expected[both], rtol=2e-4)


@KINDS
@FEW
@given(yaw=st.floats(-180, 180), place=st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_from_a_camera_to_a_panorama_and_back(kind: Kind, yaw: float, place: tuple[float, ...]) -> None:
    """What a panorama measured is, seen from the camera again, as far as the camera measured there."""
    camera = lens(pose(yaw, 5.0, place))
    depth = np.full((36, 48), 7.0, np.float32)
    told = made([camera], kind(size=SIZE, cam2world=np.eye(4)), [depth])
    points = unproject_depth(told.depth.astype(float), told.camera, kind="ray")[told.valid]
    again = project_points(points, camera)
    assert told.valid.sum() > 100
    assert again.vis.mean() > 0.95
    np.testing.assert_allclose(again.depth[again.vis], 7.0, rtol=1e-4)


@FEW
@given(yaw=st.floats(-180, 180), height=st.floats(0.8, 3))
def test_both_models_measure_the_same_world(yaw: float, height: float) -> None:
    """Rows of one are not rows of the other, and the ground that they lie on is one."""
    down = np.array([0.0, 1.0, 0.0])
    cameras = [lens(pose(yaw + turn, -10.0, (0.2 * side, 0.0, 0.1))) for side, turn in enumerate((0, 90, 180, 270))]
    depths = [plane_depth(camera, down, height) for camera in cameras]
    shares = []
    for kind in (CylinderCamera, EquirectangularCamera):
        told = made(cameras, kind(size=SIZE, cam2world=np.eye(4)), depths)
        points = unproject_depth(told.depth.astype(float), told.camera, kind="ray")
        near = told.valid & told.non_ambiguous & (told.depth < 15)
        np.testing.assert_allclose(points[near][:, 1], height, rtol=2e-3)
        shares.append(near.any(axis=0).mean())
    # All around, whatever the model: each column has ground.
    assert min(shares) > 0.9


@KINDS
@FEW
@given(
    seed=st.integers(0, 10**6),
    sky=st.sampled_from(["negative", "not_finite"]),
    by=st.sampled_from(["by_depth", "infinity"]),
)
def test_masks_part_the_pixels(kind: Kind, seed: int, sky: Any, by: Any) -> None:
    """Each pixel has depth, is the sky, or is not known: one of three; and each count is that of its mask."""
    rng = np.random.default_rng(seed)
    cameras = [lens(pose(yaw, 0.0, tuple(rng.uniform(-0.5, 0.5, 3)))) for yaw in rng.uniform(-180, 180, 3)]
    mark = -1.0 if sky == "negative" else np.nan
    blocks = [rng.choice([0, mark, 2, 2.001, 9], (6, 8)).astype(np.float32) for _ in cameras]
    depths = [np.kron(block, np.ones((6, 6), np.float32)) for block in blocks]
    told = made(cameras, kind(size=SIZE, cam2world=np.eye(4)), depths, sky=sky, colour=by)
    skies, unknown = told.depth == -1, told.depth == 0
    assert np.array_equal(told.valid.astype(int) + skies + unknown, np.ones(SIZE.shape, int))
    assert not (skies & told.non_ambiguous).any()
    assert not (told.non_ambiguous & ~told.covered).any()
    assert np.array_equal(told.covered, told.image.any(axis=-1))
    assert told.sky == skies.sum()
    counts = counts_of(told)
    assert (counts.covered, counts.valid, counts.non_ambiguous) == tuple(
        int(mask.sum()) for mask in (told.covered, told.valid, told.non_ambiguous)
    )
    assert counts.pixels == told.covered.size
    # What is not covered has no reason to be ambiguous, and what is has one.
    reasons = told.sky + told.at_edges + told.disagreeing + told.elsewhere
    assert (told.covered & ~told.non_ambiguous).sum() <= reasons
    assert told.at_infinity <= told.covered.sum()


@KINDS
def test_without_depth_nothing_is_ambiguous_but_what_nobody_sees(kind: Kind) -> None:
    cameras = [lens(pose(yaw)) for yaw in (0, 120, -120)]
    images = [np.full((36, 48, 3), 90, np.uint8)] * 3
    rig = PanoramaRig(cameras=cameras, panorama=kind(size=SIZE, cam2world=np.eye(4)))
    told = views_to_panorama(images, rig, colour="infinity")
    assert np.array_equal(told.covered, rig.views.any(axis=0))
    assert np.array_equal(told.non_ambiguous, told.covered)
    assert not told.valid.any()
    assert not told.depth.any()
    assert told.at_infinity == told.covered.sum()


@KINDS
def test_more_cameras_never_cover_less(kind: Kind) -> None:
    down = np.array([0.0, 1.0, 0.0])
    cameras = [lens(pose(yaw, -10.0)) for yaw in (0, 90, 180, 270)]
    depths = [plane_depth(camera, down, 1.5) for camera in cameras]
    around = kind(size=SIZE, cam2world=np.eye(4))
    before = np.zeros(SIZE.shape, bool)
    for count in range(1, 5):
        told = made(cameras[:count], around, depths[:count])
        assert not (before & ~told.covered).any()
        before = told.covered
    assert before.mean() > 0.6
