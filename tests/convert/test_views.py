"""Views of others become files of ours: whole, once, anew where anything they are made of has changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

import lapsdata
from lapsdata._convert import PanoramaOptions, convert
from lapsdata._convert._keys import MARK
from lapsdata.containers import Views
from lapsdata.errors import SchemaError, StorageError, UnknownFormatError
from lapsdata.schema import Size, ViewsHeader
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_views

if TYPE_CHECKING:
    from lapsdata._convert import ConvertReport

SCENES = (
    Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 71), size=(16, 12), beams=(4, 16)),
    Opv2vScene("validate", "2021_09_09_13_20_58", ("7", "8"), (70,), size=(16, 12), beams=(4, 16)),
)
FOLDER = Path("train") / SCENES[0].name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", SCENES, depth_root=folder / "depth", depth="npy")
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """Root and depth, which a test may change."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def fate(report: ConvertReport) -> str:
    (entry,) = report.entries
    assert not report.problems or entry.fate != "failed", report.problems
    return entry.fate


def made_of(path: Path) -> list[tuple[str, str]]:
    header = lapsdata.formats.read_header(path)
    assert isinstance(header, ViewsHeader)
    assert "/" not in str(header.provenance.parameters)
    assert MARK in (header.provenance.model_extra or {})
    return [(parent.role, parent.name) for parent in header.provenance.parents]


def test_all_splits_become_one_file(made: Path, tmp_path: Path) -> None:
    report = convert(made / "root", tmp_path / "all.h5")
    assert fate(report) == "made"
    views = lapsdata.read(tmp_path / "all.h5", Views)
    assert views.split == ("train", "train", "validate")
    assert (views.sets, len(views)) == (3, 32)
    for view in (0, 13, 31):
        scene = SCENES[0] if view < 24 else SCENES[1]
        frame = int(views.frame[int(views.set_of[view])])
        image, _ = scene.picture(views.agent[view], frame, int(views.camera[view][-1]))
        np.testing.assert_array_equal(views.read("image", view), image)
    assert made_of(tmp_path / "all.h5") == [("yaml-of-opv2v", "root"), ("converted", "root")]


def test_a_file_goes_into_a_folder_under_the_name_of_its_root(made: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    report = convert(made / "root", tmp_path / "out", to="views_hdf5", split="val")
    assert [entry.output for entry in report.entries] == [tmp_path / "out" / "root.h5"]
    assert lapsdata.read(tmp_path / "out" / "root.h5", Views).split == ("validate",)


@pytest.mark.parametrize("what", ["yaml", "picture", "points", "depth", "nothing"])
def test_what_changed_is_made_again(copy: Path, tmp_path: Path, what: str) -> None:
    out, told = tmp_path / "out.h5", {"depth_root": copy / "depth", "agents": "2"}
    assert fate(convert(copy / "root", out, **told)) == "made"
    before = out.read_bytes()
    agent = copy / "root" / FOLDER / "641"
    if what == "yaml":
        path = agent / "000069.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "ego_speed": 1.0}))
    elif what == "picture":
        shutil.copy(agent / "000071_camera0.png", agent / "000069_camera0.png")
    elif what == "points":
        (agent / "000069.pcd").unlink()
    elif what == "depth":
        (copy / "depth" / FOLDER / "641" / "000069_camera0_depth.npy").unlink()
    again = convert(copy / "root", out, **told)
    assert (fate(again) == "kept") == (what == "nothing")
    assert (out.read_bytes() == before) == (what == "nothing")


@pytest.mark.parametrize("to", ["views_hdf5", "panorama"])
@pytest.mark.parametrize("what", ["depth", "picture", "points"])
def test_files_of_the_same_size_with_other_numbers_are_read_again(
    copy: Path, tmp_path: Path, to: str, what: str
) -> None:
    told: dict[str, Any] = {"to": to, "split": "validate", "depth_root": copy / "depth"}
    told |= {"panorama": PanoramaOptions(size=Size(width=48, height=12))} if to == "panorama" else {}
    out = tmp_path / "out.h5"
    assert fate(convert(copy / "root", out, **told)) == "made"
    (folder,) = (copy / ("depth" if what == "depth" else "root") / "validate").iterdir()
    ending = {"depth": "_camera0_depth.npy", "picture": "_camera0.png", "points": ".pcd"}[what]
    path = sorted(folder.rglob(f"*{ending}"))[0]
    before = path.stat()
    if what == "depth":
        np.save(path, np.load(path) + np.float32(1))
    else:
        path.write_bytes(path.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    first = lapsdata.read(out, Views).read("depth", 0)
    assert fate(convert(copy / "root", out, **told)) == "changed"
    assert np.array_equal(lapsdata.read(out, Views).read("depth", 0), first) == (what != "depth")
    (copy / "depth" / "run.json").write_text("{}")
    assert fate(convert(copy / "root", out, **told)) == "kept"


@pytest.mark.parametrize("change", [{"agents": "3"}, {"agents": "2:drawn@4"}, {"rate": 10}, {"split": "train"}])
def test_another_rule_makes_another_file(made: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    out = tmp_path / "out.h5"
    told: dict[str, Any] = {"agents": "2"}
    assert fate(convert(made / "root", out, **told)) == "made"
    before = lapsdata.read(out, Views)
    assert fate(convert(made / "root", out, **{**told, **change})) != "kept"
    assert not lapsdata.read(out, Views).equals(before)


def test_selections_and_what_was_left_out_stand_in_the_file(made: Path, tmp_path: Path) -> None:
    report = convert(made / "root", tmp_path / "out.h5", agents="train=3,validate=4")
    header = lapsdata.formats.read_header(tmp_path / "out.h5")
    assert isinstance(header, ViewsHeader)
    assert header.policies == {"sets_with_too_few_agents": 1}
    assert {split: one.count for split, one in header.selections.items()} == {"train": 3, "validate": 4}
    (entry,) = report.entries
    assert entry.result is not None
    assert (entry.result.windows, entry.result.unit) == (24, "views")
    assert "sets-left-out" in [note.code for note in entry.result.notes]


def test_what_cannot_be_is_refused(made: Path, tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "views.h5", sample_views())
    with pytest.raises(UnknownFormatError, match=r"expected one of the formats of views, views_hdf5 \(hdf5\)"):
        convert(made / "root", tmp_path / "out.zarr")
    with pytest.raises(SchemaError, match="expected another store or profile, got views_hdf5 again"):
        convert(tmp_path / "views.h5", tmp_path / "out.h5")
    with pytest.raises(SchemaError, match="only of views of others"):
        convert(tmp_path / "views.h5", tmp_path / "out.h5", depth_root=made / "depth")
    with pytest.raises(SchemaError, match="output-in-input"):
        convert(made / "root", made / "root" / "out.h5")
    failed = convert(made / "root", tmp_path / "out.h5", split="test")
    assert [problem.code for problem in failed.problems] == ["unknown-split"]
    lost = convert(made / "root", tmp_path / "out.h5", depth_root=tmp_path / "nothing")
    assert [problem.code for problem in lost.problems] == ["not-found"]
    assert not (tmp_path / "out.h5").exists()


def test_a_picture_that_is_damaged_fails_the_file_by_its_name(copy: Path, tmp_path: Path) -> None:
    path = copy / "root" / FOLDER / "-1" / "000071_camera3.png"
    path.write_bytes(path.read_bytes()[:-9])
    report = convert(copy / "root", tmp_path / "out.h5")
    (problem,) = report.problems
    assert problem.code == "cut-off"
    assert str(path) in problem.where
    assert not (tmp_path / "out.h5").exists()
    with pytest.raises(StorageError, match="not-found"):
        lapsdata.read(tmp_path / "out.h5")
