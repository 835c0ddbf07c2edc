"""By how many rows frames are late: told by how much pictures change, beside how fast joints move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["FrameLag", "Motion", "estimate_lag", "joint_speed", "picture_motion"]

_SMALL_PX = 32
_LEAST_ROWS = 20
_BLOCK = 20
_DRAWS = 200
# Of the draws; what is clear lies within them all but for one in a hundred at each end.
_TAIL = 0.01
_LEAST_CORRELATION = 0.3


class Motion(NamedTuple):
    """What moved in an episode from each row to the next.

    Parameters
    ----------
    picture, joints : float64 (R - 1,)
    """

    picture: NDArray[np.float64]
    joints: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrameLag:
    """An estimate.

    Parameters
    ----------
    rows : int
        Rows by which frames are late; negative for frames that are early.
    correlation : float
        Of the ranks of both motions at this lag, the mean over episodes by their rows.
    at_zero : float
        That at lag 0.
    least, most : int
        Between them lie 98 of 100 estimates of parts of the data, drawn again.
    episodes : int
        Episodes long enough to be looked at.
    tried : int
        The largest lag that was tried, either way.
    """

    rows: int
    correlation: float
    at_zero: float
    least: int
    most: int
    episodes: int
    tried: int

    @property
    def known(self) -> bool:
        """Whether pictures and joints move together at all."""
        return self.correlation >= _LEAST_CORRELATION

    @property
    def clear(self) -> bool:
        """Whether frames are late or early beyond doubt; at the end of what was tried, the largest may lie beyond."""
        return self.known and (self.least > 0 or self.most < 0) and abs(self.rows) < self.tried


def picture_motion(images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return how much each picture differs from the one before: float64 (F - 1,), gray levels.

    Parameters
    ----------
    images : iterable of np.ndarray (H, W), uint8
        Gray; compared at 32 x 32 pixels, which hides noise and compression.

    Examples
    --------
    >>> picture_motion(np.full((48, 64), level, np.uint8) for level in (10, 10, 40)).tolist()
    [0.0, 30.0]
    """
    import cv2

    before, found = None, []
    for image in images:
        small = cv2.resize(image, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA).astype(np.float64)
        if before is not None:
            found.append(float(np.abs(small - before).mean()))
        before = small
    return np.array(found, np.float64)


def joint_speed(state: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how far joints move from each row to the next, each in units of its own usual step.

    Parameters
    ----------
    state : np.ndarray (R, D)

    Returns
    -------
    float64 (R - 1,)

    Examples
    --------
    >>> joint_speed(np.array([[0.0, 5.0], [1.0, 5.0], [1.0, 5.0]])).tolist()
    [2.0, 0.0]
    """
    steps = np.diff(state.astype(np.float64), axis=0)
    if not len(steps):
        return np.zeros(0)
    usual = steps.std(axis=0)
    moving = usual > 0
    found: NDArray[np.float64] = np.sqrt(((steps[:, moving] / usual[moving]) ** 2).sum(axis=1))
    return found


def estimate_lag(motions: Sequence[Motion], most: int, seed: int = 0) -> FrameLag | None:
    """Estimate by how many rows frames are late; None where no episode is long enough, or nothing moves.

    The lag is that of the largest correlation of ranks, and what is clear is told by a bootstrap over blocks of rows:
    motions that change slowly fit at many lags, and then the draws differ.

    Parameters
    ----------
    motions : sequence of Motion
        By episode.
    most : int
        Largest lag that is tried, in rows; less where episodes are short.
    seed : int

    Examples
    --------
    >>> moved = np.random.default_rng(0).random(103)
    >>> found = estimate_lag([Motion(picture=moved[:100], joints=moved[3:])], most=10)
    >>> found.rows, found.clear
    (3, True)
    """
    from scipy.stats import rankdata

    long = [one for one in motions if len(one.joints) >= _LEAST_ROWS and np.ptp(one.joints) and np.ptp(one.picture)]
    if not long:
        return None
    most = min(most, min(len(one.joints) for one in long) // 4)
    lags = np.arange(-most, most + 1)
    products: list[NDArray[np.float64]] = []
    rows = 0
    for one in long:
        picture, joints = (_standard(rankdata(values)) for values in one)
        # Where a lag leads beyond the episode, the product counts as that of no relation.
        at = np.arange(len(joints)) + lags[:, None]
        inside = (at >= 0) & (at < len(picture))
        product = np.where(inside, picture[np.clip(at, 0, len(picture) - 1)] * joints, 0.0)
        overlap = inside.sum(axis=1, keepdims=True) / len(joints)
        starts = np.arange(0, len(joints), _BLOCK)
        products.append(np.add.reduceat(product / overlap, starts, axis=1))
        rows += len(joints)
    blocks = np.concatenate(products, axis=1)
    curve = blocks.sum(axis=1) / rows
    best = int(curve.argmax())
    draws = np.random.default_rng(seed).multinomial(
        blocks.shape[1], np.full(blocks.shape[1], 1 / blocks.shape[1]), _DRAWS
    )
    drawn = lags[(blocks @ draws.T).argmax(axis=0)]
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL], method="nearest")
    return FrameLag(int(lags[best]), float(curve[best]), float(curve[most]), int(low), int(high), len(long), most)


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean()
    found: NDArray[np.float64] = centred / centred.std()
    return found
