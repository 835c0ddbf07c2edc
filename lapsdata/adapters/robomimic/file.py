"""What a file in robomimic's layout says of itself: demonstrations, attributes, lists of names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters._hdf5_attributes import LONGEST, plain_attributes, plain_value
from lapsdata.errors import LapsError, Problem, SchemaError, listed
from lapsdata.storage.atomic import existing
from lapsdata.storage.hdf5_file import Hdf5File

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.storage.hdf5_columns import Column

__all__ = ["ENDINGS", "Demo", "DemoFile", "read_file", "recognises"]

ENDINGS = (".hdf5", ".h5", ".hdf")
"""What names of such files end with."""
_DEMO = re.compile(r"demo_(\d{1,9})", re.ASCII)


class Demo(NamedTuple):
    """One demonstration.

    Parameters
    ----------
    number : int
    name : str
    told_rows : int or None
        Its `num_samples`.
    columns : dict of Column
    attributes : dict
        All others that are short; JSON is parsed.
    """

    number: int
    name: str
    told_rows: int | None
    columns: dict[str, Column]
    attributes: dict[str, JsonValue]


class DemoFile(NamedTuple):
    """A whole file.

    Parameters
    ----------
    demos : tuple of Demo
        By number, rising.
    attributes : dict
        Those of `data`; JSON is parsed.
    masks : dict of list of str
        Names of demonstrations by name of the list.
    notes : tuple of Problem
    """

    demos: tuple[Demo, ...]
    attributes: dict[str, JsonValue]
    masks: dict[str, list[str]]
    notes: tuple[Problem, ...]


def recognises(path: Path) -> str | None:
    """Return "episodes" for a file of HDF5 with `data/demo_<number>`."""
    if path.suffix not in ENDINGS or not path.is_file():
        return None
    try:
        with Hdf5File(path) as file:
            return "episodes" if any(_DEMO.fullmatch(name) for name in file.members("data")) else None
    except LapsError:
        return None


def read_file(path: Path) -> DemoFile:
    """Read descriptions and attributes, and no array.

    Raises
    ------
    SchemaError
        No demonstration.
    UnknownFormatError, CorruptDataError, StorageError
        The file cannot be read.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> import numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.hdf5"
    >>> with h5py.File(path, "w") as file:
    ...     for number in (10, 2):
    ...         file[f"data/demo_{number}/actions"] = np.zeros((5, 7))
    >>> [demo.name for demo in read_file(path).demos]
    ['demo_2', 'demo_10']
    """
    notes: list[Problem] = []
    with Hdf5File(existing(path)) as file:
        demos = _demos(file, notes)
        attributes, left = plain_attributes(file, "data", None)
        if left:
            message = f"expected numbers or texts as attributes, got others: {listed(left)} are left out"
            notes.append(Problem("unreadable-attribute", f"{path}: data", message, None, "warning"))
        masks = _masks(file, {demo.name for demo in demos}, notes)
    return DemoFile(demos, attributes, masks, tuple(notes))


def _demos(file: Hdf5File, notes: list[Problem]) -> tuple[Demo, ...]:
    where = f"{file.path}: data"
    matches = {name: _DEMO.fullmatch(name) for name in file.members("data")}
    numbers: dict[int, str] = {}
    strangers = [name for name, match in matches.items() if match is None]
    for name, match in matches.items():
        if match is not None and numbers.setdefault(int(match[1]), name) != name:
            strangers.append(name)
    if not numbers:
        message = f"expected groups demo_0, demo_1 ..., got {listed(strangers)}"
        raise SchemaError(Problem("no-episodes", where, message))
    if strangers:
        message = f"expected groups demo_<number>, each number once, got {listed(sorted(strangers))} too: left out"
        notes.append(Problem("unknown-members", where, message, "name them demo_<number>", "warning"))
    demos, long = [], set[str]()
    for number in sorted(numbers):
        group = f"data/{numbers[number]}"
        attributes, left = plain_attributes(file, group, LONGEST)
        long |= set(left)
        told = attributes.pop("num_samples", None)
        rows = told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
        demos.append(Demo(number, numbers[number], rows, file.columns(group), attributes))
    if long:
        message = f"attributes of demonstrations that are no short value are left out: {listed(sorted(long))}"
        notes.append(Problem("attributes-left-out", where, message, None, "info"))
    return tuple(demos)


def _masks(file: Hdf5File, known: set[str], notes: list[Problem]) -> dict[str, list[str]]:
    masks: dict[str, list[str]] = {}
    for name in file.members("mask"):
        where = f"{file.path}: mask/{name}"
        try:
            names = [plain_value(one, None) for one in file.read(f"mask/{name}").reshape(-1).tolist()]
        except (LapsError, ValueError) as error:
            told = error.problems[0].message if isinstance(error, LapsError) else str(error)
            message = f"expected names of demonstrations, got a list that cannot be read ({told}): left out"
            notes.append(Problem("unreadable-mask", where, message, None, "warning"))
            continue
        masks[name] = [str(one) for one in names]
        if strangers := [one for one in masks[name] if one not in known]:
            message = f"expected names of demonstrations, got {listed(strangers)}, which are not there"
            notes.append(Problem("unknown-demo", where, message, "take them out of the list", "warning"))
    return masks
