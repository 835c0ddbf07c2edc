"""The camera of a model: its pixels look where the words of the model say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers.model_cameras import lens_camera, model_camera
from lapsdata.geometry import CylinderCamera, EquirectangularCamera, PinholeCamera
from lapsdata.schema import CameraModel, PanoramaAngles, PinholeLens, Size
from lapsdata.testing.samples import sample_views

SIZE = Size(width=8, height=4)


@given(st.floats(0.5, 900), st.floats(0.5, 900), st.floats(-9, 9), st.floats(-9, 9), st.floats(0, 7), st.floats(0, 3))
def test_a_pinhole_looks_where_its_lens_says(fx: float, fy: float, cx: float, cy: float, x: float, y: float) -> None:
    lens = PinholeLens(focal_px=(fx, fy), centre_px=(cx, cy))
    camera = model_camera(CameraModel(kind="pinhole", size=SIZE, lens=lens))
    assert isinstance(camera, PinholeCamera)
    ray = camera.rays(np.array([[x, y]]))[0]
    assert ray[0] / ray[2] == pytest.approx((x - cx) / fx, abs=1e-9)
    assert ray[1] / ray[2] == pytest.approx((y - cy) / fy, abs=1e-9)


@given(st.floats(10, 360), st.floats(-80, 0), st.floats(1, 80), st.integers(0, 7), st.integers(0, 3))
@pytest.mark.parametrize("kind", ["cylinder", "equirectangular"])
def test_a_panorama_looks_where_its_angles_say(kind: str, wide: float, low: float, high: float, x: int, y: int) -> None:
    angles = PanoramaAngles(h_fov_deg=wide, low_deg=low, high_deg=high)
    camera = model_camera(CameraModel.parse(
        f'{{"kind":"{kind}","size":{{"width":8,"height":4}},"angles":{angles.to_bytes().decode()}}}'
    ))  # fmt: skip
    assert isinstance(camera, CylinderCamera if kind == "cylinder" else EquirectangularCamera)
    ray = camera.rays(np.array([[float(x), float(y)]]))[0]
    azimuth = math.radians(((x + 0.5) / 8 - 0.5) * wide)
    share = (y + 0.5) / 4
    if kind == "cylinder":
        tangent = math.tan(math.radians(high)) * (1 - share) + math.tan(math.radians(low)) * share
    else:
        tangent = math.tan(math.radians(high * (1 - share) + low * share))
    assert math.atan2(ray[0], ray[2]) == pytest.approx(azimuth, abs=1e-9)
    assert -ray[1] / math.hypot(ray[0], ray[2]) == pytest.approx(tangent, abs=1e-9)


def test_a_camera_stands_at_the_origin_unless_it_is_told_where() -> None:
    model = sample_views().camera_model(0)
    pose = np.eye(4)
    pose[:3, 3] = 1, 2, 3
    assert np.array_equal(model_camera(model).cam2world, np.eye(4))
    assert np.array_equal(model_camera(model, pose).cam2world, pose)
    assert model.lens is not None
    assert np.array_equal(lens_camera(model, model.lens, pose).cam2world, pose)
    assert np.array_equal(lens_camera(model, model.lens).cam2world, np.eye(4))


def test_cameras_of_views_have_the_intrinsics_of_views() -> None:
    views = sample_views()
    camera = model_camera(views.camera_model(0))
    assert isinstance(camera, PinholeCamera)
    matrix = views.intrinsics(0)
    assert (camera.focal_px, camera.centre_px) == ((matrix[0, 0], matrix[1, 1]), (matrix[0, 2], matrix[1, 2]))
