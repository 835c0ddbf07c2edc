"""Which windows of a video are tracked: all of them, or those whose pixels do not stand still."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.transforms.gates import gated_by_pixels, pixel_change

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.video.frame import FrameSource
    from lapsmodels.stages.track_options import TrackOptions

__all__ = ["Run", "still_windows", "window_runs"]


class Run(NamedTuple):
    """Windows whose frames follow each other without a gap.

    Parameters
    ----------
    windows : int64 (R,)
        Their numbers.
    first : int, frame
        The frame that the tracker is shown first.
    """

    windows: NDArray[np.int64]
    first: int


def still_windows(
    reader: FrameSource,
    source_index: NDArray[np.int64],
    starts: NDArray[np.int64],
    options: TrackOptions,
    where: str,
) -> NDArray[np.bool_]:
    """Say which windows stand still, bool (W,); all frames are decoded once more for that, where there is a gate.

    Raises
    ------
    SchemaError
        All of them do; or windows are to be cut out of one tracking, which cannot leave any out.
    """
    if options.gate_mad is None:
        return np.zeros(len(starts), bool)
    if options.continuous:
        message = "expected windows that begin anew, got one tracking of the whole video, which a gate would interrupt"
        raise SchemaError(Problem("wrong-option", f"{where}: gate_mad", message, "leave out one of the two"))
    needed = source_index[: int(starts[-1]) + options.horizon]
    change = pixel_change((frame.image for frame in reader.frames(needed)), limit=options.gate_pixel_diff)
    still = gated_by_pixels(change, starts, options.horizon, mean=options.gate_mad, active=options.gate_active)
    if still.all():
        message = f"expected at least one window in which something moves, got {len(still)} that the gate leaves out"
        raise SchemaError(Problem("all-gated", where, message, "lower gate_mad, or track without a gate"))
    return still


def window_runs(starts: NDArray[np.int64], still: NDArray[np.bool_], horizon: int) -> list[Run]:
    """Put the windows that do not stand still into runs; without a gate there is one, from frame 0 on.

    Examples
    --------
    >>> starts = np.arange(6) * 4
    >>> still = np.array([False, True, True, True, False, False])
    >>> [(run.windows.tolist(), run.first) for run in window_runs(starts, still, 8)]
    [([0], 0), ([4, 5], 16)]
    """
    moving = np.flatnonzero(~still)
    if not still.any():
        return [Run(moving, 0)]
    apart = np.flatnonzero(np.diff(starts[moving]) > horizon) + 1
    return [Run(windows, int(starts[windows[0]])) for windows in np.split(moving, apart)]
