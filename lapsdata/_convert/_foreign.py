"""Plain HDF5 and Zarr of other makers as windows: `<group>/tracks` and `<group>/vis`, with times that are told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata._convert._windows import Windows
from lapsdata.errors import LapsError, Problem, Problems, SchemaError, UnknownFormatError
from lapsdata.loading.foreign import store_of
from lapsdata.provenance import provenance
from lapsdata.schema.base import Size, Tool
from lapsdata.schema.tracks import Area, Grid, TracksHeader, TracksView
from lapsdata.schema.video import SourceVideo
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_index import hdf5_index
from lapsdata.storage.hdf5_open import open_hdf5
from lapsdata.storage.index import ABSENT
from lapsdata.storage.npy_index import npy_index
from lapsdata.storage.zarr_index import zarr_index
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lapsdata._convert._options import ConvertOptions
    from lapsdata.storage.pieces import Source

__all__ = ["foreign_windows", "hdf5_attributes", "zarr_arrays"]

_SIDES = ("height", "width")
_UNKNOWN_VERSION = "unknown"


@dataclass(frozen=True)
class _Found:
    """What a file holds: windows by view, their frame sizes where it says them, and all the rest by name."""

    views: dict[str, dict[str, Source]]
    sizes: dict[str, Size]
    rest: tuple[str, ...]
    filled: int


def foreign_windows(path: Path, options: ConvertOptions) -> Windows:
    """Open a file of another maker; none of its windows is read.

    Arrays are found by their names, `tracks (W, T, N, 2)` and `vis (W, T, N)` in one group; the group's name is the
    view, as in `root/<view>/tracks` of AMPLIFY and LAPS, and its attributes `height` and `width` are its frame, as LAPS
    writes them. A chunk that was never written is its fill value, as both formats mean it, and is counted.

    Raises
    ------
    UnknownFormatError
        None of HDF5, Zarr and npy, or no such arrays.
    SchemaError
        Arrays that do not fit each other, or no rate or frame size was given: every one that is missing.
    """
    found = {"npy": _npy, "zarr": _zarr}.get(store_of(path), _hdf5)(path)
    if not found.views:
        message = f"expected a group with the arrays tracks and vis, got {', '.join(found.rest[:6]) or 'nothing'}"
        raise UnknownFormatError(Problem("no-windows", str(path), message, "look at it: lapsdata inspect FILE"))
    rows, horizon = _shape(path, found.views)
    rate, sizes = _told(path, found, options)
    starts = np.arange(rows, dtype=np.int64) * options.stride
    header = TracksHeader(
        provenance=provenance(parameters=options.as_json()),
        video=SourceVideo(name=path.stem, rate=rate),
        horizon=horizon,
        stride=options.stride,
        rate=rate,
        tracker=Tool(name="foreign", version=_UNKNOWN_VERSION),
        views={view: _view(sizes[view], arrays["tracks"]) for view, arrays in found.views.items()},
    )
    frames = int(starts[-1]) + horizon if rows else 0
    frame_s = np.asarray(frame_to_s(np.arange(frames), rate), np.float64)
    notes = (_taken(path, options, rate),)
    return Windows(str(path), header, starts, frame_s, None, found.views, found.rest, notes, found.filled)


def _view(size: Size, tracks: Any) -> TracksView:  # noqa: ANN401 - any kind of source
    area = Area(x=0, y=0, width=size.width, height=size.height)
    grid = Grid(kind="foreign", order="none")
    return TracksView(size=size, active_area=area, points=int(tracks.shape[2]), grid=grid)


def _taken(path: Path, options: ConvertOptions, rate: FrameRate) -> Problem:
    message = (
        f"row w is taken for the window that begins at frame {options.stride} * w, of {rate} frames per second, and "
        "positions for pixel xy of the whole frame: the file says nothing of that"
    )
    return Problem("taken-for-granted", str(path), message, "give --rate, --size and --stride as it was made", "info")


def _told(path: Path, found: _Found, options: ConvertOptions) -> tuple[FrameRate, dict[str, Size]]:
    """Return rate and frame sizes.

    Raises
    ------
    SchemaError
        What neither file nor options say, or say differently.
    """
    problems = Problems(str(path))
    if options.rate is None:
        problems.add("no-rate", "", "expected times, got a file without any", "give its frames per second: --rate 30")
    sizes = dict(found.sizes)
    for view in sorted(found.views):
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


def _shape(path: Path, views: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    """Return W and T, which all arrays have in common."""
    problems = Problems(str(path))
    first = next(iter(views.values()))["tracks"]
    rows, horizon = (*first.shape, 0, 0)[:2]
    for view, arrays in views.items():
        points = (*arrays["tracks"].shape, 0, 0, 0)[2]
        for name, expected in (("tracks", (rows, horizon, points, 2)), ("vis", (rows, horizon, points))):
            source = arrays[name]
            if source.shape != expected or 0 in expected:
                spelled = "(W, T, N, 2)" if name == "tracks" else "(W, T, N)"
                message = f"expected {spelled} = {expected} of at least 1 each, got {source.shape}"
                problems.add("wrong-shape", f"{view}/{name}", message)
            elif source.dtype.kind not in "fiub":
                problems.add("wrong-dtype", f"{view}/{name}", f"expected numbers, got {source.dtype}")
    problems.raise_as(SchemaError)
    return int(rows), int(horizon)


def _hdf5(path: Path) -> _Found:
    with Hdf5File(path) as file:
        names = [name.strip("/") for name in file.datasets()]
        groups = _groups(names)
        views: dict[str, dict[str, Source]] = {
            view: {name: hdf5_index(file, f"{group}/{name}".strip("/"), fill=True) for name in ("tracks", "vis")}
            for view, group in groups.items()
        }
        used = {f"{group}/{name}".strip("/") for group in groups.values() for name in ("tracks", "vis")}
        filled = sum(file.describe(name).unwritten_chunks for name in used)
    attributes = hdf5_attributes(path)
    sizes = {view: size for view, group in groups.items() if (size := _size(attributes.get(group, {})))}
    own = {f"{groups[view]}@{side}" for view in sizes for side in _SIDES}
    told = [f"{place}@{key}" for place, pairs in sorted(attributes.items()) for key in sorted(pairs)]
    rest = [*(name for name in names if name not in used), *(name for name in told if name not in own)]
    return _Found(views, sizes, tuple(rest), filled)


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


def _zarr(path: Path) -> _Found:
    arrays, groups_of = zarr_arrays(path)
    groups = _groups(arrays)
    views = {
        view: {name: zarr_index(path, f"{group}/{name}".strip("/"), fill=True) for name in ("tracks", "vis")}
        for view, group in groups.items()
    }
    sizes = {view: size for view, group in groups.items() if (size := _size(groups_of.get(group, {})))}
    used = {f"{group}/{name}".strip("/") for group in groups.values() for name in ("tracks", "vis")}
    own = {f"{groups[view]}@{side}" for view in sizes for side in _SIDES}
    told = [f"{place}@{key}" for place, pairs in sorted(groups_of.items()) for key in sorted(pairs)]
    rest = [*(name for name in arrays if name not in used), *(name for name in told if name not in own)]
    indexes = [source for arrays_of in views.values() for source in arrays_of.values()]
    filled = sum(int((index.offset == ABSENT).sum()) for index in indexes)
    return _Found({view: dict(arrays_of) for view, arrays_of in views.items()}, sizes, tuple(rest), filled)


def _npy(path: Path) -> _Found:
    files = sorted(file.name for file in path.iterdir() if not file.name.startswith("."))
    wanted = [f"{name}.npy" for name in ("tracks", "vis")]
    if not set(wanted) <= set(files):
        return _Found({}, {}, tuple(files), 0)
    arrays: dict[str, Source] = {name[:-4]: npy_index(path / name, f"{path}: {name[:-4]}") for name in wanted}
    return _Found({"default": arrays}, {}, tuple(name for name in files if name not in wanted), 0)


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


def _groups(names: list[str]) -> dict[str, str]:
    """Return the groups that hold both arrays, by view.

    Raises
    ------
    SchemaError
        Two of them have the same last name.
    """
    there = set(names)
    parents = sorted({name.rpartition("/")[0] for name in names if name.rpartition("/")[2] == "tracks"})
    good = [group for group in parents if f"{group}/vis".strip("/") in there]
    views = {group.rpartition("/")[2] or "default": group for group in good}
    if len(views) < len(good):
        message = f"expected groups of unlike names, got {', '.join(good)}"
        raise SchemaError(Problem("same-name", "views", message, "take them apart"))
    return views
