"""What a repair has found, saved and lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lapsdata.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["NAMED", "RepairReport", "Repaired", "State"]

State = Literal["whole", "repaired", "damaged", "beyond-repair", "of-others"]
"""As it was written; damaged, and what could be saved is written; the same, and nothing was written since no output was
named; damaged, and nothing can be saved; of another maker, in a folder of files: not read, and not repaired."""

NAMED = 12
"""Names that a text shows of what was left out; JSON has all."""


@dataclass(frozen=True)
class Repaired:
    """What became of one file.

    Parameters
    ----------
    path : Path
    format : str
        Registry name.
    state : State
    unit : str
        What is counted: `windows`, `rows`, `items`.
    kept, lost : int
        How many of them are saved, and how many are not.
    remade : int
        Of those that are kept: how many were lost in part, and made anew from something else that proves them.
    good_after : int
        Of those that are lost: how many behind the damage are sound by themselves.
    lost_s : float or None, second
        Time that is not covered any more; None where a record has no such time.
    lost_bytes : int
        Stored bytes of what is lost.
    first_bad : str
        Where the first damage lies, in words.
    output : Path or None
        What was written.
    notes : tuple of Problem
        What else is to be known.

    Examples
    --------
    >>> from pathlib import Path
    >>> Repaired(Path("clip.h5"), "tracks_hdf5", "whole", "windows", kept=317).facts()["state"]
    'whole'
    """

    path: Path
    format: str
    state: State
    unit: str
    kept: int = 0
    lost: int = 0
    good_after: int = 0
    lost_s: float | None = None
    lost_bytes: int = 0
    first_bad: str = ""
    output: Path | None = None
    notes: tuple[Problem, ...] = field(default_factory=tuple)
    remade: int = 0

    def facts(self) -> dict[str, str]:
        """Return what one wants to know, as name and text."""
        facts = {"file": f"{self.path} ({self.format})", "state": self.state.replace("-", " ")}
        if self.state in ("beyond-repair", "of-others"):
            return facts
        facts["kept"] = f"{self.kept:,} {self.unit}"
        if self.remade:
            facts["remade"] = f"{self.remade:,} of these"
        if self.lost:
            behind = f", {self.good_after:,} of them sound, but behind the damage" if self.good_after else ""
            facts["lost"] = f"{self.lost:,} {self.unit}{behind}"
            if self.lost_s is not None:
                facts["lost time"] = f"{self.lost_s:.3f} s"
            if self.lost_bytes:
                facts["lost bytes"] = f"{self.lost_bytes:,}"
        if self.first_bad:
            facts["damage"] = self.first_bad
        if self.output is not None:
            facts["written"] = str(self.output)
        return facts

    def problems(self) -> Iterator[Problem]:
        """Yield what is to be told: what is lost is an error, whatever could be saved."""
        own = str(self.path)
        yield from (note if note.where.startswith(own) else note.within(own) for note in self.notes)
        if self.lost:
            message = f"{self.lost:,} of {self.kept + self.lost:,} {self.unit} are lost"
            fix = "take them from a copy, or make them anew from the parents"
            yield Problem("lost", str(self.path), message, fix)
        if self.state == "of-others":
            message = "a file of another maker: repair saves files of ours alone, so none of its windows was read"
            yield Problem("of-others", str(self.path), message, "lapsdata check PATH reads it", "warning")
        if self.state == "damaged":
            message = f"{self.kept:,} {self.unit} can be saved, nothing was written"
            yield Problem("not-written", str(self.path), message, "name the output: --out FILE")

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        output = None if self.output is None else str(self.output)
        return {**document, "path": str(self.path), "output": output, "notes": [one.as_json() for one in self.notes]}


@dataclass(frozen=True)
class RepairReport:
    """What became of every file, and what killed writers have left.

    Parameters
    ----------
    items : tuple of Repaired
    leftovers : tuple of Path
        Unfinished files and folders that are still there.
    removed : tuple of Path
        Those that were removed.
    restored : tuple of Path
        Folders that a killed writer had moved aside, and that were put back.
    beside : tuple of str
        What lies in the folder and is nothing that is repaired.
    """

    items: tuple[Repaired, ...]
    leftovers: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    restored: tuple[Path, ...] = ()
    beside: tuple[str, ...] = ()

    def facts(self) -> dict[str, str]:
        """Return the facts of a single file, or the counts of many."""
        facts: dict[str, str] = {}
        if len(self.items) == 1:
            facts = self.items[0].facts()
        elif self.items:
            counts = Counter(item.state for item in self.items)
            facts = {"files": str(len(self.items))}
            facts |= {state.replace("-", " "): str(count) for state, count in sorted(counts.items())}
        if self.beside:
            more = ", ..." if len(self.beside) > NAMED else ""
            told = ", ".join(self.beside[:NAMED])
            facts["left out"] = f"{len(self.beside)} that are nothing repair knows: {told}{more}"
        named = {"leftovers": self.leftovers, "removed": self.removed, "put back": self.restored}
        return facts | {name: ", ".join(path.name for path in paths) for name, paths in named.items() if paths}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything to be told."""
        found = [problem for item in self.items for problem in item.problems()]
        for folder, count in Counter(path.parent for path in self.leftovers).items():
            message = f"{count} unfinished files of runs that were killed, or of one that still runs"
            fix = "--clean removes them, when nothing writes there"
            found.append(Problem("leftovers", str(folder), message, fix, severity="info"))
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dictionary."""
        named = {"leftovers": self.leftovers, "removed": self.removed, "restored": self.restored}
        lists = {name: [str(path) for path in paths] for name, paths in named.items()}
        return {"items": [item.as_json() for item in self.items], "beside": list(self.beside), **lists}
