"""Numbers of several features as one vector, so that all are compared at once: what rows have, and what is stated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import spans_told
from lapsdata.schema.feature_stats import MOMENTS, QUANTILES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.adapters import Stated
    from lapsdata.schema import Feature

__all__ = ["KINDS", "Numbers", "Told"]

KINDS = (*MOMENTS, *QUANTILES, "count")
"""What is compared, in the order in which it is told."""

_BLOCK_BYTES = 1 << 24


class Told(NamedTuple):
    """What is stated of a vector of C numbers.

    Parameters
    ----------
    values : dict of float64 (C,)
        By kind, NaN where nothing is stated.
    void : dict of bool (C,)
        By kind, where null, NaN or infinity is stated.
    unlike : tuple of (str, str, int)
        Features and kinds of which another number of numbers is stated, and that number.
    """

    values: dict[str, NDArray[np.float64]]
    void: dict[str, NDArray[np.bool_]]
    unlike: tuple[tuple[str, str, int], ...]


class Numbers:
    """The numbers of some features, one feature after the other.

    Parameters
    ----------
    features : sequence of Feature

    Examples
    --------
    >>> from lapsdata.schema import Feature
    >>> numbers = Numbers([Feature(name="action", dtype="float32", shape=(2,)),
    ...                    Feature(name="reward", dtype="float32", shape=())])
    >>> [numbers.name(at) for at in range(numbers.count)]
    ['action[0]', 'action[1]', 'reward']
    >>> numbers.names(np.array([False, True, True]))
    'action[1], reward'
    >>> numbers.told({"action": {"mean": np.array([1.0, 2.0])}}).values["mean"].tolist()
    [1.0, 2.0, nan]
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        sizes = [int(np.prod(feature.shape, dtype=np.int64)) for feature in features]
        stops = np.cumsum(sizes, dtype=np.int64).tolist()
        self.features = [feature.name for feature in features]
        self.count = sum(sizes)
        self._shapes = [feature.shape for feature in features]
        self._spans = {
            name: slice(stop - size, stop) for name, stop, size in zip(self.features, stops, sizes, strict=True)
        }
        self._owner = np.repeat(np.arange(len(features)), sizes)

    def name(self, at: int) -> str:
        """Return the name of a number: that of its feature, and its place in it."""
        owner = int(self._owner[at])
        feature, shape = self.features[owner], self._shapes[owner]
        if not shape:
            return feature
        inside = np.unravel_index(at - self._spans[feature].start, shape)
        return f"{feature}[{', '.join(str(int(one)) for one in inside)}]"

    def features_of(self, chosen: NDArray[np.bool_]) -> list[str]:
        """Return the features that some numbers are of: bool (C,)."""
        return [self.features[owner] for owner in np.unique(self._owner[chosen]).tolist()]

    def of(self, names: Collection[str]) -> NDArray[np.bool_]:
        """Say which numbers are of some features: bool (C,)."""
        return np.isin(self._owner, [at for at, name in enumerate(self.features) if name in names])

    def names(self, chosen: NDArray[np.bool_]) -> str:
        """Return the names of some numbers, those of a feature together: bool (C,)."""
        told = []
        for name, span in self._spans.items():
            inside = np.flatnonzero(chosen[span])
            if len(inside) == span.stop - span.start:
                told.append(name)
            elif len(inside):
                told.append(f"{name}[{spans_told(inside.tolist())}]")
        return ", ".join(told)

    def told(self, stated: Stated) -> Told:
        """Return what is stated of the numbers; of features that are not among them nothing."""
        values = {kind: np.full(self.count, np.nan) for kind in KINDS}
        void = {kind: np.zeros(self.count, bool) for kind in KINDS}
        unlike = []
        for name, span in self._spans.items():
            for kind, found in stated.get(name, {}).items():
                if kind not in values:
                    continue
                if kind == "count" and len(found) == 1:
                    found = np.broadcast_to(found, span.stop - span.start)
                if len(found) != span.stop - span.start:
                    unlike.append((name, kind, len(found)))
                    continue
                finite = np.isfinite(found)
                values[kind][span] = np.where(finite, found, np.nan)
                void[kind][span] = ~finite
        return Told(values, void, tuple(unlike))

    def blocks(self, columns: Mapping[str, NDArray[Any]]) -> Iterator[NDArray[np.float64]]:
        """Give the rows of columns, not more than some at a time: float64 (R, C)."""
        rows = len(columns[self.features[0]]) if self.count else 0
        most = max(1, _BLOCK_BYTES // (8 * max(1, self.count)))
        for first in range(0, rows, most):
            stop = min(first + most, rows)
            block = np.empty((stop - first, self.count))
            for name, span in self._spans.items():
                block[:, span] = columns[name][first:stop].reshape(stop - first, -1)
            yield block
