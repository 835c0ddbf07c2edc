"""Views of cameras as views of panoramas: any number of cameras, any intrinsics, and what a rig cannot tell."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.errors import SchemaError
from lapsdata.geometry import PinholeCamera, convert_depth, convert_rotations
from lapsdata.schema import CameraModel, PinholeLens, ViewsHeader
from lapsdata.schema.base import Size
from lapsdata.testing.samples import sample_provenance, sample_views
from lapsdata.transforms.panorama_views import PanoramaCounts, PanoramaOptions, counts_of, panorama_views
from lapsdata.transforms.views_to_panorama import PanoramaRig, views_to_panorama
from tests.transforms.cast_scene import Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOM = Scene(boxes=(((6.0, -1.0, 8.0), (2.0, 1.0, 2.0)), ((-7.0, -2.0, -5.0), (1.0, 2.0, 3.0))))
OPTIONS = PanoramaOptions(size=Size(width=96, height=24))


def pose(yaw: float, place: tuple[float, float, float], lean: float = 0.0) -> NDArray[np.float64]:
    """Look along an angle to the right of z, from a place; y is down."""
    found = np.eye(4)
    found[:3, :3] = convert_rotations(np.array([np.radians(yaw), np.radians(lean), 0.0]), source="euler_YXZ",
                                      target="matrix")  # fmt: skip
    found[:3, 3] = place
    return found


def rig_views(lenses: list[tuple[int, int, float]], poses: NDArray[np.float64], depth: Any = "z") -> Views:
    """Return one set of an agent whose cameras have pictures of some width and height and a focal length."""
    models, pixels = [], {layer: list[Any]() for layer in LAYERS}
    for (width, height, focal), own in zip(lenses, poses, strict=True):
        size, centre = Size(width=width, height=height), ((width - 1) / 2, (height - 1) / 2)
        camera = PinholeCamera(size=size.frame, focal_px=(focal, focal), centre_px=centre, cam2world=own)
        models.append(
            CameraModel(
                kind="pinhole", size=size, depth=depth, lens=PinholeLens(focal_px=(focal, focal), centre_px=centre)
            )
        )
        seen = ROOM.picture(camera, np.eye(4))
        along = seen.depth if depth != "ray" else convert_depth(seen.depth, camera, source="z", target="ray")
        for layer, value in (("image", seen.image), ("depth", along if depth else None)):
            pixels[layer].append(value)
    unique = tuple(dict.fromkeys(models))
    count = len(lenses)
    present = {layer: np.array([bool(pixels[layer]) and pixels[layer][0] is not None] * count) for layer in LAYERS}
    return Views(
        ViewsHeader(provenance=sample_provenance(), cameras=unique),
        split=("train",),
        scenario=("room",),
        frame=np.array([7]),
        time_s=np.array([0.7]),
        set_stop=np.array([count]),
        agent=("1",) * count,
        camera=tuple(f"camera{number}" for number in range(count)),
        model=np.array([unique.index(model) for model in models]),
        cam2world=poses,
        present=present,
        pixels=HeldPixels({layer: tuple(values) for layer, values in pixels.items() if values}),
    )


def four(depth: Any = "z", lean: float = 0.0) -> Views:
    places = ((0.0, -1.0, 2.5), (0.3, -1.8, 0.0), (-0.3, -1.8, 0.0), (0.0, -1.5, -2.0))
    poses = np.stack([pose(yaw, at, lean) for yaw, at in zip((0, 100, -100, 180), places, strict=True)])
    return rig_views([(80, 60, 33.56)] * 4, poses, depth)


def from_plane(views: Views, view: int) -> NDArray[np.float64]:
    """Return how far above or below the ground, y = 0, points are that are seen below the horizon."""
    depth, (height, width) = views.read("depth", view).astype(float), views.read("depth", view).shape
    rows, columns = np.nonzero(depth[height // 2 + 2 :] > 0)
    rows += height // 2 + 2
    azimuth = ((columns + 0.5) / width - 0.5) * 2 * np.pi
    elevation = np.radians(45 - (rows + 0.5) / height * 90)
    rays = np.stack([np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], 1)
    world = (rays * depth[rows, columns, None]) @ views.cam2world[view, :3, :3].T + views.cam2world[view, :3, 3]
    return world[:, 1]


def test_ray_and_axis_give_the_same_panorama() -> None:
    by_axis, by_ray = panorama_views(four("z"), OPTIONS), panorama_views(four("ray"), OPTIONS)
    np.testing.assert_allclose(by_ray.read("depth", 0), by_axis.read("depth", 0), rtol=1e-5)
    assert np.median(np.abs(from_plane(by_axis, 0))) < 0.01


@pytest.mark.parametrize(
    "lenses",
    [[(80, 60, 30.0)], [(80, 60, 30.0), (40, 50, 25.0)], [(64, 48, 24.0)] * 6, [(30, 90, 28.0), (90, 30, 40.0)] * 3],
    ids=["one", "two unlike", "six", "upright and wide"],
)
def test_any_number_of_cameras_of_any_size(lenses: list[tuple[int, int, float]]) -> None:
    yaws = np.arange(len(lenses)) * 360 / len(lenses)
    poses = np.stack([pose(float(yaw), (0.2 * number, -1.5, 0.1)) for number, yaw in enumerate(yaws)])
    views = panorama_views(rig_views(lenses, poses), OPTIONS)
    assert len(views) == 1
    counts = counts_of(views.pixels.made(0))  # type: ignore[attr-defined]
    assert counts.pixels == 96 * 24
    assert counts.valid > 50
    assert np.quantile(np.abs(from_plane(views, 0)), 0.5) < 0.02


def test_it_is_what_arrays_give() -> None:
    """The same as by hand: rig in the axes of the centre, pictures and depth, one call."""
    views, options = four(), OPTIONS
    made = panorama_views(views, options)
    back = np.linalg.inv(made.cam2world[0])
    cameras = [
        PinholeCamera(
            size=views.camera_model(view).size.frame,
            focal_px=(33.56, 33.56),
            centre_px=(39.5, 29.5),
            cam2world=back @ views.cam2world[view],
        )
        for view in range(4)
    ]
    rig = PanoramaRig(cameras=cameras, panorama=made.pixels.rig(0).panorama)  # type: ignore[attr-defined]
    plain = views_to_panorama(
        [views.read("image", view) for view in range(4)], rig, depths=[views.read("depth", view) for view in range(4)]
    )
    np.testing.assert_allclose(made.read("depth", 0), plain.depth, atol=1e-4)
    assert (made.read("covered", 0) == plain.covered).mean() > 0.999
    np.testing.assert_allclose(made.cam2world[0, :3, 3], [0.0, -1.525, 0.125], atol=1e-12)
    np.testing.assert_allclose(made.cam2world[0, :3, :3], np.eye(3), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(yaw=st.floats(-180, 180), lean=st.floats(-25, 25), place=st.tuples(*[st.floats(-50, 50)] * 3))
def test_the_centre_moves_and_turns_with_the_car(yaw: float, lean: float, place: tuple[float, float, float]) -> None:
    still = panorama_views(four(depth=None), OPTIONS).cam2world[0]
    car = pose(yaw, place, lean)
    views = four(depth=None)
    moved = panorama_views(replace(views, cam2world=car @ views.cam2world), OPTIONS).cam2world[0]
    np.testing.assert_allclose(moved, car @ still, atol=1e-9)


def test_a_rig_that_tells_no_way_ahead_needs_a_camera() -> None:
    down = pose(0.0, (0.0, -3.0, 0.0), -90.0)
    over = down.copy()
    over[:3, :3] = down[:3, :3] @ np.diag([-1.0, -1.0, 1.0])
    views = rig_views([(40, 30, 20.0)] * 2, np.stack([down, over]))
    with pytest.raises(SchemaError, match=r"agent 1, frame 7: expected cameras that are upright on average"):
        panorama_views(views, OPTIONS)
    named = panorama_views(views, OPTIONS.model_copy(update={"place": "camera1"}))
    np.testing.assert_array_equal(named.cam2world[0], over)


def test_only_cameras_with_pictures_make_panoramas() -> None:
    views = four()
    none = replace(views, present={**views.present, "image": np.zeros(4, bool)})
    with pytest.raises(SchemaError, match="expected pictures to make panoramas of, got none of any view"):
        panorama_views(none, OPTIONS)
    samples = sample_views()
    made = panorama_views(samples, OPTIONS)
    assert made.header.policies["panoramas_without_depth"] == 1
    assert made.present["depth"].tolist() == [True, True, False]
    assert made.present["valid"].tolist() == made.present["depth"].tolist()
    lost = {**samples.present, "image": np.array([True, True, False])}
    fewer = panorama_views(replace(samples, present=lost), OPTIONS)
    assert fewer.sets == 1
    assert fewer.header.policies == {"agents_without_images": 1, "sets_without_images": 1}


def test_pixels_are_made_when_they_are_read_and_can_be_sent_elsewhere() -> None:
    made = panorama_views(four(), OPTIONS)
    before = made.read("image", 0).copy()
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.read("image", 0), before)
    assert made.pixels.told("depth", 0) == "depth of the panorama of image of view 0 and others"
    assert not made.read("image", 0).flags.writeable


def test_counts_say_what_masks_have() -> None:
    made = panorama_views(four(), OPTIONS)
    counts = counts_of(made.pixels.made(0))  # type: ignore[attr-defined]
    assert isinstance(counts, PanoramaCounts)
    for name in ("covered", "valid", "non_ambiguous"):
        assert getattr(counts, name) == made.read(name, 0).sum()
    assert counts.at_infinity <= counts.covered


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"v_fov_deg": 0.0}, "v_fov_deg"),
        ({"model": "sphere"}, "model"),
        ({"place": ""}, "place"),
        ({"colour": "blue"}, "colour"),
        ({"size": {"width": 0, "height": 4}}, "width"),
    ],
)
def test_options_that_are_none(told: dict[str, Any], word: str) -> None:
    import json

    with pytest.raises(SchemaError, match=word):
        PanoramaOptions.parse(json.dumps(told))
