"""Rows whose times do not rise, from one set to another: carried over, or refused where frames are found by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.converting import TARGETS, convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import SchemaError
from lapsdata.testing.episode_sets import CAMERA, episode_rows, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters.lerobot.converting import LeRobotTarget

NAN = float("nan")
TIMES = {
    "nan": ([0, 0.1, NAN, 0.3, 0.4, 0.5], "got nan in row 2 after 0.1"),
    "falling": ([0, 0.1, 0.2, 0.1, 0.4, 0.5], "got 0.1 in row 3 after 0.2"),
    "equal": ([0, 0, 0, 0, 0, 0], r"got 0\.0 in row 1 after 0\.0 \(5 of 6 rows\)"),
}
KINDS = [("v2.1", "lerobot-3.0", kind) for kind in TIMES]
# Shards hold the files of 2.1, which are looked at here as they are.
LOOSE = tuple(to for to in TARGETS if to != "shards")
OTHERS = [(before, to, "nan") for before in ("v2.0", "v3.0") for to in LOOSE if to[-3:] != before[-3:]]


def retimed(root: Path, times: dict[int, list[float]]) -> Path:
    """Give episodes of six rows, one in a file, other times."""
    for number, file in enumerate(sorted((root / "data").rglob("*.parquet"))):
        if number in times:
            table = pq.read_table(file)
            column = pa.array(times[number], pa.float32())
            pq.write_table(table.set_column(table.schema.names.index("timestamp"), "timestamp", column), file)
    return root


def made(folder: Path, before: str, times: list[float], *, videos: bool) -> Path:
    root = write_lerobot(folder / "old", version=before, lengths=(6, 6, 6), videos=videos, per_file=1)
    return retimed(root, {1: times})


@pytest.mark.parametrize(("before", "to", "kind"), [*KINDS, *OTHERS])
def test_rows_without_videos_are_carried_over_and_told(
    tmp_path: Path, before: str, to: LeRobotTarget, kind: str
) -> None:
    times, _ = TIMES[kind]
    root = made(tmp_path, before, times, videos=False)
    notes = [note for note in convert_set(root, tmp_path / "new", to).notes if note.code == "times-not-rising"]
    assert [(note.severity, note.where, note.fix) for note in notes] == [
        ("warning", f"{root}: timestamp", "write the times again")
    ]
    assert notes[0].message.startswith("episode 1: expected rising seconds, got ")
    assert notes[0].message.endswith(": they are carried over as they are")
    files = sorted((tmp_path / "new/data").rglob("*.parquet"))
    rows = pa.concat_tables([pq.read_table(file) for file in files])
    wanted = np.concatenate([np.arange(6) / 10, times, np.arange(6) / 10]).astype(np.float32)
    np.testing.assert_array_equal(rows.column("timestamp").to_numpy(), wanted)
    state = np.concatenate([row.columns["observation.state"] for row in episode_rows((6, 6, 6))])
    np.testing.assert_array_equal(np.stack(rows.column("observation.state").to_numpy()), state)


@pytest.mark.parametrize(("before", "to", "kind"), [*KINDS, ("v3.0", "gr00t", "equal"), ("v2.0", "lerobot-2.1", "nan")])
def test_rows_with_videos_are_refused_as_the_loader_refuses_them(
    tmp_path: Path, before: str, to: LeRobotTarget, kind: str
) -> None:
    times, fault = TIMES[kind]
    root = made(tmp_path, before, times, videos=True)
    with pytest.raises(SchemaError, match=f"timestamp: episode 1: .*, {fault}: nothing says which frames") as caught:
        convert_set(root, tmp_path / "new", to)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]
    with pytest.raises(SchemaError, match="times-not-rising") as loaded:
        lapsdata.open_steps(root, fields=[CAMERA]).gather([7])
    assert caught.value.problems[0].code == loaded.value.problems[0].code


def test_all_episodes_of_them_are_told_at_once(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "old", lengths=(6,) * 5, videos=True)
    retimed(root, {1: TIMES["nan"][0], 3: TIMES["equal"][0], 4: TIMES["falling"][0]})
    fix = r"or leave out these episodes or the cameras \(--without-episodes, --drop\)"
    with pytest.raises(SchemaError, match=rf"after 0\.1; alike in 3 episodes: 1, 3-4: nothing says .*; .*{fix}"):
        convert_set(root, tmp_path / "new", "lerobot-3.0")


@pytest.mark.parametrize("edit", [EpisodesEdit(without_episodes="1"), EpisodesEdit(drop=(CAMERA,))])
def test_the_advice_that_is_given_helps(tmp_path: Path, edit: EpisodesEdit) -> None:
    root = made(tmp_path, "v2.1", TIMES["falling"][0], videos=True)
    told = [note.code for note in edit_sets([root], tmp_path / "new", "lerobot-3.0", edit).notes]
    assert ("times-not-rising" in told) == bool(edit.drop)
    assert read_set(tmp_path / "new").episodes.rows.tolist() == [6] * (3 if edit.drop else 2)
    with pytest.raises(SchemaError, match=f"{root}: timestamp: episode 1: .* in row 3"):
        edit_sets([root], tmp_path / "other", "lerobot-3.0", EpisodesEdit(without_episodes="0"))


def test_an_episode_whose_video_is_missing_has_rows_alone(tmp_path: Path) -> None:
    root = made(tmp_path, "v2.1", TIMES["nan"][0], videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
    notes = {note.code: note for note in convert_set(root, tmp_path / "new", "lerobot-3.0").notes}
    assert notes["times-not-rising"].severity == "warning"
    steps = lapsdata.open_steps(tmp_path / "new", fields=[CAMERA, "action"], episodes=[0, 2])
    assert steps.gather([11])["action"].tolist() == [[2.5, 5.5, 7.5]]
