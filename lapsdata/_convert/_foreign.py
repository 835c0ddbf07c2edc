"""HDF5, Zarr, npy and tars of other makers as windows: `tracks` and `vis` by their names, with times that are told.

Where `lapsdata check PATH --seal` has put a list of checksums beside a file, its windows are compared with these.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata._convert._windows import Windows
from lapsdata.errors import LapsError, Problem, Problems, SchemaError, UnknownFormatError
from lapsdata.loading.foreign import ForeignArrays, foreign_arrays, require_fit
from lapsdata.provenance import provenance
from lapsdata.schema.base import Size, Tool
from lapsdata.schema.tracks import Area, Grid, TracksHeader, TracksView
from lapsdata.schema.video import SourceVideo
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_open import open_hdf5
from lapsdata.storage.index import ABSENT, ChunkIndex
from lapsdata.storage.seal_list import with_checksums
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lapsdata._convert._options import ConvertOptions
    from lapsdata.storage.seal_list import Store

__all__ = ["foreign_windows", "hdf5_attributes", "zarr_arrays"]

_SIDES = ("height", "width")
_UNKNOWN_VERSION = "unknown"
_FIELDS = ("tracks", "vis")


@dataclass(frozen=True)
class _Beside:
    """What a file says beside its windows: the frame size of each view, what has no place, what was never written."""

    sizes: dict[str, Size]
    rest: tuple[str, ...]
    filled: int


def foreign_windows(path: Path, options: ConvertOptions) -> Windows:
    """Open a file of another maker; none of its windows is read.

    Arrays are found as `lapsdata.loading.foreign.foreign_arrays` finds them; the attributes `height` and `width` of a
    group are its frame, as LAPS writes them. A chunk that was never written is its fill value, as both formats mean
    it, and is counted. Where a seal list stands beside the file, each window has its checksum from there.

    Raises
    ------
    UnknownFormatError
        None of HDF5, Zarr, npy and tar, or no such arrays; or a tar out of shards of ours.
    SchemaError
        Arrays that do not fit each other, or no rate or frame size was given: every one that is missing.
    CorruptDataError, StorageError
        The file or its seal list is damaged, they do not fit each other, or one of them may not be read.
    """
    arrays = foreign_arrays(path)
    beside = {"hdf5": _hdf5, "zarr": _zarr, "npy": _npy, "tar": _tar}[arrays.store](path, arrays)
    rows, horizon = _shape(path, arrays)
    # A seal list tells of all arrays, also of those of a tar that are none of tracks.
    sources = with_checksums(path, arrays.store, arrays.sources)
    views = {view: {field: sources[fields[field]] for field in _FIELDS} for view, fields in arrays.views.items()}
    rate, sizes = _told(path, views, beside.sizes, options)
    starts = np.arange(rows, dtype=np.int64) * options.window_stride
    header = TracksHeader(
        provenance=provenance(parameters=options.as_json()),
        video=SourceVideo(name=path.stem, rate=rate),
        horizon=horizon,
        stride=options.window_stride,
        rate=rate,
        tracker=Tool(name="foreign", version=_UNKNOWN_VERSION),
        views={view: _view(sizes[view], fields["tracks"]) for view, fields in views.items()},
    )
    frames = int(starts[-1]) + horizon if rows else 0
    frame_s = np.asarray(frame_to_s(np.arange(frames), rate), np.float64)
    notes = (_taken(path, arrays.store, options, rate),)
    return Windows(str(path), header, starts, frame_s, None, views, beside.rest, notes, beside.filled)


def _view(size: Size, tracks: Any) -> TracksView:  # noqa: ANN401 - any kind of source
    area = Area(x=0, y=0, width=size.width, height=size.height)
    grid = Grid(kind="foreign", order="none")
    return TracksView(size=size, active_area=area, points=int(tracks.shape[2]), grid=grid)


def _taken(path: Path, store: Store, options: ConvertOptions, rate: FrameRate) -> Problem:
    row = "sample" if store == "tar" else "row"
    message = (
        f"{row} w is taken for the window that begins at frame {options.window_stride} * w, of {rate} frames per "
        "second, and positions for pixel xy of the whole frame: the file says nothing of that"
    )
    fix = "give --rate, --size and --stride as it was made"
    if store == "tar":
        fix += "; where samples were shuffled, or are of several videos, their times are wrong"
        return Problem("taken-for-granted", str(path), message, fix, "warning")
    return Problem("taken-for-granted", str(path), message, fix, "info")


def _told(
    path: Path, views: Mapping[str, object], own_sizes: Mapping[str, Size], options: ConvertOptions
) -> tuple[FrameRate, dict[str, Size]]:
    """Return rate and frame sizes.

    Raises
    ------
    SchemaError
        What neither file nor options say, or say differently.
    """
    problems = Problems(str(path))
    if options.rate is None:
        problems.add("no-rate", "", "expected times, got a file without any", "give its frames per second: --rate 30")
    sizes = dict(own_sizes)
    for view in sorted(views):
        given, own = options.size, sizes.get(view)
        if given is None and own is None:
            problems.add("no-size", view, "expected a frame size, got none", "give it in pixels: --size WIDTHxHEIGHT")
        elif given is not None and own is not None and given != own:
            message = f"expected {own.width}x{own.height} as the file says, got {given.width}x{given.height}"
            problems.add("other-size", view, message, "leave --size out")
        elif given is not None:
            sizes[view] = given
    problems.raise_as(SchemaError)
    return FrameRate.parse(options.rate or 1), sizes


def _shape(path: Path, arrays: ForeignArrays) -> tuple[int, int]:
    """Return W and T, which all arrays have in common; of each axis there is at least one."""
    require_fit(path, arrays, sorted(arrays.views))
    problems = Problems(str(path))
    used = [fields[field] for fields in arrays.views.values() for field in _FIELDS]
    for name in used:
        source = arrays.sources[name]
        if 0 in source.shape:
            problems.add("wrong-shape", name, f"expected at least one along each axis, got {source.shape}")
        elif source.dtype.kind not in "fiub":
            problems.add("wrong-dtype", name, f"expected numbers, got {source.dtype}")
    problems.raise_as(SchemaError)
    rows, horizon = arrays.sources[used[0]].shape[:2]
    return int(rows), int(horizon)


def _hdf5(path: Path, arrays: ForeignArrays) -> _Beside:
    with Hdf5File(path) as file:
        names = [name.strip("/") for name in file.datasets()]
        filled = sum(file.describe(name).unwritten_chunks for name in arrays.sources)
    return _beside(arrays, names, hdf5_attributes(path), filled)


def _beside(
    arrays: ForeignArrays, names: Iterable[str], attributes: Mapping[str, Mapping[str, Any]], filled: int
) -> _Beside:
    """Part what a file holds by name into frame sizes, which have a place, and all the rest."""
    groups = {view: fields["tracks"].rpartition("/")[0] for view, fields in arrays.views.items()}
    sizes = {view: size for view, group in groups.items() if (size := _size(attributes.get(group, {})))}
    own = {f"{groups[view]}@{side}" for view in sizes for side in _SIDES}
    told = [f"{place}@{key}" for place, pairs in sorted(attributes.items()) for key in sorted(pairs)]
    rest = [*(name for name in names if name not in arrays.sources), *(name for name in told if name not in own)]
    return _Beside(sizes, tuple(rest), filled)


def hdf5_attributes(path: Path) -> dict[str, dict[str, Any]]:
    """Return the attributes of every group and dataset that has some; None for a value that cannot be read."""
    import h5py

    found: dict[str, dict[str, Any]] = {}

    def look(name: str, item: Any) -> None:  # noqa: ANN401 - no types in h5py
        if len(item.attrs):
            found[name] = {str(key): _attribute(item, key) for key in item.attrs}

    with open_hdf5(path) as file:
        look("", file)
        file.visititems(lambda name, item: look(name, item) if isinstance(item, h5py.Group | h5py.Dataset) else None)
    return found


def _attribute(item: Any, key: str) -> Any:  # noqa: ANN401 - no types in h5py
    try:
        return item.attrs[key]
    except (OSError, ValueError, TypeError, RuntimeError):
        return None  # it is told by its name all the same


def _zarr(path: Path, arrays: ForeignArrays) -> _Beside:
    names, attributes = zarr_arrays(path)
    indexes = [source for source in arrays.sources.values() if isinstance(source, ChunkIndex)]
    return _beside(arrays, names, attributes, sum(int((index.offset == ABSENT).sum()) for index in indexes))


def _npy(path: Path, arrays: ForeignArrays) -> _Beside:
    files = sorted(file.name for file in path.iterdir() if not file.name.startswith("."))
    return _Beside({}, tuple(name for name in files if name.removesuffix(".npy") not in arrays.sources), 0)


def _tar(path: Path, arrays: ForeignArrays) -> _Beside:
    """Expect a tar of WebDataset samples to have those of which each is a window.

    Raises
    ------
    UnknownFormatError
        The samples have no `tracks.npy` and `vis.npy`.
    """
    if not set(_FIELDS) <= set(arrays.sources):
        message = f"expected samples with tracks.npy and vis.npy, got {', '.join(arrays.sources)}"
        fix = "name the members so: KEY.tracks.npy (T, N, 2) and KEY.vis.npy (T, N)"
        raise UnknownFormatError(Problem("no-windows", str(path), message, fix))
    rest = [f"*.{name}.npy" for name in arrays.sources if name not in _FIELDS]
    return _Beside({}, (*rest, *arrays.left_out), 0)


def zarr_arrays(path: Path) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return the names of all arrays, and the attributes of everything that has some."""
    arrays, attributes = set[str](), dict[str, dict[str, Any]]()
    for marker in sorted([*path.rglob("zarr.json"), *path.rglob(".zarray"), *path.rglob(".zattrs")]):
        name = marker.parent.relative_to(path).as_posix().strip(".")
        document = _document(marker)
        if marker.name == ".zarray" or document.get("node_type") == "array":
            arrays.add(name)
        own = document if marker.name == ".zattrs" else document.get("attributes")
        if isinstance(own, dict) and own:
            attributes[name] = own
    return sorted(arrays), attributes


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}  # an array by such metadata is refused when it is opened
    return document if isinstance(document, dict) else {}


def _size(attributes: Mapping[str, Any]) -> Size | None:
    try:
        height, width = (int(attributes[side]) for side in _SIDES)
        return Size(width=width, height=height)
    except (KeyError, TypeError, ValueError, LapsError):
        return None  # then it must be given
