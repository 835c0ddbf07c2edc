"""What a conversion has done, and what it could not carry over: nothing of that is silent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lapsdata._convert._rigs import lacking_text
from lapsdata.errors import Problem
from lapsdata.execution.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lapsdata._convert._rigs import LackingCameras

__all__ = ["ConvertReport", "Converted", "MadeReport"]

_NAMED = 12
"""Names that a text shows of what was left behind; JSON has all."""

_AGENTS = 4
"""Agents that a text shows shares of; JSON has all."""

_PATHS = 4
"""Outputs that a text names; JSON has all."""

_COMPARED = ("header and seal of the output", "digest of the source", "options", "code")
"""What decides that an output is kept: its windows are not among it."""

_AGAIN = (
    "run it again: what is done is kept, shards go on behind their last whole archive, and a file that was not "
    "finished starts over"
)
"""What an interruption leaves to do."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What converting one item has made, and lost.

    Parameters
    ----------
    windows : int
        Windows, or rows of another record.
    bytes_before, bytes_after : int
        On disk.
    largest_error_px : float
        By how much a stored position differs from that of the source at most.
    unverified : int
        Windows of the source that carry no checksum.
    filled : int
        Chunks of the source that were never written, and were read as the fill value.
    left_behind : tuple of str
        What the source holds beside, which has no place here: datasets, and attributes as `place@name`.
    notes : tuple of Problem
        What a reader of the output must know.
    unit : str
        What is counted as windows, in one word.
    agents : mapping of mapping of float
        Of panoramas: by agent, how many there are, and the mean share of their pixels that is covered, valid and
        non_ambiguous.
    lacking : tuple of LackingCameras
        Of views: sets in which an agent has fewer cameras than in others.

    Examples
    --------
    >>> Converted(windows=3, bytes_before=1000, bytes_after=600, largest_error_px=0.0078).windows
    3
    """

    windows: int
    bytes_before: int
    bytes_after: int
    largest_error_px: float = 0.0
    unverified: int = 0
    filled: int = 0
    left_behind: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = field(default_factory=tuple)
    unit: str = "windows"
    agents: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lacking: tuple[LackingCameras, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in ("agents", "lacking")}
        agents = {agent: dict(shares) for agent, shares in self.agents.items()}
        lists = {"left_behind": list(self.left_behind), "notes": [note.as_json() for note in self.notes]}
        lacking = [{**one._asdict(), "cameras": list(one.cameras)} for one in self.lacking]
        of_views = {name: told for name, told in (("agents", agents), ("lacking", lacking)) if told}
        return {**plain, **lists, **of_views}

    def problems(self) -> Iterator[Problem]:
        """Yield what is to be told: notes, and what could not be carried."""
        yield from self.notes
        if self.unverified:
            message = f"{self.unverified} {self.unit} carry no checksum: they were copied as they were found"
            yield Problem("unverified", "source", message, severity="warning")
        if self.filled:
            message = f"{self.filled} chunks were never written: they were read as the fill value"
            yield Problem("filled", "source", message, severity="warning")
        if self.left_behind:
            more = len(self.left_behind) - _NAMED
            named = ", ".join(self.left_behind[:_NAMED]) + (f" and {more} more" if more > 0 else "")
            has = "1 thing has" if len(self.left_behind) == 1 else f"{len(self.left_behind)} things have"
            message = f"{has} no place in the output: {named}"
            yield Problem("left-behind", "source", message, "keep the source if you need them", "warning")


@dataclass(frozen=True)
class ConvertReport(Report[Converted]):
    """The report of a conversion, with its losses.

    Parameters
    ----------
    entries, leftovers
        As `Report`.
    beside : tuple of str
        Files in the folder that are no tracks, and were left alone.

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.execution.report import Entry
    >>> done = Converted(windows=3, bytes_before=1000, bytes_after=600)
    >>> report = ConvertReport((Entry("clip", pathlib.Path("clip.zarr"), "made", result=done),))
    >>> report.facts["windows"], report.facts["bytes"]
    ('3', '1,000 before, 600 after')
    """

    beside: tuple[str, ...] = ()

    @property
    def made(self) -> tuple[Converted, ...]:
        """What was made in this run."""
        return tuple(entry.result for entry in self.entries if entry.result is not None)

    @property
    def largest_error_px(self) -> float:
        """The largest difference of a position, over everything that was made in this run."""
        return max((one.largest_error_px for one in self.made), default=0.0)

    @property
    def facts(self) -> dict[str, str]:
        """The counts of the items, and what was made of them, in words."""
        facts = dict(super().facts)
        if count := self.counts["kept"]:
            facts["kept"] = f"{count}, not read again: {self._check()} verifies them"
        if made := self.made:
            before, after = (sum(getattr(one, name) for one in made) for name in ("bytes_before", "bytes_after"))
            facts["written"] = self._written()
            facts[made[0].unit] = f"{sum(one.windows for one in made):,}"
            facts["bytes"] = f"{before:,} before, {after:,} after"
            error = self.largest_error_px
            if made[0].unit == "windows":
                facts["largest error"] = "none: every position is the same" if error == 0 else f"{error:.6g} px"
            if lacking := [lost for one in made for lost in one.lacking]:
                facts["lacking"] = lacking_text(lacking)
            facts |= self._shares()
        if self.beside:
            facts["left out"] = f"{len(self.beside)} that are no tracks: {', '.join(self.beside[:_NAMED])}"
        return facts

    def _shares(self) -> dict[str, str]:
        """Return how much of panoramas each mask has: the mean of all, and the agents with the least."""
        every = [pair for one in self.made for pair in one.agents.items()]
        told = {}
        for name in ("covered", "valid", "non_ambiguous") if every else ():
            rows = [(agent, shares[name], shares["panoramas"]) for agent, shares in every if name in shares]
            told[name] = _share_text(rows) if rows else "not stored: there is no depth"
        return told

    def _written(self) -> str:
        """Return the paths of what was made in this run, which names tell that no option spells."""
        paths = [str(entry.output) for entry in self.entries if entry.result is not None]
        more = len(paths) - _PATHS
        return ", ".join(paths[:_PATHS]) + (f" and {more} more beside" if more > 0 else "")

    def _check(self) -> str:
        """Return the command that reads what was kept."""
        kept = [entry.output for entry in self.entries if entry.fate == "kept"]
        places = kept if len(kept) == 1 else list(dict.fromkeys(output.parent for output in kept))
        return f"lapsdata check {' '.join(map(str, places))}"

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything to be told: failures, losses with the item's name in front, what lies about."""
        lost = [
            problem.within(entry.name)
            for entry in self.entries
            if entry.result is not None
            for problem in entry.result.problems()
        ]
        told = [replace(one, fix=_AGAIN) if one.code == "interrupted" else one for one in super().problems]
        return (*told, *lost)

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dictionary; the items tell what was made of them, and lost."""
        document = super().as_json()
        for item, entry in zip(document["items"], self.entries, strict=True):
            item["made"] = None if entry.result is None else entry.result.as_json()
        if count := self.counts["kept"]:
            document["kept"] = {
                "count": count,
                "compared": list(_COMPARED),
                "read_again": False,
                "verify": self._check(),
            }
        return {**document, "largest_error_px": self.largest_error_px, "beside": list(self.beside)}


def _share_text(rows: Sequence[tuple[str, float, float]]) -> str:
    """Return the mean share of all panoramas, and the agents that have the least; rows are agent, share and count."""
    sums: dict[str, list[float]] = {}
    for agent, share, count in rows:
        of = sums.setdefault(agent, [0.0, 0.0])
        of[0], of[1] = of[0] + share * count, of[1] + count
    mean = sum(share for share, _ in sums.values()) / sum(count for _, count in sums.values())
    ordered = sorted((share / count, agent) for agent, (share, count) in sums.items())
    shown = ", ".join(f"agent {agent} {share:.3f}" for share, agent in ordered[:_AGENTS])
    more = len(ordered) - _AGENTS
    rest = f" and {more} other agent{'s' * (more > 1)} with as much or more" if more > 0 else ""
    return f"{mean:.3f} of each panorama: {shown}{rest}"


class _Counts(Protocol):
    """What was made of an item: a named tuple of numbers."""

    def _asdict(self) -> dict[str, Any]: ...


Made = TypeVar("Made", bound=_Counts)


class MadeReport(Report[Made]):
    """What became of each item, where numbers alone tell what was made of it.

    Examples
    --------
    >>> MadeReport(()).as_json()["items"]
    []
    """

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dictionary; the items tell what was made of them."""
        document = super().as_json()
        for item, entry in zip(document["items"], self.entries, strict=True):
            item["made"] = None if entry.result is None else entry.result._asdict()
        return document
