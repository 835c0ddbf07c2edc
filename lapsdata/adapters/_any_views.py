"""Views of any file: one of ours, or of any project that an adapter knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters._adapter import find_adapter, read_adapted
from lapsdata.containers.views import Views
from lapsdata.errors import Problem, UnknownFormatError
from lapsdata.formats import recognise
from lapsdata.formats.views_hdf5 import open_views

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AnyViews", "expect_views"]


class AnyViews(NamedTuple):
    """What was opened.

    Parameters
    ----------
    views : Views
        Their pixels stay where they are.
    notes : tuple of Problem
        What is to be told of the files, at severity "warning" or "info".
    format : str
        The format or the adapter that knows them.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> AnyViews(sample_views(), (), "views_hdf5").format
    'views_hdf5'
    """

    views: Views
    notes: tuple[Problem, ...]
    format: str


def expect_views(path: Path, **told: Any) -> AnyViews:  # noqa: ANN401 - as adapters take it
    """Open the views of a file or folder of ours or of others; pixels are read when they are asked for.

    Parameters
    ----------
    path : Path
    **told
        What the files may not say, of those of others.

    Raises
    ------
    UnknownFormatError
        No format and no adapter knows it, or it holds no views.
    LapsError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_views
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scene.views.h5"
    >>> report = write(path, sample_views())
    >>> expect_views(path).views.sets
    2
    """
    try:
        plugin = recognise(path)
    except UnknownFormatError:
        known = find_adapter(path, ("views",))
        if known is None:
            raise
        adapted = read_adapted(known[0], path, told)
        if not isinstance(adapted.container, Views):
            message = f"{known[0].name} promises views, and reads {type(adapted.container).__name__}"
            raise TypeError(message) from None
        return AnyViews(adapted.container, adapted.told(path), known[0].name)
    if plugin.record != "views":
        message = f"expected views, got {plugin.record}"
        raise UnknownFormatError(Problem("wrong-record", str(path), message, "name a file with views"))
    return AnyViews(open_views(path), (), plugin.name)
