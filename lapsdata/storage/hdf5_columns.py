"""What stands below a group of an HDF5 file: the type and shape of every dataset, without a look at its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lapsdata.errors import LapsError, Problem, UnknownFormatError
from lapsdata.storage.hdf5_refusal import require_readable
from lapsdata.storage.hdf5_text import hdf5_text
from lapsdata.storage.hdf5_types import stored_type
from lapsdata.storage.hdf5_walk import dataset_paths

if TYPE_CHECKING:
    import numpy as np

    from lapsdata.storage.hdf5_types import TypeClass

__all__ = ["Column", "group_columns"]

# What h5py raises for objects that it cannot describe.
_LOOK_ERRORS: Final = (OSError, RuntimeError, KeyError, ValueError, TypeError)


class Column(NamedTuple):
    """One dataset below a group.

    Parameters
    ----------
    shape : tuple of int
        Empty for a single value, and where there is a problem.
    type_class : str or None
    dtype : np.dtype or None
        What its values are read to; None for those of no fixed size (texts, images as bytes) and compound ones.
    problem : Problem or None
        Why it cannot be read: no target, no data space, a type or filter that is not known here.
    """

    shape: tuple[int, ...] = ()
    type_class: TypeClass | None = None
    dtype: np.dtype[Any] | None = None
    problem: Problem | None = None


def group_columns(group: Any, where: str) -> dict[str, Column]:  # noqa: ANN401  h5py publishes no types
    """Describe the datasets below an open `h5py.Group`, by path from it, sorted.

    Parameters
    ----------
    group : h5py.Group
    where : str
        Place, for the messages.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> with h5py.File(pathlib.Path(tempfile.mkdtemp()) / "demo.hdf5", "w") as file:
    ...     _ = file.create_dataset("data/demo_0/obs/eef_pos", (4, 3), "f4")
    ...     found = group_columns(file["data/demo_0"], "demo.hdf5")
    >>> found["obs/eef_pos"].shape, found["obs/eef_pos"].dtype
    ((4, 3), dtype('float32'))
    """
    return {
        path[1:]: Column(problem=problem.within(where)) if problem else _column(group, path[1:], f"{where}{path}")
        for path, problem in dataset_paths(group).items()
    }


def _column(group: Any, name: str, where: str) -> Column:  # noqa: ANN401
    try:
        dataset = group[name.encode("utf-8", "surrogateescape")]
        stored = stored_type(dataset.id.get_type())
        shape = dataset.shape
        if shape is None:
            message = "expected an array, got a null data space, which holds no value"
            return Column(problem=Problem("null-dataspace", where, message))
        require_readable(stored, where)
        _require_filters(dataset, where)
    except LapsError as error:
        return Column(problem=error.problems[0])
    except _LOOK_ERRORS as error:
        message = f"expected a description of its type and layout, got {hdf5_text(error)}"
        return Column(problem=Problem("unreadable-dataset", where, message))
    return Column(shape, stored.type_class, stored.native)


def _require_filters(dataset: Any, where: str) -> None:  # noqa: ANN401
    from h5py import h5z

    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, name = plist.get_filter(number)
        if not h5z.filter_avail(code):
            message = f"expected an installed filter, got filter {code} ({name.decode('utf-8', 'replace')})"
            raise UnknownFormatError(Problem("missing-filter", where, message, "install its plug-in"))
