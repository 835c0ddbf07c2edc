"""Faults that were put into views: each is named with its numbers, and nothing is said of views that are right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.checks._view_numbers import flatness, numbers_of
from lapsdata.checks.integrity import check_integrity
from lapsdata.checks.view_stats import model_text, pixel_tables, split_rows, split_stats
from lapsdata.checks.views import ViewsLook, check_own_views
from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.geometry import convert_depth, convert_rotations, invert_poses
from lapsdata.schema import AgentSelection, CameraModel, PanoramaAngles, PinholeLens
from lapsdata.schema.base import Size
from lapsdata.testing import strategies
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.transforms.panorama_views import PanoramaOptions, PanoramaPixels, panorama_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SCENES = tuple(
    Opv2vScene(split, name, ("641", "1000"), frames, size=(60, 44), beams=(2, 4))
    for split, name, frames in (("train", "2021_08_22_21_41_24", (69, 71)), ("validate", "2021_09_09_13_20_58", (70,)))
)
SMALL = PanoramaOptions(size=Size(width=160, height=40))


def held(views: Views, **changed: Any) -> Views:
    """Hold the pixels of views in memory, with some layers changed; what is not there stays so."""
    arrays = {
        layer: tuple(views.read(layer, view) if views.present[layer][view] else None for view in range(len(views)))
        for layer in LAYERS
    }
    present = {**views.present}
    for layer, change in changed.items():
        arrays[layer] = tuple(change(one) for one in arrays[layer])
        present[layer] = np.array([one is not None for one in arrays[layer]])
    return replace(views, pixels=HeldPixels(arrays), present=present)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", SCENES, depth_root=folder / "depth", depth="npy")
    return folder


@pytest.fixture(scope="module")
def cameras(root: Path) -> Views:
    found = read_opv2v(root / "root", depth_root=root / "depth", cache=None).container
    assert isinstance(found, Views)
    return held(found)


@pytest.fixture(scope="module")
def around(cameras: Views) -> Views:
    return held(panorama_views(cameras, SMALL))


def found_in(views: Views, **look: Any) -> dict[str, Problem]:
    item = check_own_views(Path("scene.h5"), "views_hdf5", views, ViewsLook(**look))
    assert all(one.where.startswith("scene.h5") for one in item.problems)
    assert all(one.fix for one in item.problems if one.severity != "info")
    # One for each split that is at fault; the first is that of the first split.
    return {one.code: one for one in reversed(item.problems)}


def only(views: Views, code: str, **look: Any) -> Problem:
    found = found_in(views, **look)
    assert set(found) == {code}
    return found[code]


def test_nothing_is_said_of_views_that_are_right(cameras: Views, around: Views) -> None:
    assert found_in(cameras) == {}
    assert found_in(around) == {}
    assert found_in(held(panorama_views(cameras, SMALL.model_copy(update={"model": "cylinder"})))) == {}


# --- masks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["covered", "non_ambiguous"])
def test_masks_that_are_empty_or_nearly_so(around: Views, mask: str) -> None:
    def lost(kept: int) -> Views:
        def cut(one: NDArray[np.bool_]) -> NDArray[np.bool_]:
            return one & (np.arange(one.shape[1]) < kept)

        return held(around, **({"non_ambiguous": cut} | {mask: cut}))

    nearly, empty = found_in(lost(4)), found_in(lost(0))
    assert nearly["mask-empty"].severity == "warning"
    assert f"the mean of {mask} is below 0.05 (" in nearly["mask-empty"].message or mask == "covered"
    assert "views that were looked at; 2021_0" in nearly["mask-empty"].message
    assert empty["mask-empty"].severity == "error"


def test_one_empty_mask_of_many_is_a_warning_that_names_it(around: Views) -> None:
    calls = iter(range(99))
    views = held(around, non_ambiguous=lambda one: one & (next(calls) != 2))
    problem = only(views, "mask-empty")
    assert problem.severity == "warning"
    assert "(1 of 4 views that were looked at; 2021_08_22_21_41_24, frame 71, agent 1000, panorama)" in problem.message


def test_a_mask_that_is_true_everywhere_tells_nothing(around: Views) -> None:
    views = held(around, non_ambiguous=np.ones_like, covered=np.ones_like)
    problem = only(views, "mask-full")
    assert "above 0.995 in all 4 views" in problem.message
    # Beyond what has a colour it is wrong, too.
    assert {"mask-full", "mask-outside"} == set(found_in(held(around, non_ambiguous=np.ones_like)))


def test_valid_is_where_depth_is(around: Views, cameras: Views) -> None:
    for views in (around, cameras):
        turned = held(views, valid=np.logical_not)
        problem = found_in(turned)["valid-not-depth"]
        assert problem.severity == "error"
        assert "pixels that contradict it" in problem.message
    without = held(cameras, depth=lambda _: None)
    assert "valid-not-depth" in found_in(without)


def test_sparse_depth_is_no_fault_and_no_depth_is(cameras: Views) -> None:
    def sparse(one: NDArray[Any]) -> NDArray[Any]:
        kept = np.zeros(one.shape, bool)
        kept[::5, ::6] = True
        return np.where(kept, one, 0).astype(one.dtype)

    problem = only(held(cameras, depth=sparse, valid=sparse), "valid-sparse")
    assert problem.severity == "info"
    assert "as that of a LiDAR" in problem.message
    assert "mean of 0.0" in problem.message
    lost = only(held(cameras, depth=np.zeros_like, valid=np.zeros_like), "mask-empty")
    assert lost.severity == "error"
    assert "the mean of valid is 0 (" in lost.message


# --- depth ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "words"), [(1000, "m if it is millimetres"), (0.001, "below 0.2 m, and ends at")])
def test_depth_in_another_unit(cameras: Views, factor: float, words: str) -> None:
    problem = only(held(cameras, depth=lambda one: (one * factor).astype(np.float32)), "depth-unit")
    assert problem.severity == "warning"
    assert words in problem.message


def test_a_sky_that_is_a_distance(cameras: Views) -> None:
    views = held(cameras, depth=lambda one: np.where(one > 0, one, np.float32(1000)), valid=np.ones_like)
    problem = only(views, "depth-ceiling")
    assert "of the depth is 1000 exactly, more than 5%" in problem.message


@pytest.mark.parametrize(("stated", "words"), [("z", "along the axis"), ("ray", "along the ray")])
def test_depth_along_something_else_bends_the_ground(cameras: Views, stated: Any, words: str) -> None:
    (model,) = cameras.header.cameras
    if stated == "z":
        count = iter(range(99))
        pixels = PanoramaPixels(cameras, (), SMALL)
        assert pixels is not None
        lens = [camera_of(cameras, view) for view in range(len(cameras))]
        views = held(cameras, depth=lambda one: convert_depth(one, lens[next(count)], source="z", target="ray"))
    else:
        header = cameras.header.model_copy(update={"cameras": (model.model_copy(update={"depth": "ray"}),)})
        views = replace(cameras, header=header)
    problem = only(views, "depth-kind")
    assert problem.severity == "warning"
    assert f"depth is said to be {words}, and bends the ground by " in problem.message
    assert "it is flat to 0.0" in problem.message


def test_a_panorama_with_the_distance_from_its_axis(around: Views) -> None:
    rows = np.radians(45 - (np.arange(40) + 0.5) / 40 * 90)[:, np.newaxis]
    views = held(around, depth=lambda one: (one * np.cos(rows)).astype(np.float32))
    assert "as a distance from the upright axis it is flat" in only(views, "depth-kind").message


def camera_of(views: Views, view: int) -> Any:
    from lapsdata.geometry import PinholeCamera

    model = views.camera_model(view)
    assert model.lens is not None
    return PinholeCamera(
        size=model.size.frame, focal_px=model.lens.focal_px, centre_px=model.lens.centre_px, cam2world=np.eye(4)
    )


def test_what_is_flat_either_way_or_too_little_says_nothing(cameras: Views) -> None:
    (model,) = cameras.header.cameras
    narrow = model.model_copy(update={"lens": PinholeLens(focal_px=(2000.0, 2000.0), centre_px=(29.5, 21.5))})
    depth = np.full((44, 60), 9.0, np.float32)
    found = flatness(depth, narrow)
    assert found is not None
    assert max(found) < 1e-3
    assert flatness(np.where(np.arange(44)[:, None] < 40, depth, 0).astype(np.float32)[:, :10], model) is None
    assert flatness(np.zeros((44, 60), np.float32), model) is None
    wild = np.random.default_rng(1).uniform(1, 50, (44, 60)).astype(np.float32)
    views = held(cameras, depth=lambda _: wild, valid=np.ones_like)
    # No plane by any kind of depth: nothing is known.
    assert found_in(views) == {}


# --- poses ------------------------------------------------------------------------------------------------------


def moved(views: Views, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Views:
    return replace(views, cam2world=change(views.cam2world.copy()))


def far_away(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    poses[:, :3, 3] += (300.0, 0.0, -200.0)
    return poses


def test_inverted_poses(cameras: Views) -> None:
    away = moved(cameras, far_away)
    assert found_in(away) == {}
    problem = found_in(moved(away, invert_poses))["poses-inverted"]
    assert problem.severity == "warning"
    assert "m apart as stored, and 4.5 m by the inverse of their poses" in problem.message


def test_inverted_poses_near_the_origin(cameras: Views) -> None:
    """Regression: four to five times as far apart, they were taken for centimetres."""

    def near(poses: NDArray[np.float64]) -> NDArray[np.float64]:
        poses[:, :3, 3] += (6.0, 0.0, 3.0) - poses[0, :3, 3]
        return poses

    found = found_in(moved(moved(cameras, near), invert_poses))
    assert "poses-apart" not in found
    assert "cameras of one agent are 16 m apart as stored, and 4.5 m by the inverse" in found["poses-inverted"].message


def test_poses_of_which_all_are_the_same(around: Views) -> None:
    one = moved(around, lambda poses: np.tile(np.eye(4), (len(poses), 1, 1)))
    problem = only(one, "poses-identical")
    assert problem.severity == "error"
    assert "(2 of 2 sets; 2021_08_22_21_41_24, frame 69)" in problem.message


def test_one_set_of_several_whose_poses_are_the_same(around: Views) -> None:
    def first(poses: NDArray[np.float64]) -> NDArray[np.float64]:
        poses[1] = poses[0]
        return poses

    assert found_in(moved(around, first))["poses-identical"].severity == "warning"


def test_poses_in_the_frame_of_each_agent(cameras: Views) -> None:
    def own(poses: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([np.linalg.inv(poses[start]) @ poses[start : start + 4] for start in range(0, 24, 4)])

    problem = found_in(moved(cameras, own))["poses-not-world"]
    assert "cameras of different agents are at the same place (2 of 2 sets" in problem.message


def test_poses_relative_to_the_first_view(around: Views) -> None:
    def relative(poses: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([np.linalg.inv(poses[start]) @ poses[start : start + 2] for start in range(0, 6, 2)])

    problem = only(moved(around, relative), "poses-not-world")
    assert "the first view of each of the 2 sets is at the origin" in problem.message


def test_poses_in_centimetres(cameras: Views) -> None:
    def centimetres(poses: NDArray[np.float64]) -> NDArray[np.float64]:
        poses[:, :3, 3] *= 100
        return poses

    found = found_in(moved(cameras, centimetres))
    assert set(found) == {"poses-apart", "pose-jumps"}
    assert (
        "m/s, more than 100 m/s (8 of 8 steps; 2021_08_22_21_41_24, frame 71, agent 1000" in found["pose-jumps"].message
    )


def test_agents_that_are_nowhere_near(around: Views) -> None:
    def away(poses: NDArray[np.float64]) -> NDArray[np.float64]:
        poses[1::2, 0, 3] += 450
        return poses

    problem = only(moved(around, away), "poses-apart")
    assert "more than 200 m (2 of 2 sets;" in problem.message


def test_cameras_that_are_upside_down(around: Views, cameras: Views) -> None:
    for views in (around, cameras):
        problem = only(moved(views, lambda poses: np.diag([1.0, -1, -1, 1]) @ poses), "poses-upside-down")
        assert "a y of -1.00 in the world" in problem.message


def test_places_beyond_what_float32_tells_apart(around: Views) -> None:
    def utm(poses: NDArray[np.float64]) -> NDArray[np.float64]:
        poses[:, :3, 3] += (4.6e5, 0, 5.2e6)
        return poses

    assert "steps of float32 are 0.500 m" in only(moved(around, utm), "poses-far").message


@settings(max_examples=15, deadline=None)
@given(place=st.tuples(*[st.floats(-9e4, 9e4)] * 2), yaw=st.floats(-3, 3), lean=st.floats(-0.3, 0.3))
def test_a_world_that_is_elsewhere_is_as_good(
    around: Views, place: tuple[float, float], yaw: float, lean: float
) -> None:
    world = np.eye(4)
    world[:3, :3] = convert_rotations(np.array([yaw, lean, -lean]), source="euler_YXZ", target="matrix")
    world[:3, 3] = place[0] / 2, 0.0, place[1] / 2
    assert found_in(moved(around, lambda poses: world @ poses), sample=0) == {}


# --- cameras, coverage and splits -------------------------------------------------------------------------------


def test_intrinsics_of_another_size(cameras: Views) -> None:
    (model,) = cameras.header.cameras
    lens = PinholeLens(focal_px=(335.6, 335.6), centre_px=(399.5, 299.5))
    header = cameras.header.model_copy(update={"cameras": (model.model_copy(update={"lens": lens}),)})
    problem = found_in(replace(cameras, header=header), sample=0)["intrinsics-size"]
    assert problem.where == "scene.h5: cameras.0"
    assert "got it at 399.5, 299.5, as of pictures of about 800 x 600" in problem.message


@pytest.mark.parametrize(
    ("model", "words"), [("equirectangular", "(0.332); uncropped they cover 0.858"), ("cylinder", "0.802")]
)
def test_pictures_that_were_cropped_first(cameras: Views, model: str, words: str) -> None:
    wide = SMALL.model_copy(update={"model": model, "crop_first": True, "size": Size(width=504, height=126)})
    problem = found_in(held(panorama_views(cameras, wide)))["coverage-cropped"]
    assert problem.severity == "warning"
    assert words in problem.message


def test_cameras_that_are_missing(cameras: Views) -> None:
    present = {**cameras.present, "image": cameras.present["image"].copy()}
    present["image"][[8, 9]] = False
    found = found_in(held(panorama_views(replace(cameras, present=present), SMALL)))
    assert found["coverage-drops"].severity == "warning"
    assert (
        "by more than 0.03 (1 of 4 views that were looked at; 2021_08_22_21_41_24, frame 71"
        in found["coverage-drops"].message
    )
    present["image"] = np.array([camera in ("camera0", "camera3") for camera in cameras.camera])
    found = found_in(held(panorama_views(replace(cameras, present=present), SMALL)))
    assert "less than 0.5; the four cameras of OPV2V cover 0.858" in found["coverage-low"].message


def test_splits_with_other_cameras(around: Views) -> None:
    (model,) = around.header.cameras
    other = model.model_copy(update={"angles": PanoramaAngles(h_fov_deg=360, low_deg=-30, high_deg=30)})
    header = around.header.model_copy(update={"cameras": (model, other)})
    views = replace(around, header=header, model=np.array([0, 0, 0, 0, 1, 1]))
    problem = found_in(views, sample=0)["camera-models-differ"]
    assert problem.where == "scene.h5: validate"
    assert "equirectangular 160x40, 360 x 90 degrees, got equirectangular 160x40, 360 x 60 degrees" in problem.message
    assert found_in(views, sample=0, splits=["train"]) == {}


@pytest.mark.parametrize("meant", [False, True])
def test_splits_with_other_numbers_of_views(cameras: Views, meant: bool) -> None:
    views = panorama_views(cameras, SMALL)
    fewer = replace(
        views,
        split=("train", "train", "validate", "validate"),
        scenario=("a", "a", "b", "b"),
        frame=np.arange(4),
        time_s=np.arange(4) / 10,
        set_stop=np.array([1, 2, 4, 6]),
    )
    if meant:
        told = {"train": AgentSelection(count=1), "validate": AgentSelection(count=2)}
        fewer = replace(fewer, header=fewer.header.model_copy(update={"selections": told}))
    problem = only(fewer, "view-counts-differ", sample=0)
    assert "expected sets of 1 views as scene.h5: train, got 2" in problem.message
    assert problem.severity == ("info" if meant else "warning")
    assert ("as the selections of agents say" in problem.message) == meant


def test_splits_of_several_files(cameras: Views, tmp_path: Path) -> None:
    whole, other = panorama_views(cameras, SMALL), SMALL.model_copy(update={"model": "cylinder"})
    lapsdata.write(tmp_path / "train.h5", whole.take([0, 1]))
    lapsdata.write(tmp_path / "val.h5", panorama_views(cameras, other).take([2]))
    report = check_integrity([tmp_path], views=ViewsLook(["train", "val"]))
    assert [item.status for item in report.items] == ["ok", "ok"]
    (problem,) = report.stray
    assert problem.code == "camera-models-differ"
    assert problem.where == f"{tmp_path / 'val.h5'}: validate"
    document = report.items[1].as_json()["splits"][0]
    assert document["masks"]["covered"]["mean"] == pytest.approx(0.8, abs=0.02)
    absent = check_integrity([tmp_path], views=ViewsLook(["test"]))
    assert [(one.code, one.severity) for one in absent.stray] == [("unknown-split", "error")]
    assert "got none of any split" in absent.stray[0].message
    lapsdata.write(tmp_path / "same.h5", whole)
    assert check_integrity([tmp_path / "same.h5", tmp_path / "train.h5"]).problems == []


def test_a_root_of_opv2v_with_its_depth(root: Path, tmp_path: Path) -> None:
    look = ViewsLook(["train", "val"], 1, root / "depth")
    (item,) = check_integrity([root / "root"], views=look).items
    assert item.problems == ()
    assert [(one.split, one.sets, one.looked_at, len(one.numbers)) for one in item.splits] == [
        ("train", 2, 1, 8),
        ("validate", 1, 1, 8),
    ]
    lost = check_integrity([root / "root"], views=ViewsLook(None, 8, tmp_path / "nothing"))
    assert [one.code for one in lost.problems] == ["not-found"]
    for split in ("train", "validate"):
        (tmp_path / "empty" / split).mkdir(parents=True)
    none = check_integrity([root / "root"], views=ViewsLook(None, 8, tmp_path / "empty"))
    assert [one.code for one in none.problems] == ["missing-depth"]


def test_depth_that_cannot_be_read_is_a_problem_of_its_own(root: Path, tmp_path: Path) -> None:
    import shutil

    depth = Path(shutil.copytree(root / "depth", tmp_path / "depth"))
    path = depth / "train" / SCENES[0].name / "641" / "000069_camera2_depth.npy"
    np.save(path, np.ones((5, 4), np.float32))
    (item,) = check_integrity([root / "root"], views=ViewsLook(None, 8, depth)).items
    (problem,) = item.problems
    assert (problem.code, problem.severity) == ("wrong-pixels", "error")
    assert str(path) in problem.where
    assert len(item.splits[0].numbers) == 15
    with pytest.raises(CorruptDataError, match="wrong-pixels"):
        numbers_of(read_opv2v(root / "root", depth_root=depth, cache=None).container, 6)


# --- numbers ----------------------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_pixels(around: Views) -> None:
    stats = split_stats(around, "train", 8)
    depths = np.concatenate([around.read("depth", view)[around.read("valid", view)] for view in range(4)])
    edges = [0, 2, 5, 10, 20, 50, 100, 200, 500, np.inf]
    assert stats.depths() == np.histogram(depths, edges)[0].tolist()
    assert stats.means("valid") == [float(around.read("valid", view).mean()) for view in range(4)]
    norms = np.linalg.norm(around.cam2world[:4, :3, 3], axis=1)
    assert stats.from_origin_m == (norms.min(), np.median(norms), norms.max())
    apart = [np.linalg.norm(around.cam2world[view + 1, :3, 3] - around.cam2world[view, :3, 3]) for view in (0, 2)]
    assert stats.from_first_m[2] == max(apart)
    document = stats.as_json()
    assert sum(document["masks"]["covered"]["views"]) == 4
    assert document["depth"]["median_m"] == np.median([one.median_m for one in stats.numbers])
    assert split_stats(around, "train", 0).as_json()["depth"] is None
    assert split_stats(around, "train", 1).looked_at == 1


@settings(max_examples=25, deadline=None)
@given(strategies.views())
def test_any_views_can_be_looked_at(views: Views) -> None:
    item = check_own_views(Path("scene.h5"), "views_hdf5", views)
    assert len(item.splits) == views.sets
    names, rows = split_rows(item.splits)
    assert {len(row) for row in rows} == {len(names)}
    for headings, lines in pixel_tables(item.splits):
        assert {len(line) for line in lines} == {len(headings)}
    for one in item.splits:
        assert one.as_json()["split"] == one.split


def test_camera_models_in_words() -> None:
    size = Size(width=800, height=600)
    lens = PinholeLens(focal_px=(335.6399, 335.6399), centre_px=(399.5, 299.5))
    assert model_text(CameraModel(kind="pinhole", size=size, lens=lens)) == "pinhole 800x600, 100 x 84 degrees"
