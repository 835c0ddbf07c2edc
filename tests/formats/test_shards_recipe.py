"""The recipe for a plain WebDataset pipeline: equal values, in order and in batches; `tar` opens it all."""

from __future__ import annotations

import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import webdataset as wds

from lapsdata.formats import shards_webdataset
from lapsdata.schema.shards import ShardSample
from lapsdata.testing.samples import sample_shards

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers.shards import Shards

# The library leaves the archives that it has read for the garbage collector to close.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

SHARDS = sample_shards(windows=(3, 2, 4), confidence=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shards") / "clips.shards"
    shards_webdataset.write(path, SHARDS, samples_per_shard=4)
    return path


def windows_of(shards: Shards) -> list[tuple[Any, Any, Any]]:
    """Every window of every video: positions, visibility, times."""
    return [
        (tracks.tracks["default"][w], tracks.vis["default"][w], tracks.step_s[w].tolist())
        for tracks in shards.tracks
        for w in range(len(tracks))
    ]


def test_the_pipeline_of_the_documentation(folder: Path) -> None:
    windows = (
        wds.WebDataset(f"{folder}/shard-{{000000..000002}}.tar", shardshuffle=False)
        .decode()
        .to_tuple("tracks.npy", "vis.npy", "json")
    )
    found = list(windows)
    assert len(found) == len(SHARDS) == 9
    for (tracks, vis, told), (positions, seen, step_s) in zip(found, windows_of(SHARDS), strict=True):
        assert (tracks.dtype, vis.dtype) == (np.float32, np.bool_)
        assert np.array_equal(tracks, positions, equal_nan=True)
        assert np.array_equal(vis, seen)
        assert told["step_s"] == step_s
        assert told["start_s"] == step_s[0]
        assert told["sizes"] == {"default": {"width": 64, "height": 48}}
    assert [told["video"] for _, _, told in found] == ["clip_0"] * 3 + ["clip_1"] * 2 + ["clip_2"] * 4
    assert [told["window"] for _, _, told in found] == [0, 1, 2, 0, 1, 0, 1, 2, 3]


def test_the_pipeline_in_batches_and_in_another_order(folder: Path) -> None:
    names = [str(path) for path in sorted(folder.glob("*.tar"))]
    batches = list(
        wds.WebDataset(names, shardshuffle=False).decode().to_tuple("tracks.npy", "confidence.npy", "json").batched(4)
    )
    assert [len(tracks) for tracks, _, _ in batches] == [4, 4, 1]
    positions = np.stack([tracks for tracks, _, _ in windows_of(SHARDS)])
    assert np.array_equal(np.concatenate([tracks for tracks, _, _ in batches]), positions, equal_nan=True)
    shuffled = wds.WebDataset(names, shardshuffle=3).shuffle(10).decode().to_tuple("__key__")
    assert sorted(key for (key,) in shuffled) == sorted(key_of(video, w) for video, w in every_window())


def key_of(video: int, window: int) -> str:
    return f"{video:06d}_{window:09d}"


def every_window() -> list[tuple[int, int]]:
    return [(video, w) for video, tracks in enumerate(SHARDS.tracks) for w in range(len(tracks))]


def test_views_are_endings_of_their_own(tmp_path: Path) -> None:
    shards = sample_shards(windows=(2,), views=("Left", "wrist.rgb"))
    shards_webdataset.write(tmp_path / "v.shards", shards)
    endings = ("left.tracks.npy", "wrist.rgb.vis.npy")
    found = list(
        wds.WebDataset(str(tmp_path / "v.shards/shard-000000.tar"), shardshuffle=False).decode().to_tuple(*endings)
    )
    for w, (left, wrist) in enumerate(found):
        assert np.array_equal(left, shards.tracks[0].tracks["Left"][w], equal_nan=True)
        assert np.array_equal(wrist, shards.tracks[0].vis["wrist.rgb"][w])
    assert len(found) == 2


def test_names_are_told_in_json_and_never_in_keys(tmp_path: Path) -> None:
    for name in ("a.b.c", "Käse 3", "000001_000000000"):
        shards = sample_shards(windows=(1,))
        video = shards.header.videos[0].video.model_copy(update={"name": name})
        header = shards.header.videos[0].model_copy(update={"video": video})
        tracks = type(shards.tracks[0])(header, *list(vars(shards.tracks[0]).values())[1:])
        path = tmp_path / f"{len(name)}.shards"
        with shards_webdataset.ShardsWriter(path) as out:
            out.add(tracks)
            out.add(tracks)
            out.finish(shards.header.provenance)
        pipeline = (
            wds.WebDataset(str(path / "shard-000000.tar"), shardshuffle=False).decode().to_tuple("__key__", "json")
        )
        assert [(key, told["video"]) for key, told in pipeline] == [(key_of(n, 0), name) for n in range(2)]


def test_the_json_of_each_sample_is_its_record(folder: Path) -> None:
    with tarfile.open(folder / "shard-000001.tar") as archive:
        names = archive.getnames()
        file = archive.extractfile("000002_000000000.json")
        assert file is not None
        record = ShardSample.parse(file.read())
    assert names[-1].endswith(".json")
    assert (record.key, record.video, record.video_number, record.window) == ("000002_000000000", "clip_2", 2, 0)
    assert list(record.arrays) == ["confidence", "tracks", "vis"]
    assert "x-seal" in (record.model_extra or {})


def test_tar_itself_lists_and_unpacks_it(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["tar", "xvf", str(folder / "shard-000000.tar"), "-C", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert len(done.stdout.split()) == 4 * 4
    tracks = np.load(tmp_path / "000000_000000001.tracks.npy")
    assert np.array_equal(tracks, SHARDS.tracks[0].tracks["default"][1], equal_nan=True)
