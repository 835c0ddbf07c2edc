"""A video with what was measured of it: frame, energies, threshold, whether a segment is open, how late that was known.

Below the frame lies a strip of ten seconds that moves with the video; the line in its middle is now. Energies are drawn
at their own time, on a logarithmic scale where all are above 0: dark until now, pale after it. Time inside of a segment
has a coloured ground, gated time a gray one, and where nothing was measured there is no line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Energies, Segments

    Image = NDArray[np.uint8]

__all__ = ["OverlayData", "overlay_frames"]

_WIDTH, _STRIP, _TEXT, _MARGIN = 640, 120, 30, 8
_SPAN_S = 10.0
_GROUND, _PAPER, _INK, _PALE = (28, 30, 34), (250, 250, 247), (32, 60, 110), (168, 182, 204)
_INSIDE, _GATED, _LINE, _NOW = (250, 221, 180), (222, 222, 222), (196, 60, 40), (20, 20, 20)
_STATE_INK = {
    "inside": (255, 190, 90),
    "quiet": (200, 205, 210),
    "gated": (150, 155, 160),
    "missing": (240, 110, 100),
    "-": (150, 155, 160),
}


@dataclass(frozen=True, kw_only=True)
class OverlayData:
    """What is drawn beside the frames of one video.

    Parameters
    ----------
    energies : Energies
        Of one video.
    segments : Segments
        Of the same.
    threshold : float or None
    ready_s, latency_s : sequence of float, seconds
        The time of the last frame of each window, and how long after it the window was done.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies, sample_segments
    >>> data = OverlayData(
    ...     energies=sample_energies(), segments=sample_segments(), threshold=0.5, ready_s=[0.1], latency_s=[0.02]
    ... )
    >>> data.state(-1.0), data.latency(0.3)
    ('-', 0.02)
    """

    energies: Energies
    segments: Segments
    threshold: float | None
    ready_s: Sequence[float]
    latency_s: Sequence[float]

    def state(self, time_s: float) -> str:
        """Return `inside` of a segment, `quiet`, `gated` or `missing`; `-` where no window speaks of it."""
        if ((self.segments.start_s <= time_s) & (time_s < self.segments.end_s)).any():
            return "inside"
        rows = np.flatnonzero((self.energies.start_s <= time_s) & (time_s < self.energies.end_s))
        state = ENERGY_STATES[int(self.energies.state[rows[0]])] if len(rows) else "-"
        return "quiet" if state == "measured" else state

    def latency(self, time_s: float) -> float | None:
        """Return the latency of the last window whose frames had come by then; None before the first."""
        done = int(np.searchsorted(np.asarray(self.ready_s), time_s, side="right"))
        return self.latency_s[done - 1] if done else None


def overlay_frames(images: Iterable[Image], frame_s: Sequence[float], data: OverlayData) -> Iterator[Image]:
    """Yield the frames of the overlay, RGB uint8 with even sides.

    Parameters
    ----------
    images : iterable of uint8 (H, W, 3), RGB
        One for each time.
    frame_s : sequence of float, seconds
    data : OverlayData

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies, sample_segments
    >>> data = OverlayData(
    ...     energies=sample_energies(), segments=sample_segments(), threshold=0.5, ready_s=[], latency_s=[]
    ... )
    >>> next(overlay_frames([np.zeros((48, 64, 3), np.uint8)], [0.2], data)).shape
    (630, 640, 3)
    """
    strip = _Strip(data)
    for image, time_s in zip(images, frame_s, strict=True):
        picture = _resized(image)
        words = _words(data, time_s)
        made = np.concatenate([picture, words, strip.at(time_s)])
        yield np.ascontiguousarray(made[: len(made) // 2 * 2])


def _resized(image: Image) -> Image:
    import cv2

    height, width = image.shape[:2]
    size = _WIDTH, max(2, round(height * _WIDTH / width))
    how = cv2.INTER_AREA if width > _WIDTH else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


def _words(data: OverlayData, time_s: float) -> Image:
    import cv2

    row: Any = np.full((_TEXT, _WIDTH, 3), _GROUND, np.uint8)
    state, latency = data.state(time_s), data.latency(time_s)
    told = "latency -" if latency is None else f"latency {latency * 1000:.0f} ms"
    shown = "threshold -" if data.threshold is None else f"threshold {data.threshold:.3g}"
    for x, text, ink in (
        (_MARGIN, f"{time_s:8.2f} s", (235, 235, 235)),
        (140, state, _STATE_INK[state]),
        (270, told, (235, 235, 235)),
        (450, shown, (235, 130, 115)),
    ):
        cv2.putText(row, text, (x, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.55, ink, 1, cv2.LINE_AA)
    return np.asarray(row)


class _Strip:
    """Draws the energies around a moment."""

    def __init__(self, data: OverlayData) -> None:
        self._data = data
        known = data.energies.energy[data.energies.state == 0]
        threshold = [] if data.threshold is None else [data.threshold]
        self._log = bool((known > 0).all() and all(one > 0 for one in threshold))
        heights = self._scaled(np.concatenate([known, threshold]))
        low, high = (float(heights.min()), float(heights.max())) if len(heights) else (0.0, 1.0)
        self._low, self._range = low, max(high - low, 1e-9)

    def at(self, now_s: float) -> Image:
        import cv2

        strip: Any = np.full((_STRIP, _WIDTH, 3), _PAPER, np.uint8)
        data, first = self._data, now_s - _SPAN_S / 2
        self._ground(strip, data.energies.start_s, data.energies.end_s, data.energies.state == 1, first, _GATED)
        inside = np.ones(len(data.segments), bool)
        self._ground(strip, data.segments.start_s, data.segments.end_s, inside, first, _INSIDE)
        if data.threshold is not None:
            y = int(self._y(np.array([data.threshold]))[0])
            cv2.line(strip, (0, y), (_WIDTH, y), _LINE, 1, cv2.LINE_AA)
        self._curve(strip, first, now_s)
        cv2.line(strip, (_WIDTH // 2, 0), (_WIDTH // 2, _STRIP), _NOW, 1)
        for second in range(int(np.ceil(first)), int(first + _SPAN_S) + 1):
            x = self._x(second, first)
            cv2.line(strip, (x, _STRIP - 5), (x, _STRIP), _NOW, 1)
            if second >= 0 and second % 2 == 0:
                place = x + 2, _STRIP - 3
                cv2.putText(strip, f"{second}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, _NOW, 1, cv2.LINE_AA)
        return np.asarray(strip)

    def _ground(
        self,
        strip: Any,  # noqa: ANN401 - what OpenCV draws on
        start_s: NDArray[np.float64],
        end_s: NDArray[np.float64],
        which: NDArray[np.bool_],
        first: float,
        colour: tuple[int, int, int],
    ) -> None:
        seen = which & (end_s > first) & (start_s < first + _SPAN_S)
        for start, end in zip(start_s[seen].tolist(), end_s[seen].tolist(), strict=True):
            strip[:, max(self._x(start, first), 0) : max(self._x(end, first), 0)] = colour

    def _curve(self, strip: Any, first: float, now_s: float) -> None:  # noqa: ANN401 - what OpenCV draws on
        import cv2

        energies = self._data.energies
        at_s = (energies.start_s + energies.end_s) / 2
        seen = (at_s > first - 1) & (at_s < first + _SPAN_S + 1)
        measured = energies.state[seen] == 0
        x = [self._x(time_s, first) for time_s in at_s[seen].tolist()]
        y = self._y(np.where(measured, energies.energy[seen], 1.0)).tolist()
        for k in range(1, len(x)):
            if measured[k] and measured[k - 1]:
                ink = _INK if at_s[seen][k] <= now_s else _PALE
                cv2.line(strip, (x[k - 1], int(y[k - 1])), (x[k], int(y[k])), ink, 2, cv2.LINE_AA)

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(values) if self._log else values

    def _y(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        share = (self._scaled(values) - self._low) / self._range
        return np.asarray(_STRIP - 16 - share * (_STRIP - 24))

    def _x(self, time_s: float, first: float) -> int:
        return round((time_s - first) / _SPAN_S * _WIDTH)
