"""What stands where a point was lost and its position is NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Lost", "fill_lost"]

Lost = Literal["nan", "last", "zero"]
"""`nan` leaves NaN; `last` takes the point's last known position in its window; `zero` takes 0."""


def fill_lost(batch: Mapping[str, NDArray[Any]], lost: Lost) -> int:
    """Replace NaN in the positions of a batch, in place.

    Parameters
    ----------
    batch : mapping of np.ndarray
        Fields named `tracks` or `tracks/<view>`, float32 (B, T, N, 2), are looked at; others are left alone.
    lost : {"nan", "last", "zero"}

    Returns
    -------
    int
        How many positions were replaced.

    Examples
    --------
    >>> tracks = np.array([1.0, np.nan], np.float32).repeat(2).reshape(1, 2, 1, 2)
    >>> fill_lost({"tracks": tracks}, "last"), tracks[0, :, 0, 0].tolist()
    (1, [1.0, 1.0])
    """
    filled = 0
    for name, tracks in batch.items():
        if name.partition("/")[0] != "tracks" or lost == "nan":
            continue
        missing = np.isnan(tracks).any(axis=-1)
        count = int(missing.sum())
        if count:
            filled += count
            tracks[missing] = 0 if lost == "zero" else _last_known(tracks, missing)[missing]
    return filled


def _last_known(tracks: NDArray[np.float32], missing: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the position last known at each step, the first one known before that, 0 where there is none."""
    steps = np.arange(tracks.shape[1])[None, :, None]
    known = np.where(missing, -1, steps)
    last = np.maximum.accumulate(known, axis=1)
    first = np.argmax(~missing, axis=1)[:, None]
    values = np.take_along_axis(tracks, np.where(last < 0, first, last)[..., None], axis=1)
    unknown = np.asarray(missing.all(axis=1))[:, None, :, None]
    return np.where(unknown, np.float32(0), values)
