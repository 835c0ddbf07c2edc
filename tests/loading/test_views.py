"""Sets of views as MapAnything takes them: one content, whoever asks, and nothing left out without a name."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import HeldPixels
from lapsdata.errors import CorruptDataError, LapsWarning, SchemaError, UnknownFormatError
from lapsdata.formats import write
from lapsdata.loading import Loader, ViewDataset, open_view_sets
from lapsdata.schema import CameraModel, PanoramaAngles, PinholeLens, Size
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.strategies import views as drawn_views
from tests.loading.views_by_hand import AROUND, HEIGHT, PINHOLE, SIZE, WIDTH, depth_of, make_views, pose

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Views

# What MapAnything's `is_good_type` lets pass.
ALLOWED = (np.float32, np.bool_, np.int32, np.int64, np.uint8)


def told(sample: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(view["label"], view["instance"]) for view in sample]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(value, other[name]) and getattr(value, "dtype", None) == getattr(other[name], "dtype", None)
        for name, value in one.items()
    )


def test_a_sample_is_what_mapanything_takes() -> None:
    sets = open_view_sets(make_views([2, 2]), views=2)
    sample = sets[1]
    for number, view in zip((2, 3), sample, strict=True):
        assert {name for name, value in view.items() if isinstance(value, np.ndarray)} == {
            *("img", "depthmap", "valid_mask", "non_ambiguous_mask", "camera_pose", "camera_intrinsics", "true_shape"),
        }
        for value in view.values():
            assert isinstance(value, (str, int, tuple)) or value.dtype in ALLOWED
        assert (view["img"] == number).all()
        assert view["img"].shape == (HEIGHT, WIDTH, 3)
        assert np.array_equal(view["depthmap"], depth_of(number))
        assert np.array_equal(view["valid_mask"], depth_of(number) > 0)
        assert np.array_equal(view["non_ambiguous_mask"], depth_of(number) >= 0)
        assert np.array_equal(view["camera_pose"], pose(number).astype(np.float32))
        assert view["camera_intrinsics"].tolist() == [[2, 0, 1.5], [0, 3, 1], [0, 0, 1]]
        assert (view["idx"], view["true_shape"].tolist(), view["is_metric_scale"]) == ((1, 0, number - 2), [3, 4], True)
        assert (view["camera_model"], view["depth_kind"], view["dataset"]) == ("pinhole", "z", "views")
    assert told(sample) == [("scene0/a0", "62_camera0"), ("scene0/a1", "62_camera1")]
    assert repr(sets) == "ViewDataset(2 sets of 2 views of 4x3)"


def test_depth_along_the_rays_of_a_pinhole_becomes_depth_along_its_axis() -> None:
    made = make_views([1], models=[PINHOLE.model_copy(update={"depth": "ray"})])
    x, y = np.meshgrid((np.arange(WIDTH) - 1.5) / 2, (np.arange(HEIGHT) - 1) / 3)
    view = open_view_sets(made, views=1)[0][0]
    np.testing.assert_allclose(view["depthmap"], depth_of(0) / np.sqrt(1 + x**2 + y**2), rtol=1e-6)
    assert view["depth_kind"] == "z"
    assert view["depthmap"].dtype == np.float32


def test_a_panorama_has_depth_along_rays_and_says_so() -> None:
    view = open_view_sets(make_views([1], models=[AROUND]), views=1)[0][0]
    assert (view["camera_model"], view["depth_kind"]) == ("equirectangular", "ray")
    assert np.array_equal(view["depthmap"], depth_of(0))
    per_radian = WIDTH / (2 * np.pi)
    np.testing.assert_allclose(view["camera_intrinsics"], [[per_radian, 0, 1.5], [0, per_radian, 1], [0, 0, 1]])
    wrong = make_views([1], models=[AROUND.model_copy(update={"depth": "z"})])
    with pytest.raises(SchemaError, match=r"camera model 0: expected depth along rays of a panorama .*depth-kind"):
        open_view_sets(wrong, views=1)


@settings(max_examples=25)
@given(drawn_views(max_sets=2), st.sampled_from(["world", "first_view"]))
def test_whatever_views_are_drawn_samples_keep_their_promises(made: Views, frame: Any) -> None:
    sizes = {made.camera_model(view).size for view in range(len(made))}
    along_axis = any(
        made.present["depth"][view]
        and made.camera_model(view).kind != "pinhole"
        and made.camera_model(view).depth == "z"
        for view in range(len(made))
    )
    if along_axis or len(sizes) > 1 or not made.present["image"].all():
        with pytest.raises(SchemaError, match=r"depth-kind|unlike-sizes|no-image"):
            open_view_sets(made, views=1, missing_depth="empty", pose_frame=frame)
        return
    sets = open_view_sets(made, views=1, missing_depth="empty", pose_frame=frame)
    for number in range(len(sets)):
        place = sets.locate(number)
        view = sets[number][0]
        own = next(iter(made.views_of(list(made.frame).index(place.frame))))
        if made.frame.tolist().count(place.frame) > 1:
            continue
        has = {layer: bool(made.present[layer][own]) for layer in made.present}
        depth = made.read("depth", own) if has["depth"] else np.zeros(view["depthmap"].shape, np.float32)
        valid = depth > 0
        sure = depth >= 0
        if has["valid"]:
            valid = valid & made.read("valid", own)
        if has["non_ambiguous"]:
            sure = sure & made.read("non_ambiguous", own)
        assert np.array_equal(view["valid_mask"], valid)
        assert np.array_equal(view["non_ambiguous_mask"], sure)
        assert np.array_equal(view["img"], made.read("image", own))
        wanted = made.cam2world[own] if frame == "world" else np.eye(4)
        np.testing.assert_allclose(view["camera_pose"], wanted, rtol=1e-6, atol=1e-5)
        assert all(np.isfinite(value).all() for value in view.values() if isinstance(value, np.ndarray))


def test_poses_may_lead_to_the_first_view() -> None:
    sample = open_view_sets(make_views([3]), views=3, pose_frame="first_view")[0]
    for number, view in enumerate(sample):
        wanted = np.linalg.inv(pose(0)) @ pose(number)
        np.testing.assert_allclose(view["camera_pose"], wanted, atol=1e-6)


def test_what_is_not_finite_is_refused_and_not_made_zero() -> None:
    made = make_views([1])
    depth = depth_of(0)
    depth[1, 1], depth[2, 2] = np.nan, np.inf
    pixels = HeldPixels({"image": (made.read("image", 0),), "depth": (depth,)})
    sets = open_view_sets(replace(made, pixels=pixels), views=1)
    with pytest.raises(CorruptDataError, match=r"views: depth of view 0: expected finite depth, got 2 pixels of NaN"):
        sets[0]
    far = made.cam2world.copy()
    far[0, 0, 3] = 1e300
    with pytest.raises(CorruptDataError, match=r"camera_pose of view 0: expected numbers within float32, got 1e\+300"):
        open_view_sets(replace(made, cam2world=far), views=1)[0]


def test_views_without_depth_are_an_error_or_left_out_or_empty() -> None:
    made = make_views([2, 2, 2], lacking={"depth": [3]})
    with pytest.raises(SchemaError, match=r"1 of 3 sets have views without depth, the first train/scene0, frame 62"):
        open_view_sets(made, views=2)
    left = open_view_sets(made, views=2, missing_depth="leave_out")
    assert [left.locate(number).frame for number in range(len(left))] == [60, 64]
    assert left.notes == (
        "views: 1 of 3 sets have views without depth, the first train/scene0, frame 62: they are left out [no-depth]",
    )
    empty = open_view_sets(made, views=2, missing_depth="empty")
    assert len(empty) == 3
    assert re.search("1 views have no depth: it is 0 everywhere", empty.notes[0])
    view = empty[1][1]
    assert not view["depthmap"].any()
    assert not view["valid_mask"].any()
    assert view["non_ambiguous_mask"].all()


def test_views_without_a_picture_are_an_error() -> None:
    made = make_views([1, 2], lacking={"image": [1]})
    with pytest.raises(SchemaError, match=r"sets have views without image.*cameras=\[...\].*no-image"):
        open_view_sets(made, views=1)
    # The camera that has none is not asked for.
    assert len(open_view_sets(make_views([1, 2], lacking={"image": [2]}), views=1, cameras=["camera0"])) == 2


def test_sets_with_too_few_views_are_left_out_by_name_and_never_replaced() -> None:
    made = make_views([4, 2, 1, 3, 4, 4, 3])
    with pytest.raises(SchemaError, match=r"4 of 7 sets have fewer than 4 views, .*frame 62.*'fewer'.*too-few-views"):
        open_view_sets(made, views=[2, 3, 4])
    left = open_view_sets(made, views=[2, 3, 4], too_few="leave_out")
    assert [left.locate(number).frame for number in range(len(left))] == [60, 68, 70]
    fewer = open_view_sets(made, views=[2, 3, 4], too_few="fewer")
    assert [fewer.locate(number).frame for number in range(len(fewer))] == [60, 62, 66, 68, 70, 72]
    assert [note.partition(",")[0].partition(":")[2] for note in fewer.notes] == [
        " 3 of 7 sets have fewer than 4 views: they give fewer [fewer-views]",
        " 1 of 7 sets have fewer than 2 views",
    ]
    seen: dict[int, set[int]] = {}
    for epoch in range(30):
        for number in range(6):
            sample = fewer.sample(number, epoch=epoch)
            # Each set is itself, whatever it can give.
            assert {view["instance"].partition("_")[0] for view in sample} == {str(fewer.locate(number).frame)}
            seen.setdefault(number, set()).add(len(sample))
    assert seen == {0: {2, 3, 4}, 1: {2}, 2: {2, 3}, 3: {2, 3, 4}, 4: {2, 3, 4}, 5: {2, 3}}


def test_the_first_view_stays_and_others_are_drawn_by_seed_epoch_and_the_name_of_the_set() -> None:
    made = make_views([4, 4])
    sets = open_view_sets(made, views=2)
    drawn = [told(sets.sample(1, epoch=epoch)) for epoch in range(20)]
    assert {first for first, _ in drawn} == {("scene0/a0", "62_camera0")}
    assert {second for _, (second, _) in drawn} == {"scene0/a1", "scene0/a2", "scene0/a3"}
    assert [told(sets.at_epoch(epoch)[1]) for epoch in range(20)] == drawn
    # In another selection of sets, and as the only one, it is the same.
    alone = open_view_sets(made.take([1]), views=2)
    assert [told(alone.sample(0, epoch=epoch)) for epoch in range(20)] == drawn
    assert [told(open_view_sets(made, views=2, seed=1).sample(1, epoch=epoch)) for epoch in range(20)] != drawn
    plain = open_view_sets(made, views=3, pick="first")
    assert [told(plain.sample(0, epoch=epoch)) for epoch in range(3)] == [told(sets.sample(0, views=4))[:3]] * 3


def test_train_validation_and_inference_see_the_same_tensors(tmp_path: Path) -> None:
    made = make_views([3, 4, 3, 4, 3], lacking={"valid": [1], "non_ambiguous": []})
    path = tmp_path / "scene.views.h5"
    write(path, made)
    sets = open_view_sets(path, views=[2, 3])
    wanted = {number: sets[number] for number in range(5)}
    # Training: shuffled, by threads, as tensors. Validation: as they lie.
    for shuffle, workers in ((True, 2), (False, 0)):
        batches = sets.batches(6, shuffle=shuffle)
        loader = Loader(batches, batch_size=1, shuffle="global" if shuffle else None, workers=workers, to="torch")
        seen = set()
        for batch in loader:
            views = batches.views(batch)
            for row in range(len(views[0]["img"])):
                number = sets.find(views[0]["label"][row].partition("/")[0],
                                   int(views[0]["instance"][row].partition("_")[0]))  # fmt: skip
                seen.add(number)
                assert len(views) == len(wanted[number])
                for view, own in zip(views, wanted[number], strict=True):
                    assert all(view[name][row] == own[name] for name in ("label", "instance", "depth_kind", "dataset"))
                    for name in sets.spec:
                        assert torch.equal(view[name][row], torch.from_numpy(own[name]))
        assert seen == set(range(5))
        loader.close()
    # Inference: one set, from its file or from memory, here or in another process's copy.
    for number, sample in wanted.items():
        for other in (open_view_sets(made, views=[2, 3]), pickle.loads(pickle.dumps(sets))):
            assert all(same(one, two) for one, two in zip(other[number], sample, strict=True))


def test_a_root_of_opv2v_gives_what_its_file_gives(tmp_path: Path) -> None:
    scene = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "-1"), (69, 71), size=(16, 12), beams=(4, 8))
    write_opv2v(tmp_path / "root", [scene])
    options: Any = {"views": 3, "missing_depth": "empty", "dataset": "OPV2V", "pose_frame": "first_view"}
    direct = open_view_sets(tmp_path / "root", **options)
    assert "have no depth" in " ".join(direct.notes)
    from lapsdata.adapters import expect_views

    write(tmp_path / "scene.views.h5", expect_views(tmp_path / "root").views)
    stored = open_view_sets(tmp_path / "scene.views.h5", **options)
    assert len(direct) == len(stored) == 2
    for number in range(2):
        assert all(same(one, two) for one, two in zip(direct[number], stored[number], strict=True))
    assert direct.fingerprint == stored.fingerprint
    assert direct[0][0]["label"] == "2021_08_22_21_41_24/641"


def test_predictions_stand_beside_the_views_that_they_are_of(tmp_path: Path) -> None:
    truth = make_views([2, 3, 2])
    # Another order of the sets, and other numbers.
    write(tmp_path / "pred.views.h5", make_views([2, 3, 2], scale=1.5, order=[2, 0, 1]))
    sets = open_view_sets(truth, tmp_path / "pred.views.h5", views=2, pick="first")
    for number, first in enumerate((0, 2, 5)):
        for at, view in enumerate(sets[number]):
            assert np.array_equal(view["depthmap"], depth_of(first + at))
            assert np.array_equal(view["pred_depthmap"], depth_of(first + at) * np.float32(1.5))
            assert np.array_equal(view["pred_camera_pose"], pose((first + at) * 1.5).astype(np.float32))
            assert np.array_equal(view["pred_valid_mask"], view["valid_mask"])
            assert view["pred_camera_intrinsics"].tolist() == view["camera_intrinsics"].tolist()
    batches = sets.batches(4, shuffle=False)
    one = batches.views(batches.gather([0]))[1]
    assert np.array_equal(one["pred_depthmap"][1], depth_of(3) * np.float32(1.5))


def test_predictions_that_do_not_fit_are_refused() -> None:
    truth = make_views([2, 2])
    with pytest.raises(SchemaError, match=r"1 of 2 sets have views without a prediction.*missing_predictions='leave_o"):
        open_view_sets(truth, make_views([2]), views=2)
    left = open_view_sets(truth, make_views([2]), views=2, missing_predictions="leave_out")
    assert len(left) == 1
    with pytest.warns(LapsWarning, match=r"2 of 6 predicted views are none of the truth"):
        open_view_sets(truth, make_views([2, 2, 2]), views=2)
    with pytest.raises(SchemaError, match=r"expected depth of every predicted view, got 1 of 4 without"):
        open_view_sets(truth, make_views([2, 2], lacking={"depth": [3]}), views=2)
    other = PINHOLE.model_copy(update={"size": Size(width=8, height=3)})
    big = make_views([2, 2], models=[PINHOLE])
    wide = replace(big, header=big.header.model_copy(update={"cameras": (other,)}))
    with pytest.raises(SchemaError, match=r"predictions: camera model 0: expected 4x3 as in views: .*, got 8x3"):
        open_view_sets(truth, wide, views=2)
    twice = make_views([2, 2])
    same_frame = replace(twice, frame=np.array([60, 60]))
    with pytest.raises(SchemaError, match=r"expected one prediction of each view, got a second one.*prediction-twice"):
        open_view_sets(truth, same_frame, views=2)


def test_sets_are_chosen_by_split_and_camera_and_come_from_several_files() -> None:
    made = make_views([2, 2, 2], split=["train", "val", "train"])
    assert [open_view_sets(made, views=2, split="train").locate(n).frame for n in range(2)] == [60, 64]
    more = open_view_sets([made, make_views([2], first_frame=90)], views=2, split="train")
    assert [more.locate(number).frame for number in range(len(more))] == [60, 64, 90]
    assert open_view_sets(made, views=1, cameras=["camera1"]).locate(0).camera == ("camera1",)
    with pytest.raises(SchemaError, match=r"views: expected one of the splits 'train', 'val', got 'test'; name one"):
        open_view_sets(made, views=2, split="test")


def test_cameras_that_are_not_there_are_told_with_those_that_are() -> None:
    made = make_views([2, 2], split=["train", "val"])
    wanted = r"expected cameras that are there, 'camera0', 'camera1', got 'front'; name those.*unknown-camera"
    with pytest.raises(SchemaError, match=wanted):
        open_view_sets(made, views=1, cameras=["front"])
    with pytest.raises(SchemaError, match=f"(?s){wanted}"):
        open_view_sets(made, views=1, cameras=["front"], too_few="leave_out")
    # One of them is there: sets are made of it, and the other is told.
    with pytest.warns(LapsWarning, match=wanted):
        sets = open_view_sets(made, views=1, cameras=["front", "camera1"])
    assert [sets.locate(number).camera for number in range(2)] == [("camera1",)] * 2
    # Of several files one may have other cameras.
    with pytest.warns(LapsWarning, match="expected cameras that are there, 'camera0', got 'camera1'"):
        both = open_view_sets(
            [make_views([1], first_frame=90), made], views=1, cameras=["camera1"], too_few="leave_out"
        )
    assert [both.locate(number).frame for number in range(len(both))] == [60, 62]
    with pytest.raises(SchemaError, match="expected one of the splits 'train', 'val', got 'test'"):
        open_view_sets(made, views=1, split="test", cameras=["front"])


def test_pictures_of_several_sizes_are_told() -> None:
    lens = PinholeLens(focal_px=(2.0, 2.0), centre_px=(0.0, 0.0))
    other = CameraModel(kind="pinhole", size=Size(width=5, height=3), lens=lens, depth="z")
    made = make_views([1, 1], models=[PINHOLE])
    both = replace(made, header=made.header.model_copy(update={"cameras": (PINHOLE, other)}), model=np.array([0, 1]))
    with pytest.raises(SchemaError, match=r"camera model 1: expected 4x3 as in views: camera model 0, got 5x3"):
        open_view_sets(both, views=1)


def test_wrong_options_are_told_all_at_once() -> None:
    options: Any = {"views": [2, 2], "pick": "best", "too_few": "skip", "seed": -1, "cameras": "camera0", "split": 3}
    with pytest.raises(SchemaError, match="wrong-value") as caught:
        open_view_sets(make_views([2]), **options)
    assert {problem.where.removeprefix("open_view_sets: ") for problem in caught.value.problems} == set(options)
    with pytest.raises(SchemaError, match="expected a number of views from 1 on, or several"):
        open_view_sets(make_views([2]), views=0)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    from lapsdata.testing.samples import sample_boxes

    write(tmp_path / "boxes.parquet", sample_boxes())
    with pytest.raises(UnknownFormatError, match="expected views, got boxes"):
        open_view_sets(tmp_path / "boxes.parquet", views=1)
    with pytest.raises(UnknownFormatError, match="expected"):
        open_view_sets(tmp_path, views=1)


def test_sets_are_found_and_asked_for_by_number() -> None:
    sets = open_view_sets(make_views([4, 4]), views=[2, 4])
    assert isinstance(sets, ViewDataset)
    assert (sets.find("scene0", 62), sets.locate(1).agent) == (1, ("a0", "a1", "a2", "a3"))
    # As MapAnything's samplers ask: set, aspect, which number of views.
    assert [len(sets[1, 0, which]) for which in (0, 1)] == [2, 4]
    assert same(sets[np.int64(1), 0][0], sets[1][0])
    with pytest.raises(SchemaError, match="all pictures are of one size"):
        sets[1, 1]
    with pytest.raises(IndexError, match="2"):
        sets[2]
    with pytest.raises(SchemaError, match="expected 1 to 4 views of set 1, got 5"):
        sets.sample(1, views=5)
    with pytest.raises(SchemaError, match=r"expected one set of frame 1 of 'scene0', got 0"):
        sets.find("scene0", 1)
    with pytest.raises(SchemaError, match="expected a whole number from 0 on, got -1"):
        sets.at_epoch(-1)


def test_a_fingerprint_tells_sets_options_and_poses_apart_and_not_where_they_lie(tmp_path: Path) -> None:
    made = make_views([2, 2])
    write(tmp_path / "a.views.h5", made)
    moved = made.cam2world.copy()
    moved[0, 0, 3] += 0.001
    others = [
        open_view_sets(made, views=2, seed=1),
        open_view_sets(made, views=1),
        open_view_sets(made.take([0]), views=2),
        open_view_sets(replace(made, cam2world=moved), views=2),
        open_view_sets(made, views=2, pose_frame="first_view"),
    ]
    own = open_view_sets(made, views=2).fingerprint
    assert own == open_view_sets(tmp_path / "a.views.h5", views=2).fingerprint
    assert len({own, *(other.fingerprint for other in others)}) == 6


def test_the_models_that_tests_use_are_of_one_size() -> None:
    assert {PINHOLE.size, AROUND.size} == {SIZE}
    assert isinstance(AROUND.angles, PanoramaAngles)
