"""Statistics of every numeric feature over episodes: exact, and read a part at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.schema import FeatureStats
from lapsdata.schema.episodes import IS_NULL
from lapsdata.schema.feature_stats import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes
    from lapsdata.schema.feature_stats import StatsOrigin
    from lapsdata.storage.episode_rows import EpisodeRows

__all__ = ["Moments", "episode_stats", "exact_quantiles", "row_quantiles", "stated_rows"]

_ROWS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Count, extremes, mean and squared deviations of C numbers over rows; those of two parts can be merged.

    Sums are of deviations from the mean of their own part, in float64, and parts are merged by the formula of Chan,
    Golub and LeVeque (1979), so that nothing is lost where a mean is large against the deviations.

    Parameters
    ----------
    rows : int
        Rows, those with values that are not finite as well.
    count : int64 (C,)
        Finite values of each number.
    low, high : float64 (C,)
        Least and greatest finite value; NaN where there is none.
    mean : float64 (C,)
        Of the finite values; 0 where there is none.
    squares : float64 (C,)
        Sum of the squared deviations from the mean.

    Examples
    --------
    >>> import numpy as np
    >>> whole = Moments.of(np.array([[1.0], [2.0]])).merged(Moments.of(np.array([[6.0], [np.nan]])))
    >>> whole.rows, whole.count.tolist(), whole.mean.tolist(), whole.squares.tolist()
    (4, [3], [3.0], [14.0])
    """

    rows: int
    count: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def none(cls, numbers: int) -> Moments:
        """Return those of no row."""
        nothing = np.full(numbers, np.nan)
        return cls(0, np.zeros(numbers, np.int64), nothing, nothing, np.zeros(numbers), np.zeros(numbers))

    @classmethod
    def of(cls, values: NDArray[Any]) -> Moments:
        """Return those of rows: (R, C) of any numbers, with at least one row.

        Raises
        ------
        SchemaError
            Numbers so large that their squares are beyond float64.
        """
        wide = values.astype(np.float64)
        finite = np.isfinite(wide)
        every = bool(finite.all())
        count = np.full(wide.shape[1], len(wide), np.int64) if every else finite.sum(axis=0)
        least = np.maximum(count, 1)
        low, high = (wide, wide) if every else (np.where(finite, wide, np.inf), np.where(finite, wide, -np.inf))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = (wide if every else np.where(finite, wide, 0.0)).sum(axis=0) / least
            away = wide - mean if every else np.where(finite, wide - mean, 0.0)
            # What rounding has left of the sum of deviations, which is 0 around the true mean.
            rest = away.sum(axis=0) / least
            squares = np.maximum((away * away).sum(axis=0) - rest * rest * least, 0.0)
            mean = mean + rest
        found = cls(
            len(wide),
            count,
            np.where(count > 0, low.min(axis=0), np.nan),
            np.where(count > 0, high.max(axis=0), np.nan),
            mean,
            squares,
        )
        return found._expect_finite()

    def merged(self, other: Moments) -> Moments:
        """Return those of the rows of both; raises as `Moments.of`."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            step = np.where((self.count > 0) & (other.count > 0), other.mean - self.mean, 0.0)
            mean = np.where(self.count > 0, self.mean + step * share, other.mean)
            squares = self.squares + other.squares + step * step * self.count * share
        found = Moments(
            self.rows + other.rows,
            count,
            np.fmin(self.low, other.low),
            np.fmax(self.high, other.high),
            mean,
            squares,
        )
        return found._expect_finite()

    def stats(
        self, shape: tuple[int, ...], origin: StatsOrigin, quantiles: dict[str, NDArray[np.float64]] | None = None
    ) -> FeatureStats:
        """Return the record of a feature of this shape, with quantiles (C,) by name where there are such."""
        values = {
            "min": self.low,
            "max": self.high,
            "mean": np.where(self.count > 0, self.mean, np.nan),
            "std": np.where(self.count > 0, np.sqrt(self.squares / np.maximum(self.count, 1)), np.nan),
            **(quantiles or {}),
        }
        return FeatureStats(
            shape=shape,
            origin=origin,
            count=self.rows,
            not_finite=tuple((self.rows - self.count).tolist()),
            quantiles_origin="computed" if quantiles else None,
            **{name: tuple(None if np.isnan(one) else one for one in array.tolist()) for name, array in values.items()},
        )

    def _expect_finite(self) -> Moments:
        if np.isfinite(self.mean).all() and np.isfinite(self.squares).all():
            return self
        at = int(np.flatnonzero(~(np.isfinite(self.mean) & np.isfinite(self.squares)))[0])
        message = f"expected numbers whose squares float64 can hold, got up to {max(-self.low[at], self.high[at]):g}"
        raise SchemaError(Problem("too-large", f"number {at}", message, "scale the feature, or leave it out"))


def episode_stats(
    rows: EpisodeRows,
    episodes: Episodes,
    names: Sequence[str] | None = None,
    *,
    places: Sequence[int] | None = None,
    quantiles: bool = True,
    block_bytes: int = 1 << 28,
) -> dict[str, FeatureStats]:
    """Return the statistics of features over all rows of episodes: those that have a value, of a nullable feature.

    Rows without a value are left out, and not counted. Rows are read once for the moments; quantiles are exact, so that
    all values of a number must be in memory at once: as many numbers at a time as `block_bytes` hold, at least one, and
    the rows are read again for each such block. Beside it stands what `rows` keeps. At 10^7 rows of float32, a number
    takes 40 MB, and 26 numbers take 5 passes.

    Parameters
    ----------
    rows : EpisodeRows
        Of the same episodes.
    episodes : Episodes
    names : sequence of str, optional
        Features; all that are numbers by default.
    places : sequence of int, optional
        Episodes by their place 0 to E - 1; all by default.
    quantiles : bool
        Whether quantiles are wanted.
    block_bytes : int
        Memory for the values of which quantiles are taken.

    Returns
    -------
    dict of FeatureStats
        By the name of the feature, in the order of `names`.

    Raises
    ------
    SchemaError
        A feature of texts or that is not there, no episode, columns unlike the header, numbers beyond 1e154.
    CorruptDataError, StorageError
        Rows that cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> from lapsdata.storage.episode_rows import EpisodeRows
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(4, 6))
    >>> episodes = find_adapter(root)[0].read(root).container
    >>> found = episode_stats(EpisodeRows(root, episodes), episodes, ["next.reward"])["next.reward"]
    >>> found.count, found.mean, found.q99
    (10, (0.2,), (1.0,))
    """
    features = {feature.name: feature for feature in episodes.header.features}
    wanted = [name for name, one in features.items() if one.dtype != "text"] if names is None else list(names)
    every = range(len(episodes)) if places is None else places
    strange = [name for name in wanted if name not in features or features[name].dtype == "text"]
    if strange or not len(every):
        got = f"no numbers in {', '.join(strange)}" if strange else "no episode"
        raise SchemaError(Problem("no-statistics", "episodes", f"expected features of numbers in episodes, got {got}"))
    sizes = {name: int(np.prod(features[name].shape, dtype=np.int64)) for name in wanted}
    moments = {name: Moments.none(sizes[name]) for name in wanted}
    for place, first, stop in _spans(episodes, every):
        for name, values in stated_rows(rows, episodes, place, wanted, first, stop).items():
            try:
                moments[name] = moments[name].merged(Moments.of(values)) if len(values) else moments[name]
            except SchemaError as error:
                raise error.within(f"episode {int(episodes.number[place])}: {name}") from None
    of_rows = {
        name: row_quantiles(rows, episodes, name, places=every, block_bytes=block_bytes) if quantiles else None
        for name in wanted
    }
    return {name: moments[name].stats(features[name].shape, "computed", of_rows[name]) for name in wanted}


def stated_rows(
    rows: EpisodeRows, episodes: Episodes, place: int, names: Sequence[str], first: int = 0, stop: int | None = None
) -> dict[str, NDArray[Any]]:
    """Return features of rows of an episode, without the rows that have no value of it: each (R, C).

    Parameters
    ----------
    rows : EpisodeRows
        Of the same episodes.
    episodes : Episodes
    place : int
        Of the episode, 0 to E - 1.
    names : sequence of str
        Features that are numbers.
    first, stop : int
        Rows of the episode, `first` up to and without `stop`; all by default.

    Raises
    ------
    SchemaError, CorruptDataError, StorageError
        As `EpisodeRows.read`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> from lapsdata.storage.episode_rows import EpisodeRows
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(3, 2))
    >>> episodes = find_adapter(root)[0].read(root).container
    >>> stated_rows(EpisodeRows(root, episodes), episodes, 1, ["frame_index"])["frame_index"].tolist()
    [[0], [1]]
    """
    masks = [f"{one.name}{IS_NULL}" for one in episodes.header.features if one.nullable and one.name in names]
    columns = rows.read(place, [*names, *masks], first, stop)
    found = {}
    for name in names:
        null = columns.get(f"{name}{IS_NULL}") if f"{name}{IS_NULL}" in masks else None
        values = columns[name] if null is None else columns[name][~null]
        found[name] = values.reshape(len(values), math.prod(values.shape[1:]))
    return found


def exact_quantiles(values: NDArray[Any], shares: Sequence[float]) -> NDArray[np.float64]:
    """Return quantiles of the finite ones of values, as `numpy.quantile` of method "linear" in float64 gives them.

    Parameters
    ----------
    values : np.ndarray (R,)
        Any numbers; their order is changed.
    shares : sequence of float
        Each from 0 to 1.

    Returns
    -------
    float64 (Q,)
        NaN where no value is finite.

    Examples
    --------
    >>> import numpy as np
    >>> exact_quantiles(np.array([4, 1, 3, 2], np.int64), (0.5, 0.99)).tolist()
    [2.5, 3.9699999999999998]
    """
    if np.issubdtype(values.dtype, np.floating):
        finite = np.isfinite(values)
        values = values if finite.all() else values[finite]
    if not len(values):
        return np.full(len(shares), np.nan)
    at = np.array(shares) * (len(values) - 1)
    below = np.floor(at).astype(np.int64)
    above = np.minimum(below + 1, len(values) - 1)
    values.partition(np.unique(np.concatenate([below, above])))
    low, high = values[below].astype(np.float64), values[above].astype(np.float64)
    share = at - below
    # From the nearer end, as NumPy does it: the result then never leaves the two values.
    found: NDArray[np.float64] = np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))
    return found


def _spans(episodes: Episodes, places: Iterable[int]) -> Iterable[tuple[int, int, int]]:
    """Give the rows of episodes, not more than some at a time."""
    for place in places:
        count = int(episodes.rows[place])
        for first in range(0, count, _ROWS):
            yield place, first, min(first + _ROWS, count)


def row_quantiles(
    rows: EpisodeRows,
    episodes: Episodes,
    name: str,
    *,
    places: Sequence[int] | None = None,
    block_bytes: int = 1 << 28,
) -> dict[str, NDArray[np.float64]]:
    """Return the exact quantiles of each number of a feature over all rows: (C,) by name.

    As many numbers at a time are in memory as `block_bytes` hold, of all rows, which are read again for each block.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> from lapsdata.storage.episode_rows import EpisodeRows
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(3, 2))
    >>> episodes = find_adapter(root)[0].read(root).container
    >>> row_quantiles(EpisodeRows(root, episodes), episodes, "frame_index")["q50"].tolist()
    [1.0]
    """
    feature = next(one for one in episodes.header.features if one.name == name)
    dtype, size = np.dtype(feature.dtype), int(np.prod(feature.shape, dtype=np.int64))
    every = range(len(episodes)) if places is None else places
    total = int(episodes.rows[list(every)].sum())
    most = max(1, block_bytes // max(1, total * dtype.itemsize))
    found = np.empty((len(QUANTILES), size))
    for begin in range(0, size, most):
        end = min(begin + most, size)
        block = np.empty((end - begin, total), dtype)
        at = 0
        for place, first, stop in _spans(episodes, every):
            values = stated_rows(rows, episodes, place, [name], first, stop)[name]
            block[:, at : at + len(values)] = values[:, begin:end].T
            at += len(values)
        for number in range(begin, end):
            found[:, number] = exact_quantiles(block[number - begin, :at], tuple(QUANTILES.values()))
    return dict(zip(QUANTILES, found, strict=True))
