"""Each repair that a fine-tuning of GR00T on the set `pickcube` needed is nothing to be repaired here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import read_stats
from lapsdata.errors import SchemaError
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = (4, 6, 5, 3)
FPS = 10.0


@pytest.fixture(scope="module")
def pickcube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set as the repairs met it: version 3, AV1, tasks in an index, statistics of one number, names of GR00T."""
    root = write_lerobot(tmp_path_factory.mktemp("pickcube") / "set", version="v3.0", lengths=LENGTHS, videos=True)
    for file, episodes in enumerate(([0, 1, 2], [3])):
        frames = [drawn_frame(number, row) for number in episodes for row in range(LENGTHS[number])]
        target = root / f"videos/{CAMERA}/chunk-000/file-{file:03d}.mp4"
        write_video(target, frames, np.arange(len(frames)) / FPS, codec="av1", overwrite=True)
    tasks = pa.table({"task_index": [0, 1], "__index_level_0__": ["pick the cube", "place the cup"]})
    pq.write_table(tasks, root / "meta/tasks.parquet")
    names = {
        "state": {"left_arm": {"start": 0, "end": 2}, "right_arm": {"start": 2, "end": 3}},
        "action": {"left_arm": {"start": 0, "end": 2}, "right_arm": {"start": 2, "end": 3}},
        "video": {"ego_view": {"original_key": CAMERA}},
        "annotation": {"human.task_description": {"original_key": "task_index"}},
    }
    (root / "meta/modality.json").write_text(json.dumps(names))
    stats = json.loads((root / "meta/stats.json").read_text())
    alone = {name: {kind: v[0] if len(v) == 1 else v for kind, v in one.items()} for name, one in stats.items()}
    (root / "meta/stats.json").write_text(json.dumps(alone))
    return root


def test_groot_fix_1_statistics_of_one_number_are_of_one_number(pickcube: Path) -> None:
    """IndexError: index 1 is out of bounds for axis 0 with size 1."""
    stats, notes = read_stats(read_set(pickcube))
    assert [note.code for note in notes] == ["no-image-statistics"]
    header = read_set(pickcube).episodes.header
    for feature in header.features:
        mean = stats[feature.name].array("mean")
        assert mean is not None
        assert mean.shape == feature.shape
    for group in header.groups:
        part = stats[group.feature].array("std")
        assert part is not None
        assert part[group.start : group.stop].shape == (group.stop - group.start,)


@pytest.mark.parametrize("table", ["episodes", "tasks"])
def test_groot_fix_2_tables_without_lines(pickcube: Path, table: str) -> None:
    """FileNotFoundError: episodes.jsonl, tasks.jsonl."""
    assert not (pickcube / f"meta/{table}.jsonl").exists()
    steps = lapsdata.open_steps(pickcube, strict=True)
    assert (len(steps), steps.num_episodes, len(steps.meta.tasks)) == (18, 4, 2)


@pytest.mark.parametrize("index", range(18))
def test_groot_fix_3_frames_come_from_the_file_of_the_video_and_not_of_the_rows(pickcube: Path, index: int) -> None:
    """KeyError: chunk_index; and the repair took the numbers of the file of rows, which are others."""
    sample = lapsdata.open_steps(pickcube, {CAMERA: [0]}, strict=True)[index]
    wanted = drawn_frame(int(sample["episode_index"]), int(sample["frame_index"]))
    got = sample[CAMERA].numpy().transpose(1, 2, 0).astype(int)
    assert np.abs(got - wanted.astype(int)).max() <= 3, "each frame is 7 levels or more from the next"


def test_groot_fix_3_the_files_are_others(pickcube: Path) -> None:
    episodes = read_set(pickcube).episodes
    assert episodes.file_index.tolist() == [0, 0, 1, 1]
    assert episodes.video_index[CAMERA].tolist() == [0, 0, 0, 1]


def test_groot_fix_4_av1_needs_no_other_backend(pickcube: Path) -> None:
    """ValueError: No valid stream found in input file."""
    with av.open(str(pickcube / f"videos/{CAMERA}/chunk-000/file-001.mp4")) as video:
        assert video.streams.video[0].codec.canonical_name == "av1"
    steps = lapsdata.open_steps(pickcube, {CAMERA: [0]})
    assert steps.gather([17])[CAMERA].shape == (1, 3, 48, 64)


def test_groot_fix_5_words_of_tasks_stand_in_the_index(pickcube: Path) -> None:
    """KeyError: 'task'."""
    assert "task" not in pq.read_schema(pickcube / "meta/tasks.parquet").names
    steps = lapsdata.open_steps(pickcube)
    assert [steps.task_of(index) for index in (0, 4, 10, 15)] == [
        "pick the cube",
        "place the cup",
        "pick the cube",
        "place the cup",
    ]


@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        ({"state.left_leg": [0]}, "state.left_leg"),
        ({"video.ego": [0]}, "video.ego"),
    ],
)
def test_groot_fix_6_a_path_is_enough_and_a_wrong_name_is_told(
    pickcube: Path, deltas: dict[str, Any], message: str
) -> None:
    """Arguments of other names than the data set's."""
    steps = lapsdata.open_steps(pickcube, {"state.left_arm": [0], "action.right_arm": [0, 0.1]})
    assert steps.gather([0])["action.right_arm"].shape == (1, 2, 1)
    with pytest.raises(SchemaError, match=message):
        lapsdata.open_steps(pickcube, deltas)
