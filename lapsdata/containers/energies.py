"""Energies: how much motion, per time step or window, of one or more videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, get_args

import numpy as np

from lapsdata.containers.base import ArrayCheck, Container, checked_header, read_only
from lapsdata.schema.energies import EnergiesHeader, EnergyRow, EnergyState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["ENERGY_STATES", "Energies"]

ENERGY_STATES: tuple[EnergyState, ...] = get_args(EnergyState)
"""Words for the numbers in `Energies.state`: measured, gated, missing."""


@dataclass(frozen=True, eq=False, repr=False)
class Energies(Container):
    """One row per time step or window, ordered by video (as in the header) and time.

    Parameters
    ----------
    header : EnergiesHeader
    video_index : int64 (R,)
        Which of `header.videos`.
    index : int64 (R,)
        Number of the step or window within its video; rising.
    start_s, end_s : float64 (R,), seconds
        Half-open time that the row speaks of; starts rise within a video.
    energy : float64 (R,)
        NaN exactly where `state` is not 0 (measured); never 0.0 in its place.
    state : uint8 (R,)
        Index into `ENERGY_STATES`.

    Raises
    ------
    SchemaError
        All problems of shape, dtype, order, time, or a value without the state for it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> [row.state for row in sample_energies().rows()][:3]
    ['measured', 'gated', 'measured']
    """

    header: EnergiesHeader
    video_index: NDArray[np.int64]
    index: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    energy: NDArray[np.float64]
    state: NDArray[np.uint8]

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, EnergiesHeader))
        check = ArrayCheck("energies")
        kinds = {"video_index": np.int64, "index": np.int64, "start_s": np.float64, "end_s": np.float64}
        good = [check.array(name, getattr(self, name), ("R",), kind) for name, kind in kinds.items()]
        good.append(check.array("energy", self.energy, ("R",), np.float64))
        good.append(check.array("state", self.state, ("R",), np.uint8))
        if all(good):
            self._check_rows(check)
        check.finish()
        names = (*kinds, "energy", "state")
        self._freeze(**{name: read_only(getattr(self, name)) for name in names})

    def _check_rows(self, check: ArrayCheck) -> None:
        videos = len(self.header.videos)
        check.rows(
            "unknown-video",
            "video_index",
            (self.video_index < 0) | (self.video_index >= videos),
            f"expected an index of the header's {videos} videos",
        )
        backwards = self.video_index[1:] < self.video_index[:-1]
        check.steps("not-grouped", "video_index", backwards, "expected rows in the header's order")
        same = self.video_index[1:] == self.video_index[:-1]
        check.rows("negative-index", "index", self.index < 0, "expected numbers from 0")
        falling = same & (self.index[1:] <= self.index[:-1])
        check.steps("non-monotone-index", "index", falling, "expected rising numbers")
        check.rows("empty-span", "end_s", ~(self.start_s < self.end_s), "expected finite start_s < end_s")
        falling = same & ~(self.start_s[1:] > self.start_s[:-1])
        check.steps("non-monotone-time", "start_s", falling, "expected rising seconds")
        check.rows(
            "not-finite",
            "end_s",
            ~np.isfinite(self.end_s) | ~np.isfinite(self.start_s),
            "expected finite seconds",
        )
        check.rows("unknown-state", "state", self.state >= len(ENERGY_STATES), f"expected one of {ENERGY_STATES}")
        measured = self.state == 0
        check.rows(
            "energy-state",
            "energy",
            measured & ~np.isfinite(self.energy),
            "expected a finite value where measured",
        )
        check.rows(
            "energy-state",
            "energy",
            ~measured & ~np.isnan(self.energy),
            "expected NaN unless measured",
            "a gated row has no energy; it is never 0.0",
        )

    def __len__(self) -> int:
        """Return the number of rows R."""
        return len(self.energy)

    @classmethod
    def of_rows(cls, header: EnergiesHeader, rows: Iterable[EnergyRow]) -> Self:
        """Build from rows that are already in order.

        Raises
        ------
        SchemaError
            A row speaks of a video that the header does not list, or of a step where the header says windows.
        """
        listed = list(rows)
        check = ArrayCheck("energies")
        number = {name: i for i, name in enumerate(header.videos)}
        for i, row in enumerate(listed):
            if row.video not in number:
                check.problems.add("unknown-video", f"row {i}", f"expected a video of the header, got '{row.video}'")
            if getattr(row, header.per) is None:
                check.problems.add(
                    "wrong-row", f"row {i}", f"expected the number of a {header.per}, as the header says"
                )
        check.finish()
        return cls(
            header,
            np.array([number[row.video] for row in listed], np.int64),
            np.array([getattr(row, header.per) for row in listed], np.int64),
            np.array([row.start_s for row in listed], np.float64),
            np.array([row.end_s for row in listed], np.float64),
            np.array([np.nan if row.energy is None else row.energy for row in listed], np.float64),
            np.array([ENERGY_STATES.index(row.state) for row in listed], np.uint8),
        )

    def rows(self) -> Iterator[EnergyRow]:
        """Yield the rows as records."""
        for i in range(len(self)):
            energy = float(self.energy[i])
            yield EnergyRow(
                video=self.header.videos[self.video_index[i]],
                step=int(self.index[i]) if self.header.per == "step" else None,
                window=int(self.index[i]) if self.header.per == "window" else None,
                start_s=float(self.start_s[i]),
                end_s=float(self.end_s[i]),
                energy=None if np.isnan(energy) else energy,
                state=ENERGY_STATES[self.state[i]],
            )

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        counts = ", ".join(f"{int((self.state == i).sum())} {word}" for i, word in enumerate(ENERGY_STATES))
        measure = f"{self.header.source} {self.header.mode}, support {self.header.support_s:g} s"
        return {"videos": str(len(self.header.videos)), "measure": measure, "rows": f"{len(self)} ({counts})"}
