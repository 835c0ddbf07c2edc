"""What an adapter is, what it gives back, and how the one for a file is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.errors import AmbiguousFormatError, Problem, SchemaError, listed
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from lapsdata.adapters._stated import StatedStats
    from lapsdata.containers import Container
    from lapsdata.formats import WriteReport
    from lapsdata.schema import FeatureStats
    from lapsdata.timebase import FrameRate

__all__ = ["Adapted", "Adapter", "Writer", "find_adapter", "part_of_other", "read_adapted"]

# What is asked of every kind of file, and says nothing where it is not given.
_UNSAID = ("zeros", "measured")


class Adapted(NamedTuple):
    """What was read from a file of others, and what is to be said about it.

    Parameters
    ----------
    container : Container
    notes : tuple of Problem
        At severity "warning" or "info": what looks wrong, was counted, or could not be checked.
    unmeasured : tuple of str
        Of segments: videos whose length the files do not tell, so that their time ends with their last segment.
    rate : FrameRate, optional
        Frames per second that times were made of; None where the files hold times.
    rate_origin : str, optional
        How that rate is known, in words.
    summed : bool
        Whether the files carry digests, which are compared before they are converted.
    unreadable : tuple of int
        Of episodes: numbers of those that are listed, and whose rows cannot be read, as far as that was seen.
    stats : callable, optional
        Of episodes: reads what the files say of their numbers, by feature or camera, when somebody asks for it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> Adapted(sample_energies()).notes
    ()
    """

    container: Container
    notes: tuple[Problem, ...] = ()
    unmeasured: tuple[str, ...] = ()
    rate: FrameRate | None = None
    rate_origin: str | None = None
    summed: bool = False
    unreadable: tuple[int, ...] = ()
    stats: Callable[[], Mapping[str, FeatureStats]] | None = None

    def told(self, path: Path) -> tuple[Problem, ...]:
        """Return the notes, and that lengths are not known where they are not."""
        if not self.unmeasured:
            return self.notes
        message = f"how long {listed(self.unmeasured)} last is not told: their time ends with their last segment"
        return (*self.notes, Problem("length-unknown", str(path), message, None, "info"))


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes files of one project.

    Parameters
    ----------
    record : str
        What it writes: `segments` ...
    write : callable
        `write(path, container, **told) -> WriteReport`, at a path that is free; what the files cannot hold is in its
        notes.
    takes : frozenset of str
        The names of what it can be told. `root`, the path that the container was read from, `to`, one of `names`, and
        `tell`, which is called with the number of rows of the container that were written since the last call, are told
        where they are among them: of a record whose rows or frames stay where they are. All is told before the output
        has its name: a run can be stopped there.
    names : tuple of str
        What `--to` calls it where it writes several versions; else the name of its adapter.
    own : callable, optional
        `own(path) -> str`: which of `names` something is of that is there; what is edited stays so by default. A writer
        that has it takes `edit`, an `EpisodesEdit`, and `more`, the paths of further sources that become one with the
        first.

    Examples
    --------
    >>> from lapsdata.plugins import registry
    >>> registry("adapters").load("mstcn").writer.record
    'segments'
    """

    record: str
    write: Callable[..., WriteReport]
    takes: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    own: Callable[[Path], str] | None = None


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
    takes : frozenset of str, optional
        The names of what `read` can be told; None where it looks at everything itself.
    writer : Writer, optional
        Where files of theirs are also written.
    stated : callable, optional
        `stated(path) -> StatedStats` of robot episodes: the statistics that come with them, for `lapsdata check`.
    digest : callable, optional
        `digest(path) -> str`, of data sets that are too large to be read from end to end before each conversion: what
        tells a changed one from what it was. By default that of all bytes.
    faults : callable, optional
        `faults(path, *, split=None) -> iterator of Problem` of views: what is found when all files are looked at, or
        those of one split; `lapsdata check`.
    part : callable, optional
        `part(path) -> Problem or None`: says of a folder inside one of theirs, which cannot be read by itself, what it
        is and what to name instead.

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
    takes: frozenset[str] | None = None
    writer: Writer | None = None
    stated: Callable[[Path], StatedStats] | None = None
    digest: Callable[[Path], str] | None = None
    faults: Callable[..., Iterator[Problem]] | None = None
    part: Callable[[Path], Problem | None] | None = None


def find_adapter(path: Path, records: Collection[str] | None = None) -> tuple[Adapter, str] | None:
    """Return the adapter that knows a file or folder, and the record that it reads from it; None where none does.

    Parameters
    ----------
    path : Path
    records : collection of str, optional
        What is wanted: a folder may hold several records of one project, each known to an adapter of its own.

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
        if (record := adapter.recognises(path)) is not None and (records is None or record in records)
    ]
    if len(found) > 1:
        message = f"expected files of one project, got what {', '.join(one.name for one, _ in found)} all know"
        raise AmbiguousFormatError(Problem("ambiguous-format", str(path), message, "name a file in it"))
    return found[0] if found else None


def part_of_other(path: Path) -> Problem | None:
    """Return of which data set of others a folder that nobody knows is a part; None where it is of none.

    Parameters
    ----------
    path : Path

    Examples
    --------
    >>> import pathlib, tempfile
    >>> part_of_other(pathlib.Path(tempfile.mkdtemp())) is None
    True
    """
    looks = (getattr(adapter, "part", None) for adapter in registry("adapters").load_all().values())
    return next((found for look in looks if look is not None and (found := look(path)) is not None), None)


def read_adapted(adapter: Adapter, path: Path, told: Mapping[str, Any]) -> Adapted:
    """Read through an adapter with what was said of the files; what means nothing to it is refused.

    Parameters
    ----------
    adapter : Adapter
    path : Path
    told : mapping
        By name; None is not said.

    Raises
    ------
    SchemaError
        Something that it does not take (`wrong-option`), and whatever its `read` raises.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "groundTruth"
    >>> folder.mkdir()
    >>> _ = (folder / "S1_Tea.txt").write_text("take")
    >>> adapter, record = find_adapter(folder)
    >>> read_adapted(adapter, folder, {"rate": 15, "split": None}).container.label
    ('take',)
    """
    said = {name: value for name, value in told.items() if value is not None and (name, value) != _UNSAID}
    takes = getattr(adapter, "takes", None)
    if takes is not None and not said.keys() <= takes:
        wrong = ", ".join(sorted(said.keys() - takes))
        message = f"expected {' or '.join(sorted(takes)) or 'nothing'} to be said beside it, got {wrong}"
        fix = f"leave it out: it means nothing to the files of {adapter.name}"
        raise SchemaError(Problem("wrong-option", str(path), message, fix))
    return adapter.read(path, **said)
