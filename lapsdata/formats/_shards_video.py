"""A video on its way into shards: what is checked of its windows, and what is told of their times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.track_windows import check_windows
from lapsdata.containers.window_times import step_times
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.formats._shards_tables import NOT_RESAMPLED, FrameTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.containers.base import ArrayCheck
    from lapsdata.formats._shards_tables import SampleTable
    from lapsdata.schema.tracks import TracksHeader

__all__ = ["ShardedVideo", "frame_table"]


class ShardedVideo:
    """A video whose windows are being written."""

    def __init__(
        self,
        header: TracksHeader,
        start_index: NDArray[np.int64],
        frame_s: NDArray[np.float64],
        source_index: NDArray[np.int64] | None,
    ) -> None:
        self.header, self.written = header, 0
        self.start_index, self.frame_s, self.source_index = start_index, frame_s, source_index

    @property
    def progress(self) -> str:
        """How many of its windows are written, for messages."""
        return f"{self.written} of {len(self.start_index)} windows of '{self.header.video.name}'"

    def left_of(self, kept: SampleTable, number: int, where: Path) -> int:
        """Return how many windows of this video stand in samples that an earlier writer has left.

        Raises
        ------
        CorruptDataError
            They are not its first ones.
        """
        rows = np.flatnonzero(kept.video == number)
        starts = self.start_index[: len(rows)]
        expected = (np.arange(len(rows)), starts, self.frame_s[starts])
        found = (kept.window[rows], kept.start_index[rows], kept.start_s[rows])
        if not all(map(np.array_equal, expected, found)):
            message = f"expected the first windows of '{self.header.video.name}' as an earlier writer left, got others"
            fix = "remove what it left: lapsdata repair FOLDER --clean"
            raise CorruptDataError(Problem("other-windows", f"{where}: video {number}", message, fix))
        return len(rows)

    def check(self, check: ArrayCheck, tracks: Any, vis: Any, confidence: Any) -> None:  # noqa: ANN401 - unchecked
        """Note what is wrong with a block of windows."""
        views = sorted(self.header.views)
        if (confidence is not None) != self.header.confidence:
            said, got = ("some", "none") if self.header.confidence else ("none", "some")
            check.problems.add("confidence", "confidence", f"expected {said}, as the header says, got {got}")
        for name, arrays in (("tracks", tracks), ("vis", vis), ("confidence", confidence or dict.fromkeys(views))):
            if sorted(arrays, key=str) != views:
                message = f"expected the header's views {views}, got {sorted(arrays, key=str)}"
                check.problems.add("wrong-views", name, message)
        if len(check.problems):
            return
        for view in views:
            windows = (tracks[view], vis[view], None if confidence is None else confidence[view])
            points = self.header.views[view].points
            check_windows(check, view, *windows, horizon=self.header.horizon, points=points)
        if not len(check.problems):
            self._check_count(check, len(tracks[views[0]]))

    def _check_count(self, check: ArrayCheck, count: int) -> None:
        after, expected = self.written + count, len(self.start_index)
        if count == 0:
            check.problems.add("no-windows", "tracks", "expected at least one window, got none")
        if after > expected:
            check.problems.add("length-mismatch", "tracks", f"expected {expected} windows in all, got {after}")

    def facts(self, number: int, count: int) -> list[dict[str, JsonValue]]:
        """Return what the JSON of each of the next windows says of time and place."""
        starts = self.start_index[self.written : self.written + count]
        steps = step_times(self.frame_s, starts, self.header.horizon).tolist()
        sizes: dict[str, JsonValue] = {view: facts.size.as_json() for view, facts in sorted(self.header.views.items())}
        shared: dict[str, JsonValue] = {"video": self.header.video.name, "video_number": number, "sizes": sizes}
        return [
            {**shared, "window": self.written + n, "start_index": start, "start_s": step_s[0], "step_s": step_s}
            for n, (start, step_s) in enumerate(zip(starts.tolist(), steps, strict=True))
        ]


def frame_table(videos: list[ShardedVideo]) -> FrameTable:
    """Return the table of the times of all videos."""
    given = [video.source_index for video in videos]
    counts = [len(video.frame_s) for video in videos]
    return FrameTable(
        np.repeat(np.arange(len(videos), dtype=np.int32), counts),
        np.concatenate([video.frame_s for video in videos]),
        np.concatenate(
            [
                np.full(count, NOT_RESAMPLED, np.int64) if index is None else index
                for index, count in zip(given, counts, strict=True)
            ]
        ),
    )
