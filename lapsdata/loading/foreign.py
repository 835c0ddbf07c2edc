"""Windows in plain HDF5, Zarr and npy files of other makers: `tracks` and `vis` by their names, without times.

Checksums are those of the list that `lapsdata check PATH --seal` has put beside the file, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.window_times import step_times
from lapsdata.errors import CorruptDataError, Problem, SchemaError, UnknownFormatError
from lapsdata.loading.items import WindowFile, WindowItem, window_file
from lapsdata.loading.shards import foreign_tar, tar_arrays
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import hdf5_index
from lapsdata.storage.npy_index import npy_index
from lapsdata.storage.seal import CHECKSUMS, REPAIR
from lapsdata.storage.seal_list import with_checksums
from lapsdata.storage.zarr_index import zarr_index
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata.storage.pieces import Source
    from lapsdata.storage.seal_list import Store

__all__ = ["NPY_TRACKS", "ForeignArrays", "foreign_arrays", "foreign_file", "store_of"]

_FIELDS = ("tracks", "vis")

NPY_TRACKS = "tracks.npy"
"""The file that makes a folder one of npy files."""


@dataclass(frozen=True, eq=False)
class ForeignArrays:
    """The arrays of windows in a file that is none of ours.

    Parameters
    ----------
    store : {"hdf5", "zarr", "tar", "npy"}
    sources : dict of Source
        By their names in the file; these are what a seal list tells of.
    views : dict of dict of str
        By view, the name in the file of each field.
    """

    store: Store
    sources: dict[str, Source]
    views: dict[str, dict[str, str]]

    def fields(self, view: str) -> dict[str, Source]:
        """Return the arrays of one view, by field."""
        return {field: self.sources[name] for field, name in self.views[view].items()}


def foreign_arrays(path: Path) -> ForeignArrays:
    """Find the arrays of windows in a file that is none of ours, and read none of its windows.

    Arrays are found by their names: `tracks (W, T, N, 2)` and `vis (W, T, N)` in one group, wherever that lies; the
    group's name is the view (AMPLIFY and LAPS: `root/<view>/tracks`). In a folder of npy files: `tracks.npy` and
    `vis.npy`. In a tar of WebDataset samples, every `*.npy` member is a field.

    Raises
    ------
    UnknownFormatError
        None of HDF5, Zarr, npy and tar, or no such arrays.
    SchemaError
        Two groups of one name, or samples that are unlike each other.
    CorruptDataError, StorageError
        The file is damaged, cut short, was one of ours once, or may not be read.
    """
    store = store_of(path)
    if store == "tar":
        fields = tar_arrays(path)
        return ForeignArrays("tar", fields, {"default": {name: name for name in fields}})
    names, find = {"hdf5": (_hdf5_names, _hdf5), "zarr": (_zarr_names, _zarr), "npy": (_npy_names, _npy)}[store]
    views = _views(path, names(path))
    return ForeignArrays(store, find(path, [name for fields in views.values() for name in fields.values()]), views)


def store_of(path: Path) -> Store:
    """Return what kind of file or folder of another maker something is, by its name and by what lies in it."""
    if path.suffix == ".tar":
        return "tar"
    if not path.is_dir():
        return "hdf5"
    return "npy" if (path / NPY_TRACKS).is_file() else "zarr"


def foreign_file(path: Path, views: Sequence[str] | None, rate: FrameRate | float | None) -> WindowFile:
    """Open a file that is none of ours, and read none of its windows.

    See `foreign_arrays` for what is found. A chunk that was never written is its fill value, as both formats mean it.
    Where a seal list stands beside the file, each window is compared with its checksum there.

    Raises
    ------
    UnknownFormatError, CorruptDataError, StorageError
        See `foreign_arrays`; or the seal list is damaged, or tells of another file.
    SchemaError
        A view that is not there, or arrays that do not fit each other.
    """
    if path.suffix == ".tar":
        return foreign_tar(path, views)
    arrays = foreign_arrays(path)
    sources = with_checksums(path, arrays.store, arrays.sources)
    chosen = sorted(arrays.views) if views is None else list(views)
    strangers = [view for view in chosen if view not in arrays.views]
    if strangers:
        message = f"expected some of {sorted(arrays.views)}, got {strangers}"
        raise SchemaError(Problem("wrong-views", str(path), message))
    found: dict[str, Source] = {}
    for view in chosen:
        for field, name in arrays.views[view].items():
            found[field if len(chosen) == 1 else f"{field}/{view}"] = sources[name]
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


def _hdf5_names(path: Path) -> list[str]:
    with Hdf5File(path) as file:
        return [name.strip("/") for name in file.datasets()]


def _hdf5(path: Path, names: Sequence[str]) -> dict[str, Source]:
    with Hdf5File(path) as file:
        return {name: hdf5_index(file, name, fill=True) for name in names}


def _zarr_names(path: Path) -> list[str]:
    markers = [*path.rglob("zarr.json"), *path.rglob(".zarray")]
    return sorted({marker.parent.relative_to(path).as_posix() for marker in markers})


def _zarr(path: Path, names: Sequence[str]) -> dict[str, Source]:
    return {name: zarr_index(path, name, fill=True) for name in names}


def _npy_names(path: Path) -> list[str]:
    return sorted(file.stem for file in path.glob("*.npy"))


def _npy(path: Path, names: Sequence[str]) -> dict[str, Source]:
    return {name: npy_index(path / f"{name}.npy", f"{path}: {name}") for name in names}


def _views(path: Path, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the groups that hold both arrays, by view: the names of these."""
    parents = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] == "tracks"}
    good = sorted(group for group in parents if f"{group}/vis".strip("/") in names)
    if not good:
        message = f"expected a group with the arrays tracks and vis, got {', '.join(names[:6]) or 'nothing'}"
        fix = "look at it: lapsdata inspect FILE --low-level"
        raise UnknownFormatError(Problem("no-windows", str(path), message, fix))
    found: dict[str, dict[str, str]] = {}
    for group in good:
        view, fields = _view(group), {field: f"{group}/{field}".strip("/") for field in _FIELDS}
        if view in found:
            message = f"expected groups of different names, got '{found[view]['tracks']}' and '{fields['tracks']}'"
            raise SchemaError(Problem("view-twice", str(path), message, "give each view a name of its own"))
        if fields["tracks"] + CHECKSUMS in names:
            message = "expected the header that a file of ours has, got its checksums alone"
            raise CorruptDataError(Problem("header-gone", str(path), message, REPAIR))
        found[view] = fields
    return found


def _view(group: str) -> str:
    return group.rpartition("/")[2] or "default"
