"""Whoever names a part of a root of OPV2V, or reads a root as a file of ours, is told what it is and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lapsdata
from lapsdata._convert._lidar_depth import depth_from_lidar
from lapsdata._convert._sources import find_sources
from lapsdata._inspect.files import InspectedVideo, look_at
from lapsdata.adapters import expect_views, find_adapter, part_of_other
from lapsdata.checks.integrity import check_integrity
from lapsdata.containers import Views
from lapsdata.errors import UnknownFormatError
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v

if TYPE_CHECKING:
    from collections.abc import Callable

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "-1"), (69,), size=(24, 18), beams=(4, 20))
PARTS = {"split": "train", "scenario": f"train/{SCENE.name}", "agent": f"train/{SCENE.name}/641"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v") / "root"
    write_opv2v(folder, [SCENE])
    return folder


def depth_of(path: Path) -> object:
    return depth_from_lidar(path, path.parent / "depth")


@pytest.mark.parametrize("what", PARTS)
@pytest.mark.parametrize("look", [look_at, find_sources, depth_of, expect_views])
def test_who_names_a_part_is_told_the_root(root: Path, what: str, look: Callable[[Path], object]) -> None:
    part = root / PARTS[what]
    with pytest.raises(UnknownFormatError, match=r"\[part-of-root\]") as caught:
        look(part)
    (problem,) = caught.value.problems
    assert problem.where == str(part)
    assert problem.message == f"expected a root of OPV2V, got the {what} {part.name!r} of one"
    assert problem.fix is not None
    assert problem.fix.startswith(f"name {root}: --split train of convert, and --splits train of check")


@pytest.mark.parametrize("what", PARTS)
def test_check_of_a_part_names_the_root_and_no_other_fault(root: Path, what: str) -> None:
    report = check_integrity([root / PARTS[what]])
    (problem,) = report.problems
    assert (problem.code, problem.severity, report.items) == ("part-of-root", "error", ())
    assert str(root) in str(problem)


def test_a_part_that_one_stands_in_is_known_by_its_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "train")
    found = part_of_other(Path())
    assert found is not None
    assert (found.where, "got the split 'train' of one" in found.message) == (".", True)


def test_folders_that_only_sound_like_a_part_are_none(root: Path, tmp_path: Path) -> None:
    (tmp_path / "train" / "scenario").mkdir(parents=True)
    assert part_of_other(tmp_path / "train") is None
    assert part_of_other(root) is None
    assert part_of_other(root / PARTS["agent"] / "000069.yaml") is None
    assert part_of_other(root / "validate") is None
    with pytest.raises(UnknownFormatError, match="got a folder without images"):
        look_at(tmp_path / "train")


def test_pictures_of_an_agent_are_a_folder_of_images_where_a_rate_says_so(root: Path) -> None:
    assert isinstance(look_at(root / PARTS["agent"], rate=10), InspectedVideo)


def test_reading_a_root_as_ours_says_what_reads_it(root: Path, tmp_path: Path) -> None:
    told = r"got views that the adapter opv2v reads; lapsdata\.adapters\.find_adapter.*lapsdata convert .*root OUT"
    with pytest.raises(UnknownFormatError, match=told):
        lapsdata.read(root)
    known = find_adapter(root)
    assert known is not None
    assert isinstance(known[0].read(root).container, Views)
    with pytest.raises(UnknownFormatError, match="got something that none of them knows"):
        lapsdata.read(tmp_path)


def test_robot_episodes_are_answered_in_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "info.json").write_text('{"codebase_version": "v2.1", "fps": 30, "features": {}}')
    with pytest.raises(UnknownFormatError, match=r"got episodes that the adapter lerobot reads; lapsdata\.adapters"):
        lapsdata.read(tmp_path)
