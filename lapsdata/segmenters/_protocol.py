"""What a segmenter is given, what it gives back, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from lapsdata.containers.base import ArrayCheck, read_only
from lapsdata.containers.energies import ENERGY_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lapsdata.containers import Energies
    from lapsdata.schema import EndReason, EnergyState

__all__ = ["EnergySeries", "EnergyStep", "Segment", "SegmentStream", "Segmentation", "Segmenter"]


class EnergyStep(NamedTuple):
    """One value of an energy series.

    Parameters
    ----------
    start_s, end_s : float, seconds
        Half-open time that the value speaks of.
    energy : float
        NaN exactly where `state` is not "measured".
    state : {"measured", "gated", "missing"}

    Examples
    --------
    >>> EnergyStep(0.0, 0.1, 0.25).state
    'measured'
    """

    start_s: float
    end_s: float
    energy: float
    state: EnergyState = "measured"


class Segment(NamedTuple):
    """One piece of a video.

    Parameters
    ----------
    start_s, end_s : float, seconds
        Half-open.
    end_reason : {"threshold", "max_duration", "end_of_stream"}
    score : float
        Mean of the measured energies inside, each weighted by its time inside; NaN where nothing was measured, or
        where the segmenter does not look at energies.

    Examples
    --------
    >>> Segment(0.5, 1.5, "threshold", 0.25).end_s
    1.5
    """

    start_s: float
    end_s: float
    end_reason: EndReason
    score: float


class Segmentation(NamedTuple):
    """The segments of one video, and what was decided by a named policy on the way.

    Parameters
    ----------
    segments : tuple of Segment
        In order of time, not overlapping.
    policies : dict of str to int
        How many values (or segments) each named policy has touched; policies that touched none are absent.

    Examples
    --------
    >>> Segmentation((Segment(0.0, 1.0, "threshold", 0.25),), {"gated-quiet": 3}).policies
    {'gated-quiet': 3}
    """

    segments: tuple[Segment, ...]
    policies: dict[str, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class EnergySeries:
    """The energies of one video.

    Parameters
    ----------
    start_s, end_s : NDArray, shape (R,), float64, seconds
        Half-open time that each value speaks of; both rise. Values of windows overlap in time.
    energy : NDArray, shape (R,), float64
        NaN exactly where `state` is not 0 (measured).
    state : NDArray, shape (R,), uint8
        Index into `lapsdata.containers.ENERGY_STATES`.
    video : str
        Name of the video, for messages and for what is drawn at random.

    Raises
    ------
    SchemaError
        All problems of shape, dtype, order, time, or a value without the state for it.

    Examples
    --------
    >>> series = EnergySeries.measured([0.0, 0.1], [0.1, 0.2], [0.5, 0.25])
    >>> series.at_s
    array([0.05, 0.15])
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    energy: NDArray[np.float64]
    state: NDArray[np.uint8]
    video: str = ""

    def __post_init__(self) -> None:
        check = ArrayCheck(f"energies of '{self.video}'" if self.video else "energies")
        kinds = {"start_s": np.float64, "end_s": np.float64, "energy": np.float64, "state": np.uint8}
        good = [check.array(name, getattr(self, name), ("R",), kind) for name, kind in kinds.items()]
        if all(good):
            self._check_values(check)
        check.finish()
        for name in kinds:
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def _check_values(self, check: ArrayCheck) -> None:
        infinite = ~np.isfinite(self.start_s) | ~np.isfinite(self.end_s)
        check.rows("not-finite", "start_s", infinite, "expected finite seconds")
        check.rows("empty-span", "end_s", ~(self.start_s < self.end_s), "expected start_s < end_s")
        for name in ("start_s", "end_s"):
            times = getattr(self, name)
            check.steps("non-monotone-time", name, ~(times[1:] > times[:-1]), "expected rising seconds")
        check.rows("unknown-state", "state", self.state >= len(ENERGY_STATES), f"expected one of {ENERGY_STATES}")
        measured = self.state == 0
        wrong = np.where(measured, ~np.isfinite(self.energy), ~np.isnan(self.energy))
        message = "expected a finite value where measured, and NaN elsewhere"
        check.rows("energy-state", "energy", wrong, message, "a gated value is never 0.0")

    @classmethod
    def measured(cls, start_s: object, end_s: object, energy: object, *, video: str = "") -> EnergySeries:
        """Return a series whose values are all measured, of anything that NumPy takes for float64 (R,).

        Raises
        ------
        SchemaError
            As the class itself.
        """
        start, end, values = (np.array(given, np.float64) for given in (start_s, end_s, energy))
        return cls(start_s=start, end_s=end, energy=values, state=np.zeros(values.shape, np.uint8), video=video)

    @classmethod
    def each_of(cls, energies: Energies) -> Iterator[EnergySeries]:
        """Yield the series of each video, in the order of the header; one without a row is empty.

        Raises
        ------
        SchemaError
            As the class itself: the container allows ends that do not rise.
        """
        for number, video in enumerate(energies.header.videos):
            rows = energies.video_index == number
            yield cls(
                start_s=energies.start_s[rows],
                end_s=energies.end_s[rows],
                energy=energies.energy[rows],
                state=energies.state[rows],
                video=video,
            )

    def __len__(self) -> int:
        return len(self.energy)

    @property
    def at_s(self) -> NDArray[np.float64]:
        """The middle of the time that each value speaks of: float64 (R,), seconds."""
        return (self.start_s + self.end_s) / 2

    def steps(self) -> Iterator[EnergyStep]:
        """Yield the values one by one, as a stream takes them."""
        columns = (self.start_s.tolist(), self.end_s.tolist(), self.energy.tolist(), self.state.tolist())
        for start_s, end_s, energy, state in zip(*columns, strict=True):
            yield EnergyStep(start_s, end_s, energy, ENERGY_STATES[state])


@runtime_checkable
class SegmentStream(Protocol):
    """Segments one video while its energies come in; made by `Segmenter.stream`.

    Examples
    --------
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> stream = StateMachine(threshold=0.5).stream()
    >>> for second, energy in enumerate([0, 1, 1, 0, 0]):
    ...     for segment in stream.push(EnergyStep(second, second + 1, energy)):
    ...         print(second, segment)
    4 Segment(start_s=1.0, end_s=3.0, end_reason='threshold', score=1.0)
    """

    @property
    def policies(self) -> dict[str, int]:
        """As `Segmentation.policies`, of what was pushed so far."""

    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        """Take the next value; return the segments that are finished now and were not before.

        Raises
        ------
        SchemaError
            The step does not follow the one before it, or holds what no series may hold (`wrong-step`); the stream
            was closed (`closed`). The stream is then as it was before.
        """

    def close(self) -> tuple[Segment, ...]:
        """Say that no more values come; return the segments that were still open.

        Raises
        ------
        SchemaError
            The stream was closed before (`closed`).
        """


@runtime_checkable
class Segmenter(Protocol):
    """Cuts the time of a video into segments; `lapsdata.testing.segmenter_contract` holds its promises as tests.

    A plug-in (a module of `lapsdata.segmenters`, or an entry point `lapsdata.segmenters`) offers a callable that makes
    a segmenter of parameters, and that has its `name` and `version`: most simply the class itself. Parameters that it
    does not know are errors.

    Equal series give equal segments, and a stream gives the segments that the whole series gives at once.

    Examples
    --------
    >>> from lapsdata.plugins import registry
    >>> segmenter = registry("segmenters").load("uniform")(period_s=2.0)
    >>> series = EnergySeries.measured([0, 1, 2], [1, 2, 3], [0.5, 0.25, 0.75])
    >>> [(found.start_s, found.end_s) for found in segmenter.segment(series).segments]
    [(0.0, 2.0), (2.0, 3.0)]
    """

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def version(self) -> str:
        """Rises with every change of what it computes."""

    @property
    def online(self) -> bool:
        """Whether a stream gives segments while values come; otherwise all of them come when it is closed."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything that its segments depend on, ready for JSON; the plug-in makes an equal one of it."""

    def segment(self, series: EnergySeries) -> Segmentation:
        """Return the segments of one video: in order, inside of the series' time, not overlapping."""

    def stream(self, *, video: str = "") -> SegmentStream:
        """Return a fresh stream for one video."""
