"""What a script without this library does with the same file: one window at a time, by h5py or zarr-python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsdata.loading import WindowDataset

__all__ = ["plain_reader"]

Gather = "Callable[[NDArray[np.int64]], dict[str, NDArray[Any]]]"


def plain_reader(windows: WindowDataset) -> tuple[str, Callable[[NDArray[np.int64]], dict[str, NDArray[Any]]]] | None:
    """Return the name of the plain way to read these windows, and the way; None where there is none.

    Parameters
    ----------
    windows : WindowDataset
        With `tracks` and `vis` of one view.
    """
    first = windows.locate(0).path
    if "tracks" not in windows.spec or isinstance(first, str):
        return None
    if first.is_dir() and (first / "zarr.json").is_file():
        return "zarr-python, array[i]", _by_item(windows, _open_zarr)
    if first.is_file() and first.suffix.lower() in (".h5", ".hdf5"):
        return "h5py, dataset[i]", _by_item(windows, _open_hdf5)
    return None


def _by_item(windows: WindowDataset, opened: Callable[[Path], dict[str, Any]]) -> Any:  # noqa: ANN401
    files: dict[Path, dict[str, Any]] = {}

    def gather(ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        parts: dict[str, list[NDArray[Any]]] = {"tracks": [], "vis": []}
        for number in ids.tolist():
            place = windows.locate(number)
            path = Path(place.path)
            if path not in files:
                files[path] = opened(path)
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
