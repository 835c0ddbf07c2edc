"""What a data set says of itself, in the words of LeRobot; statistics are read when somebody asks for them."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.demo_files import write_robomimic
from lapsdata.testing.episode_sets import CAMERA, episode_rows, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = (4, 6)
ROWS = [one.columns for one in episode_rows(LENGTHS)]


def column(name: str) -> Any:
    values = np.concatenate([one[name] for one in ROWS]).astype(np.float64)
    return values.reshape(len(values), -1)


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_statistics_are_arrays_by_feature_and_kind(tmp_path: Path, version: str) -> None:
    steps = lapsdata.open_steps(write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS))
    stats = steps.meta.stats
    assert stats is steps.meta.stats
    for name in ("observation.state", "next.reward", "timestamp"):
        values = column(name)
        wanted = {
            "mean": values.mean(0), "std": values.std(0), "min": values.min(0), "max": values.max(0),
            "q01": np.quantile(values, 0.01, axis=0), "q99": np.quantile(values, 0.99, axis=0),
        }  # fmt: skip
        for kind, array in wanted.items():
            np.testing.assert_allclose(stats[name][kind], array, atol=1e-12, err_msg=f"{name}: {kind}")
            assert stats[name][kind].dtype == np.float64
    # They are of the whole data set, also where some episodes were chosen, and scale samples as they are.
    some = lapsdata.open_steps(steps.meta.root, episodes=[1], normalize={"action": "mean_std"}, stats=stats)
    assert some.meta.stats["action"]["mean"].tolist() == column("action").mean(0).tolist()
    wanted_action = (ROWS[1]["action"] - column("action").mean(0)) / column("action").std(0)
    np.testing.assert_allclose(some.gather(range(6))["action"], wanted_action, rtol=1e-5, atol=1e-6)


def test_what_the_data_set_says_comes_first_and_frames_have_channels(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
    path = root / "meta/stats.json"
    told = json.loads(path.read_text())
    told[CAMERA] = {kind: [[[0.5]]] * 3 for kind in ("mean", "std", "min", "max")} | {"count": [7]}
    told["action"]["mean"] = [9.0, 9.0, 9.0]
    path.write_text(json.dumps(told))
    stats = lapsdata.open_steps(root).meta.stats
    assert stats["action"]["mean"].tolist() == [9, 9, 9]
    assert stats[CAMERA]["mean"].shape == (3, 1, 1)
    assert (stats[CAMERA]["count"].tolist(), stats["action"]["count"].tolist()) == ([7], [10])
    assert "q01" not in stats[CAMERA]


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    (root / "meta/stats.json").unlink()
    read: list[int] = []
    plain = EpisodeRows.read
    monkeypatch.setattr(EpisodeRows, "read", lambda self, place, *more: read.append(place) or plain(self, place, *more))
    steps = lapsdata.open_steps(root)
    assert read == []
    other = pickle.loads(pickle.dumps(steps))
    assert other.meta.stats["action"]["q50"].tolist() == np.quantile(column("action"), 0.5, axis=0).tolist()
    assert set(read) == {0, 1}
    count = len(read)
    assert other.meta.stats["action"]["max"].tolist() == column("action").max(0).tolist()
    assert len(read) == count


def test_demonstrations_say_nothing_and_are_counted(tmp_path: Path) -> None:
    steps = lapsdata.open_steps(write_robomimic(tmp_path / "demo.hdf5", lengths=LENGTHS, images=True))
    stats = steps.meta.stats
    np.testing.assert_allclose(stats["actions"]["std"], column("action").std(0), atol=1e-12)
    assert stats["actions"]["count"].tolist() == [10]
    assert steps.meta.image_keys == steps.meta.camera_keys == ["obs/top_image"]
    assert steps.meta.video_keys == []
    assert steps.meta.info["features"]["obs/top_image"]["dtype"] == "image"
    assert "codebase_version" not in steps.meta.info


def test_the_other_words_that_users_know(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
    path = root / "meta/info.json"
    told = json.loads(path.read_text())
    told["features"]["action"]["names"] = ["x", "y", "z"]
    path.write_text(json.dumps(told | {"total_frames": 99}))
    meta = lapsdata.open_steps(root).meta
    assert (meta.video_keys, meta.image_keys, meta.camera_keys) == ([CAMERA], [], [CAMERA])
    assert (meta.total_tasks, meta.get_task_index("place the cup"), meta.get_task_index("wave")) == (2, 1, None)
    assert (meta.shapes["action"], meta.shapes["next.reward"], meta.shapes[CAMERA]) == ((3,), (1,), (48, 64, 3))
    assert (meta.names["action"], meta.names["timestamp"]) == (["x", "y", "z"], None)
    info = meta.info
    assert (info["codebase_version"], info["fps"], info["robot_type"]) == ("v3.0", 10.0, "drawn")
    # What was read, and not what the file says of it.
    assert (info["total_frames"], info["total_episodes"], info["splits"]) == (10, 2, {"train": "0:2"})
    for name, one in told["features"].items():
        assert info["features"][name]["dtype"] == one["dtype"]
        assert info["features"][name]["shape"] == one["shape"]
    info["features"].clear()
    assert meta.info["features"]
    json.dumps(meta.info)
