"""The parts of writing: statistics, splits, descriptions and places, each by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.adapters.lerobot._frame_stats import FrameStats
from lapsdata.adapters.lerobot._out_meta import told_of
from lapsdata.adapters.lerobot._out_rows import episode_tables, rows_beside
from lapsdata.adapters.lerobot._out_stats import QUANTILES, column_stats, set_stats, told_stats
from lapsdata.adapters.lerobot.converting import convert_set, version_of, write_set
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
from lapsdata.errors import SchemaError
from lapsdata.testing.episode_sets import CAMERA, episode_rows, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=st.floats(-1e6, 1e6)))
def test_statistics_of_a_column_are_those_of_its_sorted_values(values: NDArray[np.float64]) -> None:
    found = column_stats(values)
    for number in range(values.shape[1]):
        ordered = sorted(values[:, number].tolist())
        mean = sum(ordered) / len(ordered)
        assert found["min"][number] == ordered[0]
        assert found["max"][number] == ordered[-1]
        assert found["mean"][number] == pytest.approx(mean, abs=1e-6)
        variance = sum((one - mean) ** 2 for one in ordered) / len(ordered)
        assert found["std"][number] ** 2 == pytest.approx(variance, rel=1e-6, abs=1e-6)
        for name, share in QUANTILES.items():
            # Between the two values whose places are nearest to that share of the way.
            at = share * (len(ordered) - 1)
            low, rest = int(at), at - int(at)
            high = min(low + 1, len(ordered) - 1)
            wanted = ordered[low] + rest * (ordered[high] - ordered[low])
            assert found[name][number] == pytest.approx(wanted, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_statistics_of_a_set_do_not_depend_on_its_layout(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "a", version=version, lengths=(4, 6, 5))
    found = set_stats(root, read_set(root).episodes)
    rows = episode_rows((4, 6, 5))
    assert found.episodes.keys() == found.total.keys() == rows[0].columns.keys()
    assert found.total["observation.state"]["max"].tolist() == [2.0, 5.0, 6.0]
    assert found.episodes["action"]["min"][:, 0].tolist() == [0.5, 1.5, 2.5]
    assert found.episodes["index"]["count"].tolist() == [[4], [6], [5]]


def test_numbers_that_have_no_deviation_are_named(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    for force in (0.0, 1e200):
        writer.add_episode({"action": np.zeros(2), "force": np.array([force, 0.0])}, task="pick")
    with pytest.raises(SchemaError, match=r"episode 1: force: number 0: expected numbers whose squares"):
        set_stats(tmp_path / "a", read_set(tmp_path / "a").episodes)


@given(
    st.lists(hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 4), st.just(3))), min_size=1, max_size=4),
    st.integers(0, 4),
)
def test_statistics_of_frames_are_those_of_all_their_pixels(frames: list[NDArray[np.uint8]], cut: int) -> None:
    parts = []
    for part in (frames[:cut], frames[cut:]):
        parts.append(FrameStats())
        assert [id(frame) for frame in parts[-1].watched(part)] == [id(frame) for frame in part]
    parts[0].add(parts[1])
    found = parts[0].stats()
    values = np.concatenate([frame.reshape(-1, 3) for frame in frames]) / 255
    wanted = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    wanted |= {name: np.quantile(values, share, axis=0) for name, share in QUANTILES.items()}
    assert found.pop("count").tolist() == [len(frames)]
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name].reshape(3), array, atol=1e-12)


def test_nothing_is_told_of_cameras_where_nothing_was(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", videos=True)
    assert told_stats(root, read_set(root).episodes) == ({}, {})


def test_statistics_of_frames_that_some_episodes_lack_are_carried_and_not_put_together(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6), videos=True)
    path = root / "meta/episodes_stats.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    one = {kind: [[[0.5]]] * 3 for kind in ("min", "max", "mean", "std")} | {"count": [4]}
    lines[1]["stats"][CAMERA] = one
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = told_stats(root, read_set(root).episodes)
    assert found.total == {}
    assert found.episodes[CAMERA]["mean"] == [None, [[[0.5]]] * 3]
    convert_set(root, tmp_path / "b", "lerobot-3.0")
    table = pq.read_table(tmp_path / "b/meta/episodes/chunk-000/file-000.parquet")
    assert table.column(f"stats/{CAMERA}/count").to_pylist() == [None, [4]]
    convert_set(tmp_path / "b", tmp_path / "c", "lerobot-2.1")
    back = [json.loads(line) for line in (tmp_path / "c/meta/episodes_stats.jsonl").read_text().splitlines()]
    assert [line["stats"].get(CAMERA) for line in back] == [None, one]


@pytest.mark.parametrize(
    ("splits", "true"),
    [
        ({"train": "0:3"}, True),
        ({"train": "0:2", "test": "2:3"}, True),
        ({"train": "0:4"}, False),
        ({"train": "all"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_splits_are_kept_where_they_are_of_the_set(tmp_path: Path, splits: Any, true: bool) -> None:
    root = write_lerobot(tmp_path / "a")
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps({**info, "splits": splits}))
    told, _, kept = told_of(read_set(root))
    assert kept == true
    assert told.info["splits"] == (splits if true else {"train": "0:3"})


def test_columns_are_described_as_they_are(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1")
    info = json.loads((root / "meta/info.json").read_text())
    features = info["features"]
    features["action"]["dtype"] = "float64"
    features["observation.state"]["names"] = {"motors": ["x", "y", "z"]}
    features["gone"] = {"dtype": "float32", "shape": [2], "names": None}
    features["observation.images.gone"] = {"dtype": "video", "shape": [4, 4, 3], "names": None}
    del features["next.reward"]
    (root / "meta/info.json").write_text(json.dumps(info))
    convert_set(root, tmp_path / "b", "lerobot-3.0")
    written = json.loads((tmp_path / "b/meta/info.json").read_text())["features"]
    assert written["action"]["dtype"] == "float32"
    assert written["observation.state"]["names"] == {"motors": ["x", "y", "z"]}
    assert written["next.reward"] == {"dtype": "float32", "shape": [1], "names": None}
    assert not {"gone", "observation.images.gone"} & written.keys()
    assert read_set(tmp_path / "b", strict=True).info.cameras == ()


def test_tables_are_the_rows_with_all_that_is_in_them(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", lengths=(4, 6, 5))
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    notes = pa.array([f"row {n}" for n in range(10)])
    image = pa.array([{"bytes": bytes([n]), "path": None} for n in range(10)])
    pq.write_table(table.append_column("note", notes).append_column("image", image), path)
    found = read_set(root)
    first, second, third = episode_tables(found)
    assert second.column("note").to_pylist() == [f"row {n}" for n in range(4, 10)]
    assert second.column("image").to_pylist()[0] == {"bytes": b"\x04", "path": None}
    assert "note" not in third.schema.names
    # Rows of other columns cannot stand in the same file.
    convert_set(root, tmp_path / "b", "lerobot-2.1")
    convert_set(tmp_path / "b", tmp_path / "c", "lerobot-3.0")
    again = list(episode_tables(read_set(tmp_path / "c")))
    assert [one.equals(other) for one, other in zip(again, (first, second, third), strict=True)] == [True] * 3
    assert len(read_set(tmp_path / "c").episodes.files) == 2


def test_rows_of_no_episode_are_those_of_files_that_are_used(tmp_path: Path) -> None:
    found = read_set(write_lerobot(tmp_path / "a", version="v3.0", lengths=(4, 6, 5)))
    assert rows_beside(found) == 0
    episodes = found.episodes
    one = replace(
        episodes,
        **{name: getattr(episodes, name)[:1] for name in ("number", "rows", "file_index", "first_row", "task_stop")},
        task_number=episodes.task_number[:1],
    )
    part = replace(found, episodes=one)
    assert rows_beside(part) == 6
    assert "rows-left-behind" in {note.code for note in write_set(part, tmp_path / "b", "lerobot-2.1").notes}
    assert read_set(tmp_path / "b", strict=True).episodes.rows.tolist() == [4]


def test_targets_are_of_versions() -> None:
    assert [version_of(to) for to in ("lerobot-2.0", "gr00t", "lerobot-3.0")] == ["v2.0", "v2.0", "v3.0"]
    with pytest.raises(SchemaError, match=r"expected one of lerobot-2\.0, .*, got 'v3\.0'"):
        version_of("v3.0")
