"""Energies of LAPS (arXiv 2511.21428): JSON lines `{window, energy, source, mode}`, one file per video.

They are called `stream_energy_<source>_<mode>.jsonl` in a folder per video, which gives it its name, or `energy_split1`
and the like, without an ending; a folder of such folders is read as one container.

A row has no time. Its number counts windows, and neither the frames per second that windows were cut at nor the frames
from one to the next are in the file: 10 per second were meant, and 7.5, 12.5 or the video's own were run. So both are
asked for. What else has gone wrong when such files were made is looked for, and told: windows that were dropped (fewer
rows than the video is long), a second run appended to the first, and 0.0 written for windows that a gate had dropped.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lapsdata.adapters._adapter import Adapted
from lapsdata.containers.energies import ENERGY_STATES, Energies
from lapsdata.errors import Problem, Problems, SchemaError, listed, whole_number
from lapsdata.provenance import parent, provenance
from lapsdata.schema.energies import EnergiesHeader
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["read_energies", "recognises_energies"]

_KEYS = {"window", "energy", "source", "mode"}
_NAMES = ("stream_energy*.jsonl", "energy_split*")
_MEASURED, _GATED, _MISSING = (ENERGY_STATES.index(state) for state in ("measured", "gated", "missing"))
# A first row is far shorter: what is longer is none of theirs.
_LONGEST_ROW = 4096
_FIX = "give --rate and --stride as it was run: 10 and 4 by its configuration, if the frames really were 10 per second"


class _Series(NamedTuple):
    """The rows of one file."""

    video: str
    window: NDArray[np.int64]
    energy: NDArray[np.float64]
    measure: tuple[str, str]


def read_energies(
    path: Path,
    *,
    rate: FrameRate | float | str | None = None,
    stride: int | None = None,
    horizon: int | None = None,
    duration_s: float | None = None,
    zeros: Literal["measured", "gated"] = "measured",
) -> Adapted:
    """Read energies of LAPS, of one video or of a folder of videos.

    Parameters
    ----------
    path : Path
        A file, or a folder with one such file per video in it, or in the folders in it.
    rate : FrameRate, number or str
        Frames per second that the windows were cut at.
    stride : int
        Frames from one window to the next: the hop is stride / rate.
    horizon : int, optional
        Frames of a window; 15 by default, as LAPS has it when it infers.
    duration_s : float, optional, seconds
        How long the video is: the number of rows is compared with it. Of a single video only.
    zeros : {"measured", "gated"}
        What an energy of exactly 0.0 is: LAPS writes it for windows that a gate has dropped, and a video that stands
        still has it too. Counted either way.

    Returns
    -------
    Adapted
        `Energies` per window. A window ends at the time of its last frame.

    Raises
    ------
    SchemaError
        No rate or stride (`no-times`); rows that are none, fall back, or measure different things; a video twice.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "S1_Tea_C1"
    >>> folder.mkdir()
    >>> file = folder / "stream_energy_quantized_l2_mean.jsonl"
    >>> _ = file.write_text('{"window": 0, "energy": 1.5, "source": "quantized", "mode": "l2_mean"}')
    >>> energies = read_energies(file, rate=10, stride=4).container
    >>> energies.header.videos, energies.header.hop_s
    (('S1_Tea_C1',), 0.4)
    """
    files = _files(existing(path))
    per_s, hop, frames = _told(path, rate, stride, horizon)
    problems = Problems()
    series = [_series(file, problems) for file in files]
    _refuse_unlike(path, series, problems)
    problems.raise_as(SchemaError)
    state = [_states(one, zeros) for one in series]
    notes, policies = _counted(path, series, state, zeros)
    notes += _length_notes(path, series, duration_s, per_s.hz, hop, frames)
    hop_s, support_s = hop / per_s.hz, (frames - 1) / per_s.hz
    told: dict[str, JsonValue] = {"rate": str(per_s), "stride": hop, "horizon": frames, "zeros": zeros}
    header = EnergiesHeader(
        provenance=provenance(parameters=told, parents=[parent("energies", file) for file in files]),
        policies=policies,
        per="window",
        source=series[0].measure[0],
        mode=series[0].measure[1],
        support_s=support_s,
        hop_s=hop_s,
        videos=tuple(one.video for one in series),
    )
    window, states = np.concatenate([one.window for one in series]), np.concatenate(state)
    energies = Energies(
        header,
        np.repeat(np.arange(len(series)), [len(one.window) for one in series]),
        window,
        window * hop_s,
        window * hop_s + support_s,
        np.where(states == _MEASURED, np.concatenate([one.energy for one in series]), np.nan),
        states,
    )
    return Adapted(energies, tuple(notes))


def recognises_energies(path: Path) -> bool:
    """Say whether it is a file whose first line is a row of theirs, or a folder that has files of their names."""
    if path.is_dir():
        return bool(_named_so(path))
    with storage_errors(path, "open"), path.open("rb") as file:
        row = _row(file.readline(_LONGEST_ROW))
    return row is not None


def _named_so(folder: Path) -> list[Path]:
    """Return the files of both names in a folder, or in the folders in it; what a folder is called does not count."""
    with storage_errors(folder, "list"):
        inside = [folder, *sorted(one for one in folder.iterdir() if one.is_dir())]
        found = [file for place in inside for name in _NAMES for file in sorted(place.glob(name)) if file.is_file()]
    # One of the two names may be a link to the other.
    return list({file.resolve(): file for file in reversed(found)}.values())[::-1]


def _files(path: Path) -> list[Path]:
    found = _named_so(path) if path.is_dir() else [path]
    if not found:
        message = f"expected files {' or '.join(_NAMES)}, or folders of them, got none"
        raise SchemaError(Problem("no-files", str(path), message, "name a file"))
    return found


def _told(
    path: Path, rate: FrameRate | float | str | None, stride: int | None, horizon: int | None
) -> tuple[FrameRate, int, int]:
    if rate is None or stride is None:
        missing = " and ".join(
            name for name, value in (("frames per second", rate), ("frames from window to window", stride)) if not value
        )
        message = f"expected {missing}, got none: a row has the number of its window and no time, and says of neither"
        raise SchemaError(Problem("no-times", str(path), message, _FIX))
    frames = 15 if horizon is None else horizon
    for name, value, least in (("stride", stride, 1), ("horizon", frames, 2)):
        if (whole_number(value) or 0) < least:
            raise SchemaError(Problem("wrong-window", name, f"expected an integer of at least {least}, got {value!r}"))
    return FrameRate.parse(rate), stride, frames


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.keys() >= _KEYS else None


def _series(file: Path, problems: Problems) -> _Series:
    """Read one file; whatever is wrong with a row is noted with its line."""
    with storage_errors(file, "read"):
        lines = file.read_bytes().splitlines()
    window, energy, measures = list[int](), list[float](), dict[tuple[str, str], int]()
    for number, line in enumerate(lines, 1):
        where = f"{file}: line {number}"
        row = _row(line)
        if row is None:
            fix = "it was cut: remove the line, if the run was stopped" if number == len(lines) else None
            problems.add("wrong-row", where, f"expected JSON with {', '.join(sorted(_KEYS))}, got other text", fix)
            continue
        value = math.nan if row["energy"] is None else row["energy"]
        index = whole_number(row["window"])
        if index is None or index < 0 or isinstance(value, bool) or not isinstance(value, int | float):
            message = f"expected a window from 0 and a number, got {row['window']!r} and {row['energy']!r}"
            problems.add("wrong-row", where, message)
            continue
        if window and index <= window[-1]:
            message = f"expected windows that rise, got {index} after {window[-1]}"
            problems.add("non-monotone-window", where, message, "a second run was appended: keep the rows of one")
        window.append(index)
        energy.append(float(value))
        measures.setdefault((str(row["source"]), str(row["mode"])), number)
    if len(measures) > 1:
        told = ", ".join(f"{source} {mode} (line {number})" for (source, mode), number in measures.items())
        problems.add("unlike-energies", str(file), f"expected one source and mode, got {told}")
    if not lines:
        problems.add("empty-file", str(file), "expected rows, got none")
    measure = next(iter(measures), ("unknown", "unknown"))
    return _Series(_video(file), np.array(window, np.int64), np.array(energy, np.float64), measure)


def _video(file: Path) -> str:
    """Return the name of the video: that of the folder, where the file has one of their names."""
    return file.absolute().parent.name if any(file.match(name) for name in _NAMES) else file.stem


def _refuse_unlike(path: Path, series: list[_Series], problems: Problems) -> None:
    measures = sorted({" ".join(one.measure) for one in series})
    if len(measures) > 1:
        message = f"expected one source and mode, got {', '.join(measures)}"
        problems.add("unlike-energies", str(path), message, "name the files of one of them, one by one")
    names = [one.video for one in series]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"expected each video once, got {listed(twice)} more than once"
        problems.add("doubled-video", str(path), message, "name the files that are meant, one by one")


def _states(one: _Series, zeros: str) -> NDArray[np.uint8]:
    state = np.where(np.isfinite(one.energy), _MEASURED, _MISSING).astype(np.uint8)
    if zeros == "gated":
        state[one.energy == 0] = _GATED
    return state


def _counted(
    path: Path, series: list[_Series], state: list[NDArray[np.uint8]], zeros: str
) -> tuple[list[Problem], dict[str, int]]:
    """Count what a row cannot tell apart, has no value for, or does not speak of."""
    zero = sum(int((one.energy == 0).sum()) for one in series)
    missing = sum(int((one == _MISSING).sum()) for one in state)
    absent = sum(int(one.window[-1]) + 1 - len(one.window) for one in series)
    rows, where, notes = sum(len(one) for one in state), str(path), []
    if zero:
        message = (
            f"{zero} of {rows} energies are 0.0, as LAPS writes it for windows that a gate has dropped: "
            f"taken for {zeros}"
        )
        other = "measured" if zeros == "gated" else "gated"
        notes.append(Problem("zero-energies", where, message, f"--zeros {other} takes them for {other}", "warning"))
    if missing:
        message = f"{missing} of {rows} rows have no energy: missing"
        notes.append(Problem("missing-energies", where, message, None, "warning"))
    if absent:
        message = f"{absent} windows have no row: numbers are left out"
        notes.append(Problem("windows-left-out", where, message, "they are gaps in time", "warning"))
    return notes, {"zero_energies": zero, "rows_without_energy": missing, "windows_without_row": absent}


def _length_notes(
    path: Path, series: list[_Series], duration_s: float | None, hz: float, stride: int, horizon: int
) -> list[Problem]:
    """Compare the number of rows with the length of the video."""
    if duration_s is None:
        message = "the numbers of rows were compared with no length: windows that were dropped at the end do not show"
        return [Problem("length-unknown", str(path), message, "give --duration, in seconds", "info")]
    if len(series) > 1:
        message = f"expected no length beside {len(series)} videos, got {duration_s:g} s"
        raise SchemaError(Problem("wrong-option", "duration_s", message, "name the file of one video"))
    # A video ends within a frame: whether that one was still counted is not known.
    fewest, wanted = (max(0, (int(end(duration_s * hz)) - horizon) // stride + 1) for end in (math.floor, math.ceil))
    got = len(series[0].window)
    if fewest <= got <= wanted:
        return []
    span_s = got * stride / hz
    message = (
        f"expected {wanted} windows of {duration_s:g} s at {hz:g} frames per second and a stride of {stride}, got "
        f"{got} rows, which last {span_s:.1f} s: windows were dropped, or rate or stride are others"
    )
    fix = "their times cannot be trusted; measure again with `lapsdata energies`"
    return [Problem("rows-do-not-fit", str(path), message, fix, "warning")]
