"""Views in HDF5: pixels in one piece by size and layer, so that a view is read at the speed of a memory copy.

    /sets/{split,scenario,frame,time_s,set_stop}    a row per set
    /views/{agent,camera,model,cam2world}           a row per view
    /views/present/<layer>                          which views have a layer
    /pixels/<width>x<height>/<layer>                uint8 or float32, a row per view of that size that has the layer

Masks are 0 and 1. `read` compares every row with its checksum and holds none of them; `open_views` compares each when
it is first read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.views import LAYERS, Layer, Views
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.schema.views import ViewsHeader
from lapsdata.storage.gather import RowReader
from lapsdata.storage.seal import REPAIR, StoredArray, WindowArray, check_verify
from lapsdata.storage.sealed_hdf5 import SealedHdf5, hdf5_header
from lapsdata.storage.sealed_hdf5_writer import sealed_hdf5_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source
    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "open_views", "read", "read_header", "write", "write_views"]

_TEXTS = ("sets/split", "sets/scenario", "views/agent", "views/camera")
_NUMBERS = ("sets/frame", "sets/time_s", "sets/set_stop", "views/model", "views/cam2world")
_PRESENT, _PIXELS = "views/present/", "pixels/"
_CHECKED_BYTES = 1 << 26
"""Bytes of rows that are compared with their checksums at once."""


def write(path: Path, container: Views, *, overwrite: bool = False) -> WriteReport:
    """Write views to one file, all or nothing; their pixels are read one view after the other.

    Parameters
    ----------
    path : Path
    container : Views
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    StorageError
        The target exists, the file system refused, or a picture is gone.
    SchemaError
        No views.
    CorruptDataError
        A picture cannot be read, or has another size than its camera.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_views
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "scene.views.h5"
    >>> report = write(target, sample_views())
    >>> read(target).equals(sample_views())
    True
    """
    return write_views(path, container, overwrite=overwrite)


def write_views(
    path: Path,
    container: Views,
    *,
    overwrite: bool = False,
    tell: Callable[[int], None] = lambda _: None,
    finished: Callable[[], ViewsHeader] | None = None,
) -> WriteReport:
    """Write views as `write` does, of which some are only known, or made, while they are written.

    Parameters
    ----------
    path : Path
    container : Views
    overwrite : bool
        As for `write`.
    tell : callable
        Called with the number of views that were written since the last call.
    finished : callable, optional
        Gives the header that is written once all pixels are: what it counts may be met in them. Its camera models are
        those of `container`.

    Raises
    ------
    StorageError, SchemaError, CorruptDataError
        As `write`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_views
    >>> counted = []
    >>> report = write_views(pathlib.Path(tempfile.mkdtemp()) / "scene.h5", sample_views(), tell=counted.append)
    >>> counted
    [1, 1, 1]
    """
    check_container(container, Views, path)
    small = {name: StoredArray(_bytes(getattr(container, name.partition("/")[2])), small=True) for name in _TEXTS}
    small |= {name: StoredArray(getattr(container, name.partition("/")[2]), small=True) for name in _NUMBERS}
    small |= {_PRESENT + layer: StoredArray(container.present[layer].view(np.uint8), small=True) for layer in LAYERS}
    places = _places(container.header, container.model, container.present)
    big = {name: WindowArray((len(views), *_row(name)[0]), _row(name)[1]) for name, views in places.items()}
    with sealed_hdf5_writer(path, big, profile="raw", overwrite=overwrite) as out:
        # View by view: all layers of one may be made of, or lie in, the same thing.
        of_views: list[list[str]] = [[] for _ in range(len(container))]
        for name, views in places.items():
            for view in views:
                of_views[view].append(name)
        for view, names in enumerate(of_views):
            for name in names:
                out.append(name, container.read(_layer(name), view)[np.newaxis].astype(_row(name)[1], copy=False))
            tell(1)
        header = container.header if finished is None else finished()
        out.finish(header.as_json(), {"profile": "raw"}, small, {})
    return WriteReport(path, PLUGIN.name, size_on_disk(path))


def read(path: Path, *, verify: Verify = "first") -> Views:
    """Read a file of views of ours: names and poses are held, pixels are read when they are asked for.

    Unless `verify` is "never", every row of pixels is compared with its checksum now.

    Parameters
    ----------
    path : Path
    verify : {"first", "always", "never"}
        With "always" pixels are compared again whenever they are read.

    Raises
    ------
    StorageError, UnknownFormatError, CorruptDataError, FormatTooNewError
        See `lapsdata.formats.tracks_hdf5.read`.
    """
    views = open_views(path, verify=verify)
    if verify != "never" and isinstance(views.pixels, _StoredPixels):
        views.pixels.check()
    return views


def open_views(path: Path, *, verify: Verify = "first") -> Views:
    """Open a file of views of ours as `read` does, in a time that does not grow with its pixels.

    Parameters
    ----------
    path : Path
    verify : {"first", "always", "never"}
        When the pixels of a view are compared with their checksum; header, tables and structure always are.

    Raises
    ------
    StorageError, UnknownFormatError, CorruptDataError, FormatTooNewError
        See `lapsdata.formats.tracks_hdf5.read`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_views
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "scene.views.h5"
    >>> report = write(target, sample_views())
    >>> open_views(target).read("depth", 1).dtype
    dtype('float32')
    """
    check_verify(verify)
    with SealedHdf5(path) as file:
        header = open_header(ViewsHeader, file.header, path)
        tables = {name.rpartition("/")[2]: _small(file, name) for name in (*_TEXTS, *_NUMBERS)}
        present: dict[str, NDArray[np.bool_]] = {layer: _small(file, _PRESENT + layer).astype(bool) for layer in LAYERS}
        places = _places(header, tables["model"], present)
        _expect_rows(file, places, path)
        sources = {name: file.source(name) for name in places}
    split, scenario, agent, camera = (_texts(tables[name.rpartition("/")[2]], f"{path}: {name}") for name in _TEXTS)
    frame, time_s, set_stop, model, cam2world = (tables[name.rpartition("/")[2]] for name in _NUMBERS)
    pixels = _StoredPixels(path, sources, places, verify)
    sets = (split, scenario, frame, time_s, set_stop)
    return Views(header, *sets, agent, camera, model, cam2world, present, pixels)


def read_header(path: Path) -> ViewsHeader:
    """Read the header of a file of views of ours; see `lapsdata.formats.read_header`."""
    with SealedHdf5(path) as file:
        return open_header(ViewsHeader, file.header, path)


def recognises(path: Path) -> bool:
    """Say whether a path is an HDF5 file with a header of ours for views."""
    header = hdf5_header(path)
    return header is not None and header.get("format") == "lapsdata.views"


@dataclass(frozen=True, slots=True)
class _Rows:
    """A dataset, as a piece that a `RowReader` reads."""

    where: str
    rows: int
    name: str
    source: Source

    def sources(self) -> Mapping[str, Source]:
        """Return where its rows lie."""
        return {self.name: self.source}


class _StoredPixels:
    """Pixels of a file of ours, verified when they are read."""

    def __init__(
        self, path: Path, sources: Mapping[str, Source], places: Mapping[str, Sequence[int]], verify: Verify
    ) -> None:
        self._path = path
        self._rows = {(_layer(name), view): (name, row) for name, of in places.items() for row, view in enumerate(of)}
        self._readers = {
            name: RowReader(
                [_Rows(f"{path}: {name}", len(of), name, sources[name])],
                {name: np.dtype((_row(name)[1], _row(name)[0]))},
                verify=verify,
            )
            for name, of in places.items()
        }

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        """Return a layer of a view; see `Pixels`."""
        name, row = self._rows[layer, view]
        found: NDArray[Any] = self._readers[name].gather(np.array([row], np.int64))[name][0]
        return found if layer in ("image", "depth") else found.view(np.bool_)

    def told(self, layer: Layer, view: int) -> str:
        """Return dataset and row; see `Pixels`."""
        name, row = self._rows[layer, view]
        return f"{self._path}: {name}: row {row}"

    def check(self) -> None:
        """Compare every row with its checksum, in memory that does not grow with their number.

        Raises
        ------
        CorruptDataError
            A row is not what was written.
        """
        for name, reader in self._readers.items():
            shape, dtype = _row(name)
            step = max(1, _CHECKED_BYTES // (int(np.prod(shape)) * dtype.itemsize))
            for first in range(0, len(reader), step):
                reader.gather(np.arange(first, min(first + step, len(reader))))


def _places(
    header: ViewsHeader, model: NDArray[np.int64], present: Mapping[str, NDArray[np.bool_]]
) -> dict[str, list[int]]:
    """Return the views that have a row in each dataset of pixels, in the order of the rows."""
    found: dict[str, list[int]] = {}
    sizes = [str(camera.size.frame) for camera in header.cameras]
    for layer in LAYERS:
        for view in np.flatnonzero(present[layer]).tolist():
            found.setdefault(f"{_PIXELS}{sizes[int(model[view])]}/{layer}", []).append(view)
    return dict(sorted(found.items()))


def _layer(name: str) -> Layer:
    word = name.rpartition("/")[2]
    return next(layer for layer in LAYERS if layer == word)


def _row(name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of a row of a dataset of pixels, which its name tells."""
    size, layer = name.removeprefix(_PIXELS).split("/")
    width, height = map(int, size.split("x"))
    shape = (height, width, 3) if layer == "image" else (height, width)
    return shape, np.dtype(np.float32 if layer == "depth" else np.uint8)


def _expect_rows(file: SealedHdf5, places: Mapping[str, Sequence[int]], path: Path) -> None:
    """Refuse a file whose tables and pixels do not speak of the same views."""
    stored = {name for name in file.names if name.startswith(_PIXELS)}
    if stored != set(places):
        message = (
            f"expected the datasets {', '.join(sorted(places)) or 'none'}, got {', '.join(sorted(stored)) or 'none'}"
        )
        raise CorruptDataError(Problem("wrong-datasets", f"{path}: {_PIXELS}", message, REPAIR))


def _small(file: SealedHdf5, name: str) -> NDArray[Any]:
    found = file.small(name)
    if found is None:
        raise CorruptDataError(Problem("missing-dataset", f"{file.path}: {name}", "expected a table, got none", REPAIR))
    return found


def _bytes(texts: Sequence[str]) -> NDArray[Any]:
    """Return texts as UTF-8 of one length, which any tool reads."""
    return np.array([text.encode("utf-8") for text in texts])


def _texts(values: NDArray[Any], where: str) -> tuple[str, ...]:
    try:
        return tuple(value.decode("utf-8") for value in values.tolist())
    except UnicodeDecodeError as error:
        message = f"expected UTF-8, got other bytes ({error})"
        raise CorruptDataError(Problem("wrong-text", where, message, REPAIR)) from error


PLUGIN = Format(
    "views_hdf5", "views", "hdf5", (".h5", ".hdf5"), Views, recognises, read, write, read_header=read_header
)
