"""Windows in plain HDF5 and Zarr of other makers: `tracks` and `vis` by their names, without times or checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.window_times import step_times
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.loading.items import WindowFile, WindowItem, window_file
from lapsdata.loading.shards import foreign_tar
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import hdf5_index
from lapsdata.storage.zarr_index import zarr_index
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata.storage.pieces import Source

__all__ = ["foreign_file"]

_FIELDS = ("tracks", "vis")


def foreign_file(path: Path, views: Sequence[str] | None, rate: FrameRate | float | None) -> WindowFile:
    """Open a file that is none of ours, and read none of its windows.

    Arrays are found by their names: `tracks (W, T, N, 2)` and `vis (W, T, N)` in one group, wherever that lies; the
    group's name is the view (AMPLIFY and LAPS: `root/<view>/tracks`). One chunk that was never written is its fill
    value, as both formats mean it.

    Raises
    ------
    UnknownFormatError
        Neither HDF5 nor Zarr, or no such arrays.
    SchemaError
        A view that is not there, or arrays that do not fit each other.
    """
    if path.suffix == ".tar":
        return foreign_tar(path, views)
    groups = _zarr_groups(path) if path.is_dir() else _hdf5_groups(path)
    chosen = sorted(groups) if views is None else list(views)
    strangers = [view for view in chosen if view not in groups]
    if strangers:
        raise SchemaError(Problem("wrong-views", str(path), f"expected some of {sorted(groups)}, got {strangers}"))
    found: dict[str, Source] = {}
    for view in chosen:
        for name, source in groups[view].items():
            found[name if len(chosen) == 1 else f"{name}/{view}"] = source
    rows = _rows(path, found)
    horizon = next(source.shape[1] for source in found.values())
    start_s = end_s = None
    if rate is not None:
        frame_s = frame_to_s(np.arange(rows + horizon), FrameRate.parse(rate))
        step_s = step_times(frame_s, np.arange(rows), horizon)
        start_s, end_s = np.ascontiguousarray(step_s[:, 0]), frame_s[horizon : rows + horizon]
        found |= {"start_s": start_s, "step_s": step_s, "end_s": end_s}
    item = WindowItem(path, path.stem, None, rows, start_s, end_s)
    return window_file(path, [item], found)


def _rows(path: Path, found: Mapping[str, Source]) -> int:
    tracks = [source for name, source in found.items() if name.partition("/")[0] == "tracks"]
    rows = tracks[0].shape[0]
    for name, source in found.items():
        kind, shape = name.partition("/")[0], source.shape
        axes = 4 if kind == "tracks" else 3
        if len(shape) != axes or shape[0] != rows or (kind == "tracks" and shape[3] != 2):
            spelled = "(W, T, N, 2)" if kind == "tracks" else "(W, T, N)"
            message = f"expected {spelled} with W = {rows}, got {shape}"
            raise SchemaError(Problem("wrong-shape", f"{path}: {name}", message))
    return int(rows)


def _hdf5_groups(path: Path) -> dict[str, dict[str, Source]]:
    with Hdf5File(path) as file:
        names = [name.strip("/") for name in file.datasets()]
        return {
            _view(group): {field: hdf5_index(file, f"{group}/{field}".strip("/"), fill=True) for field in _FIELDS}
            for group in _groups(path, names)
        }


def _zarr_groups(path: Path) -> dict[str, dict[str, Source]]:
    markers = [*path.rglob("zarr.json"), *path.rglob(".zarray")]
    names = sorted({str(marker.parent.relative_to(path)) for marker in markers})
    return {
        _view(group): {field: zarr_index(path, f"{group}/{field}".strip("/"), fill=True) for field in _FIELDS}
        for group in _groups(path, names)
    }


def _groups(path: Path, names: Sequence[str]) -> list[str]:
    """Return the groups that hold both arrays."""
    parents = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] == "tracks"}
    good = sorted(group for group in parents if f"{group}/vis".strip("/") in names)
    if not good:
        message = f"expected a group with the arrays tracks and vis, got {', '.join(names[:6]) or 'nothing'}"
        fix = "look at it: lapsdata inspect FILE --low-level"
        raise UnknownFormatError(Problem("no-windows", str(path), message, fix))
    return good


def _view(group: str) -> str:
    return group.rpartition("/")[2] or "default"
