"""Segments: pieces of videos in seconds, with labels, scores, codes and embeddings where there are any."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from lapsdata.containers.base import ArrayCheck, Container, checked_header, read_only
from lapsdata.schema.segments import EndReason, SegmentsHeader

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["END_REASONS", "Segments"]

END_REASONS: tuple[EndReason, ...] = get_args(EndReason)
"""The closed list of reasons for which a segment ends."""


@dataclass(frozen=True, eq=False, repr=False)
class Segments(Container):
    """One row per segment, ordered by video (as in the header) and start.

    Parameters
    ----------
    header : SegmentsHeader
    video_index : int64 (S,)
        Which of `header.videos`.
    start_s, end_s : float64 (S,), seconds
        Half-open; inside of the video's looked-at time; not overlapping unless the header says so.
    end_reason : tuple of str, S
        Each one of `END_REASONS`.
    label : tuple of str or None, S
        None where a segment has no label.
    score : float64 (S,) or None
        NaN where a segment has no score.
    codes : tuple of int32 (n,), S, or None
        The codes of each segment, in order of time; may be empty.
    embedding : float32 (S, E) or None
        E = header.embedding; finite.

    Raises
    ------
    SchemaError
        All problems of shape, dtype, order, time, overlap or label.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> segments = sample_segments()
    >>> segments.label
    ('reach', 'grasp', None)
    >>> segments.of_video("clip_0").tolist()
    [0, 1]
    """

    header: SegmentsHeader
    video_index: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    end_reason: tuple[EndReason, ...]
    label: tuple[str | None, ...]
    score: NDArray[np.float64] | None = None
    codes: tuple[NDArray[np.int32], ...] | None = None
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, SegmentsHeader))
        check = ArrayCheck("segments")
        kinds = {"video_index": np.int64, "start_s": np.float64, "end_s": np.float64}
        good = [check.array(name, getattr(self, name), ("S",), kind) for name, kind in kinds.items()]
        if all(good):
            self._check_times(check)
        self._check_texts(check)
        if self.score is not None and check.array("score", self.score, ("S",), np.float64):
            check.rows("not-finite", "score", np.isinf(self.score), "expected finite scores, or NaN for none")
        self._check_codes(check)
        self._check_embedding(check)
        check.finish()
        self._freeze(**{name: read_only(getattr(self, name)) for name in kinds})
        self._freeze(
            score=None if self.score is None else read_only(self.score),
            codes=None if self.codes is None else tuple(read_only(codes) for codes in self.codes),
            embedding=None if self.embedding is None else read_only(self.embedding),
        )

    def _check_times(self, check: ArrayCheck) -> None:
        videos = self.header.videos
        outside = (self.video_index < 0) | (self.video_index >= len(videos))
        check.rows("unknown-video", "video_index", outside, f"expected an index of the header's {len(videos)} videos")
        check.rows("empty-span", "end_s", ~(self.start_s < self.end_s), "expected finite start_s < end_s")
        infinite = ~np.isfinite(self.start_s) | ~np.isfinite(self.end_s)
        check.rows("not-finite", "start_s", infinite, "expected finite seconds")
        if outside.any() or infinite.any():
            return
        first = np.array([video.start_s for video in videos])[self.video_index] if videos else self.start_s
        last = np.array([video.end_s for video in videos])[self.video_index] if videos else self.end_s
        check.rows(
            "outside-video",
            "start_s",
            (self.start_s < first) | (self.end_s > last),
            "expected segments inside of the time that was looked at",
        )
        step = np.diff(self.video_index)
        check.steps("not-grouped", "video_index", step < 0, "expected rows in the header's order of videos")
        same = step == 0
        falling = same & (self.start_s[1:] < self.start_s[:-1])
        check.steps("non-monotone-time", "start_s", falling, "expected rising seconds")
        if not self.header.overlap:
            crossing = same & (self.start_s[1:] < self.end_s[:-1])
            check.steps(
                "overlap",
                "start_s",
                crossing,
                "expected no overlap",
                "set overlap in the header if it is meant",
            )

    def _check_texts(self, check: ArrayCheck) -> None:
        if check.texts("end_reason", self.end_reason, "S"):
            wrong = np.array([reason not in END_REASONS for reason in self.end_reason], bool)
            check.rows("unknown-reason", "end_reason", wrong, f"expected one of {END_REASONS}")
        if check.texts("label", self.label, "S", optional=True) and self.header.labels is not None:
            known = (*self.header.labels, None)
            wrong = np.array([label not in known for label in self.label], bool)
            check.rows("unknown-label", "label", wrong, "expected labels of the header's list")

    def _check_codes(self, check: ArrayCheck) -> None:
        given: object = self.codes
        if given is None:
            return
        if not isinstance(given, tuple):
            got = type(given).__name__
            check.problems.add("wrong-dtype", "codes", f"expected a tuple of int32 arrays, got {got}", "use tuple(...)")
            return
        check.length("S", len(given), "codes")
        for i, codes in enumerate(given):
            if check.array(f"codes[{i}]", codes, (f"n{i}",), np.int32):
                check.rows("code-outside", f"codes[{i}]", codes < 0, "expected codes from 0")

    def _check_embedding(self, check: ArrayCheck) -> None:
        width = self.header.embedding
        if (self.embedding is None) != (width is None):
            got = "none" if self.embedding is None else "one"
            check.problems.add("embedding", "embedding", f"header.embedding is {width}, got {got}")
        elif width is not None and check.array("embedding", self.embedding, ("S", width), np.float32):
            infinite = ~np.isfinite(np.asarray(self.embedding))
            check.rows("not-finite", "embedding", infinite, "expected finite values")

    def __len__(self) -> int:
        """Return the number of segments S."""
        return len(self.start_s)

    def of_video(self, name: str) -> NDArray[np.int64]:
        """Return the row numbers of one video: int64 (n,).

        Raises
        ------
        KeyError
            The header lists no such video.
        """
        names = [video.name for video in self.header.videos]
        if name not in names:
            raise KeyError(f"no video '{name}'; there are {names}")
        return np.flatnonzero(self.video_index == names.index(name))

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        labels = len({label for label in self.label if label is not None})
        length = self.end_s - self.start_s
        reasons = Counter(self.end_reason)
        # The codes of each segment are an array of its own: one line tells of all.
        arrays = {name: text for name, text in super().facts().items() if not name.startswith("codes[")}
        if self.codes:
            counts = [len(one) for one in self.codes]
            arrays["codes"] = f"int32, {min(counts)} to {max(counts)} of each segment"
        return {
            "videos": str(len(self.header.videos)),
            "segments": f"{len(self)}, median {np.median(length):.3f} s" if len(self) else "0",
            "labels": str(labels),
            "ended by": ", ".join(f"{reason}: {reasons[reason]}" for reason in END_REASONS if reasons[reason]) or "-",
            **arrays,
        }
