"""Numbers, files and pages of a report of views, beside the scenes that its files were rendered from."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from lapsdata import formats
from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.errors import CorruptDataError, MissingExtraError, SchemaError, StorageError, UnknownFormatError
from lapsdata.loading import open_view_sets
from lapsdata.schema import CameraModel, PinholeLens, ReportedView, Size, ViewsReport
from lapsdata.stages import _view_pages as view_pages
from lapsdata.stages import views_report
from lapsdata.stages._matched_views import match_views, open_views
from lapsdata.stages._view_files import view_stem
from lapsdata.stages.views_report import ViewsReportOptions, ViewsSource, write_views_report
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_views
from lapsdata.transforms.panorama_views import PanoramaOptions, panorama_views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

SCENE = Opv2vScene("validate", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 71), size=(32, 24))
ORDER = ("1000", "641", "-1")
FAR = 80.0


class Made(NamedTuple):
    """Files of one scene, a prediction with known errors, and what it was made with."""

    root: Path
    depth: Path
    pred: Path
    moved: NDArray[np.float64]
    factors: NDArray[np.float64]


def masks_of(depth: NDArray[np.float32], below: float) -> dict[str, NDArray[np.bool_]]:
    return {"valid": depth > 0, "non_ambiguous": (depth > 0) & (depth < below)}


def with_layers(views: Views, cam2world: NDArray[np.float64], depth: list[NDArray[np.float32]], below: float) -> Views:
    masks = [masks_of(one, below) for one in depth]
    layers = {"depth": tuple(depth), **{name: tuple(one[name] for one in masks) for name in masks[0]}}
    present = {layer: np.full(len(views), layer in layers) for layer in LAYERS}
    return dataclasses.replace(views, cam2world=cam2world, present=present, pixels=HeldPixels(layers))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("views")
    write_opv2v(folder / "opv2v", [SCENE], depth_root=folder / "depth", depth="npy")
    views = open_views(folder / "opv2v", "truth", depth_root=folder / "depth").views
    random = np.random.default_rng(0)
    moved, factors = random.normal(0, 2, (len(views), 3)), random.uniform(0.8, 1.2, len(views))
    poses = views.cam2world.copy()
    poses[:, :3, 3] += moved
    poses[:, :3, :3] = poses[:, :3, :3] @ Rotation.from_euler("y", 3, degrees=True).as_matrix()
    depth = [(views.read("depth", view) * factors[view]).astype(np.float32) for view in range(len(views))]
    formats.write(folder / "pred.h5", with_layers(views, poses, depth, 12.0))
    return Made(folder / "opv2v", folder / "depth", folder / "pred.h5", moved, factors)


@pytest.fixture
def report(made: Made, tmp_path: Path) -> Callable[..., ViewsReport]:
    """Write a report and return its record, as it reads back."""

    def write(options: dict[str, Any] | None = None, **source: Any) -> ViewsReport:
        given = {"root": made.root, "depth_root": made.depth, "prediction": made.pred, **source}
        done = write_views_report(
            ViewsSource(**given),
            tmp_path / "page.html",
            summary=tmp_path / "summary.json",
            options=ViewsReportOptions(**(options or {})),
            overwrite=True,
        )
        read = read_sealed_json(tmp_path / "summary.json", ViewsReport)
        assert read.as_json() == {**done.record.as_json(), **(read.model_extra or {})}
        return read

    return write


def opened(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())))


def rendered(frame: int) -> list[NDArray[np.float32]]:
    """Return depth of the views of a frame, in their order, as the scene itself says it."""
    every = [SCENE.depth(agent, frame, camera) for agent in ORDER for camera in range(4)]
    return [np.where(np.isfinite(depth), depth, 0).astype(np.float32) for depth in every]


def test_pose_errors_are_those_that_were_put_in(made: Made, report: Callable[..., ViewsReport]) -> None:
    errors = report().errors
    assert errors is not None
    assert errors.pose_views == 12
    assert errors.pose_rmse_m == pytest.approx(math.sqrt((made.moved[:12] ** 2).sum(axis=1).mean()), rel=1e-9)
    assert errors.rotation_rmse_deg == pytest.approx(3, rel=1e-6)


def test_depth_and_scale_errors_are_those_of_the_rendered_depth(made: Made, report: Callable[..., ViewsReport]) -> None:
    errors = report().errors
    assert errors is not None
    assert errors.depth is not None
    off, pixels = 0.0, 0
    for depth, factor in zip(rendered(69), made.factors, strict=False):
        near = depth[(depth > 0) & (depth <= FAR)].astype(float)
        off += float(((near * factor - near) ** 2).sum())
        pixels += len(near)
    assert errors.depth.pixels == pixels
    assert errors.depth.rmse_m == pytest.approx(math.sqrt(off / pixels), rel=1e-5)
    assert errors.depth.scaled_rmse_m == pytest.approx(0, abs=1e-4)
    assert errors.depth.scale == pytest.approx(float(np.median(made.factors[:12])), rel=1e-5)
    assert errors.scale_rmse == pytest.approx(math.sqrt(np.mean((made.factors[:12] - 1) ** 2)), rel=1e-4)


def test_masks_are_counted_over_all_pixels_and_tell_a_weight(made: Made, report: Callable[..., ViewsReport]) -> None:
    record = report()
    depth = np.stack(rendered(69))
    assert record.truth.valid_ratio == pytest.approx((depth > 0).mean())
    # OPV2V has no mask of what is ambiguous, so that no weight can be told.
    assert (record.truth.mask_mean, record.pos_weight) == (None, None)
    assert record.prediction is not None
    found = depth * made.factors[:12, None, None].astype(np.float32)
    assert record.prediction.mask_mean == pytest.approx(((found > 0) & (found < 12)).mean(), abs=1e-4)
    swapped = report(root=made.pred, depth_root=None, prediction=None)
    mean = swapped.truth.mask_mean
    assert mean is not None
    assert mean == record.prediction.mask_mean
    assert swapped.pos_weight == pytest.approx((1 - mean) / mean)


def test_bounds_are_those_of_the_scene_in_axes_of_opencv(report: Callable[..., ViewsReport]) -> None:
    record = report()
    carla = np.array([SCENE.camera_pose(agent, 69, camera)[:3] for agent in ORDER for camera in range(4)])
    places = carla[:, [1, 2, 0]] * [1, -1, 1]
    assert record.truth.cameras_m is not None
    np.testing.assert_allclose(record.truth.cameras_m, [places.min(axis=0), places.max(axis=0)], atol=1e-9)
    low, high = np.array(record.truth.points_m)
    # Nothing is below the road, nothing above the roofs, and nothing farther than that from its camera.
    assert high[1] == pytest.approx(0, abs=1e-3)
    assert -10.5 < low[1] < -2
    assert (low >= places.min(axis=0) - FAR).all()
    assert (high <= places.max(axis=0) + FAR).all()


def test_points_beyond_are_counted_on_both_sides(report: Callable[..., ViewsReport]) -> None:
    shares = [report({"far_m": far}) for far in (5.0, 1e6)]
    assert shares[1].far_points == 0
    known = [one.truth.valid_ratio for one in shares]
    assert known[0] == known[1]
    assert 0 < shares[0].far_points < 2 * 12 * 32 * 24
    assert shares[0].errors is not None
    assert shares[1].errors is not None
    assert shares[0].errors.depth is not None
    assert shares[1].errors.depth is not None
    assert shares[0].errors.depth.pixels < shares[1].errors.depth.pixels


def test_a_prediction_in_the_world_of_its_first_view_is_right_once_it_is_aligned(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    views = open_views(made.root, "truth", depth_root=made.depth).views
    first = views.cam2world[np.array([views.views_of(place).start for place in range(2)])[views.set_of]]
    poses = np.linalg.inv(first) @ views.cam2world
    poses[:, :3, :3] = Rotation.from_matrix(poses[:, :3, :3]).as_matrix()
    pred = tmp_path / "first.h5"
    formats.write(pred, with_layers(views, poses, [views.read("depth", view) for view in range(len(views))], 12.0))
    away, right = (
        report({"alignment": alignment}, prediction=pred, indexes=(0, 1)) for alignment in ("none", "first_view")
    )
    assert away.errors is not None
    assert right.errors is not None
    assert away.errors.pose_views == 24
    assert right.errors.pose_views == 22
    assert right.errors.pose_rmse_m == pytest.approx(0, abs=1e-9)
    assert away.errors.pose_rmse_m is not None
    assert away.errors.pose_rmse_m > 5
    firsts = [view.pose_error_m is None for view in right.views]
    assert [place for place, one in enumerate(firsts) if one] == [0, 12]
    assert right.prediction is not None
    np.testing.assert_allclose(right.prediction.points_m, right.truth.points_m, atol=1e-3)


def test_views_that_a_prediction_lacks_are_counted_and_told(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    whole = formats.read(made.pred, Views)
    formats.write(tmp_path / "second.h5", whole.take([1]))
    record = report(prediction=tmp_path / "second.h5", indexes=(0, 1))
    assert record.matching is not None
    assert (record.matching.matched, record.matching.missing) == (12, 12)
    assert [view.predicted for view in record.views] == [False] * 12 + [True] * 12
    assert [(one.code, one.message) for one in record.warnings] == [
        ("views-missing", "12 of 24 views are not in the prediction, and not compared")
    ]


def test_views_meet_by_name_whatever_their_order_and_split(made: Made) -> None:
    views = open_views(made.root, "truth").views
    turned = dataclasses.replace(views.take([1, 0]), split=("val", "test"))
    assert match_views(views, turned, "pred").tolist() == [*range(12, 24), *range(12)]


def test_a_view_that_a_prediction_has_twice_is_refused() -> None:
    views = sample_views().take([1])
    twice = dataclasses.replace(
        sample_views(), scenario=("same", "same"), frame=np.array([5, 5]), agent=("641", "1000", "641")
    )
    with pytest.raises(SchemaError, match=r"p\.h5: expected each view once, got scenario same, frame 5, agent 641"):
        match_views(views, twice, "p.h5")


def test_pictures_of_another_size_are_not_compared_but_their_poses_are(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    whole = formats.read(made.pred, Views).take([0])
    model = CameraModel(
        kind="pinhole", size=Size(width=4, height=3), lens=PinholeLens(focal_px=(2.0, 2.0), centre_px=(1.5, 1.0)),
        depth="z",
    )  # fmt: skip
    small = dataclasses.replace(
        whole, header=whole.header.model_copy(update={"cameras": (model,)}), model=np.zeros(12, np.int64)
    )
    depth = [np.full((3, 4), 3, np.float32)] * 12
    formats.write(tmp_path / "small.h5", with_layers(small, whole.cam2world, depth, 12.0))
    record = report(prediction=tmp_path / "small.h5")
    assert record.matching is not None
    assert record.errors is not None
    assert (record.matching.matched, record.matching.other_cameras) == (12, 12)
    assert record.errors.depth is None
    assert record.errors.pose_views == 12
    assert [one.code for one in record.warnings] == ["other-cameras"]


def test_depth_along_the_ray_is_compared_with_depth_along_the_axis(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    views = open_views(made.root, "truth", depth_root=made.depth).views.take([0])
    fx, fy, cx, cy = (*views.camera_model(0).lens.focal_px, *views.camera_model(0).lens.centre_px)  # type: ignore[union-attr]
    x, y = np.meshgrid((np.arange(32) - cx) / fx, (np.arange(24) - cy) / fy)
    depth = [(views.read("depth", view) * np.sqrt(x**2 + y**2 + 1)).astype(np.float32) for view in range(12)]
    cameras = tuple(model.model_copy(update={"depth": "ray"}) for model in views.header.cameras)
    along = dataclasses.replace(views, header=views.header.model_copy(update={"cameras": cameras}))
    formats.write(tmp_path / "ray.h5", with_layers(along, views.cam2world, depth, 12.0))
    record = report(prediction=tmp_path / "ray.h5")
    assert record.errors is not None
    assert record.errors.depth is not None
    assert record.errors.depth.rmse_m == pytest.approx(0, abs=1e-4)
    assert record.prediction is not None
    np.testing.assert_allclose(record.prediction.points_m, record.truth.points_m, atol=1e-3)


def test_almost_empty_masks_and_far_poses_are_told(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    whole = formats.read(made.pred, Views).take([0])
    depth = [np.array(whole.read("depth", view)) for view in range(12)]
    poses = whole.cam2world.copy()
    poses[:, 0, 3] += 12
    formats.write(tmp_path / "empty.h5", with_layers(whole, poses, depth, 0.001))
    record = report(prediction=tmp_path / "empty.h5")
    assert [one.code for one in record.warnings] == ["mask-almost-empty", "pose-far-off"]
    assert "predicted mask is 0.0000" in record.warnings[0].message
    page = (tmp_path / "page.html").read_text("utf-8")
    assert record.warnings[0].message in page
    again = report(root=tmp_path / "empty.h5", depth_root=None, prediction=None)
    assert [one.code for one in again.warnings] == ["mask-almost-empty"]
    assert again.pos_weight is None


def test_sparse_depth_is_known_as_such(report: Callable[..., ViewsReport], tmp_path: Path) -> None:
    views = sample_views().take([0])
    big = CameraModel(
        kind="pinhole", size=Size(width=40, height=30), depth="z",
        lens=PinholeLens(focal_px=(20.0, 20.0), centre_px=(19.5, 14.5)),
    )  # fmt: skip
    depth = np.zeros((30, 40), np.float32)
    depth[5, ::2] = 9
    full = dataclasses.replace(views, header=views.header.model_copy(update={"cameras": (big,)}))
    formats.write(tmp_path / "mixed.h5", with_layers(full, views.cam2world, [depth, depth + 1], 99.0))
    record = report(root=tmp_path / "mixed.h5", depth_root=None, prediction=None)
    assert record.truth.sparse_views == 1
    assert record.truth.depth_m == (1.0, 10.0)
    assert record.truth.valid_ratio == pytest.approx((20 + 1200) / 2400)


def test_files_of_views_carry_the_agent_and_hold_what_was_read(made: Made, tmp_path: Path) -> None:
    source = ViewsSource(made.root, made.pred, depth_root=made.depth)
    done = write_views_report(source, tmp_path / "page.html", views_out=tmp_path / "files")
    names = sorted(path.name for path in (tmp_path / "files").iterdir())
    assert len(names) == 12 * 20
    assert sorted(path.name for path in done.files[:-1]) == names
    assert all(path.is_file() for path in done.files)
    assert done.files[-1] == tmp_path / "page.html"
    stem = "validate_2021_08_22_21_41_24_000069_agent-1_camera2"
    kinds = {name.removeprefix(f"{stem}_") for name in names if name.startswith(stem)}
    assert {"rgb.png", "depth.png", "depth.npy", "mask.png", "cloud.png", "points.npy", "pred_depth.npy"} <= kinds
    assert {"pred_ratio.png", "pred_mask.png", "pred_non_ambiguous.npy", "pred_cam2world.npy"} <= kinds
    load = tmp_path / "files" / stem
    picture, depth = SCENE.picture("-1", 69, 2)
    assert (opened(tmp_path / "files" / f"{stem}_rgb.png") == picture).all()
    found = np.load(f"{load}_depth.npy")
    np.testing.assert_array_equal(found, np.where(np.isfinite(depth), depth, 0).astype(np.float32))
    np.testing.assert_array_equal(np.load(f"{load}_valid.npy"), found > 0)
    moved = np.load(f"{load}_pred_cam2world.npy")[:3, 3] - np.load(f"{load}_cam2world.npy")[:3, 3]
    np.testing.assert_allclose(moved, made.moved[10], atol=1e-12)
    points = np.load(f"{load}_points.npy")
    assert points.shape == np.load(f"{load}_points_rgb.npy").shape
    # All that it sees of the road lies on it.
    assert (points[:, 1] < 1e-2).all()
    assert opened(tmp_path / "files" / f"{stem}_cloud.png").shape == (640, 640, 3)


def test_the_pose_source_is_that_of_predicted_points_in_files(made: Made, tmp_path: Path) -> None:
    source = ViewsSource(made.root, made.pred, depth_root=made.depth)
    kept = {}
    for name in ("gt", "pred"):
        options = ViewsReportOptions(pose_source=name)
        done = write_views_report(source, None, views_out=tmp_path / name, options=options)
        assert done.record.pose_source == name
        kept[name] = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert kept["gt"].keys() == kept["pred"].keys()
    other = {name.rpartition("_camera")[2][2:] for name, content in kept["gt"].items() if content != kept["pred"][name]}
    assert other - {"pred_cloud.png"} == {"pred_depth_cam2world.npy", "pred_points.npy"}


def test_a_view_of_two_sets_of_the_truth_leaves_no_files(tmp_path: Path) -> None:
    both = sample_views()
    twice = dataclasses.replace(
        both, split=("a", "a"), scenario=("s", "s"), frame=np.array([5, 5]), agent=("1", "2", "1")
    )
    formats.write(tmp_path / "twice.h5", twice)
    with pytest.raises(SchemaError, match=r"expected each view once, got scenario s, frame 5, agent 1, camera0 again"):
        write_views_report(ViewsSource(tmp_path / "twice.h5", indexes=(0, 1)), None, views_out=tmp_path / "files")
    assert [path.name for path in tmp_path.iterdir()] == ["twice.h5"]


def test_names_that_no_file_can_have_are_spelled_out() -> None:
    one = ReportedView(split="a/b", scenario="..", frame=7, agent="ü\n", camera="c:0")
    assert view_stem(one) == "a%2Fb_.._000007_agent%C3%BC%0A_c%3A0"


def test_a_damaged_picture_leaves_nothing_behind(made: Made, tmp_path: Path) -> None:
    write_opv2v(tmp_path / "opv2v", [SCENE])
    broken = tmp_path / "opv2v" / SCENE.split / SCENE.name / "-1" / "000069_camera3.png"
    broken.write_bytes(broken.read_bytes()[:-8])
    with pytest.raises(CorruptDataError, match=r"000069_camera3\.png: expected a PNG up to its last chunk"):
        write_views_report(
            ViewsSource(tmp_path / "opv2v"),
            tmp_path / "page.html",
            views_out=tmp_path / "files",
            summary=tmp_path / "summary.json",
        )
    assert [path.name for path in tmp_path.iterdir()] == ["opv2v"]


def test_what_is_there_is_replaced_only_when_asked_for_and_never_with_files_of_others(
    made: Made, tmp_path: Path
) -> None:
    source, out, files = ViewsSource(made.root), tmp_path / "page.html", tmp_path / "files"
    write_views_report(source, out, views_out=files)
    before = out.read_bytes()
    with pytest.raises(StorageError, match=r"page\.html: expected a free name, .* replace it with --overwrite"):
        write_views_report(source, out)
    assert out.read_bytes() == before
    with pytest.raises(StorageError, match=r"files: expected a free name"):
        write_views_report(source, tmp_path / "other.html", views_out=files)
    (files / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"files: expected \.png and \.npy of views alone, got 'notes\.txt' too"):
        write_views_report(source, out, views_out=files, overwrite=True)
    (files / "notes.txt").unlink()
    write_views_report(source, out, views_out=files, overwrite=True)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ({"split": "test"}, SchemaError, r"opv2v: expected .*test"),
        ({"indexes": (2,)}, SchemaError, r"expected sets 0 to 1, each once, got 2"),
        ({"indexes": (0, 0)}, SchemaError, r"got one of them twice"),
    ],
)
def test_sets_that_are_not_there_are_named(
    made: Made, tmp_path: Path, source: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        write_views_report(ViewsSource(made.root, **source), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_splits_of_a_file_are_chosen_and_val_is_validate(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    record = report(root=made.pred, depth_root=None, prediction=None, split="val", indexes=(1,))
    assert {(view.split, view.frame) for view in record.views} == {("validate", 71)}
    with pytest.raises(SchemaError, match=r"pred\.h5: expected one of the splits 'validate', got 'train'"):
        report(root=made.pred, depth_root=None, prediction=None, split="train")


def test_options_of_roots_mean_nothing_to_a_file(made: Made, tmp_path: Path) -> None:
    source = ViewsSource(made.pred, depth_root=made.depth, agents="2")
    with pytest.raises(SchemaError, match=r"expected nothing to be said of views of ours, got depth_root and"):
        write_views_report(source, tmp_path / "page.html")


def test_depth_along_the_axis_of_a_panorama_is_refused_with_its_camera(tmp_path: Path) -> None:
    around = CameraModel.parse(
        '{"kind":"cylinder","size":{"width":4,"height":3},"depth":"z",'
        '"angles":{"h_fov_deg":360.0,"low_deg":-45.0,"high_deg":45.0}}'
    )
    made = sample_views()
    odd = dataclasses.replace(made, header=made.header.model_copy(update={"cameras": (around,)}))
    formats.write(tmp_path / "odd.h5", odd)
    with pytest.raises(SchemaError, match=r"odd\.h5: camera model 0: expected depth along rays of a panorama \(cyli"):
        write_views_report(ViewsSource(tmp_path / "odd.h5"), tmp_path / "page.html")
    # Without depth there is nothing to be placed.
    formats.write(tmp_path / "bare.h5", odd.take([1]))
    write_views_report(ViewsSource(tmp_path / "bare.h5"), tmp_path / "page.html")
    assert (tmp_path / "page.html").exists()


def test_a_folder_of_something_else_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match=r"expected a file or a folder of files of views, or a root such"):
        write_views_report(ViewsSource(tmp_path), tmp_path / "page.html")


def test_poses_of_a_prediction_need_one(made: Made, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected a prediction whose poses are shown, got none; give --pred"):
        write_views_report(
            ViewsSource(made.root), tmp_path / "page.html", options=ViewsReportOptions(pose_source="pred")
        )


def test_a_page_that_is_too_large_is_refused_before_anything_is_there(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_report, "MOST_BYTES", 4_000_000)
    with pytest.raises(SchemaError, match=r"expected at most 4,000,000 bytes for 12 views, got .* fewer sets"):
        write_views_report(ViewsSource(made.root), tmp_path / "page.html", views_out=tmp_path / "files")
    assert not list(tmp_path.iterdir())


def test_without_plotly_the_command_that_installs_it_is_told(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly.offline", None)
    with pytest.raises(MissingExtraError, match=r"expected the package plotly.*pip install 'lapsdata\[viz\]'"):
        write_views_report(ViewsSource(made.root), tmp_path / "page.html")


def test_equal_reports_are_equal_bytes_and_say_what_they_were_made_of(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    first = report()
    pages = [(tmp_path / "page.html").read_bytes()]
    assert report() == first
    assert [*pages, (tmp_path / "page.html").read_bytes()] == pages * 2
    assert [(one.role, one.name) for one in first.provenance.parents] == [
        ("yaml-of-opv2v", "opv2v"), ("prediction", "pred.h5"),
    ]  # fmt: skip
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["format"] == "lapsdata.views_report"
    assert str(tmp_path) not in json.dumps(summary)


# --- what must be told -------------------------------------------------------------------------------------------


def changed(made: Made, **update: Any) -> Views:
    """Return the first set of the prediction with other layers, each a list by view, or other columns."""
    whole = formats.read(made.pred, Views).take([0])
    layers: dict[str, Any] = {
        layer: [np.array(whole.read(layer, view)) for view in range(len(whole))]
        for layer in ("depth", "valid", "non_ambiguous")
    }
    columns = {name: value for name, value in update.items() if name not in LAYERS}
    layers |= {name: value for name, value in update.items() if name in LAYERS}
    layers = {layer: tuple(arrays) for layer, arrays in layers.items() if arrays is not None}
    present = {layer: np.full(len(whole), layer in layers) for layer in LAYERS}
    return dataclasses.replace(whole, present=present, pixels=HeldPixels(layers), **columns)  # type: ignore[arg-type]


def test_a_prediction_with_none_of_the_views_is_refused_with_the_names_of_both(made: Made, tmp_path: Path) -> None:
    formats.write(tmp_path / "pred.h5", formats.read(made.pred, Views).take([1]))
    with pytest.raises(
        SchemaError,
        match=r"pred\.h5: expected some of 12 views, as scenario '2021_08_22_21_41_24', frame 69, agent '1000', "
        r"camera 'camera0'; got none of them among 12, as .* frame 71, .*; no frame is in both: expected '69', "
        r"got '71'; predict the same sets \(--split, --index\)",
    ):
        write_views_report(ViewsSource(made.root, tmp_path / "pred.h5"), tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["pred.h5"]


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"camera": ("cam0", "cam1", "cam2", "cam3") * 3}, r"no camera is in both: expected 'camera0', .*got 'cam0'"),
        ({"scenario": ("other",)}, r"no scenario is in both: expected '2021_08_22_21_41_24', got 'other'"),
        (
            {"agent": tuple(f"car{place // 4}" for place in range(12))},
            r"no agent is in both: expected '1000', '641', '-1', got 'car0', 'car1', 'car2'",
        ),
    ],
)
def test_the_name_that_never_agrees_is_told(made: Made, columns: dict[str, Any], word: str) -> None:
    truth = open_views(made.root, "truth").views.take([0])
    with pytest.raises(SchemaError, match=word):
        match_views(truth, changed(made, **columns), "pred.h5")


def test_names_that_agree_one_by_one_and_not_together_are_told_by_their_first_view() -> None:
    views = sample_views()
    swapped = dataclasses.replace(views, scenario=views.scenario[::-1])
    with pytest.raises(SchemaError, match=r"frame 69, agent '641', camera 'camera0'; got none") as caught:
        match_views(views, swapped, "p.h5")
    assert "is in both" not in str(caught.value)


@pytest.mark.parametrize(("factor", "told"), [(1000, True), (0.001, True), (2.5, True), (1.9, False), (0.55, False)])
def test_depth_in_another_unit_is_told_with_its_factor(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path, factor: float, told: bool
) -> None:
    depth = [(one * factor).astype(np.float32) for one in rendered(69)]
    still = open_views(made.root, "truth").views.cam2world[:12]
    formats.write(tmp_path / "scaled.h5", changed(made, depth=depth, cam2world=still))
    record = report(prediction=tmp_path / "scaled.h5")
    assert [one.code for one in record.warnings] == ["depth-scale"] * told
    if told:
        (warning,) = record.warnings
        assert warning.message.startswith(f"predicted depth is {factor:.4g} times the true one (the median)")
        assert warning.fix == f"views hold metres: divide it by {factor:.4g} where it is in another unit"
        page = (tmp_path / "page.html").read_text("utf-8")
        assert f"{warning.message}; {warning.fix}" in page


@pytest.mark.parametrize("side", ["true", "predicted"])
def test_where_no_pixel_is_valid_nothing_is_compared_and_it_is_told(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path, side: str
) -> None:
    nothing = [np.zeros((24, 32), bool)] * 12
    whole = changed(made)
    formats.write(tmp_path / "empty.h5", changed(made, valid=nothing))
    formats.write(tmp_path / "whole.h5", whole)
    names = {"true": ("empty.h5", "whole.h5"), "predicted": ("whole.h5", "empty.h5")}[side]
    record = report(root=tmp_path / names[0], prediction=tmp_path / names[1], depth_root=None)
    assert record.errors is not None
    assert record.prediction is not None
    assert (record.errors.depth, record.errors.depth_pixels, record.errors.scale_rmse) == (None, 0, None)
    assert [one.code for one in record.warnings] == ["valid-empty", "nothing-compared"]
    assert record.warnings[0].message.startswith(f"no pixel of 12 of 12 {side} views with depth is valid")
    found = record.truth if side == "true" else record.prediction
    assert (found.valid_ratio, found.depth_views, found.depth_m, found.points_m) == (0, 12, None, None)
    assert all(view.depth is None for view in record.views)


def test_pixels_that_are_not_valid_on_either_side_are_not_compared(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    left, upper = np.zeros((24, 32), bool), np.zeros((24, 32), bool)
    left[:, :16], upper[:12] = True, True
    true = rendered(69)
    wrong = [np.where(left & upper, one * 1.5, one * 7).astype(np.float32) for one in true]
    formats.write(tmp_path / "true.h5", changed(made, depth=true, valid=[left] * 12))
    formats.write(tmp_path / "pred.h5", changed(made, depth=wrong, valid=[upper] * 12))
    record = report(root=tmp_path / "true.h5", prediction=tmp_path / "pred.h5", depth_root=None)
    both = [one[(one > 0) & (one <= FAR) & left & upper].astype(float) for one in true]
    assert record.errors is not None
    assert record.errors.depth is not None
    assert record.errors.depth_pixels == record.errors.depth.pixels == sum(map(len, both))
    assert record.errors.depth.scale == pytest.approx(1.5, rel=1e-6)
    expected = math.sqrt(np.mean(np.square(np.concatenate(both) * 0.5)))
    assert record.errors.depth.rmse_m == pytest.approx(expected, rel=1e-5)


def test_a_root_without_depth_is_told_with_what_to_do(made: Made, report: Callable[..., ViewsReport]) -> None:
    record = report(depth_root=None, prediction=None)
    assert [(one.code, one.fix) for one in record.warnings] == [
        ("no-depth", "--depth-root names where it lies, of a root without")
    ]
    assert record.warnings[0].message == "12 of 12 true views have no depth: it is not shown and not compared"
    assert (record.truth.depth_views, record.truth.depth_m, record.truth.points_m) == (0, None, None)


def test_a_prediction_of_poses_alone_is_told_to_have_no_depth(
    made: Made, report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    poses = dataclasses.replace(changed(made), present={layer: np.zeros(12, bool) for layer in LAYERS})
    formats.write(tmp_path / "poses.h5", poses)
    record = report(prediction=tmp_path / "poses.h5")
    assert [one.code for one in record.warnings] == ["no-depth"]
    assert record.warnings[0].message.startswith("12 of 12 predicted views have no depth")
    assert record.warnings[0].fix is None
    assert record.errors is not None
    assert (record.errors.pose_views, record.errors.depth_pixels) == (12, 0)


def test_views_of_which_some_lack_depth_are_counted(report: Callable[..., ViewsReport], tmp_path: Path) -> None:
    formats.write(tmp_path / "views.h5", sample_views())
    record = report(root=tmp_path / "views.h5", depth_root=None, prediction=None, indexes=(0, 1))
    assert record.truth.depth_views == 2
    assert [one.message.partition(":")[0] for one in record.warnings] == ["1 of 3 true views have no depth"]


def test_depth_beyond_is_compared_nowhere_and_that_is_told(made: Made, report: Callable[..., ViewsReport]) -> None:
    record = report({"far_m": 1.01})
    assert record.errors is not None
    assert (record.errors.depth, record.errors.depth_pixels) == (None, 0)
    (warning,) = record.warnings
    assert (warning.code, warning.fix) == ("nothing-compared", "look at the masks, and at --far")


def test_the_sky_of_carla_is_ambiguous_wherever_it_is_looked_at(
    report: Callable[..., ViewsReport], tmp_path: Path
) -> None:
    write_opv2v(tmp_path / "opv2v", [SCENE], depth_root=tmp_path / "coded", depth="png")
    views = open_views(tmp_path / "opv2v", "truth", depth_root=tmp_path / "coded").views
    sky = [SCENE.depth(agent, 69, camera) >= 1000 for agent in ORDER for camera in range(4)]
    assert sum(int(one.sum()) for one in sky) > 100
    for view, nothing in enumerate(sky):
        assert ((views.read("depth", view) == -1) == nothing).all()
        assert (views.read("valid", view) == ~nothing).all()
    around = panorama_views(views.take([0]), PanoramaOptions(size=Size(width=64, height=16)))
    for view in range(len(around)):
        depth = around.read("depth", view)
        assert (depth[depth <= 0] == -1).mean() > 0.3
        assert set(depth[depth <= 0].tolist()) == {-1.0, 0.0}
        assert ((depth > 0) == around.read("valid", view)).all()
        assert (around.read("covered", view) & ~around.read("non_ambiguous", view))[depth == -1].all()
    for one in open_view_sets(views, views=12)[0]:
        assert ((one["depthmap"] == -1) == ~one["non_ambiguous_mask"]).all()
        assert (one["valid_mask"] == one["non_ambiguous_mask"]).all()
        assert not one["non_ambiguous_mask"].all()
    record = report(root=tmp_path / "opv2v", depth_root=tmp_path / "coded", prediction=None)
    assert record.truth.depth_m is not None
    assert record.truth.depth_m[0] > 0


# --- what is written ---------------------------------------------------------------------------------------------


def test_numbers_alone_need_no_plotly_and_make_no_page(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ViewsSource(made.root, made.pred, depth_root=made.depth)
    page = write_views_report(source, tmp_path / "page.html", summary=tmp_path / "with.json")
    monkeypatch.setitem(__import__("sys").modules, "plotly.offline", None)
    done = write_views_report(source, None, summary=tmp_path / "alone.json", views_out=tmp_path / "files")
    assert done.page_bytes is None
    assert done.record == page.record
    assert (tmp_path / "alone.json").read_bytes() == (tmp_path / "with.json").read_bytes()
    assert done.files[-1] == tmp_path / "alone.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.json", "files", "page.html", "with.json"]


def test_nothing_at_all_may_be_written_and_the_numbers_are_there(made: Made) -> None:
    done = write_views_report(ViewsSource(made.root, made.pred, depth_root=made.depth), None)
    assert done.files == ()
    assert done.record.errors is not None


def test_warnings_without_a_page_name_the_summary_or_the_root(made: Made, tmp_path: Path) -> None:
    done = write_views_report(ViewsSource(made.root), None, summary=tmp_path / "s.json")
    assert [one.where for one in done.problems] == [str(tmp_path / "s.json")]
    assert [one.where for one in write_views_report(ViewsSource(made.root), None).problems] == [str(made.root)]


def test_a_folder_of_files_is_reported_as_one_that_holds_all(made: Made, tmp_path: Path) -> None:
    whole = formats.read(made.pred, Views)
    (tmp_path / "split").mkdir()
    formats.write(tmp_path / "split" / "a.h5", whole.take([0]))
    formats.write(tmp_path / "split" / "b.h5", whole.take([1]))
    one = write_views_report(ViewsSource(made.pred, made.pred, indexes=(1,)), None).record
    other = write_views_report(ViewsSource(tmp_path / "split", tmp_path / "split", indexes=(1,)), None).record
    assert other.model_copy(update={"provenance": one.provenance}) == one
    assert [parent.name for parent in other.provenance.parents] == ["a.h5", "b.h5"] * 2


@pytest.mark.parametrize(("step", "spare"), [(1, 0), (2, 1), (3, 1)])
def test_pictures_are_as_large_as_the_page_has_room_for(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, spare: int
) -> None:
    source = ViewsSource(made.root, made.pred, depth_root=made.depth)
    sizes = {}
    for smallest in (1, 2, 3):
        monkeypatch.setattr(view_pages, "PICTURE_STEPS", (smallest,))
        page = write_views_report(source, tmp_path / "page.html", overwrite=True)
        assert page.page_bytes is not None
        sizes[smallest] = page.page_bytes
    monkeypatch.undo()
    monkeypatch.setattr(views_report, "MOST_BYTES", sizes[max(step - 1, 1)] - spare)
    done = write_views_report(source, tmp_path / "page.html", overwrite=True)
    text = (tmp_path / "page.html").read_text("utf-8")
    assert done.page_bytes == sizes[step]
    assert f'"step":{step},' in text
    told = [(one.code, one.severity, one.message) for one in done.problems if one.code == "pictures-reduced"]
    assert len(told) == (step > 1)
    if told:
        assert told[0][2].startswith(f"Pictures are 1/{step} as wide and high as they were read")
        assert f'<p class="told">{told[0][2]}</p>' in text
    else:
        assert "as wide and high" not in text
