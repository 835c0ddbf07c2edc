"""Items that can be resumed: what an output says about itself decides what is left to do.

No list of what was done is kept beside the outputs: it could be lost, or be older than they are. A stage looks at
each output and tells what it found; `plan` turns that into work.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, get_args

from lapsdata.errors import (
    AmbiguousFormatError,
    CorruptDataError,
    FormatTooNewError,
    LapsError,
    Problem,
    Problems,
    SchemaError,
    UnknownFormatError,
)
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import restore_folder, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.schema.base import Parent

__all__ = ["STATES", "Found", "Job", "Plan", "Refused", "State", "WorkItem", "judge", "plan", "work_key"]

Payload = TypeVar("Payload")

State = Literal["missing", "done", "changed", "damaged", "foreign"]
"""What an output is: not there; what would be made; made of other inputs or in another way; of ours, but not whole or
not as it was written; not of this program's making."""

STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class WorkItem(Generic[Payload]):
    """One output to be made.

    Parameters
    ----------
    name : str
        Names the item in every message; no other item of the run has it.
    output : Path
        File or folder; no other item of the run has it.
    key : str
        What the output is made of; see `work_key`. Empty where that is told to `judge` instead.
    payload : object
        What the task needs to make it; can be pickled.
    units : int or None
        How many units the task will tell; None if that is not known.

    Examples
    --------
    >>> import pathlib
    >>> WorkItem("clip_1", pathlib.Path("out/clip_1.h5"), "sha256:00", payload="clip_1.mp4", units=317).units
    317
    """

    name: str
    output: Path
    key: str
    payload: Payload
    units: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at an output has shown.

    Parameters
    ----------
    state : State
    why : str
        What differs or is at fault, in words; may be empty.

    Examples
    --------
    >>> Found("changed", "points: 400, now 100").state
    'changed'
    """

    state: State
    why: str = ""


@dataclass(frozen=True, slots=True)
class Job(Generic[Payload]):
    """An item and what was found where its output belongs; this is what a task gets.

    Parameters
    ----------
    item : WorkItem
    found : Found

    Examples
    --------
    >>> import pathlib
    >>> item = WorkItem("clip_1", pathlib.Path("out/clip_1.h5"), "sha256:00", payload="clip_1.mp4")
    >>> Job(item, Found("missing")).overwrite, Job(item, Found("damaged")).overwrite
    (False, True)
    """

    item: WorkItem[Payload]
    found: Found

    @property
    def overwrite(self) -> bool:
        """Whether the output may be replaced: only if one was there when it was looked at."""
        return self.found.state != "missing"


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that nothing can or may be done about: it fails without being begun.

    Parameters
    ----------
    name : str
    output : Path
        As in `WorkItem`; several that are refused may have them in common, which may be why they are.
    problems : tuple of Problem
        Why; at least one.
    why : str
        What was found where the output belongs, in words.

    Examples
    --------
    >>> import pathlib
    >>> problem = Problem("too-short", "clip_2.mp4", "expected 16 frames, got 5")
    >>> Refused("clip_2", pathlib.Path("out/clip_2.h5"), (problem,)).name
    'clip_2'
    """

    name: str
    output: Path
    problems: tuple[Problem, ...]
    why: str = ""


@dataclass(frozen=True)
class Plan(Generic[Payload]):
    """What is to be done, in the order of the items.

    Parameters
    ----------
    jobs : tuple of Job or Refused
        Every item.
    force : bool
        Whether what is done already is done again.

    Examples
    --------
    >>> Plan(()).units
    0
    """

    jobs: tuple[Job[Payload] | Refused, ...]
    force: bool = False

    @property
    def to_do(self) -> tuple[Job[Payload], ...]:
        """The jobs that have to be run."""
        jobs = (job for job in self.jobs if isinstance(job, Job))
        return tuple(job for job in jobs if self.force or job.found.state != "done")

    @property
    def units(self) -> int | None:
        """How many units these jobs will tell together; None if any of them does not know."""
        units = [job.item.units for job in self.to_do]
        known = [count for count in units if count is not None]
        return sum(known) if len(known) == len(units) else None

    @property
    def counts(self) -> dict[str, int]:
        """How many outputs were found in each state that can be worked on; `refused` are all others."""
        seen = Counter(job.found.state if isinstance(job, Job) else "refused" for job in self.jobs)
        return {state: seen[state] for state in ("missing", "done", "changed", "damaged", "refused")}


def plan(
    items: Iterable[WorkItem[Payload] | Refused], look: Callable[[WorkItem[Payload]], Found], *, force: bool = False
) -> Plan[Payload]:
    """Look at every output and decide what has to be done.

    Parameters
    ----------
    items : iterable of WorkItem or Refused
        Refused are those whose input is already known to be unfit; they are told in their place.
    look : callable
        Tells what an item's output is; `judge` does most of it. A `LapsError` that it raises refuses its item.
    force : bool
        Whether to redo what is done. What is foreign is not replaced in any case.

    Raises
    ------
    SchemaError
        Two items of one name, or of one output, of which one at least is to be worked on.

    Examples
    --------
    >>> import pathlib
    >>> items = [WorkItem(name, pathlib.Path(f"out/{name}.h5"), "sha256:00", name) for name in ("one", "two")]
    >>> todo = plan(items, lambda item: Found("done" if item.name == "one" else "missing"))
    >>> [job.item.name for job in todo.to_do]
    ['two']
    """
    items = tuple(items)
    _refuse_twins(items)
    return Plan(tuple(_job(item, look) for item in items), force)


def _refuse_twins(items: tuple[WorkItem[Payload] | Refused, ...]) -> None:
    found = Problems()
    names = Counter(item.name for item in items)
    outputs = Counter(item.output for item in items)
    work = [item for item in items if isinstance(item, WorkItem)]
    for name in dict.fromkeys(item.name for item in work if names[item.name] > 1):
        found.add("same-name", name, f"expected one item of this name, got {names[name]}", "rename one of them")
    for item in work:
        if outputs[item.output] > 1:
            found.add("same-output", item.name, f"expected an output of its own, got that of another: {item.output}")
    found.raise_as(SchemaError)


def _job(item: WorkItem[Payload] | Refused, look: Callable[[WorkItem[Payload]], Found]) -> Job[Payload] | Refused:
    if isinstance(item, Refused):
        return item
    try:
        found = look(item)
    except LapsError as error:
        return Refused(item.name, item.output, error.problems)
    if found.state != "foreign":
        return Job(item, found)
    why = f" ({found.why})" if found.why else ""
    message = f"expected nothing, or an output of this command, got something else{why}: it is left as it is"
    problem = Problem("foreign-output", str(item.output), message, "move it away, or choose another folder")
    return Refused(item.name, item.output, (problem,), found.why)


def judge(item: WorkItem[Payload], key_of: Callable[[Path], str | None], now: Callable[[], str] | None = None) -> Found:
    """Tell what an output is, from the key that is read from it.

    Parameters
    ----------
    item : WorkItem
    key_of : callable
        Opens a path, makes sure that it is whole, and returns the key that its header tells (see `work_key`); None
        for a file that is whole and was made by something else. What it raises counts as well: CorruptDataError is
        damage, an unsealed file included; a format that is unknown, ambiguous, too new or not the one that is made
        here (SchemaError) is foreign. Other errors, as of permission, are passed on.
    now : callable, optional
        Tells what the output would be made of, where that takes its time: it is asked only if there is something to
        compare it with. By default the item's key.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> out = pathlib.Path(tempfile.mkdtemp()) / "clip.txt"
    >>> item = WorkItem("clip", out, key="sha256:00", payload=None)
    >>> judge(item, pathlib.Path.read_text).state
    'missing'
    >>> _ = out.write_text("sha256:11")
    >>> judge(item, pathlib.Path.read_text).state
    'changed'
    """
    # A folder that a killed writer had moved aside is the output.
    with storage_errors(item.output, "open"):
        restore_folder(item.output)
    # A link to nothing is something.
    if not os.path.lexists(item.output):
        return Found("missing")
    try:
        key = key_of(item.output)
    except CorruptDataError as error:
        return Found("damaged", str(error.problems[0]))
    except (UnknownFormatError, AmbiguousFormatError, FormatTooNewError, SchemaError) as error:
        return Found("foreign", str(error.problems[0]))
    if key is None:
        return Found("foreign", "it was made by something else")
    expected = item.key if now is None else now()
    if key != expected:
        return Found("changed", f"made of {key}, now {expected}")
    return Found("done")


def work_key(tool: str, version: str, parameters: Mapping[str, JsonValue], inputs: Iterable[Parent]) -> str:
    """Return the digest of everything that decides what an output holds.

    Parameters
    ----------
    tool, version : str
        What makes it.
    parameters : mapping of str to JSON values
        What it is told.
    inputs : iterable of Parent
        What it is given, in order; roles and digests count, names do not.

    Returns
    -------
    str
        `sha256:<64 hex digits>` of the canonical JSON; the same from a plan and from the header of its output.

    Raises
    ------
    SchemaError
        Parameters that JSON cannot hold.

    Examples
    --------
    >>> from lapsdata.schema.base import Parent
    >>> video = Parent(role="video", name="clip.mp4", digest="sha256:" + 64 * "0")
    >>> one = work_key("track", "1.0", {"points": 400}, [video])
    >>> one == work_key("track", "1.0", {"points": 100}, [video])
    False
    """
    document: dict[str, JsonValue] = {
        "tool": tool,
        "version": version,
        "parameters": dict(parameters),
        "inputs": [[parent.role, parent.digest] for parent in inputs],
    }
    try:
        text = canonical_json(document)
    except (TypeError, ValueError) as error:
        raise SchemaError(Problem("wrong-value", "parameters", f"expected JSON values, got others ({error})")) from None
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
