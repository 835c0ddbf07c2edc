"""Rows of boxes of one sequence, and what looks wrong with them though every row by itself is right.

Each of these has cost somebody weeks: identities that are none, and detections that were copied from the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["DETECTOR", "TRUTH", "RowsOfBoxes", "faults_of"]

TRUTH, DETECTOR = "truth", "detector"
"""Who says so: people, and what has found boxes without following them; every other source is the name of a tracker."""

# Fewer frames show nothing: three people who stay for one frame each are no fault.
_LEAST_FRAMES = 3
_LEAST_LEAVING = 5
# A detector that is right to the last digit now and then is none; one that always is was never run.
_COPIED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsOfBoxes:
    """Boxes of one sequence, row by row as a file holds them.

    Parameters
    ----------
    frame : int64 (R,)
        0-based.
    id : int64 (R,)
        -1 for none.
    xywh : float64 (R, 4), pixel
        Top-left corner and size, in the pixel frame of the contract.
    label : str or sequence of str, R
        One for all rows, or one for each.
    source : str
        Who says so: `truth`, `detector`, the name of a tracker.
    ignored : bool (R,), optional
    score, visibility : float64 (R,), optional
        NaN for none.
    source_id : sequence of str or None, R, optional
        Identities as the file spells them, where these are no numbers.
    """

    frame: NDArray[np.int64]
    id: NDArray[np.int64]
    xywh: NDArray[np.float64]
    label: str | Sequence[str]
    source: str
    ignored: NDArray[np.bool_] | None = None
    score: NDArray[np.float64] | None = None
    visibility: NDArray[np.float64] | None = None
    source_id: Sequence[str | None] | None = None


def faults_of(name: str, parts: Sequence[RowsOfBoxes]) -> Iterator[Problem]:
    """Yield what looks wrong with the boxes of a sequence, as warnings.

    Parameters
    ----------
    name : str
        Of the sequence.
    parts : sequence of RowsOfBoxes
        One for each source.

    Examples
    --------
    >>> frame = np.array([0, 0, 1, 1, 2])
    >>> rows = RowsOfBoxes(frame=frame, id=np.arange(5), xywh=np.ones((5, 4)), label="ball", source="ours")
    >>> [fault.code for fault in faults_of("beach", [rows])]
    ['ids-never-persist']
    """
    truth = [part for part in parts if part.source == TRUTH]
    for part in parts:
        if part.source != DETECTOR:
            yield from _identities(name, part)
        if part.source != TRUTH and truth:
            yield from _copied(name, part, truth)


def _identities(name: str, part: RowsOfBoxes) -> Iterator[Problem]:
    known = part.id >= 0
    ids, frames = part.id[known], part.frame[known]
    if not len(ids) or len(np.unique(frames)) < _LEAST_FRAMES:
        return
    where = f"{name}: {part.source}"
    fix = "these are detections, and no tracks: scores of identity mean nothing"
    if len(np.unique(ids)) == len(ids):
        message = f"expected identities that stay, got {len(ids)} of them, each in one frame only"
        yield Problem("ids-never-persist", where, message, fix, "warning")
    elif _are_ranks(ids, frames, part.score if part.score is None else part.score[known]):
        message = "expected identities that stay, got 0, 1, 2 … in every frame anew, however many boxes it has"
        yield Problem("ids-are-ranks", where, message, fix, "warning")


def _are_ranks(ids: NDArray[np.int64], frames: NDArray[np.int64], scores: NDArray[np.float64] | None) -> bool:
    """Say whether ids count the boxes of each frame: those with a high score first, or whoever comes and goes.

    Tracks may be numbered so as long as nobody leaves: of those who do, it would always have to be the last one.
    """
    order = np.argsort(frames, kind="stable")
    ids, frames = ids[order], frames[order]
    within = frames[1:] == frames[:-1]
    first = np.flatnonzero(np.concatenate([[True], ~within]))
    if not ((np.diff(ids)[within] == 1).all() and ids[0] in (0, 1) and (ids[first] == ids[0]).all()):
        return False
    boxes = np.diff(np.append(first, len(ids)))
    if len(np.unique(boxes)) >= _LEAST_FRAMES and (np.diff(boxes) < 0).sum() >= _LEAST_LEAVING:
        return True
    falling = np.empty(0) if scores is None else np.diff(scores[order])[within]
    return bool(len(falling) >= _LEAST_FRAMES and (falling <= 0).all() and (falling < 0).mean() > 0.5)


def _copied(name: str, part: RowsOfBoxes, truth: Sequence[RowsOfBoxes]) -> Iterator[Problem]:
    if not len(part.frame):
        return
    same = np.isin(_keys(part), np.concatenate([_keys(one) for one in truth]))
    share = float(same.mean())
    if share >= _COPIED:
        message = f"expected boxes that were found, got those of the truth: {share:.0%} of {len(same)} are equal to it"
        fix = "look at what wrote them: what is trained or scored with them shows nothing"
        yield Problem("detections-equal-truth", f"{name}: {part.source}", message, fix, "warning")


def _keys(rows: RowsOfBoxes) -> NDArray[np.void]:
    """Return frame and place of each row as one value that compares by its bytes; 0.0 and -0.0 are one."""
    whole = np.column_stack([rows.frame.astype(np.float64), rows.xywh]) + 0.0
    return np.ascontiguousarray(whole).view(np.dtype((np.void, whole.itemsize * whole.shape[1]))).ravel()
