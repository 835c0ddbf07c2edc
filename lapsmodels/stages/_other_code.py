"""Outputs that are kept though another state of the code has made them: worth a word, once for all of them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from lapsdata.errors import warn
from lapsdata.execution.manifest import Found, Job, WorkItem, judge
from lapsdata.provenance import CodeDigestWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.execution.manifest import Plan

__all__ = ["judged", "tell_other_code"]

_OTHER_CODE = "made by another state of the code"


def judged(item: WorkItem[Any], key_of: Callable[[Path], str | None], now: Callable[[], str] | None = None) -> Found:
    """Judge an output; that other code has made what is done is noted, and told by `tell_other_code`."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = judge(item, key_of, now)
    for told in heard:
        if not issubclass(told.category, CodeDigestWarning):
            warnings.warn_explicit(told.message, told.category, told.filename, told.lineno)
        elif found.state == "done":
            found = Found("done", _OTHER_CODE)
    return found


def tell_other_code(todo: Plan[Any], what: str) -> None:
    """Warn once of all outputs of a plan that are kept and that other code has made."""
    count = sum(isinstance(job, Job) and job.found.why == _OTHER_CODE for job in todo.jobs)
    if count and not todo.force:
        warn(f"{count} of the {what} that are kept were {_OTHER_CODE}; --force makes them again", CodeDigestWarning)
