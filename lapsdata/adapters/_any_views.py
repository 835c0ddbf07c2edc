"""Views of any file: one of ours, or of any project that an adapter knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters._adapter import find_adapter, part_of_other, read_adapted
from lapsdata.containers.views import Views
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.formats import recognise
from lapsdata.formats._views_folder import open_views_folder
from lapsdata.formats.views_hdf5 import PLUGIN, open_views

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["AnyViews", "expect_views"]

_TOLD = frozenset({"split", "depth_root", "agents"})


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
    takes : frozenset of str
        What can be said of them: of `split`, `depth_root` and `agents`; nothing of files of ours.
    files : tuple of Path
        Those of ours; of others their container says what it was read from.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> AnyViews(sample_views(), (), "views_hdf5").format
    'views_hdf5'
    """

    views: Views
    notes: tuple[Problem, ...]
    format: str
    takes: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()


def expect_views(
    path: Path, *, split: str | None = None, depth_root: Path | None = None, agents: str | None = None
) -> AnyViews:
    """Open the views of a file or folder of ours or of others; pixels are read when they are asked for.

    Parameters
    ----------
    path : Path
    split : str, optional
        The one that is going to be used: of files of others no other is read, where they can be read so. Of ours all
        are there.
    depth_root : Path, optional
        Where depth lies, of files of others.
    agents : str, optional
        Which agents sets are made of, of files of others: `2`, or `train=2,validate=4`.

    Raises
    ------
    UnknownFormatError
        No format and no adapter knows it, or it holds no views.
    SchemaError
        `depth_root` or `agents` of what cannot be told them (`wrong-option`), and what an adapter refuses.
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
    said = {name: value for name, value in (("depth_root", depth_root), ("agents", agents)) if value is not None}
    try:
        plugin = recognise(path)
    except UnknownFormatError:
        known = find_adapter(path, ("views",))
        if known is None and not path.is_dir():
            raise
        if known is None:
            return _folder(path, said)
        takes = _TOLD if known[0].takes is None else _TOLD & known[0].takes
        adapted = read_adapted(known[0], path, said | ({"split": split} if "split" in takes else {}))
        if not isinstance(adapted.container, Views):
            message = f"{known[0].name} promises views, and reads {type(adapted.container).__name__}"
            raise TypeError(message) from None
        return AnyViews(adapted.container, adapted.told(path), known[0].name, takes)
    if plugin.record != "views":
        message = f"expected views, got {plugin.record}"
        raise UnknownFormatError(Problem("wrong-record", str(path), message, "name a file with views"))
    _refuse(path, said)
    return AnyViews(open_views(path), (), plugin.name, files=(path,))


def _folder(path: Path, said: Mapping[str, object]) -> AnyViews:
    """Return the views of all files of ours in a folder."""
    found = open_views_folder(path)
    if found is None:
        if (part := part_of_other(path)) is not None:
            raise UnknownFormatError(part)
        message = "expected a file or a folder of files of views, or a root such as OPV2V's, got another folder"
        raise UnknownFormatError(Problem("not-views", str(path), message, f"see: lapsdata inspect {path}"))
    _refuse(path, said)
    return AnyViews(found.views, found.notes, PLUGIN.name, files=found.files)


def _refuse(path: Path, said: Mapping[str, object]) -> None:
    """Refuse what is said of files of ours."""
    if said:
        message = f"expected nothing to be said of views of ours, got {' and '.join(said)}"
        fix = "leave it out: depth and agents were settled when the file was made, by lapsdata convert"
        raise SchemaError(Problem("wrong-option", str(path), message, fix))
