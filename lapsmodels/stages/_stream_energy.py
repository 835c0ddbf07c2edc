"""From windows of a stream, in their order, to energies of steps that no later window changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.segmenters import EnergyStep
from lapsdata.transforms.ego_motion import residual_tracks
from lapsdata.transforms.energies import StepRows, step_layout, step_states, step_values
from lapsdata.transforms.track_speed import window_speed
from lapsdata.transforms.window_steps import StepSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsmodels.stages._stream_windows import WindowEvent
    from lapsmodels.stages.encode import EncodedRows, WindowEncoder
    from lapsmodels.stages.stream_options import StreamOptions
    from lapsmodels.trackers import TrackedWindow

__all__ = ["StepMeter", "WindowCodes"]


class WindowCodes(NamedTuple):
    """The codes of one window."""

    number: int
    """Its id"""
    start: int
    """Its first frame"""
    codes: NDArray[np.int32]
    """(L,)"""
    prequant: NDArray[np.float32]
    """(L, D)"""


class StepMeter:
    """Encodes and measures windows, and gives each step once nothing can change it."""

    def __init__(self, encoder: WindowEncoder, streams: int, options: StreamOptions, where: str) -> None:
        self._encoder, self._streams, self._options = encoder, streams, options
        self._horizon, self._stride = options.track.horizon, options.track.stride
        self.layout = step_layout(options.energies, self._horizon, where)
        self._sums = StepSums()
        self._gated: set[int] = set()
        self._values: list[NDArray[np.float64]] = []
        self._flags: list[NDArray[np.bool_]] = []
        self._given = 0
        self.counts = {"windows": 0, "pixel_gate": 0, "motion_gate": 0, "lost": 0}

    def take(
        self, events: Sequence[WindowEvent], frame_s: Sequence[float]
    ) -> tuple[list[WindowCodes], list[EnergyStep]]:
        """Take windows that follow each other; return the codes of those that moved, and the steps that are final."""
        moving = [event for event in events if event.window is not None]
        codes = self._encoded(moving) if moving else []
        for event in events:
            if event.kind == "gated":
                self._leave_out(event.number)
        self.counts["windows"] += len(events)
        self.counts["pixel_gate"] += sum(event.kind == "gated" for event in events)
        self.counts["lost"] += sum(event.kind == "lost" for event in events)
        last = events[-1].number
        # What lies between windows that do not overlap is known to be missing when another one follows.
        return codes, self._steps(last * self._stride + min(self._stride, self.layout.values), frame_s)

    def finish(self, frame_s: Sequence[float]) -> list[EnergyStep]:
        """Return the steps that later windows might have changed."""
        last = self.counts["windows"] - 1
        return [] if last < 0 else self._steps(last * self._stride + self.layout.values, frame_s)

    def rows(self) -> StepRows:
        """Return all steps so far."""
        return StepRows(np.concatenate(self._values), np.concatenate(self._flags))

    def _encoded(self, events: Sequence[WindowEvent]) -> list[WindowCodes]:
        windows = [event.window for event in events if event.window is not None]
        tracks, vis = (np.stack([getattr(one, name) for one in windows]) for name in ("tracks", "vis"))
        if self._options.encode.motion == "residual":
            still = residual_tracks(tracks, vis)
            found = self._encoder.encode(still.tracks[:, None], still.vis[:, None])
        else:
            found = self._encoder.encode(tracks[:, None], vis[:, None])
        self._measure(events, windows, found)
        numbers = [events[row].number for row in found.rows.tolist()]
        return [
            WindowCodes(number, number * self._stride, codes, prequant)
            for number, codes, prequant in zip(numbers, found.codes, found.prequant, strict=True)
        ]

    def _measure(self, events: Sequence[WindowEvent], windows: Sequence[TrackedWindow], found: EncodedRows) -> None:
        numbers = np.array([event.number for event in events], np.int64)
        left_out = np.setdiff1d(np.arange(len(events)), found.rows)
        self.counts["motion_gate"] += len(left_out)
        energies = self._options.energies
        if energies.of_tracks:
            tracks, vis = (np.stack([getattr(one, name) for one in windows]) for name in ("tracks", "vis"))
            seconds = np.stack([event.frame_s for event in events])
            speed = window_speed(tracks, vis, seconds, motion=energies.motion)
            self._sums.add(speed.value, numbers * self._stride)
            return
        for number in numbers[left_out].tolist():
            self._leave_out(number)
        if len(found.rows):
            latents = getattr(found, energies.of)
            self._sums.add(step_values(latents, self._streams, self.layout), numbers[found.rows] * self._stride)

    def _leave_out(self, number: int) -> None:
        first = number * self._stride
        self._gated.update(range(first, first + self.layout.values))

    def _steps(self, until: int, frame_s: Sequence[float]) -> list[EnergyStep]:
        first, self._given = self._given, max(until, self._given)
        value = self._sums.take(self._given).value
        gated = np.array([step in self._gated for step in range(first, self._given)], bool)
        self._gated.difference_update(range(first, self._given))
        self._values.append(value)
        self._flags.append(gated)
        edges = self.layout.edges_s(np.array(frame_s[first : self._given + 1 + self.layout.between], np.float64))
        energy, state = step_states(value, gated, self._options.energies.gate)
        rows = zip(edges[:-1].tolist(), edges[1:].tolist(), energy.tolist(), state.tolist(), strict=True)
        return [EnergyStep(*row[:3], ENERGY_STATES[row[3]]) for row in rows]
