"""One output of a stage: kept where it is what would be made, else made; never in place of what others have made."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from lapsdata.errors import Problem, StorageError
from lapsdata.execution.manifest import Job, WorkItem, judge, plan
from lapsdata.execution.report import FATE_OF
from lapsdata.provenance import CodeDigestWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lapsdata.execution.manifest import Found
    from lapsdata.execution.report import Fate

__all__ = ["Output", "made_meanwhile", "settle", "told_meanwhile"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Output(Generic[T]):
    """What became of one output.

    Parameters
    ----------
    path : Path
    fate : Fate
        `made`, `kept`, `changed`, `damaged` or `forced`; see `lapsdata.execution.report.Fate`.
    why : str
        What was found in its place, in words.
    content : object
        What stands in it now.

    Examples
    --------
    >>> import pathlib
    >>> Output(pathlib.Path("energies.jsonl"), "kept", "", content=None).made
    False
    """

    path: Path
    fate: Fate
    why: str
    content: T

    @property
    def made(self) -> bool:
        """Whether it was written now."""
        return self.fate != "kept"


def made_meanwhile(place: str) -> Problem:
    """Return what is to be said of a name that was free, or ours to replace, when a run began, and is not any more.

    Examples
    --------
    >>> made_meanwhile("energies.jsonl").code
    'made-meanwhile'
    """
    message = "expected nothing there, as when this run began, got what another run has written meanwhile"
    fix = "it is left as it is; wait for the other run to end, then run this again"
    return Problem("made-meanwhile", place, message, fix)


@contextlib.contextmanager
def told_meanwhile() -> Iterator[None]:
    """Tell names that are taken by now as whoever runs a stage can act on it, in place of what a caller would pass.

    Examples
    --------
    >>> with told_meanwhile():
    ...     raise StorageError(Problem("exists", "energies.jsonl", "expected a free name, got an existing one"))
    Traceback (most recent call last):
    lapsdata.errors.StorageError: energies.jsonl: expected nothing there, as when this run began, ... [made-meanwhile]
    """
    try:
        yield
    except StorageError as error:
        told = (made_meanwhile(one.where) if one.code == "exists" else one for one in error.problems)
        raise StorageError(*told) from error


def standing(
    path: Path, key: str, *, read: Callable[[Path], tuple[str | None, T]], force: bool = False
) -> Output[T] | Job[None]:
    """Return what stands in the place of an output, where it is just that; else what is to be done.

    Parameters
    ----------
    path, key, read, force
        See `settle`.

    Raises
    ------
    StorageError
        Something is there that this stage has not made: it is never replaced.

    Examples
    --------
    >>> import pathlib
    >>> standing(pathlib.Path("nothing.txt"), "sha256:00", read=lambda path: (None, None)).found.state
    'missing'
    """
    seen: list[T] = []

    def key_of(path: Path) -> str | None:
        found, content = read(path)
        seen.append(content)
        return found

    def look(item: WorkItem[None]) -> Found:
        with warnings.catch_warnings():
            # Whether other code matters is said by the key.
            warnings.simplefilter("ignore", CodeDigestWarning)
            return judge(item, key_of)

    (job,) = plan([WorkItem(path.name, path, key, None)], look, force=force).jobs
    if not isinstance(job, Job):
        raise StorageError(*job.problems)
    if job.found.state == "done" and not force:
        return Output(path, "kept", job.found.why, seen[0])
    return job


def settle(
    path: Path,
    key: str,
    *,
    read: Callable[[Path], tuple[str | None, T]],
    make: Callable[[bool], T],
    force: bool = False,
) -> Output[T]:
    """Make an output, unless what is there is just that.

    Parameters
    ----------
    path : Path
    key : str
        What it is made of; see `work_key`. With the digest of the code in it, other code makes it anew.
    read : callable
        Returns the key that the file there tells, None for what others have made, and its content.
    make : callable
        Writes the output, told whether it replaces one, and returns its content.
    force : bool
        Make it anew in any case.

    Raises
    ------
    StorageError
        Something is there that this stage has not made: it is never replaced.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> def read(path):
    ...     return path.read_text(), path.read_text()
    >>> def make(overwrite):
    ...     _ = path.write_text("sha256:00")
    ...     return "sha256:00"
    >>> [settle(path, "sha256:00", read=read, make=make).fate for _ in range(2)]
    ['made', 'kept']
    """
    job = standing(path, key, read=read, force=force)
    if isinstance(job, Output):
        return job
    with told_meanwhile():
        content = make(job.overwrite)
    return Output(path, FATE_OF[job.found.state], job.found.why, content)
