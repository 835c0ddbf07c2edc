"""Writing shards: blocks of any size give the same bytes, mistakes are told, nothing half is left behind."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import Tracks
from lapsdata.containers.shards import Shards
from lapsdata.errors import LapsWarning, LengthMismatchError, SchemaError, StorageError
from lapsdata.formats import shards_webdataset
from lapsdata.formats.shards_webdataset import ShardsFolder, ShardsWriter
from lapsdata.schema import ShardsHeader
from lapsdata.storage.tarfiles import tar_members
from lapsdata.testing import strategies
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_provenance, sample_shards, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIP = sample_tracks(windows=5, views=("front", "wrist"), confidence=True)
MADE = sample_provenance()


def blocks(clip: Tracks, size: int) -> Iterator[tuple[Any, ...]]:
    for first in range(0, len(clip), size):
        given_arrays = [clip.tracks, clip.vis] if clip.confidence is None else [clip.tracks, clip.vis, clip.confidence]
        yield tuple({view: array[first : first + size] for view, array in arrays.items()} for arrays in given_arrays)


def begin(out: ShardsWriter, clip: Tracks) -> None:
    out.begin(clip.header, clip.start_index, clip.frame_s, clip.source_index)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("per_shard", [1, 3, 100])
def test_blocks_of_any_size_give_the_same_bytes(tmp_path: Path, size: int, per_shard: int) -> None:
    with ShardsWriter(tmp_path / "blocks", samples_per_shard=per_shard) as out:
        for _ in range(2):
            begin(out, CLIP)
            for block in blocks(CLIP, size):
                out.append(*block)
        out.finish(MADE, {"clip": 2})
    header = ShardsHeader(provenance=MADE, policies={"clip": 2}, videos=(CLIP.header,) * 2)
    shards_webdataset.write(tmp_path / "whole", Shards(header, (CLIP,) * 2), samples_per_shard=per_shard)
    assert content_of(tmp_path / "blocks") == content_of(tmp_path / "whole")


def test_the_folder_holds_what_it_says(tmp_path: Path) -> None:
    report = shards_webdataset.write(tmp_path / "a", sample_shards(windows=(3, 2, 4)), samples_per_shard=4)
    content = content_of(tmp_path / "a")
    tars = [f"shard-{n:06d}.tar" for n in range(3)]
    assert list(content) == ["frames.parquet", "index.parquet", *tars, "shards.json"]
    assert report.nbytes == sum(map(len, content.values()))
    manifest = json.loads(content["shards.json"])
    assert [shard["rows"] for shard in manifest["shards"]] == [4, 4, 1]
    assert [shard["size"] for shard in manifest["shards"]] == [len(content[name]) for name in tars]
    assert manifest["windows"] == [3, 2, 4]


def test_arrays_begin_at_multiples_of_64_and_samples_lie_at_equal_distances(tmp_path: Path) -> None:
    shards_webdataset.write(tmp_path / "a", sample_shards(windows=(12,), horizon=16, points=40))
    folder = ShardsFolder(tmp_path / "a")
    for field in folder.fields:
        offset = folder.index(field).offset
        assert (offset % 64 == 0).all()
        assert len(np.unique(np.diff(offset))) == 1
    members = tar_members(tmp_path / "a/shard-000000.tar")
    assert [member.name.partition(".")[2] for member in members[:3]] == ["tracks.npy", "vis.npy", "json"]


def test_times_of_any_length_keep_the_distance(tmp_path: Path) -> None:
    clip = sample_tracks(windows=50, horizon=16)
    clip = Tracks(clip.header.model_copy(update={"rate": None}), clip.tracks, clip.vis, clip.start_index,
                  3600 + np.cumsum(np.random.default_rng(0).random(len(clip.frame_s))))  # fmt: skip
    with ShardsWriter(tmp_path / "a") as out:
        out.add(clip)
        out.finish(MADE)
    assert len(np.unique(np.diff(ShardsFolder(tmp_path / "a").index("vis").offset))) == 1


@pytest.mark.parametrize("count", [0, -1, 2.5, "4", None, True])
def test_a_shard_has_at_least_one_sample(tmp_path: Path, count: Any) -> None:
    with pytest.raises(SchemaError, match="samples_per_shard: expected an integer of at least 1, got"):
        ShardsWriter(tmp_path / "a", samples_per_shard=count)


def test_videos_of_other_shapes_are_refused(tmp_path: Path) -> None:
    others = [
        sample_tracks(horizon=5),
        sample_tracks(points=6),
        sample_tracks(views=("front",)),
        sample_tracks(confidence=True),
    ]
    with ShardsWriter(tmp_path / "a") as out:
        out.add(sample_tracks())
        for other in others:
            with pytest.raises(SchemaError, match=r"expected videos alike, 4 frames \(default: 5 points\) as video 0"):
                out.add(other)
            with pytest.raises(SchemaError, match="expected videos alike"):
                begin(out, other)
        out.finish(MADE)
    assert len(ShardsFolder(tmp_path / "a")) == 3
    capitals = sample_tracks(views=("Left", "left"))
    with ShardsWriter(tmp_path / "b") as out:
        with pytest.raises(SchemaError, match="differ by more than capitals"):
            out.add(capitals)
        out.add(sample_tracks())
        out.finish(MADE)


def test_blocks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    tracks, vis, confidence = next(blocks(CLIP, 2))
    wrong: list[tuple[tuple[Any, ...], str]] = [
        ((tracks, vis), "confidence: expected some, as the header says, got none"),
        (({"front": tracks["front"]}, vis, confidence), r"tracks: expected the header's views \['front', 'wrist'\]"),
        ((tracks, {**vis, "wrist": vis["wrist"][:1]}, confidence), "length-mismatch"),
        (({**tracks, "wrist": tracks["wrist"].astype("f8")}, vis, confidence), "expected float32"),
        (tuple({v: a[:0] for v, a in arrays.items()} for arrays in (tracks, vis, confidence)), "at least one window"),
    ]
    with ShardsWriter(tmp_path / "a") as out:
        with pytest.raises(SchemaError, match="call begin first"):
            out.append(tracks, vis, confidence)
        begin(out, CLIP)
        for arrays, told in wrong:
            with pytest.raises((SchemaError, LengthMismatchError), match=told):
                out.append(*arrays)
        for block in blocks(CLIP, 5):
            out.append(*block)
        with pytest.raises(LengthMismatchError, match="expected 5 windows in all, got 7"):
            out.append(tracks, vis, confidence)
        out.finish(MADE)
    assert ShardsFolder(tmp_path / "a").tracks(0).equals(CLIP)


def test_every_video_must_be_complete(tmp_path: Path) -> None:
    with ShardsWriter(tmp_path / "a") as out:
        begin(out, CLIP)
        out.append(*next(blocks(CLIP, 2)))
        for step in (lambda: begin(out, CLIP), lambda: out.add(CLIP), lambda: out.finish(MADE)):
            with pytest.raises(LengthMismatchError, match=r"video 0: .* got 2 of 5 windows of 'clip_0'"):
                step()
        out.append(*({view: array[2:] for view, array in arrays.items()} for arrays in next(blocks(CLIP, 5))))
        out.finish(MADE)
    assert len(ShardsFolder(tmp_path / "a")) == 5


def test_headers_that_contradict_their_times_are_refused(tmp_path: Path) -> None:
    with ShardsWriter(tmp_path / "a") as out:
        with pytest.raises(SchemaError, match=r"video 0: .*uncovered_frames"):
            out.begin(CLIP.header.model_copy(update={"uncovered_frames": 3}), CLIP.start_index, CLIP.frame_s)
        with pytest.raises(SchemaError, match="expected at least one video"):
            out.finish(MADE)
        out.add(CLIP)
        out.finish(MADE)
    assert (tmp_path / "a").is_dir()


def test_leaving_without_an_end_leaves_nothing(tmp_path: Path) -> None:
    out = ShardsWriter(tmp_path / "a", samples_per_shard=2)

    def leave(broken: bool) -> None:
        with out:
            out.add(CLIP)
            begin(out, CLIP)
            out.append(*next(blocks(CLIP, 2)))
            assert not broken, "on purpose"

    with pytest.warns(LapsWarning, match=r"nothing was written: .* after 5 of 5 windows of 'clip_0', 2 of 5 windows"):
        leave(broken=False)
    out = ShardsWriter(tmp_path / "a")
    with pytest.raises(AssertionError, match="on purpose"):
        leave(broken=True)
    assert list(tmp_path.iterdir()) == []
    for action in (lambda: out.add(CLIP), lambda: out.finish(MADE), lambda: out.append({}, {}), out.__enter__):
        with pytest.raises(SchemaError, match="got one that is left"):
            action()


def test_a_folder_of_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match=r"expected a free name or a folder with shards\.json"):
        shards_webdataset.write(tmp_path / "a", sample_shards(), overwrite=True)
    assert (tmp_path / "a/thesis.txt").read_text() == "years of work"


def test_own_keys_and_policies_come_back(tmp_path: Path) -> None:
    shards = sample_shards()
    header = ShardsHeader(**{**dict(shards.header), "policies": {"clip": 1}, "x-note": [1, "ß"]})
    whole = Shards(header, shards.tracks)
    shards_webdataset.write(tmp_path / "a", whole)
    assert shards_webdataset.read(tmp_path / "a").equals(whole)
    assert shards_webdataset.read_header(tmp_path / "a").model_extra == {"x-note": [1, "ß"]}


@settings(max_examples=25)
@given(whole=strategies.shards(), per_shard=st.integers(1, 5), size=st.integers(1, 5))
def test_whatever_tracks_may_hold_comes_back(
    tmp_path_factory: pytest.TempPathFactory, whole: Shards, per_shard: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("drawn") / "a"
    with ShardsWriter(path, samples_per_shard=per_shard) as out:
        for clip in whole.tracks:
            begin(out, clip)
            for block in blocks(clip, size):
                out.append(*block)
        out.finish(whole.header.provenance, whole.header.policies)
    folder = ShardsFolder(path)
    assert folder.header == whole.header
    assert all(folder.tracks(number).equals(clip) for number, clip in enumerate(whole.tracks))
    assert np.array_equal(folder.step_s, np.concatenate([clip.step_s for clip in whole.tracks]))
    assert folder.start_s.tolist() == folder.step_s[:, 0].tolist()
    streamed = itertools.chain.from_iterable(shards_webdataset.stream_shard(shard, batch=2) for shard in folder.shards)
    batches = list(streamed)
    for name, field in folder.fields.items():
        expected = np.concatenate([getattr(clip, field.array)[field.view] for clip in whole.tracks])
        found = np.concatenate([batch[name] for batch in batches])
        assert np.array_equal(found, expected, equal_nan=field.dtype == "float32")
        assert found.dtype == expected.dtype
