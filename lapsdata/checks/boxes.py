"""Whether boxes of others can be read, and what looks wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters import find_adapter, read_adapted
from lapsdata.checks.outcome import CheckedItem, refused
from lapsdata.containers import Boxes
from lapsdata.errors import LapsError

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters import Adapter

__all__ = ["boxes_adapter", "check_boxes"]


def boxes_adapter(path: Path) -> Adapter | None:
    """Return the adapter that reads a file or folder as boxes; None where none does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gt.txt"
    >>> _ = path.write_text("1,7,10,20,30,40,1,1,0.5")
    >>> boxes_adapter(path).name
    'motchallenge'
    """
    found = find_adapter(path, ("boxes",))
    return None if found is None else found[0]


def check_boxes(path: Path, adapter: Adapter) -> CheckedItem:
    """Read every row: what is wrong with them is told, and what looks wrong with all of them.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gt.txt"
    >>> _ = path.write_text("1,7,10,20,30,40,1,1,0.5")
    >>> check_boxes(path, boxes_adapter(path)).found
    'motchallenge: 1 sequence, 1 box read'
    """
    try:
        adapted = read_adapted(adapter, path, {})
    except LapsError as error:
        return refused(path, adapter.name, error)
    boxes = adapted.container
    if not isinstance(boxes, Boxes):
        raise TypeError(f"{adapter.name} promises boxes, and reads {type(boxes).__name__}")
    sequences = len(boxes.header.sequences)
    note = f"{sequences} sequence{'s' * (sequences != 1)}, {len(boxes)} box{'es' * (len(boxes) != 1)} read"
    told = (one if one.where.startswith(str(path)) else one.within(str(path)) for one in adapted.told(path))
    return CheckedItem(path, adapter.name, None, 0, note, tuple(told))
