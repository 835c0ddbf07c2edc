"""Views: what a container of them refuses, and that pixels are read, and judged, when they are asked for."""

from __future__ import annotations

import dataclasses
import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.errors import CorruptDataError, SchemaError
from lapsdata.schema import CameraModel, PanoramaAngles, Size
from lapsdata.testing.samples import sample_views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers import Layer


class Counting:
    """Pixels that note what was asked for."""

    def __init__(self, views: Views) -> None:
        self.views, self.asked = views, list[tuple[str, int]]()

    def read(self, layer: Any, view: int) -> NDArray[Any]:
        self.asked.append((layer, view))
        return self.views.read(layer, view)

    def told(self, layer: Any, view: int) -> str:
        return f"{layer} {view}"


def test_pixels_are_read_when_they_are_asked_for() -> None:
    counting = Counting(sample_views())
    views = dataclasses.replace(sample_views(), pixels=counting)
    assert (len(views), views.sets, views.nbytes > 0, bool(views.facts())) == (3, 2, True, True)
    assert counting.asked == []
    np.testing.assert_array_equal(views.read("depth", 1), np.arange(12).reshape(3, 4) / 2 + 1)
    assert counting.asked == [("depth", 1)]
    with pytest.raises(ValueError, match="read-only"):
        views.read("image", 0)[0, 0, 0] = 1


def test_arrays_and_bytes_are_those_of_all_layers() -> None:
    views = sample_views()
    arrays = dict(views.arrays())
    assert views.nbytes == sum(array.nbytes for array in arrays.values())
    pixels = [name for name in arrays if name[-1].isdigit()]
    assert pixels == ["image/0", "image/1", "image/2", "depth/0", "depth/1", "valid/0", "valid/1", "non_ambiguous/0",
                      "non_ambiguous/1"]  # fmt: skip


def test_equal_views_are_equal_to_the_pixel() -> None:
    views = sample_views()
    assert views.equals(pickle.loads(pickle.dumps(views)))
    assert not views.equals(dataclasses.replace(views, time_s=views.time_s + 1))
    assert not views.equals(dataclasses.replace(views, agent=("641", "1000", "7")))
    assert not views.equals(views.take([0]))
    one: dict[Any, tuple[Any, ...]] = {
        layer: tuple(views.read(layer, view) if views.present[layer][view] else None for view in range(3))
        for layer in LAYERS
    }
    assert views.equals(dataclasses.replace(views, pixels=HeldPixels(one)))
    one["depth"] = (one["depth"][0] + np.float32(1e-4), *one["depth"][1:])
    assert not views.equals(dataclasses.replace(views, pixels=HeldPixels(one)))


def test_sets_are_taken_in_the_order_that_is_asked_for() -> None:
    views = sample_views().take([1, 0])
    assert views.scenario == ("2021_09_09_13_20_58", "2021_08_22_21_41_24")
    assert (views.frame.tolist(), views.set_stop.tolist(), views.set_of.tolist()) == ([70, 69], [1, 3], [0, 1, 1])
    assert views.agent == ("641", "641", "1000")
    np.testing.assert_array_equal(views.read("depth", 2), sample_views().read("depth", 1))
    assert views.pixels.told("depth", 2) == "depth of view 1"
    with pytest.raises(SchemaError, match=r"expected sets 0 to 1, got 2 \[unknown-set\]"):
        sample_views().take([2])
    with pytest.raises(SchemaError, match="got one of them twice"):
        sample_views().take([0, 0])


def test_a_layer_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SchemaError, match=r"view 2: expected a view that has depth, got one without.*\[no-layer\]"):
        sample_views().read("depth", 2)
    with pytest.raises(SchemaError, match=r"\[no-layer\]"):
        HeldPixels({"depth": (None,)}).read("depth", 0)


@pytest.mark.parametrize("wrong", [np.zeros((3, 4)), np.zeros((3, 4, 1), np.float32), np.zeros(12, np.float32)])
def test_pixels_of_another_type_are_an_error(wrong: NDArray[Any]) -> None:
    views = dataclasses.replace(sample_views(), pixels=HeldPixels({"depth": (wrong,) * 3}))
    with pytest.raises(CorruptDataError, match=r"depth of view 0: expected float32 \(3, 4\).*\[wrong-pixels\]"):
        views.read("depth", 0)


@pytest.mark.parametrize(
    ("layer", "wrong", "told"),
    [
        ("depth", np.zeros((4, 3), np.float32), "expected depth of 4x3 pixels, as camera0 of agent 641 has, got 3x4"),
        ("image", np.zeros((6, 8, 3), np.uint8), "expected image of 4x3 pixels, as camera0 of agent 641 has, got 8x6"),
        ("valid", np.zeros((3, 2), bool), "expected valid of 4x3 pixels, as camera0 of agent 641 has, got 2x3"),
        ("non_ambiguous", np.zeros((1, 1), bool), "expected non_ambiguous of 4x3 pixels, .* got 1x1"),
    ],
)
def test_pixels_of_another_size_are_told_by_width_and_height(layer: Layer, wrong: NDArray[Any], told: str) -> None:
    views = dataclasses.replace(sample_views(), pixels=HeldPixels({layer: (wrong,) * 3}))
    with pytest.raises(CorruptDataError, match=rf"{layer} of view 0: {told}; make it of whole pictures.*wrong-pixels"):
        views.read(layer, 0)


def test_intrinsics_of_a_panorama_are_pixels_per_radian() -> None:
    angles = PanoramaAngles(h_fov_deg=180.0, low_deg=-30.0, high_deg=60.0)
    model = CameraModel(kind="cylinder", size=Size(width=4, height=3), angles=angles, depth="ray")
    views = sample_views()
    views = dataclasses.replace(views, header=views.header.model_copy(update={"cameras": (model,)}))
    assert views.camera_model(0) == model
    np.testing.assert_allclose(views.intrinsics(0), [[4 / math.pi, 0, 1.5], [0, 4 / math.pi, 1.0], [0, 0, 1]])


def test_facts_say_what_one_wants_to_know() -> None:
    facts = sample_views().facts()
    assert facts["sets"] == "2 of 1 to 2 views: 1 train, 1 validate"
    assert facts["models"] == "pinhole 4x3 with z-depth"
    assert facts["layers"] == "image of 3, depth of 2, valid of 2, non_ambiguous of 2"
    assert facts["positions"] == "x 0.0 to 6.0, y 1.0 to 7.0, z 2.0 to 8.0 m (y is down)"


def mirrored() -> NDArray[np.float64]:
    poses = np.array(sample_views().cam2world)
    poses[1, 0, 0] = -1
    return poses


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": np.array([1, 2, 3])}, "frame: expected S = 2 as in split, got 3"),
        ({"frame": np.array([1.0, 2.0])}, "frame: expected int64, got float64"),
        ({"time_s": np.array([0.0, np.nan])}, r"time_s: expected finite times; first at 1.*\[not-finite\]"),
        ({"set_stop": np.array([0, 3])}, r"expected sets of at least one view each.*\[empty-set\]"),
        ({"set_stop": np.array([1, 2])}, "set_stop: expected to end at 3, the number of views, got 2"),
        ({"agent": ("641", "641", "7")}, r"expected each camera of an agent once in a set, got 1 again \[view-twice\]"),
        ({"agent": ("641", "7")}, "model: expected V = 2 as in agent, got 3"),
        ({"camera": ("a", "b\x00", "c")}, "camera: expected texts without NUL"),
        ({"model": np.array([0, 1, 0])}, r"expected an index of 1 camera models; first at 1.*\[unknown-camera\]"),
        ({"cam2world": mirrored()}, r"\[not-a-rotation\]"),
        ({"cam2world": np.full((3, 4, 4), np.inf)}, r"expected finite poses.*\[not-finite\]"),
        ({"present": {"image": np.ones(3, bool)}}, r"expected each of image, depth.*\[unknown-layer\]"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        dataclasses.replace(sample_views(), **change)


def test_depth_needs_a_kind() -> None:
    views = sample_views()
    model = views.header.cameras[0].model_copy(update={"depth": None})
    with pytest.raises(SchemaError, match=r"expected depth only where the camera model says of what kind"):
        dataclasses.replace(views, header=views.header.model_copy(update={"cameras": (model,)}))
