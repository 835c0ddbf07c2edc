"""From rows of other people to segments: in order, with the time of each video, and what was counted on the way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters._adapter import Adapted
from lapsdata.containers import Segments
from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.provenance import provenance
from lapsdata.schema import SegmentedVideo, SegmentsHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.schema import EndReason, Tool
    from lapsdata.schema.base import Parent
    from lapsdata.timebase import FrameRate

__all__ = ["Pieces", "seconds_of"]

# A person, or another program: of results too the program that made them is not ours.
_WHY: EndReason = "annotation"


def seconds_of(value: object) -> float | None:
    """Return a number, or a text that spells one, as a finite float; None for everything else."""
    # Python takes 1_000 for a number; nobody's file means that.
    if isinstance(value, bool) or not isinstance(value, int | float | str) or "_" in str(value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


class _Piece(NamedTuple):
    video: str
    start_s: float
    end_s: float
    label: str | None
    score: float


class Pieces:
    """Collects the rows of files, and what is wrong with them.

    Parameters
    ----------
    path : Path
        What a user has named.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems = Problems()
        self.notes: list[Problem] = []
        self.policies: dict[str, int] = {}
        self._rows: list[_Piece] = []
        self._end_s: dict[str, float | None] = {}
        self._empty = 0

    def __len__(self) -> int:
        return len(self._rows)

    def note(self, code: str, message: str, fix: str | None = None, *, info: bool = False) -> None:
        """Note what a user is to be told."""
        self.notes.append(Problem(code, str(self._path), message, fix, "info" if info else "warning"))

    def count(self, code: str, count: int, message: str, fix: str | None = None, *, info: bool = False) -> None:
        """Count what a policy has touched in the header, and tell it where there is any."""
        if count:
            self.policies[code.replace("-", "_")] = count
            self.note(code, message, fix, info=info)

    def video(self, name: str, end_s: float | None = None) -> None:
        """Add a video; `end_s` is how long it is, where that is told."""
        if end_s is not None or name not in self._end_s:
            self._end_s[name] = end_s

    def length(self, where: str, told: object) -> float | None:
        """Return how long a video is said to be, None where nothing is said; what is no length is noted."""
        seconds = seconds_of(told)
        if told is not None and (seconds is None or seconds <= 0):
            self.problems.add("wrong-time", where, f"expected seconds above 0, got {told!r}")
        return seconds

    def add(
        self,
        where: str,
        video: str,
        start_s: object,
        end_s: object,
        label: str | None = None,
        score: object = None,
    ) -> None:
        """Add a segment; one without a length is counted, and what is no time is noted."""
        start, end = seconds_of(start_s), seconds_of(end_s)
        if start is None or end is None or start > end:
            message = f"expected start <= end in seconds, got {start_s!r} and {end_s!r}"
            self.problems.add("wrong-time", where, message)
            return
        sure = math.nan if score is None else seconds_of(score)
        if sure is None:
            self.problems.add("wrong-score", where, f"expected a finite number as score, got {score!r}")
            return
        self.video(video)
        if start == end:
            self._empty += 1
        else:
            self._rows.append(_Piece(video, start, end, label, sure))

    def adapted(
        self,
        parents: Iterable[Parent],
        *,
        parameters: dict[str, JsonValue] | None = None,
        rate: FrameRate | None = None,
        rate_origin: str | None = None,
        segmenter: Tool | None = None,
    ) -> Adapted:
        """Return all of it.

        Raises
        ------
        SchemaError
            Everything that was wrong; or no segment at all.
        """
        self.problems.raise_as(SchemaError)
        if not self._rows:
            raise SchemaError(Problem("no-segments", str(self._path), "expected a segment, got none"))
        empty = f"{self._empty} segments begin where they end: left out"
        self.count("empty-segments", self._empty, empty, "no time is theirs")
        spans, unmeasured = self._spans()
        at = {name: number for number, name in enumerate(spans)}
        rows = sorted(self._rows, key=lambda row: (at[row.video], row.start_s))
        video = np.array([at[row.video] for row in rows], np.int64)
        start = np.array([row.start_s for row in rows], np.float64)
        end = np.array([row.end_s for row in rows], np.float64)
        scores = np.array([row.score for row in rows], np.float64)
        told = parameters if rate is None else {**(parameters or {}), "rate": str(rate)}
        header = SegmentsHeader(
            provenance=provenance(parameters=told, parents=parents),
            policies=self.policies,
            videos=tuple(SegmentedVideo(name=name, start_s=first, end_s=last) for name, (first, last) in spans.items()),
            # In order of starts a segment that crosses any other crosses its neighbour.
            overlap=bool(((video[1:] == video[:-1]) & (start[1:] < end[:-1])).any()),
            segmenter=segmenter,
        )
        segments = Segments(
            header,
            video,
            start,
            end,
            (_WHY,) * len(rows),
            tuple(row.label for row in rows),
            score=None if np.isnan(scores).all() else scores,
        )
        return Adapted(segments, tuple(self.notes), unmeasured, rate, rate_origin)

    def _spans(self) -> tuple[Mapping[str, tuple[float, float]], tuple[str, ...]]:
        """Return the time of each video; where its length is not told, it is that of its segments."""
        first: dict[str, float] = {}
        last: dict[str, float] = {}
        beyond = 0
        for row in self._rows:
            told = self._end_s[row.video]
            beyond += row.start_s < 0 or (told is not None and row.end_s > told)
            first[row.video] = min(first.get(row.video, 0.0), row.start_s)
            last[row.video] = max(last.get(row.video, 0.0 if told is None else told), row.end_s)
        message = f"{beyond} segments go beyond their video: kept, and its time goes on as far as they do"
        self.count("beyond-video", beyond, message, "its length or their times are wrong")
        bare = [name for name, told in self._end_s.items() if told is None and name not in last]
        message = f"of {len(bare)} videos neither a length nor a segment is told ({listed(bare)}): left out"
        self.count("videos-without-time", len(bare), message)
        spans = {
            name: (first.get(name, 0.0), last.get(name, 0.0 if told is None else told))
            for name, told in self._end_s.items()
            if name in last or told is not None
        }
        return spans, tuple(name for name in spans if self._end_s[name] is None)
