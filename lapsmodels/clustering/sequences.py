"""Which codes belong to which segment: the sequences that are clustered, one row per segment.

A step of motion belongs to a segment in whose time its middle lies. Windows overlap, so that most steps have a code in
several of them: `once` takes the one of the window in whose middle the step lies best, of equals the first, `all` takes
each, step by step. Where a step has several streams (views), their codes follow one another.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.containers import Segments
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.provenance import provenance
from lapsdata.schema import SegmentedVideo, SegmentsHeader, Tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Tokens
    from lapsdata.schema.segments import EndReason

__all__ = ["Sequences", "StepChoice", "cut_sequences", "whole_videos"]

StepChoice = Literal["once", "all"]
"""Which code a step has that lies in several windows; see the module."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Segments that each have codes, in order of time.

    Parameters
    ----------
    segments : Segments
        With the column `codes`, none of them empty.
    codes : int
        Number of codes that can occur.
    latents : tuple of float32 (n, D), S, or None
        The vector behind each code.
    policies : dict of str to int
        What was left out, counted.
    tokenizer : str or None
        Digest of the weights that the codes are of; None where nothing tells it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> found = whole_videos([sample_tokens(windows=3)])
    >>> len(found), found.lengths.tolist(), found.codes
    (1, [5], 12)
    """

    segments: Segments
    codes: int
    latents: tuple[NDArray[np.float32], ...] | None = None
    policies: dict[str, int] = field(default_factory=dict)
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        if self.segments.codes is None or not all(len(one) for one in self.segments.codes):
            message = "expected codes of each segment, got segments without any"
            raise SchemaError(Problem("no-codes", "sequences", message, "leave them out"))

    def __len__(self) -> int:
        """Return the number of sequences S."""
        return len(self.segments)

    @property
    def each(self) -> tuple[NDArray[np.int32], ...]:
        """The codes of each sequence."""
        return self.segments.codes or ()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of codes of each sequence: int64 (S,)."""
        return np.array([len(one) for one in self.each], np.int64)

    @property
    def duration_s(self) -> NDArray[np.float64]:
        """How long each lasts: float64 (S,), seconds."""
        return self.segments.end_s - self.segments.start_s

    @property
    def videos(self) -> tuple[str, ...]:
        """The video of each sequence."""
        names = [video.name for video in self.segments.header.videos]
        return tuple(names[number] for number in self.segments.video_index)


class _Steps(NamedTuple):
    """The steps of one video in order of time."""

    middle_s: NDArray[np.float64]
    codes: NDArray[np.int32]
    latents: NDArray[np.float32] | None


def _steps(tokens: Tokens, choice: StepChoice, *, latents: bool) -> _Steps:
    header = tokens.header
    motion = header.horizon - 1
    window, step = np.divmod(np.arange(len(tokens) * motion), motion)
    frame = tokens.start_index[window] + step
    order = np.lexsort((window, np.abs(2 * step - (motion - 1)), frame))
    if choice == "once":
        order = order[np.unique(frame[order], return_index=True)[1]]
    window, step, frame = window[order], step[order], frame[order]
    # Stream by stream in the file: (W, L) = (W, streams * steps).
    place = window[:, np.newaxis], step[:, np.newaxis] + motion * np.arange(header.streams)
    middle_s = (tokens.frame_s[frame] + tokens.frame_s[frame + 1]) / 2
    vectors = tokens.quantized if tokens.quantized is not None else tokens.prequant
    if latents and vectors is None:
        message = "expected latents, got codes alone"
        fix = "encode with --latents quantized, or choose an embedding that needs none: bag or lstm"
        raise SchemaError(Problem("no-latents", header.video.name, message, fix))
    return _Steps(
        np.repeat(middle_s, header.streams),
        tokens.codes[place].reshape(-1),
        None if vectors is None or not latents else vectors[place].reshape(-1, vectors.shape[-1]),
    )


def cut_sequences(
    tokens: Iterable[Tokens], segments: Segments, *, choice: StepChoice = "once", latents: bool = False
) -> Sequences:
    """Give each segment the codes of its steps.

    Parameters
    ----------
    tokens : iterable of Tokens
        One per video, in any order; each is let go before the next is asked for.
    segments : Segments
        What stands in their columns `codes` and `embedding` is replaced.
    choice : {"once", "all"}
    latents : bool
        Whether the vectors behind the codes are wanted too: those after quantisation where both are stored.

    Returns
    -------
    Sequences
        `policies` counts segments in which no step lies (`segments_without_codes`), as those that a gate has left out
        or that are shorter than a step, and videos that no segment speaks of (`videos_without_segments`). Both are
        left out.

    Raises
    ------
    SchemaError
        A video of the segments without tokens, or with two; tokens of different tokenizers, or without latents where
        they are wanted; no segment with codes.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments, sample_tokens
    >>> clip = sample_tokens(windows=20)
    >>> other = clip.header.model_copy(update={"video": clip.header.video.model_copy(update={"name": "clip_1"})})
    >>> found = cut_sequences([clip, replace(clip, header=other)], sample_segments())
    >>> found.segments.label, found.lengths.tolist(), found.policies["segments_without_codes"]
    (('reach', 'grasp', None), [10, 7, 20], 0)
    """
    steps: dict[str, _Steps] = {}
    books, unused = set(), 0
    named = {video.name for video in segments.header.videos}
    for one in tokens:
        name, tokenizer = one.header.video.name, one.header.tokenizer
        if name in steps:
            raise SchemaError(Problem("doubled-video", name, "expected tokens of each video once, got two files"))
        books.add((tokenizer.codes, tokenizer.checkpoint))
        unused += name not in named
        if name in named:
            steps[name] = _steps(one, choice, latents=latents)
    _refuse(steps, books, segments)
    bounds = {name: one.middle_s for name, one in steps.items()}
    names = [video.name for video in segments.header.videos]
    rows = [_slice(bounds.get(names[at]), start, end) for at, start, end in zip(
        segments.video_index, segments.start_s, segments.end_s, strict=True)]  # fmt: skip
    kept = np.flatnonzero([row.stop > row.start for row in rows])
    if not len(kept):
        message = f"expected codes in the time of the segments, got none in any of {len(rows)}"
        raise SchemaError(Problem("no-codes", "segments", message, "give tokens and segments of the same videos"))
    counts = {"segments_without_codes": len(rows) - len(kept), "videos_without_segments": unused}
    chosen = [(steps[names[segments.video_index[row]]], rows[row]) for row in kept]
    codes = tuple(one.codes[part] for one, part in chosen)
    vectors = tuple(one.latents[part] for one, part in chosen if one.latents is not None)
    ((count, weights),) = books
    return Sequences(_with(segments, kept, codes), count, vectors if latents else None, counts, weights)


def _slice(middle_s: NDArray[np.float64] | None, start_s: float, end_s: float) -> slice:
    if middle_s is None:
        return slice(0, 0)
    first, last = np.searchsorted(middle_s, [start_s, end_s])
    return slice(int(first), int(last))


def _refuse(steps: dict[str, _Steps], books: set[tuple[int, str | None]], segments: Segments) -> None:
    used = {segments.header.videos[number].name for number in np.unique(segments.video_index)}
    missing = sorted(used - steps.keys())
    if missing:
        message = f"expected tokens of each video with segments, got none of {listed(missing)}"
        raise SchemaError(Problem("no-tokens", "tokens", message, "encode them, or leave their segments out"))
    if len(books) > 1:
        message = f"expected tokens of one tokenizer, got those of {len(books)}"
        fix = "codes of different tokenizers mean different things: encode all videos with one"
        raise SchemaError(Problem("unlike-tokenizers", "tokens", message, fix))


def _with(segments: Segments, rows: NDArray[np.int64], codes: tuple[NDArray[np.int32], ...]) -> Segments:
    return replace(
        segments,
        header=segments.header.model_copy(update={"embedding": None}),
        video_index=segments.video_index[rows],
        start_s=segments.start_s[rows],
        end_s=segments.end_s[rows],
        end_reason=tuple(segments.end_reason[row] for row in rows),
        label=tuple(segments.label[row] for row in rows),
        score=None if segments.score is None else segments.score[rows],
        codes=codes,
        embedding=None,
    )


def whole_videos(
    tokens: Sequence[Tokens], *, piece_s: float | None = None, choice: StepChoice = "once", latents: bool = False
) -> Sequences:
    """Return one sequence per video, or one per piece of a video, where there are no segments.

    Parameters
    ----------
    tokens : sequence of Tokens
    piece_s : float, optional, seconds
        How long a piece is; the last of a video is what is left, counted as `shorter_pieces`.
    choice, latents
        See `cut_sequences`.

    Raises
    ------
    SchemaError
        As `cut_sequences`; or pieces of no length.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> found = whole_videos([sample_tokens(windows=8)], piece_s=0.4)
    >>> found.segments.start_s.round(1).tolist(), found.policies["shorter_pieces"]
    ([0.0, 0.4, 0.8], 1)
    """
    if piece_s is not None and not piece_s > 0:
        raise SchemaError(Problem("out-of-range", "piece_s", f"expected seconds above 0, got {piece_s!r}"))
    spans = {one.header.video.name: (float(one.frame_s[0]), float(one.frame_s[-1])) for one in tokens}
    rows: list[tuple[int, float, float]] = []
    counts = Counter[str]()
    for number, (start, end) in enumerate(spans.values()):
        # Half a nanosecond below a whole number of pieces is that number.
        many = 1 if piece_s is None else max(1, int(np.ceil((end - start) / piece_s - 1e-9)))
        edges = [start + (piece_s or 0) * at for at in range(many)] + [end]
        rows += [(number, *pair) for pair in itertools.pairwise(edges)]
        counts["shorter_pieces"] += piece_s is not None and end - edges[-2] < piece_s - 1e-9
    tool = Tool(name="whole_videos", version="1") if piece_s is None else Tool(
        name="pieces", version="1", parameters={"piece_s": piece_s})  # fmt: skip
    reason: EndReason = "end_of_stream" if piece_s is None else "max_duration"
    segments = Segments(
        SegmentsHeader(
            provenance=provenance("lapsmodels"),
            videos=tuple(SegmentedVideo(name=name, start_s=a, end_s=b) for name, (a, b) in spans.items()),
            segmenter=tool,
        ),
        np.array([number for number, _, _ in rows], np.int64),
        np.array([start for _, start, _ in rows], np.float64),
        np.array([end for _, _, end in rows], np.float64),
        (reason,) * len(rows),
        (None,) * len(rows),
    )
    found = cut_sequences(tokens, segments, choice=choice, latents=latents)
    shorter = {"shorter_pieces": counts["shorter_pieces"]} if piece_s is not None else {}
    return replace(found, policies=found.policies | shorter)
