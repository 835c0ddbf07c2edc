"""Data sets of others from one version of LeRobot to another: every row, every frame, and what is said of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata._repair import repair
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.storage.episode_rows import EpisodeRows, folder_of_rows
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from pathlib import Path

# LeRobot takes the deviation as the mean of squares less the square of the mean, of float32.
_STD = 2e-4


def expect_equal(one: Path, other: Path, step: int) -> None:
    """Every column of every row, and every `step`-th frame of every camera at its time, pixel by pixel."""
    left, right = read_set(one).episodes, read_set(other).episodes
    assert left.number.tolist() == right.number.tolist()
    assert [left.tasks_of(n).tolist() for n in range(len(left))] == [
        right.tasks_of(n).tolist() for n in range(len(right))
    ]
    names = [feature.name for feature in left.header.features]
    tables = EpisodeRows(one, left), EpisodeRows(other, right)
    assert [feature.name for feature in right.header.features] == names
    for place in range(len(left)):
        here, there = (rows.read(place, names) for rows in tables)
        for name in names:
            assert here[name].dtype == there[name].dtype
            np.testing.assert_array_equal(here[name], there[name])
        at_s = np.arange(0, int(left.rows[place]), step) / float(left.header.rate.fraction)
        for camera in left.video_index:
            shown = []
            for root, episodes in ((one, left), (other, right)):
                path = folder_of_rows(root) / episodes.video_files[int(episodes.video_index[camera][place])]
                start_s = float(episodes.video_start_s[camera][place])
                with open_video(path) as video:
                    times = video.facts.frame_s
                    found = [int(np.argmin(np.abs(times - start_s - t))) for t in at_s]
                    assert np.abs(times[found] - start_s - at_s).max() < 1e-4
                    shown.append([frame.image for frame in video.read(found)])
            np.testing.assert_array_equal(*shown)


def told(source: Path, target: Path, to: str) -> dict[str, str]:
    return {note.code: note.message for note in convert_set(source, target, to).notes}  # type: ignore[arg-type]


def test_a_set_of_lerobot_itself_goes_back_and_forth(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "lerobot_pick_v30"
    back = told(root, tmp_path / "v21", "lerobot-2.1")
    assert back["videos-copied"].startswith("10 copied as files, 0 packet by packet")
    assert "no-frame-stats" not in back
    forth = told(tmp_path / "v21", tmp_path / "v30", "lerobot-3.0")
    assert forth["videos-copied"].startswith("0 copied as files, 10 packet by packet")
    again = told(tmp_path / "v30", tmp_path / "v20", "lerobot-2.0")
    # AV1 with a keyframe every other frame: each episode of the joined video begins at one.
    assert again["videos-copied"].startswith("0 copied as files, 10 packet by packet")
    assert "videos-encoded" not in {*back, *forth, *again}
    for name in ("v21", "v30", "v20"):
        expect_equal(root, tmp_path / name, 7)
    assert len(read_set(tmp_path / "v30").episodes.video_files) == 2


def test_its_statistics_are_those_of_lerobot_where_these_are_exact(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "lerobot_pick_v30"
    convert_set(root, tmp_path / "v21", "lerobot-2.1")
    convert_set(tmp_path / "v21", tmp_path / "v30", "lerobot-3.0")
    files = [folder / "meta/episodes/chunk-000/file-000.parquet" for folder in (root, tmp_path / "v30")]
    theirs, ours = (pq.read_table(file) for file in files)
    # Theirs of all rows are put together of those of episodes, whose bins of quantiles are not exact.
    for name in ("observation.state", "action", "next.reward", "timestamp", "index"):
        for kind in ("min", "max", "mean", "std", "count"):
            came, told_so = (np.array(one.column(f"stats/{name}/{kind}").to_pylist()) for one in (ours, theirs))
            np.testing.assert_allclose(came, told_so, atol=_STD if kind == "std" else 2e-6)
    for name, one in json.loads((root / "meta/stats.json").read_text()).items():
        other = json.loads((tmp_path / "v30/meta/stats.json").read_text())[name]
        for kind in ("min", "max", "mean", "std", "count"):
            np.testing.assert_allclose(other[kind], one[kind], atol=_STD if kind == "std" else 2e-5)


def test_shards_hold_a_set_of_lerobot_whole(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "lerobot_pick_v30"
    packed = told(root, tmp_path / "packed", "shards")
    assert packed["videos-copied"].startswith("10 copied as files, 0 packet by packet")
    expect_equal(root, tmp_path / "packed", 7)
    back = told(tmp_path / "packed", tmp_path / "v30", "lerobot-3.0")
    assert "videos-encoded" not in {*packed, *back}
    expect_equal(root, tmp_path / "v30", 7)


def test_a_set_of_groot_with_its_faults(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "gr00t_pick_n_place_v20"
    lost = told(root, tmp_path / "v30", "lerobot-3.0")
    assert lost["videos-copied"].startswith("0 copied as files, 5 packet by packet")
    assert "meta/modality.json" in lost["left-behind"]
    assert lost["splits-corrected"]
    expect_equal(root, tmp_path / "v30", 40)
    found = read_set(tmp_path / "v30")
    # Their rows begin at 0.05 s and their frames at 0 s: both keep their times.
    assert EpisodeRows(tmp_path / "v30", found.episodes).read(1, ["timestamp"])["timestamp"][0] == pytest.approx(0.05)
    assert {note.code for note in found.notes} == {"no-frame-index", "late-start"}
    back = told(tmp_path / "v30", tmp_path / "groot", "gr00t")
    expect_equal(root, tmp_path / "groot", 40)
    assert back["modality-made"]
    assert "videos-encoded" not in back
    # Their own statistics, which were computed of the same rows.
    theirs, ours = (json.loads((folder / "meta/stats.json").read_text()) for folder in (root, tmp_path / "groot"))
    for name in ("observation.state", "action"):
        for kind in ("min", "max", "mean", "std", "q01", "q99"):
            np.testing.assert_allclose(ours[name][kind], theirs[name][kind], atol=1e-4)


def test_three_episodes_of_a_hundred_keep_their_numbers(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "lerobot_g1_v21"
    lost = told(root, tmp_path / "v30", "lerobot-3.0")
    assert "1, 29, 31" in lost["numbers-with-gaps"]
    assert "LICENSE" in lost["left-behind"]
    assert "videos-encoded" not in told(tmp_path / "v30", tmp_path / "v21", "lerobot-2.1")
    for name in ("v30", "v21"):
        expect_equal(root, tmp_path / name, 100)


def test_samples_of_lerobot_are_the_same_after_two_conversions(real_data: Path, tmp_path: Path) -> None:
    """What LeRobot's own loader gave of its set of 3.0, of the set that came back from 2.1: to the last bit."""
    root = real_data / "lerobot_pick_v30"
    convert_set(root, tmp_path / "v21", "lerobot-2.1")
    convert_set(tmp_path / "v21", tmp_path / "v30", "lerobot-3.0")
    ego = "observation.images.ego"
    steps = lapsdata.open_steps(tmp_path / "v30", {ego: [-0.1, 0], "action": [0, 0.05, 0.1, 0.15]})
    with np.load(real_data / "lerobot_pick_v30_expected_samples.npz") as told:
        for index in (0, 69, 70, 125, 214, 215, 255, 315):
            sample = steps[index]
            assert sample["task"] == str(told[f"{index}/task"])
            for name in (ego, "action"):
                np.testing.assert_array_equal(sample[name].numpy(), told[f"{index}/{name}"])


def test_whole_sets_of_others_need_no_repair_and_a_damaged_one_is_saved_up_to_it(
    real_data: Path, tmp_path: Path
) -> None:
    for name in ("gr00t_pick_n_place_v20", "lerobot_pick_v30"):
        [found] = repair(real_data / name).items
        assert (found.state, found.kept) == ("whole", 5)
    # Three of a hundred episodes are there: the first that is listed is not.
    [part] = repair(real_data / "lerobot_g1_v21").items
    assert (part.state, part.kept, part.good_after) == ("beyond-repair", 0, 3)
    [every] = repair(real_data / "lerobot_g1_v21", tmp_path / "three", keep="all").items
    assert (every.state, every.kept, every.lost) == ("repaired", 3, 97)
    expect_equal(real_data / "lerobot_g1_v21", tmp_path / "three", 100)


def test_a_set_that_was_split_and_merged_again_has_the_same_tables(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "lerobot_pick_v30"
    for name, said in (("a", ":2"), ("b", "2:")):
        notes = edit_sets([root], tmp_path / name, None, EpisodesEdit(episodes=said)).notes
        assert {note.code for note in notes} == {"episodes-kept", "videos-copied"}
    merged = edit_sets([tmp_path / "a", tmp_path / "b"], tmp_path / "c", None, EpisodesEdit()).notes
    assert {note.code for note in merged} == {"merged", "videos-copied"}
    expect_equal(root, tmp_path / "c", 7)
    one, other = (pq.read_table(folder / "data") for folder in (root, tmp_path / "c"))
    assert one.equals(other)
    assert read_set(tmp_path / "c").episodes.header.tasks == read_set(root).episodes.header.tasks
    # What LeRobot tells of frames of each episode went both ways.
    files = [folder / "meta/episodes/chunk-000/file-000.parquet" for folder in (root, tmp_path / "c")]
    theirs, ours = (pq.read_table(file) for file in files)
    (name,) = (camera.name for camera in read_set(root).info.cameras if camera.name.endswith("ego"))
    for kind in ("min", "max", "mean", "std", "count", "q50"):
        assert theirs.column(f"stats/{name}/{kind}").to_pylist() == ours.column(f"stats/{name}/{kind}").to_pylist()


def test_arms_of_groot_are_steps_on_disk_as_they_are_in_samples_and_come_back(real_data: Path, tmp_path: Path) -> None:
    root, fields = real_data / "gr00t_pick_n_place_v20", ["action", "action.left_arm", "observation.state"]
    edit = EpisodesEdit(actions={"left_arm": "relative", "right_arm": "delta"}, drop=("observation.images.ego_view",))
    told = {note.code: note.message for note in edit_sets([root], tmp_path / "a", None, edit).notes}
    assert told["actions-delta"].startswith("action.right_arm (action[22:29]) is delta now, from state.right_arm")
    plain, steps = (lapsdata.open_steps(one, fields=fields) for one in (root, tmp_path / "a"))
    wanted, found = plain.gather(range(len(plain))), steps.gather(range(len(plain)))
    relative = lapsdata.open_steps(root, fields=fields, relative={"action.left_arm": "state.left_arm"})
    np.testing.assert_array_equal(found["action.left_arm"], relative.gather(range(len(plain)))["action.left_arm"])
    np.testing.assert_array_equal(found["action"][1:416, 22:29], np.diff(wanted["action"][:416, 22:29], axis=0))
    np.testing.assert_array_equal(found["action"][:, 29:], wanted["action"][:, 29:])
    # A robot at 20 rows per second: steps are small where places are not.
    assert np.abs(found["action"][:, 22:29]).max() < np.abs(wanted["action"][:, 22:29]).max() / 2
    edit_sets([tmp_path / "a"], tmp_path / "b", None, EpisodesEdit(actions={"action": "absolute"}))
    again = lapsdata.open_steps(tmp_path / "b", fields=fields).gather(range(len(plain)))
    np.testing.assert_allclose(again["action"], wanted["action"], rtol=0, atol=1e-12)
    assert steps.specification.steps["action.left_arm"] == "relative"
