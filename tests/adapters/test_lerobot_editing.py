"""Sets that are edited: what is kept is what it was, at its new place; split and merged again, tables are the same."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

import lapsdata
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot._edit_choice import chosen_episodes, kept_splits
from lapsdata.adapters.lerobot._edit_merge import merged_tasks
from lapsdata.adapters.lerobot._edit_names import names_of
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, episode_rows, write_lerobot
from lapsdata.video.writer import write_video
from tests.adapters.by_hand_lerobot import info_of, rows_by_hand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.adapters.lerobot.converting import LeRobotTarget

LENGTHS = (4, 6, 5, 3)
VERSIONS = ("v2.0", "v2.1", "v3.0")
TARGETS = ("lerobot-2.0", "lerobot-2.1", "lerobot-3.0", "gr00t")
NUMBERED = ("index", "episode_index")


def digest(root: Path) -> str:
    """Names and bytes of all that a folder holds."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        found.update(str(path.relative_to(root)).encode() + (path.read_bytes() if path.is_file() else b""))
    return found.hexdigest()


def edited(
    sources: Sequence[Path], target: Path, to: LeRobotTarget | None = None, /, **edit: Any
) -> dict[str, tuple[str, str]]:
    """Edit, hold the sources against what they were, and return where and what was told by code."""
    before = [digest(source) for source in sources]
    told = edit_sets(sources, target, to, EpisodesEdit(**edit))
    assert [digest(source) for source in sources] == before
    assert [item.name for item in target.parent.iterdir() if item.name.startswith(".")] == []
    return {note.code: (note.where, note.message) for note in told.notes}


def tables(root: Path) -> list[pa.Table]:
    """Rows of each episode by the list of episodes, with the columns that are stored."""
    episodes, found = read_set(root).episodes, []
    for file, first, rows in zip(episodes.file_index, episodes.first_row, episodes.rows, strict=True):
        found.append(pq.read_table(root / episodes.files[int(file)]).slice(int(first), int(rows)))
    return found


def expect_steps(new: Path, first: int, source: Path, kept: Sequence[int], most: int) -> None:
    """Each row and frame of the episodes `kept` of a source, as `open_steps` gives them, from episode `first` on."""
    before, after = lapsdata.open_steps(source), lapsdata.open_steps(new)
    spans = {span.number: span for span in before.episodes}
    for place, number in enumerate(kept, first):
        old, now = spans[number], list(after.episodes)[place]
        assert (now.number, now.stop - now.start) == (place, old.stop - old.start)
        for left, right in zip(range(old.start, old.stop), range(now.start, now.stop), strict=True):
            wanted, got = before[left], after[right]
            assert wanted.keys() == got.keys()
            assert (int(got["index"]), int(got["episode_index"])) == (right, place)
            for name in wanted.keys() - {*NUMBERED, CAMERA, "task"}:
                assert got[name].dtype == wanted[name].dtype
                np.testing.assert_array_equal(got[name], wanted[name])
            assert got["task"] == wanted["task"]
            assert np.abs(np.asarray(got[CAMERA]) - np.asarray(wanted[CAMERA])).max() <= most / 255 + 1e-6


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sets")
    return {
        version: write_lerobot(folder / version, version=version, lengths=LENGTHS, videos=True) for version in VERSIONS
    }


@settings(max_examples=14)
@given(
    kept=st.sets(st.integers(0, 3), min_size=1),
    before=st.sampled_from(VERSIONS),
    after=st.sampled_from((None, *TARGETS)),
    leave_out=st.booleans(),
)
def test_some_of_the_episodes_are_what_they_were_at_their_new_places(
    sets: dict[str, Path], kept: set[int], before: str, after: LeRobotTarget | None, leave_out: bool
) -> None:
    numbers, others = sorted(kept), sorted(set(range(4)) - kept)
    said = {"without_episodes": ",".join(map(str, others))} if leave_out and others else {
        "episodes": ",".join(map(str, numbers))
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "new"
        told = edited([sets[before]], new, after, **said)
        assert read_set(new, strict=True).version == (before if after is None else read_set(new).version)
        expect_steps(new, 0, sets[before], numbers, 5 if "videos-encoded" in told else 0)
        assert ("videos-encoded" in told) <= (before == "v3.0")
        assert ("episodes-kept" in told) == bool(others)
        _expect_stats(new, numbers)


def _expect_stats(root: Path, numbers: Sequence[int]) -> None:
    """Statistics are those of the rows that are kept, in plain NumPy."""
    rows = episode_rows(LENGTHS)
    total = root / "meta/stats.json"
    if total.is_file():
        told = json.loads(total.read_text())
        for name in ("observation.state", "timestamp"):
            every = np.concatenate([rows[number].columns[name] for number in numbers]).astype(np.float64)
            every = every.reshape(len(every), -1)
            np.testing.assert_allclose(told[name]["mean"], every.mean(0), atol=1e-12)
            np.testing.assert_allclose(told[name]["std"], every.std(0), atol=1e-12)
            np.testing.assert_allclose(told[name]["q99"], np.quantile(every, 0.99, axis=0), atol=1e-12)
        assert told["index"]["max"] == [sum(LENGTHS[number] for number in numbers) - 1]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("at", [1, 3])
def test_split_and_merged_again_tables_are_the_same(
    sets: dict[str, Path], tmp_path: Path, version: str, at: int
) -> None:
    root = sets[version]
    edited([root], tmp_path / "a", None, episodes=f":{at}")
    told = edited([root], tmp_path / "b", None, episodes=f"{at}:")
    merged = edited([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert merged["merged"][1] == f"{at} + {4 - at} episodes are one set, of 2 tasks; 0 tasks have new numbers"
    for got, wanted in zip(tables(tmp_path / "c"), tables(root), strict=True):
        assert got.equals(wanted)
    assert read_set(tmp_path / "c", strict=True).version == version
    expect_steps(tmp_path / "c", 0, root, range(4), 5 if "videos-encoded" in told else 0)
    if version != "v3.0":
        assert digest(tmp_path / "c/videos") == digest(root / "videos")
        assert merged["videos-copied"][1].startswith("4 copied as files, 0 packet by packet")
        for name in ("episodes.jsonl", "tasks.jsonl"):
            assert (tmp_path / "c/meta" / name).read_text() == (root / "meta" / name).read_text()
    assert json.loads((tmp_path / "c/meta/info.json").read_text())["splits"] == {"train": "0:4"}


def test_whole_videos_of_version_3_are_copied_and_what_lies_at_keyframes_is_cut_out(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", lengths=(4, 4, 4, 4), videos=True)
    first, second = (root / f"videos/{CAMERA}/chunk-000/file-{n:03d}.mp4" for n in range(2))
    first.unlink()
    write_video(first, [drawn_frame(0, row) for row in range(12)], np.arange(12) / 10, gop=4)
    told = edited([root], tmp_path / "b", None, episodes="0:3")
    assert told["videos-copied"][1].startswith("1 copied as files, 0 packet")
    assert (tmp_path / "b" / first.relative_to(root)).read_bytes() == first.read_bytes()
    told = edited([root], tmp_path / "c", None, episodes="1:")
    assert "videos-encoded" not in told
    found = read_set(tmp_path / "c", strict=True).episodes
    np.testing.assert_allclose(
        found.video_start_s[CAMERA], [0, 0.4, 0.8] if len(found.video_files) == 1 else [0, 0.4, 0]
    )
    expect_steps(tmp_path / "c", 0, root, (1, 2, 3), 0)
    told = edited([root], tmp_path / "d", None, without_episodes="1")
    assert told["episodes-kept"] == (str(root), "3 of 4 episodes are kept, 0, 2-3: they are numbered from 0 now")
    assert "videos-encoded" not in told
    expect_steps(tmp_path / "d", 0, root, (0, 2, 3), 0)
    assert second.is_file()


def test_an_end_that_is_not_told_is_where_the_next_episode_of_the_source_begins(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", lengths=(4, 6, 5), videos=True)
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).drop_columns([f"videos/{CAMERA}/to_timestamp"]), path)
    told = edited([root], tmp_path / "b", None, without_episodes="1")
    assert "frames-unlike-rows" not in told
    expect_steps(tmp_path / "b", 0, root, (0, 2), 5)


def test_tasks_are_one_where_their_words_are(tmp_path: Path) -> None:
    one = write_lerobot(tmp_path / "a", lengths=(4, 6))
    two = write_lerobot(tmp_path / "b", version="v3.0", lengths=(3, 2))
    words = pa.table({"task_index": [0, 1], "__index_level_0__": ["place the cup", "wave"]})
    pq.write_table(words, two / "meta/tasks.parquet")
    path = two / "meta/episodes/chunk-000/file-000.parquet"
    told = pq.read_table(path)
    told = told.set_column(told.schema.get_field_index("tasks"), "tasks", pa.array([["place the cup"], ["wave"]]))
    pq.write_table(told, path)
    assert edited([one, two], tmp_path / "c")["merged"][1].endswith("of 3 tasks; 2 tasks have new numbers")
    found = read_set(tmp_path / "c", strict=True)
    assert [task.words for task in found.episodes.header.tasks] == ["pick the cube", "place the cup", "wave"]
    assert [found.episodes.tasks_of(place).tolist() for place in range(4)] == [[0], [1], [1], [2]]
    rows = tables(tmp_path / "c")
    assert [set(table.column("task_index").to_pylist()) for table in rows] == [{0}, {1}, {1}, {2}]
    assert np.concatenate([table.column("index").to_numpy() for table in rows]).tolist() == list(range(15))
    steps = lapsdata.open_steps(tmp_path / "c")
    assert steps[len(steps) - 1]["task"] == "wave"
    # The sets were of other versions: what is written is of the first one's.
    assert found.version == "v2.1"


def test_columns_of_annotations_get_the_new_numbers_too(tmp_path: Path) -> None:
    roots = []
    for name, words in (("a", ("pick", "good")), ("b", ("good", "bad"))):
        root = write_lerobot(tmp_path / name, version="v2.0", lengths=(3,))
        lines = [{"task_index": number, "task": text} for number, text in enumerate(words)]
        (root / "meta/tasks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        told = {"episode_index": 0, "tasks": [words[0]], "length": 3}
        (root / "meta/episodes.jsonl").write_text(json.dumps(told) + "\n")
        path = root / "data/chunk-000/episode_000000.parquet"
        column = pa.array([[1], [0], [1]], pa.list_(pa.int32(), 1))
        pq.write_table(pq.read_table(path).append_column("annotation.human.validity", column), path)
        info = json.loads((root / "meta/info.json").read_text())
        info["features"]["annotation.human.validity"] = {"dtype": "int32", "shape": [1], "names": None}
        (root / "meta/info.json").write_text(json.dumps(info))
        (root / "meta/modality.json").write_text(json.dumps({"annotation": {"human.validity": {}}}))
        roots.append(root)
    edited(roots, tmp_path / "c")
    one, two = (table.column("annotation.human.validity") for table in tables(tmp_path / "c"))
    assert one.to_pylist() == [[1], [0], [1]]
    assert two.to_pylist() == [[2], [1], [2]]
    assert one.type == two.type == pa.list_(pa.int32(), 1)
    path = roots[1] / "meta/tasks.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(CorruptDataError, match=r"episode 0: annotation.human.validity: expected .*, \[0\], got 1"):
        edit_sets(roots, tmp_path / "d", None, EpisodesEdit())
    assert not (tmp_path / "d").exists()


def test_the_first_set_keeps_its_numbers_of_tasks(tmp_path: Path) -> None:
    found = read_set(write_lerobot(tmp_path / "a"))
    tasks, became = merged_tasks([found, found])
    assert tasks == found.episodes.header.tasks
    assert became == [{0: 0, 1: 1}] * 2


def test_what_is_dropped_or_renamed_is_so_everywhere(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6), videos=True)
    parts = {
        "state": {"arm": {"start": 0, "end": 2}, "hand": {"start": 2, "end": 3}},
        "action": {"arm": {"start": 0, "end": 2, "absolute": False}},
        "video": {"top": {"original_key": CAMERA}},
        "annotation": {"reward": {"original_key": "next.reward"}},
    }
    (root / "meta/modality.json").write_text(json.dumps(parts))
    noted = {"info": {"features": {"next.reward": {"_type": "Value"}, "action": {"_type": "Sequence"}}}}
    for path in (root / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        metadata = {b"huggingface": json.dumps(noted).encode(), b"pandas": b"{}", b"mine": b"kept"}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    told = edited([root], tmp_path / "b", None, drop=("next.reward",), rename={"action": "act", CAMERA: "top"})
    found = read_set(tmp_path / "b", strict=True)
    names = [feature.name for feature in found.info.features]
    assert "act" in names
    assert not {"action", "next.reward"} & set(names)
    assert [camera.name for camera in found.info.cameras] == ["top"]
    assert found.episodes.video_files[0] == "videos/chunk-000/top/episode_000000.mp4"
    (schema,) = {table.schema for table in tables(tmp_path / "b")}
    assert set(schema.metadata) == {b"huggingface", b"mine"}
    assert json.loads(schema.metadata[b"huggingface"])["info"]["features"] == {"act": {"_type": "Sequence"}}
    after = json.loads((tmp_path / "b/meta/modality.json").read_text())
    assert after["action"] == {"arm": {"start": 0, "end": 2, "absolute": False, "original_key": "act"}}
    assert after["video"] == {"top": {"original_key": "top"}}
    assert after["state"] == parts["state"]
    assert after["annotation"] == {}
    assert told["parts-dropped"][1].startswith("annotation.reward went with")
    assert told["dropped"][1] == "left out: next.reward"
    assert told["renamed"][1] == f"action is act now, {CAMERA} is top now"
    line = json.loads((tmp_path / "b/meta/episodes_stats.jsonl").read_text().splitlines()[0])
    assert {"act", "observation.state"} <= line["stats"].keys()
    assert "next.reward" not in line["stats"]
    assert "left-behind" not in told
    edited([root], tmp_path / "c", "gr00t", drop=(CAMERA, "action"))
    assert not (tmp_path / "c/videos").exists()
    assert json.loads((tmp_path / "c/meta/modality.json").read_text())["action"] == {}
    assert "modality.json" in edited([root], tmp_path / "d", "lerobot-3.0", drop=("action",))["left-behind"][1]


def test_statistics_of_frames_go_along_by_episode(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6, 5), videos=True)
    path = root / "meta/episodes_stats.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines):
        told = {kind: [[[0.1 * (number + 1)]]] * 3 for kind in ("min", "max", "mean", "std")}
        line["stats"][CAMERA] = told | {"count": [LENGTHS[number]]}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = edited([root], tmp_path / "b", "lerobot-3.0", without_episodes="0", rename={CAMERA: "top"})
    assert "no-frame-stats" not in told
    total = json.loads((tmp_path / "b/meta/stats.json").read_text())["top"]
    assert total["count"] == [11]
    assert total["mean"][0][0][0] == pytest.approx((6 * 0.2 + 5 * 0.3) / 11)
    edited([tmp_path / "b", tmp_path / "b"], tmp_path / "c", "lerobot-2.1")
    after = [json.loads(line) for line in (tmp_path / "c/meta/episodes_stats.jsonl").read_text().splitlines()]
    assert [line["stats"]["top"] for line in after] == [line["stats"][CAMERA] for line in lines[1:]] * 2
    # Version 2.0 tells them of the set alone, and a part of it is another set.
    old = write_lerobot(tmp_path / "d", version="v2.0", lengths=(4, 6), videos=True)
    stats = json.loads((old / "meta/stats.json").read_text()) | {CAMERA: {"mean": [[[0.5]]] * 3}}
    (old / "meta/stats.json").write_text(json.dumps(stats))
    assert "no-frame-stats" in edited([old], tmp_path / "e", None, episodes="1")
    assert "no-frame-stats" not in edited([old], tmp_path / "f", None, drop=("next.reward",))


def test_what_else_is_said_of_episodes_and_of_the_set_goes_along(tmp_path: Path) -> None:
    one = write_lerobot(tmp_path / "a", lengths=(4, 6))
    two = write_lerobot(tmp_path / "b", lengths=(3, 2))
    path = two / "meta/episodes.jsonl"
    lines = [json.loads(line) | {"success": True} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for root, said in ((one, "x"), (two, "y")):
        info = json.loads((root / "meta/info.json").read_text())
        (root / "meta/info.json").write_text(json.dumps(info | {"operator": said}))
    (two / "README.md").write_text("mine")
    told = edited([one, two], tmp_path / "c")
    after = [json.loads(line) for line in (tmp_path / "c/meta/episodes.jsonl").read_text().splitlines()]
    assert [line["success"] for line in after] == [None, None, True, True]
    assert json.loads((tmp_path / "c/meta/info.json").read_text())["operator"] == "x"
    assert told["unlike-info"][0] == str(two / "meta/info.json")
    assert "something else of operator than" in told["unlike-info"][1]
    assert told["left-behind"] == (str(two), "1 thing has no place in lerobot-2.1: README.md")


def test_splits_lie_where_their_episodes_are_now(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", lengths=LENGTHS)
    info = json.loads((root / "meta/info.json").read_text()) | {"splits": {"train": "0:3", "test": "3:4"}}
    (root / "meta/info.json").write_text(json.dumps(info))

    def splits(name: str) -> dict[str, str]:
        told: dict[str, str] = json.loads((tmp_path / name / "meta/info.json").read_text())["splits"]
        return told

    edited([root], tmp_path / "b", None, without_episodes="1")
    assert splits("b") == {"train": "0:2", "test": "2:3"}
    assert edited([root], tmp_path / "c", None, episodes="0:2")["splits-empty"][1] == "no episode of test is kept"
    assert splits("c") == {"train": "0:2"}
    assert "splits-merged" in edited([root, root], tmp_path / "d")
    assert splits("d") == {"train": "0:8"}


def test_unlike_sets_are_refused_with_every_difference(tmp_path: Path) -> None:
    one = write_lerobot(tmp_path / "a", lengths=(4, 6), videos=True)
    two = write_lerobot(tmp_path / "b", lengths=(3, 2), fps=20.0)
    info = json.loads((two / "meta/info.json").read_text())
    info["features"]["action"]["names"] = ["x", "y", "z"]
    (two / "meta/info.json").write_text(json.dumps(info | {"robot_type": "other"}))
    (two / "meta/modality.json").write_text("{}")
    with pytest.raises(SchemaError, match="expected 10 as in") as caught:
        edit_sets([one, two], tmp_path / "c", None, EpisodesEdit())
    where = f"{two / 'meta/info.json'}: "
    told = {problem.where.removeprefix(where): problem.message for problem in caught.value.problems}
    assert told.keys() == {
        "fps",
        "robot_type",
        "features: action",
        f"features: {CAMERA}",
        str(two / "meta/modality.json"),
    }
    assert told["fps"] == f"expected 10 as in {one}, got 20"
    fixes = {problem.where.removeprefix(where): problem.fix for problem in caught.value.problems}
    assert fixes["robot_type"] == "where it is the same robot, write the same robot_type into meta/info.json of a copy"
    assert "lapsdata.Mixture" in str(fixes["fps"])
    assert told["features: action"].endswith("got float32 (3,) ['x', 'y', 'z']")
    assert told[f"features: {CAMERA}"].endswith("got none")
    # Alike are sets by their new names: one that has a column of an old name, and one that has it by the new.
    renamed = tmp_path / "d"
    edited([one], renamed, None, rename={"action": "act"})
    with pytest.raises(SchemaError, match=r"features: act: expected none as in"):
        edit_sets([one, renamed], tmp_path / "e", None, EpisodesEdit())
    edited([one, renamed], tmp_path / "e", None, rename={"action": "act"})
    assert len(read_set(tmp_path / "e", strict=True).episodes) == 4


def test_columns_of_another_order_are_in_that_of_the_first(tmp_path: Path) -> None:
    one, two = (write_lerobot(tmp_path / name, lengths=(4,)) for name in "ab")
    path = two / "data/chunk-000/episode_000000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[::-1]), path)
    edited([one, two], tmp_path / "c", "lerobot-3.0")
    (file,) = (tmp_path / "c/data").rglob("*.parquet")
    assert pq.read_table(file).num_rows == 8


def test_names_that_cannot_be_are_refused_all_at_once(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a")
    with pytest.raises(
        SchemaError, match=r"expected one of action, next\.reward, observation\.state, got nothing"
    ) as caught:
        edit_sets(
            [root], tmp_path / "b", None,
            EpisodesEdit(drop=("nothing", "index"), rename={"timestamp": "t", "action": "observation.state"}),
        )  # fmt: skip
    assert sorted(problem.code for problem in caught.value.problems) == [
        "name-taken", "needed-column", "needed-column", "unknown-name",
    ]  # fmt: skip
    with pytest.raises(SchemaError, match=r"expected a name that is kept, got action, which is dropped"):
        names_of(EpisodesEdit(drop=("action",), rename={"action": "a"}), [["action"]])
    swapped = names_of(EpisodesEdit(rename={"a": "b", "b": "a"}), [["a", "b"]])
    assert swapped.keys({"a": 1, "b": 2}) == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"episodes": "3:1"}, r"episodes that there are, 0-3, got 3:1: a span begins before it ends"),
        ({"episodes": "0:5"}, r"episodes: expected numbers of episodes that there are, 0-3, got 0:5"),
        ({"episodes": "1,7"}, r"got 7"),
        ({"without_episodes": "2:2"}, r"without_episodes: .* got 2:2"),
        ({"episodes": "1", "without_episodes": "0:2"}, r"expected an episode that is kept, got none"),
    ],
)
def test_numbers_that_name_no_episode_are_refused(said: dict[str, str], match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        chosen_episodes(EpisodesEdit(**said), np.arange(4))


@pytest.mark.parametrize("text", ["", "1-3", "a", "1:2:3", "-1", "1,"])
def test_words_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="episodes"):
        EpisodesEdit(episodes=text)


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(0, 12))
def test_each_episode_stays_in_its_split(kept: list[bool], at: int) -> None:
    count, at = len(kept), min(at, len(kept))
    found = kept_splits({"a": f"0:{at}", "b": f"{at}:{count}"}, np.arange(count), np.array(kept))
    spans = {name: int(span.split(":")[1]) - int(span.split(":")[0]) for name, span in found.items()}
    wanted = {"a": sum(kept[:at]), "b": sum(kept[at:])}
    assert spans == {name: number for name, number in wanted.items() if number}


def test_gaps_in_the_numbers_are_closed(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", lengths=LENGTHS)
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    told = edited([root], tmp_path / "b", None, drop=("next.reward",))
    assert told["episodes-numbered"][1] == "episodes 0, 2-3 are numbered from 0 now"
    assert read_set(tmp_path / "b", strict=True).episodes.number.tolist() == [0, 1, 2]


def test_errors_name_the_videos_of_the_source_and_nothing_is_left(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", lengths=(4, 6), videos=True)
    path = root / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(LapsError, match=re.escape(str(path))):
        edit_sets([root], tmp_path / "b", None, EpisodesEdit(episodes="1"))
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_nothing_is_replaced_and_episodes_of_several_sets_are_not_chosen(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a")
    shutil.copytree(root, tmp_path / "b")
    with pytest.raises(StorageError, match="expected a free name, got an existing one"):
        edit_sets([root], tmp_path / "b", None, EpisodesEdit(episodes="1"))
    with pytest.raises(SchemaError, match=r"expected one source to choose episodes of, got 2"):
        edit_sets([root, tmp_path / "b"], tmp_path / "c", None, EpisodesEdit(episodes="1"))


_WORDS = st.lists(st.sampled_from(["pick", "place", "wave", "pour"]), min_size=1, max_size=3, unique=True)


@settings(max_examples=12, deadline=None)
@given(
    data=st.data(),
    words=st.lists(_WORDS, min_size=2, max_size=3),
    versions=st.lists(st.sampled_from(VERSIONS), min_size=3, max_size=3),
    to=st.sampled_from(TARGETS[:3]),
)
def test_any_sets_as_one_are_their_rows_one_behind_the_other_by_the_rules_of_lerobot(
    data: st.DataObject, words: list[list[str]], versions: list[str], to: LeRobotTarget
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        roots, wanted = [], []
        for at, (said, version) in enumerate(zip(words, versions, strict=False)):
            lengths = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
            root = write_lerobot(Path(folder) / f"s{at}", version=version, lengths=lengths)
            retold(root, version, [said[number % len(said)] for number in range(len(lengths))], said)
            roots.append(root)
            wanted += [
                (said[number % len(said)], row.columns["action"][n].tolist(), float(row.columns["timestamp"][n]))
                for number, row in enumerate(episode_rows(lengths))
                for n in range(lengths[number])
            ]
        edited(roots, Path(folder) / "new", to)
        rows = rows_by_hand(Path(folder) / "new")
        got = [(row.task, list(row.values["action"]), row.values["timestamp"]) for row in rows]
        assert got == wanted
        assert [row.values["index"] for row in rows] == list(range(len(wanted)))
        first = read_set(roots[0]).episodes.header.tasks
        tasks = read_set(Path(folder) / "new", strict=True).episodes.header.tasks
        assert tasks[: len(first)] == first
        assert sorted(task.words for task in tasks) == sorted({text for said in words for text in said})
        assert [task.number for task in tasks] == list(range(len(tasks)))


def retold(root: Path, version: str, each: Sequence[str], words: Sequence[str]) -> None:
    """Give the tasks of a set other words, and each episode one of them."""
    numbers = [words.index(text) for text in each]
    info = json.loads((root / "meta/info.json").read_text()) | {"total_tasks": len(words)}
    (root / "meta/info.json").write_text(json.dumps(info))
    for path in sorted((root / "data").rglob("*.parquet")):
        table = pq.read_table(path)
        task = pa.array([numbers[number] for number in table.column("episode_index").to_pylist()], pa.int64())
        pq.write_table(table.set_column(table.schema.get_field_index("task_index"), "task_index", task), path)
    if version == "v3.0":
        told = {"task_index": list(range(len(words))), "__index_level_0__": list(words)}
        pq.write_table(pa.table(told), root / "meta/tasks.parquet")
        path = root / "meta/episodes/chunk-000/file-000.parquet"
        table = pq.read_table(path)
        column = pa.array([[text] for text in each])
        pq.write_table(table.set_column(table.schema.get_field_index("tasks"), "tasks", column), path)
        return
    lines = [{"task_index": number, "task": text} for number, text in enumerate(words)]
    (root / "meta/tasks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = root / "meta/episodes.jsonl"
    listed = [json.loads(line) for line in path.read_text().splitlines()]
    listed = [one | {"tasks": [text]} for one, text in zip(listed, each, strict=True)]
    path.write_text("".join(json.dumps(line) + "\n" for line in listed))


@pytest.mark.parametrize("to", TARGETS[:3])
def test_edited_sets_are_found_by_the_rules_of_lerobot(
    sets: dict[str, Path], tmp_path: Path, to: LeRobotTarget
) -> None:
    edited([sets["v2.1"]], tmp_path / "a", to, episodes="1,3", rename={CAMERA: "top"})
    rows, source = rows_by_hand(tmp_path / "a"), rows_by_hand(sets["v2.1"])
    kept = [row for row in source if row.values["episode_index"] in (1, 3)]
    assert len(rows) == len(kept) == 9
    for got, wanted in zip(rows, kept, strict=True):
        assert got.task == wanted.task
        assert {**got.values, "index": 0, "episode_index": 0} == {**wanted.values, "index": 0, "episode_index": 0}
        np.testing.assert_array_equal(got.images["top"], wanted.images[CAMERA])
    assert info_of(tmp_path / "a")["total_episodes"] == 2


def test_a_camera_that_does_not_show_every_episode(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6, 5), videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
    for name, to in (("b", "lerobot-3.0"), ("c", "lerobot-2.1")):
        edited([root], tmp_path / name, to, without_episodes="0")
        shown = read_set(tmp_path / name).episodes.video_index[CAMERA].tolist()
        assert [index >= 0 for index in shown] == [False, True]


def test_images_in_the_rows_go_with_their_column(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(2, 3))
    for path in sorted((root / "data").rglob("*.parquet")):
        table = pq.read_table(path)
        images = pa.array([{"bytes": b"png %d" % row, "path": None} for row in range(len(table))])
        pq.write_table(table.append_column("observation.images.still", images), path)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["observation.images.still"] = {"dtype": "image", "shape": [4, 4, 3], "names": None}
    (root / "meta/info.json").write_text(json.dumps(info))
    edited([root], tmp_path / "b", None, episodes="1", rename={"observation.images.still": "still"})
    (table,) = tables(tmp_path / "b")
    assert [one["bytes"] for one in table.column("still").to_pylist()] == [b"png 0", b"png 1", b"png 2"]
    assert [camera.name for camera in read_set(tmp_path / "b").info.cameras] == ["still"]
    edited([root], tmp_path / "c", "lerobot-3.0", drop=("observation.images.still",))
    assert "observation.images.still" not in tables(tmp_path / "c")[0].column_names
