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
from lapsdata.stages._stage import Stage
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.containers import Energies
    from lapsdata.schema.base import Parent
    from lapsdata.schema.energies import EnergiesHeader
    from lapsdata.segmenters import Threshold

__all__ = [
    "PLUGIN",
    "GivenOptions",
    "Measure",
    "OtsuOptions",
    "expect_same_measure",
    "find_threshold",
    "read_threshold",
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
    from lapsdata.segmenters import given_threshold

    chosen = options or OtsuOptions()
    parents = [parent("energies", energies)]
    series = read(energies, Energies)

    def known(path: Path) -> tuple[str | None, ThresholdRecord]:
        found = read_threshold(path)
        return key_of(_STAGE, found.provenance), found

    def make(overwrite: bool) -> ThresholdRecord:
        record = _record(told_threshold(series, chosen), series, chosen, parents)
        write_sealed_json(out, record, overwrite=overwrite)
        return record

    output = settle(out, key_now(_STAGE, chosen.as_json(), parents), read=known, make=make, force=force)
    return output, given_threshold(output.content.value, series).problems


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


def _record(
    found: Threshold, energies: Energies, options: OtsuOptions | GivenOptions, parents: list[Parent]
) -> ThresholdRecord:
    return ThresholdRecord(
        provenance=provenance(parameters=options.as_json(), parents=parents),
        value=found.value,
        method=found.method,
        source=energies.header.source,
        mode=energies.header.mode,
        smoothing=energies.header.smoothing,
        tokenizer=energies.header.tokenizer,
        motion=energies.header.motion,
        lowest=found.lowest,
        highest=found.highest,
        above=found.above,
        counts=found.counts,
    )


def _kinds() -> dict[str, type[Record]]:
    return {"otsu": OtsuOptions, "otsu-linear": OtsuOptions, "given": GivenOptions}


def _filled(kind: str) -> Mapping[str, JsonValue]:
    return {} if kind == "given" else {"method": kind}


PLUGIN = Stage(_STAGE, "Where loud begins.", "otsu", _kinds, _filled)
