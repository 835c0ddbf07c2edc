"""Point clouds of OPV2V: PCD as text, with fields x y z and rgb, whose red is how bright a point is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PointCloud", "read_pcd"]

_COPY = "copy or download it again"
_COORDINATES = ("x", "y", "z")


class PointCloud(NamedTuple):
    """Points in the axes of their LiDAR, which are CARLA's: x forward, y right, z up.

    Parameters
    ----------
    points : float64 (N, 3), metre
    intensity : float32 (N,) or None
        From 0 to 1, in steps of 1/255; None where the file has no colours.

    Examples
    --------
    >>> PointCloud(np.zeros((2, 3)), None).points.shape
    (2, 3)
    """

    points: NDArray[np.float64]
    intensity: NDArray[np.float32] | None


def read_pcd(path: Path) -> PointCloud:
    r"""Read a point cloud.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StorageError
        It is not there, or may not be read.
    CorruptDataError
        No such file (`not-pcd`), fields or a coding that OPV2V does not have (`unknown-fields`, `not-ascii`), fewer or
        more points than it says (`truncated`), or a line that is no point (`wrong-row`).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "000069.pcd"
    >>> head = "FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nPOINTS 1\nDATA ascii\n"
    >>> _ = path.write_text(head + "1 2 -0.5 2.341805257e-38\n")
    >>> cloud = read_pcd(path)
    >>> cloud.points.tolist(), cloud.intensity.tolist()
    ([[1.0, 2.0, -0.5]], [1.0])
    """
    with storage_errors(path, "read"):
        data = path.read_bytes()
    header, body = _header(path, data)
    fields, kinds = tuple(header.get("FIELDS", "").split()), header.get("TYPE", "").split()
    if fields not in (_COORDINATES, (*_COORDINATES, "rgb")) or len(kinds) != len(fields):
        message = f"expected fields x y z rgb with a type each, got {' '.join(fields)!r} of types {' '.join(kinds)!r}"
        raise CorruptDataError(Problem("unknown-fields", str(path), message, "write it as Open3D does"))
    if header["DATA"] != "ascii":
        message = f"expected DATA ascii, got {header['DATA']!r}"
        raise CorruptDataError(Problem("not-ascii", str(path), message, "write it as text, as OPV2V does"))
    columns = _columns(path, body, len(fields), header)
    points = np.stack(columns[:3], axis=1)
    return PointCloud(points, _red(columns[3], kinds[3], path) if len(fields) == 4 else None)


def _header(path: Path, data: bytes) -> tuple[dict[str, str], bytes]:
    """Return the lines up to DATA by their first word, and what follows them."""
    header: dict[str, str] = {}
    at = 0
    while at < len(data) and "DATA" not in header and len(header) < 32:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        name, _, told = data[at:end].decode("ascii", "replace").strip().partition(" ")
        if name and not name.startswith("#"):
            header[name] = told.strip()
        at = end + 1
    if "DATA" not in header or not header.get("POINTS", "").isdigit():
        got = "0 bytes" if not data else "something else"
        message = f"expected a header of PCD with POINTS and DATA, got {got}"
        raise CorruptDataError(Problem("not-pcd", str(path), message, _COPY))
    return header, data[at:]


def _columns(path: Path, body: bytes, count: int, header: dict[str, str]) -> list[NDArray[np.float64]]:
    import pyarrow as pa
    from pyarrow import csv

    # Lines of nothing at the end are no points; the end of the last one stays.
    held = body.rstrip()
    body = body[: body.find(b"\n", len(held)) + 1] if held and b"\n" in body[len(held) :] else held
    wanted, lines = int(header["POINTS"]), body.count(b"\n") + (not body.endswith(b"\n") and bool(body))
    if wanted == lines == 0:
        return [np.empty(0)] * count
    if not body.endswith(b"\n") or lines != wanted:
        cut = "" if body.endswith(b"\n") or not body else ", the last of which has no end"
        message = f"expected {wanted} points as it says, got {lines} lines{cut}"
        raise CorruptDataError(Problem("truncated", str(path), message, _COPY))
    names = [f"f{number}" for number in range(count)]
    try:
        table = csv.read_csv(
            pa.py_buffer(body),
            read_options=csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64()), null_values=[]),
        )
    except pa.ArrowInvalid as error:
        message = f"expected {count} numbers in each line, got others: {error}"
        raise CorruptDataError(Problem("wrong-row", str(path), message, _COPY)) from None
    columns = [np.asarray(table[name].to_numpy(), np.float64) for name in names]
    for name, column in zip(_COORDINATES, columns, strict=False):
        wrong = np.flatnonzero(~np.isfinite(column))
        if len(wrong):
            message = f"expected finite {name}, got {column[wrong[0]]} in point {wrong[0]} ({len(wrong)} such)"
            raise CorruptDataError(Problem("wrong-row", str(path), message, _COPY))
    return columns


def _red(values: NDArray[np.float64], kind: str, path: Path) -> NDArray[np.float32]:
    """Return the red of colours: 32 bits, written as the number that they are, or as if they were a float."""
    whole = values.astype(np.float32).view(np.uint32)
    if kind in ("U", "I"):
        least = 0 if kind == "U" else -(2**31)
        wrong = np.flatnonzero(~((values >= least) & (values < 2**32) & (values % 1 == 0)))
        if wrong.size:
            message = f"expected 32 bits as rgb, got {values[wrong[0]]:g} in point {wrong[0]} ({wrong.size} such)"
            raise CorruptDataError(Problem("wrong-row", str(path), message, _COPY))
        # A colour that is written with a sign has the same 32 bits.
        whole = values.astype(np.int64).astype(np.uint32)
    red: NDArray[np.float32] = ((whole >> 16) & 255).astype(np.float32) / np.float32(255)
    return red
