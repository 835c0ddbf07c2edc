"""Rows of boxes of one sequence, and what looks wrong with them though every row by itself is right.

Each of these has cost somebody weeks: identities that are none, and detections that were copied from the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters._copied_boxes import copied, copy_fault
from lapsdata.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["DETECTOR", "TRUTH", "RowsOfBoxes", "faults_of"]

TRUTH, DETECTOR = "truth", "detector"
"""Who says so: people, and what has found boxes without following them; every other source is the name of a tracker."""

_TRACKS = "these are detections, and no tracks: scores of identity mean nothing"
# Fewer frames show nothing: three people who stay for one frame each are no fault.
_LEAST_FRAMES = 3
_LEAST_LEAVING = 5


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


def faults_of(name: str, parts: Sequence[RowsOfBoxes], fix: str = _TRACKS) -> Iterator[Problem]:
    """Yield what looks wrong with the boxes of a sequence, as warnings.

    Parameters
    ----------
    name : str
        Of the sequence.
    parts : sequence of RowsOfBoxes
        One for each source.
    fix : str
        What to do where identities are none.

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
            yield from _identities(name, part, fix)
        if part.source != TRUTH and truth:
            yield from _copied(name, part, truth)


def _identities(name: str, part: RowsOfBoxes, fix: str) -> Iterator[Problem]:
    known = part.id >= 0
    ids, frames = part.id[known], part.frame[known]
    if not len(ids) or len(np.unique(frames)) < _LEAST_FRAMES:
        return
    where = f"{name}: {part.source}"
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
    frame = np.concatenate([one.frame for one in truth])
    if not (len(part.frame) and len(frame)):
        return
    xywh = np.concatenate([one.xywh for one in truth])
    # Frames that hold none of these boxes say nothing of what was copied.
    inside = np.isin(frame, part.frame)
    of_truth = copied(frame[inside], xywh[inside], part.frame, part.xywh, shift_px=0)
    of_found = copied(part.frame, part.xywh, frame, xywh, shift_px=0)
    fault = copy_fault(
        float(of_truth.mean()) if len(of_truth) else 0.0, float(of_found.mean()), f"{name}: {part.source}"
    )
    if fault is not None:
        yield fault
