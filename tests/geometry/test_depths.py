"""Depth of another kind, points of the world, and CARLA's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import (
    CylinderCamera,
    DepthKind,
    EquirectangularCamera,
    FrameSize,
    PinholeCamera,
    carla_depth,
    carla_depth_colours,
    convert_depth,
    project_points,
    unproject_depth,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIZE = FrameSize(width=40, height=30)
POSE = np.array([[0, 0, -1, 1], [1, 0, 0, 2], [0, -1, 0, 3], [0, 0, 0, 1]], np.float64)
PINHOLE = PinholeCamera(size=SIZE, focal_px=(17.0, 17.0), centre_px=(19.5, 14.5), cam2world=POSE)
AROUND = EquirectangularCamera(size=SIZE, cam2world=POSE, v_fov_deg=120)
CYLINDER = CylinderCamera(size=SIZE, cam2world=POSE, v_fov_deg=120, elevation_deg=-5)
PAIRS = pytest.mark.parametrize(
    ("camera", "own", "other"),
    [(PINHOLE, "z", "ray"), (AROUND, "ray", "radial"), (CYLINDER, "ray", "radial")],
    ids=["pinhole", "equirectangular", "cylinder"],
)
MAPS = hnp.arrays(np.float64, (30, 40), elements=st.floats(0.01, 1000))


def test_the_unit_ray_times_z_would_be_short_by_a_third_at_50_degrees() -> None:
    """z-depth multiplied with the unit ray is the known mistake: the length of the ray is z over its z."""
    focal = 1 / np.tan(np.radians(50))
    camera = PinholeCamera(
        size=FrameSize(width=2, height=1), focal_px=(focal, focal), centre_px=(0.0, 0.0), cam2world=np.eye(4)
    )
    length = convert_depth(np.array([[10.0, 10.0]]), camera, source="z", target="ray")
    np.testing.assert_allclose(length, [[10, 10 / np.cos(np.radians(50))]])
    assert 1 - 10 / length[0, 1] == pytest.approx(0.357, abs=1e-3)


@PAIRS
@given(depth=MAPS)
def test_kinds_lead_there_and_back(camera: Any, own: DepthKind, other: DepthKind, depth: NDArray[np.float64]) -> None:
    there = convert_depth(depth, camera, source=own, target=other)
    np.testing.assert_allclose(convert_depth(there, camera, source=other, target=own), depth, rtol=1e-14)
    points = unproject_depth(depth, camera, kind=own)
    np.testing.assert_allclose(unproject_depth(there, camera, kind=other), points, rtol=1e-12, atol=1e-9)


@PAIRS
@given(depth=MAPS)
def test_points_are_seen_at_their_pixels_and_as_far(
    camera: Any, own: DepthKind, other: DepthKind, depth: NDArray[np.float64]
) -> None:
    points = unproject_depth(depth, camera, kind=own)
    seen = project_points(points, camera)
    across, down = np.meshgrid(np.arange(40), np.arange(30))
    np.testing.assert_allclose(seen.points, np.stack([across, down], axis=-1), atol=1e-6)
    np.testing.assert_allclose(seen.depth, depth, rtol=1e-9, atol=1e-9)
    # The distance from the upright axis, and along the rays, measured in the world.
    apart = points - camera.cam2world[:3, 3]
    measured = {
        "ray": np.linalg.norm(apart, axis=-1),
        "radial": np.linalg.norm(apart - (apart @ POSE[:3, 1])[..., np.newaxis] * POSE[:3, 1], axis=-1),
    }
    np.testing.assert_allclose(convert_depth(depth, camera, source=own, target=other), measured[other], rtol=1e-9)


def test_the_radial_distance_of_a_cylinder_is_that_of_a_wall_around_it() -> None:
    radial = np.full((30, 40), 5.0)
    points = unproject_depth(radial, CYLINDER, kind="radial") - POSE[:3, 3]
    held = points @ POSE[:3, :3]
    np.testing.assert_allclose(np.hypot(held[..., 0], held[..., 2]), 5, atol=1e-9)


def test_what_is_no_length_stays_and_has_no_point() -> None:
    depth = np.full((30, 40), 2.0, np.float32)
    depth[0, :4] = 0, -1, np.nan, np.inf
    there = convert_depth(depth, PINHOLE, source="z", target="ray")
    assert there.dtype == np.float32
    assert there[0, 0] == 0
    assert there[0, 1] < 0
    assert np.isnan(there[0, 2])
    assert there[0, 3] == np.inf
    lost = np.isnan(unproject_depth(depth, PINHOLE, kind="z")).all(axis=-1)
    assert np.flatnonzero(lost).tolist() == [0, 1, 2, 3]
    points = unproject_depth(np.stack([depth, depth]), PINHOLE, kind="z")
    np.testing.assert_array_equal(points[1], unproject_depth(depth, PINHOLE, kind="z"))


# --- CARLA ------------------------------------------------------------------------------------------------------


@given(hnp.arrays(np.uint8, (9, 3)))
def test_every_code_of_carla_is_read_and_written_again(colours: NDArray[np.uint8]) -> None:
    depth = carla_depth(colours)
    assert np.array_equal(carla_depth_colours(depth), colours)
    by_hand = [1000 * (int(r) + int(g) * 256 + int(b) * 65536) / 16777215 for r, g, b in colours]
    np.testing.assert_allclose(depth, by_hand, rtol=1e-15)


@given(hnp.arrays(np.float64, 9, elements=st.floats(0, 1000)))
def test_depth_is_kept_to_half_a_step_of_its_code(depth: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(carla_depth(carla_depth_colours(depth)), depth, atol=1000 / 16777215 / 2 * 1.001)


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: convert_depth(np.ones((30, 40)), AROUND, source="ray", target="z"),
            "target: expected 'ray', 'radial' for a EquirectangularCamera, got 'z'",
        ),
        (
            lambda: unproject_depth(np.ones((30, 40)), PINHOLE, kind="radial"),
            "kind: expected 'z', 'ray' for a PinholeCamera, got 'radial'",
        ),
        (
            lambda: unproject_depth(np.ones((30, 40)), PINHOLE, kind="far"),  # type: ignore[arg-type]
            "kind: expected one of 'z', 'ray', 'radial', got 'far'",
        ),
        (
            lambda: convert_depth(np.ones((40, 30)), PINHOLE, source="z", target="ray"),
            r"depth: expected \(\.\.\., 30, 40\), got \(40, 30\)",
        ),
        (
            lambda: convert_depth(np.ones((30, 40)), None, source="z", target="ray"),  # type: ignore[arg-type]
            "camera: expected a PinholeCamera, .* got None",
        ),
        (lambda: carla_depth(np.zeros((3, 4), np.uint8)), r"colours: expected \(\.\.\., 3\), got \(3, 4\)"),
        (lambda: carla_depth(np.zeros((4, 3), np.int64)), "colours: expected uint8, got int64"),  # type: ignore[arg-type]
        (
            lambda: carla_depth_colours(np.array([1.0, -1.0, np.nan, 1000.1])),
            r"depth: expected 0 to 1000 m, got 3 of 4 others, the first -1\.0; say first",
        ),
        (lambda: carla_depth_colours(np.array([1])), "depth: expected float32 or float64"),
    ],
)
def test_what_is_no_depth_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        call()
