"""The rows of episodes: read in groups as their files hold them, and kept up to a number of bytes."""

from __future__ import annotations

import functools
import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.schema.episodes import IS_NULL, Feature
from lapsdata.storage.archive_path import ArchivePath
from lapsdata.storage.per_process import PerProcess
from lapsdata.storage.slabs import SlabCache

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes
    from lapsdata.storage.hdf5_file import Hdf5File

__all__ = ["EpisodeRows", "RowFile", "folder_of_rows"]

_KNOWN_FILES, _OPEN_FILES = 256, 64

T = TypeVar("T")


def folder_of_rows(path: Path) -> ArchivePath:
    """Return the folder that the files of a data set are relative to: that of a data set of one file is its own.

    Names below it may lead into archives.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> folder_of_rows(folder) == folder_of_rows(folder / "demo.hdf5")
    True
    """
    return ArchivePath(path if path.is_dir() else path.parent)


class RowFile(Protocol):
    """One file of rows."""

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def bounds(self) -> NDArray[np.int64]:
        """First row of each group of rows that is stored together, and the number of rows: int64 (G + 1,)."""

    def read(self, group: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return columns of a group of rows: each (R, ...)."""

    def values(self, group: int, name: str, first: int = 0, stop: int | None = None) -> list[Any]:
        """Return rows of a column of a group as values of Python: texts, images as pixels, or their bytes."""


class EpisodeRows:
    """Columns of episodes, from any thread, and in any process that it is sent to; each opens what it needs.

    As a context manager it closes in the end what this process has opened; else that closes when nothing refers to it.

    Parameters
    ----------
    root : Path
        The folder of the data set.
    episodes : Episodes
    cache_bytes : int
        Bytes of decoded columns that are kept.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> from lapsdata.adapters import find_adapter
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(4, 6))
    >>> rows = EpisodeRows(root, find_adapter(root)[0].read(root).container)
    >>> rows.read(1, ["timestamp"])["timestamp"].shape
    (6,)
    """

    def __init__(self, root: Path, episodes: Episodes, cache_bytes: int = 1 << 28) -> None:
        self._root, self._episodes = ArchivePath(root), episodes
        features = episodes.header.features
        self._features = {feature.name: feature for feature in features}
        self._texts = frozenset(feature.name for feature in features if feature.dtype == "text")
        numbers = (feature for feature in features if feature.dtype != "text")
        self._widest = max((math.prod(one.shape) * np.dtype(one.dtype).itemsize for one in numbers), default=1)
        self._nulls = {f"{name}{IS_NULL}": name for name, feature in self._features.items() if feature.nullable}
        self._features |= {name: Feature(name=name, dtype="bool", shape=()) for name in self._nulls}
        self._states = PerProcess(functools.partial(_State, cache_bytes))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        state = self._states.take()
        for file in () if state is None else state.containers.all():
            file.close()

    def read(
        self, place: int, names: Sequence[str], first: int = 0, stop: int | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return columns of rows of one episode.

        Parameters
        ----------
        place : int
            Of the episode, 0 to E - 1.
        names : sequence of str
            Features; of those that are nullable also `<name>_is_null`.
        first, stop : int
            Rows of the episode, `first` up to and without `stop`; all by default.

        Returns
        -------
        dict of np.ndarray (R, *shape), of the feature's dtype
            Views of what is kept, read-only, where the rows lie in one group.

        Raises
        ------
        SchemaError
            A column that is missing, or of another dtype or shape than the header says.
        CorruptDataError
            A file that has too few rows, or cannot be decoded.
        StorageError
            A file that cannot be read.
        """
        file, start, until = self._span(place, first, stop)
        parts: list[dict[str, NDArray[Any]]] = []
        bounds = file.bounds
        # No row at the end of a file is none of its last group.
        group = min(int(np.searchsorted(bounds, start, "right")), len(bounds) - 1) - 1
        while start < until or not parts:
            columns = self._columns(file, place, group, names)
            offset, end = int(bounds[group]), min(until, int(bounds[group + 1]))
            parts.append({name: columns[name][start - offset : end - offset] for name in names})
            start, group = end, group + 1
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in names}

    def values(self, place: int, name: str, first: int = 0, stop: int | None = None) -> list[Any]:
        """Return a column of rows of one episode as values of Python, as `RowFile.values`."""
        file, start, until = self._span(place, first, stop)
        found: list[Any] = []
        bounds = file.bounds
        for group in range(int(np.searchsorted(bounds, start, "right")) - 1, len(bounds) - 1):
            offset = int(bounds[group])
            if offset >= until:
                break
            begin, end = max(0, start - offset), min(until, int(bounds[group + 1])) - offset
            if self._episodes.groups is None:
                found += self._values(file, place, group, name)[begin:end]
            else:
                found += file.values(group, name, begin, end)
        return found

    def file_rows(self, place: int) -> int:
        """Return how many rows the file of an episode holds, those of other episodes among them; raises as `read`."""
        return len(self._file(place))

    def _values(self, file: RowFile, place: int, group: int, name: str) -> list[Any]:
        """Return all values of a group of rows of a table, which cannot be read in part."""
        cache, key = self._states.get().values, (self._key(place), group, name)
        held = cache.get(key)
        if held is None:
            values = file.values(group, name)
            held = _Values(values, sum(map(_nbytes, values)))
            cache.put(key, held)
        return held.values

    def _span(self, place: int, first: int, stop: int | None) -> tuple[RowFile, int, int]:
        """Return the file of an episode, and the rows of the file that are asked for."""
        episodes = self._episodes
        rows = int(episodes.rows[place])
        stop = rows if stop is None else stop
        if not 0 <= first <= stop <= rows:
            raise IndexError(
                f"episode {int(episodes.number[place])}: expected rows within 0 to {rows}, got {first} to {stop}"
            )
        file = self._file(place)
        start = int(episodes.first_row[place])
        if start + rows > len(file):
            where = f"{self._path(place)}: episode {int(episodes.number[place])}"
            message = f"expected rows {start} to {start + rows}, got a file of {len(file)}"
            fix = "the list of episodes is of other files, or the file is not whole: copy or record it again"
            raise CorruptDataError(Problem("too-few-rows", where, message, fix))
        return file, start + first, start + stop

    def _path(self, place: int) -> Path:
        path: Path = self._root / self._episodes.files[int(self._episodes.file_index[place])]
        return path

    def _columns(self, file: RowFile, place: int, group: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        key = self._key(place)
        cache = self._states.get().cache
        found = {name: cache.get((key, group, name)) for name in names}
        absent = [name for name, array in found.items() if array is None]
        if absent:
            for name, array in file.read(group, absent).items():
                found[name] = checked = self._checked(place, name, array)
                cache.put((key, group, name), checked)
        return found  # type: ignore[return-value]  # nothing is None any more

    def _checked(self, place: int, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """Return a column as the header says that it is; one number per row may be stored as a list of one."""
        feature = self._features[name]
        shape = (len(array), *feature.shape)
        if array.dtype != feature.dtype or (array.shape != shape and array.size != np.prod(shape, dtype=np.int64)):
            wanted, got = f"{feature.dtype} {feature.shape}", f"{array.dtype} {array.shape[1:]}"
            message = f"expected {wanted} in a row, as the data set says, got {got}"
            raise SchemaError(Problem("unlike-columns", f"{self._path(place)}: {name}", message))
        checked = array.reshape(shape)
        checked.flags.writeable = False
        return checked

    def _key(self, place: int) -> Hashable:
        groups = self._episodes.groups
        return int(self._episodes.file_index[place]), None if groups is None else groups[place]

    def _file(self, place: int) -> RowFile:
        return self._states.get().files.get(self._key(place), lambda: self._open(place))

    def _open(self, place: int) -> RowFile:
        path = self._path(place)
        if self._episodes.groups is None:
            from lapsdata.storage.parquet_rows import ParquetRows

            return ParquetRows(path, self._nulls)
        from lapsdata.storage.hdf5_file import Hdf5File
        from lapsdata.storage.hdf5_rows import Hdf5Rows

        return Hdf5Rows(
            lambda: self._states.get().containers.get(path, lambda: Hdf5File(path)),
            self._episodes.groups[place],
            int(self._episodes.rows[place]),
            row_bytes=self._widest,
            texts=self._texts,
        )


class _Values(NamedTuple):
    """Values of Python, and what they take."""

    values: list[Any]
    nbytes: int

    def __len__(self) -> int:
        return len(self.values)


def _nbytes(value: Any) -> int:  # noqa: ANN401 - a text, bytes, or what Parquet calls an image
    if isinstance(value, dict):
        return sum(map(_nbytes, value.values()))
    return len(value) if isinstance(value, str | bytes) else 8


class _State:
    """The footers and columns that one process knows, and the files of HDF5 that it holds open."""

    def __init__(self, cache_bytes: int) -> None:
        self.cache: SlabCache[NDArray[Any]] = SlabCache(cache_bytes)
        self.values: SlabCache[_Values] = SlabCache(cache_bytes)
        self.files: _Recent[RowFile] = _Recent(_KNOWN_FILES)
        self.containers: _Recent[Hdf5File] = _Recent(_OPEN_FILES)


class _Recent(Generic[T]):
    """What was used last, up to a number; safe for threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is held, or make and hold it; what was not used for longest is let go, and closes by itself."""
        with self._lock:
            known = self._held.get(key)
            if known is not None:
                self._held.move_to_end(key)
                return known
        made = make()
        with self._lock:
            # Another thread may have been first.
            held = self._held.setdefault(key, made)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return held

    def all(self) -> list[T]:
        """Return everything that is held."""
        with self._lock:
            return list(self._held.values())
