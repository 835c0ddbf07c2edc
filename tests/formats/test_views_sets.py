"""Views from end to end: drawn ones, parts of them, records of their cameras, and writers that are stopped midway."""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.containers import LAYERS, HeldPixels, Layer, Views
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.formats import views_hdf5
from lapsdata.schema import AgentSelection, CameraModel, PanoramaAngles, PinholeLens, Size, ViewsHeader
from lapsdata.testing import strategies
from lapsdata.testing.samples import sample_provenance, sample_views

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LENS = PinholeLens(focal_px=(2.0, 3.0), centre_px=(1.5, 1.0))
ANGLES = PanoramaAngles(h_fov_deg=360.0, low_deg=-45.0, high_deg=45.0)
SIZE = Size(width=4, height=3)


@settings(max_examples=25, deadline=None)
@given(strategies.views())
def test_drawn_views_keep_their_own_rules(views: Views) -> None:
    counted = [len(views.views_of(place)) for place in range(views.sets)]
    assert sum(counted) == len(views)
    assert min(counted) > 0
    assert views.set_of.tolist() == [place for place, count in enumerate(counted) for _ in range(count)]
    for layer, view in views.layers():
        found = views.read(layer, view)
        size = views.camera_model(view).size
        assert found.shape[:2] == (size.height, size.width)
        assert found.dtype == {"image": np.uint8, "depth": np.float32}.get(layer, np.bool_)
    assert sum(1 for _ in views.layers()) == sum(int(has.sum()) for has in views.present.values())
    assert views.equals(pickle.loads(pickle.dumps(views)))


@settings(max_examples=25, deadline=None)
@given(strategies.views(), st.randoms(use_true_random=False))
def test_sets_in_another_order_are_the_same_sets(views: Views, random: Any) -> None:
    places = list(range(views.sets))
    random.shuffle(places)
    part = views.take(places)
    back = part.take([places.index(place) for place in range(views.sets)])
    assert back.equals(views)
    for new, old in enumerate(places):
        assert (part.scenario[new], part.frame[new]) == (views.scenario[old], views.frame[old])
        for mine, theirs in zip(part.views_of(new), views.views_of(old), strict=True):
            assert (part.agent[mine], part.camera[mine]) == (views.agent[theirs], views.camera[theirs])
            np.testing.assert_array_equal(part.cam2world[mine], views.cam2world[theirs])
            assert part.camera_model(mine) == views.camera_model(theirs)
            for layer in LAYERS:
                assert part.present[layer][mine] == views.present[layer][theirs]
                if part.present[layer][mine]:
                    np.testing.assert_array_equal(part.read(layer, mine), views.read(layer, theirs))


@settings(max_examples=10, deadline=None)
@given(views=strategies.views(max_sets=2))
def test_parts_of_drawn_views_are_written_as_they_are(views: Views, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("views")
    whole, part = folder / "whole.h5", folder / "part.h5"
    lapsdata.write(whole, views)
    opened = views_hdf5.open_views(whole)
    lapsdata.write(part, opened.take([views.sets - 1]))
    back = lapsdata.read(part, Views)
    assert back.equals(views.take([views.sets - 1]))
    assert lapsdata.read(whole, Views).equals(views)


class Failing:
    """Pixels that cannot be read from some view on."""

    def __init__(self, views: Views, last: int) -> None:
        self.views, self.last = views, last

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        if view > self.last:
            raise self.error()
        return self.views.read(layer, view)

    def error(self) -> Exception:
        from lapsdata.errors import Problem

        return CorruptDataError(Problem("cut-off", "camera.png", "expected a picture, got half of one"))

    def told(self, layer: Layer, view: int) -> str:
        return f"{layer} {view}"


@pytest.mark.parametrize("last", [-1, 0, 1])
def test_a_picture_that_cannot_be_read_leaves_no_file(tmp_path: Path, last: int) -> None:
    views = dataclasses.replace(sample_views(), pixels=Failing(sample_views(), last))
    with pytest.raises(CorruptDataError, match=r"camera.png: expected a picture, got half of one"):
        lapsdata.write(tmp_path / "out.h5", views)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_read_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    lapsdata.write(path, sample_views())
    before = path.read_bytes()
    views = dataclasses.replace(sample_views(), pixels=Failing(sample_views(), 0))
    with pytest.raises(CorruptDataError, match="half of one"):
        lapsdata.write(path, views, overwrite=True)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["out.h5"]


def test_a_file_that_is_gone_after_it_was_opened_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    lapsdata.write(path, sample_views())
    views = views_hdf5.open_views(path)
    path.unlink()
    with pytest.raises(StorageError, match=r"out.h5"):
        views.read("depth", 0)


def test_a_file_that_was_replaced_after_it_was_opened_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    lapsdata.write(path, sample_views())
    views = views_hdf5.open_views(path)
    lapsdata.write(path, dataclasses.replace(sample_views(), time_s=sample_views().time_s + 1), overwrite=True)
    with pytest.raises(StorageError, match=r"out.h5"):
        views.read("depth", 0)


def test_masks_are_zeros_and_ones_for_other_tools(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "out.h5", sample_views())
    with h5py.File(tmp_path / "out.h5") as file:
        for layer in ("valid", "non_ambiguous"):
            stored = file[f"pixels/4x3/{layer}"][()]
            assert stored.dtype == np.uint8
            assert set(np.unique(stored)) <= {0, 1}
        assert file["views/present/covered"][()].tolist() == [0, 0, 0]
        assert "covered" not in file["pixels/4x3"]
        assert file["sets/time_s"][()].tolist() == [3.45, 3.5]


def header(*models: CameraModel, **more: Any) -> ViewsHeader:
    return ViewsHeader(provenance=sample_provenance(), cameras=models, **more)


def of_two_models() -> Views:
    """A picture of a camera and a panorama of one agent, each of its own size."""
    flat = CameraModel(kind="pinhole", size=SIZE, lens=LENS, depth="z")
    wide = CameraModel(kind="equirectangular", size=Size(width=8, height=2), angles=ANGLES, depth="ray")
    images = (np.full((3, 4, 3), 7, np.uint8), np.full((2, 8, 3), 9, np.uint8))
    depth = (np.ones((3, 4), np.float32), np.full((2, 8), 2, np.float32))
    present = {layer: np.full(2, layer in ("image", "depth")) for layer in LAYERS}
    return Views(
        header(flat, wide),
        split=("test",),
        scenario=("s",),
        frame=np.array([5]),
        time_s=np.array([0.25]),
        set_stop=np.array([2]),
        agent=("641", "641"),
        camera=("camera0", "panorama"),
        model=np.array([0, 1]),
        cam2world=np.tile(np.eye(4), (2, 1, 1)),
        present=dict(present),
        pixels=HeldPixels({"image": images, "depth": depth}),
    )


def test_cameras_of_several_sizes_are_in_one_file(tmp_path: Path) -> None:
    views = of_two_models()
    lapsdata.write(tmp_path / "both.h5", views)
    with h5py.File(tmp_path / "both.h5") as file:
        assert sorted(file["pixels"]) == ["4x3", "8x2"]
        assert file["pixels/8x2/depth"][()].tolist() == [[[2.0] * 8] * 2]
    back = lapsdata.read(tmp_path / "both.h5", Views)
    assert back.equals(views)
    assert [back.camera_model(view).depth for view in range(2)] == ["z", "ray"]
    assert back.facts()["models"] == "pinhole 4x3 with z-depth, equirectangular 8x2 with ray-depth"
    assert back.read("image", 1)[0, 0].tolist() == [9, 9, 9]
    assert back.intrinsics(1)[0, 0] == pytest.approx(8 / (2 * np.pi))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "pinhole", "size": SIZE}, "expected lens alone of a camera that is pinhole"),
        ({"kind": "pinhole", "size": SIZE, "lens": LENS, "angles": ANGLES}, "expected lens alone"),
        ({"kind": "cylinder", "size": SIZE, "lens": LENS}, "expected angles alone of a camera that is cylinder"),
        ({"kind": "fisheye", "size": SIZE, "lens": LENS}, "kind: "),
        ({"kind": "pinhole", "size": SIZE, "lens": LENS, "depth": "x"}, "depth: "),
        (
            {
                "kind": "cylinder",
                "size": SIZE,
                "angles": PanoramaAngles(h_fov_deg=90.0, low_deg=-90.0, high_deg=0.0),
            },
            "whose tangents are finite",
        ),
    ],
)
def test_camera_models_are_of_one_kind(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        CameraModel(**fields)


def test_the_pole_is_of_a_sphere_alone() -> None:
    whole = PanoramaAngles(h_fov_deg=360.0, low_deg=-90.0, high_deg=90.0)
    assert CameraModel(kind="equirectangular", size=SIZE, angles=whole).angles == whole
    with pytest.raises(SchemaError, match=r"expected low_deg < high_deg, got 5\.0 and 5\.0"):
        PanoramaAngles(h_fov_deg=10.0, low_deg=5.0, high_deg=5.0)


def test_selections_are_kept_by_split(tmp_path: Path) -> None:
    chosen = {"train": AgentSelection(count=2), "validate": AgentSelection(count=4, pick="drawn", seed=9)}
    views = sample_views()
    views = dataclasses.replace(
        views, header=views.header.model_copy(update={"selections": chosen, "policies": {"sets_left_out": 3}})
    )
    lapsdata.write(tmp_path / "out.h5", views)
    back = lapsdata.formats.read_header(tmp_path / "out.h5")
    assert isinstance(back, ViewsHeader)
    assert back.selections == chosen
    assert back.policies == {"sets_left_out": 3}
    with pytest.raises(SchemaError, match="selections"):
        header(views.header.cameras[0], selections={"a/b": AgentSelection()})


def test_a_newer_minor_version_is_read() -> None:
    """A header of a newer minor version is read, and what it adds is set aside."""
    document = sample_views().header.as_json()
    document["format_version"] = "1.7"
    document["exposure_ms"] = 4
    import json

    with pytest.warns(UserWarning, match="format 1.7 has keys that this release ignores: exposure_ms"):
        found = ViewsHeader.parse(json.dumps(document), "x.h5")
    assert (found.model_extra or {})["x-newer-exposure-ms"] == 4
