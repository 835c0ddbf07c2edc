"""What `lapsdata inspect` and `check` tell of views: splits side by side, histograms, options without a place."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata._inspect import InspectedFile, InspectedViews, look_at
from lapsdata.errors import CorruptDataError, SchemaError
from lapsdata.schema import Size
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_boxes, sample_views
from lapsdata.transforms.panorama_views import PanoramaOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ran

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000"), (69, 71), size=(60, 44), beams=(2, 4))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", [SCENE], depth_root=folder / "depth", depth="png")
    convert(folder / "root", folder / "views.h5", depth_root=folder / "depth")
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, inside: Callable[..., Ran]) -> Callable[..., Ran]:
    monkeypatch.setenv("COLUMNS", "200")
    return inside


def rows(text: str, first: str) -> list[list[str]]:
    """Return the words of the lines of a table behind its heading."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    end = lines.index("", start) if "" in lines[start:] else len(lines)
    return [line.split() for line in lines[start + 1 : end]]


def test_a_root_tells_its_depth_where_it_is_named(root: Path, run: Callable[..., Ran]) -> None:
    code, told, _ = run("inspect", root / "root", "--depth-root", root / "depth", "--sample", 1)
    assert code == 0
    assert "every pose, and the depth of 1 of 2 sets; no picture was decoded" in " ".join(told.split())
    (split,) = rows(told, "split  sets")
    assert split[:3] == ["train", "2", "8"]
    assert "pinhole 60x44, 100 x 82 degrees" in told
    (depths,) = rows(told, "depth m")
    assert depths[0] == "train"
    assert 95 <= sum(int(share.rstrip("%")) for share in depths[1:]) <= 105
    code, told, _ = run("inspect", root / "root")
    assert code == 0
    assert "depth m   0-2" not in told


def test_json_has_every_number(root: Path, run: Callable[..., Ran]) -> None:
    code, told, _ = run("inspect", root / "root", "--depth-root", root / "depth", "--json")
    assert code == 0
    (split,) = json.loads(told)["splits"]
    assert split["sets_looked_at"] == 2
    assert sum(split["masks"]["valid"]["views"]) == 16
    known = [SCENE.depth(agent, frame, camera) for agent in SCENE.agents for frame in (69, 71) for camera in range(4)]
    near = [depth[np.isfinite(depth) & (depth < 999)] for depth in known]
    expected = np.histogram(np.concatenate(near), [*split["depth"]["edges_m"], np.inf])[0]
    # Depth in CARLA's colours is rounded to 0.06 mm.
    np.testing.assert_allclose(split["depth"]["pixels"], expected, atol=2)


def test_a_file_of_ours_tells_the_same_as_what_it_was_made_of(root: Path, run: Callable[..., Ran]) -> None:
    ours, theirs = look_at(root / "views.h5"), look_at(root / "root", depth_root=root / "depth")
    assert isinstance(ours, InspectedFile)
    assert isinstance(theirs, InspectedViews)
    assert [one.as_json() for one in ours.splits] == [one.as_json() for one in theirs.splits]
    assert ours.tables() == theirs.tables()[1:]
    code, told, _ = run("inspect", root / "views.h5", "--sample", 1)
    assert code == 0
    assert "masks and depth are those of 1 of 2 sets; --sample says of how many of each split" in told
    (parents,) = (line for line in told.splitlines() if line.startswith("from converted"))
    assert "root, sha256:" in parents
    assert "depth, sha256:" in parents


@pytest.mark.parametrize(
    ("name", "told", "word"),
    [
        ("boxes", {"sample": 3}, "expected no sample here, got one: only for views; leave out --sample"),
        ("boxes", {"splits": ["train"]}, "expected no splits here, got some: only for views; leave out --splits"),
        ("boxes", {"depth_root": Path("depth")}, "only for views of others; leave out --depth-root"),
        ("views", {"depth_root": Path("depth")}, "only for views of others; leave out --depth-root"),
    ],
)
def test_options_of_views_alone(tmp_path: Path, name: str, told: dict[str, Any], word: str) -> None:
    lapsdata.write(tmp_path / "boxes.parquet", sample_boxes())
    lapsdata.write(tmp_path / "views.h5", sample_views())
    with pytest.raises(SchemaError, match=word):
        look_at(next(tmp_path.glob(f"{name}.*")), **told)


@pytest.mark.parametrize("option", [("--sample", 2), ("--splits", "train")])
def test_low_level_takes_none_of_them(root: Path, run: Callable[..., Ran], option: tuple[object, ...]) -> None:
    code, _, told = run("inspect", root / "views.h5", "--low-level", *option)
    assert code == 2
    assert "only without --low-level" in told


def test_some_splits_alone_are_shown(tmp_path: Path, run: Callable[..., Ran]) -> None:
    other = dataclasses.replace(SCENE, split="validate", name="2021_09_09_13_20_58", frames=(70,))
    third = dataclasses.replace(other, split="test", name="2021_08_18_19_48_05")
    write_opv2v(tmp_path / "root", [SCENE, other, third])
    convert(tmp_path / "root", tmp_path / "views.h5")
    (tmp_path / "folder").mkdir()
    shutil.copy(tmp_path / "views.h5", tmp_path / "folder" / "all.h5")
    for name in ("root", "views.h5", "folder"):
        code, told, _ = run("inspect", tmp_path / name, "--splits", "train, val", "--json")
        assert code == 0
        assert [one["split"] for one in json.loads(told)["splits"]] == ["train", "validate"]
        assert "2021_08_18_19_48_05" not in told.split('"notes"')[0]
        assert len(look(tmp_path / name)) == 3
        assert look(tmp_path / name, splits=["test"]) == ["test"]
        code, _, told = run("inspect", tmp_path / name, "--splits", "train,night")
        assert code == 1
        assert "expected views of night, got test, train, validate; name splits that are there" in told
        assert "[unknown-split]" in told


def look(path: Path, **told: Any) -> list[str]:
    found = look_at(path, sample=0, **told)
    assert isinstance(found, InspectedFile | InspectedViews)
    return [one.split for one in found.splits]


def test_names_of_splits_are_read_as_check_reads_them(root: Path, run: Callable[..., Ran]) -> None:
    for verb in ("inspect", "check"):
        code, _, told = run(verb, root / "root", "--splits", "train,")
        assert code == 2
        assert "expected names of splits, as train,val, got 'train,'" in told


def test_splits_of_a_video_behind_an_address_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"https://.*expected no splits here, got some: only for views"):
        look_at("https://example.org/clip.mp4", splits=["train"])


# --- lapsdata check ---------------------------------------------------------------------------------------------


def test_check_shows_splits_side_by_side(root: Path, run: Callable[..., Ran]) -> None:
    code, told, _ = run("check", root / "root", "--splits", "train", "--sample", 1, "--depth-root", root / "depth")
    assert code == 0
    assert "ok      " in told
    lines = told.splitlines()
    names = next(line for line in lines if line.startswith("split"))
    assert names.split("  ")[0] == "split"
    assert "from first m" in names
    code, told, _ = run("check", root / "views.h5", root / "root", "--json")
    assert code == 0
    items = json.loads(told)["items"]
    assert [one["splits"][0]["sets"] for one in items] == [2, 2]


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (("--splits", "val"), 1, "expected views of val, got none of any split"),
        (("--splits", "train,"), 2, "expected names of splits, as train,val, got 'train,'"),
        (("--depth-root", "nothing"), 1, "expected no root of depth beside views of ours"),
    ],
)
def test_what_check_cannot_look_at(
    root: Path, run: Callable[..., Ran], words: tuple[str, ...], code: int, word: str
) -> None:
    ended, _, told = run("check", root / "views.h5", *words)
    assert ended == code
    assert word in " ".join(told.replace("│", " ").split())


def test_a_fault_is_a_line_with_its_evidence(root: Path, tmp_path: Path, run: Callable[..., Ran]) -> None:
    for path in (root / "depth").rglob("*.png"):
        target = tmp_path / path.relative_to(root).with_suffix(".npy")
        target.parent.mkdir(parents=True, exist_ok=True)
        agent, (frame, camera) = path.parent.name, path.name.split("_")[:2]
        depth = SCENE.depth(agent, int(frame), int(camera[-1]))
        np.save(target, np.where(np.isfinite(depth), 1000 * depth, 0).astype(np.float32))
    code, _, told = run("check", root / "root", "--depth-root", tmp_path / "depth")
    assert code == 0
    (line,) = (line for line in told.splitlines() if "[depth-unit]" in line)
    assert line.startswith(f"warning: {root / 'root'}: train: depth has a median of ")
    assert "m if it is millimetres or " in line
    assert "m if it is centimetres; divide it by 1000 or 100 where it is; views hold metres" in line


# --- a folder of files of ours ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, split in enumerate(("train", "validate")):
        lapsdata.write(tmp_path / f"{split}.h5", sample_views().take([place]))
    return tmp_path


def test_files_of_views_in_a_folder_are_told_as_one(folder: Path, run: Callable[..., Ran]) -> None:
    code, told, _ = run("inspect", folder)
    assert code == 0
    assert "views_hdf5, 2 files: train.h5, validate.h5" in told
    assert "2 of 1 to 2 views: 1 train, 1 validate" in told
    assert "every checksum was compared; masks and depth are those of 2 of 2 sets" in told
    heads = next(
        line for line in told.splitlines() if line.startswith("split ") and " sets " in line and "cameras" in line
    )
    assert [one[:2] for one in rows(told, heads)] == [["train", "1"], ["validate", "1"]]
    whole = look_at(folder)
    assert isinstance(whole, InspectedViews)
    lapsdata.write(folder.parent / f"{folder.name}.h5", sample_views())
    alone = look_at(folder.parent / f"{folder.name}.h5")
    assert isinstance(alone, InspectedFile)
    assert [one.as_json() for one in whole.splits] == [one.as_json() for one in alone.splits]


def test_its_json_names_the_files(folder: Path, run: Callable[..., Ran]) -> None:
    (folder / "notes.txt").write_text("mine")
    code, told, _ = run("inspect", folder, "--json", "--sample", 0)
    document = json.loads(told)
    assert code == 0
    assert (document["format"], document["files"]) == ("views_hdf5", ["train.h5", "validate.h5"])
    assert [one["sets_looked_at"] for one in document["splits"]] == [0, 0]
    assert [one["code"] for one in document["problems"]] == ["passed-over"]


def test_what_convert_writes_for_each_split_is_looked_at(tmp_path: Path) -> None:
    scenes = [
        Opv2vScene(split, f"2021_08_22_21_41_2{place}", ("641", "-1"), (69,), size=(16, 12), beams=(2, 4))
        for place, split in enumerate(("train", "validate"))
    ]
    write_opv2v(tmp_path / "opv2v", scenes)
    small = PanoramaOptions(size=Size(width=32, height=8))
    convert(tmp_path / "opv2v", tmp_path / "around", to="panorama", panorama=small)
    found = look_at(tmp_path / "around")
    assert isinstance(found, InspectedViews)
    assert found.files == ("train.h5", "validate.h5")
    assert found.notes == ()
    assert (found.views.sets, set(found.views.camera)) == (2, {"panorama"})


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"depth_root": Path("depth")}, "expected no depth root here, got one: only for views of others"),
        ({"rate": "10"}, "expected no rate for what has times of its own, got one"),
    ],
)
def test_options_of_roots_mean_nothing_to_a_folder_of_ours(folder: Path, told: dict[str, Any], word: str) -> None:
    with pytest.raises(SchemaError, match=word):
        look_at(folder, **told)


def test_of_a_folder_that_is_damaged_the_file_is_named(folder: Path) -> None:
    path = folder / "validate.h5"
    data, image = bytearray(path.read_bytes()), sample_views().read("image", 2).tobytes()
    data[data.index(image)] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptDataError, match=r"validate\.h5: .*image"):
        look_at(folder)


def test_of_many_files_and_scenarios_the_first_ones_are_named_and_all_counted(tmp_path: Path) -> None:
    for place in range(22):
        name = (f"2021_08_22_21_41_{place:02d}",)
        part = dataclasses.replace(sample_views().take([1]), scenario=name)
        lapsdata.write(tmp_path / f"part_{place:02d}.h5", part)
    found = look_at(tmp_path, sample=0)
    assert isinstance(found, InspectedViews)
    assert found.facts()["format"].startswith("views_hdf5, 22 files: part_00.h5, part_01.h5")
    assert found.facts()["format"].endswith("part_19.h5 and 2 more")
    assert len(found.tables()[0][1]) == 20
    assert found.remark == "2 more scenarios are not listed: --json lists all"
    document = found.as_json()
    assert (len(document["files"]), len(document["scenarios"])) == (22, 22)


def test_a_folder_of_views_is_no_picture(folder: Path, run: Callable[..., Ran]) -> None:
    code, _, told = run("inspect", folder, "--png", folder / "views.png")
    assert code == 1
    assert "got views (views_hdf5); leave out --png" in " ".join(told.replace("│", " ").split())
