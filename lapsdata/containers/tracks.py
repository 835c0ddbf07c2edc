"""Tracks: windows of point positions, per view, with the time of every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.base import ArrayCheck, Container, checked_header, frozen_mapping, read_only
from lapsdata.containers.track_windows import check_beside_windows, check_windows
from lapsdata.containers.window_times import step_times
from lapsdata.schema.tracks import TracksHeader
from lapsdata.timebase import window_time_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.schema.tracks import TrackQuality

__all__ = ["Tracks"]


@dataclass(frozen=True, eq=False, repr=False)
class Tracks(Container):
    """Windows of T frames of N points, per view.

    Parameters
    ----------
    header : TracksHeader
    tracks : dict of float32 (W, T, N, 2), pixel xy
        By view, in the order of their names; the centre of the top-left pixel is (0, 0). NaN only where `vis` is
        False; never infinite.
    vis : dict of bool (W, T, N)
        By view.
    start_index : int64 (W,)
        First frame of each window, an index into `frame_s`.
    frame_s : float64 (F,), seconds
        Time of each frame; rising.
    source_index : int64 (F,) or None
        Source frame that stands for each entry of `frame_s`; given exactly where the header says `resampled`.
    confidence : dict of float32 (W, T, N) or None, 0 to 1
        By view: how far position and visibility can be relied on; given exactly where the header says `confidence`.

    Raises
    ------
    SchemaError
        All problems of shape, dtype, time, NaN where visible, or of a header whose rate or counts the arrays
        contradict.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> tracks = sample_tracks(windows=3)
    >>> tracks.tracks["default"].shape
    (3, 4, 5, 2)
    >>> tracks.step_s[0]
    array([0. , 0.1, 0.2, 0.3])
    """

    header: TracksHeader
    tracks: Mapping[str, NDArray[np.float32]]
    vis: Mapping[str, NDArray[np.bool_]]
    start_index: NDArray[np.int64]
    frame_s: NDArray[np.float64]
    source_index: NDArray[np.int64] | None = None
    confidence: Mapping[str, NDArray[np.float32]] | None = None

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, TracksHeader))
        check = ArrayCheck("tracks")
        self._check_views(check)
        check_beside_windows(check, self.header, self.start_index, self.frame_s, self.source_index)
        check.finish()
        by_view = {
            name: frozen_mapping({view: arrays[view] for view in sorted(self.header.views)})
            for name, arrays in self._by_view().items()
        }
        self._freeze(
            **by_view,
            start_index=read_only(self.start_index),
            frame_s=read_only(self.frame_s),
            source_index=None if self.source_index is None else read_only(self.source_index),
        )

    def _by_view(self) -> dict[str, Mapping[str, NDArray[Any]]]:
        """Return the fields that hold an array for each view."""
        fields: dict[str, Mapping[str, NDArray[Any]]] = {"tracks": self.tracks, "vis": self.vis}
        return fields if self.confidence is None else {**fields, "confidence": self.confidence}

    def _check_views(self, check: ArrayCheck) -> None:
        if (self.confidence is not None) != self.header.confidence:
            said, got = ("some", "none") if self.header.confidence else ("none", "some")
            fix = "set the header's `confidence` to whether it is given"
            check.problems.add("confidence", "confidence", f"header says that there is {said}, got {got}", fix)
        if not self._are_mappings(check):
            return
        for name, arrays in self._by_view().items():
            if set(arrays) != set(self.header.views):
                message = f"expected the header's views {sorted(self.header.views)}, got {sorted(arrays, key=str)}"
                check.problems.add("wrong-views", name, message)
        for view, facts in self.header.views.items():
            if view not in self.tracks or view not in self.vis:
                continue
            confidence = None if self.confidence is None else self.confidence.get(view)
            windows = (self.tracks[view], self.vis[view], confidence)
            check_windows(check, view, *windows, horizon=self.header.horizon, points=facts.points)

    def _are_mappings(self, check: ArrayCheck) -> bool:
        given: dict[str, object] = {**self._by_view()}
        bare = {name: type(value).__name__ for name, value in given.items() if not isinstance(value, Mapping)}
        for name, got in bare.items():
            fix = f"write {{'{next(iter(self.header.views))}': {name}}}"
            check.problems.add("wrong-views", name, f"expected arrays by view, got {got}", fix)
        return not bare

    def __len__(self) -> int:
        """Return the number of windows W."""
        return len(self.start_index)

    @property
    def step_s(self) -> NDArray[np.float64]:
        """Time of every frame of every window: float64 (W, T), seconds."""
        return step_times(self.frame_s, self.start_index, self.header.horizon)

    @property
    def span_s(self) -> NDArray[np.float64]:
        """Half-open time of each window: float64 (W, 2), seconds; the last frame lasts the median interval."""
        return np.stack(window_time_s(self.frame_s, self.start_index, self.header.horizon), axis=-1)

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        header, times = self.header, self.frame_s
        rate = header.rate or "variable"
        # A single frame has no interval, so nothing says how long it lasts.
        end_s = self.span_s[-1, 1] if len(times) > 1 else times[-1]
        facts = {
            "video": header.video.name,
            "windows": f"{len(self)} of {header.horizon} frames, every {header.stride}"
            + (", cut out of one tracking" if header.continuous else ""),
            "time": f"{times[self.start_index[0]]:.3f} to {end_s:.3f} s, {len(times)} frames, rate {rate}",
            "tracker": f"{header.tracker.name} {header.tracker.version}",
            **({"gated": f"{len(header.gated_starts)} windows left out"} if header.gated_starts else {}),
            "source": f"{header.duplicated_frames} frames duplicated, {header.dropped_frames} dropped, "
            f"{header.uncovered_frames} uncovered at the end",
        }
        for name, view in sorted(header.views.items()):
            layout = f"{view.points} points, {view.grid.kind}, {self.vis[name].mean():.1%} visible"
            facts[f"view {name}"] = f"{view.size.width} x {view.size.height} pixel, {layout}"
            if view.quality is not None:
                facts |= {f"{line} {name}": text for line, text in _spelled(view.quality).items()}
        return facts | super().facts()


def _spelled(quality: TrackQuality) -> dict[str, str]:
    """Return a quality in short lines; what was not measured is left out."""
    error, static, other = quality.back_error_px, quality.static, quality.agreement
    expected = quality.expected_error_px
    parts = {
        "expected": (
            None if expected is None else f"{expected:.2f} px from the truth, as estimated",
            None if other is None else f"{other.mean_px:.2f} px from {other.tracker} ({other.share:.0%} compared)",
        ),
        "quality": (
            None if error is None else f"error {error.median:.2f} px (95 %: {error.p95:.2f})",
            None if quality.survival is None else f"{quality.survival:.1%} survive",
        ),
        "points": (
            None if static is None else f"{static:.1%} static (< {quality.static_below_px:g} px)",
            None if quality.untextured is None else f"{quality.untextured:.1%} untextured",
        ),
    }
    lines = {name: ", ".join(text for text in texts if text is not None) for name, texts in parts.items()}
    return {name: line for name, line in lines.items() if line} or {"quality": "nothing measured"}
