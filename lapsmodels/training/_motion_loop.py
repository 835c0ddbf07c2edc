"""The hot loop of `motion` on processors: each position is read once, and everything that follows from it written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.compiling import compile_loop

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["motion_loop"]

F = np.float32


def _motion_loop(
    tracks: NDArray[np.float32],
    vis: NDArray[np.bool_],
    size: NDArray[np.float32],
    seen_only: bool,
    inside_only: bool,
    positions: NDArray[np.float32],
    velocities: NDArray[np.float32],
    known: NDArray[np.bool_],
    counts: NDArray[np.int64],
) -> None:
    """Fill in positions, velocities and which steps are known; see `lapsmodels.training.motion.motion`.

    Parameters
    ----------
    tracks : float32 (R, T, N, 2)
        R windows of a view.
    vis : bool (R, T, N)
    size : float32 (R, 2)
    seen_only, inside_only : bool
    positions : float32 (R, T, N, 2)
    velocities : float32 (R, T - 1, N, 2)
    known : bool (R, T - 1, N)
    counts : int64 (4,)
        Added to: unseen, lost, outside, still.
    """
    rows, frames, points, _ = tracks.shape
    held = np.empty((points, 2), np.float32)
    ever = np.empty(points, np.bool_)
    counted = np.empty(points, np.bool_)
    for r in range(rows):
        half_x, half_y = size[r, 0] / F(2), size[r, 1] / F(2)
        # Where a point will be first, for as long as it was not given.
        held[:] = F(0)
        ever[:] = False
        missing = points
        for t in range(frames):
            if not missing:
                break
            for n in range(points):
                x, y = tracks[r, t, n, 0], tracks[r, t, n, 1]
                if not ever[n] and np.isfinite(x) and np.isfinite(y):
                    held[n, 0], held[n, 1], ever[n] = x, y, True
                    missing -= 1
        for t in range(frames):
            for n in range(points):
                x, y = tracks[r, t, n, 0], tracks[r, t, n, 1]
                given = np.isfinite(x) and np.isfinite(y)
                if given:
                    held[n, 0], held[n, 1] = x, y
                else:
                    counts[1] += 1
                row, column = (held[n, 1] - half_y) / half_y, (held[n, 0] - half_x) / half_x
                seen, inside = given and vis[r, t, n], abs(row) <= F(1) and abs(column) <= F(1)
                counts[0] += not seen
                counts[2] += not inside
                counts_now = (seen or not seen_only) and (inside or not inside_only)
                if not inside_only:
                    row, column = min(max(row, F(-1)), F(1)), min(max(column, F(-1)), F(1))
                positions[r, t, n, 0], positions[r, t, n, 1] = row, column
                if t:
                    both = counts_now and counted[n]
                    known[r, t - 1, n] = both
                    if both:
                        velocities[r, t - 1, n, 0] = row - positions[r, t - 1, n, 0]
                        velocities[r, t - 1, n, 1] = column - positions[r, t - 1, n, 1]
                    else:
                        velocities[r, t - 1, n, 0] = velocities[r, t - 1, n, 1] = F(0)
                        counts[3] += 1
                counted[n] = counts_now


# Without the interpreter's lock: in encoding, the model works beside it.
motion_loop = compile_loop(_motion_loop, nogil=True)
