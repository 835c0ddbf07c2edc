"""Boxes of any file: of a format of ours, or of a project that an adapter knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters._adapter import find_adapter, read_adapted
from lapsdata.containers.boxes import Boxes
from lapsdata.errors import Problem, UnknownFormatError
from lapsdata.formats import recognise

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AnyBoxes", "read_any_boxes"]

_BOXES = frozenset({"boxes"})


class AnyBoxes(NamedTuple):
    """What was read.

    Parameters
    ----------
    boxes : Boxes
    notes : tuple of Problem
        What is to be told of the file, at severity "warning" or "info".
    kind : str
        The format or the adapter that knows it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> AnyBoxes(sample_boxes(), (), "boxes_parquet").kind
    'boxes_parquet'
    """

    boxes: Boxes
    notes: tuple[Problem, ...]
    kind: str


def read_any_boxes(path: Path, **told: Any) -> AnyBoxes:  # noqa: ANN401 - as adapters take it
    """Return the boxes of a file or folder, and what is to be said about it.

    Parameters
    ----------
    path : Path
    **told
        What the files may not say; given where the adapter can be told it.

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
    >>> boxes, notes, kind = read_any_boxes(path)
    >>> len(boxes), notes, kind
    (4, (), 'boxes_parquet')
    """
    try:
        plugin = recognise(path)
    except UnknownFormatError:
        found = find_adapter(path, _BOXES)
        if found is None:
            raise
        adapter = found[0]
        said = {name: value for name, value in told.items() if name in (adapter.takes or ())}
        adapted = read_adapted(adapter, path, said)
        return AnyBoxes(_expected(adapted.container, path), adapted.told(path), adapter.name)
    return AnyBoxes(_expected(plugin.read(path, verify="always"), path), (), plugin.name)


def _expected(container: Any, path: Path) -> Boxes:  # noqa: ANN401 - what a format or an adapter gives
    if isinstance(container, Boxes):
        return container
    message = f"expected boxes, got {type(container).__name__.lower()}"
    raise UnknownFormatError(Problem("wrong-record", str(path), message, "name a file with boxes"))
