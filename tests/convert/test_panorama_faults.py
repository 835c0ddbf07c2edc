"""Panoramas and depth of LiDARs when something goes wrong: what is left, what is said, and what the next run makes."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

import lapsdata
from lapsdata import _convert
from lapsdata._convert import PanoramaOptions, _panoramas, convert
from lapsdata._convert._lidar_depth import depth_from_lidar
from lapsdata.containers import Views
from lapsdata.errors import CorruptDataError, SchemaError, StorageError, UnknownFormatError
from lapsdata.schema.base import Size
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_views
from lapsdata.transforms.panorama_views import PanoramaPixels

if TYPE_CHECKING:
    from collections.abc import Callable

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000"), (69, 71), size=(32, 24), beams=(2, 8))
FOLDER = Path("train") / SCENE.name
SMALL: dict[str, Any] = {"to": "panorama", "panorama": PanoramaOptions(size=Size(width=84, height=21)), "workers": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", [SCENE], depth_root=folder / "depth", depth="npy")
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def fates(report: Any) -> list[str]:
    return [entry.fate for entry in report.entries]


# --- files that are not what they should be ---------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def a_text(path: Path) -> None:
    path.write_text("404: not found")


@pytest.mark.parametrize("harm", [cut, emptied, a_text])
@pytest.mark.parametrize("layer", ["picture", "depth"])
def test_a_file_that_is_none_ends_its_split_and_is_named(
    copy: Path, tmp_path: Path, harm: Callable[[Path], None], layer: str
) -> None:
    root, ending = (copy / "root", ".png") if layer == "picture" else (copy / "depth", "_depth.npy")
    path = root / FOLDER / "641" / f"000071_camera2{ending}"
    harm(path)
    report = convert(copy / "root", tmp_path / "out", depth_root=copy / "depth", **SMALL)
    assert fates(report) == ["failed"]
    errors = [problem for problem in report.problems if problem.severity == "error"]
    assert [str(path) in problem.where for problem in errors] == [True]
    assert names(tmp_path / "out") in ([], ["run.json"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_depth_that_is_no_number_is_never_taken(copy: Path, tmp_path: Path, value: float) -> None:
    path = copy / "depth" / FOLDER / "641" / "000069_camera0_depth.npy"
    depth = np.load(path)
    depth[3, 4] = value
    np.save(path, depth)
    report = convert(copy / "root", tmp_path / "out", depth_root=copy / "depth", **SMALL)
    assert fates(report) == ["failed"]
    (problem,) = (one for one in report.problems if one.severity == "error")
    assert problem.where.endswith("000069_camera0_depth.npy")
    assert problem.message == f"expected metres from 0, and 0 for none, got {value} (1 such)"


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.uint16])
def test_depth_of_another_type_has_the_same_numbers_or_is_refused(copy: Path, tmp_path: Path, dtype: Any) -> None:
    """No half precision and no millimetres are taken for metres without a word."""
    for path in (copy / "depth").rglob("*.npy"):
        np.save(path, np.load(path).astype(dtype))
    report = convert(copy / "root", tmp_path / "one.h5", depth_root=copy / "depth", **SMALL)
    if fates(report) == ["failed"]:
        assert "expected" in str(report.problems)
        assert not (tmp_path / "one.h5").exists()
        return
    convert(made_again(copy), tmp_path / "two.h5", depth_root=copy / "single", **SMALL)
    one, two = (lapsdata.read(tmp_path / name, Views) for name in ("one.h5", "two.h5"))
    np.testing.assert_allclose(one.read("depth", 0), two.read("depth", 0), rtol=1e-6)


def made_again(copy: Path) -> Path:
    """Write the depth that is there as float32 beside it."""
    for path in (copy / "depth").rglob("*.npy"):
        target = copy / "single" / path.relative_to(copy / "depth")
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, np.load(path).astype(np.float32))
    return copy / "root"


def test_pictures_of_two_sizes_in_one_rig_are_refused_by_file(copy: Path, tmp_path: Path) -> None:
    small = Opv2vScene(SCENE.split, SCENE.name, SCENE.agents, (69,), size=(16, 12), beams=(2, 8))
    write_opv2v(tmp_path / "small", [small])
    name = FOLDER / "641" / "000069_camera1.png"
    shutil.copyfile(tmp_path / "small" / name, copy / "root" / name)
    report = convert(copy / "root", tmp_path / "out", **SMALL)
    assert fates(report) == ["failed"]
    # The first picture of a camera tells its size: any other is said to differ.
    assert "000071_camera1.png" in report.problems[0].where
    message = "expected image of 16x12 pixels, as camera1 of agent 641 has, got 32x24"
    assert report.problems[0].message == message
    assert names(tmp_path / "out") in ([], ["run.json"])


def test_a_pose_that_is_none_leaves_its_frame_out_and_is_told(copy: Path, tmp_path: Path) -> None:
    path = copy / "root" / FOLDER / "641" / "000071.yaml"
    told = yaml.safe_load(path.read_text())
    told["camera2"]["cords"][4] = float("nan")
    path.write_text(yaml.safe_dump(told))
    report = convert(copy / "root", tmp_path / "one.h5", **SMALL)
    assert fates(report) == ["made"]
    assert any("000071.yaml" in problem.where for problem in report.problems)
    views = lapsdata.read(tmp_path / "one.h5", Views)
    assert [(views.agent[view], int(views.frame[views.set_of[view]])) for view in range(len(views))] == [
        ("1000", 69),
        ("641", 69),
        ("1000", 71),
    ]


# --- what happens while it works --------------------------------------------------------------------------------


def test_a_picture_that_vanishes_meanwhile_ends_it(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there when the root was looked at."""
    before = PanoramaPixels.made

    def made(self: PanoramaPixels, view: int) -> Any:
        (copy / "root" / FOLDER / "641" / "000071_camera1.png").unlink(missing_ok=True)
        return before(self, view)

    monkeypatch.setattr(PanoramaPixels, "made", made)
    report = convert(copy / "root", tmp_path / "out", **SMALL)
    assert fates(report) == ["failed"]
    assert "000071_camera1.png" in str(report.problems)
    assert names(tmp_path / "out") in ([], ["run.json"])


def test_a_root_that_becomes_something_else_is_not_read(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the plan and the work no adapter knows the folder any more."""
    before = _panoramas.find_adapter
    calls: list[Path] = []

    def find(path: Path, records: Any) -> Any:
        calls.append(path)
        return before(path, records) if len(calls) == 1 else None

    monkeypatch.setattr(_panoramas, "find_adapter", find)
    report = convert(copy / "root", tmp_path / "out", **SMALL)
    assert fates(report) == ["failed"]
    assert [problem.code for problem in report.problems] == ["changed-meanwhile"]
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "no space left on the device"),
        (errno.EIO, "the device reported an error"),
        (errno.EDQUOT, "the disk quota is used up"),
    ],
)
def test_a_disk_that_refuses_leaves_nothing_and_the_next_run_makes_it(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", refusing(code))
        report = convert(made / "root", tmp_path / "one.h5", **SMALL)
        assert fates(report) == ["failed"]
        assert message in report.problems[0].message
    assert names(tmp_path) == []
    assert fates(convert(made / "root", tmp_path / "one.h5", **SMALL)) == ["made"]


def refusing(code: int) -> Callable[[int], None]:
    def refused(_: int) -> None:
        raise OSError(code, os.strerror(code))

    return refused


def test_a_file_of_another_is_never_replaced(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "train.h5").write_bytes(b"mine")
    for force in (False, True):
        report = convert(made / "root", out, force=force, **SMALL)
        assert fates(report) == ["failed"]
        assert (out / "train.h5").read_bytes() == b"mine"
    views = tmp_path / "views.h5"
    lapsdata.write(views, sample_views())
    before = digest(views)
    report = convert(made / "root", views, **SMALL)
    assert fates(report) == ["failed"]
    assert digest(views) == before


def test_another_root_is_another_source(made: Path, copy: Path, tmp_path: Path) -> None:
    """The same name, made of something else: not replaced without being asked."""
    target = tmp_path / "one.h5"
    convert(made / "root", target, **SMALL)
    before = digest(target)
    other = copy / "other"
    (copy / "root").rename(other)
    # The same files under another name are the same source.
    assert fates(convert(other, target, **SMALL)) == ["kept"]
    (other / FOLDER / "641" / "000069.pcd").unlink()
    report = convert(other, target, **SMALL)
    assert fates(report) == ["failed"]
    assert "it was converted from root; --force replaces it" in str(report.problems)
    assert digest(target) == before
    assert fates(convert(other, target, force=True, **SMALL)) == ["changed"]


def test_any_number_of_threads_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    for workers in (1, 2, 5):
        convert(made / "root", tmp_path / f"{workers}.h5", depth_root=made / "depth", **{**SMALL, "workers": workers})
    assert len({digest(path) for path in tmp_path.iterdir()}) == 1
    assert len(names(tmp_path)) == 3


def test_a_damaged_output_is_made_again(made: Path, tmp_path: Path) -> None:
    target = tmp_path / "one.h5"
    convert(made / "root", target, **SMALL)
    whole = digest(target)
    content = bytearray(target.read_bytes())
    at = content.find(b'"panoramas_without_depth"')
    content[at + 3] ^= 1
    target.write_bytes(content)
    report = convert(made / "root", target, **SMALL)
    assert fates(report) == ["damaged"], report.problems
    assert digest(target) == whole


# --- words ------------------------------------------------------------------------------------------------------


def test_views_without_any_picture_make_none(copy: Path, tmp_path: Path) -> None:
    for path in (copy / "root").rglob("*.png"):
        path.unlink()
    with pytest.raises(SchemaError, match="expected pictures to make panoramas of, got none of any view"):
        convert(copy / "root", tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists()


def test_depth_roots_are_for_views_of_others(made: Path, tmp_path: Path) -> None:
    convert(made / "root", tmp_path / "views.h5")
    with pytest.raises(SchemaError, match="expected none with views, got some: only of views of others"):
        convert(tmp_path / "views.h5", tmp_path / "out", depth_root=made / "depth", **SMALL)
    with pytest.raises(StorageError, match="no-depth"):
        convert(made / "root", tmp_path / "out", depth_root=tmp_path / "no-depth", **SMALL)


def test_the_output_is_apart_from_the_source(copy: Path) -> None:
    before = names(copy / "root")
    for target in (copy / "root", copy / "root" / "train", copy / "root" / "around"):
        with pytest.raises(SchemaError, match="expected an output apart from its source"):
            convert(copy / "root", target, **SMALL)
    assert names(copy / "root") == before


def test_names_in_the_help_are_the_names_that_are_written(made: Path, tmp_path: Path) -> None:
    from lapsdata.cli.convert import convert as command

    told = re.search(r"with --index 7\s+DST/(\S+\.h5)", command.__doc__ or "")
    assert told is not None
    with pytest.raises(SchemaError, match="expected a set from 0 to 1 of train, got 7"):
        convert(made / "root", tmp_path, index=7, **SMALL)
    convert(made / "root", tmp_path / "out", index=1, **SMALL)
    assert told[1].replace("7", "1") in names(tmp_path / "out")


# --- depth of a LiDAR -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", [cut, emptied, a_text])
def test_a_cloud_that_is_none_fails_its_agent_alone(copy: Path, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    harm(copy / "root" / FOLDER / "641" / "000071.pcd")
    report = depth_from_lidar(copy / "root", tmp_path / "depth", workers=1)
    assert sorted(fates(report)) == ["failed", "made"]
    assert names(tmp_path / "depth" / FOLDER) == ["1000"]
    assert "000071.pcd" in str(report.problems)


def test_depth_on_a_disk_that_refuses_leaves_no_folder(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lapsdata._convert import _lidar_depth

    calls = []
    save = np.save

    def refused(path: Path, values: Any) -> None:
        calls.append(path)
        if len(calls) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(path, values)

    monkeypatch.setattr(_lidar_depth.np, "save", refused)
    report = depth_from_lidar(made / "root", tmp_path / "depth", workers=1)
    assert fates(report) == ["failed", "made"]
    assert "no space left on the device" in report.problems[0].message
    assert names(tmp_path / "depth" / FOLDER) == ["641"]
    monkeypatch.undo()
    again = depth_from_lidar(made / "root", tmp_path / "depth", workers=1)
    assert fates(again) == ["made", "kept"]


def test_a_table_that_was_changed_is_no_proof(made: Path, tmp_path: Path) -> None:
    """The seal says so: what it vouched for is made again."""
    depth_from_lidar(made / "root", tmp_path / "depth", workers=1)
    table = tmp_path / "depth" / FOLDER / "641" / "lidar_depth.json"
    table.write_text(table.read_text().replace("000069_camera0_depth.npy", "000069_camera9_depth.npy"))
    again = depth_from_lidar(made / "root", tmp_path / "depth", workers=1)
    assert sorted(fates(again)) == ["damaged", "kept"]
    assert "000069_camera0_depth.npy" in table.read_text()


def test_force_makes_depth_again_and_the_same(made: Path, tmp_path: Path) -> None:
    depth_from_lidar(made / "root", tmp_path / "depth", workers=1)
    before = {path: digest(path) for path in (tmp_path / "depth").rglob("*.npy")}
    again = depth_from_lidar(made / "root", tmp_path / "depth", force=True, workers=1)
    assert fates(again) == ["forced", "forced"]
    assert {path: digest(path) for path in before} == before


def test_a_file_is_no_root_of_points(made: Path, tmp_path: Path) -> None:
    convert(made / "root", tmp_path / "views.h5")
    with pytest.raises(UnknownFormatError, match="expected a root of OPV2V, whose frames have point clouds"):
        depth_from_lidar(tmp_path / "views.h5", tmp_path / "depth")
    with pytest.raises(StorageError, match="nothing"):
        depth_from_lidar(tmp_path / "nothing", tmp_path / "depth")


def test_an_error_of_one_thread_is_that_of_the_run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread meets a few panoramas ahead is raised when its turn comes, and no thread is left behind."""
    import threading

    before = PanoramaPixels.made

    def made_but_one(self: PanoramaPixels, view: int) -> Any:
        if view == 2:
            raise CorruptDataError(lapsdata.errors.Problem("broken", "view 2", "expected more, got less"))
        return before(self, view)

    monkeypatch.setattr(PanoramaPixels, "made", made_but_one)
    threads = threading.active_count()
    report = convert(made / "root", tmp_path / "one.h5", **SMALL)
    assert fates(report) == ["failed"]
    assert [problem.code for problem in report.problems] == ["broken"]
    assert threading.active_count() == threads
    assert names(tmp_path) == []
    assert _convert.convert is convert
