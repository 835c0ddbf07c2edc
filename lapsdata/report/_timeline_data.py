"""What a timeline shows of one video, in numbers: curves, times without a value, thresholds, bars, and the axes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from lapsdata.containers import Energies, Segments
    from lapsdata.schema import EndReason, SegmentedVideo

    Floats: TypeAlias = npt.NDArray[np.float64]

__all__ = [
    "Axis",
    "Bars",
    "Curve",
    "Rule",
    "axis_for",
    "bars_of",
    "chance_bars",
    "curves_of",
    "linear_axis",
    "nice_step",
    "rule_of",
    "spans_of",
]

MISSING = ENERGY_STATES.index("missing")
# Sums of a hop such as 0.1 differ by less, frames by more.
_NOISE_S = 1e-6
_SMOOTHED = re.compile(r"(ema|moving_average) (\S+) s")
# A logarithm shows so much below the largest value; what is smaller shares one linear step with 0.
_DECADES = 3
# Below this ratio of largest to smallest, a linear axis reads better.
_NARROW = 5.0
_MOST_TICKS = 6
# Numbers beyond these are drawn there: their logarithms and margins are still numbers.
_LEAST, _FARTHEST = 1e-150, 1e150
LINEAR_DECADES = 0.6
"""How much room the step from 0 to where a symmetric logarithm begins has, in decades."""


class Curve(NamedTuple):
    """Energies as the segmenters see them: each value over the cell of time that it stands for, without overlaps.

    Time between two cells of which no value speaks is a cell of its own, and missing.
    """

    start_s: Floats
    end_s: Floats
    energy: Floats
    state: npt.NDArray[np.uint8]


def curves_of(energies: Energies, video: str, smoothing: str | None = None) -> tuple[Curve, Curve | None]:
    """Return the energies of a video, and the same as they were smoothed before they were segmented.

    Parameters
    ----------
    energies : Energies
    video : str
        One that the header lists.
    smoothing : str or None
        What the segmented energies went through, as their header told it: `ema 0.5 s`. Where these energies went
        through it themselves, or it is none of ours, there is no second curve.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> raw, smoothed = curves_of(sample_energies(), "clip_0")
    >>> len(raw.energy), smoothed
    (6, None)
    """
    number = energies.header.videos.index(video)
    first, after = np.searchsorted(energies.video_index, [number, number + 1])
    rows = slice(int(first), int(after))
    start_s, end_s, state = energies.start_s[rows], energies.end_s[rows], energies.state[rows]
    energy = np.clip(energies.energy[rows], -_FARTHEST, _FARTHEST)
    how = _SMOOTHED.fullmatch(smoothing or "")
    raw = _cells(start_s, end_s, energy, state)
    if how is None or energies.header.smoothing is not None:
        return raw, None
    from lapsdata.segmenters import EnergySeries, ema, moving_average

    series = EnergySeries(start_s=start_s, end_s=end_s, energy=energy, state=state, video=video)
    smoothed = (ema if how[1] == "ema" else moving_average)(series, float(how[2]))
    return raw, _cells(start_s, end_s, smoothed.energy, state)


def _cells(start_s: Floats, end_s: Floats, energy: Floats, state: npt.NDArray[np.uint8]) -> Curve:
    """Part overlapping times in the middle, and fill gaps; the rule of `lapsdata.segmenters`.

    Not by its code, which refuses ends that do not rise: a file may hold them, and is drawn all the same.
    """
    if not len(energy):
        return Curve(start_s, end_s, energy, state)
    gap = start_s[1:] > end_s[:-1] + _NOISE_S
    middle = (end_s[:-1] + start_s[1:]) / 2
    starts = np.concatenate([start_s[:1], np.where(gap, start_s[1:], middle)])
    ends = np.concatenate([np.where(gap, end_s[:-1], middle), end_s[-1:]])
    behind = np.flatnonzero(gap) + 1
    return Curve(
        np.insert(starts, behind, end_s[:-1][gap]),
        np.insert(ends, behind, start_s[1:][gap]),
        np.insert(energy, behind, np.nan),
        np.insert(state, behind, MISSING),
    )


def spans_of(curve: Curve, state: int) -> Floats:
    """Return the times of a state, cells that adjoin taken together: float64 (n, 2), seconds.

    Examples
    --------
    >>> curve = Curve(np.arange(4.0), np.arange(1.0, 5.0), np.full(4, np.nan), np.array([1, 1, 2, 1], np.uint8))
    >>> spans_of(curve, 1).tolist()
    [[0.0, 2.0], [3.0, 4.0]]
    """
    inside = np.concatenate([[False], curve.state == state, [False]])
    edges = np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2)
    return np.stack([curve.start_s[edges[:, 0]], curve.end_s[edges[:, 1] - 1]], axis=1)


class Rule(NamedTuple):
    """The levels that a segmenter compares energies with; `off` is None where it has but one."""

    threshold: float
    off: float | None

    @property
    def levels(self) -> tuple[float, ...]:
        """Both, or the one there is."""
        return (self.threshold,) if self.off is None else (self.threshold, self.off)


def rule_of(segments: Segments) -> Rule | None:
    """Return the levels that the segmenter of these segments tells among its parameters, if it tells any.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> rule_of(sample_segments()) is None
    True
    """
    tool = segments.header.segmenter
    told = {} if tool is None else tool.parameters
    threshold, ratio = _number(told.get("threshold")), _number(told.get("off_ratio"))
    if threshold is None:
        return None
    threshold = min(max(threshold, -_FARTHEST), _FARTHEST)
    return Rule(threshold, None if ratio is None or ratio == 1.0 else threshold * ratio)


def _number(told: object) -> float | None:
    return float(told) if isinstance(told, (int, float)) and not isinstance(told, bool) else None


class Bars(NamedTuple):
    """Segments of one video, and the time that was looked at; those that overlap lie in different lanes."""

    video: SegmentedVideo
    start_s: Floats
    end_s: Floats
    reason: tuple[EndReason, ...]
    label: tuple[str | None, ...]
    lane: npt.NDArray[np.int64]

    @property
    def lanes(self) -> int:
        """At least one."""
        return int(self.lane.max(initial=0)) + 1


def bars_of(segments: Segments, video: str) -> Bars | None:
    """Return the segments of a video; None where the header does not list it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> bars_of(sample_segments(), "clip_0").label
    ('reach', 'grasp')
    """
    number, told = next(((i, v) for i, v in enumerate(segments.header.videos) if v.name == video), (-1, None))
    if told is None:
        return None
    first, after = (int(row) for row in np.searchsorted(segments.video_index, [number, number + 1]))
    start_s, end_s = segments.start_s[first:after], segments.end_s[first:after]
    reason, label = segments.end_reason[first:after], segments.label[first:after]
    return Bars(told, start_s, end_s, reason, label, _lanes(start_s, end_s))


def _lanes(start_s: Floats, end_s: Floats) -> npt.NDArray[np.int64]:
    """Put each segment into the first lane that is free."""
    free_s: list[float] = []
    chosen = np.zeros(len(start_s), np.int64)
    for number, (start, end) in enumerate(zip(start_s.tolist(), end_s.tolist(), strict=True)):
        lane = next((lane for lane, until in enumerate(free_s) if until <= start), len(free_s))
        if lane == len(free_s):
            free_s.append(end)
        free_s[lane] = end
        chosen[number] = lane
    return chosen


def chance_bars(found: Bars) -> Bars:
    """Return equal segments, with as many boundaries in the video as the found ones have: those of no look at it.

    The row `uniform_same_count` of `lapsdata.metrics`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> chance_bars(bars_of(sample_segments(), "clip_0")).end_s.tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    from lapsdata.metrics import segment_boundaries, uniform_boundaries

    span = found.video.start_s, found.video.end_s
    cuts = uniform_boundaries(span, len(segment_boundaries(found.start_s, found.end_s, span)))
    edges = np.concatenate([span[:1], cuts, span[1:]])
    parts = len(edges) - 1
    annotated: EndReason = "annotation"
    return Bars(found.video, edges[:-1], edges[1:], (annotated,) * parts, (None,) * parts, np.zeros(parts, np.int64))


class Axis(NamedTuple):
    """How energies are laid out upwards.

    `symlog` is logarithmic above `linear_to` (and below its negative) and linear between, so that 0 has a place.
    """

    kind: Literal["linear", "log", "symlog"]
    low: float
    high: float
    ticks: tuple[float, ...]
    linear_to: float = 0.0

    @property
    def words(self) -> str:
        """What to say of it beside the unit; nothing of a linear one."""
        return {"linear": "", "log": "log", "symlog": f"log above {self.linear_to:g}"}[self.kind]


def axis_for(values: Floats, levels: Sequence[float] = ()) -> Axis:
    """Return an axis on which every value and level has a place: logarithmic where they spread.

    Parameters
    ----------
    values : float64 (n,)
        Finite; may be none.
    levels : sequence of float
        Of thresholds.

    Examples
    --------
    >>> axis_for(np.array([0.5, 20.0])).ticks
    (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
    >>> axis_for(np.array([0.0, 20.0])).words
    'log above 0.02'
    """
    whole = np.concatenate([values, np.array(levels, np.float64)])
    if not len(whole):
        return Axis("linear", 0.0, 1.0, ())
    low, high, size = float(whole.min()), float(whole.max()), float(np.abs(whole).max())
    one_sign = low > 0 or high < 0
    if size < _LEAST or (one_sign and size < _NARROW * float(np.abs(whole).min())):
        return linear_axis(low, high)
    if low >= high * 10.0 ** -(_DECADES + 1) > 0:
        margin = (high / low) ** 0.06
        return Axis("log", low / margin, high * margin, _log_ticks(low, high))
    positive = [level for level in levels if level > 0]
    linear_to = max(min([size * 10.0**-_DECADES, *positive]), size * 1e-6)
    linear_to = float(f"{linear_to:.0e}")
    return _symmetric(min(low, 0.0), max(high, 0.0), linear_to)


def linear_axis(low: float, high: float) -> Axis:
    """Return an axis with 0 on which two values have a place.

    Examples
    --------
    >>> linear_axis(0.5, 2.0).ticks
    (0.0, 0.5, 1.0, 1.5, 2.0)
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < _LEAST:
        low, high = 0.0, 1.0
    step = nice_step((high - low) / 4)
    ticks = [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    margin = 0.06 * (high - low)
    return Axis("linear", low - margin, high + margin, tuple(ticks))


def nice_step(step: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten.

    Examples
    --------
    >>> [nice_step(step) for step in (0.07, 0.2, 12)]
    [0.1, 0.2, 20.0]
    """
    power = 10.0 ** math.floor(math.log10(step))
    return next(nice * power for nice in (1, 2, 5, 10) if nice * power >= step * (1 - 1e-9))


def _log_ticks(low: float, high: float, most: int = _MOST_TICKS) -> tuple[float, ...]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors, every in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3), ((1,), 5), ((1,), 20)):
        ticks = [factor * 10.0**power for power in powers if power % every == 0 for factor in factors]
        ticks = [float(f"{tick:.0e}") for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) <= most:
            return tuple(ticks)
    return ()


def _symmetric(low: float, high: float, linear_to: float) -> Axis:
    most = _MOST_TICKS // 2 if low < 0 < high else _MOST_TICKS - 1
    above = _log_ticks(linear_to, high, most) if high > linear_to else ()
    below = tuple(-tick for tick in _log_ticks(linear_to, -low, most)) if low < -linear_to else ()
    places = [_place(end, linear_to) for end in (low, high)]
    margin = 0.06 * (places[1] - places[0])
    ends = (_value(places[0] - margin, linear_to), _value(places[1] + margin, linear_to))
    return Axis("symlog", *ends, (*below[::-1], 0.0, *above), linear_to)


def _place(value: float, linear_to: float) -> float:
    """Return where a value stands on a symmetric logarithmic axis, in decades from 0."""
    share = abs(value) / linear_to
    return math.copysign(LINEAR_DECADES * share if share <= 1 else LINEAR_DECADES + math.log10(share), value)


def _value(place: float, linear_to: float) -> float:
    """Return the value that stands at a place; see `_place`."""
    away = abs(place) - LINEAR_DECADES
    share = abs(place) / LINEAR_DECADES if away <= 0 else 10.0**away
    return math.copysign(share * linear_to, place)
