"""Views become folders of MapAnything's by the command: the same as from Python, whole, once, with what was lost."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata._convert import PanoramaOptions, convert
from lapsdata._convert._options import ConvertOptions
from lapsdata._convert._planning import single_items
from lapsdata._convert._sources import find_sources
from lapsdata._convert._writing import convert_item
from lapsdata.adapters import write_wai, writers
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.containers import Views
from lapsdata.errors import SchemaError, StorageError
from lapsdata.execution.manifest import Found, Job
from lapsdata.schema.base import Size
from lapsdata.testing._street import matrix_of
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ran

SCENES = (
    Opv2vScene("train", "2021_08_22_21_41_24", ("641", "-1"), (69, 71), size=(16, 12), beams=(2, 8)),
    Opv2vScene("validate", "2021_09_09_13_20_58", ("7", "8"), (70,), size=(16, 12), beams=(2, 8)),
)
SCENE = SCENES[0]
SETS = [f"train_{SCENE.name}_69", f"train_{SCENE.name}_71", f"validate_{SCENES[1].name}_70"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "street", SCENES, depth_root=folder / "depth", depth="npy")
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def meta(folder: Path, scene: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "street" / scene / "scene_meta.json").read_text())
    return told


def views_of(made: Path, **told: Any) -> Views:
    views = read_opv2v(made / "street", depth_root=made / "depth", cache=None, **told).container
    assert isinstance(views, Views)
    return views


def test_a_root_becomes_what_the_function_writes(made: Path, tmp_path: Path) -> None:
    report = convert(made / "street", tmp_path / "wai", to="wai", depth_root=made / "depth")
    assert [entry.fate for entry in report.entries] == ["made"], report.problems
    assert sorted(path.name for path in (tmp_path / "wai" / "street").iterdir()) == SETS
    write_wai(tmp_path / "plain", views_of(made), dataset="street")
    assert digests(tmp_path / "wai") == digests(tmp_path / "plain")
    assert report.facts["views"] == "24"
    assert report.facts["written"] == str(tmp_path / "wai")
    size = sum(path.stat().st_size for path in (tmp_path / "wai").rglob("*") if path.is_file())
    assert report.facts["bytes"].endswith(f" before, {size:,} after")


def test_what_is_lost_is_told(made: Path, tmp_path: Path) -> None:
    report = convert(made / "street", tmp_path / "wai", to="wai", depth_root=made / "depth")
    told = {problem.code: problem for problem in report.problems}
    assert set(told) == {"unverified", "valid-in-depth", "no-times", "no-covisibility"}
    assert told["unverified"].severity == "warning"
    assert told["no-times"].severity == "info"
    assert all(problem.where.startswith("street: ") for problem in report.problems)


def test_a_pixel_leads_to_the_surface_that_it_shows(made: Path, tmp_path: Path) -> None:
    """By the fields of the files alone, as a stranger reads them: focal length, middle, pose, OpenEXR."""
    convert(made / "street", tmp_path / "wai", to="wai", split="train", depth_root=made / "depth")
    told = meta(tmp_path / "wai", SETS[1])
    assert (told["camera_model"], told["camera_convention"], told["scale_type"]) == ("PINHOLE", "opencv", "metric")
    for frame in told["frames"]:
        with av.open(str(tmp_path / "wai" / "street" / SETS[1] / frame["depth"])) as file:
            depth = next(file.decode(video=0)).to_ndarray()
        rows, columns = np.nonzero(depth > 0)
        x, y = (columns - frame["cx"]) / frame["fl_x"], (rows - frame["cy"]) / frame["fl_y"]
        own = np.stack([x, y, np.ones(len(x)), 1 / depth[rows, columns]]) * depth[rows, columns]
        right, down, ahead, _ = np.array(frame["transform_matrix"]) @ own
        world = np.stack([ahead, right, -down], axis=1)
        assert len(world) > 50
        assert SCENE.street(71).gaps(world).max() < 1e-4
        agent, camera = frame["frame_name"].split("_camera")
        eye = matrix_of(SCENE.camera_pose(agent, 71, int(camera)))[:3, 3]
        x, y, z = np.array(frame["transform_matrix"])[:3, 3]
        np.testing.assert_allclose([z, x, -y], eye, atol=1e-9)


def test_the_sky_of_carla_stays_below_0_there(tmp_path: Path) -> None:
    write_opv2v(tmp_path / "street", SCENES[:1], depth_root=tmp_path / "coded", depth="png")
    convert(tmp_path / "street", tmp_path / "wai", to="wai", depth_root=tmp_path / "coded")
    for frame in meta(tmp_path / "wai", SETS[0])["frames"]:
        with av.open(str(tmp_path / "wai" / "street" / SETS[0] / frame["depth"])) as file:
            depth = next(file.decode(video=0)).to_ndarray()
        agent, camera = frame["frame_name"].split("_camera")
        np.testing.assert_array_equal(depth == -1, SCENE.depth(agent, 69, int(camera)) >= 1000)
        assert (depth[depth != -1] > 0).all()


def test_a_file_of_ours_becomes_the_same_but_for_its_name(made: Path, tmp_path: Path) -> None:
    convert(made / "street", tmp_path / "street.h5", depth_root=made / "depth")
    report = convert(tmp_path / "street.h5", tmp_path / "ours", to="wai")
    assert [entry.fate for entry in report.entries] == ["made"], report.problems
    assert "unverified" not in [problem.code for problem in report.problems]
    convert(made / "street", tmp_path / "theirs", to="wai", depth_root=made / "depth")
    assert digests(tmp_path / "ours") == digests(tmp_path / "theirs")


def test_the_data_set_is_called_as_its_source(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(made / "street", tmp_path / "city.views.h5", split="val")
    convert(tmp_path / "city.views.h5", tmp_path / "wai", to="wai")
    assert sorted(path.name for path in (tmp_path / "wai").iterdir()) == ["city.views", "metadata"]
    listed = tmp_path / "wai" / "metadata" / "validate" / "city.views_scene_list_validate.npy"
    assert np.load(listed).tolist() == SETS[2:]
    monkeypatch.chdir(made / "street")
    convert(".", tmp_path / "here", to="wai", split="val")
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["metadata", "street"]


@pytest.mark.parametrize(
    ("told", "sets", "frames"),
    [
        ({"split": "train"}, SETS[:2], 8),
        ({"split": "val", "agents": "train=2,val=1"}, SETS[2:], 4),
        ({"agents": "1"}, SETS, 4),
        ({"agents": "train=1:drawn@5", "split": "train"}, SETS[:2], 4),
    ],
)
def test_splits_and_agents_are_chosen_as_for_views(
    made: Path, tmp_path: Path, told: dict[str, Any], sets: list[str], frames: int
) -> None:
    convert(made / "street", tmp_path / "wai", to="wai", **told)
    assert sorted(path.name for path in (tmp_path / "wai" / "street").iterdir()) == sets
    assert {len(meta(tmp_path / "wai", scene)["frames"]) for scene in sets} == {frames}
    assert all("depth" not in frame for scene in sets for frame in meta(tmp_path / "wai", scene)["frames"])


def test_what_is_there_is_never_replaced(made: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("kept")
    convert(made / "street", tmp_path / "wai", to="wai", split="val")
    before = digests(tmp_path)
    for name in ("mine", "empty", "file", "wai"):
        for force in (False, True):
            report = convert(made / "street", tmp_path / name, to="wai", split="val", force=force)
            assert [entry.fate for entry in report.entries] == ["failed"], name
            (problem,) = report.problems
            assert problem.code == "foreign-output"
            assert "it is left as it is" in problem.message + str(problem.fix)
    assert digests(tmp_path) == before


def test_panoramas_have_no_camera_model_there(made: Path, tmp_path: Path) -> None:
    small = PanoramaOptions(size=Size(width=84, height=21))
    convert(made / "street", tmp_path / "around.h5", to="panorama", split="val", panorama=small, workers=1)
    report = convert(tmp_path / "around.h5", tmp_path / "wai", to="wai")
    assert [entry.fate for entry in report.entries] == ["failed"]
    (problem,) = report.problems
    assert problem.code == "wrong-camera"
    assert "write the views that it was made of" in str(problem)
    assert not (tmp_path / "wai").exists()


def test_views_without_pictures_are_refused(made: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made / "street", tmp_path / "street"))
    next(copy.rglob("000069_camera1.png")).unlink()
    report = convert(copy, tmp_path / "wai", to="wai", split="train")
    assert [entry.fate for entry in report.entries] == ["failed"]
    assert "expected a picture of each view, got 1 without" in str(report.problems)
    assert not (tmp_path / "wai").exists()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"profile": "compact"}, r"expected none with wai, got one: pixels are stored as they are"),
        ({"size": (10, 10)}, r"expected none with wai, got one: pictures keep their size"),
        ({"index": 0}, r"expected none with wai, got some: only for panoramas"),
        ({"panorama": PanoramaOptions()}, r"expected none with wai, got some: only for panoramas"),
        ({"samples_per_shard": 3}, r"expected none with wai, got one: only for shards"),
        ({"classes": {"1": "car"}}, r"expected none with views, got some: only of boxes"),
    ],
)
def test_what_has_no_effect_is_refused(made: Path, tmp_path: Path, told: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        convert(made / "street", tmp_path / "wai", to="wai", **told)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("told", "word"), [({"profile": "compact"}, "profile"), ({"size": (10, 10)}, "size")])
def test_views_of_ours_refuse_the_same(made: Path, tmp_path: Path, told: dict[str, Any], word: str) -> None:
    with pytest.raises(SchemaError, match=rf"{word}: expected none with views_hdf5, got one"):
        convert(made / "street", tmp_path / "all.h5", **told)
    assert list(tmp_path.iterdir()) == []


def test_other_records_are_not_written_as_wai(tmp_path: Path) -> None:
    from lapsdata.testing.samples import sample_tracks

    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    with pytest.raises(lapsdata.errors.UnknownFormatError, match="expected one of the formats of tracks"):
        convert(tmp_path / "clip.h5", tmp_path / "wai", to="wai")


# --- faults ------------------------------------------------------------------------------------------------------


def damaged_picture(root: Path, _: Path) -> None:
    path = next(root.rglob("000071_camera2.png"))
    path.write_bytes(path.read_bytes()[:-9])


def depth_of_another_size(_: Path, depth: Path) -> None:
    np.save(next(depth.rglob("000071_camera2_depth.npy")), np.ones((3, 4), np.float32))


def endless_depth(_: Path, depth: Path) -> None:
    np.save(next(depth.rglob("000071_camera2_depth.npy")), np.full((12, 16), np.inf, np.float32))


def depth_cut_short(_: Path, depth: Path) -> None:
    path = next(depth.rglob("000071_camera2_depth.npy"))
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("harm", [damaged_picture, depth_of_another_size, endless_depth, depth_cut_short])
def test_a_damaged_source_leaves_nothing(made: Path, tmp_path: Path, harm: Callable[[Path, Path], None]) -> None:
    root, depth = (Path(shutil.copytree(made / name, tmp_path / name)) for name in ("street", "depth"))
    harm(root, depth)
    report = convert(root, tmp_path / "wai", to="wai", split="train", depth_root=depth)
    assert [entry.fate for entry in report.entries] == ["failed"]
    assert "000071_camera2" in " ".join(str(problem) for problem in report.problems)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["depth", "street"]


def test_a_flipped_bit_of_ours_leaves_nothing(made: Path, tmp_path: Path) -> None:
    source = tmp_path / "views.h5"
    convert(made / "street", source, split="val", depth_root=made / "depth")
    with h5py.File(source) as file:
        stored = file["pixels/16x12/depth"]
        place = stored.id.get_offset() + 5
    content = bytearray(source.read_bytes())
    content[place] ^= 4
    source.write_bytes(content)
    report = convert(source, tmp_path / "wai", to="wai")
    assert [entry.fate for entry in report.entries] == ["failed"]
    assert "payload-checksum" in [problem.code for problem in report.problems]
    assert [path.name for path in tmp_path.iterdir()] == ["views.h5"]


@pytest.mark.parametrize("stop", [1, 7, 16])
def test_a_run_that_is_stopped_leaves_nothing(made: Path, tmp_path: Path, stop: int) -> None:
    """Between any two views, the last one too: the folder has its name when all is told."""
    options = ConvertOptions(to="wai", split="train")
    (item,) = single_items(find_sources(made / "street"), [tmp_path / "wai"], options, made / "depth")
    told: list[int] = []

    def tell(units: int) -> None:
        told.append(units)
        if len(told) == stop:
            raise KeyboardInterrupt

    work: Any = Job(item, Found("missing"))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        convert_item(work, tell)
    assert list(tmp_path.iterdir()) == []
    counted: list[int] = []
    result = convert_item(work, counted.append)
    assert result is not None
    assert (result.windows, result.unit, counted) == (16, "views", [1] * 16)


def test_a_name_that_is_taken_meanwhile_is_left_alone(made: Path, tmp_path: Path) -> None:
    """Another has made the folder after it was looked at: what it holds stays, and nothing of ours is beside it."""
    options = ConvertOptions(to="wai", split="val")
    (item,) = single_items(find_sources(made / "street"), [tmp_path / "wai"], options, None)

    def tell(_: int) -> None:
        (tmp_path / "wai").mkdir(exist_ok=True)
        (tmp_path / "wai" / "mine.txt").write_text("kept")

    with pytest.raises(StorageError, match=r"expected a free name, got what another run has written there meanwhile"):
        convert_item(Job(item, Found("missing")), tell)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["wai"]
    assert [path.name for path in (tmp_path / "wai").iterdir()] == ["mine.txt"]


def test_the_writer_is_known_by_its_name() -> None:
    writer = writers()["wai"]
    assert (writer.record, writer.takes, writer.own) == ("views", {"root", "tell"}, None)


def test_the_command(made: Path, tmp_path: Path, inside: Callable[..., Ran]) -> None:
    run = functools.partial(inside, "convert")
    words = (made / "street", tmp_path / "wai", "--to", "wai", "--split", "val", "--depth-root", made / "depth")
    code, told, problems = run(*words)
    assert code == 0
    assert f"written  {tmp_path / 'wai'}" in told
    assert "[no-covisibility]" in problems
    pictures = sorted((tmp_path / "wai").rglob("*.png"))
    assert [path.name for path in pictures] == [f"{agent}_camera{n}.png" for agent in (7, 8) for n in range(4)]
    raw = made / "street" / "validate" / SCENES[1].name / "8" / "000070_camera2.png"
    assert np.array_equal(cv2.imread(str(pictures[6])), cv2.imread(str(raw)))
    code, _, problems = run(*words)
    assert code == 1
    assert "it is left as it is" in problems
    code, told, _ = run(*words[:1], tmp_path / "more", *words[2:], "--json")
    assert code == 0
    assert json.loads(told)["items"][0]["made"]["unit"] == "views"
