"""Other files that a dataset takes its values from: libhdf5 fills in for an absent one without a word.

A virtual dataset maps parts of datasets in other files; an external one has its bytes in raw files. Where a
source of the first kind does not open, libhdf5 reads the fill value; where a raw file is short, it reads zeros.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lapsdata.errors import Problem, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["missing_sources", "require_sources"]

_SHOWN: Final = 3
# Stands for a percent sign that is none of a pattern's (H5Pset_virtual); no name holds it.
_PERCENT: Final = "\0"
# What h5py raises for a file or dataset that it cannot open.
_OPEN_ERRORS: Final = (OSError, KeyError, ValueError, RuntimeError)


def require_sources(missing: tuple[str, ...], where: str) -> None:
    """Refuse a dataset whose values lie in files that are not there.

    Raises
    ------
    StorageError
        Naming the first of them, and how many there are.
    """
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        message = f"expected the files that its values lie in, got none or too little of {', '.join(missing[:_SHOWN])}"
        fix = "put them where the file expects them: without them the fill value would be read"
        raise StorageError(Problem("missing-source", where, message + more, fix))


def missing_sources(dataset: Any, layout: str) -> tuple[str, ...]:  # noqa: ANN401  h5py publishes no types
    """Name the sources of a virtual or external dataset that cannot be read, in the order of the file."""
    if layout == "virtual":
        return tuple(dict.fromkeys(_virtual(dataset, frozenset())))
    if layout == "external":
        return tuple(_external(dataset))
    return ()


def _virtual(dataset: Any, entered: frozenset[tuple[str, str]]) -> Iterator[str]:  # noqa: ANN401
    plist = dataset.id.get_create_plist()
    for index in range(plist.get_virtual_count()):
        named = (plist.get_virtual_filename(index), plist.get_virtual_dsetname(index))
        file, name = (text.replace("%%", _PERCENT) for text in named)
        if "%b" in file + name:
            # A pattern stands for as many files as there are without a gap: the shape ends where they end.
            continue
        file, name = file.replace(_PERCENT, "%"), name.replace(_PERCENT, "%")
        if not _opens(dataset.file, file, name, entered):
            yield f"{file}: {name}"


def _opens(file: Any, filename: str, name: str, entered: frozenset[tuple[str, str]]) -> bool:  # noqa: ANN401
    """Tell whether a source opens, and the sources of a source that is virtual itself."""
    import h5py

    if filename == ".":
        return _whole(file, name, entered)
    for place in _places(filename, Path(file.filename)):
        try:
            with h5py.File(place, "r") as source:
                return _whole(source, name, entered)
        except OSError:
            continue  # as libhdf5 does, which takes the first that opens
    return False


def _whole(file: Any, name: str, entered: frozenset[tuple[str, str]]) -> bool:  # noqa: ANN401
    from h5py import h5d

    key = (str(Path(file.filename).resolve()), name)
    try:
        dataset = file[name]
        virtual = dataset.id.get_create_plist().get_layout() == h5d.VIRTUAL
    except (*_OPEN_ERRORS, AttributeError):  # a group has no layout
        return False
    # A circle of virtual datasets holds no value anywhere.
    return key not in entered and (not virtual or not any(_virtual(dataset, entered | {key})))


def _places(filename: str, parent: Path) -> Iterator[Path]:
    """Name the paths at which libhdf5 looks for a source, in its order (`H5F_prefix_open_file`)."""
    if Path(filename).is_absolute():
        yield Path(filename)
        filename = Path(filename).name
    for prefix in filter(None, _prefix("HDF5_VDS_PREFIX", parent).split(":")):
        yield Path(prefix) / filename
    yield parent.absolute().parent / filename
    yield Path(filename)
    yield parent.resolve().parent / filename


def _prefix(variable: str, parent: Path) -> str:
    """Return a variable of libhdf5; `${ORIGIN}` at its very start is the folder of the file."""
    value = os.environ.get(variable, "")
    origin = "${ORIGIN}"
    return f"{parent.absolute().parent}{value.removeprefix(origin)}" if value.startswith(origin) else value


def _external(dataset: Any) -> Iterator[str]:  # noqa: ANN401
    """Compare the raw files with the part of the data that each must hold."""
    folder = Path(_prefix("HDF5_EXTFILE_PREFIX", Path(dataset.file.filename)))
    left = math.prod(dataset.shape) * dataset.id.get_type().get_size()
    plist = dataset.id.get_create_plist()
    for index in range(plist.get_external_count()):
        name, offset, size = plist.get_external(index)
        needed = min(left, size)
        left -= needed
        place = folder / os.fsdecode(name)
        held = place.stat().st_size if place.is_file() else 0
        if held < offset + needed:
            yield f"{os.fsdecode(name)} ({held} of {offset + needed} bytes)"
