"""Why a dataset cannot be read: the one fault that explains it, with what to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lapsdata.errors import CorruptDataError, LapsError, MissingExtraError, Problem, StorageError, UnknownFormatError
from lapsdata.storage.hdf5_text import hdf5_text
from lapsdata.storage.numpy_install import numpy_problem

if TYPE_CHECKING:
    from lapsdata.storage.hdf5_decode import Filter
    from lapsdata.storage.hdf5_ladder import Rung, Selection, Source
    from lapsdata.storage.hdf5_types import StoredType

__all__ = ["numpy_cause", "refusal", "require_plausible", "require_readable"]

# A request is implausible if it is larger than this many bytes and than this many times what was ever written.
_LARGE: Final = 1 << 26
_MOSTLY_FILL: Final = 100

# Registered filters that the hdf5plugin distribution holds (https://github.com/HDFGroup/hdf5_plugins, its
# README).
_PLUGIN_FILTERS: Final = {
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32018: "fcidecomp",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
}


def require_readable(stored: StoredType, where: str) -> None:
    """Refuse references, and structures under a broken NumPy: h5py would size them wrongly, and not always say so."""
    if stored.type_class == "reference":
        message = "expected numbers or text, got references to other objects"
        raise UnknownFormatError(Problem("unsupported-type", where, message, "read what they name"))
    if stored.native is not None or stored.type_class == "variable-string":
        return
    mixed = numpy_problem()
    if mixed and mixed.severity == "error":
        message = f"expected a sound NumPy for {stored.type_class} elements, got another: {mixed.message}"
        raise UnknownFormatError(Problem("mixed-numpy-install", where, message, mixed.fix))


def require_plausible(source: Source, box: Selection) -> None:
    """Refuse a box that is all but entirely storage never written: a damaged shape asks for any amount of memory."""
    chunk_shape = source.chunk_shape or source.shape
    written = (source.chunks - source.unwritten_chunks) * math.prod(chunk_shape) * source.stored.size
    asked = math.prod(box.count) * source.stored.size
    if source.unwritten_chunks and asked > _LARGE and asked > _MOSTLY_FILL * written:
        message = (
            f"expected a shape that its chunks fill, got {source.shape} with "
            f"{source.unwritten_chunks} of {source.chunks} chunks never written"
        )
        fix = "restore the file from a copy, or read it in spans of rows if it is meant so"
        raise CorruptDataError(Problem("implausible-shape", source.where, message, fix))


def numpy_cause() -> str | None:
    """Return the fault of the NumPy install, with its fix, as a hint for other messages; None if there is none."""
    mixed = numpy_problem()
    return f"{mixed.message}: {mixed.fix}" if mixed else None


def refusal(source: Source, refused: dict[Rung, Exception]) -> LapsError:
    """Choose the one fault that explains why no rung served."""
    from h5py import h5z

    missing = [step for step in source.filters if not h5z.filter_avail(step.id)]
    if missing:
        return _missing_filter(source, missing[0])
    for error in refused.values():
        if isinstance(error, CorruptDataError):
            return error
    if any(isinstance(error, MemoryError) for error in refused.values()):
        message = f"expected memory for {source.shape} elements of {source.stored.size} bytes, got none"
        fix = "read it in spans of rows; if its shape is too large to be true, restore the file from a copy"
        return StorageError(Problem("out-of-memory", source.where, message, fix))
    story = "; ".join(f"{rung}: {_line(error)}" for rung, error in refused.items())
    kind = f"{source.stored.type_class} of {source.stored.size} bytes"
    message = f"expected to read {source.shape} {kind}, got {story}"
    # A conversion that libhdf5 lacks is no damage.
    if any(isinstance(error, OSError) and "conversion path" not in str(error) for error in refused.values()):
        return CorruptDataError(
            Problem("unreadable-dataset", source.where, message, numpy_cause() or "restore it from a copy")
        )
    for error in refused.values():
        if isinstance(error, LapsError):
            return error
    return UnknownFormatError(Problem("unsupported-type", source.where, message, numpy_cause()))


def _missing_filter(source: Source, step: Filter) -> LapsError:
    name = step.name or _PLUGIN_FILTERS.get(step.id, "unregistered")
    message = f"expected an installed filter, got filter {step.id} ({name}), which is not"
    if step.id in _PLUGIN_FILTERS:
        fix = "pip install 'lapsdata[hdf5plugin]' and `import hdf5plugin` before reading"
        return MissingExtraError(Problem("missing-filter", source.where, message, fix))
    return UnknownFormatError(
        Problem("missing-filter", source.where, message, "ask the writer of the file for its plug-in")
    )


def _line(error: Exception) -> str:
    return str(error) if isinstance(error, LapsError) else hdf5_text(error)
