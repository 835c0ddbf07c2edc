"""Shards without the table of times: found anew by the JSON of each sample, as far as windows have shown the frames."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata._repair import Repaired, repair
from lapsdata._repair._shards_frames import FROM_A_COPY, found_frames
from lapsdata.containers import Shards, Tracks
from lapsdata.formats.shards_webdataset import ShardsFolder, ShardsWriter
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_provenance, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lapsdata.containers import Container

    CaseOf = Callable[[str], Any]
    IsPrefix = Callable[[Container, Container], None]

FRAMES, INDEX = "frames.parquet", "index.parquet"


def clip(name: str, *, uncovered: int = 0, frames_s: float = 0.1, **options: Any) -> Tracks:
    """Return tracks of a variable rate, with frames at the end that no window covers."""
    made = sample_tracks(video=SourceVideo(name=name), rate=None, **options)
    count = len(made.frame_s) + uncovered
    frame_s = np.arange(count) * frames_s + np.sin(np.arange(count)) / 100
    header = made.header.model_copy(update={"uncovered_frames": uncovered})
    return dataclasses.replace(made, header=header, frame_s=frame_s)


def gridded(name: str, **options: Any) -> Tracks:
    """Return tracks on a grid of times, each of another source frame."""
    made = sample_tracks(video=SourceVideo(name=name), **options)
    header = made.header.model_copy(update={"resampled": True, "dropped_frames": len(made.frame_s) - 1})
    return dataclasses.replace(made, header=header, source_index=np.arange(len(made.frame_s)) * 2)


def shards(path: Path, videos: Sequence[Tracks], *gone: str) -> Path:
    with ShardsWriter(path, samples_per_shard=5) as out:
        for video in videos:
            out.add(video)
        out.finish(sample_provenance())
    for name in gone:
        (path / name).unlink()
    return path


def saved(place: Path, **options: Any) -> tuple[Repaired, Path]:
    out = place.parent / "saved" / place.name
    out.parent.mkdir()
    [found] = repair(place, out, **options).items
    return found, out


def codes(found: Repaired) -> list[str]:
    return [note.code for note in found.notes]


def break_json(archive: Path, key: str) -> None:
    """Flip a bit of the JSON of a sample."""
    content = bytearray(archive.read_bytes())
    content[content.index(b'"key":"' + key.encode()) + 8] ^= 1
    archive.write_bytes(content)


def test_the_times_found_anew_are_those_that_were_written(case_of: CaseOf) -> None:
    folder = ShardsFolder(case_of("shards").path)
    found = found_frames(folder.path, folder.manifest, folder._samples)
    for name in ("video", "frame_s", "source_index"):
        assert np.array_equal(getattr(found, name), getattr(folder._frames, name)), name


@pytest.mark.parametrize("how", ["missing", "flipped", "cut", "missing, and the index"])
def test_shards_without_their_times_lose_nothing(how: str, case_of: CaseOf, is_prefix: IsPrefix) -> None:
    case = case_of("shards")
    place = case.copy()
    data = (place / FRAMES).read_bytes()
    (place / FRAMES).unlink()
    if how == "missing, and the index":
        (place / INDEX).unlink()
    elif how != "missing":
        (place / FRAMES).write_bytes(data[:-30] if how == "cut" else data[:90] + bytes([data[90] ^ 1]) + data[91:])
    found, out = saved(place)
    assert (found.state, found.kept, found.lost) == ("repaired", 40, 0)
    assert codes(found) == (["index-damaged"] if "index" in how else []) + ["frames-damaged"]
    assert "46 of its 46 times were found anew by the JSON of each sample" in found.notes[-1].message
    again = lapsdata.read(out, Shards)
    assert len(again) == len(case.container)
    is_prefix(again, case.container)
    for one, other in zip(again.tracks, case.container.tracks, strict=True):
        assert np.array_equal(one.frame_s, other.frame_s)
    assert again.header.policies == {}
    assert codes(repair(out).items[0]) == []


def test_frames_that_no_window_covers_are_left_out_and_counted(tmp_path: Path) -> None:
    videos = [clip("a", windows=4, uncovered=3), clip("b", windows=3), clip("c", windows=2, uncovered=2)]
    found, out = saved(shards(tmp_path / "a.shards", videos, FRAMES))
    assert (found.kept, found.lost, codes(found)) == (9, 0, ["frames-damaged", "uncovered-lost"])
    assert found.notes[1].message.startswith("5 frames at the end of videos, which no window covers")
    assert found.notes[1].fix == FROM_A_COPY
    again = lapsdata.read(out, Shards)
    assert again.header.policies == {"lost_frame_times": 5}
    for one, other in zip(again.tracks, videos, strict=True):
        assert one.header.uncovered_frames == 0
        assert np.array_equal(one.frame_s, other.frame_s[: len(one.frame_s)])
        assert np.array_equal(one.start_index, other.start_index)
        assert np.array_equal(one.tracks["default"], other.tracks["default"], equal_nan=True)


@pytest.mark.parametrize("keep", ["prefix", "all"])
def test_windows_behind_a_frame_that_was_never_shown_are_not_placed(keep: str, tmp_path: Path) -> None:
    videos = [clip("apart", windows=6, stride=6), clip("near", windows=3)]
    found, out = saved(shards(tmp_path / "a.shards", videos, FRAMES), keep=keep)
    assert (found.kept, found.lost, found.good_after, found.lost_s) == (1 + 3, 5, 5, None)
    assert codes(found) == ["frames-damaged", "times-lost", "video-shortened"]
    assert found.first_bad == FRAMES
    note = found.notes[1]
    assert (note.where, note.fix) == ("'apart'", FROM_A_COPY)
    assert (
        note.message == "no sample says the time of frame 4 of apart: 5 windows show such frames, or stand behind them"
    )
    first, second = lapsdata.read(out, Shards).tracks
    assert np.array_equal(first.frame_s, videos[0].frame_s[:4])
    assert second.equals(videos[1])


def test_which_source_frame_a_time_stands_for_is_in_no_sample(tmp_path: Path) -> None:
    videos = [gridded("grid", windows=4), clip("plain", windows=3)]
    found, out = saved(shards(tmp_path / "a.shards", videos, FRAMES))
    assert (found.kept, found.lost, found.good_after) == (3, 4, 4)
    assert codes(found) == ["frames-damaged", "source-index-lost", "video-lost"]
    assert (found.notes[1].where, found.notes[1].fix) == ("'grid'", FROM_A_COPY)
    [only] = lapsdata.read(out, Shards).tracks
    assert only.equals(videos[1])
    [found] = repair(shards(tmp_path / "b.shards", videos[:1], FRAMES)).items
    assert found.state == "beyond-repair"
    assert set(codes(found)) == {"nothing-left", "frames-damaged", "source-index-lost"}
    assert "(4 windows are sound): frames.parquet" in found.notes[0].message
    assert found.notes[0].fix == FROM_A_COPY


@pytest.mark.parametrize("gone", [(FRAMES,), (FRAMES, INDEX)])
def test_neighbours_say_the_times_of_a_sample_whose_json_is_damaged(gone: tuple[str, ...], tmp_path: Path) -> None:
    videos = [clip("a", windows=9)]
    place = shards(tmp_path / "a.shards", videos, *gone)
    break_json(place / "shard-000000.tar", "000000_000000003")
    found, out = saved(place)
    # The index still says of what bytes the arrays are; without it, nothing does.
    assert (found.kept, found.lost) == ((9, 0) if INDEX not in gone else (3, 6))
    assert "shard-digest" in codes(found)
    [again] = lapsdata.read(out, Shards).tracks
    assert np.array_equal(again.frame_s, videos[0].frame_s)
    assert np.array_equal(again.vis["default"], videos[0].vis["default"][: found.kept])


def test_the_last_frame_is_in_one_window_alone(tmp_path: Path) -> None:
    videos = [clip("a", windows=5)]
    place = shards(tmp_path / "a.shards", videos, FRAMES)
    break_json(place / "shard-000000.tar", "000000_000000004")
    found, out = saved(place)
    assert (found.kept, found.lost, found.good_after) == (4, 1, 1)
    assert "no sample says the time of frame 7 of a: 1 windows" in found.notes[1].message
    [again] = lapsdata.read(out, Shards).tracks
    assert (len(again), again.header.uncovered_frames) == (4, 0)


def test_archives_of_other_shards_do_not_say_the_times_of_these(tmp_path: Path) -> None:
    place = shards(tmp_path / "a.shards", [clip("a", windows=9)], FRAMES, INDEX)
    other = shards(tmp_path / "b.shards", [clip("a", windows=9, frames_s=0.2)])
    shutil.copy(other / "shard-000001.tar", place / "shard-000001.tar")
    [found] = repair(place).items
    assert (found.state, codes(found)) == ("beyond-repair", ["times-disagree"])
    assert "expected samples that agree on the time of each frame" in found.notes[0].message
    with_index = shards(tmp_path / "c.shards", [clip("a", windows=9)], FRAMES)
    shutil.copy(other / "shard-000001.tar", with_index / "shard-000001.tar")
    found, out = saved(with_index)
    assert (found.kept, found.lost) == (5, 4)
    assert np.array_equal(lapsdata.read(out, Shards).tracks[0].frame_s, clip("a", windows=5).frame_s)


@given(
    windows=st.integers(1, 7),
    horizon=st.integers(1, 4),
    stride=st.integers(1, 5),
    uncovered=st.integers(0, 2),
    broken=st.sets(st.integers(0, 6)),
    both=st.booleans(),
)
@settings(max_examples=10, deadline=None)
def test_no_frame_is_given_a_time_that_it_did_not_have(
    windows: int, horizon: int, stride: int, uncovered: int, broken: set[int], both: bool, tmp_path_factory: Any
) -> None:
    home = tmp_path_factory.mktemp("drawn")
    video = clip("a", windows=windows, horizon=horizon, stride=stride, uncovered=uncovered)
    place = shards(home / "a.shards", [video], FRAMES, *([INDEX] if both else []))
    for window in broken:
        if window < windows:
            break_json(place / f"shard-{window // 5:06d}.tar", f"000000_{window:09d}")
    shown = {w * stride + k for w in range(windows) if w not in broken for k in range(horizon)}
    known = next(frame for frame in range(len(video.frame_s) + 1) if frame not in shown)
    kept = [w for w in range(windows) if w * stride + horizon <= known and not (both and w in broken)]
    found, out = saved(place, keep="all")
    assert found.kept == len(kept)
    if not kept:
        assert found.state == "beyond-repair"
        return
    [again] = lapsdata.read(out, Shards).tracks
    assert again.start_index.tolist() == [w * stride for w in kept]
    assert np.array_equal(again.frame_s, video.frame_s[:known])
    assert np.array_equal(again.tracks["default"], video.tracks["default"][kept], equal_nan=True)
