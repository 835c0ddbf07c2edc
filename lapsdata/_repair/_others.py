"""Files of other makers in a folder that is repaired: counted by themselves, whatever they are stored in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lapsdata._repair._report import Repaired
from lapsdata.errors import CorruptDataError, LapsError, StorageError, UnknownFormatError
from lapsdata.loading.foreign import foreign_arrays, store_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["of_others"]

_INSTEAD = "take it from a copy, or make it anew with what made it: repair saves files of ours alone"


def of_others(path: Path, refused: UnknownFormatError) -> Repaired:
    """Say what a file is that none of our formats knows; its windows are not read.

    Parameters
    ----------
    path : Path
    refused : UnknownFormatError
        Why it is not repaired.
    """
    kind = f"{store_of(path)} of others"
    try:
        foreign_arrays(path)
    except (CorruptDataError, StorageError) as error:
        notes = tuple(replace(problem, fix=_INSTEAD) for problem in error.problems)
        return Repaired(path, kind, "of-others", "windows", notes=notes)
    except LapsError as error:
        # No signature, though the name says HDF5: it may have been one of ours.
        if error.problems[0].code == "not-hdf5":
            return Repaired(path, "unknown", "beyond-repair", "windows", notes=refused.problems)
    return Repaired(path, kind, "of-others", "windows")
