"""Episodes: numbers that rise, places that exist, known tasks, videos of the header's cameras; each rule once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.testing import strategies
from lapsdata.testing.episode_sets import CAMERA
from lapsdata.testing.samples import sample_episodes, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Episodes

E = sample_episodes()
SEEN, START = E.video_index[CAMERA], E.video_start_s[CAMERA]


def of(*values: float, dtype: Any = np.int64) -> np.ndarray[Any, Any]:
    return np.array(values, dtype)


CASES: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    ({"number": of(-1, 1, 5)}, "negative-number", "number", "expected numbers from 0; first at 0, 1 in all"),
    ({"number": of(0, 5, 5)}, "not-rising", "number", "expected rising numbers, each once; first at 2, 1 in all"),
    ({"number": of(0, 1, 5, dtype=np.int32)}, "wrong-dtype", "number", "expected int64, got int32"),
    ({"rows": of(4, 0, 5)}, "no-rows", "rows", "expected at least one row; first at 1, 1 in all"),
    ({"rows": [4, 6, 5]}, "not-an-array", "rows", r"expected int64 \(E,\) array, got list"),
    ({"first_row": of(0, -4, 0)}, "negative-row", "first_row", "expected rows from 0; first at 1"),
    ({"file_index": of(0, 0, 2)}, "unknown-file", "file_index", "expected an index of 2 files; first at 2"),
    ({"file_index": of(0, -1, 1)}, "unknown-file", "file_index", "expected an index of 2 files; first at 1"),
    ({"files": ["a", "b"]}, "wrong-dtype", "files", "expected"),
    ({"groups": ("data/demo_0",)}, "length-mismatch", "groups", "expected E = 3"),
    ({"task_number": of(0, 1, 2)}, "unknown-task", "task_number", "a number of a task of the header; first at 2"),
    ({"task_stop": of(2, 1, 3)}, "not-rising", "task_stop", "expected places that do not fall; first at 1"),
    ({"task_stop": of(1, 2, 2)}, "length-mismatch", "task_stop", "expected to end at 3, the number of all .* got 2"),
    ({"task_stop": of(-1, 2, 3)}, "length-mismatch", "task_stop", "expected to end at 3"),
    ({"video_index": {}}, "unknown-camera", "video_index", r"expected the cameras \['observation.images.top'\]"),
    ({"video_start_s": {"x": START}}, "unknown-camera", "video_start_s", r"that are videos, got \['x'\]"),
    ({"video_index": {CAMERA: of(0, 1, -1)}}, "unknown-file", f"{CAMERA}: video_index", "index of 1 videos, or -1"),
    ({"video_index": {CAMERA: of(0, -2, -1)}}, "unknown-file", f"{CAMERA}: video_index", "first at 1, 1 in all"),
    (
        {"video_start_s": {CAMERA: of(0.4, 0.4, np.nan, dtype=np.float64)}},
        "shared-start",
        f"{CAMERA}: video_start_s",
        "expected episodes of one video at places of their own; first at 0, 2 in all",
    ),
    (
        {"video_start_s": {CAMERA: of(0, 0.4, 0.8, dtype=float)}},
        "wrong-time",
        f"{CAMERA}: video_start_s",
        "expected seconds where there is a video; first at 2",
    ),
    (
        {"video_start_s": {CAMERA: of(0, np.inf, np.nan, dtype=float)}},
        "wrong-time",
        f"{CAMERA}: video_start_s",
        "expected seconds where there is a video; first at 1",
    ),
    ({"video_start_s": {CAMERA: SEEN}}, "wrong-dtype", f"{CAMERA}: video_start_s", "expected float64, got int64"),
    ({"header": sample_tracks().header}, "wrong-header", "header", "expected a EpisodesHeader, got TracksHeader"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}-{case[2]}")
def test_each_rule(case: tuple[dict[str, Any], str, str, str], refused: Callable[..., set[tuple[str, str]]]) -> None:
    fields, code, place, message = case
    with pytest.raises(SchemaError, match=message):
        dataclasses.replace(E, **fields)
    assert (code, place) in refused(E, **fields)


@pytest.mark.parametrize("name", ["rows", "file_index", "first_row", "task_stop"])
def test_unequal_lengths(name: str) -> None:
    with pytest.raises(LengthMismatchError, match="expected E = 3 as in number, got 2"):
        dataclasses.replace(E, **{name: getattr(E, name)[:2]})


def test_rows_are_counted_one_episode_after_the_other() -> None:
    assert E.starts.tolist() == [0, 4, 10, 15]
    assert [E.tasks_of(place).tolist() for place in range(len(E))] == [[0], [1], [0]]
    several = dataclasses.replace(E, task_number=of(1, 0, 1), task_stop=of(2, 2, 3))
    assert [several.tasks_of(place).tolist() for place in range(3)] == [[1, 0], [], [1]]


def test_what_one_wants_to_know_at_a_glance() -> None:
    facts = E.facts()
    assert facts["episodes"] == "3, 15 rows at 10 per second"
    assert facts["cameras"] == f"{CAMERA} (video)"
    assert (facts["groups"], facts["tasks"], facts["robot"]) == ("state.gripper", "2", "arm")


@given(strategies.episodes())
def test_what_holds_of_any(made: Episodes) -> None:
    assert made.starts[-1] == made.rows.sum()
    tasks = [made.tasks_of(place) for place in range(len(made))]
    np.testing.assert_array_equal(np.concatenate(tasks), made.task_number)
    assert made.equals(dataclasses.replace(made))
    for array in (made.number, made.rows, *made.video_index.values()):
        assert not array.flags.writeable


@given(strategies.episodes())
def test_episodes_are_asked_as_those_of_lerobot_are(made: Episodes) -> None:
    words = {task.number: task.words for task in made.header.tasks}
    rows = [dict(one) for one in made]
    assert [one["episode_index"] for one in rows] == made["episode_index"] == made.number.tolist()
    assert made["length"] == made.rows.tolist()
    for place, number in enumerate(made.number.tolist()):
        one = made[number]
        assert number in made
        assert dict(one) == rows[place]
        assert one["dataset_to_index"] - one["dataset_from_index"] == one["length"] == made.rows[place]
        assert one["tasks"] == [words[task] for task in made.tasks_of(place).tolist()]
        assert (one.get("nothing"), "length" in one, len(one.keys())) == (None, True, 5)
    assert made["dataset_from_index"] == made.starts[:-1].tolist()
    assert int(made.number[-1]) + 1 not in made


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (3, r"expected the number of one of 3 episodes, got 3; numbers are those of the data set"),
        (-1, r"got -1;"),
        (1.0, r"got 1\.0;"),
        ("from", r"expected one of episode_index, length, .*, got 'from'"),
    ],
)
def test_what_no_episode_is_called(asked: Any, message: str) -> None:
    kept = dataclasses.replace(E, number=of(1, 2, 5))
    with pytest.raises(SchemaError, match=message):
        kept[asked]
    with pytest.raises(TypeError, match="item assignment"):
        kept[5]["length"] = 1
