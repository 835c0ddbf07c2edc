"""What a look at files has found: by item, by group of ledgers, and all together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.checks.view_stats import SplitStats
    from lapsdata.errors import LapsError, Severity
    from lapsdata.loading.ledger_check import LedgerReport

__all__ = ["CheckedItem", "CheckedLedgers", "IntegrityReport", "refused"]


@dataclass(frozen=True)
class CheckedItem:
    """What was found of one file, or folder that is one item.

    Parameters
    ----------
    path : Path
    kind : str
        Registry name of the format; `hdf5`, `zarr` or `tar` `of others`, `sealed JSON`, or `unknown`.
    windows : int or None
        How many it has; None for what is not read by windows.
    verified : int
        Windows that are as they were written.
    note : str
        The outcome in words.
    problems : tuple of Problem
    splits : tuple of SplitStats
        Of views: what their splits are like.

    Examples
    --------
    >>> import pathlib
    >>> item = CheckedItem(pathlib.Path("clip.h5"), "tracks_hdf5", 317, 317, "317 windows verified")
    >>> item.status, item.found
    ('ok', 'tracks_hdf5: 317 windows verified')
    """

    path: Path
    kind: str
    windows: int | None
    verified: int
    note: str
    problems: tuple[Problem, ...] = ()
    splits: tuple[SplitStats, ...] = ()

    @property
    def status(self) -> str:
        """`ok`, `warning` or `error`."""
        found: set[Severity] = {problem.severity for problem in self.problems}
        return "error" if "error" in found else "warning" if "warning" in found else "ok"

    @property
    def found(self) -> str:
        """What it is, and the outcome in words."""
        return f"{self.kind}: {self.note}"

    def as_json(self) -> dict[str, Any]:
        """Return everything but the problems, which a document lists by themselves."""
        return {
            "path": str(self.path),
            "status": self.status,
            "kind": self.kind,
            "windows": self.windows,
            "verified": self.verified,
            "note": self.note,
            **({"splits": [one.as_json() for one in self.splits]} if self.splits else {}),
        }


@dataclass(frozen=True)
class CheckedLedgers:
    """Ledgers that were proven together.

    Parameters
    ----------
    paths : tuple of Path
    report : LedgerReport

    Examples
    --------
    >>> from lapsdata.loading.ledger_check import LedgerReport
    >>> CheckedLedgers((), LedgerReport()).as_json()["runs"]
    0
    """

    paths: tuple[Path, ...]
    report: LedgerReport

    @property
    def problems(self) -> list[Problem]:
        """Those of the report; and that nothing is proven, where it has no error that says why."""
        found = list(self.report.problems)
        if not self.report.proven and all(problem.severity != "error" for problem in found):
            message = f"expected at least one epoch seen exactly once, got 0 of {len(self.report.epochs)}"
            found.append(Problem("no-proof", ", ".join(map(str, self.paths)), message, "check again behind an epoch"))
        return found

    @property
    def summary(self) -> str:
        """How many epochs are proven, in words."""
        return f"{self.report.whole_epochs} of {len(self.report.epochs)} epochs seen exactly once"

    def as_json(self) -> dict[str, Any]:
        """Return everything but the problems."""
        found = self.report
        return {
            "paths": [str(path) for path in self.paths],
            "files": found.files,
            "runs": found.runs,
            "world_sizes": list(found.world_sizes),
            "taken_back": found.taken_back,
            "absent": list(found.absent),
            "proven": found.proven,
            "epochs": [
                {
                    "epoch": epoch.epoch,
                    "whole": epoch.whole,
                    "samples": epoch.samples,
                    "received": epoch.received,
                    "missing": epoch.missing,
                    "twice": epoch.twice,
                    "dropped": epoch.dropped,
                }
                for epoch in found.epochs
            ],
        }


@dataclass(frozen=True)
class IntegrityReport:
    """What `check_integrity` has found.

    Parameters
    ----------
    items : tuple of CheckedItem
    ledgers : tuple of CheckedLedgers
    passed_over : dict of int
        How many files of folders were not looked into, by ending.
    stray : tuple of Problem
        Problems of no item: paths that are not there, lists without their file.

    Examples
    --------
    >>> IntegrityReport().problems
    []
    """

    items: tuple[CheckedItem, ...] = ()
    ledgers: tuple[CheckedLedgers, ...] = ()
    passed_over: dict[str, int] = field(default_factory=dict)
    stray: tuple[Problem, ...] = ()

    @property
    def problems(self) -> list[Problem]:
        """All of them."""
        items = [problem for item in self.items for problem in item.problems]
        ledgers = [problem for group in self.ledgers for problem in group.problems]
        return [*self.stray, *items, *ledgers]

    @property
    def summary(self) -> str:
        """How many items there are, and how they are, and how many epochs are proven, in words."""
        counts = {word: sum(item.status == word for item in self.items) for word in ("ok", "warning", "error")}
        words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        passed = ", ".join(f"{count} {ending}" for ending, count in sorted(self.passed_over.items()))
        count = len(self.items)
        told = [f"{count} item{'s' * (count != 1)}: {words}"] if count else []
        told += [f"ledgers: {', '.join(group.summary for group in self.ledgers)}"] if self.ledgers else []
        return "; ".join([*(told or ["no items"]), *([f"passed over: {passed}"] if passed else [])])

    def as_json(self) -> dict[str, Any]:
        """Return everything but the problems."""
        return {
            "items": [item.as_json() for item in self.items],
            "ledgers": [group.as_json() for group in self.ledgers],
            "passed_over": dict(self.passed_over),
        }


def refused(path: Path, kind: str, error: LapsError) -> CheckedItem:
    """Return an item of which no window could be read.

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.errors import Problem, StorageError
    >>> refused(pathlib.Path("clip.h5"), "unknown", StorageError(Problem("not-found", "clip.h5", "got nothing"))).status
    'error'
    """
    return CheckedItem(path, kind, None, 0, "nothing verified", tuple(error.problems))
