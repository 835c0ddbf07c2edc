"""Opening an HDF5 file for reading, with a name for each reason why it cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lapsdata.errors import CorruptDataError, LapsError, Problem, StorageError, UnknownFormatError
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.hdf5_text import hdf5_text

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_hdf5"]

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
# The signature stands at byte 0, or behind a user block of 512 bytes times a power of two (specification,
# II.A).
_FIRST_USER_BLOCK: Final = 512


def open_hdf5(path: Path) -> Any:  # noqa: ANN401  h5py publishes no types
    """Return `path` as an `h5py.File` that can only be read.

    Raises
    ------
    StorageError
        No such file, a folder or pipe, no permission, too many open files, locked by or flagged as open for a
        writer.
    UnknownFormatError
        No HDF5 signature.
    CorruptDataError
        Empty, truncated, or the structure cannot be read.
    """
    import h5py

    _require_signature(path)
    with storage_errors(path, "open"):
        try:
            return h5py.File(path, "r")
        except OSError as error:
            named = _named(path, error)
            if named is None:
                raise
            raise named from error


def _require_signature(path: Path) -> None:
    where = str(path)
    with storage_errors(path, "open"), existing(path).open("rb") as file:
        size = file.seek(0, 2)
        place = 0
        while place < size:
            file.seek(place)
            if file.read(len(_SIGNATURE)) == _SIGNATURE:
                return
            place = place * 2 or _FIRST_USER_BLOCK
    if size == 0:
        raise CorruptDataError(
            Problem("empty-file", where, "expected an HDF5 file, got 0 bytes", "restore it from a copy")
        )
    raise UnknownFormatError(Problem("not-hdf5", where, "expected the HDF5 signature, got none"))


def _named(path: Path, error: OSError) -> LapsError | None:
    """Name what is wrong with the content or the lock of a file; None where the operating system refused."""
    text, where = hdf5_text(error), str(path)
    if "truncated file" in text:
        return CorruptDataError(
            Problem("truncated-file", where, f"expected a whole file, got {text}", "restore it from a copy")
        )
    if "already open" in text:
        message = "expected a closed file, got one flagged as open for writing: its writer runs or was killed"
        fix = "wait for the writer, or clear the flag of a copy with `h5clear -s FILE` and check the copy"
        return StorageError(Problem("open-for-write", where, message, fix))
    if "unable to lock file" in text:
        message = f"expected a file that can be read, got a lock: {text}"
        fix = "wait for the writer, or set HDF5_USE_FILE_LOCKING=FALSE where the file system knows no locks"
        return StorageError(Problem("locked-file", where, message, fix))
    if error.errno is not None:
        return None
    return CorruptDataError(
        Problem("unreadable-hdf5", where, f"expected an HDF5 structure, got {text}", "restore it from a copy")
    )
