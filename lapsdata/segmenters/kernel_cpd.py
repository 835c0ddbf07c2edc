"""Cuts where the energies begin to be distributed otherwise: kernel change points, found exactly.

ruptures' `KernelCPD` (C. Truong, L. Oudre, N. Vayatis 2020, doi:10.1016/j.sigpro.2019.107299; BSD-2) looks at every
place: its other searches look at every fifth one unless told otherwise, and call changes at 100 and 203 of 300 values
100 and 205. Values count one each, whatever time they stand for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from lapsdata.errors import MissingExtraError, Problem, SchemaError
from lapsdata.schema.base import Positive
from lapsdata.segmenters._collecting import WholeVideo
from lapsdata.segmenters._runs import pieces_of_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from ruptures import KernelCPD

    from lapsdata.segmenters._protocol import EnergySeries, Segmentation
    from lapsdata.segmenters._runs import Run

__all__ = ["PLUGIN", "KernelCpd"]

Above = Annotated[float, Field(gt=0)]


class KernelCpd(WholeVideo):
    """Cuts a video where its energies change (`ruptures.KernelCPD`); the pieces adjoin. Needs the extra `ruptures`.

    Gated values are taken for as quiet as the quietest measured one around them. Missing ones, and time of which no
    value speaks, belong to no piece: what lies between them is cut by itself, and a `count` is shared out so that the
    sum of all costs is least.

    Parameters
    ----------
    kernel : {"linear", "rbf", "cosine"}
        `linear` sees changes of the mean; `rbf` of the distribution, up to the scale `gamma`; `cosine` of the shape of
        `width` values side by side, whatever their size.
    pen : float or None
        Cost of one more cut: in squares of the energy's unit for `linear`, else without a unit.
    count : int or None
        Number of pieces; where values are too few for it, there are fewer. Exactly one of this and `pen` is given.
    gamma : float or None
        Of `rbf`, one over the square of the energy's unit; by default one over the median squared distance of the
        values of a video, for which R (R - 1) / 2 distances are held in memory.
    width : int
        Values side by side that make one vector, around each; odd. At the ends of a run, the last one is repeated.
    min_size : int
        Values of the shortest piece.

    Raises
    ------
    SchemaError
        A parameter that is unknown or out of range; none or both of `pen` and `count`; `cosine` with a width of 1,
        where a value has no shape; while it cuts, values of 0.0 side by side under `cosine` (`no-direction`).
    MissingExtraError
        While it cuts: ruptures is not installed.

    Examples
    --------
    >>> from lapsdata.segmenters import EnergySeries
    >>> video = EnergySeries.measured([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [0.0, 0.25, 8.0, 8.25, 8.0])
    >>> [(found.start_s, found.end_s) for found in KernelCpd(count=2).segment(video).segments]
    [(0.0, 2.0), (2.0, 5.0)]
    """

    name: ClassVar[str] = "kernel_cpd"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"

    kernel: Literal["linear", "rbf", "cosine"] = "linear"
    """What a change is: of the mean, of the distribution, or of the shape."""
    pen: Above | None = None
    """Cost of one more cut."""
    count: Positive | None = None
    """Number of pieces."""
    gamma: Above | None = None
    """Of rbf; null for one over the median squared distance."""
    width: Positive = 1
    """Values side by side that make one vector."""
    min_size: Positive = 2
    """Values of the shortest piece."""

    @model_validator(mode="after")
    def _parameters_fit(self) -> Self:
        if (self.pen is None) == (self.count is None):
            raise ValueError("expected exactly one of 'pen' and 'count'")
        if self.kernel == "cosine" and self.width == 1:
            raise ValueError("expected a width of 3 or more for the kernel 'cosine': one value has no shape")
        if self.width % 2 == 0:
            raise ValueError(f"expected an odd width, got {self.width}")
        if self.gamma is not None and self.kernel != "rbf":
            raise ValueError(f"expected gamma with the kernel 'rbf' alone, got '{self.kernel}'")
        return self

    def segment(self, series: EnergySeries) -> Segmentation:
        """Return the pieces of one video, with their mean energies."""
        count = self.count
        return pieces_of_runs(
            series, lambda runs: self._cuts(runs, series.video), None if count is None else lambda runs: count
        )

    def _cuts(self, runs: Sequence[Run], video: str) -> list[list[float]]:
        signals = [self._signal(run, video) for run in runs]
        gamma = self._gamma(signals)
        if self.pen is not None:
            places = [self._changes(signal, gamma) for signal in signals]
        else:
            places = self._shared_out(signals, gamma)
        return [[run.cells[place].start_s for place in found] for run, found in zip(runs, places, strict=True)]

    def _signal(self, run: Run, video: str) -> NDArray[np.float64]:
        """Return the vectors of a run: float64 (C, width)."""
        if not len(run.energy):
            return np.empty((0, self.width))
        reach = self.width // 2
        padded = np.pad(run.energy, reach, mode="edge")
        signal = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, self.width))
        if self.kernel == "cosine" and not signal.any(axis=1).all():
            message = f"expected no {self.width} energies of 0.0 side by side, which have no shape, got some"
            raise SchemaError(Problem("no-direction", f"'{video}'", message, "take the kernel rbf or linear"))
        return signal

    def _gamma(self, signals: Sequence[NDArray[np.float64]]) -> float | None:
        """Return what ruptures takes by itself, of all runs together: their costs are added up."""
        if self.kernel != "rbf" or self.gamma is not None:
            return self.gamma
        from scipy.spatial.distance import pdist

        distances = pdist(np.concatenate([np.empty((0, self.width)), *signals]), metric="sqeuclidean")
        median = float(np.median(distances)) if len(distances) else 0.0
        return 1 / median if median > 0 else 1.0

    def _changes(self, signal: NDArray[np.float64], gamma: float | None) -> list[int]:
        if len(signal) < 2 * self.min_size:
            return []
        found: list[int] = self._fitted(signal, gamma).predict(pen=self.pen)
        return found[:-1]

    def _fitted(self, signal: NDArray[np.float64], gamma: float | None) -> KernelCPD:
        try:
            import ruptures
        except ImportError as error:
            message = "expected the package ruptures, got no such package"
            fix = "pip install 'lapsdata[ruptures]'"
            raise MissingExtraError(Problem("missing-extra", "kernel_cpd", message, fix)) from error
        params = {"gamma": gamma} if self.kernel == "rbf" else None
        return ruptures.KernelCPD(self.kernel, min_size=self.min_size, params=params).fit(signal)

    def _shared_out(self, signals: Sequence[NDArray[np.float64]], gamma: float | None) -> list[list[int]]:
        """Return the changes of each run, of all ways to have so many the one of the least cost."""
        wanted = max((self.count or 1) - len(signals), 0)
        options = [self._by_number(signal, min(wanted, len(signal) // self.min_size - 1), gamma) for signal in signals]
        wanted = min(wanted, sum(len(option) - 1 for option in options))
        if len(signals) == 1:
            return [options[0][wanted]]
        costs = [self._costs(signal, option, gamma) for signal, option in zip(signals, options, strict=True)]
        return [option[number] for option, number in zip(options, least_sum(costs, wanted), strict=True)]

    def _by_number(self, signal: NDArray[np.float64], most: int, gamma: float | None) -> list[list[int]]:
        """Return the best changes of a run for each number of them, from none on."""
        if most < 1:
            return [[]]
        fitted = self._fitted(signal, gamma)
        fitted.predict(n_bkps=most)
        return [[], *(fitted.segmentations_dict[number][:-1] for number in range(1, most + 1))]

    def _costs(self, signal: NDArray[np.float64], option: list[list[int]], gamma: float | None) -> list[float]:
        if len(option) == 1:
            return [0.0]
        cost = self._fitted(signal, gamma).cost
        return [float(cost.sum_of_costs([*changes, len(signal)])) for changes in option]


def least_sum(costs: Sequence[Sequence[float]], number: int) -> list[int]:
    """Return how many each takes of a number of things, so that the sum of their costs is least.

    Parameters
    ----------
    costs : sequence of sequence of float
        What it costs each to take 0, 1, 2 ... of them.
    number : int
        Things in all, not more than all together can take.

    Examples
    --------
    >>> least_sum([[9.0, 1.0], [8.0, 6.0, 0.0]], 2)
    [1, 1]
    """
    least = np.full(number + 1, np.inf)
    least[0] = 0.0
    taken: list[NDArray[np.int64]] = []
    for own in costs:
        sums = np.full((len(own), number + 1), np.inf)
        for some, cost in enumerate(own[: number + 1]):
            sums[some, some:] = least[: number + 1 - some] + cost
        taken.append(np.argmin(sums, axis=0))
        least = sums.min(axis=0)
    found: list[int] = []
    for choice in reversed(taken):
        found.append(int(choice[number]))
        number -= found[-1]
    return found[::-1]


PLUGIN = KernelCpd
