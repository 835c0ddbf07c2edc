"""Episodes whose rows are arrays of HDF5: what all of them have is a column, and what does not fit is named once.

A data set has the columns that its episodes share. Where some lack one (it is not there, cannot be read, is of another
length or type), the smaller loss is taken: a column that half of the episodes or more lack is left out, and else the
episodes that lack it are.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.errors import Problem, SchemaError, listed, spans_told
from lapsdata.schema import Camera, Feature, Size
from lapsdata.schema.base import Parent
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.containers import Episodes
    from lapsdata.storage.hdf5_columns import Column

__all__ = ["Attempt", "SharedColumns", "episode_names", "shared_columns", "structure", "told_rate"]

_TEXTS = ("fixed-string", "variable-string")
_FAULTS = {
    "unlike-length": "as many rows in every dataset as its episode has",
    "empty-rows": "at least one number in a row",
    "unsupported-type": "numbers, or a text per row",
    "unlike-datasets": "one type and one shape of a row in all episodes",
    "wrong-name": "names of datasets that a header can hold",
    "unreadable-dataset": "datasets that can be read",
    "missing-dataset": "each dataset in every episode",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One group of arrays.

    Parameters
    ----------
    number : int
        Of the episode.
    file : str
        Relative to the folder of the data set.
    group : str
        Path of the group in the file.
    rows : int
        Rows that its columns should have.
    columns : dict of Column
        By path in the group.
    """

    number: int
    file: str
    group: str
    rows: int
    columns: dict[str, Column]


class SharedColumns(NamedTuple):
    """The columns of a data set, and the episodes that have them all.

    Parameters
    ----------
    features : tuple of Feature
    cameras : tuple of Camera
    attempts : tuple of Attempt
    notes : tuple of Problem
    """

    features: tuple[Feature, ...]
    cameras: tuple[Camera, ...]
    attempts: tuple[Attempt, ...]
    notes: tuple[Problem, ...]


class _Fault(NamedTuple):
    code: str
    number: int
    name: str
    told: str


def shared_columns(where: str, attempts: Sequence[Attempt], images: str | None = None) -> SharedColumns:
    """Return what episodes share; see the head of this module.

    Parameters
    ----------
    where : str
        Place, for the messages.
    attempts : sequence of Attempt
        At least one.
    images : str, optional
        Beginning of the paths of cameras, which may be stored as bytes of image files there; without it, arrays of
        pixels are cameras wherever they are, and no others.

    Raises
    ------
    SchemaError
        No column that half of the episodes have.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.storage.hdf5_columns import Column
    >>> wide, odd = Column((4, 3), "float", np.dtype("f4")), Column((5,), "float", np.dtype("f4"))
    >>> told = shared_columns("demo.hdf5", [Attempt(0, "demo.hdf5", "data/demo_0", 4, {"actions": wide, "x": odd})])
    >>> told.features[0].name, told.notes[0].code
    ('actions', 'unlike-length')
    """
    faults: list[_Fault] = []
    found: dict[str, dict[int, Feature | Camera]] = defaultdict(dict)
    for attempt in attempts:
        for name, column in attempt.columns.items():
            try:
                kind = _kind(attempt, name, column, images)
            except SchemaError as error:
                kind = _Fault("wrong-name", attempt.number, name, error.problems[0].message)
            if isinstance(kind, _Fault):
                faults.append(kind)
                found.setdefault(name, {})
            else:
                found[name][attempt.number] = kind
    usual = {name: Counter(kinds.values()).most_common(1)[0][0] for name, kinds in found.items() if kinds}
    faults += _unlike(attempts, found, usual)
    lacking: dict[str, set[int]] = defaultdict(set)
    for fault in faults:
        lacking[fault.name].add(fault.number)
    gone = {name for name in found if name not in usual or 2 * len(lacking[name]) >= len(attempts)}
    out = set[int]().union(*(lacking[name] for name in found if name not in gone))
    if 2 * len(out) >= len(attempts):
        # Each column is missing in few episodes, and few episodes have them all.
        gone, out = {name for name in found if lacking[name]}, set()
    kept = [usual[name] for name in sorted(found) if name not in gone]
    notes = [*_told(where, faults), *_losses(where, gone, out, len(attempts))]
    if not kept:
        message = f"expected a dataset that half of {len(attempts)} episodes share, got none"
        raise SchemaError(Problem("no-columns", where, message), *notes)
    return SharedColumns(
        tuple(one for one in kept if isinstance(one, Feature)),
        tuple(one for one in kept if isinstance(one, Camera)),
        tuple(one for one in attempts if one.number not in out),
        tuple(notes),
    )


def told_rate(
    where: str, told: FrameRate | float | str | None, found: tuple[FrameRate, str] | None, why: str
) -> tuple[FrameRate, str, tuple[Problem, ...]]:
    """Return the rows per second, how they are known, and what contradicts them.

    Parameters
    ----------
    where : str
        Place, for the messages.
    told : FrameRate, number or str, optional
        What was said beside the file: it counts.
    found : (FrameRate, str), optional
        What the file says, and where.
    why : str
        Why it cannot be known where neither says it.

    Raises
    ------
    SchemaError
        Neither says it (`no-times`), or what was told is no rate.

    Examples
    --------
    >>> told_rate("demo.hdf5", 20, None, "")[1]
    'told'
    """
    if told is None and found is None:
        message = f"expected rows per second, got none: {why}"
        fix = "give --rate (rate= in Python), which its recorder or simulation ran at"
        raise SchemaError(Problem("no-times", where, message, fix))
    if told is None and found is not None:
        return *found, ()
    rate = FrameRate.parse(told)  # type: ignore[arg-type]  # one of both is told
    if found is None or found[0] == rate:
        return rate, "told", ()
    message = f"{found[1]} says {found[0]} per second, and {rate} was told: what was told counts"
    return rate, "told", (Problem("rate-contradiction", where, message, "leave --rate out", "warning"),)


def episode_names(episodes: Episodes) -> list[str]:
    """Return what each episode is called where it lies: by its group, or its file where it is the whole of one.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_episodes
    >>> episode_names(sample_episodes())
    ['file-000', 'file-000', 'file-001']
    """
    groups = episodes.groups or ("",) * len(episodes)
    files = [PurePosixPath(episodes.files[index]).stem for index in episodes.file_index.tolist()]
    return [group.strip("/").rpartition("/")[2] or file for group, file in zip(groups, files, strict=True)]


def structure(role: str, path: Path, attempts: Sequence[Attempt]) -> Parent:
    """Return what episodes were made from: the digest is of places, types and shapes, not of all the values.

    Examples
    --------
    >>> from pathlib import Path
    >>> structure("robomimic", Path("set/demo.hdf5"), []).name
    'demo.hdf5'
    """
    told = [
        [one.number, one.file, one.group, one.rows, [[name, str(column)] for name, column in one.columns.items()]]
        for one in attempts
    ]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    return Parent(role=f"structure-of-{role}", name=path.resolve().name, digest=f"sha256:{digest}")


def _kind(attempt: Attempt, name: str, column: Column, images: str | None) -> Feature | Camera | _Fault:
    """Return what a dataset is, or what is wrong with it."""
    shape, dtype = column.shape, column.dtype
    if column.problem is not None:
        told = f"{column.problem.message} [{column.problem.code}]"
        return _Fault("unreadable-dataset", attempt.number, name, told)
    if not shape or shape[0] != attempt.rows:
        told = f"{shape[0] if shape else 'a single value'} of {attempt.rows}"
        return _Fault("unlike-length", attempt.number, name, told)
    if 0 in shape:
        return _Fault("empty-rows", attempt.number, name, str(shape))
    pixels = dtype == "uint8" and len(shape) == 4 and shape[3] == 3
    if pixels and (images is None or name.startswith(images)):
        return Camera(name=name, stored="pixels", size=Size(width=shape[2], height=shape[1]))
    # Bytes of one length, filled up with zeros, or of their own.
    as_bytes = (dtype == "uint8" and len(shape) == 2) or column.type_class in (*_TEXTS, "variable-length")
    if images is not None and as_bytes and name.startswith(images):
        return Camera(name=name, stored="encoded")
    if column.type_class in _TEXTS and len(shape) == 1:
        return Feature(name=name, dtype="text", shape=())
    if dtype is None or dtype.kind not in "biuf" or (dtype.kind == "f" and dtype.itemsize > 8):
        return _Fault("unsupported-type", attempt.number, name, f"{column.type_class} {shape}")
    return Feature(name=name, dtype=dtype.name, shape=shape[1:])


def _unlike(
    attempts: Sequence[Attempt], found: dict[str, dict[int, Feature | Camera]], usual: dict[str, Feature | Camera]
) -> list[_Fault]:
    """Return where a dataset is missing, or is of another kind than in most episodes."""
    faults = []
    for attempt in attempts:
        for name, kind in usual.items():
            got = found[name].get(attempt.number)
            if got is None and name not in attempt.columns:
                faults.append(_Fault("missing-dataset", attempt.number, name, "none"))
            elif got is not None and got != kind:
                faults.append(_Fault("unlike-datasets", attempt.number, name, _spelled(got)))
    return faults


def _spelled(kind: Feature | Camera) -> str:
    if isinstance(kind, Feature):
        return f"{kind.dtype} {kind.shape}"
    return f"{kind.stored} {kind.size.width}x{kind.size.height}" if kind.size else kind.stored


def _told(where: str, faults: Sequence[_Fault]) -> list[Problem]:
    """Return one problem for each kind of fault, however many datasets and episodes have it."""
    notes = []
    for code in dict.fromkeys(fault.code for fault in faults):
        same = [fault for fault in faults if fault.code == code]
        # By dataset: what was found in the first episode that is at fault, and in which others.
        by_name: dict[str, list[_Fault]] = defaultdict(list)
        for fault in same:
            by_name[fault.name].append(fault)
        named = [
            f"{name!r} ({ones[0].told}) in {spans_told(one.number for one in ones)}" for name, ones in by_name.items()
        ]
        more = f" and {len(named) - 3} more datasets" if len(named) > 3 else ""
        message = f"expected {_FAULTS[code]}, got {'; '.join(named[:3])}{more}"
        notes.append(Problem(code, where, message, None, "warning"))
    return notes


def _losses(where: str, gone: set[str], out: set[int], count: int) -> list[Problem]:
    notes = []
    if gone:
        message = f"{listed(sorted(gone))} are left out: not each of {count} episodes has them"
        notes.append(Problem("columns-left-out", where, message, "record them again, or go on without them", "warning"))
    if out:
        message = f"{len(out)} of {count} episodes are left out, which lack what most have: {spans_told(out)}"
        fix = "record them again, or go on without them"
        notes.append(Problem("episodes-left-out", where, message, fix, "warning"))
    return notes
