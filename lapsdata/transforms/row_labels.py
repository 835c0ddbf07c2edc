"""Codes of windows as labels of rows: each row has the window that begins with it, found by time and proved by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers.window_times import step_times
from lapsdata.errors import LengthMismatchError, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers import Tokens

__all__ = ["RowLabels", "label_rows"]

# So much of the shortest time between rows may lie between a row and the frame that it is found by.
_TOLERANCE = 0.25


class RowLabels(NamedTuple):
    """Labels of the rows of one episode.

    Parameters
    ----------
    codes : int64 (R, L)
        Of the window that begins with each row; 0 where there is none.
    null : bool (R,)
        Where there is none.
    beside : int
        Windows whose frames are not those of as many rows in turn: they label nothing.
    held : int
        Last rows that have the label of the last window.
    """

    codes: NDArray[np.int64]
    null: NDArray[np.bool_]
    beside: int
    held: int


def label_rows(tokens: Tokens, row_s: NDArray[np.float64], *, hold: bool = False) -> RowLabels:
    """Return what each row is labelled with: row t with the motion in rows t to t + T - 1.

    A window labels the row at its first frame where each of its T frames is that of the next row in turn, within a
    quarter of the shortest time between rows. So the last T - 1 rows have no label, nor have rows whose window was left
    out by a gate.

    Parameters
    ----------
    tokens : Tokens
    row_s : float64 (R,), seconds
        When each row is shown in the video of the tokens; rising, two rows may have one frame.
    hold : bool
        Whether the last T - 1 rows have the label of the row before them, where that has one.

    Raises
    ------
    LengthMismatchError
        No rows, or times that fall.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> tokens = sample_tokens(windows=3)
    >>> labels = label_rows(tokens, tokens.frame_s)
    >>> int(labels.null.sum()) == len(tokens.frame_s) - 3
    True
    """
    apart_s = np.diff(row_s)
    if not len(row_s) or (apart_s < 0).any():
        message = f"expected times of rows that do not fall, got {len(row_s)}"
        raise LengthMismatchError(Problem("not-rising", "row_s", message))
    rows, horizon = len(row_s), tokens.header.horizon
    tolerance_s = _TOLERANCE * float(apart_s[apart_s > 0].min(initial=np.inf))
    shown_s = step_times(tokens.frame_s, tokens.start_index, horizon)
    # The row nearest to the start of each window, and those that follow it.
    middle = (row_s[1:] + row_s[:-1]) / 2
    first = np.searchsorted(middle, shown_s[:, 0])
    wanted = first[:, None] + np.arange(horizon)
    inside = wanted[:, -1] < rows
    off_s = np.abs(row_s[np.minimum(wanted, rows - 1)] - shown_s).max(axis=1, initial=0.0)
    good = inside & (off_s < tolerance_s)
    codes = np.zeros((rows, tokens.header.length), np.int64)
    null = np.ones(rows, bool)
    codes[first[good]] = tokens.codes[good]
    null[first[good]] = False
    held, last = 0, rows - horizon
    if hold and last >= 0 and not null[last]:
        codes[last + 1 :], null[last + 1 :], held = codes[last], False, horizon - 1
    return RowLabels(codes, null, int((~good).sum()), held)
