"""Boxes of any file: one of ours, or of any project that an adapter knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters._adapter import find_adapter, read_adapted
from lapsdata.containers.boxes import Boxes
from lapsdata.errors import Problem, UnknownFormatError
from lapsdata.formats import recognise

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AnyBoxes", "expect_boxes", "read_boxes"]


class AnyBoxes(NamedTuple):
    """What was read.

    Parameters
    ----------
    boxes : Boxes
    notes : tuple of Problem
        What is to be told of the file, at severity "warning" or "info".
    format : str
        The format or the adapter that has read it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> AnyBoxes(sample_boxes(), (), "boxes_parquet").format
    'boxes_parquet'
    """

    boxes: Boxes
    notes: tuple[Problem, ...]
    format: str


def read_boxes(path: Path, **told: Any) -> AnyBoxes | None:  # noqa: ANN401 - as adapters take it
    """Return the boxes of a file or folder of ours or of others; None where it holds none.

    Parameters
    ----------
    path : Path
    **told
        What the files may not say; given where the adapter can be told it.

    Raises
    ------
    LapsError
        It holds boxes that cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_boxes
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write(folder / "truth.parquet", sample_boxes())
    >>> found = read_boxes(folder / "truth.parquet")
    >>> len(found.boxes), found.format, read_boxes(folder) is None
    (4, 'boxes_parquet', True)
    """
    try:
        plugin = recognise(path)
    except UnknownFormatError:
        known = find_adapter(path, ("boxes",))
        if known is None:
            return None
        adapter = known[0]
        said = {name: value for name, value in told.items() if name in (adapter.takes or ())}
        adapted = read_adapted(adapter, path, said)
        if not isinstance(adapted.container, Boxes):
            message = f"{adapter.name} promises boxes, and reads {type(adapted.container).__name__}"
            raise TypeError(message) from None
        return AnyBoxes(adapted.container, adapted.told(path), adapter.name)
    boxes = plugin.read(path, verify="always") if plugin.record == "boxes" else None
    return AnyBoxes(boxes, (), plugin.name) if isinstance(boxes, Boxes) else None


def expect_boxes(path: Path, **told: Any) -> AnyBoxes:  # noqa: ANN401 - as adapters take it
    """Return the boxes of a file or folder, as `read_boxes`.

    Raises
    ------
    UnknownFormatError
        No format and no adapter knows it, or it holds no boxes.
    LapsError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_boxes
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "match.parquet"
    >>> report = write(path, sample_boxes())
    >>> boxes, notes, format = expect_boxes(path)
    >>> len(boxes), notes, format
    (4, (), 'boxes_parquet')
    """
    found = read_boxes(path, **told)
    if found is not None:
        return found
    message = f"expected boxes, got {recognise(path).record}"
    raise UnknownFormatError(Problem("wrong-record", str(path), message, "name a file with boxes"))
