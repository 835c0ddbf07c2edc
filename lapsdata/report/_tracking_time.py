"""Matches over the frames of a sequence as a picture has room for them: columns of frames, and rows of tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.metrics.tracking.frame_series import FrameSeries
    from lapsdata.metrics.tracking.matches import SequenceMatches

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = [
    "FrameColumns", "MatchedSequence", "TrackRows", "columns_told", "frame_columns", "frames_per_column", "longest_ids",
    "track_rows",
]  # fmt: skip

MOST_COLUMNS = 1100
"""A sequence of more frames has several in a column."""


class MatchedSequence(NamedTuple):
    """One sequence as several trackers have it.

    Parameters
    ----------
    name : str
    length : int
        Its frames.
    first_number : int
        What its images call the first frame.
    trackers : mapping of str to (mapping of str to SequenceMatches)
        By tracker and class.
    """

    name: str
    length: int
    first_number: int
    trackers: Mapping[str, Mapping[str, SequenceMatches]]


class FrameColumns(NamedTuple):
    """Counts of columns (C,) of frames.

    Parameters
    ----------
    edges : int64 (C + 1,)
        Where columns begin, in 0-based frames.
    tp, fn, fp : float64 (C,)
        Boxes per scored frame; NaN where no frame is scored.
    idsw : float64 (C,)
        Switches, summed; NaN likewise.
    iou : float64 (C,)
        Mean overlap of the matches; NaN where nothing is matched.
    """

    edges: Integers
    tp: Floats
    fn: Floats
    fp: Floats
    idsw: Floats
    iou: Floats

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which columns have a scored frame."""
        return np.isfinite(self.tp)


def frames_per_column(length: int) -> int:
    """Return how many frames of a sequence share a column.

    Examples
    --------
    >>> frames_per_column(1), frames_per_column(1100), frames_per_column(18_948)
    (1, 1, 18)
    """
    return -(-length // MOST_COLUMNS)


def columns_told(length: int, what: str) -> str:
    """Say what a column is where it is not a frame."""
    per = frames_per_column(length)
    return "" if per == 1 else f"A column is {per} frames: {what}."


def _edges(length: int) -> Integers:
    per = frames_per_column(length)
    return np.append(np.arange(0, length, per), length)


def frame_columns(series: FrameSeries, length: int) -> FrameColumns:
    """Return the columns of a series.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.matches import track_matches
    >>> from lapsdata.testing.samples import sample_tracked
    >>> columns = frame_columns(track_matches(*sample_tracked())["rally"]["player"].series, 4)
    >>> columns.tp.tolist(), columns.iou.tolist()
    ([1.0, 1.0, 0.0, 1.0], [1.0, 1.0, nan, 1.0])
    """
    edges = _edges(length)
    column = series.frame // frames_per_column(length)

    def summed(values: Floats | Integers | None) -> Floats:
        return np.bincount(column, values, len(edges) - 1).astype(np.float64)

    def shares(of: Floats, per: Floats) -> Floats:
        out = np.full(len(of), np.nan)
        np.divide(of, per, out=out, where=per > 0)
        return out

    scored = summed(None)
    tp = summed(series.tp)
    return FrameColumns(
        edges,
        shares(tp, scored),
        shares(summed(series.fn), scored),
        shares(summed(series.fp), scored),
        np.where(scored > 0, summed(series.idsw), np.nan),
        shares(summed(series.iou_sum), tp),
    )


class TrackRows(NamedTuple):
    """Tracks as rows, over columns of frames.

    Parameters
    ----------
    edges : int64 (C + 1,)
        Where columns begin, in 0-based frames.
    ids : int64 (N,)
        True identities.
    there : bool (N, C)
        Whether the true box is in some frame of a column.
    found : int64 (N, C)
        The predicted identity that it is matched with in most frames of a column, of equal ones the lowest; -1 where it
        is matched in none.
    boxes, covered, switches : int64 (N,)
        True boxes, those that are matched, and how often another identity takes over.
    switched : int64 (S, 2)
        Row and frame of each such change.
    """

    edges: Integers
    ids: Integers
    there: NDArray[np.bool_]
    found: Integers
    boxes: Integers
    covered: Integers
    switches: Integers
    switched: Integers


def longest_ids(matches: SequenceMatches, most: int) -> tuple[Integers, int]:
    """Return the true identities with the most boxes, by number, and how many more there are; of equal ones the lowest.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.matches import track_matches
    >>> from lapsdata.testing.samples import sample_tracked
    >>> longest_ids(track_matches(*sample_tracked())["rally"]["player"], 5)
    (array([0]), 0)
    """
    ids, count = np.unique(matches.id, return_counts=True)
    kept = np.sort(ids[np.argsort(-count, kind="stable")[:most]])
    return kept, len(ids) - len(kept)


def track_rows(matches: SequenceMatches, ids: Integers, length: int) -> TrackRows:
    """Return the rows of some true identities, rising.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.matches import track_matches
    >>> from lapsdata.testing.samples import sample_tracked
    >>> rows = track_rows(track_matches(*sample_tracked())["rally"]["player"], np.array([0]), 4)
    >>> rows.found.tolist(), rows.switched.tolist()
    ([[5, 5, -1, 6]], [[0, 3]])
    """
    edges = _edges(length)
    kept = np.isin(matches.id, ids)
    row = np.searchsorted(ids, matches.id[kept])
    frame, found, switched = matches.frame[kept], matches.found[kept], matches.switched[kept]
    column = frame // frames_per_column(length)
    there = np.zeros((len(ids), len(edges) - 1), np.bool_)
    there[row, column] = True
    most = np.full(there.shape, -1)
    hit = found >= 0
    cells, count = np.unique(np.stack([row, column, -found])[:, hit], axis=1, return_counts=True)
    # Of each cell the last stays: the most frequent, and of equal ones the lowest.
    rising = np.argsort(count, kind="stable")
    for at_row, at_column, negative in cells[:, rising].T.tolist():
        most[at_row, at_column] = -negative
    return TrackRows(
        edges,
        ids,
        there,
        most,
        np.bincount(row, minlength=len(ids)),
        np.bincount(row[hit], minlength=len(ids)),
        np.bincount(row[switched], minlength=len(ids)),
        np.stack([row[switched], frame[switched]], axis=1),
    )
