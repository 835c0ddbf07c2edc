"""From files of tracks, or of tokens, to one file of energies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar, get_args

import numpy as np
from pydantic import Field, model_validator

from lapsdata import console
from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import parent, provenance
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._output import Output, settle
from lapsdata.stages._stage import Stage
from lapsdata.transforms.energies import EnergyMode, EnergyOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.containers import Container, Energies
    from lapsdata.execution.engine import Tell

__all__ = ["PLUGIN", "EnergyStageOptions", "energy_files", "energy_problems", "measure_files", "repeated_frames"]

C = TypeVar("C", bound="Container")

_STAGE = "energies"

# Of 30 real clips and 8 scenes one repeats frames, and has 16 % of such dips; the others have up to 5 %.
_DIP, _MOST_DIPS, _LEAST_STEPS = 0.25, 0.1, 20
# What the policies of `lapsdata.transforms.energies` and `fusion` have done, in words.
_TOLD = {
    "ego_motion_few_points": "frame pairs of windows have no residual: fewer than 3 points are seen in both frames",
    "ego_motion_collinear": "frame pairs of windows have no residual: the points that agree lie on one line",
    "mode_ignored": "windows have the mean speed of their points: velocities have one energy, whatever the mode",
    "unseen_points_measured": "steps of points were measured that were not seen: guesses of the tracker",
    "fuse_interpolated": "rows have a value between two of another file, whose times are others",
    "fuse_taken_for_lowest": "values have no logarithm, or are below all of train, and are taken for the lowest one",
    "fuse_not_in_all": "rows that the first file has measured have no value, as another file has none there",
    "l2_mean_of_single_steps": "windows of one step have l2_mean: there is no step before it to differ from",
}


class EnergyStageOptions(EnergyOptions):
    """What is measured, and how it is smoothed.

    Examples
    --------
    >>> EnergyStageOptions(smoothing="ema", smoothing_s=0.5).mode
    'velocity_step'
    """

    smoothing: Literal["none", "ema", "moving_average"] = "none"
    """Smoothing of the values of each video."""
    smoothing_s: Annotated[float, Field(gt=0)] | None = None
    """Seconds of the smoothing: its time constant, or its span."""

    @model_validator(mode="after")
    def _smoothing_has_a_time(self) -> Self:
        if (self.smoothing == "none") != (self.smoothing_s is None):
            raise ValueError("expected smoothing_s exactly where there is a smoothing")
        return self


def measure_files(
    files: Sequence[Path], out: Path, options: EnergyStageOptions | None = None, *, force: bool = False
) -> Output[Energies]:
    """Measure the motion of files of tracks, or of tokens, one per video.

    One file is read at a time. What is there already, and was made of these files in this way, is kept.

    Parameters
    ----------
    files : sequence of Path
    out : Path
        A file of energies.
    options : EnergyStageOptions, optional
    force : bool
        Measure again what is done.

    Raises
    ------
    SchemaError
        A mode for other files, or what else `track_energies` and `token_energies` refuse.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "clip.h5", sample_tracks(windows=3))
    >>> [measure_files([folder / "clip.h5"], folder / "energies.jsonl").fate for _ in range(2)]
    ['made', 'kept']
    """
    from lapsdata.containers import Energies
    from lapsdata.formats import read, write

    chosen = options or EnergyStageOptions()
    role = "tracks" if chosen.of_tracks else "tokens"
    parents = [parent(role, path) for path in files]

    def known(path: Path) -> tuple[str | None, Energies]:
        found = read(path, Energies)
        return key_of(_STAGE, found.header.provenance), found

    def make(overwrite: bool) -> Energies:
        measured = _measured(files, chosen)
        told = provenance(parameters=chosen.as_json(), parents=parents)
        made = replace(measured, header=measured.header.model_copy(update={"provenance": told}))
        write(out, made, overwrite=overwrite)
        return made

    return settle(out, key_now(_STAGE, chosen.as_json(), parents), read=known, make=make, force=force)


def repeated_frames(energies: Energies) -> tuple[Problem, ...]:
    """Say which videos seem to repeat frames: steps with next to no motion, amid motion, again and again.

    Many a video was brought to a higher rate by showing frames twice; its own timestamps do not tell.

    Parameters
    ----------
    energies : Energies

    Returns
    -------
    tuple of Problem
        One per video, at severity "warning"; none for energies that are smoothed, or of windows.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> repeated_frames(sample_energies())
    ()
    """
    header = energies.header
    if header.per != "step" or header.smoothing is not None:
        return ()
    found = []
    for number, name in enumerate(header.videos):
        value = energies.energy[energies.video_index == number]
        if len(value) < _LEAST_STEPS:
            continue
        # NaN, where there is no value, compares as false.
        share = float((value[1:-1] < _DIP * np.minimum(value[:-2], value[2:])).mean())
        if share > _MOST_DIPS:
            message = f"{share:.0%} of the steps move less than a quarter of both neighbours: frames seem repeated"
            fix = "track at the rate that it was taken with (track.rate), or smooth (energies.smoothing, smoothing_s)"
            found.append(Problem("repeated-frames", name, message, fix, "warning"))
    return tuple(found)


def energy_problems(energies: Energies) -> tuple[Problem, ...]:
    """Say what looks wrong about energies: repeated frames, steps without a value, and what policies have touched.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> [problem.code for problem in energy_problems(sample_energies())]
    ['missing-energies']
    """
    mode = energies.header.mode
    told = [
        Problem(name.replace("_", "-"), mode, f"{count} {_TOLD[name]}", None, "info")
        for name, count in energies.header.policies.items()
        if count and name in _TOLD
    ]
    missing = int((energies.state == ENERGY_STATES.index("missing")).sum())
    if missing:
        message = f"{missing} of {len(energies)} have no value: no window speaks of them, or no point was seen there"
        fix = "where windows leave steps out between them, track with a stride below the horizon - 1 (track.stride)"
        told.insert(0, Problem("missing-energies", mode, message, fix, "warning"))
    return (*repeated_frames(energies), *told)


def energy_files(given: Sequence[Path], suffixes: Collection[str] = (".h5", ".hdf5", ".zarr")) -> list[Path]:
    """Return the files of tracks or tokens that are named, or lie in folders that are, by name.

    Parameters
    ----------
    given : sequence of Path
    suffixes : collection of str
        Which files of a folder are taken.

    Raises
    ------
    UnknownFormatError, StorageError
        A file that is named is none of ours, or not there.
    SchemaError
        A folder that is named holds none (`no-files`).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> energy_files([pathlib.Path(tempfile.mkdtemp())])
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: ...: expected files of tracks or tokens (.h5, .hdf5, .zarr) in it, got none...
    """
    from lapsdata.formats import recognise

    found: list[Path] = []
    for path in given:
        if path.is_dir() and path.suffix != ".zarr":
            there = sorted(one for one in path.iterdir() if one.suffix in suffixes)
            if not there:
                message = f"expected files of tracks or tokens ({', '.join(suffixes)}) in it, got none"
                raise SchemaError(Problem("no-files", str(path), message, "name the folder that they are in"))
            found += there
        else:
            recognise(path)
            found.append(path)
    return found


def _measured(files: Sequence[Path], options: EnergyStageOptions) -> Energies:
    from lapsdata.containers import Tokens, Tracks
    from lapsdata.segmenters import smooth
    from lapsdata.transforms.energies import token_energies, track_energies

    with console.progress("energies", len(files), unit="videos") as advance:
        if options.of_tracks:
            made = track_energies(_each(files, Tracks, advance), options)
        else:
            made = token_energies(_each(files, Tokens, advance), options)
    if options.smoothing == "none" or options.smoothing_s is None:
        return made
    return smooth(made, options.smoothing, options.smoothing_s)


def _each(files: Sequence[Path], kind: type[C], advance: Tell) -> Iterator[C]:
    """Read files one after the other, all of one kind."""
    from lapsdata.formats import read

    for path in files:
        found = read(path)
        if not isinstance(found, kind):
            message = f"expected {kind.__name__.lower()}, got {type(found).__name__.lower()}"
            fix = "measure tracks by velocity_step or velocity_mean, and tokens by another mode"
            raise SchemaError(Problem("wrong-record", str(path), message, fix))
        yield found
        advance(1)


def _kinds() -> dict[str, type[EnergyStageOptions]]:
    return dict.fromkeys(get_args(EnergyMode), EnergyStageOptions)


def _filled(kind: str) -> Mapping[str, JsonValue]:
    return {"mode": kind}


PLUGIN = Stage(_STAGE, "How much moves, step by step.", "velocity_step", _kinds, _filled)
