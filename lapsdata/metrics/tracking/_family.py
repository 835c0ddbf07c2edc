"""What all families of tracking scores share: their names in TrackEval, and the mean over classes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Family"]


@dataclass(frozen=True, eq=False)
class Family:
    """A family of scores: counts, ratios made of them, and arrays of both over thresholds.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.identity import Identity
    >>> Identity.of(IDTP=3, IDFN=1, IDFP=0).as_trackeval()
    {'IDF1': 0.8571428571428571, 'IDR': 0.75, 'IDP': 1.0, 'IDTP': 3, 'IDFN': 1, 'IDFP': 0}
    """

    COUNTS: ClassVar[tuple[str, ...]]
    """Fields that are summed where others are averaged."""
    SPELLING: ClassVar[dict[str, str | None]] = {}
    """TrackEval's spelling where it is no name in Python; None for what TrackEval does not have."""

    @classmethod
    def class_averaged(cls, parts: Sequence[Self]) -> Self:
        """Return the mean over classes, each of equal weight; counts are summed."""
        every = {name: [getattr(part, name) for part in parts] for name in cls._names()}
        return cls(**{name: _joined(values, name in cls.COUNTS) for name, values in every.items()})

    def as_trackeval(self) -> dict[str, Any]:
        """Return the values by TrackEval's names, arrays over thresholds as NumPy arrays."""
        named = {self.SPELLING.get(name, name): getattr(self, name) for name in self._names()}
        return {name: value for name, value in named.items() if name is not None}

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))


def _joined(values: list[Any], summed: bool) -> Any:  # noqa: ANN401 - a number or an array
    if summed:
        return sum(values[1:], start=values[0])
    mean = np.mean(values, axis=0)
    return mean if mean.ndim else float(mean)
