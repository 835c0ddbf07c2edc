"""Files of other makers: read whole, compared with their seal list where they have one, and given one on request."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lapsdata.checks._rows import ReadWindows, read_windows, sum_windows
from lapsdata.checks.outcome import CheckedItem, refused
from lapsdata.errors import LapsError, Problem, SchemaError, StorageError, UnknownFormatError
from lapsdata.loading.foreign import OTHER_KIND, foreign_arrays, require_fit, store_of
from lapsdata.loading.items import WindowItem, window_file
from lapsdata.loading.shards import PART_OF_SHARDS
from lapsdata.schema.base import canonical_json
from lapsdata.schema.export import RECORDS
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.index import ChunkIndex, FileKey, file_key
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.seal_list import existing_seal_list, seal_list, seal_list_path, with_checksums
from lapsdata.storage.sealed_json import unsealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.checks._rows import Advance
    from lapsdata.loading.foreign import ForeignArrays
    from lapsdata.loading.items import WindowFile
    from lapsdata.storage.pieces import Source

__all__ = ["check_foreign", "check_json"]

_SEAL_IT = "make a list of checksums beside it: lapsdata check PATH --seal"

_HDF5 = (".h5", ".hdf5")
_SEALED_JSON = re.compile(rb'"x-seal"|"crc32c:[0-9a-f]{8}"')
"""Either of the marks of a sealed JSON: where one is damaged, there is the other."""


def check_foreign(
    path: Path, unknown: UnknownFormatError, advance: Advance, *, named: bool, seal: bool, force: bool
) -> CheckedItem:
    """Check a file or folder that none of our formats knows; see `check_integrity`.

    Parameters
    ----------
    path : Path
    unknown : UnknownFormatError
        What was said of it.
    advance : callable
    named, seal, force : bool
        Whether the user named it; whether a list is written where there is none; whether also where there is one.
    """
    listed = existing_seal_list(path) is not None
    try:
        arrays = foreign_arrays(path)
    except (UnknownFormatError, SchemaError) as error:
        if listed or error.problems[0].code == PART_OF_SHARDS:
            return refused(path, "unknown", error)
        return _without_windows(path, unknown, error, named=named, seal=seal)
    except LapsError as error:
        # Of a file without a byte nobody knows whether it was HDF5, unless its name says so.
        empty = error.problems[0].code == "empty-file" and path.suffix.lower() not in _HDF5
        return refused(path, "unknown", unknown if empty else error)
    kind = f"{arrays.store} of others"
    views = f", {len(arrays.views)} views" if len(arrays.views) > 1 else ""
    try:
        if arrays.store != "tar":  # whose fields are whatever its samples have
            require_fit(path, arrays, sorted(arrays.views))
        if seal and (force or not listed):
            windows = _make_list(path, arrays, advance, replace=force)
            return CheckedItem(path, kind, windows, 0, f"{windows} windows{views}, list {'re' * listed}written")
        found = _read(path, arrays, advance)
    except LapsError as error:
        return refused(path, kind, error)
    if listed:
        note = f"{found.text} by its list{views}{'; the list stays' * (seal and not found.problems)}"
        return CheckedItem(path, kind, found.windows, found.good, note, tuple(found.problems))
    message = f"expected checksums, got none: nothing says whether its {found.windows} windows are what was written"
    bare = Problem("unverified", str(path), message, _SEAL_IT, "warning")
    note = f"{found.good} windows read{views}, unverified"
    return CheckedItem(path, kind, found.windows, 0, note, (*found.problems, bare))


def _without_windows(
    path: Path, unknown: UnknownFormatError, error: LapsError, *, named: bool, seal: bool
) -> CheckedItem:
    """Say what becomes of a file without windows: nothing of it can be verified or listed."""
    code = error.problems[0].code
    if code == OTHER_KIND and named:
        return refused(path, "unknown", error)
    if code in ("not-hdf5", OTHER_KIND):
        # Its name says that it was one: then its first bytes are damaged.
        if path.suffix.lower() in _HDF5:
            return refused(path, "hdf5 of others", error)
        kind, told = "unknown", unknown.problems[0]
        if named:
            return refused(path, kind, unknown)
    else:
        kind, told = f"{store_of(path)} of others", error.problems[0]
        if seal:
            return refused(path, kind, error)
    message = f"nothing of it was read or verified: {told.message}"
    bare = Problem("unverified", told.where, message, severity="warning")
    return CheckedItem(path, kind, None, 0, "no windows found, unverified", (bare,))


def check_json(path: Path) -> CheckedItem | None:
    """Compare a record that is a file of its own with its seal; None of JSON without one."""
    kind = "sealed JSON"
    try:
        with storage_errors(path, "open"):
            data = path.read_bytes()
        if _SEALED_JSON.search(data) is None:
            return None
        document = unsealed_json(data, str(path))
        if document is None:
            message = "expected a sealed JSON object, got damaged bytes"
            return CheckedItem(path, kind, None, 0, "damaged", (Problem("no-seal", str(path), message, REPAIR),))
        record = RECORDS.get(str(document.get("format")).removeprefix("lapsdata.") + ".v1")
        if record is not None:
            record.parse(canonical_json(document), str(path))
    except LapsError as error:
        return refused(path, kind, error)
    return CheckedItem(path, kind, None, 0, "verified")


def _read(path: Path, arrays: ForeignArrays, advance: Advance) -> ReadWindows:
    """Read every window of every view, and compare it with the file's list where there is one."""
    sources = with_checksums(path, arrays.store, arrays.sources)
    whole = ReadWindows(0)
    for view in sorted(arrays.views):
        found = read_windows(_view(path, {field: sources[name] for field, name in arrays.views[view].items()}), advance)
        whole.windows += found.windows
        whole.good += found.good
        whole.problems += found.problems
    return whole


def _make_list(path: Path, arrays: ForeignArrays, advance: Advance, *, replace: bool) -> int:
    """Write the list of a file beside it; return how many windows it tells of.

    Raises
    ------
    StorageError
        The folder may not be written to, a list is there, or the file changed while it was read.
    CorruptDataError
        A window cannot be read.
    SchemaError
        Arrays of something else than plain numbers.
    """
    place = existing_seal_list(path) or seal_list_path(path)
    # Told before hours of reading, and not after them.
    if not os.access(place.absolute().parent, os.W_OK):
        message = "cannot write: no permission, and a list stands beside its file"
        fix = "copy the file to a folder that you may write to"
        raise StorageError(Problem("no-permission", str(place), message, fix))
    before = _keys(path, arrays.sources)
    sums: dict[str, NDArray[np.uint32]] = {}
    windows = 0
    for view in sorted(arrays.views):
        fields, names = arrays.fields(view), arrays.views[view]
        file = _view(path, fields)
        found = sum_windows(file.pieces, fields, advance)
        sums |= {names[field]: checksums for field, checksums in found.items()}
        windows += file.items[0].rows
    record = seal_list(path, arrays.store, arrays.sources, sums)
    if before != {file: file_key(file) for file in before}:
        message = "expected one file from beginning to end, got another: it was changed while it was read"
        raise StorageError(Problem("replaced", str(path), message, "wait until it is finished, then run it again"))
    write_sealed_json(place, record, overwrite=replace)
    return windows


def _keys(path: Path, sources: Mapping[str, Source]) -> dict[Path, FileKey]:
    """Return what tells the files that arrays lie in from others of their names."""
    keys = {} if path.is_dir() else {path: file_key(path)}
    for source in sources.values():
        if isinstance(source, ChunkIndex):
            pairs = zip(source.files, source.keys, strict=True)
            keys.update((file, key) for file, key in pairs if key != FileKey(0, 0, 0))
    return keys


def _view(path: Path, fields: dict[str, Source]) -> WindowFile:
    rows = int(next(iter(fields.values())).shape[0])
    return window_file(path, [WindowItem(path, path.stem, None, rows, None, None)], fields)
