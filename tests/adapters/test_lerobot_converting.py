"""From any version of LeRobot to any other: equal rows, equal frames at equal times, and what is lost is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from lapsdata.adapters.lerobot._out_stats import column_stats
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, episode_rows, write_lerobot
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters.lerobot.converting import LeRobotTarget

LENGTHS = (4, 6, 5)
VERSIONS = ("v2.0", "v2.1", "v3.0")


def named(version: str) -> LeRobotTarget:
    return f"lerobot-{version[1:]}"  # type: ignore[return-value]  # one of its words


def columns(root: Path) -> list[dict[str, np.ndarray]]:
    """All columns of every episode, as our reader finds them."""
    episodes = read_set(root, strict=True).episodes
    rows = EpisodeRows(root, episodes)
    names = [feature.name for feature in episodes.header.features]
    return [rows.read(place, names) for place in range(len(episodes))]


def frames(root: Path) -> list[list[tuple[float, np.ndarray]]]:
    """Frames of every episode with their times from its time 0."""
    episodes, found = read_set(root).episodes, []
    for place, rows in enumerate(episodes.rows.tolist()):
        start_s = float(episodes.video_start_s[CAMERA][place])
        with open_video(root / episodes.video_files[int(episodes.video_index[CAMERA][place])]) as video:
            first = int(np.searchsorted(video.facts.frame_s, start_s - 1e-6))
            shown = video.frames(range(first, first + rows))
            found.append([(frame.time_s - start_s, frame.image) for frame in shown])
    return found


def expect_same_frames(one: Path, other: Path) -> None:
    for left, right in zip(frames(one), frames(other), strict=True):
        np.testing.assert_allclose([t for t, _ in left], [t for t, _ in right], atol=1e-6)
        np.testing.assert_array_equal([image for _, image in left], [image for _, image in right])


def codes(root: Path, target: Path, to: LeRobotTarget) -> dict[str, str]:
    return {note.code: note.message for note in convert_set(root, target, to).notes}


@pytest.mark.parametrize("before", VERSIONS)
@pytest.mark.parametrize("after", VERSIONS)
def test_rows_of_any_version_become_those_of_any_other(tmp_path: Path, before: str, after: str) -> None:
    root = write_lerobot(tmp_path / "old", version=before, lengths=LENGTHS, start_s=0.05)
    if before == after:
        with pytest.raises(SchemaError, match=rf"expected another version than that of .*, got lerobot-{after[1:]}"):
            convert_set(root, tmp_path / "new", named(after))
        assert not (tmp_path / "new").exists()
        return
    convert_set(root, tmp_path / "new", named(after))
    found = read_set(tmp_path / "new", strict=True)
    assert (found.version, found.info.stated, found.info.robot) == (after, after, "drawn")
    for got, wanted in zip(columns(tmp_path / "new"), episode_rows(LENGTHS, start_s=0.05), strict=True):
        assert set(got) == set(wanted.columns)
        for name, array in wanted.columns.items():
            assert got[name].dtype == array.dtype
            np.testing.assert_array_equal(got[name], array)
    assert [found.episodes.tasks_of(place).tolist() for place in range(3)] == [[0], [1], [0]]
    assert [task.words for task in found.episodes.header.tasks] == ["pick the cube", "place the cup"]


def test_there_and_back_again_is_the_same_set(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.0", lengths=LENGTHS, videos=True, start_s=0.05)
    before = root
    for name, to in (("b", "lerobot-2.1"), ("c", "lerobot-3.0"), ("d", "lerobot-2.1"), ("e", "lerobot-2.0")):
        convert_set(before, tmp_path / name, to)  # type: ignore[arg-type]  # its words
        expect_same_frames(root, tmp_path / name)
        before = tmp_path / name
    for episode in range(3):
        path = f"data/chunk-000/episode_{episode:06d}.parquet"
        assert pq.read_table(before / path).equals(pq.read_table(root / path))
    for name in ("episodes.jsonl", "tasks.jsonl"):
        assert (before / "meta" / name).read_text() == (root / "meta" / name).read_text()
    assert (tmp_path / "b/meta/episodes_stats.jsonl").read_text() == (
        tmp_path / "d/meta/episodes_stats.jsonl"
    ).read_text()
    for one, two in ((json.loads((folder / "meta/info.json").read_text()) for folder in (root, before)),):
        assert one == two


def test_frames_are_those_that_were_drawn(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "old", version="v2.1", lengths=LENGTHS, videos=True)
    convert_set(root, tmp_path / "new", "lerobot-3.0")
    for episode, shown in enumerate(frames(tmp_path / "new")):
        for row, (time_s, image) in enumerate(shown):
            assert time_s == pytest.approx(row / 10, abs=1e-6)
            assert np.abs(image.astype(int) - drawn_frame(episode, row)).max() <= 3


def test_packets_are_joined_up_to_a_size_and_files_of_rows_too(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "old", version="v2.1", lengths=LENGTHS, videos=True)
    told = convert_set(root, tmp_path / "one", "lerobot-3.0")
    assert {note.code: note.message for note in told.notes}["videos-copied"].startswith("0 copied as files, 3 packet")
    one = read_set(tmp_path / "one", strict=True).episodes
    assert one.video_files == (f"videos/{CAMERA}/chunk-000/file-000.mp4",)
    np.testing.assert_allclose(one.video_start_s[CAMERA], [0.0, 0.4, 1.0])
    assert one.first_row.tolist() == [0, 4, 10]
    footer = pq.read_metadata(tmp_path / "one" / one.files[0])
    assert [footer.row_group(group).num_rows for group in range(footer.num_row_groups)] == [4, 6, 5]
    convert_set(root, tmp_path / "each", "lerobot-3.0", data_mb=1e-6, video_mb=1e-6)
    each = read_set(tmp_path / "each", strict=True).episodes
    assert [len(each.files), len(each.video_files)] == [3, 3]
    expect_same_frames(tmp_path / "one", tmp_path / "each")


def test_ends_in_the_table_are_those_of_the_videos(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "old", version="v2.1", lengths=LENGTHS, videos=True)
    convert_set(root, tmp_path / "new", "lerobot-3.0")
    table = pq.read_table(tmp_path / "new/meta/episodes/chunk-000/file-000.parquet")
    assert table.column("dataset_from_index").to_pylist() == [0, 4, 10]
    assert table.column("dataset_to_index").to_pylist() == [4, 10, 15]
    np.testing.assert_allclose(table.column(f"videos/{CAMERA}/to_timestamp").to_numpy(), [0.4, 1.0, 1.5])
    assert table.column("meta/episodes/file_index").to_pylist() == [0, 0, 0]
    words = pq.read_table(tmp_path / "new/meta/tasks.parquet")
    assert json.loads(words.schema.metadata[b"pandas"])["index_columns"] == ["task"]


def test_what_begins_at_no_keyframe_is_encoded_again_and_told(tmp_path: Path) -> None:
    # The videos of these sets were encoded over all their episodes: one keyframe at the begin of each file.
    root = write_lerobot(tmp_path / "old", version="v3.0", lengths=(4, 6, 5, 7), videos=True)
    told = codes(root, tmp_path / "new", "lerobot-2.1")
    assert told["videos-copied"].startswith("1 copied as files, 0 packet by packet")
    assert told["videos-encoded"].endswith("encoded again: 0-2")
    for episode, shown in enumerate(frames(tmp_path / "new")):
        for row, (time_s, image) in enumerate(shown):
            assert time_s == pytest.approx(row / 10, abs=1e-6)
            assert np.abs(image.astype(int) - drawn_frame(episode, row)).max() <= 5


def test_a_video_that_cannot_follow_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "old", version="v2.1", lengths=LENGTHS, videos=True)
    path = root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4"
    path.unlink()
    write_video(path, [drawn_frame(1, row) for row in range(6)], np.arange(6) / 10, codec="av1")
    convert_set(root, tmp_path / "new", "lerobot-3.0")
    found = read_set(tmp_path / "new").episodes
    assert found.video_index[CAMERA].tolist() == [0, 1, 2]
    assert found.video_start_s[CAMERA].tolist() == [0, 0, 0]
    expect_same_frames(root, tmp_path / "new")
    assert codes(tmp_path / "new", tmp_path / "back", "lerobot-2.1")["videos-copied"].startswith("3 copied as files")
    assert (tmp_path / "back" / path.relative_to(root)).read_bytes() == path.read_bytes()


def test_statistics_are_those_of_the_rows(tmp_path: Path) -> None:
    lengths = (4, 6, 5)
    root = write_lerobot(tmp_path / "a", version="v2.0", lengths=lengths)
    convert_set(root, tmp_path / "b", "lerobot-3.0")
    convert_set(root, tmp_path / "c", "lerobot-2.1")
    rows = episode_rows(lengths)
    for name in rows[0].columns:
        every = np.concatenate([row.columns[name] for row in rows]).astype(np.float64).reshape(15, -1)
        total = json.loads((tmp_path / "b/meta/stats.json").read_text())[name]
        np.testing.assert_allclose(total["std"], every.std(0), atol=1e-12)
        np.testing.assert_allclose(total["q10"], np.quantile(every, 0.1, axis=0), atol=1e-12)
        assert total["count"] == [15]
        lines = [json.loads(line) for line in (tmp_path / "c/meta/episodes_stats.jsonl").read_text().splitlines()]
        table = pq.read_table(tmp_path / "b/meta/episodes/chunk-000/file-000.parquet")
        for episode, row in enumerate(rows):
            one = row.columns[name].astype(np.float64).reshape(lengths[episode], -1)
            stats: dict[str, Any] = lines[episode]["stats"][name]
            assert set(stats) == {"min", "max", "mean", "std", "count"}
            np.testing.assert_allclose(stats["mean"], one.mean(0))
            assert table.column(f"stats/{name}/max")[episode].as_py() == one.max(0).tolist() == stats["max"]


def test_a_number_per_row_has_statistics_of_one_number() -> None:
    found = column_stats(np.array([False, True, True]))
    assert {kind: value.shape for kind, value in found.items() if value.shape != (1,)} == {}
    assert found["mean"][0] == pytest.approx(2 / 3)
    assert column_stats(np.zeros((5, 2, 3)))["q50"].shape == (2, 3)


def test_statistics_of_frames_are_carried_and_put_together(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6), videos=True)
    path = root / "meta/episodes_stats.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line, low, high, mean, std in zip(lines, (0.1, 0.2), (0.8, 0.9), (0.5, 0.6), (0.1, 0.2), strict=True):
        told = {"min": low, "max": high, "mean": mean, "std": std}
        line["stats"][CAMERA] = {kind: [[[value]]] * 3 for kind, value in told.items()} | {"count": [5]}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "no-frame-stats" not in codes(root, tmp_path / "b", "lerobot-3.0")
    total = json.loads((tmp_path / "b/meta/stats.json").read_text())[CAMERA]
    assert total["count"] == [10]
    assert total["max"] == [[[0.9]]] * 3
    # Two halves of 0.5 +- 0.1 and 0.6 +- 0.2.
    assert total["std"][0][0][0] == pytest.approx(np.sqrt((0.01 + 0.04) / 2 + 0.05**2))
    codes(tmp_path / "b", tmp_path / "c", "lerobot-2.1")
    back = [json.loads(line) for line in (tmp_path / "c/meta/episodes_stats.jsonl").read_text().splitlines()]
    assert [line["stats"][CAMERA] for line in back] == [line["stats"][CAMERA] for line in lines]
    assert "no-frame-stats" in codes(write_lerobot(tmp_path / "d", videos=True), tmp_path / "e", "lerobot-3.0")


def test_names_of_parts_are_kept_for_groot_made_up_where_there_are_none_and_left_behind_elsewhere(
    tmp_path: Path,
) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", videos=True)
    told = codes(root, tmp_path / "b", "gr00t")
    assert "one part each" in told["modality-made"]
    made = json.loads((tmp_path / "b/meta/modality.json").read_text())
    assert made["state"] == {"state": {"start": 0, "end": 3, "original_key": "observation.state"}}
    found = read_set(tmp_path / "b", strict=True)
    assert found.version == "v2.0"
    assert [group.name for group in found.episodes.header.groups] == ["state.state", "action.action"]
    assert {"q01", "q99"} <= set(json.loads((tmp_path / "b/meta/stats.json").read_text())["action"])
    made["state"] = {"arm": {"start": 0, "end": 2}, "hand": {"start": 2, "end": 3}}
    (tmp_path / "b/meta/modality.json").write_text(json.dumps(made))
    assert "modality-made" not in codes(tmp_path / "b", tmp_path / "c", "gr00t")
    assert json.loads((tmp_path / "c/meta/modality.json").read_text()) == made
    assert "meta/modality.json" in codes(tmp_path / "b", tmp_path / "d", "lerobot-3.0")["left-behind"]


def test_groot_is_told_what_it_asks_for_and_is_not_there(tmp_path: Path) -> None:
    assert codes(write_lerobot(tmp_path / "a"), tmp_path / "b", "gr00t")["no-modality"].startswith("GR00T asks for vid")


def test_what_has_no_place_is_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0")
    (root / "README.md").write_text("mine")
    (root / "meta/relative_stats.json").write_text("{}")
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"splits": {"train": "0:100"}, "tools": ["x"]}))
    told = codes(root, tmp_path / "b", "lerobot-2.1")
    assert told["left-behind"].endswith("lerobot-2.1: meta/relative_stats.json, README.md")
    assert "q01" in told["quantiles-left-behind"]
    assert "splits-corrected" in told
    written = json.loads((tmp_path / "b/meta/info.json").read_text())
    assert (written["splits"], written["tools"]) == ({"train": "0:3"}, ["x"])
    assert "data_files_size_in_mb" not in written


def test_what_else_is_said_of_an_episode_goes_along(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6))
    path = root / "meta/episodes.jsonl"
    lines = [json.loads(line) | {"success": n == 1} for n, line in enumerate(path.read_text().splitlines())]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    convert_set(root, tmp_path / "b", "lerobot-3.0")
    convert_set(tmp_path / "b", tmp_path / "c", "lerobot-2.0")
    assert [json.loads(line) for line in (tmp_path / "c/meta/episodes.jsonl").read_text().splitlines()] == lines


def test_episodes_that_are_not_there_leave_gaps_in_the_numbers(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=LENGTHS, videos=True)
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    told = codes(root, tmp_path / "b", "lerobot-3.0")
    assert told["numbers-with-gaps"].startswith("episodes keep their numbers 0, 2;")
    found = read_set(tmp_path / "b").episodes
    assert (found.number.tolist(), found.rows.tolist()) == ([0, 2], [4, 5])
    convert_set(tmp_path / "b", tmp_path / "c", "lerobot-2.0")
    assert sorted(path.name for path in (tmp_path / "c/data/chunk-000").iterdir()) == [
        "episode_000000.parquet",
        "episode_000002.parquet",
    ]


def test_a_camera_that_does_not_show_an_episode_shows_none_of_it_afterwards(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=LENGTHS, videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
    convert_set(root, tmp_path / "b", "lerobot-3.0")
    assert read_set(tmp_path / "b").episodes.video_index[CAMERA].tolist() == [0, -1, 0]
    convert_set(tmp_path / "b", tmp_path / "c", "lerobot-2.1")
    assert read_set(tmp_path / "c").episodes.video_index[CAMERA].tolist()[1] == -1


def test_rows_of_no_episode_are_counted(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6))
    path = root / "meta/episodes.jsonl"
    path.write_text(path.read_text().replace('"length": 6', '"length": 5'))
    assert codes(root, tmp_path / "b", "lerobot-3.0")["rows-left-behind"].startswith("1 rows of its files belong to")


def test_a_set_that_is_not_whole_is_not_written(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6))
    path = root / "meta/episodes.jsonl"
    path.write_text(path.read_text().replace('"length": 6', '"length": 7'))
    with pytest.raises(CorruptDataError, match=r"episode 1: expected rows 0 to 7, got a file of 6"):
        convert_set(root, tmp_path / "b", "lerobot-3.0")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a"]


def test_a_video_that_ends_before_its_episode_is_an_error(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", lengths=(4, 6), videos=True)
    path = root / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    path.unlink()
    write_video(path, [drawn_frame(0, row) for row in range(4)], np.arange(4) / 10)
    with pytest.raises(
        CorruptDataError, match=r"episode 1: expected frames at 0\.4 to 1 s, got a video of 0 to 0\.4 s"
    ):
        convert_set(root, tmp_path / "b", "lerobot-2.1")


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a")
    (tmp_path / "b").mkdir()
    with pytest.raises(StorageError, match="expected a free name, got an existing one"):
        convert_set(root, tmp_path / "b", "lerobot-3.0")
    convert_set(root, tmp_path / "b", "lerobot-3.0", overwrite=True)
    assert read_set(tmp_path / "b", strict=True).version == "v3.0"


def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected one of lerobot-2\.0, .*, got 'lerobot-4\.0'"):
        convert_set(tmp_path, tmp_path / "b", "lerobot-4.0")  # type: ignore[arg-type]  # that is the test
