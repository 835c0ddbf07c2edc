"""An HDF5 file below the level of dtypes, row by row: one unreadable dataset never hides the others.

Told are type class, size, byte order, filters, and the rung of the reading ladder that serves each dataset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lapsdata.errors import LapsError, Problem, shown
from lapsdata.storage.hdf5_file import DatasetInfo, Hdf5File
from lapsdata.storage.sealed_hdf5 import HEADER_PATH

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["LowLevelReport", "LowLevelRow", "PickedItem", "inspect_low_level", "render_low_level"]

_SHOWN: Final = 4
_LONGEST: Final = 40
_COLUMNS: Final = ("dataset", "shape", "type", "filters", "layout", "rung")
# An item larger than this is not looked at; its values are summed up in blocks of so many.
_LARGEST: Final = 1 << 28
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PickedItem:
    """A look at one item (an index of the first axis) of a dataset.

    Parameters
    ----------
    first : tuple
        Its first values, in C order.
    minimum, maximum, mean : float or None
        Over the values that are not NaN, as float64; None where there are none, or no numbers.
    nans : int
        How many values are NaN.
    """

    first: tuple[Any, ...]
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    nans: int = 0


@dataclass(frozen=True, slots=True)
class LowLevelRow:
    """One dataset: how it is stored, and the picked item or why it cannot be read."""

    info: DatasetInfo
    item: PickedItem | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class LowLevelReport:
    """All datasets of one file, by path.

    Parameters
    ----------
    path : Path
    pick : int or None
        Index on the first axis that was read of each dataset.
    rows : tuple of LowLevelRow
    ours : bool
        Whether the file holds a header of this library, and so checksums that were not compared here.
    """

    path: Path
    pick: int | None
    rows: tuple[LowLevelRow, ...]
    ours: bool = False

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be read, one problem per dataset at most."""
        return tuple(row.problem for row in self.rows if row.problem is not None)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What holds for the file as a whole: how far the look went, in sentences."""
        said = []
        if not self.rows:
            said.append("no datasets")
        if any(row.info.rung for row in self.rows):
            said.append("rung: what reads the first value of a dataset; no other value was read, but for a picked item")
        if self.pick is not None and self.rows and not any(row.item for row in self.rows):
            said.append(f"item {self.pick} was shown of no dataset")
        if self.ours:
            said.append("unverified: the checksums of this file were not compared; `lapsdata inspect FILE` does that")
        return tuple(said)

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dictionary; NaN and infinities are their names."""
        datasets = [_row_json(row) for row in self.rows]
        return {"path": str(self.path), "pick": self.pick, "datasets": datasets, "remarks": list(self.remarks)}


def inspect_low_level(path: str | PathLike[str], pick: int | None = None) -> LowLevelReport:
    """Describe every dataset of an HDF5 file, and look at item `pick` of each.

    Raises
    ------
    StorageError, UnknownFormatError, CorruptDataError
        The file as a whole cannot be opened; a fault of one dataset is in its row.

    Examples
    --------
    >>> import h5py, tempfile
    >>> place = Path(tempfile.mkdtemp()) / "clip.h5"
    >>> with h5py.File(place, "w") as file:
    ...     file["root/default/vis"] = np.ones((3, 2), "f4")
    >>> print(render_low_level(inspect_low_level(place, pick=1)))
    dataset            shape   type             filters  layout      rung
    /root/default/vis  (3, 2)  float 4B little  -        contiguous  h5py
        item 1: min 1, max 1, mean 1, NaN 0, first 1 1
    rung: what reads the first value of a dataset; no other value was read, but for a picked item
    """
    with Hdf5File(path) as file:
        rows = tuple(_row(file, name, pick) for name in file.datasets())
    return LowLevelReport(Path(path), pick, rows, any(row.info.path == f"/{HEADER_PATH}" for row in rows))


def render_low_level(report: LowLevelReport) -> str:
    """Return the report as an aligned table; below a row stands what is to be said of it, at the end of the file."""
    if not report.rows:
        return "\n".join(report.remarks)
    cells = [_COLUMNS, *(_cells(row.info) for row in report.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_COLUMNS))]
    table = ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines = table[:1]
    for line, row in zip(table[1:], report.rows, strict=True):
        lines.append(line)
        if row.info.unwritten_chunks:
            lines.append(f"    {_unwritten(row.info)}: fill value")
        if row.item is not None:
            lines.append(f"    {f'item {report.pick}' if row.info.shape else 'value'}: {_item_text(row.item)}")
        if row.problem is not None:
            lines.append(f"    {row.problem.severity}: {row.problem}")
    return "\n".join([*lines, *report.remarks])


def _unwritten(info: DatasetInfo) -> str:
    if info.layout == "contiguous":
        return "never written"
    return f"{info.unwritten_chunks} of {info.chunks} chunks never written"


def _row(file: Hdf5File, name: str, pick: int | None) -> LowLevelRow:
    info = file.describe(name)
    if info.problem is not None or pick is None:
        return LowLevelRow(info, problem=info.problem)
    length = info.shape[0] if info.shape else 0
    if info.shape and not 0 <= pick < length:
        message = f"expected an item below {length}, got {pick}"
        return LowLevelRow(info, problem=Problem("no-such-item", info.path, message, severity="info"))
    size = math.prod(info.shape[1:] if info.shape else ()) * info.size
    if size > _LARGEST:
        message = f"an item of {size / 2**20:,.0f} MiB is more than {_LARGEST >> 20} MiB: not looked at"
        return LowLevelRow(info, problem=Problem("item-too-large", info.path, message, severity="info"))
    try:
        # A scalar is its own only item.
        return LowLevelRow(info, _looked_at(file.read(name, slice(pick, pick + 1) if info.shape else None)))
    except LapsError as error:
        return LowLevelRow(info, problem=error.problems[0])
    except MemoryError:
        message = f"expected memory for an item of {size / 2**20:,.0f} MiB, got none"
        return LowLevelRow(info, problem=Problem("out-of-memory", info.path, message))


def _looked_at(values: np.ndarray[Any, np.dtype[Any]]) -> PickedItem:
    first = tuple(_plain(value) for value in values.ravel()[:_SHOWN].tolist())
    if values.dtype.kind not in "biuf" or values.size == 0:
        return PickedItem(first)
    flat = values.ravel()
    low, high, total, count = math.inf, -math.inf, 0.0, 0
    # Both infinities in one item have no mean.
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, flat.size, _BLOCK):
            numbers = flat[start : start + _BLOCK].astype(np.float64)
            known = numbers[~np.isnan(numbers)]
            if known.size:
                low, high = min(low, float(known.min())), max(high, float(known.max()))
                total, count = total + float(known.sum()), count + known.size
    nans = flat.size - count
    return PickedItem(first, low, high, total / count, nans) if count else PickedItem(first, nans=nans)


def _plain(value: object) -> bool | int | float | str:
    if isinstance(value, (bool, int, float)):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cells(info: DatasetInfo) -> tuple[str, ...]:
    order = f" {info.byte_order}" if info.byte_order in ("little", "big", "other") else ""
    return (
        shown(info.path),
        "-" if info.shape is None else str(info.shape),
        f"{info.type_class} {info.size}B{order}" if info.type_class else "-",
        "+".join(f"{shown(step.name) or '?'}({step.id})" for step in info.filters) or "-",
        info.layout or "-",
        info.rung or "-",
    )


def _item_text(item: PickedItem) -> str:
    parts = []
    if item.minimum is not None and item.maximum is not None and item.mean is not None:
        parts.append(f"min {item.minimum:.6g}, max {item.maximum:.6g}, mean {item.mean:.6g}")
    if item.minimum is not None or item.nans:
        parts.append(f"NaN {item.nans}")
    shown = (f"{value:.6g}" if isinstance(value, float) else _shortened(str(value)) for value in item.first)
    parts.append(f"first {' '.join(shown)}")
    return ", ".join(parts)


def _shortened(text: str) -> str:
    cut = shown(text[:_LONGEST])
    return cut if len(text) <= _LONGEST else f"{cut}... ({len(text)} characters)"


def _row_json(row: LowLevelRow) -> dict[str, Any]:
    described = row.info.as_json()
    described["problem"] = row.problem.as_json() if row.problem else None
    if row.item is not None:
        described["item"] = {
            "first": [_json_number(value) for value in row.item.first],
            "min": _json_number(row.item.minimum),
            "max": _json_number(row.item.maximum),
            "mean": _json_number(row.item.mean),
            "nans": row.item.nans,
        }
    return described


def _json_number(value: Any) -> Any:  # noqa: ANN401  any JSON scalar passes
    """Name what JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
