"""Boxes of any file: one of ours, or of any project that an adapter knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters._adapter import find_adapter, read_adapted
from lapsdata.containers import Boxes
from lapsdata.errors import UnknownFormatError
from lapsdata.formats import recognise

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.errors import Problem

__all__ = ["AnyBoxes", "read_boxes"]


class AnyBoxes(NamedTuple):
    """Boxes, what is to be told of them, and the format or the adapter that has read them.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> len(AnyBoxes(sample_boxes(), (), "boxes_parquet").boxes)
    4
    """

    boxes: Boxes
    notes: tuple[Problem, ...]
    format: str


def read_boxes(path: Path) -> AnyBoxes | None:
    """Return the boxes of a file or folder of ours or of others; None where it holds none.

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
        adapted = read_adapted(known[0], path, {})
        if not isinstance(adapted.container, Boxes):
            message = f"{known[0].name} promises boxes, and reads {type(adapted.container).__name__}"
            raise TypeError(message) from None
        return AnyBoxes(adapted.container, adapted.told(path), known[0].name)
    boxes = plugin.read(path, verify="always") if plugin.record == "boxes" else None
    return AnyBoxes(boxes, (), plugin.name) if isinstance(boxes, Boxes) else None
