"""Which codes belong to which segment: by the middle of a step, once or from every window, stream by stream."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Tokens
from lapsdata.errors import SchemaError
from lapsdata.testing.samples import sample_segments, sample_tokens
from lapsmodels.clustering.sequences import Sequences, cut_sequences, whole_videos

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Segments
    from lapsmodels.clustering.sequences import StepChoice

    Spans = Callable[[dict[str, list[tuple[float, float, str | None]]]], Segments]
    Chosen = Callable[..., list[int]]


def told(codes: list[list[int]], stride: int = 1, streams: int = 1) -> Tokens:
    """Return windows of four frames at 10 per second whose codes are given, each with its number as latent."""
    plain = sample_tokens(windows=len(codes))
    header = plain.header.model_copy(update={"stride": stride, "streams": streams, "latent": 1})
    array = np.array(codes, np.int32)
    starts = np.arange(len(codes), dtype=np.int64) * stride
    return Tokens(header, array, starts, np.arange((len(codes) - 1) * stride + 4) / 10,
                  quantized=array[..., None].astype(np.float32))  # fmt: skip


@pytest.fixture
def chosen(spans: Spans) -> Chosen:
    """Return the codes of one segment."""

    def codes(tokens: Tokens, start_s: float, end_s: float, choice: StepChoice = "once") -> list[int]:
        found = cut_sequences([tokens], spans({"clip_0": [(start_s, end_s, None)]}), choice=choice)
        return found.each[0].tolist()

    return codes


OVERLAPPING = told([[0, 1, 2], [3, 4, 5], [6, 7, 8]])


def test_a_step_has_the_code_of_the_window_in_whose_middle_it_lies(chosen: Chosen) -> None:
    """Steps 0 to 4; step 1 is the middle of window 0, step 2 of window 1, step 3 of window 2; the ends have one."""
    assert chosen(OVERLAPPING, 0.0, 1.0) == [0, 1, 4, 7, 8]


def test_of_two_windows_in_which_it_lies_as_well_the_first_is_taken(chosen: Chosen) -> None:
    assert chosen(told([[0, 1, 2], [3, 4, 5]], stride=2), 0.0, 1.0) == [0, 1, 2, 4, 5]


def test_all_takes_each_code_step_by_step(chosen: Chosen) -> None:
    """Within a step, the window in whose middle it lies best comes first, of equals the earlier one."""
    assert chosen(OVERLAPPING, 0.0, 1.0, "all") == [0, 1, 3, 4, 2, 6, 7, 5, 8]


@pytest.mark.parametrize(
    ("start_s", "end_s", "codes"),
    [(0.0, 0.1, [0]), (0.04, 0.16, [0, 1]), (0.05, 0.15, [0]), (0.06, 0.15, None), (0.2, 0.4, [4, 7])],
)
def test_the_middle_of_a_step_decides_half_open(
    chosen: Chosen, start_s: float, end_s: float, codes: list[int] | None
) -> None:
    if codes is None:
        with pytest.raises(SchemaError, match="expected codes in the time of the segments, got none in any of 1"):
            chosen(OVERLAPPING, start_s, end_s)
    else:
        assert chosen(OVERLAPPING, start_s, end_s) == codes


def test_streams_of_one_step_follow_one_another(chosen: Chosen) -> None:
    # Stream by stream in the file: steps 0, 1, 2 of the first view, then of the second.
    assert chosen(told([[0, 1, 2, 9, 10, 11]], streams=2), 0.0, 0.2) == [0, 9, 1, 10]


def test_latents_stand_beside_their_codes(spans: Spans) -> None:
    found = cut_sequences([OVERLAPPING], spans({"clip_0": [(0, 0.2, "a"), (0.2, 0.5, "b")]}), latents=True)
    assert [one.tolist() for one in found.each] == [[0, 1], [4, 7, 8]]
    assert found.latents is not None
    assert [one.ravel().tolist() for one in found.latents] == [[0, 1], [4, 7, 8]]
    assert found.segments.label == ("a", "b")
    assert found.codes == 12


def test_latents_before_quantisation_serve_where_there_are_no_others(spans: Spans) -> None:
    tokens = replace(OVERLAPPING, prequant=OVERLAPPING.quantized, quantized=None)
    found = cut_sequences([tokens], spans({"clip_0": [(0, 0.1, None)]}), latents=True)
    assert found.latents is not None
    assert found.latents[0].tolist() == [[0.0]]


def test_what_is_left_out_is_counted(spans: Spans, renamed: Callable[..., Tokens]) -> None:
    given_spans = {"clip_0": [(0.0, 0.02, "a"), (0.1, 0.4, "b")], "clip_1": []}
    found = cut_sequences([OVERLAPPING, renamed(OVERLAPPING, "other")], spans(given_spans))
    assert found.policies == {"segments_without_codes": 1, "videos_without_segments": 1}
    assert found.segments.label == ("b",)


@given(st.integers(1, 12), st.integers(1, 4), st.sampled_from(["once", "all"]))
def test_touching_segments_share_the_steps_of_their_video_out(
    spans: Spans, windows: int, stride: int, choice: StepChoice
) -> None:
    tokens = told([[number % 12] * 3 for number in range(windows)], stride=stride)
    last = float(tokens.frame_s[-1])
    edges = np.linspace(0, last, 4)
    cuts = spans({"clip_0": [(a, b, None) for a, b in itertools.pairwise(edges)]})
    whole = whole_videos([tokens], choice=choice)
    parts = cut_sequences([tokens], cuts, choice=choice)
    assert np.concatenate(parts.each).tolist() == whole.each[0].tolist()
    covered = {int(start) + step for start in tokens.start_index for step in range(3)}
    assert len(whole.each[0]) == (len(covered) if choice == "once" else 3 * windows)


def test_without_segments_each_video_is_a_sequence(clips: tuple[Tokens, Tokens]) -> None:
    found = whole_videos(clips, latents=True)
    assert found.videos == ("clip_0", "clip_1")
    assert found.lengths.tolist() == [42, 42]
    assert found.segments.end_reason == ("end_of_stream", "end_of_stream")
    np.testing.assert_allclose(found.duration_s, 4.2)


def test_pieces_have_a_length_and_the_rest_is_counted(clips: tuple[Tokens, Tokens]) -> None:
    found = whole_videos(clips, piece_s=2.0)
    assert found.lengths.tolist() == [20, 20, 2, 20, 20, 2]
    assert found.policies["shorter_pieces"] == 2
    assert whole_videos(clips, piece_s=2.1).policies["shorter_pieces"] == 0
    tool = found.segments.header.segmenter
    assert tool is not None
    assert (tool.name, tool.parameters) == ("pieces", {"piece_s": 2.0})
    with pytest.raises(SchemaError, match="piece_s: expected seconds above 0, got 0"):
        whole_videos(clips, piece_s=0.0)


def test_faults_are_named(clips: tuple[Tokens, Tokens], spans: Spans, renamed: Callable[..., Tokens]) -> None:
    one, other = clips
    both = spans({"clip_0": [(0, 1, None)], "clip_1": [(0, 1, None)]})
    cases: list[tuple[list[Tokens], str]] = [
        ([one], "expected tokens of each video with segments, got none of 'clip_1'"),
        ([one, one], "clip_0: expected tokens of each video once, got two files"),
        ([one, renamed(sample_tokens(windows=40), "clip_1")], "clip_1: expected latents, got codes alone"),
    ]
    for tokens, message in cases:
        with pytest.raises(SchemaError, match=message):
            cut_sequences(tokens, both, latents=True)
    tool = other.header.tokenizer.model_copy(update={"checkpoint": "sha256:" + "2" * 64})
    with pytest.raises(SchemaError, match="expected tokens of one tokenizer, got those of 2; codes of different"):
        cut_sequences([one, renamed(other, "clip_1", tokenizer=tool)], both)


def test_sequences_have_codes() -> None:
    wrong: Any = sample_segments()
    with pytest.raises(SchemaError, match="expected codes of each segment, got segments without any"):
        Sequences(wrong, 12)
