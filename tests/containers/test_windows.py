"""Tracks and tokens: windows with true times; each rule broken once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import Tokens, Tracks
from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.schema import SourceVideo
from lapsdata.testing import strategies
from lapsdata.testing.samples import sample_tokens, sample_tracks
from lapsdata.timebase import FrameRate, frame_to_s, resample, tail_frames, window_starts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Refused = Callable[..., set[tuple[str, str]]]


def changed(array: NDArray[Any], place: object, value: object) -> NDArray[Any]:
    """Return a copy with one place changed."""
    copy: NDArray[Any] = array.copy()
    copy[place] = value
    return copy


TRACKS = sample_tracks()
POSITIONS, VIS = TRACKS.tracks["default"], TRACKS.vis["default"]
SEEN = tuple(int(i) for i in np.argwhere(VIS)[0])
HIDDEN = tuple(int(i) for i in np.argwhere(~VIS)[0])
START, FRAME_S = TRACKS.start_index, TRACKS.frame_s
MAX = np.iinfo(np.int64).max

# What is given instead; code and place of the one problem; words of its message.
WINDOWS: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    ({"start_index": START - 1}, "window-outside", "start_index", "windows of 4 frames inside of 6 frames; first at 0"),
    ({"start_index": START + 1}, "window-outside", "start_index", "inside of 6 frames; first at 2, 1 in all"),
    ({"start_index": changed(START, 2, MAX)}, "window-outside", "start_index", "first at 2, 1 in all"),
    ({"start_index": START[[0, 2, 1]]}, "non-monotone-windows", "start_index", "multiples of stride 1 .*; first at 2"),
    ({"start_index": START[[0, 0, 1]]}, "non-monotone-windows", "start_index", "rising starts, .*; first at 1, 1"),
    ({"start_index": START.astype(np.int32)}, "wrong-dtype", "start_index", "expected int64, got int32"),
    ({"start_index": START[:, None]}, "wrong-shape", "start_index", r"expected shape \(W,\), got \(3, 1\)"),
    ({"start_index": [0, 1, 2]}, "not-an-array", "start_index", "got list; use np.asarray"),
    ({"frame_s": FRAME_S[::-1]}, "non-monotone-time", "frame_s", "expected rising seconds; first at 1, 5 in all; sort"),
    ({"frame_s": changed(FRAME_S, 3, FRAME_S[2])}, "non-monotone-time", "frame_s", "first at 3, 1 in all"),
    ({"frame_s": FRAME_S.astype(np.float32)}, "wrong-dtype", "frame_s", "expected float64, got float32"),
    ({"frame_s": FRAME_S[:5]}, "window-outside", "start_index", "inside of 5 frames"),
    ({"frame_s": changed(FRAME_S, 5, np.inf)}, "not-finite", "frame_s", "expected finite seconds; first at 5"),
)  # fmt: skip
VIEWS: tuple[tuple[dict[str, Any], str, str, str], ...] = (
    ({"tracks": {"default": POSITIONS[..., :1]}}, "wrong-shape", "default/tracks", r"5, 2\), got \(3, 4, 5, 1\)"),
    ({"tracks": {"default": POSITIONS[:, :3]}}, "wrong-shape", "default/tracks", r"got \(3, 3, 5, 2\)"),
    ({"tracks": {"default": POSITIONS[:, :, 1:]}}, "wrong-shape", "default/tracks", r"got \(3, 4, 4, 2\)"),
    ({"tracks": {"default": POSITIONS[0]}}, "wrong-shape", "default/tracks", r"got \(4, 5, 2\)"),
    ({"tracks": {"default": POSITIONS.astype(float)}}, "wrong-dtype", "default/tracks", "float32, got float64"),
    ({"vis": {"default": VIS.astype(np.float32)}}, "wrong-dtype", "default/vis", "expected bool, got float32"),
    ({"vis": {"default": VIS[..., None]}}, "wrong-shape", "default/vis", r"\(W, 4, 5\), got \(3, 4, 5, 1\)"),
    ({"tracks": {}}, "wrong-views", "tracks", r"expected the header's views \['default'\], got \[\]"),
    ({"vis": {"default": VIS, "left": VIS}}, "wrong-views", "vis", r"views \['default'\], got \['default', 'left'\]"),
    ({"tracks": POSITIONS}, "wrong-views", "tracks", "expected arrays by view, got ndarray; write {'default': tracks}"),
    ({"tracks": {"default": POSITIONS, 1: POSITIONS}}, "wrong-views", "tracks", r"got \[1, 'default'\]"),
    ({"tracks": {"default": np.ma.masked_invalid(POSITIONS)}}, "not-an-array", "default/tracks",
     r"expected a plain ndarray, got MaskedArray; use \.filled\(np\.nan\) and vis"),
    ({"vis": VIS}, "wrong-views", "vis", "expected arrays by view, got ndarray; write {'default': vis}"),
    ({"tracks": {"default": changed(POSITIONS, (*SEEN, 0), np.nan)}}, "nan-where-visible", "default/tracks",
     "expected NaN only where vis is False, got NaN at visible points; first at .*, 1 in all; set vis to False"),
    ({"tracks": {"default": changed(POSITIONS, (*SEEN, 1), np.nan)}}, "nan-where-visible", "default/tracks", "visible"),
    ({"tracks": {"default": changed(POSITIONS, (*HIDDEN, 1), -np.inf)}}, "not-finite", "default/tracks", "no infinity"),
    ({"source_index": np.arange(6)}, "source-index", "source_index", "header says not resampled, got one"),
)  # fmt: skip


@pytest.mark.parametrize(("fields", "code", "place", "message"), [*WINDOWS, *VIEWS])
def test_each_rule_of_tracks(fields: dict[str, Any], code: str, place: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        dataclasses.replace(TRACKS, **fields)
    assert (code, f"tracks: {place}") in {(p.code, p.where) for p in caught.value.problems}


@pytest.mark.parametrize(("fields", "code", "place", "message"), WINDOWS)
def test_tokens_have_the_same_rules_of_time(fields: dict[str, Any], code: str, place: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        dataclasses.replace(sample_tokens(), **fields)
    assert (code, f"tokens: {place}") in {(p.code, p.where) for p in caught.value.problems}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "source-index"),
        (np.array([0, 1, 2, 3, 4, -5]), "negative-index"),
        (np.array([0, 1, 3, 2, 4, 5]), "non-monotone-time"),
        (np.arange(6.0), "wrong-dtype"),
        (np.arange(5), "length-mismatch"),
    ],
)
def test_source_index_belongs_to_resampled_tracks(value: object, code: str, refused: Refused) -> None:
    counts = {"resampled": True, "duplicated_frames": 2, "dropped_frames": 6}
    header = TRACKS.header.model_copy(update=counts)
    good = dataclasses.replace(TRACKS, header=header, source_index=np.array([0, 0, 1, 3, 3, 9]))
    assert not good.source_index.flags.writeable  # type: ignore[union-attr]
    assert (code, "source_index") in refused(good, source_index=value)


RESAMPLED = np.array([1, 1, 2, 4, 4, 9])  # six times, four source frames of at least ten

# Fields of the header; what is wrong with them, beside the arrays of the sample: 6 frames at 10 per second.
COUNTS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"uncovered_frames": 1}, "header.uncovered_frames", "expected 0 by the arrays, got 1"),
    ({"duplicated_frames": 1}, "header.duplicated_frames", "expected 0 by the arrays, got 1"),
    ({"video": SourceVideo(name="a", frames=5)}, "header.video.frames",
     "expected at least the 6 source frames that the arrays speak of, got 5"),
)  # fmt: skip
GRID_COUNTS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"duplicated_frames": 0}, "header.duplicated_frames", "expected 2 by the arrays, got 0"),
    ({"duplicated_frames": 3}, "header.duplicated_frames", "expected 2 by the arrays, got 3"),
    ({"dropped_frames": 5}, "header.dropped_frames", "expected at least 6, as source_index leaves out, got 5"),
    ({"video": SourceVideo(name="a", frames=11)}, "header.dropped_frames", "expected 7 by the arrays, got 6"),
    ({"video": SourceVideo(name="a", frames=9)}, "header.video.frames",
     "expected at least the 10 source frames that the arrays speak of, got 9"),
)  # fmt: skip


@pytest.mark.parametrize(("fields", "place", "message"), COUNTS)
def test_counts_of_the_header_are_those_of_the_arrays(fields: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        dataclasses.replace(TRACKS, header=TRACKS.header.model_copy(update=fields))
    assert [(p.code, p.where) for p in caught.value.problems] == [("wrong-count", f"tracks: {place}")]


@pytest.mark.parametrize(("fields", "place", "message"), GRID_COUNTS)
def test_counts_of_a_grid_are_those_of_its_source_index(fields: dict[str, Any], place: str, message: str) -> None:
    counts = {"resampled": True, "duplicated_frames": 2, "dropped_frames": 6}
    good = dataclasses.replace(TRACKS, header=TRACKS.header.model_copy(update=counts), source_index=RESAMPLED)
    with pytest.raises(SchemaError, match=message) as caught:
        dataclasses.replace(good, header=good.header.model_copy(update=fields))
    assert [(p.code, p.where) for p in caught.value.problems] == [("wrong-count", f"tracks: {place}")]


def test_counts_that_the_arrays_leave_open_are_taken() -> None:
    # How long the video is, nobody says: more frames than the last one shown may have been dropped.
    counts = {"resampled": True, "duplicated_frames": 2, "dropped_frames": 60}
    assert dataclasses.replace(TRACKS, header=TRACKS.header.model_copy(update=counts), source_index=RESAMPLED)
    # Tracks of a part of a video.
    video = SourceVideo(name="a", frames=1000)
    assert dataclasses.replace(TRACKS, header=TRACKS.header.model_copy(update={"video": video}))


def test_all_counts_are_told_at_once(refused: Refused) -> None:
    header = TRACKS.header.model_copy(update={"uncovered_frames": 2, "duplicated_frames": 2})
    assert refused(TRACKS, header=header) == {
        ("wrong-count", "header.uncovered_frames"),
        ("wrong-count", "header.duplicated_frames"),
    }


@given(
    st.integers(2, 40), st.sampled_from([FrameRate(10), FrameRate(30000, 1001), FrameRate(7, 2)]), st.integers(1, 20)
)
@settings(max_examples=40)
def test_what_resample_says_is_what_tracks_ask_for(count: int, rate: FrameRate, horizon: int) -> None:
    grid = resample(frame_to_s(np.arange(count), FrameRate(15)), rate)
    frames = len(grid.frame_s)
    horizon = min(horizon, frames)
    starts = window_starts(frames, horizon, 3)
    base = sample_tracks(windows=len(starts), horizon=horizon, stride=3, rate=None)
    facts = {
        "rate": rate,
        "resampled": True,
        "video": SourceVideo(name="a", frames=count),
        "duplicated_frames": grid.duplicated,
        "dropped_frames": grid.dropped,
        "uncovered_frames": tail_frames(frames, horizon, 3),
    }
    header = base.header.model_copy(update=facts)
    tracks = Tracks(header, base.tracks, base.vis, starts, grid.frame_s, grid.source_index)
    assert len(tracks) == len(starts)


@pytest.mark.parametrize("make", [sample_tracks, sample_tokens], ids=["tracks", "tokens"])
class TestRate:
    """A rate in the header is a promise about every frame."""

    @pytest.mark.parametrize(
        ("frame_s", "first", "count"),
        [
            (FRAME_S * 2, 1, 5),
            (FRAME_S + np.array([0, 0, 0, 0.0021, 0, 0]), 3, 1),
            (FRAME_S + np.array([0, 0, -0.0021, 0, 0, 0.0021]), 2, 2),
            (np.arange(6) * 1001 / 10000, None, 0),
            (3600 + FRAME_S, None, 0),
            (np.round(FRAME_S + 0.00049, 3), None, 0),
        ],
    )
    def test_times_that_do_not_keep_it(
        self, make: Callable[..., Tracks], frame_s: NDArray[np.float64], first: int | None, count: int
    ) -> None:
        sample = make(windows=3, horizon=4)
        if first is None:
            assert dataclasses.replace(sample, frame_s=frame_s)
            return
        message = (
            rf"frame_s: expected frame k within 2 ms of frame_s\[0\] \+ k / 10 s, as the header's rate says; "
            rf"first at {first}, {count} in all; set the header's rate to None for a variable rate \[rate-not-kept\]"
        )
        with pytest.raises(SchemaError, match=message):
            dataclasses.replace(sample, frame_s=frame_s)
        variable = sample.header.model_copy(update={"rate": None})
        assert dataclasses.replace(sample, header=variable, frame_s=frame_s)

    def test_a_fast_rate_is_kept_to_a_quarter_of_its_period(self, make: Callable[..., Tracks]) -> None:
        sample = make(windows=3, horizon=4)
        header = sample.header.model_copy(update={"rate": FrameRate(1000)})
        near, far = np.arange(6) / 1000 + 0.0002 * (np.arange(6) % 2), np.arange(6) / 1000 + 0.0003 * (np.arange(6) % 2)
        assert dataclasses.replace(sample, header=header, frame_s=near)
        with pytest.raises(SchemaError, match=r"within 0\.25 ms of .* 1000 s, .*first at 1, 3 in all"):
            dataclasses.replace(sample, header=header, frame_s=far)


def test_several_faults_are_told_at_once(refused: Refused) -> None:
    found = refused(
        sample_tracks(views=("left", "right")),
        tracks={"left": POSITIONS.astype(np.float16), "right": changed(POSITIONS, (0, 0, 0, 0), np.inf)},
        vis={"left": VIS, "right": VIS.astype(np.uint8)},
        start_index=START.astype(np.uint64),
        frame_s=FRAME_S[::-1],
    )
    assert found == {
        ("wrong-dtype", "left/tracks"),
        ("wrong-dtype", "right/vis"),
        ("wrong-dtype", "start_index"),
        ("non-monotone-time", "frame_s"),
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"start_index": START[:2]},
        {"vis": {"default": VIS[:2]}},
        {"tracks": {"default": POSITIONS[1:]}},
    ],
)
def test_unequal_lengths_are_their_own_error_with_both_numbers(fields: dict[str, Any]) -> None:
    with pytest.raises(LengthMismatchError, match=r"expected W = \d as in default/tracks, got \d"):
        dataclasses.replace(TRACKS, **fields)


def test_windows_of_all_views_are_equally_many(refused: Refused) -> None:
    both = sample_tracks(views=("left", "right"))
    shorter = {"left": both.tracks["left"], "right": both.tracks["right"][:2]}
    assert refused(both, tracks=shorter) == {("length-mismatch", "right/tracks")}


def test_views_stand_in_order_of_name_as_in_the_file() -> None:
    both = sample_tracks(views=("wrist", "left"))
    swapped = dataclasses.replace(both, tracks=dict(reversed(both.tracks.items())))
    assert list(swapped.tracks) == list(both.tracks) == list(both.vis) == ["left", "wrist"]
    assert swapped.equals(both)


def test_zero_windows_are_refused_with_what_to_do(refused: Refused) -> None:
    none = {"tracks": {"default": POSITIONS[:0]}, "vis": {"default": VIS[:0]}, "start_index": START[:0]}
    assert refused(TRACKS, **none) == {("no-windows", "start_index")}
    tokens = sample_tokens()
    assert refused(tokens, codes=tokens.codes[:0], start_index=START[:0]) == {("no-windows", "start_index")}
    message = r"expected at least one window, got none: fewer than 4 frames\?; leave the video out, and count it"
    with pytest.raises(SchemaError, match=message):
        dataclasses.replace(TRACKS, **none)


def test_starts_are_multiples_of_the_stride_apart(refused: Refused) -> None:
    tracks = sample_tracks(stride=2)
    assert tracks.start_index.tolist() == [0, 2, 4]
    gap = dataclasses.replace(tracks, start_index=np.array([0, 2, 6]), frame_s=np.arange(10) / 10)
    assert len(gap) == 3, "windows that a video lacks may be left out"
    assert refused(tracks, start_index=np.array([0, 1, 4])) == {("non-monotone-windows", "start_index")}


def test_step_times_are_the_sources_own() -> None:
    frame_s = np.array([0.0, 0.04, 0.5, 0.51, 2.0, 2.25])
    tracks = dataclasses.replace(sample_tracks(rate=None), frame_s=frame_s)
    assert tracks.step_s.tolist() == [frame_s[w : w + 4].tolist() for w in range(3)]
    assert tracks.step_s.dtype == np.float64
    np.testing.assert_array_equal(tracks.span_s[:, 0], frame_s[:3])


@given(strategies.tracks())
@settings(max_examples=60)
def test_tracks_of_any_shape_keep_their_times(tracks: Tracks) -> None:
    times = tracks.step_s
    assert times.shape == (len(tracks), tracks.header.horizon)
    for window, start in enumerate(tracks.start_index):
        np.testing.assert_array_equal(times[window], tracks.frame_s[start : start + tracks.header.horizon])


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_layouts_in_memory_do_not_matter(windows: int, horizon: int, points: int, stride: int) -> None:
    tracks = sample_tracks(windows=windows, horizon=horizon, points=points, stride=stride)
    positions = tracks.tracks["default"]
    wide = np.full((windows, horizon, points * 2, 4), np.float32(7))
    wide[:, :, ::2, 1:3] = positions
    strided = wide[:, :, ::2, 1:3]
    for layout in (np.asfortranarray(positions), strided, positions[::-1].copy()[::-1]):
        assert dataclasses.replace(tracks, tracks={"default": layout}).equals(tracks)


def test_a_mapped_file_is_an_array(tmp_path: Any) -> None:
    np.save(tmp_path / "positions.npy", POSITIONS)
    mapped = np.load(tmp_path / "positions.npy", mmap_mode="r")
    assert dataclasses.replace(TRACKS, tracks={"default": mapped}).equals(TRACKS)


TOKENS = sample_tokens(latent=2)
CODES = TOKENS.codes
LATENTS = TOKENS.prequant
assert LATENTS is not None


@pytest.mark.parametrize(
    ("fields", "code", "place", "message"),
    [
        ({"codes": changed(CODES, (1, 2), 12)}, "code-outside", "codes", r"from 0 to 11; first at \(1, 2\), 1 in all"),
        ({"codes": changed(CODES, (0, 0), -1)}, "code-outside", "codes", r"from 0 to 11; first at \(0, 0\)"),
        ({"codes": CODES.astype(np.int64)}, "wrong-dtype", "codes", "expected int32, got int64"),
        ({"codes": CODES[:, :2]}, "wrong-shape", "codes", r"expected shape \(W, 3\), got \(3, 2\)"),
        ({"start_index": START[:2]}, "length-mismatch", "start_index", "expected W = 3 as in codes, got 2"),
        ({"prequant": LATENTS[..., :1]}, "wrong-shape", "prequant", r"\(W, 3, 2\), got \(3, 3, 1\)"),
        ({"prequant": LATENTS.astype(np.float16)}, "wrong-dtype", "prequant", "expected float32, got float16"),
        ({"quantized": changed(LATENTS, (0, 0, 0), np.nan)}, "not-finite", "quantized", "expected finite latents"),
        ({"quantized": LATENTS[:2]}, "length-mismatch", "quantized", "expected W = 3 as in codes, got 2"),
        ({"prequant": None, "quantized": None}, "latent", "header.latent", "latents of width 2, got none stored"),
    ],
)
def test_each_rule_of_tokens(fields: dict[str, Any], code: str, place: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        dataclasses.replace(TOKENS, **fields)
    assert [(p.code, p.where) for p in caught.value.problems] == [(code, f"tokens: {place}")]


def test_latents_without_a_width_in_the_header_are_named(refused: Refused) -> None:
    found = refused(sample_tokens(), prequant=LATENTS, quantized=LATENTS)
    assert found == {("latent", "prequant"), ("latent", "quantized")}


def test_one_kind_of_latents_is_enough() -> None:
    only = dataclasses.replace(TOKENS, quantized=None)
    assert dict(only.arrays()).keys() == {"codes", "start_index", "frame_s", "prequant"}


def test_each_code_knows_its_time() -> None:
    frame_s = np.array([0.0, 0.04, 0.5, 0.51, 2.0, 2.25])
    variable = TOKENS.header.model_copy(update={"rate": None})
    spans = dataclasses.replace(TOKENS, header=variable, frame_s=frame_s).step_span_s
    assert spans.shape == (3, 3, 2)
    for window in range(3):
        for step in range(3):
            assert spans[window, step].tolist() == [frame_s[window + step], frame_s[window + step + 1]]


def test_streams_follow_each_other() -> None:
    header = TOKENS.header.model_copy(update={"streams": 2, "latent": None})
    tokens = Tokens(header, np.tile(CODES, 2), TOKENS.start_index, TOKENS.frame_s)
    spans = tokens.step_span_s
    assert spans.shape == (3, 6, 2)
    np.testing.assert_array_equal(spans[:, :3], spans[:, 3:])


@given(strategies.tokens())
@settings(max_examples=60)
def test_tokens_of_any_shape_keep_their_times(tokens: Tokens) -> None:
    spans = tokens.step_span_s
    assert spans.shape == (*tokens.codes.shape, 2)
    assert (spans[..., 0] < spans[..., 1]).all()


def test_a_horizon_beyond_every_array_is_told_and_not_a_crash(refused: Refused) -> None:
    header = TRACKS.header.model_copy(update={"horizon": 2**53 - 1})
    found = refused(TRACKS, header=header)
    assert {("wrong-shape", "default/tracks"), ("window-outside", "start_index")} <= found
