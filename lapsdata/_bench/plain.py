"""What a script without this library does with the same file: one window at a time, by h5py or zarr-python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsdata.loading import WindowDataset

    Gather = Callable[[NDArray[np.int64]], dict[str, NDArray[Any]]]

__all__ = ["plain_reader"]


def plain_reader(windows: WindowDataset) -> tuple[str, Gather] | None:
    """Return the name of the plain way to read these windows, and the way; None where there is none.

    Parameters
    ----------
    windows : WindowDataset
        With `tracks` and `vis` of one view.
    """
    if "tracks" not in windows.spec or isinstance(windows.locate(0).path, str):
        return None
    ways = {_way(path) for path in windows.paths}
    if None in ways:
        return None
    return ", ".join(sorted(way for way in ways if way is not None)), _by_item(windows)


def _way(path: Path) -> str | None:
    """Say how a script reads a file; None where no array can be asked for single windows."""
    if path.is_dir() and (path / "zarr.json").is_file():
        return "zarr-python array[i]"
    if path.is_file() and path.suffix.lower() in (".h5", ".hdf5"):
        return "h5py dataset[i]"
    return None


def _by_item(windows: WindowDataset) -> Gather:
    files: dict[Path, dict[str, Any]] = {}

    def gather(ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        parts: dict[str, list[NDArray[Any]]] = {"tracks": [], "vis": []}
        for number in ids.tolist():
            place = windows.locate(number)
            path = Path(place.path)
            if path not in files:
                files[path] = _open_zarr(path) if path.is_dir() else _open_hdf5(path)
            for name, found in parts.items():
                found.append(np.asarray(files[path][name][place.window]))
        return {name: np.stack(found) for name, found in parts.items()}

    return gather


def _open_hdf5(path: Path) -> dict[str, Any]:
    import h5py

    file = h5py.File(path, "r")
    found: dict[str, Any] = {}

    def visit(name: str, entry: object) -> None:
        leaf = name.rpartition("/")[2]
        if leaf in ("tracks", "vis") and isinstance(entry, h5py.Dataset):
            found.setdefault(leaf, entry)

    file.visititems(visit)
    return found


def _open_zarr(path: Path) -> dict[str, Any]:
    import zarr

    groups = sorted(marker.parent for marker in path.rglob("tracks/zarr.json"))
    group = groups[0].parent
    return {name: zarr.open_array(str(group / name), mode="r") for name in ("tracks", "vis")}
