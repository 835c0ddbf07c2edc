"""What a data set says of itself, in the words of LeRobot; statistics are read when somebody asks for them."""

from __future__ import annotations

import copy
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


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_dicts_are_asked_as_those_of_lerobot_are(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS, videos=True)
    path = root / "meta/info.json"
    told = json.loads(path.read_text())
    told["features"]["action"] |= {"names": {"motors": ["x", "y", "z"]}, "info": {"levels": [8, 6], "codes": 48}}
    told["features"][CAMERA] |= {"names": ["height", "width", "channel"], "shape": [48, 64, 3]}
    told["features"][CAMERA]["info"] = {"video.codec": "h264", "video.fps": 10, "own": {"deep": [1]}}
    path.write_text(json.dumps(told))
    parts = {"action": {"arm": {"start": 1, "end": 3}}}
    (root / "meta/modality.json").write_text(json.dumps(parts))
    steps = lapsdata.open_steps(root)
    for name, said in told["features"].items():
        one = steps.features[name]
        # LeRobot makes tuples of shapes.
        assert dict(one) == said | {"shape": tuple(said["shape"]), "names": said.get("names")}
        assert list(one.keys()) == list(one)
        assert (one["dtype"], one.get("nothing", 7), "dtype" in one, "nothing" in one) == (
            said["dtype"],
            7,
            True,
            False,
        )
    action, camera, arm = steps.features["action"], steps.features[CAMERA], steps.features["action.arm"]
    assert (action.names, action.nullable, camera.size.width, camera.codec) == (("x", "y", "z"), False, 64, "h264")
    assert (dict(arm), arm.start) == ({"dtype": "float32", "shape": (2,), "names": ["y", "z"]}, 1)
    with pytest.raises(KeyError, match="nothing"):
        action["nothing"]
    with pytest.raises(AttributeError, match="nothing"):
        _ = action.nothing
    with pytest.raises(TypeError, match="item assignment"):
        action["dtype"] = "int64"  # type: ignore[index]  # that is what is tested
    assert dict(pickle.loads(pickle.dumps(camera))) == dict(copy.deepcopy(camera)) == dict(camera)
    assert repr(arm) == repr(arm.record)


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_all_that_the_file_says_is_there(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS, videos=True)
    path = root / "meta/info.json"
    told = json.loads(path.read_text()) | {"robot_type": ["two", "arms"], "lab": {"table": 3}}
    told["features"]["next.reward"] |= {"names": ["reward"], "unit": "1"}
    path.write_text(json.dumps(told))
    meta = lapsdata.open_steps(root).meta
    assert meta.info | {"features": None} == told | {"features": None}
    for name, said in told["features"].items():
        assert meta.info["features"][name] == {"names": None} | said
    assert (meta.data_path, meta.video_path) == (told["data_path"], told["video_path"])
    assert meta.chunks_size == told["chunks_size"]
    meta.info["lab"]["table"] = 4
    meta.info["features"]["next.reward"]["names"].append("more")
    assert (meta.info["lab"], meta.info["features"]["next.reward"]["names"]) == ({"table": 3}, ["reward"])


def test_what_rows_are_stands_before_what_the_file_says(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    path = root / "meta/info.json"
    told = json.loads(path.read_text())
    told["features"]["action"]["dtype"] = "float64"
    del told["features"]["next.reward"], told["chunks_size"]
    path.write_text(json.dumps(told))
    meta = lapsdata.open_steps(root).meta
    assert (meta.features["action"]["dtype"], meta.features["action"].dtype) == ("float32", "float32")
    assert meta.info["features"]["next.reward"] == {"dtype": "float32", "shape": [1], "names": None}
    assert (meta.chunks_size, meta.video_path) == (None, told.get("video_path"))


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
