"""Energies of several supports made one: each brought to one scale, aligned in time, and averaged.

A short support tells a boundary in time and trembles; a long one is calm and blurs. On one scale, with mean 0 and
standard deviation 1, their mean is both in part. The scale is that of the file of energies, or that which train videos
had: then equal motion has equal values in every file. Where one part is good by itself, nothing is gained: on rendered
scenes, F1@0.25s was 0.95 of three supports, and 0.985 of the shortest alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata.containers.energies import ENERGY_STATES, Energies
from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.provenance import provenance
from lapsdata.schema.base import Record
from lapsdata.schema.energies import EnergiesHeader
from lapsdata.transforms.over_spans import median_gap_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.schema.base import Parent

__all__ = [
    "EnergyScale",
    "FuseHow",
    "FuseOptions",
    "FuseTimes",
    "energy_scale",
    "fuse_energies",
    "fused_parameters",
    "told_scales",
]

FuseHow = Literal["zmean", "zlogmean"]
"""`zmean`: mean of the z-scores, of both signs. `zlogmean`: exponential of the mean of the z-scores of the logarithms,
above 0 as energies are, which Otsu's threshold on logarithms and ratios of a threshold need."""

FuseTimes = Literal["equal", "interpolate"]
"""`equal`: rows of all have the same times, and others are refused. `interpolate`: those of the first count; others are
taken at the middle of each, on the straight line between the two measured values around it."""

_MEASURED, _GATED, _MISSING = (ENERGY_STATES.index(state) for state in ("measured", "gated", "missing"))
_NOISE_S = 1e-6
# Of a mode, in characters.
_LONGEST_NAME = 200


class EnergyScale(Record):
    """What one part of fused energies measures, and the scale that it is brought to.

    Examples
    --------
    >>> EnergyScale(what="velocity velocity_step 0.1 s", mean=2.0, sd=0.5).sd
    0.5
    """

    what: str
    """Source, mode, support and smoothing of the energies."""
    mean: float
    """Becomes 0; of the energies, or of their logarithms."""
    sd: Annotated[float, Field(gt=0)]
    """Becomes 1."""
    lowest: Annotated[float, Field(gt=0)] | None = None
    """Energies below it, which may have no logarithm, are taken for it; null where no logarithm is taken."""


class FuseOptions(Record):
    """How energies are made one.

    Examples
    --------
    >>> FuseOptions(how="zmean").times
    'equal'
    """

    how: FuseHow = "zlogmean"
    """Mean of z-scores, or of z-scores of logarithms."""
    times: FuseTimes = "equal"
    """Rows of other times: refused, or interpolated at those of the first."""


class _Told(FuseOptions):
    """What the provenance of fused energies says."""

    scales: tuple[EnergyScale, ...]


class _Aligned(NamedTuple):
    """Values of one part at the rows of the first."""

    score: NDArray[np.float64]
    state: NDArray[np.uint8]
    interpolated: int


def energy_scale(energies: Energies, how: FuseHow) -> EnergyScale:
    """Return mean and standard deviation of the measured energies of all videos, or of their logarithms.

    Parameters
    ----------
    energies : Energies
    how : {"zmean", "zlogmean"}

    Raises
    ------
    SchemaError
        Nothing is measured, or all of it is the same (`constant-energy`); no energy has a logarithm (`no-logarithm`).

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> energy_scale(sample_energies(), "zmean").what
    'velocity velocity_step 0.2 s'
    """
    lowest = _lowest(energies) if how == "zlogmean" else None
    value = _on_scale(energies, lowest)[energies.state == _MEASURED]
    sd = float(value.std()) if len(value) else 0.0
    what = _what(energies.header)
    # The rounding of a mean of equal values is no spread.
    if sd <= 1e-12 * float(np.abs(value).max(initial=0.0)):
        message = f"expected measured energies that differ, got {len(value)} that do not"
        raise SchemaError(Problem("constant-energy", what, message, "leave this part out"))
    return EnergyScale(what=what, mean=float(value.mean()), sd=sd, lowest=lowest)


def fuse_energies(
    parts: Sequence[Energies],
    options: FuseOptions | None = None,
    *,
    scales: Sequence[EnergyScale] | None = None,
    parents: Sequence[Parent] = (),
) -> Energies:
    """Return the mean of energies of the same videos, each on its scale.

    Parameters
    ----------
    parts : sequence of Energies
        Two or more, per step or per window. Rows, videos and their order are those of the first.
    options : FuseOptions, optional
    scales : sequence of EnergyScale, optional
        Those of train videos, one per part; by default each part's own, over all its videos.
    parents : sequence of Parent, optional
        The files of the parts.

    Returns
    -------
    Energies
        Of source `fused`. A row is measured where all parts are; else missing where one is, else gated. Policies count
        the rows that the first has measured and another has not, those with a value between two others, and values that
        were taken for the lowest that has a logarithm.

    Raises
    ------
    SchemaError
        Fewer than two parts; other videos in one than in the first; other times, unless `options.times` says what
        becomes of them; scales of other energies; as `energy_scale`.

    Examples
    --------
    >>> from lapsdata.segmenters import smooth
    >>> from lapsdata.testing.samples import sample_energies
    >>> raw = sample_energies()
    >>> fused = fuse_energies([raw, smooth(raw, "moving_average", 0.5)])
    >>> fused.header.source, len(fused) == len(raw)
    ('fused', True)
    """
    chosen = options or FuseOptions()
    _refuse_unlike(parts)
    used = [energy_scale(part, chosen.how) for part in parts] if scales is None else list(scales)
    _refuse_other_scales(parts, used)
    first = parts[0]
    aligned = [_aligned(part, first, scale, chosen) for part, scale in zip(parts, used, strict=True)]
    mean = np.mean([one.score for one in aligned], axis=0)
    # The states rise: measured, gated, missing.
    state = np.max([one.state for one in aligned], axis=0)
    value = np.exp(mean) if chosen.how == "zlogmean" else mean
    policies = {
        "fuse_interpolated": max(one.interpolated for one in aligned),
        "fuse_taken_for_lowest": sum(
            int((part.energy < scale.lowest).sum())
            for part, scale in zip(parts, used, strict=True)
            if scale.lowest is not None
        ),
        "fuse_not_in_all": int(((state != _MEASURED) & (first.state == _MEASURED)).sum()),
    }
    header = _header(parts, chosen, used, parents, policies)
    return replace(first, header=header, energy=np.where(state == _MEASURED, value, np.nan), state=state)


def fused_parameters(options: FuseOptions, scales: Sequence[EnergyScale]) -> dict[str, JsonValue]:
    """Return what the provenance of fused energies says.

    Examples
    --------
    >>> fused_parameters(FuseOptions(), [EnergyScale(what="velocity", mean=0.0, sd=1.0)])["how"]
    'zlogmean'
    """
    return {**options.as_json(), "scales": [scale.as_json() for scale in scales]}


def told_scales(fused: Energies, where: str) -> tuple[FuseHow, tuple[EnergyScale, ...]]:
    """Return by which scales energies were fused, for others to be fused alike.

    Parameters
    ----------
    fused : Energies
    where : str
        Their file, for the message.

    Raises
    ------
    SchemaError
        They are not fused (`not-fused`).

    Examples
    --------
    >>> from lapsdata.segmenters import smooth
    >>> from lapsdata.testing.samples import sample_energies
    >>> raw = sample_energies()
    >>> how, scales = told_scales(fuse_energies([raw, smooth(raw, "moving_average", 0.5)]), "train.jsonl")
    >>> how, [scale.what for scale in scales][1]
    ('zlogmean', 'velocity velocity_step 0.6 s moving_average 0.5 s')
    """
    header = fused.header
    if header.source != "fused" or "scales" not in header.provenance.parameters:
        message = f"expected energies that were fused, got {_what(header)}"
        raise SchemaError(Problem("not-fused", where, message, "fuse those of the train videos first"))
    told = _Told.parse(json.dumps(header.provenance.parameters), where)
    return told.how, told.scales


def _what(header: EnergiesHeader) -> str:
    smoothing = "" if header.smoothing is None else f" {header.smoothing}"
    return f"{header.source} {header.mode} {header.support_s:.6g} s{smoothing}"


def _lowest(energies: Energies) -> float:
    """Return the lowest measured energy that has a logarithm."""
    above = energies.energy[energies.energy > 0]
    if not len(above):
        message = f"expected energies above 0, which have a logarithm, got none in {len(energies)} rows"
        raise SchemaError(Problem("no-logarithm", _what(energies.header), message, "fuse by zmean"))
    return float(above.min())


def _on_scale(energies: Energies, lowest: float | None) -> NDArray[np.float64]:
    """Return the energies, or the logarithms of those from the lowest on; NaN where nothing was measured."""
    return energies.energy if lowest is None else np.log(np.maximum(energies.energy, lowest))


def _refuse_unlike(parts: Sequence[Energies]) -> None:
    problems = Problems()
    if len(parts) < 2:
        problems.add("too-few", "energies", f"expected two or more energies to make one of, got {len(parts)}")
    for part in parts[1:]:
        first, here, what = parts[0].header, part.header, _what(part.header)
        unlike = sorted(set(first.videos) ^ set(here.videos))
        if unlike:
            message = f"expected the videos of {_what(first)}, got others: {listed(unlike)} in one alone"
            problems.add("other-videos", what, message, "measure the same videos")
    problems.raise_as(SchemaError)


def _refuse_other_scales(parts: Sequence[Energies], scales: Sequence[EnergyScale]) -> None:
    here, told = [_what(part.header) for part in parts], [scale.what for scale in scales]
    if here != told:
        message = f"expected scales of {', '.join(here)}, got those of {', '.join(told)}"
        raise SchemaError(Problem("other-scales", "scales", message, "give the parts in the order of the train file"))


def _aligned(part: Energies, first: Energies, scale: EnergyScale, options: FuseOptions) -> _Aligned:
    """Return a part's z-scores at the rows of the first part."""
    value = (_on_scale(part, scale.lowest) - scale.mean) / scale.sd
    found = np.full(len(first), np.nan)
    state = np.full(len(first), _MISSING, np.uint8)
    interpolated = 0
    for number, video in enumerate(first.header.videos):
        rows = np.flatnonzero(first.video_index == number)
        others = np.flatnonzero(part.video_index == part.header.videos.index(video))
        if _same_times(first, rows, part, others):
            found[rows], state[rows] = value[others], part.state[others]
            continue
        if options.times == "equal":
            raise SchemaError(_other_times(first, rows, part, others, video))
        if len(others):
            there = _between(_middle_s(part, others), value[others], part.state[others], _middle_s(first, rows))
            found[rows], state[rows] = there.score, there.state
            interpolated += there.interpolated
    return _Aligned(found, state, interpolated)


def _same_times(first: Energies, rows: NDArray[np.int64], part: Energies, others: NDArray[np.int64]) -> bool:
    if len(rows) != len(others):
        return False
    starts = np.abs(first.start_s[rows] - part.start_s[others])
    ends = np.abs(first.end_s[rows] - part.end_s[others])
    return bool((starts <= _NOISE_S).all() and (ends <= _NOISE_S).all())


def _other_times(
    first: Energies, rows: NDArray[np.int64], part: Energies, others: NDArray[np.int64], video: str
) -> Problem:
    told = [
        f"{len(at)} rows every {'?' if one.header.hop_s is None else f'{one.header.hop_s:g}'} s"
        for one, at in ((first, rows), (part, others))
    ]
    message = f"expected the times of {_what(first.header)} in '{video}' ({told[0]}), got others ({told[1]})"
    return Problem("other-times", _what(part.header), message, "name what becomes of them: times interpolate")


def _middle_s(energies: Energies, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    return (energies.start_s[rows] + energies.end_s[rows]) / 2


def _around(
    other_s: NDArray[np.float64], at_s: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the rows before and after each time, which are one where it is a row's own, and whether both are there."""
    after = np.searchsorted(other_s, at_s - _NOISE_S)
    last = len(other_s) - 1
    exact = np.abs(other_s[np.minimum(after, last)] - at_s) <= _NOISE_S
    before = np.where(exact, after, after - 1)
    inside = (before >= 0) & (after <= last)
    before, after = np.clip(before, 0, last), np.clip(after, 0, last)
    near = other_s[after] - other_s[before] <= median_gap_s(other_s) + _NOISE_S
    return before.astype(np.int64), after.astype(np.int64), inside & near


def _between(
    other_s: NDArray[np.float64], value: NDArray[np.float64], state: NDArray[np.uint8], at_s: NDArray[np.float64]
) -> _Aligned:
    """Return the values at some times: measured between two that are, else gated beside a gated one, else missing."""
    before, after, both = _around(other_s, at_s)
    worst = np.maximum(state[before], state[after])
    found = np.where(both, worst, _MISSING).astype(np.uint8)
    apart = np.where(after > before, other_s[after] - other_s[before], 1.0)
    share = (at_s - other_s[before]) / apart
    score = np.where(found == _MEASURED, value[before] * (1 - share) + value[after] * share, np.nan)
    return _Aligned(score, found, int(((found == _MEASURED) & (after > before)).sum()))


def _header(
    parts: Sequence[Energies],
    options: FuseOptions,
    scales: Sequence[EnergyScale],
    parents: Sequence[Parent],
    policies: dict[str, int],
) -> EnergiesHeader:
    told = [part.header for part in parts]
    tokenizers = {one.tokenizer for one in told} - {None}
    motions = {one.motion for one in told}
    # A value between two others depends on both.
    between_s = max(one.hop_s or one.support_s for one in told) if policies["fuse_interpolated"] else 0.0
    return EnergiesHeader(
        provenance=provenance(parameters=fused_parameters(options, scales), parents=parents),
        policies=policies,
        per=told[0].per,
        source="fused",
        mode=_mode(options.how, [_what(one) for one in told]),
        support_s=max(one.support_s for one in told) + between_s,
        hop_s=told[0].hop_s,
        tokenizer=tokenizers.pop() if len(tokenizers) == 1 else None,
        motion=motions.pop() if len(motions) == 1 else None,
        videos=told[0].videos,
    )


def _mode(how: FuseHow, parts: Sequence[str]) -> str:
    """Return a name that tells the parts; of many, one that tells whether they are the same."""
    whole = f"{how} of {', '.join(parts)}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return whole if len(whole) <= _LONGEST_NAME else f"{how} of {len(parts)} energies, sha256 {digest}"
