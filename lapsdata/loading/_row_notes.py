"""What is told of rows when they are read: of each column and kind of fault the first one that is met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, warn
from lapsdata.timebase import not_rising, off_rate

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes

__all__ = ["RowNotes"]

_LEAVE_OUT = "leave such episodes out (`episodes=`), or record them again; `lapsdata check` names all"
_RATE = "correct fps, or resample the rows: times around a row are counted in rows"


class RowNotes:
    """Faults of rows that do not stop them from being read; each is a warning when it is met.

    Opening reads no rows, so nothing is known of them before; the times of an episode are looked at once, numbers in
    every batch, as that costs less than to remember which were.

    Parameters
    ----------
    root : Path
    episodes : Episodes
    """

    def __init__(self, root: Path, episodes: Episodes) -> None:
        self._root, self._episodes = root, episodes
        self._seen = np.zeros(len(episodes), bool)
        self._told: dict[tuple[str, str], Problem] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was met in this process."""
        return tuple(self._told.values())

    def unseen_time(self, place: int) -> str | None:
        """Return the column of the times of an episode; None where there is none, or they were looked at."""
        return None if self._seen[place] else self._episodes.header.time

    def pass_over(self, place: int) -> None:
        """Ask for the times of an episode no more."""
        self._seen[place] = True

    def times(self, place: int, row_s: NDArray[Any], *, frames: bool = False) -> None:
        """Look at the times of all rows of an episode: (R,); those that `frames` are found by are refused elsewhere."""
        rate, name = self._episodes.header.rate, str(self._episodes.header.time)
        where = f"episode {int(self._episodes.number[place])}"
        fault = not_rising(row_s)
        if fault is not None and frames:
            return
        self._seen[place] = True
        if fault is not None:
            self._tell("times-not-rising", name, where, fault, _LEAVE_OUT)
        elif (fault := off_rate(row_s, rate)) is not None:
            self._tell("uneven-times", name, where, fault, _RATE)

    def doubtful(self, column: str, values: NDArray[Any]) -> bool:
        """Say whether values of a column are not finite, and that was not told yet; times are looked at elsewhere."""
        if values.dtype.kind != "f" or column == self._episodes.header.time or ("not-finite", column) in self._told:
            return False
        return not np.isfinite(values).all()

    def numbers(self, column: str, values: NDArray[Any], place: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Tell the first of values that are not finite.

        Parameters
        ----------
        column : str
        values : np.ndarray (B, D, ...) or (B, ...)
        place : int64 (B,)
            The episode of each.
        rows : int64 (B, D)
            The rows in it.
        """
        each = values.reshape(*rows.shape, -1)
        at, step = np.argwhere(~np.isfinite(each).all(-1))[0].tolist()
        got = each[at, step][~np.isfinite(each[at, step])][0]
        where = f"episode {int(self._episodes.number[place[at]])}: row {int(rows[at, step])}"
        self._tell("not-finite", column, where, f"expected finite numbers, got {got!s}", _LEAVE_OUT)

    def _tell(self, code: str, column: str, where: str, message: str, fix: str) -> None:
        problem = Problem(code, f"{self._root}: {column}: {where}", message, fix, "warning")
        # Threads may meet the same at the same time.
        if self._told.setdefault((code, column), problem) is problem:
            warn(str(problem))
