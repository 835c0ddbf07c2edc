"""A plan carried out, and one account of it: what was made, kept, made again and why, and what failed."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from lapsdata import console
from lapsdata.errors import Problem
from lapsdata.execution.engine import Terminated, unheard
from lapsdata.execution.manifest import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lapsdata.execution.engine import Engine, Outcome, Task, Tell
    from lapsdata.execution.manifest import Job, Plan, State

__all__ = [
    "FATES",
    "FATE_OF",
    "Entry",
    "Fate",
    "Interrupted",
    "Report",
    "carry_out",
    "carry_out_shown",
    "leftovers",
    "show",
]

Payload = TypeVar("Payload")
Result = TypeVar("Result")

Fate = Literal["made", "kept", "changed", "damaged", "forced", "failed", "left"]
"""What became of an item: made now; was done already; made again because its inputs or parameters had changed,
because it was damaged, or because that was asked for; failed; not done when the run was interrupted."""

FATES: tuple[Fate, ...] = get_args(Fate)

FATE_OF: dict[State, Fate] = {"missing": "made", "changed": "changed", "damaged": "damaged", "done": "forced"}
"""What becomes of an item that is made, by what was found in its place."""
_AGAIN: dict[Fate, str] = {"changed": "changed", "damaged": "damaged", "forced": "asked for"}

# Names of `lapsdata.storage.atomic`; a folder that it has moved aside is no leftover: it is put back.
_UNFINISHED = re.compile(r"\.lapsdata-tmp-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Entry(Generic[Result]):
    """What became of one item.

    Parameters
    ----------
    name : str
    output : Path
    fate : Fate
    why : str
        What was found where it was to be made, in words.
    result : object or None
        What the task gave back; None for an item that was kept, left, or failed.
    problems : tuple of Problem
        Why it failed.
    traceback : str or None
        Where in the code it failed.

    Examples
    --------
    >>> import pathlib
    >>> Entry("clip_1", pathlib.Path("out/clip_1.h5"), "kept").as_json()["fate"]
    'kept'
    """

    name: str
    output: Path
    fate: Fate
    why: str = ""
    result: Result | None = None
    problems: tuple[Problem, ...] = ()
    traceback: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as a JSON-ready dictionary, without the result, which is the stage's to tell."""
        return {
            "name": self.name,
            "output": str(self.output),
            "fate": self.fate,
            "why": self.why,
            "problems": [problem.as_json() for problem in self.problems],
            "traceback": self.traceback,
        }


@dataclass(frozen=True)
class Report(Generic[Result]):
    """What became of every item, in the order in which they were given.

    Parameters
    ----------
    entries : tuple of Entry
    leftovers : tuple of Path
        Unfinished files and folders beside the outputs; see `leftovers`.

    Examples
    --------
    >>> import pathlib
    >>> report = Report((Entry("clip_1", pathlib.Path("1.h5"), "made"), Entry("clip_2", pathlib.Path("2.h5"), "left")))
    >>> report.facts, int(report.exit_code)
    ({'items': '2', 'made': '1', 'not done': '1'}, 1)
    """

    entries: tuple[Entry[Result], ...]
    leftovers: tuple[Path, ...] = ()

    @property
    def counts(self) -> dict[Fate, int]:
        """How many items have each fate."""
        seen = Counter(entry.fate for entry in self.entries)
        return {fate: seen[fate] for fate in FATES}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything to be told: each failure with the item's name in front, what is left, what lies about."""
        found = [problem.within(entry.name) for entry in self.entries for problem in entry.problems]
        left = self.counts["left"]
        if left:
            message = f"{left} of {len(self.entries)} items were not done"
            found.append(Problem("interrupted", "", message, "run it again: what is done is kept", severity="warning"))
        for folder, count in Counter(path.parent for path in self.leftovers).items():
            message = f"{count} unfinished files of runs that were killed, or of one that still runs"
            fix = f"when nothing writes there: lapsdata repair {folder} --clean removes them"
            found.append(Problem("leftovers", str(folder), message, fix, severity="info"))
        return tuple(found)

    @property
    def exit_code(self) -> console.ExitCode:
        """What a command ends with: problems if any item failed or was left."""
        counts = self.counts
        return console.ExitCode.PROBLEMS if counts["failed"] or counts["left"] else console.ExitCode.OK

    @property
    def facts(self) -> dict[str, str]:
        """The counts in words, without those that are zero."""
        counts = self.counts
        again = {word: counts[fate] for fate, word in _AGAIN.items() if counts[fate]}
        remade = ", ".join(f"{count} {word}" for word, count in again.items())
        facts = {"items": str(len(self.entries)), "made": str(counts["made"]), "kept": str(counts["kept"])}
        facts |= {"made again": f"{sum(again.values())} ({remade})"} if again else {}
        facts |= {"failed": str(counts["failed"]), "not done": str(counts["left"])}
        return {name: value for name, value in facts.items() if value != "0" or name == "items"}

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dictionary; the problems stand with their items."""
        return {
            "counts": dict(self.counts),
            "items": [entry.as_json() for entry in self.entries],
            "leftovers": [str(path) for path in self.leftovers],
        }


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended a run; what was done until then is in the report.

    Parameters
    ----------
    report : Report
    number : signal.Signals
        The signal; a command ends with exit code `128 + number`.

    Examples
    --------
    >>> 128 + Interrupted(Report(()), signal.SIGINT).number
    130
    """

    def __init__(self, report: Report[Any], number: signal.Signals) -> None:
        super().__init__(f"{number.name}: {report.counts['left']} of {len(report.entries)} items were not done")
        self.report = report
        self.number = number


def carry_out(
    plan: Plan[Payload], task: Task[Job[Payload], Result], engine: Engine, *, told: Tell = unheard
) -> Report[Result]:
    """Do what a plan says has to be done.

    Parameters
    ----------
    plan : Plan
    task : callable
        Makes the output of a `Job`, which tells by `overwrite` whether one may be replaced.
    engine : Engine
    told : callable
        Called with the units that tasks tell.

    Raises
    ------
    Interrupted
        Ctrl-C or SIGTERM, when all work has stopped.
    ExecutionError
        See `Engine.run`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.execution.engine import PerItem
    >>> from lapsdata.execution.local import LocalEngine
    >>> from lapsdata.execution.manifest import Found, WorkItem, plan
    >>> item = WorkItem("clip", pathlib.Path(tempfile.mkdtemp()) / "clip.txt", key="sha256:00", payload=None)
    >>> todo = plan([item], lambda item: Found("missing"))
    >>> carry_out(todo, PerItem(repr), LocalEngine(workers=1)).facts
    {'items': '1', 'made': '1'}
    """
    jobs = plan.to_do
    outcomes: dict[str, Outcome[Job[Payload], Result]] = {}

    def note(outcome: Outcome[Job[Payload], Result]) -> None:
        outcomes[outcome.item.item.name] = outcome

    if jobs:
        try:
            engine.run(task, jobs, finished=note, told=told)
        except KeyboardInterrupt as stop:
            number = signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT
            raise Interrupted(_report(plan, outcomes), number) from stop
    return _report(plan, outcomes)


def carry_out_shown(
    plan: Plan[Payload], task: Task[Job[Payload], Result], engine: Engine, *, title: str, unit: str
) -> Report[Result]:
    """Do what a plan says and show how far it is: units done, how many there are, remaining time.

    Parameters
    ----------
    plan, task, engine
        See `carry_out`.
    title : str
        What is being done.
    unit : str
        What tasks count, in the plural.

    Raises
    ------
    Interrupted, ExecutionError
        See `carry_out`.

    Examples
    --------
    >>> from lapsdata.execution.engine import PerItem
    >>> from lapsdata.execution.local import LocalEngine
    >>> from lapsdata.execution.manifest import Plan
    >>> carry_out_shown(Plan(()), PerItem(repr), LocalEngine(), title="track", unit="frames").facts
    {'items': '0'}
    """
    if not plan.to_do:
        return carry_out(plan, task, engine)
    with console.progress(title, plan.units, unit=unit) as advance:
        return carry_out(plan, task, engine, told=advance)


def show(report: Report[Any], *, tracebacks: bool = False) -> None:
    """Write a report: the counts to standard output, every failure to standard error.

    Parameters
    ----------
    report : Report
    tracebacks : bool
        Whether to show where in the code an item failed.

    Examples
    --------
    >>> import pathlib
    >>> show(Report((Entry("clip_1", pathlib.Path("clip_1.h5"), "kept"), Entry("clip_2", pathlib.Path("2"), "made"))))
    items  2
    made   1
    kept   1
    """
    console.write_facts(report.facts)
    console.report(report.problems)
    for entry in report.entries if tracebacks else ():
        for line in (entry.traceback or "").splitlines():
            console.note(line)


def leftovers(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Find what killed writers have left unfinished: it is counted, and not removed.

    Nothing in such a name tells whose it is. A process that still writes, here or on another machine that shares the
    folder, would lose its work; its age proves nothing either, since a long video is written for hours.

    Parameters
    ----------
    folders : iterable of Path
        Looked into, but not below; one that is not there, or that may not be listed, shows nothing.

    Examples
    --------
    >>> import pathlib
    >>> leftovers([pathlib.Path("no-such-folder")])
    ()
    """
    present = (folder for folder in dict.fromkeys(folders) if folder.is_dir() and os.access(folder, os.R_OK))
    return tuple(sorted(path for folder in present for path in folder.iterdir() if _UNFINISHED.match(path.name)))


def _report(plan: Plan[Payload], outcomes: Mapping[str, Outcome[Job[Payload], Result]]) -> Report[Result]:
    entries = tuple(
        Entry(job.name, job.output, "failed", job.why, problems=job.problems)
        if isinstance(job, Refused)
        else _entry(job, outcomes.get(job.item.name), force=plan.force)
        for job in plan.jobs
    )
    return Report(entries, leftovers(entry.output.parent for entry in entries))


def _entry(job: Job[Payload], outcome: Outcome[Job[Payload], Result] | None, *, force: bool) -> Entry[Result]:
    item, found = job.item, job.found
    if outcome is None:
        fate: Fate = "kept" if found.state == "done" and not force else "left"
        return Entry(item.name, item.output, fate, found.why)
    if outcome.failed:
        problems, traceback = outcome.problems, outcome.traceback
        return Entry(item.name, item.output, "failed", found.why, problems=problems, traceback=traceback)
    return Entry(item.name, item.output, FATE_OF[found.state], found.why, outcome.result)
