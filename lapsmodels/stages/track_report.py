"""What `track` has made, counted: nothing that was left out or repeated goes unsaid."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from lapsdata.execution.report import Report

__all__ = ["TrackReport", "Tracked"]


@dataclass(frozen=True, slots=True)
class Tracked:
    """What tracking one video has made.

    Parameters
    ----------
    nbytes : int
        Bytes on disk.
    windows, frames : int
        Windows, and frames of the timeline that they were cut from.
    duplicated, dropped : int
        Frames that show one of the source once more, and frames of the source that none shows.
    uncovered : int
        Frames at the end that are in no window.
    gated : int
        Windows that the gate has left out.
    untracked : int
        Frames that were not tracked, since only such windows hold them.
    expected_error_px : float, source pixel, optional
        See `lapsdata.schema.TrackQuality`.

    Examples
    --------
    >>> Tracked(nbytes=136_000, windows=49, frames=208, duplicated=0, dropped=208, uncovered=0).windows
    49
    """

    nbytes: int
    windows: int
    frames: int
    duplicated: int
    dropped: int
    uncovered: int
    gated: int = 0
    untracked: int = 0
    expected_error_px: float | None = None


_COUNTS = tuple(name for name in Tracked.__slots__ if name != "expected_error_px")


@dataclass(frozen=True)
class TrackReport(Report[Tracked]):
    """The report of a run, with sums over what it has made and the number of videos that were not asked for.

    Parameters
    ----------
    entries, leftovers
        As `Report`.
    unmatched, beyond_limit : int
        As `lapsdata.video.sources.FoundVideos`.

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.execution.report import Entry
    >>> made = Tracked(nbytes=136_000, windows=49, frames=208, duplicated=0, dropped=208, uncovered=3)
    >>> report = TrackReport((Entry("clip", pathlib.Path("clip.h5"), "made", result=made),), unmatched=2)
    >>> report.facts["source"], report.facts["left out"]
    ('0 frames duplicated, 208 dropped, 3 uncovered at the end', '2 by match')
    """

    unmatched: int = 0
    beyond_limit: int = 0

    @property
    def sums(self) -> dict[str, int]:
        """Every count of `Tracked`, over the files that this run has made."""
        made = [asdict(entry.result) for entry in self.entries if entry.result is not None]
        return {name: sum(one[name] for one in made) for name in _COUNTS}

    @property
    def facts(self) -> dict[str, str]:
        """The counts of the items, what was made of them, and what was left out, in words."""
        sums = self.sums
        facts = dict(super().facts)
        if sums["windows"]:
            facts |= {"windows": f"{sums['windows']:,}", "written": f"{sums['nbytes']:,} bytes"}
        if error := self._expected_error():
            facts["quality"] = error
        if sums["duplicated"] or sums["dropped"] or sums["uncovered"]:
            told = "{duplicated:,} frames duplicated, {dropped:,} dropped, {uncovered:,} uncovered at the end"
            facts["source"] = told.format(**sums)
        if sums["gated"]:
            facts["gated"] = "{gated:,} windows left out, {untracked:,} frames not tracked".format(**sums)
        left_out = {"match": self.unmatched, "limit": self.beyond_limit}
        if any(left_out.values()):
            facts["left out"] = ", ".join(f"{count} by {name}" for name, count in left_out.items() if count)
        return facts

    def _expected_error(self) -> str | None:
        """Return how far visible positions are from the truth, as estimated; the video where it is most by name."""
        known = {
            entry.name: entry.result.expected_error_px
            for entry in self.entries
            if entry.result is not None and entry.result.expected_error_px is not None
        }
        if not known:
            return None
        worst = max(known, key=lambda name: known[name])
        usual, most = f"{statistics.median(known.values()):.2f} px", f"{known[worst]:.2f} px"
        told = f"{usual} from the truth, as estimated"
        return told if most == usual else f"{told}; {most} in {worst}"

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dictionary; the items tell what was made of them."""
        document = super().as_json()
        for item, entry in zip(document["items"], self.entries, strict=True):
            item["made"] = None if entry.result is None else asdict(entry.result)
        return {**document, "left_out": {"unmatched": self.unmatched, "beyond_limit": self.beyond_limit}}
