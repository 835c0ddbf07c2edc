"""The camera's own motion: an affine map per frame pair, fitted to the paths of the points, and what is left then.

Two steps. The start is the least median of squares (Rousseeuw, JASA 79, 1984) among maps through three points each and
the median motion; the rest is iteratively reweighted least squares with Tukey's biweight, which lets go of points that
move otherwise, as hands and objects do. Which three points are tried is fixed: equal tracks give equal bits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers.tracks import Tracks

    FloatArray = NDArray[np.float64]

__all__ = ["EgoMotion", "ResidualTracks", "ego_motion", "residual_tracks", "without_ego_motion"]

# An affine map has three unknowns for each axis.
_FEWEST_POINTS = 3
# Points whose spread across their line is below this share of that along it say nothing of what is across.
_THIN = 1e-3
# Where a point that fits has no more weight, in standard deviations (95 % as good as least squares for pure noise).
_CUT = 4.685
# Between the median length of a two-dimensional residual and the deviation of each of its axes.
_MEDIAN_LENGTH = 1.1774
# Points that fit as well as this fit: no tracker is better, and a scale of 0 would let go of nearly all points.
_NOISE_PX = 0.05
_ROUNDS = 8
# So many threes of points: one of them holds none of 45 % that move otherwise in 994 of 1,000 cases.
_TRIES = 28
# So many windows at a time keep what is computed small beside the tracks.
_BLOCK = 64


class EgoMotion(NamedTuple):
    """How the camera moves the picture from each frame of each window to the next.

    Parameters
    ----------
    affine : float64 (W, T - 1, 2, 3)
        Takes (x, y, 1) in pixel of a frame to (x, y) of the next; NaN where there is no fit.
    follows_px : float64 (W, T - 1), pixel
        Points whose residual is below this follow the camera, as far as their noise lets one tell: 4.685 deviations,
        as the median residual tells them. NaN where there is no fit.
    few_points : int
        Frame pairs without a fit because fewer than 3 points are visible on both sides.
    collinear : int
        Frame pairs without a fit because the points that agree lie on one line.
    """

    affine: FloatArray
    follows_px: FloatArray
    few_points: int
    collinear: int


class ResidualTracks(NamedTuple):
    """Windows of tracks as a camera at rest would have seen them.

    Parameters
    ----------
    tracks : float32 (W, T, N, 2), pixel of the first frame of each window
        NaN where the position is not known, or the camera's motion up to it is not.
    vis : bool (W, T, N)
        What was visible, and has a position.
    motion : EgoMotion
    lost : int
        Positions that were visible, and are not known because a fit before them is missing.
    """

    tracks: NDArray[np.float32]
    vis: NDArray[np.bool_]
    motion: EgoMotion
    lost: int


def ego_motion(tracks: NDArray[np.float32], vis: NDArray[np.bool_]) -> EgoMotion:
    """Fit an affine map to the motion of the visible points, for each frame pair of each window.

    Up to 45 % of the points may move otherwise. Where most of the picture moves by itself, that is what is fitted.

    Parameters
    ----------
    tracks : float32 (W, T, N, 2), pixel xy
    vis : bool (W, T, N)

    Examples
    --------
    >>> grid = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(25, 2).astype(np.float32) * 20
    >>> panned = np.stack([grid, grid + np.float32([3, -1])])[None]
    >>> panned[0, 1, :4] += 30  # something moves by itself
    >>> ego_motion(panned, np.ones((1, 2, 25), bool)).affine[0, 0].round(6)
    array([[ 1.,  0.,  3.],
           [-0.,  1., -1.]])
    """
    windows, frames = tracks.shape[:2]
    affine = np.empty((windows, max(frames - 1, 0), 2, 3))
    follows_px = np.empty(affine.shape[:2])
    few = collinear = 0
    for first in range(0, windows, _BLOCK):
        some = slice(first, first + _BLOCK)
        both = vis[some, 1:] & vis[some, :-1]
        # What is not visible may be NaN, and NaN times no weight is NaN.
        known = both[..., None]
        place = np.where(known, tracks[some, :-1], 0).astype(np.float64)
        moved = np.where(known, tracks[some, 1:], 0) - place
        pairs = (-1, *both.shape[2:])
        fitted, scale, thin = _fit(place.reshape(*pairs, 2), moved.reshape(*pairs, 2), both.reshape(pairs))
        too_few = both.reshape(pairs).sum(axis=1) < _FEWEST_POINTS
        fitted[too_few | thin] = np.nan
        affine[some] = fitted.reshape(*both.shape[:2], 2, 3)
        follows_px[some] = np.where(np.isnan(affine[some, :, 0, 0]), np.nan, _CUT * scale.reshape(both.shape[:2]))
        few += int(too_few.sum())
        collinear += int((thin & ~too_few).sum())
    return EgoMotion(affine, follows_px, few, collinear)


def residual_tracks(tracks: NDArray[np.float32], vis: NDArray[np.bool_]) -> ResidualTracks:
    """Take the camera's motion off tracks: each position is brought back to the first frame of its window.

    Parameters
    ----------
    tracks : float32 (W, T, N, 2), pixel xy
    vis : bool (W, T, N)

    Examples
    --------
    >>> grid = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(25, 2).astype(np.float32) * 20
    >>> panned = np.stack([grid + 3 * k for k in range(4)])[None]
    >>> bool(np.allclose(residual_tracks(panned, np.ones((1, 4, 25), bool)).tracks, grid, atol=1e-4))
    True
    """
    motion = ego_motion(tracks, vis)
    still = np.empty_like(tracks)
    windows, frames = tracks.shape[:2]
    # From the first frame of the window to the one that is reached.
    whole = np.tile(np.eye(3), (windows, 1, 1))
    step = np.tile(np.eye(3), (windows, 1, 1))
    for frame in range(frames):
        if frame:
            step[:, :2] = motion.affine[:, frame - 1]
            whole = step @ whole
        back = _inverse(whole)
        place = tracks[:, frame].astype(np.float64)
        still[:, frame] = np.einsum("wij,wnj->wni", back[:, :, :2], place) + back[:, None, :, 2]
    known = ~np.isnan(still).any(axis=-1)
    return ResidualTracks(still, vis & known, motion, int((vis & ~known).sum()))


def without_ego_motion(tracks: Tracks) -> Tracks:
    """Return tracks as a camera at rest would have seen them, each view by itself; see `residual_tracks`.

    The header counts, under `ego_motion_...`, the frame pairs without a fit and the positions that are lost by that.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> without_ego_motion(sample_tracks(points=30)).header.policies["ego_motion_few_points"]
    0
    """
    found = {view: residual_tracks(tracks.tracks[view], tracks.vis[view]) for view in tracks.tracks}
    policies = {
        **tracks.header.policies,
        "ego_motion_few_points": sum(one.motion.few_points for one in found.values()),
        "ego_motion_collinear": sum(one.motion.collinear for one in found.values()),
        "ego_motion_lost_positions": sum(one.lost for one in found.values()),
    }
    return replace(
        tracks,
        header=tracks.header.model_copy(update={"policies": policies}),
        tracks={view: one.tracks for view, one in found.items()},
        vis={view: one.vis for view, one in found.items()},
    )


def _inverse(maps: FloatArray) -> FloatArray:
    """Return the inverse (W, 2, 3) of affine maps (W, 3, 3); NaN of NaN."""
    known = ~np.isnan(maps).any(axis=(1, 2))
    inverse = np.full((len(maps), 2, 3), np.nan)
    inverse[known] = np.linalg.inv(maps[known])[:, :2]
    return inverse


def _fit(
    place: FloatArray, moved: FloatArray, seen: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Return maps (P, 2, 3) of points (P, N, 2), the scale of what is left, and which rest on points of one line."""
    count = np.maximum(seen.sum(axis=1), 1)[:, None]
    middle = place.sum(axis=1, where=seen[..., None]) / count
    apart = np.where(seen[..., None], place - middle[:, None], 0)
    # In units of their own spread, so that the numbers of the equations are of one size.
    spread = np.sqrt((apart**2).sum(axis=(1, 2)) / count[:, 0])
    spread = np.where(spread > 0, spread, 1.0)
    design = np.concatenate([apart / spread[:, None, None], np.ones((*seen.shape, 1))], axis=2)
    change = _start(design, moved, seen)
    weight = np.zeros(seen.shape)
    for _ in range(_ROUNDS):
        weight = _weights(moved - design @ change, seen)
        change = _solved(design, moved, weight)
    linear = change[:, :2].transpose(0, 2, 1) / spread[:, None, None]
    shift = change[:, 2] - np.einsum("pij,pj->pi", linear, middle)
    affine = np.concatenate([linear + np.eye(2), shift[..., None]], axis=2)
    return affine, _scale(moved - design @ change, seen), _thin(design[..., :2], weight)


def _start(design: FloatArray, moved: FloatArray, seen: NDArray[np.bool_]) -> FloatArray:
    """Return the coefficients (P, 3, 2), of those tried, that leave the shortest median residual."""
    pairs = np.arange(len(design))[:, None]
    best = np.zeros((len(design), 3, 2))
    best[:, 2] = _median(moved, seen)
    least = _scale(moved - best[:, 2:], seen)
    # The points that are seen come first; a three is three places among them.
    order = np.argsort(~seen, axis=1, kind="stable")
    count = seen.sum(axis=1)[:, None]
    for draw in np.random.default_rng(0).random((_TRIES, 3)):
        three = order[pairs, (draw * count).astype(np.int64)]
        tried = _solved(design[pairs, three], moved[pairs, three], np.ones(three.shape))
        scale = _scale(moved - design @ tried, seen)
        better = scale < least
        best[better], least[better] = tried[better], scale[better]
    return best


def _solved(design: FloatArray, moved: FloatArray, weight: NDArray[np.float64]) -> FloatArray:
    """Return the weighted least squares (P, 3, 2) of points (P, N)."""
    weighted = (design * weight[..., None]).transpose(0, 2, 1)
    # Far below what any point weighs; without it points of one line could not be solved for at all.
    return np.asarray(np.linalg.solve(weighted @ design + 1e-10 * np.eye(3), weighted @ moved))


def _median(moved: FloatArray, seen: NDArray[np.bool_]) -> FloatArray:
    """Return the median (P, 2) over the points that are seen; 0 where none is."""
    median = np.zeros((len(moved), moved.shape[2]))
    some = seen.any(axis=1)
    median[some] = np.nanmedian(np.where(seen[some][..., None], moved[some], np.nan), axis=1)
    return median


def _scale(residual: FloatArray, seen: NDArray[np.bool_]) -> FloatArray:
    """Return the deviation (P,) of each axis of residuals (P, N, 2), as their median length tells it."""
    length = np.hypot(residual[..., 0], residual[..., 1])
    return _median(length[..., None], seen)[:, 0] / _MEDIAN_LENGTH


def _weights(residual: FloatArray, seen: NDArray[np.bool_]) -> FloatArray:
    """Return Tukey's weights (P, N), at the scale of the residuals themselves."""
    scale = np.maximum(_scale(residual, seen), _NOISE_PX)
    far = np.minimum(np.hypot(residual[..., 0], residual[..., 1]) / (_CUT * scale[:, None]), 1.0)
    return np.where(seen, (1 - far**2) ** 2, 0.0)


def _thin(apart: FloatArray, weight: FloatArray) -> NDArray[np.bool_]:
    """Say where the points that have weight lie on one line, or at one place."""
    total = np.maximum(weight.sum(axis=1), np.finfo(np.float64).tiny)
    middle = np.einsum("pn,pni->pi", weight, apart) / total[:, None]
    centred = apart - middle[:, None]
    cover = np.einsum("pn,pni,pnj->pij", weight, centred, centred) / total[:, None, None]
    low, high = np.moveaxis(np.linalg.eigvalsh(cover), -1, 0)
    return np.asarray(low <= _THIN**2 * high)
