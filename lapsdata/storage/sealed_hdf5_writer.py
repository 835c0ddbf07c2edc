"""Writing sealed HDF5 files, window by window, in memory that does not grow with their number.

Equal arrays give equal bytes, whatever is appended when: space that is not compressed is laid out before anything is
written, and compressed chunks are first gathered in a file of their own, then put into the final one in the order of
arrays and windows.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.seal import StoredArray, WindowArray, WindowSums, make_seal, split_arrays
from lapsdata.storage.sealed_hdf5 import HEADER_PATH, SEAL_PATH, STORAGE_PATH, hdf5_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["Chunking", "Hdf5Writer", "sealed_hdf5_writer", "write_sealed_hdf5"]

Chunking = Literal["contiguous", "windows"]
"""How a raw array lies in the file: in one piece, or one chunk per window."""


def write_sealed_hdf5(
    path: Path,
    header: Mapping[str, JsonValue],
    storage: Mapping[str, JsonValue],
    arrays: Mapping[str, StoredArray],
    attributes: Mapping[str, Mapping[str, int]],
    *,
    profile: Literal["raw", "compact"],
    chunking: Chunking = "contiguous",
    overwrite: bool = False,
) -> None:
    """Write a file with its header, arrays, attributes, checksums and seal, all or nothing.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    header, storage : mapping
        The header record, and how the values were put on disk, both as JSON.
    arrays : mapping of StoredArray
        By path inside the file.
    attributes : mapping of mapping of int
        Integer attributes of groups, by path.
    profile, chunking, overwrite
        See `sealed_hdf5_writer`.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.storage.sealed_hdf5 import SealedHdf5
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "numbers.h5"
    >>> numbers = StoredArray(np.arange(6, dtype=np.float32).reshape(3, 2))
    >>> write_sealed_hdf5(target, {"format": "numbers"}, {}, {"numbers": numbers}, {}, profile="raw")
    >>> with SealedHdf5(target) as file:
    ...     file.read("numbers").tolist()
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """
    big, small = split_arrays(arrays)
    with sealed_hdf5_writer(path, big, profile=profile, chunking=chunking, overwrite=overwrite) as writer:
        for name in big:
            writer.append(name, arrays[name].values)
        writer.finish(header, storage, small, attributes)


@contextlib.contextmanager
def sealed_hdf5_writer(
    path: Path,
    arrays: Mapping[str, WindowArray],
    *,
    profile: Literal["raw", "compact"],
    chunking: Chunking = "contiguous",
    overwrite: bool = False,
) -> Iterator[Hdf5Writer]:
    """Give a writer to append windows to and to finish; the file is there once the block has ended without an error.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    arrays : mapping of WindowArray
        The arrays to be written, by path inside the file.
    profile : {"raw", "compact"}
        `raw`: uncompressed; `compact`: one chunk per window with shuffle, gzip 4 and fletcher32. `compact` needs the
        space of the finished file twice while it is being finished.
    chunking : {"contiguous", "windows"}
        For `raw`.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "numbers.h5"
    >>> with sealed_hdf5_writer(target, {"numbers": WindowArray((2, 3), np.dtype("f4"))}, profile="raw") as writer:
    ...     writer.append("numbers", np.zeros((1, 3), np.float32))
    ...     writer.append("numbers", np.ones((1, 3), np.float32))
    ...     writer.finish({"format": "numbers"}, {}, {}, {})
    >>> [item.name for item in target.parent.iterdir()]
    ['numbers.h5']
    """
    with atomic_file(path, overwrite=overwrite) as temporary:
        gathered = temporary.with_name(f"{temporary.name}.chunks") if profile == "compact" else None
        try:
            with contextlib.ExitStack() as stack:
                yield Hdf5Writer(path, temporary, gathered, arrays, chunking, stack)
        finally:
            if gathered is not None:
                gathered.unlink(missing_ok=True)


class Hdf5Writer:
    """Takes windows of several arrays, then the rest of the file; made by `sealed_hdf5_writer`."""

    def __init__(
        self,
        path: Path,
        temporary: Path,
        gathered: Path | None,
        arrays: Mapping[str, WindowArray],
        chunking: Chunking,
        stack: contextlib.ExitStack,
    ) -> None:
        self._path, self._temporary, self._gathered = path, temporary, gathered
        self._arrays, self._stack = arrays, stack
        self._sums = WindowSums(arrays)
        if gathered is not None:
            gathered.touch(exist_ok=False)
        self._file, self._guarded = stack.enter_context(_writing(gathered or temporary, "w"))
        self._datasets = {
            name: _lay_out(self._file, name, array, chunking)
            if gathered is None
            else _create_compressed(self._file, name, array)
            for name, array in arrays.items()
        }

    def append(self, name: str, windows: NDArray[Any]) -> None:
        """Write the next windows of an array.

        Raises
        ------
        LengthMismatchError
            There would be more of them than the array has.
        StorageError
            The file system refused.
        """
        place = self._sums.add(name, windows)
        with storage_errors(self._path, "write"):
            self._datasets[name][place] = windows
            self._guarded.check()

    def finish(
        self,
        header: Mapping[str, JsonValue],
        storage: Mapping[str, JsonValue],
        small: Mapping[str, StoredArray],
        attributes: Mapping[str, Mapping[str, int]],
    ) -> None:
        """Write everything else; see `write_sealed_hdf5`. Nothing can be appended any more.

        Raises
        ------
        LengthMismatchError
            An array has fewer windows than it should have.
        StorageError
            The file system refused.
        """
        complete = {**small, **self._sums.finish()}
        documents = {HEADER_PATH: canonical_json(dict(header)), STORAGE_PATH: canonical_json(dict(storage))}
        with storage_errors(self._path, "write"):
            with self._final_file() as file:
                for name, item in complete.items():
                    file.create_dataset(name, data=item.values)
                for group, pairs in attributes.items():
                    for key, number in pairs.items():
                        file[group].attrs[key] = np.int64(number)
                for name, document in documents.items():
                    _put_bytes(file, name, document)
            # The manifest is read back from the closed file, so that it describes what a reader will find.
            with Hdf5File(self._temporary) as closed:
                manifest = hdf5_manifest(closed, sorted({*self._arrays, *complete}), set(complete), attributes)
            with _writing(self._temporary, "r+") as (file, _):
                _put_bytes(file, SEAL_PATH, make_seal(manifest))

    @contextlib.contextmanager
    def _final_file(self) -> Iterator[Any]:
        """Open the file with its windows in it, and close it, with all others, at the end."""
        with self._stack:
            if self._gathered is None:
                yield self._file
                return
            with _writing(self._temporary, "w") as (file, guarded):
                for name, array in self._arrays.items():
                    _copy_chunks(self._datasets[name], _create_compressed(file, name, array))
                    guarded.check()
                yield file


class _Guarded(io.FileIO):
    """A file for libhdf5 to write to, which remembers what stopped a write instead of passing it on.

    libhdf5 cannot close a chunked dataset whose writes fail: it reports the error, keeps the half-closed file, and
    the process dies of a segmentation fault some statements later (HDF5 1.14 and 2.0). So it is told that all is
    well until it has closed the file; then what stopped it is raised: a refusal of the system, or an interrupt, which
    h5py would turn into another error.
    """

    stopped: BaseException | None = None

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest and self.stopped is None:
            try:
                rest = rest[super().write(rest) :]
            except BaseException as error:  # noqa: BLE001 - raised by `check`
                self.stopped = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size) if self.stopped is None else 0
        except BaseException as error:  # noqa: BLE001 - raised by `check`
            self.stopped = error
            return 0

    def check(self) -> None:
        """Raise what has stopped a write so far: nobody should go on for hours for a file that cannot be."""
        if self.stopped is not None:
            raise self.stopped


@contextlib.contextmanager
def _writing(path: Path, mode: Literal["w", "r+"]) -> Iterator[tuple[Any, _Guarded]]:
    """Open a file for writing; what stopped a write is raised once the file is closed."""
    import h5py

    with _Guarded(path, "r+b") as guarded:
        try:
            # Without a cache of chunks: each is written once, whole, and in the order in which it comes.
            with h5py.File(guarded, mode, libver=("v110", "v110"), rdcc_nbytes=0) as file:
                yield file, guarded
        finally:
            # In place of whatever libhdf5 made of the bytes that were not written.
            guarded.check()


def _window(array: WindowArray) -> tuple[int, ...]:
    return (1, *(max(1, length) for length in array.shape[1:]))


def _lay_out(file: Any, name: str, array: WindowArray, chunking: Chunking) -> Any:  # noqa: ANN401 - no types in h5py
    """Create an uncompressed dataset, with its place in the file."""
    import h5py

    at_once = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    at_once.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    # Every window is going to be written; zeros beforehand would be written twice.
    layout = {"chunks": _window(array)} if chunking == "windows" else {}
    return file.create_dataset(name, array.shape, array.dtype, dcpl=at_once, fill_time="never", **layout)


def _create_compressed(file: Any, name: str, array: WindowArray) -> Any:  # noqa: ANN401 - see above
    filters = {"shuffle": True, "compression": "gzip", "compression_opts": 4, "fletcher32": True}
    return file.create_dataset(name, array.shape, array.dtype, chunks=_window(array), **filters)


def _put_bytes(file: Any, name: str, content: bytes) -> None:  # noqa: ANN401 - see above
    file.create_dataset(name, data=np.array(content, dtype=f"S{len(content)}"))


def _copy_chunks(source: Any, target: Any) -> None:  # noqa: ANN401 - see above
    """Copy stored chunks as they are, in the order of windows."""
    for window in range(len(source)):
        place = (window, *[0] * (source.ndim - 1))
        mask, content = source.id.read_direct_chunk(place)
        target.id.write_direct_chunk(place, content, mask)
