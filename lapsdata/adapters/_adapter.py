"""What an adapter is, what it gives back, and how the one for a file is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.errors import AmbiguousFormatError, Problem
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

__all__ = ["Adapted", "Adapter", "find_adapter"]


class Adapted(NamedTuple):
    """What was read from a file of others, and what is to be said about it.

    Parameters
    ----------
    container : Container
    notes : tuple of Problem
        At severity "warning" or "info": what looks wrong, was counted, or could not be checked.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> Adapted(sample_energies()).notes
    ()
    """

    container: Container
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapter:
    """Reads the files of one project.

    Parameters
    ----------
    name : str
        Name of the module, in the registry, and of the folder of its samples.
    title : str
        Whose files, in words.
    recognises : callable
        `recognises(path) -> str or None`: the record that is read from it (`energies` ...), None where it is not one of
        theirs. Looks at the beginning of a file only.
    read : callable
        `read(path, **told) -> Adapted`, `told` being what the files cannot say; what is needed and not told is an
        error that says why it cannot be known.

    Examples
    --------
    >>> from lapsdata.plugins import registry
    >>> registry("adapters").load("laps").name
    'laps'
    """

    name: str
    title: str
    recognises: Callable[[Path], str | None]
    read: Callable[..., Adapted]


def find_adapter(path: Path) -> tuple[Adapter, str] | None:
    """Return the adapter that knows a file or folder, and the record that it reads from it; None where none does.

    Raises
    ------
    StorageError
        It may not be read.
    AmbiguousFormatError
        Several know it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> find_adapter(pathlib.Path(tempfile.mkdtemp())) is None
    True
    """
    found = [
        (adapter, record)
        for adapter in registry("adapters").load_all().values()
        if (record := adapter.recognises(path)) is not None
    ]
    if len(found) > 1:
        message = f"expected files of one project, got what {', '.join(one.name for one, _ in found)} all know"
        raise AmbiguousFormatError(Problem("ambiguous-format", str(path), message, "name a file in it"))
    return found[0] if found else None
