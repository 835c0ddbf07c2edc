"""Views become panoramas: where their pixels are in the world, what is covered, and what is told of the rest."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata._convert import PanoramaOptions, convert
from lapsdata._convert._keys import MARK
from lapsdata._convert._options import ConvertOptions
from lapsdata._convert._panoramas import _Ahead, panorama_items
from lapsdata._convert._sources import find_sources
from lapsdata._convert._targets import target_format
from lapsdata._convert._writing import convert_item
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.containers import Views
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.execution.manifest import Found, Job
from lapsdata.schema import ViewsHeader
from lapsdata.schema.base import Size
from lapsdata.testing._street import matrix_of
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v, write_opv2v_yaml
from lapsdata.testing.samples import sample_tracks
from lapsdata.transforms.panorama_views import PanoramaPixels, panorama_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata._convert import ConvertReport
    from lapsdata._convert._work import ConvertWork
    from tests.conftest import Ran

# Small pictures, and as little of a panorama: about as much is covered as at full size.
SIZE = {"size": Size(width=252, height=63)}
SCENES = (
    Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 71), size=(104, 78), beams=(4, 16)),
    Opv2vScene("validate", "2021_09_09_13_20_58", ("7", "8"), (70,), size=(40, 30), beams=(4, 16)),
)
SCENE = SCENES[0]
FOLDER = Path("train") / SCENE.name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", SCENES, depth_root=folder / "depth", depth="npy")
    return folder


@pytest.fixture(scope="module")
def around(made: Path) -> Views:
    """Panoramas with depth of the agents of the split for training."""
    report = convert(made / "root", made / "out", to="panorama", split="train", depth_root=made / "depth", **small())
    assert [entry.fate for entry in report.entries] == ["made"], report.problems
    return lapsdata.read(made / "out" / "train.h5", Views)


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy", ignore=shutil.ignore_patterns("out")))


def small(**told: Any) -> dict[str, Any]:
    return {"panorama": PanoramaOptions(**(SIZE | told)), "workers": 2}


def only(report: ConvertReport) -> Any:
    (entry,) = report.entries
    assert entry.result is not None, report.problems
    return entry.result


def world_points(views: Views, view: int) -> np.ndarray:
    """Unproject by the formulas of the model alone: pixel, azimuth and elevation, ray, pose. CARLA's axes, (N, 3)."""
    depth = views.read("depth", view).astype(float)
    height, width = depth.shape
    rows, columns = np.nonzero(views.read("valid", view) & views.read("non_ambiguous", view))
    azimuth = ((columns + 0.5) / width - 0.5) * 2 * np.pi
    elevation = np.radians(45 - (rows + 0.5) / height * 90)
    ahead = [np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)]
    rays = np.stack(ahead, axis=1) * depth[rows, columns, None]
    x, y, z = (rays @ views.cam2world[view, :3, :3].T + views.cam2world[view, :3, 3]).T
    return np.stack([z, x, -y], axis=1)


# --- where it is ------------------------------------------------------------------------------------------------


def test_every_point_is_on_a_surface_of_the_scene(around: Views) -> None:
    for view in range(len(around)):
        frame = int(around.frame[around.set_of[view]])
        points = world_points(around, view)
        centre = matrix_of(SCENE.agent_pose(around.agent[view], frame))[:3, 3]
        away = np.linalg.norm(points - centre, axis=1)
        gaps = SCENE.street(frame, around.agent[view]).gaps(points)
        near = np.abs(away - 10) < 3
        assert near.sum() > 100
        assert np.median(gaps[near]) < 1e-3
        assert np.quantile(gaps[near], 0.9) < 0.01
        assert np.median(gaps / away) < 1e-3


def test_agents_agree_on_what_both_of_them_see(around: Views) -> None:
    """Points of one car lie on the walls and cars that the other one measured: one world, whatever roll and pitch."""
    first, second = (world_points(around, view) for view in (0, 1))
    assert around.agent[:2] == ("1000", "641")
    # A wall of a building that both see, and the ground: planes of the scene, not of either agent.
    street = SCENE.street(69)
    for points in (first, second):
        high = points[(points[:, 2] > 0.5) & (np.abs(points).max(axis=1) < 40)]
        assert len(high) > 100
        assert np.median(street.gaps(high)) < 0.01
        assert np.quantile(np.abs(points[points[:, 2] < 0.05][:, 2]), 0.9) < 0.01


def test_poses_are_the_mean_of_the_cameras_and_look_where_the_car_does(around: Views) -> None:
    for view in range(len(around)):
        agent, frame = around.agent[view], int(around.frame[around.set_of[view]])
        cameras = np.stack([matrix_of(SCENE.camera_pose(agent, frame, number)) for number in range(4)])
        x, y, z = cameras[:, :3, 3].mean(axis=0)
        np.testing.assert_allclose(around.cam2world[view, :3, 3], [y, -z, x], atol=1e-9)
        ahead, down = (matrix_of(SCENE.agent_pose(agent, frame))[:3, column] for column in (0, 2))
        np.testing.assert_allclose(around.cam2world[view, :3, 2], [ahead[1], -ahead[2], ahead[0]], atol=1e-9)
        np.testing.assert_allclose(around.cam2world[view, :3, 1], [-down[1], down[2], -down[0]], atol=1e-9)


def test_four_pictures_of_each_agent_become_one(around: Views, made: Path) -> None:
    assert len(around) == 6
    assert set(around.camera) == {"panorama"}
    assert around.agent == ("1000", "641", "-1") * 2
    (model,) = around.header.cameras
    assert (model.kind, model.depth, model.angles and model.angles.high_deg) == ("equirectangular", "ray", 45)
    with h5py.File(made / "out" / "train.h5") as file:
        assert sorted(name for name in file["pixels/252x63"] if "crc" not in name) == [
            "covered",
            "depth",
            "image",
            "non_ambiguous",
            "valid",
        ]
    for view in range(6):
        layers = {name: around.read(name, view) for name in ("depth", "valid", "covered", "non_ambiguous")}
        assert np.array_equal(layers["valid"], layers["depth"] > 0)
        assert not (layers["non_ambiguous"] & ~layers["covered"]).any()
        assert np.isfinite(layers["depth"]).all()


def test_it_says_how_it_was_made(around: Views) -> None:
    told = around.header.provenance.parameters
    named = {name: told[name] for name in ("model", "place", "blend", "far_is", "crop_first", "colour")}
    assert named == {
        "model": "equirectangular",
        "place": "centre",
        "blend": "cosine",
        "far_is": "infinity",
        "crop_first": False,
        "colour": None,
    }
    assert {"pixels_covered", "pixels_valid", "pixels_at_infinity", "pixels_at_edges"} <= set(around.header.policies)
    assert [parent.name for parent in around.header.provenance.parents if parent.role == "converted"] == [
        "root",
        "depth",
    ]
    assert MARK in (around.header.provenance.model_extra or {})


@pytest.mark.parametrize(
    ("told", "share"),
    [
        ({}, 0.858),
        ({"model": "cylinder"}, 0.802),
        ({"crop_first": True}, 0.332),
        ({"crop_first": True, "model": "cylinder"}, 0.267),
    ],
)
def test_as_much_is_covered_as_the_rig_can_give(tmp_path: Path, told: dict[str, Any], share: float) -> None:
    """Cameras of 800 x 600 as the files of every agent tell them, on slopes and in curves, and a full panorama."""
    write_opv2v_yaml(tmp_path, [Opv2vScene("train", SCENE.name, ("641", "1000", "-1"), (69,))])
    cameras = read_opv2v(tmp_path, cache=None).container
    assert isinstance(cameras, Views)
    drawn = replace(cameras, present={**cameras.present, "image": np.ones(12, bool)})
    views = panorama_views(drawn, PanoramaOptions(**told))
    assert isinstance(views.pixels, PanoramaPixels)
    for view in range(3):
        seers = views.pixels.rig(view).views.sum(axis=0)
        assert (seers > 0).mean() == pytest.approx(share, abs=5e-4)
        assert told or (seers > 1).mean() == pytest.approx(0.080, abs=5e-4)


@pytest.mark.parametrize("told", [{}, {"crop_first": True, "model": "cylinder"}])
def test_what_is_covered_is_told_for_each_agent(made: Path, tmp_path: Path, told: dict[str, Any]) -> None:
    report = convert(made / "root", tmp_path / "one.h5", to="panorama", split="train", index=0, **small(**told))
    shares = only(report).agents
    assert list(shares) == ["1000", "641", "-1"]
    for number, agent in enumerate(shares):
        covered = lapsdata.read(tmp_path / "one.h5", Views).read("covered", number)
        assert shares[agent] == {
            "panoramas": 1,
            "covered": covered.mean(),
            "non_ambiguous": pytest.approx(covered.mean()),
        }
    mean = np.mean([one["covered"] for one in shares.values()])
    assert report.facts["covered"].startswith(f"{mean:.3f} of each panorama: agent ")
    assert all(f"agent {agent} " in report.facts["covered"] for agent in shares)
    assert ("cropped-first" in [one.code for one in report.problems]) == ("crop_first" in told)


def test_at_the_place_of_a_camera(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.h5"
    convert(made / "root", out, to="panorama", split="train", index=1, agents="2", **small(place="camera2"))
    views = lapsdata.read(out, Views)
    assert views.frame.tolist() == [71]
    x, y, z = matrix_of(SCENE.camera_pose("641", 71, 2))[:3, 3]
    np.testing.assert_allclose(views.cam2world[1, :3, 3], [y, -z, x], atol=1e-9)
    with pytest.raises(SchemaError, match=r"agent 1000.*expected centre or one of camera0, .*got 'camera9'"):
        convert(made / "root", out, to="panorama", split="train", **small(place="camera9"))


# --- what it is made of -----------------------------------------------------------------------------------------


def test_a_file_of_views_gives_the_same_panoramas(made: Path, around: Views, tmp_path: Path) -> None:
    convert(made / "root", tmp_path / "all.h5", depth_root=made / "depth")
    report = convert(tmp_path / "all.h5", tmp_path / "out", to="panorama", **small())
    assert [entry.name for entry in report.entries] == ["train", "validate"]
    again = lapsdata.read(tmp_path / "out" / "train.h5", Views)
    assert {**again.present}.keys() == {**around.present}.keys()
    pairs = zip(again.arrays(), around.arrays(), strict=True)
    assert all(np.array_equal(mine[1], theirs[1]) for mine, theirs in pairs)
    with pytest.raises(SchemaError, match=r"expected pinhole cameras, got equirectangular: .*not made .* again"):
        convert(tmp_path / "out" / "train.h5", tmp_path / "more", to="panorama")


def test_without_depth_none_is_stored_and_it_is_told(made: Path, tmp_path: Path) -> None:
    report = convert(made / "root", tmp_path / "out", to="panorama", split="val", **small())
    (note,) = report.problems
    assert (note.code, note.severity) == ("panoramas-without-depth", "warning")
    assert "2 panoramas have no depth and no valid mask" in note.message
    assert "policy infinity" in note.message
    assert report.facts["valid"] == "not stored: there is no depth"
    views = lapsdata.read(tmp_path / "out" / "validate.h5", Views)
    assert not views.present["depth"].any()
    assert not views.present["valid"].any()
    assert views.present["covered"].all()
    assert views.header.cameras[0].depth is None
    assert views.header.policies["panoramas_without_depth"] == 2
    with pytest.raises(SchemaError, match='expected depth for colours "by_depth", got none'):
        convert(made / "root", tmp_path / "more", to="panorama", split="val", **small(colour="by_depth"))


def test_what_is_missing_is_counted(copy: Path, tmp_path: Path) -> None:
    (copy / "depth" / FOLDER / "641" / "000069_camera1_depth.npy").unlink()
    (copy / "root" / FOLDER / "1000" / "000069_camera3.png").unlink()
    for number in range(4):
        (copy / "root" / FOLDER / "-1" / f"000071_camera{number}.png").unlink()
    told = {"split": "train", "depth_root": copy / "depth", **small()}
    report = convert(copy / "root", tmp_path / "out", to="panorama", **told)
    views = lapsdata.read(tmp_path / "out" / "train.h5", Views)
    counted = {name: count for name, count in views.header.policies.items() if not name.startswith("pixels_")}
    assert counted == {"cameras_without_images": 1, "cameras_without_depth": 1, "agents_without_images": 1}
    assert {"cameras-without-images", "cameras-without-depth", "agents-without-images"} <= {
        one.code for one in report.problems
    }
    assert [list(views.views_of(place)) for place in range(2)] == [[0, 1, 2], [3, 4]]
    # A camera is gone, and the centre is where it was.
    x, y, z = np.mean([matrix_of(SCENE.camera_pose("1000", 69, number))[:3, 3] for number in range(4)], axis=0)
    np.testing.assert_allclose(views.cam2world[0, :3, 3], [y, -z, x], atol=1e-9)
    assert views.read("covered", 0).mean() < 0.72


def test_depth_of_a_lidar_is_called_sparse(made: Path, tmp_path: Path) -> None:
    from lapsdata._convert._lidar_depth import depth_from_lidar

    depth_from_lidar(made / "root", tmp_path / "lidar", split="val", workers=1)
    told = {"split": "val", "depth_root": tmp_path / "lidar"}
    report = convert(made / "root", tmp_path / "out", to="panorama", **told, **small())
    assert [(one.code, one.severity) for one in report.problems] == [("sparse-depth", "info")]
    whole = convert(made / "root", tmp_path / "out", to="panorama", **told, **small(colour="infinity"))
    assert whole.problems == ()
    assert [entry.fate for entry in whole.entries] == ["changed"]


def test_memory_does_not_grow_with_the_panoramas(made: Path) -> None:
    """Only those that threads are at are held: the one that is read, and one for each thread."""
    cameras = read_opv2v(made / "root", split="train", cache=None).container
    assert isinstance(cameras, Views)
    views = panorama_views(cameras, PanoramaOptions(**SIZE))
    with ThreadPoolExecutor(2) as pool:
        ahead = _Ahead(views, pool, 2)
        for view in range(len(views)):
            for layer in ("image", "covered"):
                assert np.array_equal(ahead.read(layer, view), views.read(layer, view))
                assert len(ahead._begun) <= 3
        assert ahead.total().covered == sum(views.read("covered", view).sum() for view in range(len(views)))
        assert ahead.told("image", 5).startswith("image of the panorama of ")


# --- once, whole, and what is refused ---------------------------------------------------------------------------


def test_what_is_there_is_kept_and_what_changed_is_made_again(copy: Path, tmp_path: Path) -> None:
    told: dict[str, Any] = {"to": "panorama", "agents": "1", **small()}
    assert [one.fate for one in convert(copy / "root", tmp_path / "out", **told).entries] == ["made", "made"]
    before = (tmp_path / "out" / "train.h5").read_bytes()
    assert [one.fate for one in convert(copy / "root", tmp_path / "out", **told).entries] == ["kept", "kept"]
    (tmp_path / "out" / "train.h5").unlink()
    again = convert(copy / "root", tmp_path / "out", **{**told, "workers": 1})
    assert [one.fate for one in again.entries] == ["made", "kept"]
    assert (tmp_path / "out" / "train.h5").read_bytes() == before
    (copy / "root" / FOLDER / "641" / "000069.pcd").unlink()
    assert [one.fate for one in convert(copy / "root", tmp_path / "out", **told).entries] == ["changed", "changed"]


def test_a_damaged_picture_fails_its_split_alone_and_leaves_nothing(copy: Path, tmp_path: Path) -> None:
    path = copy / "root" / FOLDER / "641" / "000071_camera1.png"
    path.write_bytes(path.read_bytes()[:-9])
    report = convert(copy / "root", tmp_path / "out", to="panorama", **small())
    assert [entry.fate for entry in report.entries] == ["failed", "made"]
    assert str(path) in next(one.where for one in report.problems if one.severity == "error")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["run.json", "validate.h5"]


def test_what_cannot_be_is_refused(made: Path, tmp_path: Path) -> None:
    root, out = made / "root", tmp_path / "out"
    with pytest.raises(SchemaError, match="expected a set from 0 to 1 of train, got 2"):
        convert(root, out, to="panorama", split="train", index=2)
    with pytest.raises(SchemaError, match="expected one of the splits train, validate, got 'test'"):
        convert(root, out, to="panorama", split="test")
    with pytest.raises(SchemaError, match="expected a folder for the splits train, validate"):
        convert(root, tmp_path / "one.h5", to="panorama")
    with pytest.raises(SchemaError, match=r"only for panoramas; pass --to panorama"):
        convert(root, tmp_path / "one.h5", index=0)
    with pytest.raises(SchemaError, match="pixels are stored as they are"):
        convert(root, out, to="panorama", profile="compact")
    with pytest.raises(UnknownFormatError, match=r"views_hdf5 \(hdf5\), wai, panorama, got --to panoramo"):
        convert(root, out, to="panoramo")
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    with pytest.raises(UnknownFormatError, match="expected one of the formats of tracks"):
        convert(tmp_path / "clip.h5", out, to="panorama")
    with pytest.raises(SchemaError, match="v_fov_deg"):
        convert(root, out, to="panorama", panorama=PanoramaOptions(model="cylinder", v_fov_deg=180))
    assert not out.exists()


def test_the_command(made: Path, tmp_path: Path, inside: Callable[..., Ran]) -> None:
    run = functools.partial(inside, "convert")
    root = (made / "root", tmp_path / "out", "--to", "panorama", "--split", "val", "--index", 0)
    options = ("--size", "126x32", "--model", "cylinder", "--v-fov", 80, "--place", "camera0", "--depth-root")
    code, told, _ = run(*root, *options, made / "depth", "--json")
    assert code == 0
    (item,) = json.loads(told)["items"]
    assert item["output"].endswith("validate_000000.h5")
    assert set(item["made"]["agents"]) == {"7", "8"}
    (model,) = lapsdata.read(tmp_path / "out" / "validate_000000.h5", Views).header.cameras
    assert (model.kind, model.size.width, model.angles and model.angles.low_deg) == ("cylinder", 126, -40)
    code, told, problems = run(*root, "--size", "126x32", "--v-fov", 181)
    assert code == 1
    assert "v_fov_deg" in problems
    code, _, problems = run(made / "root", tmp_path / "x.h5", "--crop-first")
    assert code == 2
    assert "only with --to panorama" in problems


def job(made: Path, output: Path, **told: Any) -> Job[ConvertWork]:
    """Return the work on the split for training, as the command plans it."""
    options = ConvertOptions(to="views_hdf5", panorama=PanoramaOptions(**SIZE), **told)
    found = find_sources(made / "root", frozenset({"views"}))
    plugin = target_format("views", "panorama", output)
    item, *_ = panorama_items(found, output, plugin, options, made / "depth", 2)
    return Job(item, Found("missing"))


def test_a_run_that_is_stopped_leaves_nothing_and_the_next_one_makes_the_same(
    made: Path, around: Views, tmp_path: Path
) -> None:
    """Between any two panoramas: no file is there, and nothing unfinished, and threads have ended."""
    work = job(made, tmp_path, split="train")
    assert (work.item.name, work.item.output, work.item.units) == ("train", tmp_path / "train.h5", 6)
    for stop in (1, 4, 6):
        told: list[int] = []

        def tell(units: int, stop: int = stop, told: list[int] = told) -> None:
            told.append(units)
            if len(told) == stop:
                raise KeyboardInterrupt

        threads = threading.active_count()
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            convert_item(work, tell)
        assert list(tmp_path.iterdir()) == []
        assert threading.active_count() == threads
    counted: list[int] = []
    result = convert_item(work, counted.append)
    assert result is not None
    assert (result.windows, result.unit, counted) == (6, "panoramas", [1] * 6)
    assert result.bytes_after == work.item.output.stat().st_size
    again = lapsdata.read(work.item.output, Views)
    assert all(np.array_equal(one[1], other[1]) for one, other in zip(again.arrays(), around.arrays(), strict=True))
    assert again.header.cameras == around.header.cameras
    assert again.header.policies == around.header.policies


@pytest.mark.parametrize(
    ("told", "name", "units"),
    [
        ({"split": "val"}, "validate.h5", 2),
        ({"split": "train", "index": 1}, "train_000001.h5", 3),
        ({"split": "train", "agents": "2"}, "train.h5", 4),
        ({"split": "train", "agents": "train=2:drawn@3", "index": 0}, "train_000000.h5", 2),
        ({"agents": "validate=1", "split": "validate", "index": 0}, "validate_000000.h5", 1),
    ],
)
def test_what_is_planned_for_which_words(
    made: Path, tmp_path: Path, told: dict[str, Any], name: str, units: int
) -> None:
    item = job(made, tmp_path, **told).item
    assert item.output == tmp_path / name
    assert item.units == units
    assert [parent.name for parent in item.payload.parents] == ["root", "depth"]
    # The name of a file is taken as it is, and changes nothing of what is made.
    named = job(made, tmp_path / "mine.h5", **told).item
    assert named.output == tmp_path / "mine.h5"
    assert named.key == item.key


@pytest.mark.parametrize("said", ["train=2,validate=1", "train=2,val=1"])
@pytest.mark.parametrize(("split", "count"), [("val", 1), ("validate", 1), ("train", 4)])
def test_a_rule_for_all_splits_serves_one_of_them(
    made: Path, tmp_path: Path, said: str, split: str, count: int
) -> None:
    report = convert(made / "root", tmp_path / "out", to="panorama", split=split, agents=said, **small())
    (entry,) = report.entries
    assert (entry.fate, only(report).windows) == ("made", count), report.problems
    views = lapsdata.read(entry.output, Views)
    assert len(views) == count
    assert set(views.header.selections) == set(views.split) == {entry.name}
    again = convert(made / "root", tmp_path / "out", to="panorama", split=split, agents=said, **small())
    assert [one.fate for one in again.entries] == ["kept"]


def test_the_answer_names_what_was_written(made: Path, tmp_path: Path) -> None:
    """A name that follows from the index is nothing that an option spells."""
    told: dict[str, Any] = {"to": "panorama", "agents": "1", **small()}
    report = convert(made / "root", tmp_path / "out", index=0, **told)
    paths = [tmp_path / "out" / name for name in ("train_000000.h5", "validate_000000.h5")]
    assert report.facts["written"] == f"{paths[0]}, {paths[1]}"
    assert all(path.is_file() for path in paths)
    assert "written" not in convert(made / "root", tmp_path / "out", index=0, **told).facts
    paths[1].unlink()
    assert convert(made / "root", tmp_path / "out", index=0, **told).facts["written"] == str(paths[1])


def test_every_option_makes_another_key(made: Path, tmp_path: Path) -> None:
    found = find_sources(made / "root", frozenset({"views"}))
    plugin = target_format("views", "panorama", tmp_path)
    options = [
        {},
        {"model": "cylinder"},
        {"v_fov_deg": 80.0},
        {"place": "camera0"},
        {"crop_first": True},
        {"colour": "infinity"},
        {"size": Size(width=252, height=64)},
    ]
    keys = set()
    for told in options:
        asked = ConvertOptions(to="views_hdf5", split="train", panorama=PanoramaOptions(**(SIZE | told)))
        (item,) = panorama_items(found, tmp_path, plugin, asked, None, None)
        keys.add(item.key)
    (with_depth,) = panorama_items(
        found,
        tmp_path,
        plugin,
        ConvertOptions(to="views_hdf5", split="train", panorama=PanoramaOptions(**SIZE)),
        made / "depth",
        None,
    )
    assert len(keys | {with_depth.key}) == len(options) + 1


def test_depth_and_pictures_of_a_file_of_ours_are_verified(made: Path, tmp_path: Path) -> None:
    """A flipped bit in the source ends the conversion, with the row that is not as it was written."""
    source = tmp_path / "views.h5"
    convert(made / "root", source, split="val", depth_root=made / "depth")
    with h5py.File(source) as file:
        stored = file["pixels/40x30/depth"]
        place = stored.id.get_offset() + 3 * stored.nbytes // len(stored) + 11
    content = bytearray(source.read_bytes())
    content[place] ^= 16
    source.write_bytes(content)
    report = convert(source, tmp_path / "out", to="panorama", **small())
    assert [entry.fate for entry in report.entries] == ["failed"]
    (problem,) = report.problems
    assert problem.code == "payload-checksum"
    assert "pixels/40x30/depth" in problem.where
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["run.json"]


def test_selections_and_what_was_left_out_before_stay_in_the_header(made: Path, tmp_path: Path) -> None:
    """Agents may be chosen for several splits at once; one of them has no set with so many, and no file."""
    report = convert(made / "root", tmp_path / "out", to="panorama", agents="train=3,validate=4", **small())
    assert [(entry.name, entry.fate) for entry in report.entries] == [("train", "made")]
    header = lapsdata.formats.read_header(tmp_path / "out" / "train.h5")
    assert isinstance(header, ViewsHeader)
    assert {split: one.count for split, one in header.selections.items()} == {"train": 3, "validate": 4}
    assert header.policies["sets_with_too_few_agents"] == 1
    assert "sets-left-out" in [one.code for one in report.problems]
    both = convert(made / "root", tmp_path / "both", to="panorama", agents="train=2,validate=1", **small())
    assert [entry.fate for entry in both.entries] == ["made", "made"]
    rule = {"agents": "2", "split": "train", **small()}
    assert [one.fate for one in convert(made / "root", tmp_path / "a", to="panorama", **rule).entries] == ["made"]
    assert [one.fate for one in convert(made / "root", tmp_path / "a", to="panorama", **rule).entries] == ["kept"]


def test_the_answer_as_json_has_the_shares_of_every_agent(made: Path, tmp_path: Path) -> None:
    report = convert(made / "root", tmp_path / "out", to="panorama", depth_root=made / "depth", **small())
    items = {item["name"]: item["made"]["agents"] for item in report.as_json()["items"]}
    assert {name: set(agents) for name, agents in items.items()} == {
        "train": {"641", "1000", "-1"},
        "validate": {"7", "8"},
    }
    for agents in items.values():
        for shares in agents.values():
            assert 0 < shares["valid"] < shares["non_ambiguous"] <= shares["covered"] < 0.9
    assert report.facts["panoramas"] == "8"
    assert "agent" in report.facts["valid"]
    assert report.facts["covered"].endswith(" and 1 other agent with as much or more")
    again = convert(made / "root", tmp_path / "out", to="panorama", depth_root=made / "depth", **small())
    assert again.facts["kept"].startswith("2, not read again: lapsdata check ")
    assert "covered" not in again.facts
