"""`lapsdata check` and `inspect` of roots of OPV2V: each fault by its file, and nothing of a root that is whole."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import pytest
import yaml

import lapsdata
from lapsdata._inspect.views import counted_views
from lapsdata.adapters.opv2v import faults
from lapsdata.adapters.opv2v.point_cloud import read_pcd
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.checks.integrity import check_integrity
from lapsdata.checks.views import ViewsLook
from lapsdata.containers import Views
from lapsdata.errors import CorruptDataError, StorageError
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_views
from tests.loading.views_by_hand import make_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ran

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 71), size=(24, 18), beams=(4, 20))
OTHER = Opv2vScene("test_culvercity", "2021_09_09_13_20_58", ("7",), (70,), size=(24, 18), beams=(4, 20))
FOLDER = Path("train") / SCENE.name
HEAD = "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nPOINTS {}\nDATA ascii\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", [SCENE, OTHER], depth_root=folder / "depth", depth="npy")
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "root", tmp_path / "root"))


class Result(NamedTuple):
    """How a command ended, and what it wrote."""

    exit_code: int | str | None
    stdout: str
    output: str


@pytest.fixture
def run(inside: Callable[..., Ran]) -> Callable[..., Result]:
    """Run the command in this process."""

    def command(*words: object) -> Result:
        done = inside(*words)
        return Result(done.returncode, done.stdout, done.stdout + done.stderr)

    return command


def found_in(root: Path) -> list[tuple[str, str, str]]:
    (item,) = check_integrity([root]).items
    return [(one.code, one.where.removeprefix(f"{root}/"), one.severity) for one in item.problems]


def test_nothing_is_said_of_a_root_that_is_whole(made: Path, run: Callable[..., Result]) -> None:
    assert found_in(made / "root") == []
    done = run("check", made / "root")
    assert done.exit_code == 0
    assert "opv2v: 3 sets of 28 views, 4 agents in 2 scenarios" in done.output


def place(agent: str, name: str) -> str:
    return str(FOLDER / agent / name)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-15])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbled(path: Path) -> None:
    path.write_text(path.read_text() + "vehicles_2: [\n")


def inverted(path: Path) -> None:
    told = yaml.safe_load(path.read_text())
    told["camera0"]["extrinsic"] = np.linalg.inv(np.array(told["camera0"]["extrinsic"])).tolist()
    path.write_text(yaml.safe_dump(told))


def without_extent(path: Path) -> None:
    told = yaml.safe_load(path.read_text())
    del next(iter(told["vehicles"].values()))["extent"]
    path.write_text(yaml.safe_dump(told))


FAULTS: dict[str, tuple[str, str, Callable[[Path], Any], list[tuple[str, str]]]] = {
    "a picture is gone": ("641", "000071_camera2.png", Path.unlink, [("missing-image", "error")]),
    "a picture is empty": ("641", "000071_camera2.png", empty, [("empty-file", "error")]),
    "a picture is cut": ("-1", "000069_camera0.png", cut, [("cut-off", "error")]),
    "points are gone": ("1000", "000069.pcd", Path.unlink, [("missing-pcd", "warning")]),
    "points are empty": ("1000", "000069.pcd", empty, [("not-pcd", "error")]),
    "points are cut": ("1000", "000069.pcd", cut, [("truncated", "error")]),
    "a vehicle has no size": ("641", "000069.yaml", without_extent, [("wrong-value", "error")]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_told_with_its_file(root: Path, name: str) -> None:
    agent, file, harm, expected = FAULTS[name]
    harm(root / FOLDER / agent / file)
    found = found_in(root)
    assert [(code, severity) for code, _, severity in found] == expected
    assert all(where.startswith(place(agent, file)) for _, where, _ in found)


def resized(path: Path, width: int, height: int) -> None:
    assert cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))


def test_a_picture_of_another_size_than_its_camera_is_an_error(root: Path) -> None:
    resized(root / FOLDER / "641" / "000071_camera1.png", 12, 9)
    (item,) = check_integrity([root]).items
    (problem,) = item.problems
    assert (problem.code, problem.severity) == ("wrong-pixels", "error")
    assert problem.where == str(root / FOLDER / "641" / "000071_camera1.png")
    assert (
        f"expected pictures of 24x18, as camera1 of agent 641 has in 1 of 2 frames of {SCENE.name}, got 12x9 "
        "(1 of another size: '000071_camera1.png')"
    ) in problem.message


def test_pictures_of_other_sizes_are_counted_and_most_say_which_is_right(tmp_path: Path) -> None:
    scene = replace(SCENE, agents=("641",), frames=tuple(range(60, 80, 2)))
    write_opv2v(tmp_path, [scene])
    for frame in (60, 62, 70, 76):
        resized(tmp_path / FOLDER / "641" / f"{frame:06d}_camera3.png", 18, 24)
    (problem,) = (one for one in check_integrity([tmp_path]).items[0].problems if one.code == "wrong-pixels")
    assert problem.where.endswith("000060_camera3.png")
    assert "in 6 of 10 frames" in problem.message
    assert "got 18x24 (4 of another size: '000060_camera3.png', '000062_camera3.png'" in problem.message


@pytest.mark.parametrize(
    ("copies", "told"),
    [
        ({"validate": "train"}, [("validate", "train has not, got 2 of 2", SCENE.name)]),
        (
            {"val": "test_culvercity", "validate": "test_culvercity"},
            [
                ("val", "validate has not, got 1 of 1", OTHER.name),
                ("test_culvercity", "validate has not, got 1 of 1", OTHER.name),
                ("test_culvercity", "val has not, got 1 of 1", OTHER.name),
            ],
        ),
    ],
    ids=["train as validate", "both spellings"],
)
def test_sets_of_another_split_are_an_error(
    root: Path, copies: dict[str, str], told: list[tuple[str, str, str]]
) -> None:
    for copy, split in copies.items():
        shutil.copytree(root / split, root / copy)
    (item,) = check_integrity([root]).items
    found = [one for one in item.problems if one.code == "split-overlap"]
    assert [(one.where, one.severity) for one in found] == [(f"{root}: {split}", "error") for split, _, _ in told]
    for one, (_, counts, scenario) in zip(found, told, strict=True):
        assert f"expected sets that {counts} that it has, the first {scenario}, frame" in one.message


def test_splits_that_are_not_looked_at_are_not_compared(root: Path) -> None:
    shutil.copytree(root / "train", root / "validate")
    (item,) = check_integrity([root], views=ViewsLook(["train", "test_culvercity"])).items
    assert item.problems == ()


def test_some_sets_of_another_split_are_counted_also_in_views_of_ours(tmp_path: Path) -> None:
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[:, 0, 3] = [1, 2, 3, 1]
    made = make_views([1] * 4, split=["train", "train", "validate", "validate"])
    made = replace(made, scenario=("one",) * 4, frame=np.array([60, 62, 64, 60]), cam2world=poses)
    lapsdata.write(tmp_path / "views.h5", made)
    (item,) = check_integrity([tmp_path / "views.h5"]).items
    (problem,) = (one for one in item.problems if one.code == "split-overlap")
    assert (problem.where, problem.severity) == (f"{tmp_path / 'views.h5'}: validate", "error")
    assert "expected sets that train has not, got 1 of 2 that it has, the first one, frame 60" in problem.message
    # Of the same names with another pose they are other sets.
    poses = poses.copy()
    poses[3, 0, 3] = 9
    lapsdata.write(tmp_path / "other.h5", replace(made, cam2world=poses))
    (item,) = check_integrity([tmp_path / "other.h5"]).items
    assert "split-overlap" not in {one.code for one in item.problems}


def test_folders_that_no_agent_is_called_like_are_told(root: Path, tmp_path: Path, run: Callable[..., Result]) -> None:
    (root / FOLDER / "641").rename(root / FOLDER / "rsu_2")
    (root / FOLDER / "notes").mkdir()
    told = f"got 2 of other names, which are passed over: '{FOLDER}/notes', '{FOLDER}/rsu_2'"
    (item,) = check_integrity([root]).items
    (problem,) = item.problems
    assert (problem.code, problem.severity, problem.where) == ("unknown-folder", "warning", str(root))
    assert told in problem.message
    for words in (("inspect", root), ("convert", root, tmp_path / "views.h5", "--workers", 1)):
        done = run(*words)
        assert done.exit_code == 0, done.output
        assert "unknown-folder" in done.output
        assert told in " ".join(done.output.split())


def test_folders_of_a_split_that_is_not_read_are_not_told(root: Path) -> None:
    (root / FOLDER / "rsu_2").mkdir()
    assert [one.code for one in faults.faults_of_opv2v(root, split="train")] == ["unknown-folder"]
    assert list(faults.faults_of_opv2v(root, split="test_culvercity")) == []


def skewed(path: Path, focal: float | None = None) -> None:
    told = yaml.safe_load(path.read_text())
    for number in range(4):
        matrix = told[f"camera{number}"]["intrinsic"]
        matrix[0][1], matrix[0][0] = (2.0, matrix[0][0]) if focal is None else (0.0, focal)
    path.write_text(yaml.safe_dump(told))


@pytest.mark.parametrize("focal", [None, -10.0], ids=["skewed", "negative"])
def test_intrinsics_of_no_camera_are_counted_and_the_first_are_named(root: Path, focal: float | None) -> None:
    for frame in SCENE.frames:
        skewed(root / FOLDER / "641" / f"{frame:06d}.yaml", focal)
    (item,) = check_integrity([root]).items
    (problem,) = (one for one in item.problems if one.code == "wrong-intrinsic")
    assert (problem.severity, problem.where) == ("error", f"{root / FOLDER}/641/000069.yaml: camera0: intrinsic")
    assert "(8 intrinsics: '000069.yaml: camera0', '000069.yaml: camera1', '000069.yaml: camera2' and 5 more)" in (
        problem.message
    )
    (note,) = (one for one in read_opv2v(root).notes if one.code == "wrong-intrinsic")
    assert (note.severity, note.where) == ("warning", problem.where)
    assert "and 5 more): the frame is left out" in note.message


def test_one_intrinsic_of_no_camera_is_told_alone_and_beside_other_refusals(root: Path) -> None:
    path = root / FOLDER / "641" / "000069.yaml"
    told = yaml.safe_load(path.read_text())
    told["camera3"]["intrinsic"][1][1] = -1.0
    path.write_text(yaml.safe_dump(told))
    garbled(root / FOLDER / "-1" / "000071.yaml")
    refused = [one for one in found_in(root) if one[2] == "error"]
    assert [(code, where.partition(": ")[0]) for code, where, _ in refused] == [
        ("wrong-intrinsic", place("641", "000069.yaml")),
        ("broken-yaml", place("-1", "000071.yaml")),
    ]


def test_frames_that_not_all_agents_have_are_told(root: Path) -> None:
    (root / FOLDER / "641" / "000071.yaml").unlink()
    assert found_in(root) == [
        ("unequal-frames", str(FOLDER / "641"), "warning"),
        ("frames-without-yaml", str(FOLDER / "641"), "warning"),
    ]
    (item,) = check_integrity([root]).items
    assert "expected the 2 frames of all agents, got 1: without 71" in str(item.problems[0])
    assert "got pictures or points of 1 without: '000071'" in str(item.problems[1])


def test_broken_yaml_is_told_by_line_and_once(root: Path, run: Callable[..., Result]) -> None:
    path = root / FOLDER / "641" / "000071.yaml"
    lines = len(path.read_text().splitlines())
    garbled(path)
    found = found_in(root)
    assert found == [("broken-yaml", f"{place('641', '000071.yaml')}: line {lines + 2}", "error")]
    done = run("check", root, "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert [problem["code"] for problem in document["problems"]] == ["broken-yaml"]


def test_inverted_extrinsics_are_told_with_their_number(root: Path) -> None:
    for frame in SCENE.frames:
        inverted(root / FOLDER / "-1" / f"{frame:06d}.yaml")
    (item,) = check_integrity([root]).items
    (problem,) = item.problems
    assert (problem.code, "(2 of 28 views)" in problem.message) == ("extrinsic-inverted", True)


def test_a_root_whose_files_changed_has_another_digest(root: Path) -> None:
    before = faults.digest_opv2v(root)
    assert faults.digest_opv2v(root) == before
    cut(root / FOLDER / "641" / "000069_camera0.png")
    assert faults.digest_opv2v(root) != before


def test_inspect_shows_scenarios_agents_and_what_is_missing(root: Path, run: Callable[..., Result]) -> None:
    (root / FOLDER / "641" / "000069_camera1.png").unlink()
    done = run("inspect", root)
    assert done.exit_code == 0
    words = " ".join(done.output.split())
    assert "sets 3 of 4 to 12 views: 1 test_culvercity, 2 train" in words
    assert "train 2021_08_22_21_41_24 1000 641 -1 2 24 69-71 23 0" in words
    assert "1 of 28 pictures are not there" in words
    document = json.loads(run("inspect", root, "--json").stdout)
    assert [one["agents"] for one in document["scenarios"]] == [["1000", "641", "-1"], ["7"]]
    assert document["scenarios"][0]["layers"]["image"] == 23
    wrong = run("inspect", root, "--png", root / "sheet.png")
    assert wrong.exit_code != 0
    assert not (root / "sheet.png").exists()


def test_counts_are_by_scenario() -> None:
    first, second = counted_views(sample_views())
    assert (first.sets, first.views, first.layers["depth"], first.furthest_m) == (
        1,
        2,
        2,
        pytest.approx(2.598, abs=1e-3),
    )
    assert (second.agents, second.first, second.last, second.layers["depth"]) == (("641",), 70, 70, 0)


def test_the_command_converts_with_depth_and_chosen_agents(
    made: Path, tmp_path: Path, run: Callable[..., Result]
) -> None:
    out = tmp_path / "views.h5"
    words = ("convert", made / "root", out, "--split", "train", "--depth-root", made / "depth", "--agents", "2")
    done = run(*words, "--workers", 1)
    assert done.exit_code == 0, done.output
    views = lapsdata.read(out, Views)
    assert (len(views), views.header.selections["train"].count) == (16, 2)
    assert set(views.agent) == {"1000", "641"}
    expected = SCENE.depth("641", 71, 3)
    np.testing.assert_allclose(views.read("depth", 15), np.where(np.isfinite(expected), expected, 0), rtol=1e-6)
    parents = [(one.role, one.name) for one in views.header.provenance.parents]
    assert parents == [("yaml-of-opv2v", "root"), ("converted", "root"), ("converted", "depth")]
    assert "kept" in run(*words, "--workers", 1).output
    inspected = run("inspect", out)
    assert "image of 16, depth of 16, valid of 16" in " ".join(inspected.output.split())
    checked = run("check", out)
    assert "views_hdf5: verified" in checked.output


def test_options_of_views_are_refused_for_others(made: Path, tmp_path: Path, run: Callable[..., Result]) -> None:
    from lapsdata.testing.samples import sample_tracks

    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    wrong = run("convert", tmp_path / "clip.h5", tmp_path / "out.zarr", "--agents", "2")
    assert wrong.exit_code != 0
    assert "only of views of others" in " ".join(wrong.output.split())
    wrong = run("convert", made / "root", tmp_path / "depth", "--depth-from-lidar", "--agents", "2")
    assert "depth needs none of the other options but --split" in " ".join(wrong.output.split())
    wrong = run("convert", made / "root", tmp_path / "out.h5", "--depth-root", tmp_path / "nowhere", "--workers", 1)
    assert wrong.exit_code != 0
    assert "not-found" in wrong.output


def test_the_command_makes_depth(made: Path, tmp_path: Path, run: Callable[..., Result]) -> None:
    words = ("convert", made / "root", tmp_path / "depth", "--depth-from-lidar", "--split", "train", "--workers", 1)
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "24, float32 metres along the axis of the camera" in " ".join(done.output.split())
    several = run("convert", made / "root", made / "root", tmp_path / "depth", "--depth-from-lidar")
    assert "expected one root of OPV2V" in " ".join(several.output.split())


def test_points_are_read_as_open3d_writes_them(made: Path) -> None:
    cloud = read_pcd(made / "root" / FOLDER / "1000" / "000071.pcd")
    expected = SCENE.cloud("1000", 71)
    np.testing.assert_allclose(cloud.points, expected[:, :3], rtol=1e-9, atol=1e-12)
    assert cloud.intensity is not None
    np.testing.assert_allclose(cloud.intensity, expected[:, 3], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "points", "intensity"),
    [
        (HEAD.format(1) + "1 2 -3.5 1.836709923e-40\n", [[1, 2, -3.5]], [2 / 255]),
        (HEAD.format(0), [], []),
        (HEAD.format(1).replace("TYPE F F F F", "TYPE F F F U") + "1e-3 2 3 8388608\n", [[1e-3, 2, 3]], [128 / 255]),
        (HEAD.format(1).replace(" rgb", "").replace("F F F F", "F F F") + "1 2 3\n", [[1, 2, 3]], None),
        (HEAD.format(2).replace("\n", "\r\n") + "1 2 3 0\n4 5 6 0\n", [[1, 2, 3], [4, 5, 6]], [0, 0]),
    ],
)
def test_points_by_hand(tmp_path: Path, text: str, points: list[list[float]], intensity: list[float] | None) -> None:
    (tmp_path / "a.pcd").write_bytes(text.encode())
    cloud = read_pcd(tmp_path / "a.pcd")
    assert cloud.points.tolist() == points
    assert (None if cloud.intensity is None else cloud.intensity.tolist()) == (
        None if intensity is None else pytest.approx(intensity, abs=1e-6)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected a header of PCD with POINTS and DATA, got 0 bytes \[not-pcd\]|0 bytes"),
        ("hello\n", r"got something else.*\[not-pcd\]"),
        (HEAD.format("many"), r"\[not-pcd\]"),
        (HEAD.format(1).replace("ascii", "binary") + "0000", r"expected DATA ascii, got 'binary'.*\[not-ascii\]"),
        (HEAD.format(1).replace("x y z rgb", "x y z i"), r"expected fields x y z rgb.*\[unknown-fields\]"),
        (HEAD.format(1).replace("TYPE F F F F", "TYPE F F"), r"\[unknown-fields\]"),
        (HEAD.format(2) + "1 2 3 0\n", r"expected 2 points as it says, got 1 lines.*\[truncated\]"),
        (HEAD.format(1) + "1 2 3 0\n4 5 6 0\n", r"expected 1 points as it says, got 2 lines"),
        (HEAD.format(1) + "1 2 3 0", r"got 1 lines, the last of which has no end.*\[truncated\]"),
        (HEAD.format(1) + "1 2 3\n", r"expected 4 numbers in each line.*\[wrong-row\]"),
        (HEAD.format(1) + "1 two 3 0\n", r"expected 4 numbers in each line.*\[wrong-row\]"),
        (HEAD.format(2) + "1 2 3 0\n1 nan 3 0\n", r"expected finite y, got nan in point 1 \(1 such\).*\[wrong-row\]"),
    ],
)
def test_clouds_that_are_none_are_errors(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.pcd").write_text(text)
    with pytest.raises(CorruptDataError, match=f"a.pcd: .*{message}"):
        read_pcd(tmp_path / "a.pcd")


def test_a_cloud_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"a.pcd.*\[not-found\]"):
        read_pcd(tmp_path / "a.pcd")
