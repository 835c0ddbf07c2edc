"""Windows in plain HDF5, Zarr and npy files of other makers: `tracks` and `vis` by their names, without times.

Checksums are those of the list that `lapsdata check PATH --seal` has put beside the file, where there is one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.window_times import step_times
from lapsdata.errors import CorruptDataError, Problem, Problems, SchemaError, UnknownFormatError
from lapsdata.loading.items import WindowFile, WindowItem, window_file
from lapsdata.loading.shards import foreign_tar, tar_arrays
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import hdf5_index
from lapsdata.storage.npy_index import npy_index
from lapsdata.storage.seal import CHECKSUMS, REPAIR
from lapsdata.storage.seal_list import with_checksums
from lapsdata.storage.zarr_index import zarr_index
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.storage.pieces import Source
    from lapsdata.storage.seal_list import Store

__all__ = ["MARKERS", "OTHER_KIND", "ForeignArrays", "foreign_arrays", "foreign_file", "require_fit", "store_of"]

_FIELDS = ("tracks", "vis")

NPY_TRACKS = "tracks.npy"
"""The file that makes a folder one of npy files."""

MARKERS = ("zarr.json", ".zgroup", ".zarray", "shards.json", NPY_TRACKS)
"""Files that make a folder one item."""

OTHER_KIND = "other-kind"
"""Code of the problem of a file that is none of HDF5, Zarr, npy and tar, and whose kind is known."""

_UNPACK = "decompress it first"
_BEGIN = 8
_KINDS = (
    (b"\x93NUMPY", "one npy file", "name a folder with tracks.npy and vis.npy in it"),
    (b"PK\x03\x04", "a zip archive (npz, zipped Zarr)", "unpack it, and name the folder"),
    (b"\x1f\x8b", "a file compressed with gzip", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a file compressed with zstd", _UNPACK),
    (b"BZh", "a file compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\0", "a file compressed with xz", _UNPACK),
)
"""What files begin with that are often taken for files of windows, what they are, and what to do."""


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
    left_out : tuple of str
        Arrays of the file that are none of these, each with the reason.
    """

    store: Store
    sources: dict[str, Source]
    views: dict[str, dict[str, str]]
    left_out: tuple[str, ...] = ()

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
        fields, left_out = tar_arrays(path)
        return ForeignArrays("tar", fields, {"default": {name: name for name in fields}}, left_out)
    names_of, find = {"hdf5": (_hdf5_names, _hdf5), "zarr": (_zarr_names, _zarr), "npy": (_npy_names, _npy)}[store]
    names = names_of(path)
    views = _views(path, names)
    used = [name for fields in views.values() for name in fields.values()]
    known = set(used)
    left_out = tuple(f"{name} ({_reason(name)})" for name in names if name not in known)
    return ForeignArrays(store, find(path, used), views, left_out)


def store_of(path: Path) -> Store:
    """Return what kind of file or folder of another maker something is, by its name and by what lies in it."""
    if not path.is_dir():
        return "tar" if path.suffix.lower() == ".tar" else "hdf5"
    return "npy" if (path / NPY_TRACKS).is_file() else "zarr"


def require_fit(path: Path, arrays: ForeignArrays, views: Sequence[str]) -> None:
    """Refuse views whose arrays do not fit each other: W and T are those of all of them, N is that of each.

    Raises
    ------
    SchemaError
        Every array that does not fit, with its shape and the other one.
    """
    problems = Problems(str(path))
    first = arrays.views[views[0]]["tracks"]
    whole = arrays.sources[first].shape
    for view in views:
        tracks, vis = (arrays.views[view][field] for field in _FIELDS)
        shape, seen = arrays.sources[tracks].shape, arrays.sources[vis].shape
        if len(shape) != 4 or shape[3] != 2 or not shape[1]:
            problems.add("wrong-shape", tracks, f"expected (W, T, N, 2) with T of at least 1, got {shape}")
        elif shape[:2] != whole[:2]:
            problems.add("wrong-shape", tracks, f"expected W and T as {first} has them, {whole}, got {shape}")
        if seen != shape[:3]:
            problems.add(
                "wrong-shape", vis, f"expected (W, T, N) = {shape[:3]} as {tracks} has them, {shape}, got {seen}"
            )
    problems.raise_as(SchemaError)


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
    if store_of(path) == "tar":
        return foreign_tar(path, views)
    arrays = foreign_arrays(path)
    sources = with_checksums(path, arrays.store, arrays.sources)
    chosen = sorted(arrays.views) if views is None else list(views)
    strangers = [view for view in chosen if view not in arrays.views]
    if strangers or not chosen:
        message = f"expected some of {sorted(arrays.views)}, got {strangers or 'none'}"
        raise SchemaError(Problem("wrong-views", str(path), message))
    require_fit(path, arrays, chosen)
    found: dict[str, Source] = {}
    for view in chosen:
        for field, name in arrays.views[view].items():
            found[field if len(chosen) == 1 else f"{field}/{view}"] = sources[name]
    rows, horizon = next(iter(found.values())).shape[:2]
    start_s = end_s = None
    if rate is not None:
        frame_s = frame_to_s(np.arange(rows + horizon), FrameRate.parse(rate))
        step_s = step_times(frame_s, np.arange(rows), horizon)
        start_s, end_s = np.ascontiguousarray(step_s[:, 0]), frame_s[horizon : rows + horizon]
        found |= {"start_s": start_s, "step_s": step_s, "end_s": end_s}
    item = WindowItem(path, path.stem, None, rows, start_s, end_s)
    return window_file(path, [item], found, left_out=arrays.left_out)


def _hdf5_names(path: Path) -> list[str]:
    try:
        opened = Hdf5File(path)
    except UnknownFormatError as error:
        if (other := _other_kind(path)) is not None:
            raise other from error
        raise
    with opened as file:
        return [name.strip("/") for name in file.datasets() if name.strip("/")]


def _other_kind(path: Path) -> UnknownFormatError | None:
    """Say what a file seems to be that is no HDF5, and what to do with it; None where nothing tells."""
    if path.name in MARKERS:
        what, fix = f"'{path.name}', which is a part of a folder of windows", f"name the folder: {path.parent}"
        return UnknownFormatError(Problem(OTHER_KIND, str(path), f"expected a file of windows, got {what}", fix))
    with storage_errors(path, "open"), path.open("rb") as file:
        begin = file.read(_BEGIN)
    told = [(what, fix) for mark, what, fix in _KINDS if begin.startswith(mark)]
    if not told:
        return None
    what, fix = told[0]
    return UnknownFormatError(Problem(OTHER_KIND, str(path), f"expected HDF5, Zarr, npy or tar, got {what}", fix))


def _hdf5(path: Path, names: Sequence[str]) -> dict[str, Source]:
    with Hdf5File(path) as file:
        return {name: hdf5_index(file, name, fill=True) for name in names}


def _zarr_names(path: Path) -> list[str]:
    markers = [*(marker for marker in path.rglob("zarr.json") if not _is_group(marker)), *path.rglob(".zarray")]
    return sorted({marker.parent.relative_to(path).as_posix() for marker in markers})


def _is_group(marker: Path) -> bool:
    """Say whether metadata are those of a group; damaged ones are refused when they are opened as an array."""
    try:
        with storage_errors(marker, "open"):
            document = json.loads(marker.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("node_type") == "group"


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


def _reason(name: str) -> str:
    """Say why an array is left out, one that no view has."""
    field = name.rpartition("/")[2]
    missing = [other for other in _FIELDS if other != field]
    return f"no {missing[0]} beside it" if field in _FIELDS else f"neither {' nor '.join(_FIELDS)}"


def _view(group: str) -> str:
    return group.rpartition("/")[2] or "default"
