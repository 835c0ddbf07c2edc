"""Numbers of any views, beside loops that know nothing of how they are added up."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lapsdata.containers import LAYERS, HeldPixels
from lapsdata.containers.model_cameras import model_camera
from lapsdata.errors import SchemaError
from lapsdata.geometry import project_points
from lapsdata.report.views_page import MOST_BYTES, plotly_source
from lapsdata.schema import CameraModel, PinholeLens, Size
from lapsdata.stages._matched_views import NO_VIEW, match_views
from lapsdata.stages._view_files import refuse_other_files, view_stem, write_view
from lapsdata.stages._view_numbers import ReportedPair, ReportNumbers, ReportTally
from lapsdata.stages._view_pages import PageViews, drawn_view, points_of_each
from lapsdata.testing.opv2v_scenes import Opv2vScene
from lapsdata.testing.samples import sample_views
from lapsdata.testing.strategies import views as any_views

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Views

FAR = 60.0


def is_shown(made: Views) -> bool:
    """Say whether no panorama has depth along its axis, which is refused when views are opened."""
    flat = np.array([model.kind != "pinhole" and model.depth == "z" for model in made.header.cameras])
    return not (flat[made.model] & made.present["depth"]).any()


def views(max_sets: int = 3) -> st.SearchStrategy[Views]:
    return any_views(max_sets=max_sets).filter(is_shown)


def alone(truth: Views) -> ReportedPair:
    return ReportedPair(truth, None, np.full(len(truth), NO_VIEW), "none", FAR)


def beside(truth: Views, prediction: Views, alignment: Any = "none") -> ReportedPair:
    return ReportedPair(truth, prediction, match_views(truth, prediction, "pred"), alignment, FAR)


def numbers(pair: ReportedPair) -> ReportNumbers:
    tally = ReportTally(pair)
    for looked in pair.look():
        tally.add(looked)
    return tally.numbers()


def share(made: Views, layer: Any) -> float | None:
    """Return the share of pixels of all views that have a mask, counted one by one; of valid ones, with depth."""
    yes, of = 0, 0
    for view in np.flatnonzero(made.present[layer]).tolist():
        deep = layer == "valid" and made.present["depth"][view]
        for place, value in np.ndenumerate(made.read(layer, view)):
            yes, of = yes + (value and (not deep or made.read("depth", view)[place] > 0)), of + 1
    return yes / of if of else None


def valid_depth(made: Views, view: int) -> Any:
    """Return depth, pixel by pixel 0 where the mask of valid ones says that there is none."""
    depth = np.array(made.read("depth", view))
    if made.present["valid"][view]:
        for place, valid in np.ndenumerate(made.read("valid", view)):
            depth[place] = depth[place] if valid else 0
    return depth


def worse(made: Views, factor: float, moved: float) -> Views:
    """Return views that are a prediction of others: depth a factor off, cameras moved to the right."""
    held: dict[Any, tuple[Any, ...]] = {}
    for layer, has in made.present.items():
        read: list[Any] = [made.read(layer, view) if there else None for view, there in enumerate(has)]  # type: ignore[arg-type]
        held[layer] = tuple(one * np.float32(factor) if layer == "depth" and one is not None else one for one in read)
    poses = made.cam2world.copy()
    poses[:, 0, 3] += moved
    return dataclasses.replace(made, cam2world=poses, pixels=HeldPixels(held))


@given(views())
def test_shares_are_those_of_all_pixels(made: Views) -> None:
    found = numbers(alone(made))
    for layer, told in (
        ("non_ambiguous", found.truth.mask_mean),
        ("valid", found.truth.valid_ratio),
        ("covered", found.truth.covered_ratio),
    ):
        assert told == pytest.approx(share(made, layer))
    mean = share(made, "non_ambiguous")
    assert found.pos_weight == (pytest.approx((1 - mean) / mean) if mean else None)
    assert (found.prediction, found.matching, found.errors) == (None, None, None)
    assert len(found.views) == len(made)


@given(views())
def test_depth_ranges_and_what_is_beyond_are_counted(made: Views) -> None:
    found = numbers(alone(made))
    known, beyond = [], 0
    for view in np.flatnonzero(made.present["depth"]).tolist():
        depth, model = valid_depth(made, view), made.camera_model(view)
        known += [value for value in depth.ravel().tolist() if value > 0]
        rays = model_camera(model, np.eye(4)).rays(
            np.stack(np.meshgrid(np.arange(depth.shape[1]), np.arange(depth.shape[0])), axis=-1).astype(float)
        )
        away = depth / rays[..., 2] if model.depth == "z" else depth
        beyond += int((away > FAR).sum())
    assert found.truth.depth_m == ((min(known), max(known)) if known else None)
    assert abs(found.far_points - beyond) <= 1


@given(views(), st.floats(0.2, 5), st.floats(0, 30))
def test_what_a_prediction_is_off_is_found_again(made: Views, factor: float, moved: float) -> None:
    found = numbers(beside(made, worse(made, factor, moved).take(range(made.sets)[::-1])))
    assert found.matching is not None
    assert found.errors is not None
    assert (found.matching.matched, found.matching.missing, found.matching.other_cameras) == (len(made), 0, 0)
    # Places of up to a thousand kilometres leave this much to a float64.
    assert found.errors.pose_rmse_m == pytest.approx(moved, abs=1e-8)
    assert found.errors.rotation_rmse_deg == pytest.approx(0, abs=1e-9)
    if found.errors.depth is None:
        assert all(one.depth is None for one in found.views)
    else:
        assert found.errors.depth.scale == pytest.approx(factor, rel=1e-5)
        assert found.errors.scale_rmse == pytest.approx(abs(factor - 1), abs=1e-5)
    codes = {one.code for one in found.warnings}
    assert ("pose-far-off" in codes) == (found.errors.pose_rmse_m is not None and found.errors.pose_rmse_m > 10)


@given(views())
def test_a_view_that_is_missing_is_missed_and_nothing_else(made: Views) -> None:
    fewer = made.take(range(made.sets - 1)) if made.sets > 1 else None
    if fewer is None:
        return
    found = numbers(beside(made, fewer))
    gone = len(made.views_of(made.sets - 1))
    assert found.matching is not None
    assert (found.matching.matched, found.matching.missing) == (len(made) - gone, gone)
    assert [one.predicted for one in found.views] == [True] * (len(made) - gone) + [False] * gone
    assert found.prediction is not None
    assert found.prediction.views == len(made) - gone


@settings(max_examples=25)
@given(views(max_sets=2), st.integers(1, 5))
def test_the_page_holds_points_that_project_to_their_pixels(made: Views, most: int) -> None:
    pair = alone(made)
    for looked in pair.look():
        shown: Any = json.loads(json.dumps(drawn_view(looked, pair, most).with_step(1)))
        cloud = shown["clouds"]["gt"]
        if not made.present["depth"][looked.view]:
            assert cloud is None
            continue
        steps = np.frombuffer(base64.b64decode(cloud["points"]), "<i2").reshape(-1, 3)
        codes = np.frombuffer(base64.b64decode(cloud["colours"]), "<u2")
        assert len(steps) == len(codes) == cloud["count"] == min(most, cloud["of"])
        points = steps * FAR / 32767
        assert looked.truth.cloud is not None
        every = looked.truth.cloud.points
        away = np.linalg.norm(points[:, None] - every[None], axis=-1)
        # Half a step along each axis, and each colour within its sixteenth.
        nearest = away.argmin(axis=1) if len(every) else np.zeros(0, int)
        assert (away.min(axis=1) <= FAR / 32767).all() if len(points) else True
        colours = np.stack([codes >> 8, codes >> 4 & 15, codes & 15], axis=-1) if len(codes) else np.zeros((0, 3))
        same = np.abs(away - away.min(axis=1, keepdims=True)) < 1e-9 if len(points) else away
        if len(points) and (same.sum(axis=1) == 1).all():
            assert (colours == looked.truth.cloud.colours[nearest] >> 4).all()


def test_points_of_the_sample_come_back_to_their_pixels() -> None:
    made = sample_views()
    (looked, *_) = alone(made).look()
    assert looked.truth.cloud is not None
    world = looked.truth.cloud.points + made.cam2world[0, :3, 3].astype(np.float32)
    seen = project_points(world, model_camera(made.camera_model(0), made.cam2world[0]))
    expected = [(x, y) for y in range(3) for x in range(4) if made.read("depth", 0)[y, x] > 0]
    np.testing.assert_allclose(seen.points, expected, atol=1e-4)


def test_pictures_are_there_for_what_a_view_has() -> None:
    made = sample_views()
    pair = beside(made, worse(made, 2, 1))
    first, _, last = (drawn_view(looked, pair, 9).with_step(1) for looked in pair.look())
    assert isinstance(first["truth"], dict)
    assert isinstance(first["prediction"], dict)
    assert isinstance(last["truth"], dict)
    assert {name: str(first["truth"][name])[:16] for name in ("image", "depth", "mask")} == {
        "image": "data:image/jpeg;", "depth": "data:image/png;b", "mask": "data:image/png;b",
    }  # fmt: skip
    assert str(first["prediction"]["ratio"]).startswith("data:image/png;base64,")
    assert (last["truth"]["depth"], last["truth"]["mask"]) == (None, None)
    poses: Any = first["poses"]
    assert np.array(poses["pred"]).reshape(4, 4)[0, 3] - np.array(poses["gt"]).reshape(4, 4)[0, 3] == 1


def test_a_prediction_of_another_kind_of_camera_has_points_but_no_pictures() -> None:
    made = sample_views().take([0])
    around = CameraModel.parse(
        '{"kind":"equirectangular","size":{"width":4,"height":3},"depth":"ray",'
        '"angles":{"h_fov_deg":360.0,"low_deg":-45.0,"high_deg":45.0}}'
    )
    other = dataclasses.replace(made, header=made.header.model_copy(update={"cameras": (around,)}))
    pair = beside(made, other)
    shown: Any = [drawn_view(looked, pair, 9).with_step(1) for looked in pair.look()]
    assert [one["prediction"] for one in shown] == [None, None]
    assert all(one["clouds"]["pred"]["count"] == 9 for one in shown)
    assert [one.code for one in numbers(pair).warnings] == ["other-cameras"]


@pytest.mark.parametrize(
    ("focal", "code", "told", "compared"),
    [
        (
            (4.0, 4.0),
            "other-cameras",
            r"2 of 2 .*lens \('focal .* 4 x 4 px, not 2 x 2 px: 2 times'\): .* not comp",
            0,
        ),
        ((2.05, 2.05), "other-lens", r"2 of 2 .*slightly other lens .* 1\.025 times'\): .* pixel by pixel", 23),
    ],
)
def test_a_lens_that_is_another_one_is_told_and_a_very_other_one_not_compared(
    focal: tuple[float, float], code: str, told: str, compared: int
) -> None:
    made = sample_views().take([0])
    (model,) = made.header.cameras
    assert model.lens is not None
    lens = model.lens.model_copy(update={"focal_px": focal})
    header = made.header.model_copy(update={"cameras": (model.model_copy(update={"lens": lens}),)})
    pair = beside(made, dataclasses.replace(made, header=header))
    found = numbers(pair)
    assert [one.code for one in found.warnings] == [code]
    assert re.search(told, found.warnings[0].message)
    assert found.errors is not None
    assert found.matching is not None
    assert (found.errors.depth_pixels, found.matching.other_cameras) == (compared, 2 * (compared == 0))
    assert (found.errors.depth is None) == (compared == 0)
    shown = [drawn_view(looked, pair, 9).with_step(1)["prediction"] for looked in pair.look()]
    assert [one is None for one in shown] == [compared == 0] * 2


def filled(depth: Any, **masks: Any) -> Views:
    """Return two views of 4 x 3 pixels, both with the same depth and masks."""
    one = sample_views().take([0])
    layers: dict[Any, Any] = {name: (np.array(layer),) * 2 for name, layer in {"depth": depth, **masks}.items()}
    present = {layer: np.full(2, layer in layers) for layer in LAYERS}
    return dataclasses.replace(one, present=present, pixels=HeldPixels(layers))


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("nothing", "odd"), [(np.nan, "12 NaN"), (np.inf, "12 infinite"), (-3.0, "12 negative"), (0.0, None)]
)
def test_depth_that_is_none_in_half_of_the_pixels_is_no_perfect_prediction(
    nothing: float, odd: str | None, masked: bool
) -> None:
    true = np.full((3, 4), 5, np.float32)
    half = true.copy()
    half[:, :2] = nothing
    valid = {"valid": np.ones((3, 4), bool)} if masked else {}
    found = numbers(beside(filled(true, **valid), filled(half, **valid)))
    assert found.errors is not None
    assert found.prediction is not None
    assert (found.errors.depth_pixels, found.errors.depth_share) == (12, 0.5)
    assert found.prediction.valid_ratio == (0.5 if masked else None)
    assert [one.predicted_valid_ratio for one in found.views] == [0.5 if masked else None] * 2
    assert found.truth.valid_ratio == (1 if masked else None)
    assert found.prediction.depth_m == (5, 5)
    told = {one.code: one.message for one in found.warnings}
    assert list(told) == ["depth-not-valid"] * (odd is not None) + ["few-compared"]
    assert told["few-compared"].startswith("50.0% of the pixels with true depth are compared, less than 90%")
    assert odd is None or re.search(f"predicted depth .*: {odd}; they are not compared", told["depth-not-valid"])


def test_depth_that_a_mask_takes_out_is_not_told_as_odd() -> None:
    true = np.full((3, 4), 5, np.float32)
    half, valid = true.copy(), np.ones((3, 4), bool)
    half[:, 0], valid[:, 0] = np.nan, False
    found = numbers(beside(filled(true), filled(half, valid=valid)))
    assert [one.code for one in found.warnings] == ["few-compared"]
    assert found.errors is not None
    assert found.errors.depth_share == 0.75


@pytest.mark.parametrize(("gone", "told"), [(1, False), (2, True)])
def test_a_few_pixels_that_are_not_compared_are_not_told(gone: int, told: bool) -> None:
    true = np.full((3, 4), 5, np.float32)
    some = true.copy()
    some.flat[:gone] = 0
    found = numbers(beside(filled(true), filled(some)))
    assert found.errors is not None
    assert found.errors.depth_share == 1 - gone / 12
    assert [one.code for one in found.warnings] == ["few-compared"] * told


def test_true_depth_that_is_too_far_is_not_missed() -> None:
    true = np.full((3, 4), 5, np.float32)
    true[0] = FAR + 1
    found = numbers(beside(filled(true), filled(np.where(true > FAR, 0, true).astype(np.float32))))
    assert found.errors is not None
    assert (found.errors.depth_share, found.warnings) == (1, ())


@pytest.mark.parametrize(("points", "count", "each"), [(150_000, 4, 37_500), (10, 4, 2), (3, 4, 1)])
def test_points_are_shared_out_among_views(points: int, count: int, each: int) -> None:
    assert points_of_each(points, count) == each


@settings(max_examples=10)
@given(made=views(max_sets=2))
def test_files_of_any_views_are_written_each_under_a_name_of_its_own(
    made: Views, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("files")
    pair = beside(made, worse(made, 2, 1))
    count, stems = 0, set()
    for looked in pair.look():
        names = write_view(folder, looked, FAR)
        assert all((folder / name).is_file() for name in names)
        count += len(names)
        stems.add(view_stem(looked.told))
    files = sorted(folder.iterdir())
    assert len(files) == count
    assert len(stems) == len(made)
    assert all(any(path.name.startswith(f"{stem}_") for stem in stems) for path in files)
    layers = sum(int(has.sum()) for layer, has in made.present.items() if layer != "image")
    arrays = [path for path in files if path.suffix == ".npy" and "points" not in path.name]
    # Each layer and the pose, of truth and prediction, and the pose that predicted depth is placed by.
    assert len(arrays) == 2 * (layers + len(made)) + int(made.present["depth"].sum())
    for view, looked in enumerate(pair.look()):
        if made.present["depth"][view]:
            stem = folder / view_stem(looked.told)
            np.testing.assert_array_equal(np.load(f"{stem}_depth.npy"), made.read("depth", view))
    refuse_other_files(folder)


@pytest.mark.parametrize(
    ("agents", "cameras"),
    [
        (("a_b", "a"), ("c", "b_c")),
        (("a", "a"), ("cam0", "cam0_pred")),
        (("a", "a"), ("cam%5F0", "cam_0")),
        (("1_agent2", "1"), ("c", "agent2_c")),
    ],
)
def test_views_whose_names_run_together_have_files_of_their_own(
    agents: tuple[str, str], cameras: tuple[str, str], tmp_path: Path
) -> None:
    truth = dataclasses.replace(filled(np.ones((3, 4), np.float32)), agent=agents, camera=cameras)
    names = [name for one in beside(truth, worse(truth, 2, 1)).look() for name in write_view(tmp_path, one, FAR)]
    assert len(set(names)) == len(names) == len(list(tmp_path.iterdir()))


@pytest.mark.parametrize(("split", "scenario"), [(("a_b", "a"), ("c", "b_c")), (("a", "a_000069"), ("s_000069", "s"))])
def test_sets_whose_names_run_together_have_files_of_their_own(
    split: tuple[str, str], scenario: tuple[str, str], tmp_path: Path
) -> None:
    one = sample_views()
    same = dataclasses.replace(one, split=split, scenario=scenario, frame=np.array([69, 69]), camera=("c",) * 3)
    names = [name for looked in alone(same).look() for name in write_view(tmp_path, looked, FAR)]
    assert len(set(names)) == len(names) == len(list(tmp_path.iterdir()))


def test_usual_names_stand_in_files_as_they_are() -> None:
    (_, told, _) = alone(dataclasses.replace(sample_views(), camera=("camera0", "panorama", "c"))).look()
    assert view_stem(told.told) == f"train_{sample_views().scenario[0]}_000069_agent{told.told.agent}_panorama"


def test_a_view_that_the_truth_has_twice_is_not_written_over(tmp_path: Path) -> None:
    (looked, *_) = alone(sample_views()).look()
    names = write_view(tmp_path, looked, FAR)
    before = {name: (tmp_path / name).read_bytes() for name in names}
    with pytest.raises(
        SchemaError, match=r"rgb\.png: expected each view once, got scenario .*, frame 69, agent .* again"
    ):
        write_view(tmp_path, looked, FAR)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("source", ["gt", "pred"])
def test_predicted_points_in_files_are_placed_by_the_poses_that_are_chosen(source: Any, tmp_path: Path) -> None:
    made = filled(np.full((3, 4), 5, np.float32))
    for looked in beside(made, worse(made, 1, 4)).look():
        write_view(tmp_path, looked, FAR, source)
        stem = tmp_path / view_stem(looked.told)
        true, own = np.load(f"{stem}_cam2world.npy"), np.load(f"{stem}_pred_cam2world.npy")
        assert own[0, 3] - true[0, 3] == 4
        np.testing.assert_array_equal(np.load(f"{stem}_pred_depth_cam2world.npy"), true if source == "gt" else own)
        moved = np.load(f"{stem}_pred_points.npy") - np.load(f"{stem}_points.npy")
        np.testing.assert_allclose(moved, [[4.0 * (source == "pred"), 0, 0]] * 12, atol=1e-6)


def test_a_folder_that_is_not_there_holds_nothing_of_others(tmp_path: Path) -> None:
    refuse_other_files(tmp_path / "nothing")
    assert not list(tmp_path.iterdir())


def noisy(size: tuple[int, int], sigma: float) -> tuple[Views, Views]:
    """Return a view of a street with as much noise as real pictures and depth have, and a prediction of it."""
    scene = Opv2vScene("train", "2021_08_22_21_41_24", ("641",), (69,), size=size)
    random = np.random.default_rng(0)
    picture, depth = scene.picture("641", 69, 0)
    true = np.where(np.isfinite(depth), depth, 0).astype(np.float32)
    found = (true * (1 + 0.03 * random.normal(0, 1, true.shape))).astype(np.float32)
    width, height = size
    model = CameraModel(
        kind="pinhole",
        size=Size(width=width, height=height),
        lens=PinholeLens(focal_px=(0.42 * width, 0.42 * width), centre_px=(width / 2, height / 2)),
        depth="z",
    )
    both = []
    for values in (true, found):
        one = sample_views().take([1])
        layers: dict[Any, Any] = {
            "image": ((picture + random.normal(0, sigma, picture.shape)).clip(0, 255).astype(np.uint8),),
            "depth": (values,),
            "valid": (values > 0,),
            "non_ambiguous": ((values > 0) & (values < 20),),
        }
        has = {layer: np.array([layer in layers]) for layer in LAYERS}
        header = one.header.model_copy(update={"cameras": (model,)})
        both.append(dataclasses.replace(one, header=header, present=has, pixels=HeldPixels(layers)))
    return both[0], both[1]


@pytest.mark.parametrize("sigma", [4.0, 12.0])
def test_four_agents_with_four_cameras_have_room_on_a_page(sigma: float) -> None:
    truth, found = noisy((200, 150), sigma)
    pair = beside(truth, found)
    (looked,) = pair.look()
    shown: Any = drawn_view(looked, pair, 1).with_step(3)
    pictures = sum(
        len(url) for side in (shown["truth"], shown["prediction"]) for url in side.values() if isinstance(url, str)
    )
    # Of 16 views of 800 x 600; edges, which cost most, are four times as dense in pictures of a quarter of the size.
    of_all = 16 * 16 * pictures
    points = 2 * 150_000 * 8 * 4 / 3
    assert of_all + points + len(plotly_source()) < MOST_BYTES


def test_a_size_that_has_no_room_is_given_up_and_its_bytes_with_it() -> None:
    truth, found = noisy((60, 44), 8.0)
    pair = beside(truth, found)
    (looked,) = pair.look()
    each = [sum(map(len, texts(drawn_view(looked, pair, 10).with_step(step)))) for step in (1, 2, 3)]
    assert each[0] > each[1] > each[2]
    room = 2 * each[1]
    kept = PageViews(pair, 10, room)
    for count in range(1, 20):
        kept.add(looked)
        left = [step for step, size in zip((1, 2, 3), each, strict=True) if count * size <= room]
        assert [step for step, _ in kept.sizes()] == left
        assert [len(views) for _, views in kept.sizes()] == [count] * len(left)
    assert left == []
    assert room < kept.least_bytes <= room + each[2]


def texts(value: Any) -> list[str]:
    """Return all texts in a value, however deep."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in parts for text in texts(part)]


@given(views(max_sets=2), st.sampled_from([1, 2, 3]))
def test_pictures_of_every_step_show_the_same_place(made: Views, step: int) -> None:
    pair = alone(made)
    for looked in pair.look():
        shown: Any = drawn_view(looked, pair, 1).with_step(step)["truth"]
        whole: Any = drawn_view(looked, pair, 1).with_step(1)["truth"]
        for kind in ("depth", "mask"):
            if whole[kind] is None:
                assert shown[kind] is None
                continue
            large, small = picture_of(whole[kind]), picture_of(shown[kind])
            assert small.shape[:2] == tuple(-(-side // step) for side in large.shape[:2])
            for row, column in np.ndindex(small.shape[:2]):
                y, x = (min(place * step + (step - 1) // 2, side - 1)
                        for place, side in zip((row, column), large.shape, strict=False))  # fmt: skip
                assert (small[row, column] == large[y, x]).all()


def picture_of(url: str) -> Any:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


@given(views(max_sets=2))
def test_what_is_not_valid_counts_nowhere(made: Views) -> None:
    for looked in alone(made).look():
        seen = looked.truth
        if seen.depth is None:
            assert (seen.measured, seen.cloud, seen.sparse, seen.hidden) == (None, None, False, False)
            continue
        assert seen.measured is not None
        assert seen.cloud is not None
        expected = valid_depth(made, looked.view)
        np.testing.assert_array_equal(seen.measured, expected)
        np.testing.assert_array_equal(seen.depth, made.read("depth", looked.view))
        counted = sum(value > 0 for value in expected.ravel().tolist())
        assert len(seen.cloud.points) + seen.cloud.farther == counted
        assert seen.hidden == (counted == 0 and bool((seen.depth > 0).any()))


@pytest.mark.parametrize(
    ("given_masks", "told"),
    [
        ({}, None),
        ({"non_ambiguous": True}, (246, 246, 246)),
        ({"covered": True}, (112, 190, 140)),
        ({"non_ambiguous": True, "valid": False}, (118, 170, 222)),
        ({"non_ambiguous": False, "valid": True}, (232, 142, 48)),
    ],
)
def test_where_no_mask_says_what_is_valid_depth_itself_does(
    given_masks: dict[str, bool], told: tuple[int, int, int] | None
) -> None:
    one = sample_views().take([0])
    layers: dict[Any, Any] = {"depth": (np.full((3, 4), 5, np.float32),) * 2}
    layers |= {layer: (np.full((3, 4), value),) * 2 for layer, value in given_masks.items()}
    present = {layer: np.full(2, layer in layers) for layer in LAYERS}
    pair = alone(dataclasses.replace(one, present=present, pixels=HeldPixels(layers)))
    looked = next(iter(pair.look()))
    mask = drawn_view(looked, pair, 1).truth["mask"]
    assert (mask is None) == (told is None)
    if mask is not None:
        assert (mask == told).all()


def test_a_side_that_was_not_there_is_told_by_no_number() -> None:
    found = numbers(alone(sample_views().take([1])))
    side = found.truth
    assert (side.views, side.depth_views, side.sparse_views) == (1, 0, 0)
    assert (side.mask_mean, side.valid_ratio, side.covered_ratio, side.depth_m, side.points_m) == (None,) * 5
    assert side.cameras_m == ((6, 7, 8), (6, 7, 8))
    assert [one.code for one in found.warnings] == ["no-depth"]


def test_the_first_view_is_free_of_error_by_itself_and_not_counted() -> None:
    made = sample_views()
    found = numbers(beside(made, worse(made, 1, 4), "first_view"))
    assert found.errors is not None
    # Of two sets, of which one has a single view, one pose is compared.
    assert found.errors.pose_views == 1
    assert found.errors.pose_rmse_m == pytest.approx(0, abs=1e-12)
    assert [one.pose_error_m is None for one in found.views] == [True, False, True]
