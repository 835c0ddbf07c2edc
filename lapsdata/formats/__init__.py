"""Our own files, one module per format, and the two functions that find the right one.

A public module here is a format by its place: its name is the registry name, its `PLUGIN` the `Format`.
Other distributions add formats by the entry point `lapsdata.formats`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from lapsdata._first_use import on_first_use
from lapsdata.containers.base import Container
from lapsdata.errors import AmbiguousFormatError, LapsError, Problem, SchemaError, UnknownFormatError, warn
from lapsdata.formats._format import Format, WriteReport
from lapsdata.plugins import registry
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from lapsdata.formats._tracks_writer import TracksWriter
    from lapsdata.schema.base import Header
    from lapsdata.storage.seal import Verify

__all__ = ["Format", "TracksWriter", "WriteReport", "read", "read_header", "recognise", "tracks_writer", "write"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(__name__)

C = TypeVar("C", bound=Container)


def recognise(path: str | PathLike[str]) -> Format[Any]:
    """Find the format of a file or folder by looking into it.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    CorruptDataError
        It begins as a format that we know and cannot be opened as that.
    UnknownFormatError
        No installed format knows it.
    AmbiguousFormatError
        Several do; name one of them.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.samples import sample_boxes
    >>> target = Path(tempfile.mkdtemp()) / "match.parquet"
    >>> report = write(target, sample_boxes())
    >>> recognise(target).name
    'boxes_parquet'
    """
    place = existing(Path(path))
    found, refused = [], []
    for name, plugin in registry("formats").load_all().items():
        try:
            if plugin.recognises(place):
                found.append(name)
        except LapsError as error:
            refused.append(error)
        # A format of somebody else must not keep all files from being read, whatever it raises.
        except Exception as error:  # noqa: BLE001 - a format of somebody else may raise anything
            warn(f"format {name} failed to look at {place}: {type(error).__name__}: {error}")
    if len(found) > 1:
        message = f"expected one format, got several that know it: {', '.join(found)}"
        raise AmbiguousFormatError(Problem("ambiguous-format", str(place), message, "name one of them: format=..."))
    if not found and refused:
        raise refused[0]
    if not found:
        got, fix = _what_it_seems(place)
        message = f"expected one of {', '.join(registry('formats').names())}, got {got}"
        raise UnknownFormatError(Problem("unknown-format", str(place), message, fix))
    chosen: Format[Any] = registry("formats").load(found[0])
    return chosen


_BEGINNINGS = (
    (b"\x1f\x8b", "a file compressed with gzip", "decompress it first"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
)


def _what_it_seems(place: Path) -> tuple[str, str]:
    """Return what a file is, as far as its first bytes tell, and what to do."""
    unknown = "something that none of them knows", "for HDF5 of unknown making: lapsdata inspect FILE --low-level"
    if not place.is_file():
        return unknown
    with storage_errors(place, "open"), place.open("rb") as file:
        begin = file.read(2)
    if not begin:
        text = "; what a tracker found, nothing, is known by its place: data/<sequence>.txt, or beside other results"
        return "0 bytes", f"restore it from a copy{text * (place.suffix.lower() == '.txt')}"
    told = [(what, fix) for mark, what, fix in _BEGINNINGS if begin == mark]
    return told[0] if told else unknown


@overload
def read(
    path: str | PathLike[str], expect: None = None, *, format: str | None = None, verify: Verify = "first"
) -> Container: ...
@overload
def read(path: str | PathLike[str], expect: type[C], *, format: str | None = None, verify: Verify = "first") -> C: ...
def read(
    path: str | PathLike[str],
    expect: type[Container] | None = None,
    *,
    format: str | None = None,
    verify: Verify = "first",
) -> Container:
    """Read a file or folder of ours into its container.

    Parameters
    ----------
    path : path
    expect : type of container, optional
        What it must hold, as `Tracks`; also tells a type checker what comes back.
    format : str, optional
        Registry name; by default the file is looked into.
    verify : {"first", "always", "never"}
        When payload checksums are compared.

    Raises
    ------
    StorageError, UnknownFormatError, AmbiguousFormatError
        See `recognise`.
    SchemaError
        It holds something else than `expect`.
    CorruptDataError
        Anything that is not as it was written.
    FormatTooNewError
        Written by a newer major version.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.containers import Tracks
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target = Path(tempfile.mkdtemp()) / "clip.h5"
    >>> report = write(target, sample_tracks())
    >>> read(target, Tracks).header.horizon
    4
    """
    plugin = _recognised(Path(path)) if format is None else registry("formats").load(format)
    if expect is not None and not issubclass(plugin.container, expect):
        message = f"expected a file with {expect.__name__}, got one with {plugin.container.__name__} ({plugin.name})"
        raise SchemaError(Problem("wrong-record", str(path), message, "name the file that holds them"))
    container: Container = plugin.read(existing(Path(path)), verify=verify)
    return container


def _recognised(place: Path) -> Format[Any]:
    """Return the format of a file; of one that an adapter knows, the error says how that reads it."""
    try:
        return recognise(place)
    except UnknownFormatError as error:
        adapters = registry("adapters").load_all() if error.problems[0].code == "unknown-format" else {}
        for name, adapter in adapters.items():
            if (record := adapter.recognises(place)) is not None:
                message = f"expected a file or folder of ours, got {record} that the adapter {name} reads"
                fix = (
                    "lapsdata.adapters.find_adapter(path)[0].read(path).container, or make a file of ours of it: "
                    f"lapsdata convert {place} OUT"
                )
                raise UnknownFormatError(Problem("unknown-format", str(place), message, fix)) from error
        raise


def read_header(path: str | PathLike[str], *, format: str | None = None) -> Header:
    """Read the header of a file or folder of ours, and check that it was finished and is whole.

    Seal, structure and small arrays (times) are compared with what was written. Where the format can tell it apart
    (`Format.read_header`), the payload is not read, but for one window of each array: as quick for 10 GB as for 10 kB.

    Parameters
    ----------
    path : path
    format : str, optional
        Registry name; by default the file is looked into.

    Raises
    ------
    StorageError, UnknownFormatError, AmbiguousFormatError, CorruptDataError, FormatTooNewError
        See `read`.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target = Path(tempfile.mkdtemp()) / "clip.h5"
    >>> report = write(target, sample_tracks())
    >>> read_header(target).video.name
    'clip_0'
    """
    plugin = recognise(path) if format is None else registry("formats").load(format)
    place = existing(Path(path))
    read_header = getattr(plugin, "read_header", None)
    header: Header = plugin.read(place).header if read_header is None else read_header(place)
    return header


def write(
    path: str | PathLike[str],
    container: Container,
    *,
    format: str | None = None,
    overwrite: bool = False,
    **options: Any,  # noqa: ANN401 - each format states its own
) -> WriteReport:
    """Write a container; the format follows from its kind and the ending of the name.

    Parameters
    ----------
    path : path
        Its folder must exist.
    container : Container
    format : str, optional
        Registry name.
    overwrite : bool
        Whether something existing may be replaced.
    **options
        Of the format: `profile`, `round_px`, `chunking`.

    Raises
    ------
    UnknownFormatError
        No format writes this kind of container under this ending.
    StorageError
        The target exists, or the file system refused.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.samples import sample_tracks
    >>> write(Path(tempfile.mkdtemp()) / "clip.zarr", sample_tracks(), profile="compact").format
    'tracks_zarr'
    """
    place = Path(path)
    plugin = _format_for(place, type(container)) if format is None else registry("formats").load(format)
    report: WriteReport = plugin.write(place, container, overwrite=overwrite, **options)
    return report


def tracks_writer(
    path: str | PathLike[str],
    *,
    views: Mapping[str, int],
    windows: int,
    horizon: int,
    confidence: bool = False,
    format: str | None = None,
    overwrite: bool = False,
    **options: Any,  # noqa: ANN401 - each format states its own
) -> TracksWriter:
    """Return what writes tracks window by window, in memory that does not grow with the length of the video.

    The file has the bytes that `write` gives it for the same tracks, whatever is appended at once.

    Parameters
    ----------
    path : path
        Its folder must exist.
    views : dict of int
        Number of points N, by view.
    windows, horizon : int
        Number of windows W, and frames per window T.
    confidence : bool
        Whether each position has a confidence.
    format : str, optional
        Registry name; by default it follows from the ending of the name.
    overwrite : bool
        Whether something existing may be replaced.
    **options
        Of the format: `profile`, `round_px`, `chunking`.

    Raises
    ------
    UnknownFormatError
        No format writes tracks under this ending, or the one that does wants them whole.
    SchemaError
        A number, name or option at fault.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target, tracks = Path(tempfile.mkdtemp()) / "clip.h5", sample_tracks(windows=2)
    >>> with tracks_writer(target, views={"default": 5}, windows=2, horizon=4, profile="compact") as out:
    ...     for w in range(2):
    ...         out.append("default", tracks.tracks["default"][w : w + 1], tracks.vis["default"][w : w + 1])
    ...     report = out.finish(tracks.header, tracks.start_index, tracks.frame_s)
    >>> report.largest_error_px <= 1 / 128 + 1e-6
    True
    """
    from lapsdata.containers.tracks import Tracks

    place = Path(path)
    plugin = _format_for(place, Tracks) if format is None else registry("formats").load(format)
    make = getattr(plugin, "writer", None)
    if make is None:
        able = [name for name, other in registry("formats").load_all().items() if getattr(other, "writer", None)]
        message = f"expected a format that takes windows one by one ({', '.join(able)}), got {plugin.name}"
        raise UnknownFormatError(Problem("not-by-windows", str(place), message, "name one of them: format=..."))
    announced: dict[str, Any] = {"views": views, "windows": windows, "horizon": horizon, "confidence": confidence}
    writer: TracksWriter = make(place, **announced, overwrite=overwrite, **options)
    return writer


def _format_for(path: Path, container: type[Container]) -> Format[Any]:
    formats: list[Format[Any]] = [
        plugin for plugin in registry("formats").load_all().values() if container is plugin.container
    ]
    if not formats:
        message = f"expected a container that a format can write (Tracks, Segments ...), got {container.__name__}"
        raise SchemaError(Problem("wrong-container", str(path), message, "build one from it first"))
    fitting = [plugin for plugin in formats if path.suffix in plugin.suffixes]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(f"{plugin.name} ({' '.join(plugin.suffixes)})" for plugin in formats)
    kind = container.__name__
    if fitting:
        message = f"expected one format for {kind} with ending '{path.suffix}', got {len(fitting)}: {known}"
        raise AmbiguousFormatError(Problem("ambiguous-format", str(path), message, "name one: format=..."))
    message = f"expected an ending for {kind}, got '{path.suffix}'; formats: {known}"
    raise UnknownFormatError(Problem("unknown-format", str(path), message, "rename it, or name the format: format=..."))
