"""Demonstrations as episodes: what they share, how long they are, and how fast they were recorded."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters._adapter import Adapted
from lapsdata.adapters._hdf5_episodes import Attempt, shared_columns, structure, told_rate
from lapsdata.adapters.robomimic.file import read_file
from lapsdata.containers import Episodes
from lapsdata.errors import Problem, SchemaError, spans_told
from lapsdata.provenance import provenance
from lapsdata.schema import EpisodesHeader, Task
from lapsdata.schema.episodes import IS_NULL
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.adapters.robomimic.file import Demo, DemoFile
    from lapsdata.schema import Feature

__all__ = ["rate_of", "read"]

_START = "initial_state/"
_WHY = "the layout has no times, and env_args names neither control_freq nor dt and decimation of a simulation"
# The period of a simulation is a short decimal, or one over a whole number.
_LARGEST_TERM = 100_000


def read(path: Path, *, rate: FrameRate | float | str | None = None, strict: bool = False) -> Adapted:
    """Read what a file says of its demonstrations; of their arrays the types and shapes, not the values.

    Parameters
    ----------
    path : Path
    rate : FrameRate, number or str, optional
        Rows per second, where `env_args` does not say them.
    strict : bool
        Whether all that is wrong is an error, and not a note.

    Returns
    -------
    Adapted
        Episodes have the numbers of their demonstrations, features the paths of their datasets (`obs/eef_pos`). Arrays
        of pixels, uint8 (N, H, W, 3), are cameras. `initial_state/` is no column. A dataset `<name>_is_null` of truth
        values beside another is no column either: it says which rows of that have no value. `extras` of the header hold
        `env_args`, `mask` (names of demonstrations by the name of the list), `data` (its other attributes) and
        `attributes` (of the demonstrations, by their names).

    Raises
    ------
    SchemaError
        No demonstration with rows, no rate (`no-times`); with `strict` whatever would else be a note of severity
        "warning".
    UnknownFormatError, CorruptDataError, StorageError
        The file cannot be read at all; one dataset that cannot is noted and left out.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.hdf5"
    >>> with h5py.File(path, "w") as file:
    ...     file["data/demo_0/actions"] = np.zeros((5, 7))
    ...     file["data/demo_0"].attrs["num_samples"] = 5
    >>> episodes = read(path, rate=20).container
    >>> episodes.rows.tolist(), [one.name for one in episodes.header.features]
    ([5], ['actions'])
    """
    told = read_file(path)
    per_s, origin, contradiction = told_rate(str(path), rate, rate_of(told.attributes.get("env_args")), _WHY)
    attempts, lengths = _attempts(path, told.demos)
    shared = shared_columns(f"{path}: data", attempts)
    notes = [*told.notes, *contradiction, *_gaps(path, told), *lengths, *_total(path, told, attempts), *shared.notes]
    wrong = [note for note in notes if note.severity != "info"]
    if strict and wrong:
        raise SchemaError(*wrong)
    kept = {one.number for one in shared.attempts}
    words = [_words(told, demo) for demo in told.demos if demo.number in kept]
    tasks = {text: number for number, text in enumerate(dict.fromkeys(text for text in words if text))}
    episodes = Episodes(
        EpisodesHeader(
            provenance=provenance(parameters={"rate": str(per_s)}, parents=[structure("robomimic", path, attempts)]),
            rate=per_s,
            robot=_robot(told),
            store="hdf5",
            features=_with_nulls(shared.features),
            cameras=shared.cameras,
            tasks=tuple(Task(number=number, words=text) for text, number in tasks.items()),
            extras=_extras(told, kept),
        ),
        number=np.array([one.number for one in shared.attempts], np.int64),
        rows=np.array([one.rows for one in shared.attempts], np.int64),
        files=(path.name,),
        file_index=np.zeros(len(kept), np.int64),
        first_row=np.zeros(len(kept), np.int64),
        groups=tuple(one.group for one in shared.attempts),
        task_number=np.array([tasks[text] for text in words if text], np.int64),
        task_stop=np.cumsum([bool(text) for text in words], dtype=np.int64),
    )
    return Adapted(episodes, tuple(notes), rate=per_s, rate_origin=origin)


def _with_nulls(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Return columns without those that say which rows of another have no value."""
    names = {one.name for one in features}
    truths = {one.name for one in features if (one.dtype, one.shape) == ("bool", ())}
    masked = {name for name in names if f"{name}{IS_NULL}" in truths}
    masks = {f"{name}{IS_NULL}" for name in masked}
    return tuple(
        one.model_copy(update={"nullable": True}) if one.name in masked else one
        for one in features
        if one.name not in masks
    )


def _attempts(path: Path, demos: Sequence[Demo]) -> tuple[list[Attempt], list[Problem]]:
    """Return demonstrations with their numbers of rows, and what is to be said of these."""
    attempts, starts = [], set[str]()
    untold: list[int] = []
    wrong: list[int] = []
    empty: list[int] = []
    for demo in demos:
        starts |= {name for name in demo.columns if name.startswith(_START)}
        columns = {name: column for name, column in demo.columns.items() if not name.startswith(_START)}
        lengths = Counter(column.shape[0] for column in columns.values() if column.shape and column.shape[0])
        if not lengths:
            empty.append(demo.number)
            continue
        actions = columns["actions"].shape if "actions" in columns else ()
        rows = demo.told_rows
        if rows is None or rows not in lengths:
            (untold if rows is None else wrong).append(demo.number)
            rows = actions[0] if actions and actions[0] else lengths.most_common(1)[0][0]
        attempts.append(Attempt(demo.number, path.name, f"data/{demo.name}", rows, columns))
    where = f"{path}: data"
    notes = []
    for code, numbers, message, fix in (
        ("empty-episodes", empty, "expected datasets with rows, got none in demo_: {}; left out", None),
        ("no-num-samples", untold, "expected num_samples, got none in demo_: {}; as long as actions", "write it"),
        (
            "wrong-num-samples",
            wrong,
            "no dataset is as long as num_samples says in demo_: {}; as long as actions",
            "correct it",
        ),
    ):
        if numbers:
            notes.append(Problem(code, where, message.format(spans_told(numbers)), fix, "warning"))
    if starts:
        message = f"{len(starts)} datasets of {_START} tell where a demonstration begins and have no rows: left out"
        notes.append(Problem("initial-state", where, message, None, "info"))
    if not attempts:
        raise SchemaError(*(note for note in notes if note.code == "empty-episodes"))
    return attempts, notes


def _gaps(path: Path, told: DemoFile) -> list[Problem]:
    numbers = {demo.number for demo in told.demos}
    absent = [number for number in range(max(numbers)) if number not in numbers] if max(numbers) < 10**6 else []
    if not absent:
        return []
    message = f"{len(numbers)} demonstrations up to demo_{max(numbers)}: the numbers {spans_told(absent)} are not there"
    return [Problem("number-gaps", f"{path}: data", message, None, "info")]


def _total(path: Path, told: DemoFile, attempts: Sequence[Attempt]) -> list[Problem]:
    """Compare the total with the demonstrations of the file, those that are left out too."""
    total, rows = told.attributes.get("total"), sum(one.rows for one in attempts)
    if total is None or total == rows:
        return []
    message = f"expected {rows}, the steps of {len(attempts)} demonstrations, got {total}"
    return [Problem("wrong-total", f"{path}: data: attribute 'total'", message, f"write {rows}", "warning")]


def rate_of(env_args: JsonValue) -> tuple[FrameRate, str] | None:
    """Return the rows per second that a simulation was told, and where that stands; None where it is not told."""
    if not isinstance(env_args, dict):
        return None
    for place in (env_args, env_args.get("env_kwargs"), env_args.get("sim_args")):
        if not isinstance(place, dict):
            continue
        try:
            if (frequency := place.get("control_freq")) is not None:
                return FrameRate.parse(frequency), "control_freq of env_args"  # type: ignore[arg-type]  # it judges anything
            dt, decimation = place.get("dt"), place.get("decimation")
            if isinstance(dt, int | float) and dt > 0 and isinstance(decimation, int) and decimation > 0:
                period = Fraction(dt).limit_denominator(_LARGEST_TERM)
                if float(period) == dt:
                    return FrameRate.parse(1 / (period * decimation)), "dt and decimation of env_args"
        except SchemaError:
            continue
    return None


def _robot(told: DemoFile) -> str | None:
    env_args = told.attributes.get("env_args")
    arguments = env_args.get("env_kwargs") if isinstance(env_args, dict) else None
    robots = arguments.get("robots") if isinstance(arguments, dict) else None
    names = robots if isinstance(robots, list) else [robots]
    return ", ".join(str(name) for name in names) if robots else None


def _words(told: DemoFile, demo: Demo) -> str:
    """Return what was to be done: by RoboCasa for a demonstration, by LIBERO for the file; "" where it is not told."""
    for place, key in (
        (demo.attributes.get("ep_meta"), "lang"),
        (told.attributes.get("problem_info"), "language_instruction"),
    ):
        if isinstance(place, dict) and isinstance(words := place.get(key), str | list):
            return words if isinstance(words, str) else "".join(map(str, words))
    return ""


def _extras(told: DemoFile, kept: set[int]) -> dict[str, JsonValue]:
    attributes: dict[str, JsonValue] = {
        demo.name: dict(demo.attributes) for demo in told.demos if demo.number in kept and demo.attributes
    }
    others: dict[str, JsonValue] = {name: value for name, value in told.attributes.items() if name != "env_args"}
    masks: dict[str, JsonValue] = {name: list(names) for name, names in told.masks.items()}
    parts = {"env_args": told.attributes.get("env_args"), "data": others, "mask": masks, "attributes": attributes}
    return {name: part for name, part in parts.items() if part}
