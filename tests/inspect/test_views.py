"""What `lapsdata inspect` and `check` tell of views: splits side by side, histograms, options without a place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata._inspect import InspectedFile, InspectedViews, look_at
from lapsdata.cli.main import main
from lapsdata.errors import SchemaError
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_boxes, sample_views

if TYPE_CHECKING:
    from collections.abc import Callable

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000"), (69, 71), size=(60, 44), beams=(2, 4))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", [SCENE], depth_root=folder / "depth", depth="png")
    convert(folder / "root", folder / "views.h5", depth_root=folder / "depth")
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lapsdata", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return command


def rows(text: str, first: str) -> list[list[str]]:
    """Return the words of the lines of a table behind its heading."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    end = lines.index("", start) if "" in lines[start:] else len(lines)
    return [line.split() for line in lines[start + 1 : end]]


def test_a_root_tells_its_depth_where_it_is_named(root: Path, run: Callable[..., tuple[int, str, str]]) -> None:
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


def test_json_has_every_number(root: Path, run: Callable[..., tuple[int, str, str]]) -> None:
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


def test_a_file_of_ours_tells_the_same_as_what_it_was_made_of(
    root: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
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
        ("boxes", {"depth_root": Path("depth")}, "only for views of others; leave out --depth-root"),
        ("views", {"depth_root": Path("depth")}, "only for views of others; leave out --depth-root"),
    ],
)
def test_options_of_views_alone(tmp_path: Path, name: str, told: dict[str, Any], word: str) -> None:
    lapsdata.write(tmp_path / "boxes.parquet", sample_boxes())
    lapsdata.write(tmp_path / "views.h5", sample_views())
    with pytest.raises(SchemaError, match=word):
        look_at(next(tmp_path.glob(f"{name}.*")), **told)


def test_low_level_takes_none_of_them(root: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    code, _, told = run("inspect", root / "views.h5", "--low-level", "--sample", 2)
    assert code == 2
    assert "only without --low-level" in told


# --- lapsdata check ---------------------------------------------------------------------------------------------


def test_check_shows_splits_side_by_side(root: Path, run: Callable[..., tuple[int, str, str]]) -> None:
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
    root: Path, run: Callable[..., tuple[int, str, str]], words: tuple[str, ...], code: int, word: str
) -> None:
    ended, _, told = run("check", root / "views.h5", *words)
    assert ended == code
    assert word in " ".join(told.replace("│", " ").split())


def test_a_fault_is_a_line_with_its_evidence(
    root: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
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
