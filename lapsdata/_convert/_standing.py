"""What stands when a conversion was stopped, though its worker was ended before it could say that it is done."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lapsdata._convert._keys import look
from lapsdata.errors import LapsError, Problem
from lapsdata.execution.report import Entry
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from lapsdata._convert._report import Converted, ConvertReport
    from lapsdata.execution.manifest import Job, Plan

__all__ = ["standing"]


def standing(report: ConvertReport, todo: Plan[Any]) -> ConvertReport:
    """Return the report of a run that was stopped: what was not there before and is whole now was made.

    A worker writes all or nothing, and may have given its output the final name when it was ended.

    Examples
    --------
    >>> from lapsdata._convert._report import ConvertReport
    >>> from lapsdata.execution.manifest import Plan
    >>> standing(ConvertReport(()), Plan(())).entries
    ()
    """
    jobs = {job.item.name: job for job in todo.to_do}
    return replace(report, entries=tuple(_entry(entry, jobs.get(entry.name)) for entry in report.entries))


def _entry(entry: Entry[Converted], job: Job[Any] | None) -> Entry[Converted]:
    if entry.fate != "left" or job is None or job.found.state != "missing" or not _stands(job):
        return entry
    message = "it was finished as the run was stopped: it is whole, and what it has lost was not heard any more"
    note = Problem("notes-not-heard", "", message, f"lapsdata check {entry.output} reads it", "warning")
    return Entry(entry.name, entry.output, "made", "finished as the run was stopped", problems=(note,))


def _stands(job: Job[Any]) -> bool:
    """Say whether an output has the name that was free; of ours, whether it is what would be made."""
    if job.item.payload.options.to not in registry("formats").names():
        return os.path.lexists(job.item.output)
    try:
        return look(job.item, force=False).state == "done"
    except LapsError:
        return False
