"""From energies to the threshold between quiet and loud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import parent, provenance
from lapsdata.schema.base import Record
from lapsdata.schema.threshold import ThresholdRecord
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._output import Output, settle
from lapsdata.stages._search_options import SearchOptions
from lapsdata.stages._stage import Stage
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.containers import Energies
    from lapsdata.schema.base import Provenance
    from lapsdata.schema.energies import EnergiesHeader
    from lapsdata.schema.threshold import BoundarySearch, LabelSearch, TellingMethod
    from lapsdata.segmenters import Threshold

__all__ = [
    "PLUGIN",
    "GivenOptions",
    "Measure",
    "OtsuOptions",
    "expect_same_measure",
    "find_threshold",
    "measured_record",
    "read_threshold",
    "record_problems",
    "threshold_options",
    "told_threshold",
]

_STAGE = "threshold"


class OtsuOptions(Record):
    """How a threshold is found in the energies themselves.

    Examples
    --------
    >>> OtsuOptions().method
    'otsu'
    """

    method: Annotated[str, Field(pattern="^otsu(-linear)?$")] = "otsu"
    """`otsu` parts the logarithms of the energies, `otsu-linear` the energies themselves."""
    least_motion_px: Annotated[float, Field(ge=0)] = 0.1
    """Where no frame of any video has a mean speed of so many pixels per frame, nothing moves but noise, and a
    threshold would part noise from noise: that is an error. Of energies of tracks, per step; 0 asks for none."""


class GivenOptions(Record):
    """A threshold that somebody gives.

    Examples
    --------
    >>> GivenOptions(value=2.5).value
    2.5
    """

    value: float
    """From here on an energy is loud, in the unit of the energies."""


def threshold_options(text: str) -> OtsuOptions | GivenOptions:
    """Return the options that a word or a number stands for.

    Raises
    ------
    SchemaError
        Neither `otsu`, `otsu-linear` nor a number.

    Examples
    --------
    >>> threshold_options("otsu-linear").method, threshold_options("2.5").value
    ('otsu-linear', 2.5)
    """
    if text in {"otsu", "otsu-linear"}:
        return OtsuOptions(method=text)
    try:
        return GivenOptions(value=float(text))
    except ValueError:
        message = f"expected otsu, otsu-linear, a number or a file, got {text!r}"
        raise SchemaError(Problem("unknown-choice", "threshold", message)) from None


def find_threshold(
    energies: Path, out: Path, options: OtsuOptions | GivenOptions | None = None, *, force: bool = False
) -> tuple[Output[ThresholdRecord], tuple[Problem, ...]]:
    """Find the threshold of a file of energies; one that is there already, and was found so, is kept.

    Parameters
    ----------
    energies : Path
    out : Path
        A JSON file.
    options : OtsuOptions or GivenOptions, optional
    force : bool

    Returns
    -------
    output : Output
    problems : tuple of Problem
        What looks wrong about the threshold, kept or made.

    Raises
    ------
    SchemaError
        No energy was measured, all are the same (`constant-energy`), or nothing moves (`nothing-moves`).
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_energies
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "energies.jsonl", sample_energies())
    >>> options = OtsuOptions(least_motion_px=0.05)
    >>> output, problems = find_threshold(folder / "energies.jsonl", folder / "threshold.json", options)
    >>> output.fate, output.content.method, problems
    ('made', 'otsu_log', ())
    """
    from lapsdata.containers import Energies
    from lapsdata.formats import read

    chosen = options or OtsuOptions()
    parents = [parent("energies", energies)]
    series = read(energies, Energies)

    def known(path: Path) -> tuple[str | None, ThresholdRecord]:
        found = read_threshold(path)
        return key_of(_STAGE, found.provenance), found

    def make(overwrite: bool) -> ThresholdRecord:
        found = told_threshold(series, chosen)
        made = provenance(parameters=chosen.as_json(), parents=parents)
        record = measured_record(found.value, series, method=found.method, provenance=made)
        write_sealed_json(out, record, overwrite=overwrite)
        return record

    output = settle(out, key_now(_STAGE, chosen.as_json(), parents), read=known, make=make, force=force)
    return output, record_problems(output.content)


def read_threshold(path: Path) -> ThresholdRecord:
    """Read a threshold.

    Raises
    ------
    StorageError
        There is no such file, or it cannot be read.
    CorruptDataError
        It is not what was written.
    SchemaError
        It holds something else.

    Examples
    --------
    >>> import pathlib
    >>> read_threshold(pathlib.Path("nowhere.json"))
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere.json: cannot open: no such file or folder; check the path [not-found]
    """
    return read_sealed_json(path, ThresholdRecord)


class Measure(NamedTuple):
    """What energies are: a threshold of others means nothing to them.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> Measure.of(sample_energies().header).mode
    'velocity_step'
    """

    source: str
    mode: str
    smoothing: str | None = None
    tokenizer: str | None = None
    motion: str | None = None

    @classmethod
    def of(cls, told: EnergiesHeader | ThresholdRecord) -> Measure:
        """Return what a header of energies, or a threshold, says."""
        return cls(told.source, told.mode, told.smoothing, told.tokenizer, told.motion)

    def __str__(self) -> str:
        """Return it in words."""
        made = "" if self.tokenizer is None else f", of the tokenizer {self.tokenizer[:15]}"
        moved = "" if self.motion is None else f", {self.motion} motion"
        return f"{self.source}, {self.mode}, {self.smoothing or 'no smoothing'}{made}{moved}"


def expect_same_measure(threshold: ThresholdRecord, measure: Measure, where: str) -> None:
    """Refuse a threshold of energies that were measured in another way: its number means nothing here.

    Parameters
    ----------
    threshold : ThresholdRecord
    measure : Measure
        Of the energies.
    where : str
        The file of the threshold.

    Raises
    ------
    SchemaError
        Another source, mode or smoothing, motion with or without that of the camera, or latents of another tokenizer.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_energies
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "energies.jsonl", sample_energies())
    >>> options = GivenOptions(value=0.5)
    >>> output, _ = find_threshold(folder / "energies.jsonl", folder / "threshold.json", options)
    >>> expect_same_measure(output.content, Measure.of(sample_energies().header), "threshold.json")
    """
    own = Measure.of(threshold)
    if measure != own:
        message = f"expected a threshold of {measure}, as the energies are, got one of {own}"
        raise SchemaError(Problem("wrong-measure", where, message, "tell one from these energies"))


def told_threshold(energies: Energies, options: OtsuOptions | GivenOptions) -> Threshold:
    """Return the threshold of energies in memory.

    Raises
    ------
    SchemaError
        As `find_threshold`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> told_threshold(sample_energies(), GivenOptions(value=0.5)).method
    'given'
    """
    from lapsdata.segmenters import given_threshold, otsu_threshold

    if isinstance(options, GivenOptions):
        return given_threshold(options.value, energies)
    found = otsu_threshold(energies, scale="log" if options.method == "otsu" else "linear")
    header = energies.header
    if header.source == "velocity" and header.per == "step":
        step_s = float(np.median(energies.end_s - energies.start_s))
        highest_px = found.highest * step_s
        if highest_px < options.least_motion_px:
            message = (
                f"expected some frame with a mean speed of {options.least_motion_px:g} pixel per frame, got "
                f"{highest_px:.2g} at most: what moves so little is noise, and no threshold parts it"
            )
            fix = "look at the tracks (inspect --png); where little is meant to move, set least_motion_px, or a value"
            raise SchemaError(Problem("nothing-moves", "energies", message, fix))
    return found


def measured_record(
    value: float,
    energies: Energies,
    *,
    method: TellingMethod,
    provenance: Provenance,
    policies: Mapping[str, int] | None = None,
    boundary_search: BoundarySearch | None = None,
    label_search: LabelSearch | None = None,
) -> ThresholdRecord:
    """Return the record of a threshold with what the energies are that it was told from.

    Raises
    ------
    SchemaError
        No row is measured (`no-energy`); the value is no number.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies, sample_provenance
    >>> measured_record(0.5, sample_energies(), method="given", provenance=sample_provenance()).mode
    'velocity_step'
    """
    from lapsdata.segmenters import given_threshold
    from lapsdata.segmenters.energy_shift import energy_quantiles

    found = given_threshold(value, energies)
    return ThresholdRecord(
        provenance=provenance,
        policies=dict(policies or {}),
        value=found.value,
        method=method,
        **Measure.of(energies.header)._asdict(),
        lowest=found.lowest,
        highest=found.highest,
        above=found.above,
        counts=found.counts,
        quantiles=energy_quantiles(energies),
        boundary_search=boundary_search,
        label_search=label_search,
    )


def record_problems(record: ThresholdRecord) -> tuple[Problem, ...]:
    """Say what looks wrong about a threshold, by its record alone.

    Returns
    -------
    tuple of Problem
        At severity "warning": energies below 0 were left out (`negative-energies`); it lies outside of the energies
        (`threshold-outside`); thresholds that score as well reach an end of them (`search-at-the-end`); most segments
        end by the clock (`metronome`); who has not looked at the videos scores as well (`not-above-chance`).

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies, sample_provenance
    >>> record = measured_record(0.0, sample_energies(), method="given", provenance=sample_provenance())
    >>> [problem.code for problem in record_problems(record)]
    ['threshold-outside']
    """
    from lapsdata.segmenters.thresholds import clock_problems, negative_problems, outside_problems

    outside = outside_problems(record.value, record.lowest, record.highest)
    problems = [*negative_problems(record.method, record.lowest), *outside]
    for end in () if outside or record.tried is None else record.tried.reaches:
        what = "everything is loud" if end == "lowest" else "nothing is loud"
        message = f"expected the best threshold amid the energies, got one as good beyond the {end}, where {what}"
        fix = "these energies do not tell the segments apart; look at the curve in the record"
        problems.append(Problem("search-at-the-end", "threshold", message, fix, "warning"))
    if record.boundary_search is not None:
        problems += clock_problems(record.boundary_search.ended_by)
        problems += _beside_chance(record.boundary_search)
    return tuple(problems)


def _beside_chance(search: BoundarySearch) -> Iterator[Problem]:
    chance = search.chance
    rows = {
        f"a metronome of {chance.period_s:.3g} s": chance.uniform_best_period,
        "the same segmenter with one energy all the time": chance.constant_energy,
    }
    name, best = max(rows.items(), key=lambda row: row[1])
    if search.score <= best:
        message = f"expected the best threshold above chance, got {search.score:.4f}, and {best:.4f} by {name}"
        fix = "no threshold of these energies finds the boundaries; try other energies, rules or a smaller tolerance"
        yield Problem("not-above-chance", "threshold", message, fix, "warning")


def _kinds() -> dict[str, type[Record]]:
    return {"otsu": OtsuOptions, "otsu-linear": OtsuOptions, "given": GivenOptions, "search": SearchOptions}


def _filled(kind: str) -> Mapping[str, JsonValue]:
    if kind == "search":
        # Those of the segmenter that is taken.
        return {"segmenter": {}}
    return {} if kind == "given" else {"method": kind}


PLUGIN = Stage(_STAGE, "Where loud begins.", "otsu", _kinds, _filled)
