"""Where loud begins: Otsu's threshold or a given one, what it was told from, and what looks wrong about it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from lapsdata.containers import ENERGY_STATES
from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.containers import Energies, Segments

__all__ = [
    "Scale",
    "Threshold",
    "clock_problems",
    "given_threshold",
    "metronome_problems",
    "negative_problems",
    "otsu_threshold",
    "outside_problems",
]

Scale = Literal["log", "linear"]
"""On what the variance of Otsu's method is taken."""

# Fewer segments may be equally long by chance.
_LEAST_SEGMENTS = 4


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A threshold beside the energies that it is for.

    Parameters
    ----------
    value : float, unit of the energies
    method : {"otsu_log", "otsu_linear", "given"}
    lowest, highest : float
        Range of the measured energies.
    above : float, 0 to 1
        Share of the measured energies that are not below `value`.
    counts : dict of str to int
        Rows by state (measured, gated, missing), and `not_positive`: measured ones that have no logarithm, and that
        Otsu's method on logarithms leaves out. They lie below every threshold it can give.
    problems : tuple of Problem
        What looks wrong, at severity "warning".

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> given_threshold(0.0, sample_energies()).problems[0].code
    'threshold-outside'
    """

    value: float
    method: Literal["otsu_log", "otsu_linear", "given"]
    lowest: float
    highest: float
    above: float
    counts: dict[str, int]
    problems: tuple[Problem, ...] = ()


def otsu_threshold(energies: Energies, *, scale: Scale = "log") -> Threshold:
    """Return the threshold that parts the energies of all videos into two classes of least variance within.

    Otsu 1979 (doi:10.1109/TSMC.1979.4310076), over every place between two values and not over the bins of a
    histogram; the threshold lies in the middle between the two values around that place, on the scale. Gated and
    missing rows have no energy and take no part.

    Parameters
    ----------
    energies : Energies
        Rows of all videos are pooled. For a fair score, give those of the train split.
    scale : {"log", "linear"}
        Energies of motion range over decades, and the few large ones pull a linear threshold above quiet actions: on
        rendered scenes, F1@0.25s was 0.98 with logarithms and 0.55 without.

    Raises
    ------
    SchemaError
        No row is measured (`no-energy`); fewer than two values differ, so that nothing parts them
        (`constant-energy`); an unknown scale.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> found = otsu_threshold(sample_energies())
    >>> found.lowest < found.value < found.highest
    True
    """
    if scale not in get_args(Scale):
        raise SchemaError(Problem("unknown-scale", "scale", f"expected one of {get_args(Scale)}, got {scale!r}"))
    values = _measured(energies)
    used = values[values > 0] if scale == "log" else values
    distinct = len(np.unique(used))
    if distinct < 2:
        positive = "positive " if scale == "log" else ""
        message = f"expected {positive}energies that differ, got {distinct} {positive}value in {len(values)} rows"
        raise SchemaError(Problem("constant-energy", "energies", message, "give a threshold, or look at the videos"))
    value = math.exp(_otsu(np.log(used))) if scale == "log" else _otsu(used)
    return _judged(value, "otsu_log" if scale == "log" else "otsu_linear", energies)


def given_threshold(value: float, energies: Energies) -> Threshold:
    """Hold a threshold that somebody gave against the energies.

    Parameters
    ----------
    value : float, unit of the energies
    energies : Energies

    Raises
    ------
    SchemaError
        `value` is not finite; no row is measured (`no-energy`).

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> given_threshold(0.5, sample_energies()).counts["gated"]
    4
    """
    if not math.isfinite(value):
        raise SchemaError(Problem("wrong-threshold", "threshold", f"expected a finite number, got {value!r}"))
    return _judged(float(value), "given", energies)


def metronome_problems(segments: Segments, *, share: float = 0.5) -> tuple[Problem, ...]:
    """Say whether the clock made the segments and not the energy.

    Parameters
    ----------
    segments : Segments
    share : float, 0 to 1
        More segments than this that end by the longest duration, or that last equally long, are a metronome.

    Returns
    -------
    tuple of Problem
        At most one, at severity "warning", the first that holds: `metronome`, by the reasons of the ends;
        `equal-lengths`, by the durations, whatever the reasons (those of other programs are not known);
        `no-threshold-stop`, where a segmenter with a threshold was at work and no segment ends by it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> [problem.message for problem in metronome_problems(sample_segments(), share=0.3)]
    ['1 of 3 segments (33 %) end by max_duration, 1 by threshold']
    """
    told = clock_problems(Counter(segments.end_reason), share=share)
    if told or not len(segments):
        return told
    return _equal_lengths(segments, share) or _no_threshold_stop(segments)


def clock_problems(ended_by: Mapping[str, int], *, share: float = 0.5) -> tuple[Problem, ...]:
    """Say whether the clock made some segments, of which it is known how many end for which reason.

    Parameters
    ----------
    ended_by : mapping of str to int
    share : float, 0 to 1

    Returns
    -------
    tuple of Problem
        As `metronome_problems`.

    Examples
    --------
    >>> clock_problems({"threshold": 4, "max_duration": 4})
    ()
    """
    total, forced = sum(ended_by.values()), ended_by.get("max_duration", 0)
    if not total or forced / total <= share:
        return ()
    message = (
        f"{forced} of {total} segments ({forced / total:.0%}) end by max_duration, "
        f"{ended_by.get('threshold', 0)} by threshold"
    ).replace("%", " %")
    fix = "the clock cuts, not the energy: raise the threshold or the duration, and compare with the constant energy"
    return (Problem("metronome", "segments", message, fix, "warning"),)


def outside_problems(value: float, lowest: float, highest: float) -> tuple[Problem, ...]:
    """Say whether a threshold lies outside of the energies, where it parts nothing.

    Parameters
    ----------
    value, lowest, highest : float, unit of the energies
        The threshold, and the range of the measured energies.

    Returns
    -------
    tuple of Problem
        One at severity "warning", or none.

    Examples
    --------
    >>> outside_problems(0.0, 0.0, 3.0)[0].code, outside_problems(0.5, 0.0, 3.0)
    ('threshold-outside', ())
    """
    if lowest < value <= highest:
        return ()
    always = "every measured value is loud, and only the clock ends a segment"
    what = always if value <= lowest else "no value is loud"
    message = f"expected a threshold above {lowest:g} and up to {highest:g}, got {value:g}: {what}"
    return (Problem("threshold-outside", "threshold", message, "see otsu_threshold", "warning"),)


def negative_problems(method: str, lowest: float) -> tuple[Problem, ...]:
    """Say whether Otsu's method on logarithms has met energies that are no sizes, and has left them out.

    Parameters
    ----------
    method : str
        As of `Threshold`.
    lowest : float, unit of the energies
        The lowest measured one.

    Returns
    -------
    tuple of Problem
        One at severity "warning", or none.

    Examples
    --------
    >>> negative_problems("otsu_log", -0.5)[0].code, negative_problems("otsu_linear", -0.5)
    ('negative-energies', ())
    """
    if method != "otsu_log" or lowest >= 0:
        return ()
    message = f"expected sizes, which have a logarithm, got energies down to {lowest:.4g}, and left out those below 0"
    return (Problem("negative-energies", "threshold", message, "take otsu-linear", "warning"),)


def _equal_lengths(segments: Segments, share: float) -> tuple[Problem, ...]:
    lasting, counts = np.unique(np.round(segments.end_s - segments.start_s, 3), return_counts=True)
    place = int(np.argmax(counts))
    equal, number = int(counts[place]), len(segments)
    if number < _LEAST_SEGMENTS or equal / number <= share:
        return ()
    message = f"{equal} of {number} segments ({equal / number:.0%}) last {lasting[place]:g} s each".replace("%", " %")
    fix = "a forced length ends them and no energy: compare with a cut every so often, the segmenter uniform"
    return (Problem("equal-lengths", "segments", message, fix, "warning"),)


def _no_threshold_stop(segments: Segments) -> tuple[Problem, ...]:
    tool, reasons = segments.header.segmenter, segments.end_reason
    # Another program does not tell why its segments end.
    told = {"threshold", "annotation"}.intersection(reasons)
    if tool is None or "threshold" not in tool.parameters or told or len(reasons) < 2:
        return ()
    message = f"none of {len(reasons)} segments ends by the threshold: {reasons.count('max_duration')} by max_duration"
    message += f", {reasons.count('end_of_stream')} at the end of the video"
    fix = "the energies never stay below threshold * off_ratio for down_s: raise the threshold"
    return (Problem("no-threshold-stop", "segments", message, fix, "warning"),)


def _measured(energies: Energies) -> NDArray[np.float64]:
    values: NDArray[np.float64] = energies.energy[energies.state == 0]
    if not len(values):
        states = ", ".join(f"{number} {word}" for word, number in _counts(energies).items() if word in ENERGY_STATES)
        message = f"expected measured energies, got {len(energies)} rows ({states})"
        raise SchemaError(Problem("no-energy", "energies", message, "look at the gates and the tracks"))
    return values


def _counts(energies: Energies) -> dict[str, int]:
    states: dict[str, int] = {word: int((energies.state == number).sum()) for number, word in enumerate(ENERGY_STATES)}
    return {**states, "not_positive": int((energies.energy <= 0).sum())}


def _otsu(values: NDArray[np.float64]) -> float:
    """Return the middle of the gap between two neighbours that leaves most variance between the classes."""
    ordered = np.sort(values)
    # Around the median: sums of squares of large equal parts would drown what differs.
    sums = np.cumsum(ordered - ordered[len(ordered) // 2])
    below = np.arange(1, len(ordered))
    above = len(ordered) - below
    apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    between = np.where(np.diff(ordered) > 0, below * above * apart**2, -1.0)
    place = int(np.argmax(between))
    low, high = float(ordered[place]), float(ordered[place + 1])
    middle = low + (high - low) / 2
    # Neighbours in float64 have no number between them; the upper one still parts them.
    return middle if middle > low else high


def _judged(value: float, method: Literal["otsu_log", "otsu_linear", "given"], energies: Energies) -> Threshold:
    values = _measured(energies)
    lowest, highest = float(values.min()), float(values.max())
    return Threshold(
        value=value,
        method=method,
        lowest=lowest,
        highest=highest,
        above=float((values >= value).mean()),
        counts=_counts(energies),
        problems=(*negative_problems(method, lowest), *outside_problems(value, lowest, highest)),
    )
