"""What is written of one segment, and which windows are taken for it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters.laps.codes import read_code_files
from lapsdata.adapters.laps.written_codes import CodedWindow, chosen_windows
from lapsdata.containers import Segments, Tokens
from lapsdata.errors import SchemaError, StorageError
from lapsdata.stages._segment_export import ExportOptions, Windowing, export_segments, write_segment
from lapsdata.testing.samples import sample_energies, sample_segments, sample_tokens
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FRAME_S = (np.arange(40) / 10).tolist()
WINDOWS = [CodedWindow(k, 4 * k, np.array([k, k + 1], np.int32), np.full((2, 3), k, np.float32)) for k in range(8)]
WINDOWING = Windowing(8, 4, FrameRate(10))


class Shown:
    """Pictures with odd sides, 20 per second from 0 s on."""

    def between(self, start_s: float, end_s: float) -> tuple[NDArray[np.float64], Iterator[NDArray[np.uint8]]]:
        times = np.arange(80) / 20
        times = times[(times >= start_s) & (times < end_s)]
        return times, (np.full((33, 47, 3), 100, np.uint8) for _ in times)


@given(st.integers(0, 30), st.integers(1, 20), st.integers(2, 12), st.integers(1, 6), st.floats(0, 1))
def test_windows_are_taken_by_their_share_inside(
    first: int, length: int, horizon: int, stride: int, share: float
) -> None:
    windows = [CodedWindow(k, k * stride, np.zeros(1, np.int32)) for k in range(12)]
    segment = set(range(first, first + length))
    inside = {one.number: len(segment & set(range(one.start, one.start + horizon))) for one in windows}
    wanted = [number for number, count in inside.items() if count and count / horizon >= share]
    spans = first, first + length, horizon
    every = chosen_windows(reversed(windows), *spans, min_overlap=share, allow_overlap=True)
    assert [one.number for one in every] == wanted
    apart = chosen_windows(windows, *spans, min_overlap=share, allow_overlap=False)
    assert {one.number for one in apart} <= set(wanted)
    assert all(b.start - a.start >= horizon for a, b in itertools.pairwise(apart))
    assert bool(apart) == bool(wanted)


def test_a_segment_is_a_clip_and_its_codes(tmp_path: Path) -> None:
    options = ExportOptions(clips=True, codes=True, prequant=True)
    stem = tmp_path / "clips" / "a.b_0003"
    given = {"video": "a.b", "pictures": Shown(), "windows": WINDOWS, "windowing": WINDOWING, "frame_s": FRAME_S}
    counts = write_segment(stem, (0.6, 2.0), options, **given)  # type: ignore[arg-type]
    assert counts == {"padded_pictures": 28}
    with open_video(tmp_path / "clips" / "a.b_0003.mp4") as clip:
        assert (clip.facts.frames, clip.facts.start_s, str(clip.facts.size)) == (28, 0.0, "48x34")
    told = json.loads((tmp_path / "clips" / "a.b_0003.codes.json").read_text())
    assert told == {
        "video": "a.b",
        "codes_windows": [[0, 1], [2, 3], [4, 5]],
        "selected_win_idxs": [0, 2, 4],
        "overlap_ratio_threshold": 0.25,
        "segment": {"start_frame": 6, "end_frame": 19, "start_win": 2},
        "window": {"T": 8, "stride": 4, "target_fps": 10.0},
        "align": "start",
        "video_segment_path": "a.b_0003.mp4",
        "source": "lapsdata",
        "allow_overlap": False,
    }
    np.testing.assert_array_equal(np.load(tmp_path / "clips" / "a.b_0003.prequant.npy")[:, 0, 0], [0, 2, 4])
    with pytest.raises(StorageError, match=r"a\.b_0003\.mp4"):
        write_segment(stem, (0.6, 2.0), options, **given)  # type: ignore[arg-type]


def test_codes_alone_name_no_clip(tmp_path: Path) -> None:
    options = ExportOptions(codes=True)
    stem = tmp_path / "one"
    windowing = WINDOWING._replace(rate=None)
    write_segment(stem, (3.8, 4.0), options, video="a", windows=WINDOWS, windowing=windowing, frame_s=FRAME_S)
    told = json.loads((tmp_path / "one.codes.json").read_text())
    assert (told["codes_windows"], told["video_segment_path"], told["window"]["target_fps"]) == ([], None, None)
    assert [one.name for one in tmp_path.iterdir()] == ["one.codes.json"]


def found(names: tuple[str, ...] = ("clip_0", "clip_1", "clip_2")) -> Segments:
    """Return sample segments, with other names for their videos."""
    segments = sample_segments()
    videos = tuple(
        one.model_copy(update={"name": name}) for one, name in zip(segments.header.videos, names, strict=False)
    )
    return replace(segments, header=segments.header.model_copy(update={"videos": videos}))


def tokens_of(folder: Path, name: str, *, prequant: bool = False, windows: int = 36) -> Path:
    """Write tokens of one of the videos, 10 frames per second."""
    made = sample_tokens(windows=windows, latent=2)
    video = made.header.video.model_copy(update={"name": name})
    header = made.header.model_copy(update={"video": video})
    lapsdata.write(folder / f"{name}.zarr", replace(made, header=header, prequant=made.quantized if prequant else None))
    return folder / f"{name}.zarr"


def test_all_segments_of_a_table_are_exported(tmp_path: Path) -> None:
    segments = found()
    names = {segments.header.videos[at].name for at in segments.video_index.tolist()}
    tokens = [tokens_of(tmp_path, name, prequant=True) for name in sorted(names)]
    options = ExportOptions(codes=True, allow_overlap=True, min_overlap=0.0, prequant=True)
    assert export_segments(segments, tmp_path / "out", options, tokens=tokens) == len(segments)
    stems = {one.name.removesuffix(".codes.json") for one in (tmp_path / "out").glob("*.codes.json")}
    wanted = [f"{name}_{number:04d}" for name in names for number in range(len(segments.of_video(name)))]
    assert stems == set(wanted)
    read = lapsdata.read(tokens[0], Tokens)
    told = json.loads((tmp_path / "out" / f"{sorted(names)[0]}_0000.codes.json").read_text())
    assert told["codes_windows"] == [read.codes[number].tolist() for number in told["selected_win_idxs"]]
    assert told["window"]["T"] == read.header.horizon


def test_what_is_exported_reads_back_as_the_segments_that_it_was(tmp_path: Path) -> None:
    segments = found(("one", "segment_two", "three"))
    names = sorted({segments.header.videos[at].name for at in segments.video_index.tolist()})
    tokens = {name: tokens_of(tmp_path, name) for name in names}
    options = ExportOptions(codes=True, allow_overlap=True, min_overlap=0.0)
    export_segments(segments, tmp_path / "out", options, tokens=tokens.values())
    frame_s = lapsdata.read(tokens[names[0]], Tokens).frame_s
    back = read_code_files(tmp_path / "out", rate=1 / float(np.diff(frame_s)[0]))
    assert [problem.code for problem in back.notes if problem.severity == "warning"] == []
    assert [video.name for video in back.segments.header.videos] == names
    for name in names:
        rows, read = segments.of_video(name), back.segments.of_video(name)
        inside = [np.searchsorted(frame_s, (segments.start_s[row], segments.end_s[row])) for row in rows]
        got = [(back.segments.start_s[row], back.segments.end_s[row]) for row in read]
        step_s = float(np.diff(frame_s)[0])
        np.testing.assert_allclose(got, np.array(inside) * step_s, atol=1e-9)
        coded = lapsdata.read(tokens[name], Tokens)
        for row, (first, until) in zip(read, inside, strict=True):
            over = (coded.start_index < until) & (coded.start_index + coded.header.horizon > first)
            assert back.segments.codes is not None
            np.testing.assert_array_equal(back.segments.codes[row], coded.codes[over].reshape(-1))


def test_every_video_without_what_is_asked_for_is_named(tmp_path: Path) -> None:
    segments = found()
    only = tokens_of(tmp_path, segments.header.videos[0].name)
    options = ExportOptions(clips=True, codes=True, prequant=True)
    with pytest.raises(SchemaError, match="expected tokens of this video, got none") as raised:
        export_segments(segments, tmp_path / "out", options, tokens=[only])
    codes = {problem.code for problem in raised.value.problems}
    assert codes == {"no-latents", "no-video", "no-tokens"}
    assert not (tmp_path / "out").exists()


def test_segments_in_which_the_tokens_have_no_frame_are_refused(tmp_path: Path) -> None:
    segments = found()
    tokens = [tokens_of(tmp_path, name, windows=6) for name in ("clip_0", "clip_1")]
    with pytest.raises(SchemaError, match=r"'clip_0' at 1\.500 s: expected frames of its tokens there, got none"):
        export_segments(segments, tmp_path / "out", ExportOptions(codes=True), tokens=tokens)
    assert not (tmp_path / "out").exists()


def test_the_verb_exports_clips_and_codes(inside: Callable[..., Any], tmp_path: Path) -> None:
    energies = sample_energies()
    lapsdata.write(tmp_path / "energies.jsonl", energies)
    names = energies.header.videos
    (tmp_path / "tokens").mkdir()
    for name in names:
        tokens_of(tmp_path / "tokens", name)
        write_video(tmp_path / f"{name}.mp4", [np.zeros((48, 64, 3), np.uint8)] * 40, np.arange(40) / 20)
    words = ("segment", "energies.jsonl", "--out", "s.parquet", "--threshold", "0.5", "--set", "up_s=0")
    code, out, _ = inside(*words, "--export", "e", "--tokens", "tokens", "--videos", ".")
    assert code == 0, out
    segments = lapsdata.read(tmp_path / "s.parquet", Segments)
    made = sorted(one.name for one in (tmp_path / "e").iterdir())
    assert len(made) == 2 * len(segments) > 0
    assert "exported" in out
    code, _, err = inside(*words, "--export", "e")
    assert (code, "goes with --tokens or --videos" in " ".join(err.split())) == (2, True)
