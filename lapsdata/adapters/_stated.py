"""What a data set states of the numbers of its features, as it states it: right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Stated", "StatedStats"]

Stated = Mapping[str, Mapping[str, "NDArray[np.float64]"]]
"""By feature and kind (`mean`, `q01`, `count` ...): numbers in row-major order, NaN for null, none for what is none."""


class StatedStats(NamedTuple):
    """Statistics that a data set states, for who compares them with its rows.

    Parameters
    ----------
    of_all : mapping
        Of all rows together.
    by_episode : callable
        Gives the number of each episode of which something is stated, and what; one is in memory at a time.
    of_all_in, by_episode_in : str, optional
        Where each stands, from the folder of the data set on; None where it states none.
    left_out : frozenset of str
        Columns and cameras whose statistics are nothing to compare: samples of frames, numbers of rows.

    Examples
    --------
    >>> import numpy as np
    >>> said = {"action": {"mean": np.array([0.5])}}
    >>> stated = StatedStats(said, lambda: iter([(0, said)]), of_all_in="meta/stats.json")
    >>> [number for number, _ in stated.by_episode()], stated.by_episode_in
    ([0], None)
    """

    of_all: Stated
    by_episode: Callable[[], Iterator[tuple[int, Stated]]]
    of_all_in: str | None = None
    by_episode_in: str | None = None
    left_out: frozenset[str] = frozenset()
