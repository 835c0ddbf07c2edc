"""A folder of files of views, as `lapsdata convert --to panorama` writes one for each split."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lapsdata.containers.joined_views import joined_views
from lapsdata.errors import Problem, UnknownFormatError, listed
from lapsdata.formats import recognise, views_hdf5
from lapsdata.provenance import provenance
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.run_file import RUN_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Views

__all__ = ["ViewsFolder", "open_views_folder"]

_OF_A_RUN = frozenset({RUN_FILE})


class ViewsFolder(NamedTuple):
    """What was opened.

    Parameters
    ----------
    views : Views
        Those of all files, whose pixels stay there.
    files : tuple of Path
        In the order of their names.
    notes : tuple of Problem
        What else is there, and was passed over.
    """

    views: Views
    files: tuple[Path, ...]
    notes: tuple[Problem, ...]


def open_views_folder(folder: Path, *, checked: bool = False) -> ViewsFolder | None:
    """Open all files of views that lie in a folder as one; None where none does.

    Parameters
    ----------
    folder : Path
        Folders in it are not looked into.
    checked : bool
        Compare every row of pixels with its checksum now, and not when it is read.

    Raises
    ------
    SchemaError
        A set is in two of the files; see `lapsdata.containers.joined_views`.
    StorageError, CorruptDataError, FormatTooNewError
        A file begins as one of ours and cannot be opened as that.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_views
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for place, split in enumerate(("train", "validate")):
    ...     _ = write(folder / f"{split}.h5", sample_views().take([place]))
    >>> found = open_views_folder(folder)
    >>> found.views.sets, [path.name for path in found.files]
    (2, ['train.h5', 'validate.h5'])
    """
    with storage_errors(folder, "read"):
        there = sorted(path for path in folder.iterdir() if path.name not in _OF_A_RUN)
    files = tuple(path for path in there if path.suffix in views_hdf5.PLUGIN.suffixes and _holds_views(path))
    if not files:
        return None
    opened = [views_hdf5.read(path) if checked else views_hdf5.open_views(path) for path in files]
    parents = dict.fromkeys(one for part in opened for one in part.header.provenance.parents)
    made = provenance(parents=parents)
    views = opened[0] if len(opened) == 1 else joined_views(opened, [str(path) for path in files], made)
    others = [path.name for path in there if path not in files]
    message = f"{len(others)} that are no files of views were passed over: {listed(others)}"
    notes = (Problem("passed-over", str(folder), message, None, "info"),) if others else ()
    return ViewsFolder(views, files, notes)


def _holds_views(path: Path) -> bool:
    try:
        return path.is_file() and recognise(path).record == "views"
    except UnknownFormatError:
        return False
