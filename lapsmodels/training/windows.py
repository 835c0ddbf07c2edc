"""Windows of tracks as the motion tokenizer takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.geometry import pixel_to_amplify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.containers.tracks import Tracks
    from lapsmodels.tokenizer.config import TokenizerConfig

__all__ = ["MotionSteps", "MotionWindows", "motion_windows"]


@dataclass(frozen=True, slots=True, eq=False)
class MotionWindows:
    """Positions of the points of windows, as the tracker gave them, with what had to be made up.

    Parameters
    ----------
    positions : float32 (W, V, T, N, 2), (row, column), -1 to 1 over the frame, and beyond it outside
        A point without a position stays where it was last, or first; it does not move.
    seen : bool (W, V, T, N)
        Whether a position was seen.
    video : int64 (W,)
        Which of the videos.
    lost : int
        Positions that the tracker did not give.
    """

    positions: NDArray[np.float32]
    seen: NDArray[np.bool_]
    video: NDArray[np.int64]
    lost: int

    def __len__(self) -> int:
        """Return the number of windows W."""
        return len(self.positions)

    @property
    def filled_share(self) -> float:
        """Share of the positions that were not seen."""
        return 1 - float(self.seen.mean())

    @property
    def outside(self) -> int:
        """Positions beyond the frame."""
        return int(np.count_nonzero(~_inside(self.positions)))

    @property
    def scale(self) -> float:
        """What makes the root mean square of the velocities of points that are seen 1; 1 where nothing moves.

        For `TokenizerConfig.scale`: velocities that are far below 1 train to a single code.
        """
        known = _both_ends(self.seen & _inside(self.positions))
        moved = np.diff(self.positions, axis=2)[known]
        size = float(np.sqrt(np.mean(np.square(moved, dtype=np.float64)))) if moved.size else 0.0
        return 1 / size if size > 0 else 1.0

    def steps(self, rows: NDArray[np.int64] | slice, config: TokenizerConfig) -> MotionSteps:
        """Return the motion of some windows as a model of that configuration takes it.

        Examples
        --------
        >>> from lapsdata.testing.samples import sample_tracks
        >>> from lapsmodels.tokenizer.config import TokenizerConfig
        >>> windows = motion_windows([sample_tracks(windows=3)], ["default"])
        >>> steps = windows.steps(slice(2), TokenizerConfig(seen_only=True))
        >>> steps.velocities.shape, float(abs(steps.velocities[~steps.known]).max())
        ((2, 1, 3, 5, 2), 0.0)
        """
        positions = self.positions[rows]
        known = self.seen[rows] if config.seen_only else np.ones(positions.shape[:-1], bool)
        if config.inside_only:
            known = known & _inside(positions)
        else:
            positions = positions.clip(-1, 1)
        both = _both_ends(known)
        velocities = np.where(both[..., None], np.diff(positions, axis=2), np.float32(0))
        return MotionSteps(positions, velocities, both)


class MotionSteps(NamedTuple):
    """Motion of windows, as a model takes it."""

    positions: NDArray[np.float32]
    """(W, V, T, N, 2) (row, column), -1 to 1 over the frame; beyond it only where such steps are not known"""
    velocities: NDArray[np.float32]
    """(W, V, T - 1, N, 2) their differences; 0 where they are not known"""
    known: NDArray[np.bool_]
    """(W, V, T - 1, N) whether both ends count: see `TokenizerConfig.seen_only` and `inside_only`"""


def _inside(positions: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray((np.abs(positions) <= 1).all(axis=-1))


def _both_ends(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return known[:, :, 1:] & known[:, :, :-1]


def motion_windows(tracks: Sequence[Tracks], views: Sequence[str]) -> MotionWindows:
    """Put the windows of some tracks together.

    Parameters
    ----------
    tracks : sequence of Tracks
        One per video.
    views : sequence of str
        In the order in which the model takes them.

    Raises
    ------
    SchemaError
        No tracks, a view that is not there, or tracks of unequal horizon or number of points.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> windows = motion_windows([sample_tracks(windows=3), sample_tracks(windows=2)], ["default"])
    >>> windows.positions.shape, windows.video.tolist()
    ((5, 1, 4, 5, 2), [0, 0, 0, 1, 1])
    """
    _refuse_unlike(tracks, views)
    parts = [[_of_view(one, view) for view in views] for one in tracks]
    return MotionWindows(
        np.concatenate([np.stack([positions for positions, _, _ in part], axis=1) for part in parts]),
        np.concatenate([np.stack([seen for _, seen, _ in part], axis=1) for part in parts]),
        np.repeat(np.arange(len(tracks)), [len(one) for one in tracks]),
        sum(lost for part in parts for _, _, lost in part),
    )


def _refuse_unlike(tracks: Sequence[Tracks], views: Sequence[str]) -> None:
    if not tracks or not views:
        raise SchemaError(Problem("no-tracks", "tracks", "expected tracks and views, got none"))
    problems = Problems()
    first = tracks[0]
    for one in tracks:
        name = one.header.video.name
        for view in views:
            if view not in one.header.views:
                message = f"expected the view '{view}', got {', '.join(sorted(one.header.views))}"
                problems.add("wrong-view", name, message)
                continue
            got = one.header.horizon, one.header.views[view].points
            wanted = first.header.horizon, first.header.views[views[0]].points if views[0] in first.header.views else 0
            if got != wanted:
                message = f"expected windows of {wanted[0]} frames and {wanted[1]} points, got {got[0]} and {got[1]}"
                problems.add("unlike-windows", name, message, "track all videos alike")
    problems.raise_as(SchemaError)


def _of_view(tracks: Tracks, view: str) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
    given = np.asarray(np.isfinite(tracks.tracks[view]).all(axis=-1))
    held = _held(tracks.tracks[view], given)
    placed = pixel_to_amplify(held, tracks.header.views[view].size.frame, outside="keep", lost="raise")
    return placed.row_col, tracks.vis[view] & given, int(np.count_nonzero(~given))


def _held(tracks: NDArray[np.float32], given: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Put each position that is not given where the point was last, or else first; (0, 0) where never."""
    frames = np.arange(tracks.shape[1])[:, None]
    last = np.maximum.accumulate(np.where(given, frames, -1), axis=1)
    first = given.argmax(axis=1)[:, None]
    held = np.take_along_axis(tracks, np.where(last < 0, first, last)[..., None], axis=1)
    ever = np.asarray(given.any(axis=1))
    return np.where(ever[:, None, :, None], held, np.float32(0))
