"""What a format is: a name, a record, a store, and three functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lapsdata.containers.base import Container
from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import warn_of_other_code
from lapsdata.schema.base import canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.formats._tracks_index import TracksIndex
    from lapsdata.schema.base import Header

__all__ = ["Format", "WriteReport", "check_container", "open_header", "size_on_disk"]

C = TypeVar("C", bound=Container)
H = TypeVar("H", bound="Header")


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What writing a file did.

    Parameters
    ----------
    path : Path
    format : str
        Registry name of the format.
    nbytes : int
        Bytes on disk.
    largest_error_px : float
        By how much a stored position differs from the given one at most; 0.0 where nothing was rounded.
    notes : tuple of Problem
        What a reader of the file must know, at severity "info" or "warning".
    settled : frozenset of str
        Codes of notes on the source that hold no more for the file, of which `notes` say what holds.

    Examples
    --------
    >>> from pathlib import Path
    >>> WriteReport(Path("clip.h5"), "tracks_hdf5", 1024).largest_error_px
    0.0
    """

    path: Path
    format: str
    nbytes: int
    largest_error_px: float = 0.0
    notes: tuple[Problem, ...] = field(default_factory=tuple)
    settled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Format(Generic[C]):
    """A file format: the object that a module of `lapsdata.formats`, or an entry point, brings.

    Parameters
    ----------
    name : str
        Registry name, `<record>_<store>`, the name of the module.
    record : str
        What it holds: `tracks`, `tokens`, `energies`, `segments`, `boxes` or a plug-in's own.
    store : str
        How: `hdf5`, `zarr`, `jsonl`, `parquet` ...
    suffixes : tuple of str
        Endings of file names that `write` recognises it by.
    container : type
        The container that it reads and writes.
    recognises : callable
        Says whether a path holds this format; cheap, and False for anything else.
    read : callable
        `read(path, *, verify="first") -> container`; see `lapsdata.formats.read`.
    write : callable
        `write(path, container, *, overwrite=False, **options) -> WriteReport`; see `lapsdata.formats.write`.
    writer : callable, optional
        For tracks, where they can be written window by window:
        `writer(path, *, views, windows, horizon, confidence, overwrite=False, **options) -> TracksWriter`, with the
        options of `write`; see `lapsdata.formats.tracks_writer`.
    read_header : callable, optional
        `read_header(path) -> header`, where that is cheaper than `read`; see `lapsdata.formats.read_header`.
    index : callable, optional
        For tracks, where their windows can be read one by one: `index(path) -> TracksIndex`, with the seal checked.

    Examples
    --------
    >>> from lapsdata.plugins import registry
    >>> boxes = registry("formats").load("boxes_parquet")
    >>> boxes.record, boxes.store, boxes.suffixes
    ('boxes', 'parquet', ('.parquet',))
    """

    name: str
    record: str
    store: str
    suffixes: tuple[str, ...]
    container: type[C]
    recognises: Callable[[Path], bool]
    read: Callable[..., C]
    write: Callable[..., WriteReport]
    writer: Callable[..., Any] | None = None
    read_header: Callable[[Path], Header] | None = None
    index: Callable[[Path], TracksIndex] | None = None


def check_container(container: object, expected: type[Container], path: Path) -> None:
    """Refuse to write a container of another kind.

    Raises
    ------
    SchemaError
        `container` is no `expected`.
    """
    if not isinstance(container, expected):
        message = f"expected a {expected.__name__}, got {type(container).__name__}"
        raise SchemaError(Problem("wrong-container", str(path), message, "use the format of that record"))


def open_header(record: type[H], document: dict[str, JsonValue], path: Path) -> H:
    """Read the header of a file and warn when other code wrote it.

    Raises
    ------
    SchemaError
        Another record, or keys at fault.
    FormatTooNewError
        Written by a newer major version.
    """
    header = record.parse(canonical_json(document), str(path))
    warn_of_other_code(header.provenance, str(path))
    return header


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
    return path.stat().st_size
