"""What `encode` has made, counted: windows that a gate has left out, and tracks of another rate than was trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problem, listed
from lapsdata.execution.report import Report
from lapsmodels.tokenizer.trained import is_other_rate

if TYPE_CHECKING:
    from lapsdata.timebase import FrameRate

__all__ = ["EncodeReport", "Encoded"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """What encoding one video has made.

    Parameters
    ----------
    windows : int
        Windows with codes.
    gated : int
        Windows that were left out before: by the gate of the motion, or when the video was tracked.
    rate : FrameRate or None
        Of the tracks; None where it varies.

    Examples
    --------
    >>> Encoded(windows=6, gated=13).gated
    13
    """

    windows: int
    gated: int = 0
    rate: FrameRate | None = None


@dataclass(frozen=True)
class EncodeReport(Report[Encoded]):
    """The report of a run, with sums over what it has made.

    Parameters
    ----------
    entries, leftovers
        As `Report`.
    trained : FrameRate, optional
        Of the tracks that the tokenizer was trained on; None where it is not known.
    residual : bool
        Whether the motion of the camera was taken off, which no training does.

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.execution.report import Entry
    >>> entry = Entry("clip", pathlib.Path("clip.zarr"), "made", result=Encoded(windows=6, gated=13))
    >>> EncodeReport((entry,)).facts["gated"]
    '13 of 19 windows left out'
    """

    trained: FrameRate | None = None
    residual: bool = False

    @property
    def facts(self) -> dict[str, str]:
        """The counts of the items, and what was made of them, in words."""
        made = [entry.result for entry in self.entries if entry.result is not None]
        windows, gated = sum(one.windows for one in made), sum(one.gated for one in made)
        facts = dict(super().facts)
        if windows:
            facts["windows"] = f"{windows:,}"
        if gated:
            facts["gated"] = f"{gated:,} of {windows + gated:,} windows left out"
        return facts

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON-ready dictionary; the items tell what was made of them."""
        document = super().as_json()
        for item, entry in zip(document["items"], self.entries, strict=True):
            made = entry.result
            item["made"] = None if made is None else asdict(made) | {"rate": made.rate and str(made.rate)}
        return document

    @property
    def problems(self) -> tuple[Problem, ...]:
        """As `Report`, and what is encoded otherwise than it was learned."""
        return (*super().problems, *self._unlike())

    def _unlike(self) -> list[Problem]:
        """Return warnings where motion is of other frames, or of another camera, than was learned."""
        told = []
        if self.residual and any(entry.result is not None for entry in self.entries):
            message = (
                "the motion of the camera was taken off, and tokenizers are trained with it (`train` knows no other)"
            )
            told.append(
                Problem("residual-untrained", "tracks", message, "measure tracks by --motion residual", "warning")
            )
        rates = {entry.name: entry.result.rate for entry in self.entries if entry.result is not None}
        others = [name for name, rate in rates.items() if is_other_rate(rate, self.trained)]
        if not others:
            return told
        message = (
            f"expected tracks at {self.trained} frames per second, as the tokenizer was trained on, got "
            f"{rates[others[0]] or 'a variable rate'} in {listed(others)}"
        )
        fix = f"its codes are of motion per frame: track with --fps {self.trained}, or train another"
        return [*told, Problem("other-rate", "tracks", message, fix, "warning")]
