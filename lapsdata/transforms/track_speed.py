"""How fast the points of each window move, step by step."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.transforms.ego_motion import ego_motion

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MeasuredPoints", "Motion", "WindowSpeed", "window_speed"]

Motion = Literal["raw", "residual"]
"""Whether the motion that a moving camera gives to the picture is measured too, or taken off first."""

MeasuredPoints = Literal["visible", "all"]
"""Whose motion is measured: of points that are seen before and after a step, or, as LAPS does, of all that have a
position, guessed ones too."""

# Fewer points than this say nothing of a frame.
_FEWEST_POINTS = 4
# So many windows at a time keep what is computed small beside the tracks.
_BLOCK = 64


class WindowSpeed(NamedTuple):
    """How fast the points of windows move, and how many of them that was measured of.

    Parameters
    ----------
    value : float64 (W, T - 1), pixel per second
        NaN where fewer than 4 points are visible on both sides, or the camera's motion is not known.
    points : int64 (W, T - 1)
        Points that were measured on both sides; 0 where the value is NaN.
    followed : int
        Points of frame pairs that follow the camera, and count as still.
    few_points, collinear : int
        Frame pairs for which the camera's motion is not known, and why; see `EgoMotion`.
    """

    value: NDArray[np.float64]
    points: NDArray[np.int64]
    followed: int = 0
    few_points: int = 0
    collinear: int = 0
    unseen: int = 0
    """Points of frame pairs that were measured without being seen."""


def window_speed(
    tracks: NDArray[np.float32],
    vis: NDArray[np.bool_],
    seconds: NDArray[np.float64],
    *,
    motion: Motion = "raw",
    of: MeasuredPoints = "visible",
) -> WindowSpeed:
    """Return the mean speed of the points that are visible before and after each step, or of all.

    Parameters
    ----------
    tracks : float32 (W, T, N, 2), pixel
    vis : bool (W, T, N)
    seconds : float64 (W, T)
        Time of each frame of each window.
    motion : {"raw", "residual"}
        `residual` takes the camera's motion off, as `ego_motion` finds it; a point that follows the camera as closely
        as its noise lets one tell (`EgoMotion.follows_px`) counts as still. The mean length of noise is not 0: without
        that, a shaking camera would hide slow motion. Where most of the picture moves by itself, that is lost.

    of : {"visible", "all"}

    Raises
    ------
    SchemaError
        An unknown word for `motion`.

    Examples
    --------
    >>> tracks = np.zeros((1, 3, 4, 2), np.float32)
    >>> tracks[0, 2, :, 0] = 5
    >>> window_speed(tracks, np.ones((1, 3, 4), bool), np.array([[0, 0.1, 0.2]])).value.round(3)
    array([[ 0., 50.]])
    """
    if motion not in {"raw", "residual"}:
        raise SchemaError(Problem("unknown-choice", "motion", f"expected 'raw' or 'residual', got {motion!r}"))
    speed = np.empty(np.diff(seconds, axis=1).shape)
    points = np.zeros(speed.shape, np.int64)
    followed = few = collinear = unseen = 0
    for first in range(0, len(tracks), _BLOCK):
        some = slice(first, first + _BLOCK)
        moved = np.diff(tracks[some], axis=1).astype(np.float64)
        seen = vis[some, 1:] & vis[some, :-1]
        both = seen if of == "visible" else ~np.isnan(moved).any(axis=-1)
        unseen += int((both & ~seen).sum())
        follows_px: NDArray[np.float64] | None = None
        if motion == "residual":
            camera = ego_motion(tracks[some], vis[some])
            place = tracks[some, :-1].astype(np.float64)
            moved -= np.einsum("wtij,wtnj->wtni", camera.affine[..., :2] - np.eye(2), place)
            moved -= camera.affine[:, :, None, :, 2]
            few, collinear, follows_px = few + camera.few_points, collinear + camera.collinear, camera.follows_px
        moved[~both] = np.nan
        length = np.hypot(moved[..., 0], moved[..., 1])
        if follows_px is not None:
            # NaN compares as false: where there is no fit, nothing follows.
            follows = length < follows_px[..., None]
            length[follows] = 0
            followed += int(follows.sum())
        with warnings.catch_warnings():
            # Steps at which nothing is visible; what comes out is NaN, as it is told.
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            speed[some] = np.nanmean(length, axis=2)
        points[some] = both.sum(axis=2)
    speed[points < _FEWEST_POINTS] = np.nan
    points[np.isnan(speed)] = 0
    return WindowSpeed(speed / np.diff(seconds, axis=1), points, followed, few, collinear, unseen)
