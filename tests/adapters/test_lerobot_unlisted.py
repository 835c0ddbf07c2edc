"""Files that no episode of a list has: a check and a conversion name them, which would lose them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata._convert._keys import look
from lapsdata._convert._options import ConvertOptions
from lapsdata._convert._work import ConvertWork
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.robomimic import read, write
from lapsdata.checks.episodes import check_episodes, episodes_adapter
from lapsdata.checks.shared_faults import SharedFaults
from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.execution.manifest import WorkItem
from lapsdata.testing.episode_sets import CAMERA, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path


def made(root: Path, version: str = "v2.1") -> Path:
    return write_lerobot(root, version=version, lengths=(4, 6, 5), videos=True)


def checked(root: Path) -> list[tuple[str, str]]:
    adapter = episodes_adapter(root)
    assert adapter is not None
    item = check_episodes(root, adapter, lambda *_: None)
    return [(one.where, one.message) for one in item.problems if one.code == "unlisted-files"]


def told(report: Any) -> list[tuple[str, str]]:
    return [(one.where, one.message) for one in report.notes if one.code == "unlisted-files"]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_rows_and_videos_of_no_episode_are_named(version: str, tmp_path: Path) -> None:
    root = made(tmp_path / "a", version)
    assert checked(root) == []
    rows, video = next((root / "data").rglob("*.parquet")), next((root / "videos").rglob("*.mp4"))
    shutil.copy(rows, rows.with_name("episode_000007.parquet"))
    shutil.copy(video, root / "videos/loose.mp4")
    (root / "videos/.hidden").write_bytes(b"")
    (root / "videos/.cache").mkdir()
    (root / "videos/.cache/part.mp4").write_bytes(b"")
    expected = [
        (f"{root}/data", "1 file of rows belongs to no episode of the list: 'chunk-000/episode_000007.parquet'"),
        (f"{root}/videos", "1 file of videos belongs to no episode of the list: 'loose.mp4'"),
    ]
    assert checked(root) == expected
    to: Any = "lerobot-3.0" if version == "v2.1" else "lerobot-2.1"
    assert told(convert_set(root, tmp_path / "b", to)) == expected
    # What is chosen of a set changes nothing of what its list has.
    assert told(edit_sets([root], tmp_path / "c", None, EpisodesEdit(episodes="0"))) == expected
    assert [checked(tmp_path / name) for name in "bc"] == [[], []]


def test_a_camera_that_the_set_does_not_know_is_named(tmp_path: Path) -> None:
    root = made(tmp_path / "a")
    shutil.copytree(root / f"videos/chunk-000/{CAMERA}", root / "videos/chunk-000/wrist")
    ((where, message),) = checked(root)
    assert where == f"{root}/videos"
    assert message == (
        "3 files of videos belong to no episode of the list: 'chunk-000/wrist/episode_000000.mp4', "
        "'chunk-000/wrist/episode_000001.mp4', 'chunk-000/wrist/episode_000002.mp4'"
    )


def test_files_of_episodes_that_are_missing_are_no_strangers(tmp_path: Path) -> None:
    root = made(tmp_path / "a")
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    assert checked(root) == []
    convert_set(made(tmp_path / "b"), tmp_path / "shards", "shards")
    assert checked(tmp_path / "shards") == []


@pytest.mark.parametrize("name", ["rm", "rm.tar", "rm.HDF5", "rm."])
def test_demonstrations_have_a_name_that_they_are_found_by(name: str, tmp_path: Path) -> None:
    root = made(tmp_path / "a")
    with pytest.raises(
        SchemaError, match=r"expected a name that ends with \.hdf5 or \.h5 or \.hdf, .*wrong-name"
    ) as no:
        write(tmp_path / name, read_set(root).episodes, root=root)
    assert no.value.problems[0].fix == f"name it {name}.hdf5"
    assert not (tmp_path / name).exists()
    for ending in (".hdf5", ".h5", ".hdf"):
        write(tmp_path / f"rm{ending}", read_set(root).episodes, root=root)
        assert len(read(tmp_path / f"rm{ending}").container) == 3


def test_an_empty_folder_at_the_target_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    work = ConvertWork((), (), ConvertOptions(to="lerobot-3.0"), "episodes")
    item = WorkItem("b", tmp_path / "b", "", work)
    assert look(item, force=False).why == f"an empty folder, which may be somebody's: rmdir {tmp_path / 'b'}"
    (tmp_path / "b/mine").touch()
    assert "files of others" in look(item, force=False).why
    (tmp_path / "b/mine").unlink()
    (tmp_path / "b").rmdir()
    assert look(item, force=False).state == "missing"


def test_an_episode_is_named_once() -> None:
    faults = SharedFaults()
    faults.refused(
        [1, 2], "rows", CorruptDataError(Problem("too-few-rows", "set/data: episode 1", "expected 4, got 3"))
    )
    faults.add(11, "fewer-frames", "set: episode 1", "expected 4, got 3")
    assert [str(one).partition(" [")[0] for one in faults] == [
        "set/data: episode 1: expected 4, got 3; alike in 2 episodes: 1-2",
        "set: episode 1: episode 11: expected 4, got 3",
    ]
