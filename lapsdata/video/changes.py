"""Changes of a video that change nothing of what happens in it: another rate or size, mirrored, bars, noise, backwards.

Frames are changed as they are decoded; nothing is encoded again. Frames of a changed video come from a source, one
after the other, and memory does not grow with its length.

Time: frames are instants. Backwards, what was seen at t is seen at first + last - t, where first and last are the times
of the first and the last frame: then each step between two frames has the length that it had, and an instant maps to
an instant. (About the middle of the time that is shown, which is longer by the duration of the last frame, every
boundary would move by one frame.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.geometry import FrameSize
from lapsdata.timebase import resample
from lapsdata.video.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsdata.schema.invariance import VideoChange
    from lapsdata.video.facts import VideoFacts
    from lapsdata.video.frame import FrameSource

    Image = NDArray[np.uint8]

__all__ = ["ChangedVideo", "half_size", "letterboxed", "mirrored", "noisy"]

# Pictures that are held while a video runs backwards.
_HELD_BYTES = 64 << 20
# Of the sum of eight uniform bytes: 8 * 127.5, and the square root of 8 * (256**2 - 1) / 12.
_BYTES, _SUM_MEAN, _SUM_SD = 8, 1020.0, (8 * 65535 / 12) ** 0.5


def half_size(image: Image) -> Image:
    """Return a picture of half the width and height, rounded up: each pixel the mean of those under it.

    Parameters
    ----------
    image : NDArray, shape (H, W) or (H, W, 3), uint8

    Returns
    -------
    NDArray, shape (ceil(H / 2), ceil(W / 2)) or with 3 channels, uint8

    Examples
    --------
    >>> half_size(np.array([[0, 2, 8, 8], [4, 6, 8, 8]], np.uint8))
    array([[3, 8]], dtype=uint8)
    """
    import cv2

    height, width = image.shape[:2]
    made: Any = cv2.resize(image, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
    return np.asarray(made)


def mirrored(image: Image) -> Image:
    """Return a picture with left and right exchanged.

    Examples
    --------
    >>> mirrored(np.array([[1, 2, 3]], np.uint8))
    array([[3, 2, 1]], dtype=uint8)
    """
    return np.ascontiguousarray(image[:, ::-1])


def letterboxed(image: Image, bar_share: float) -> Image:
    """Return a picture between two black bars, above and below it; the picture itself is untouched.

    Parameters
    ----------
    image : NDArray, shape (H, W) or (H, W, 3), uint8
    bar_share : float
        Height of each bar as a share of H, rounded to whole pixels, at least one.

    Examples
    --------
    >>> letterboxed(np.full((2, 3), 7, np.uint8), 0.5)[:, 0]
    array([0, 7, 7, 0], dtype=uint8)
    """
    bar = _bar(image.shape[0], bar_share)
    return np.pad(image, ((bar, bar), *[(0, 0)] * (image.ndim - 1)))


def noisy(image: Image, sigma: float, *, seed: int, index: int) -> Image:
    """Return a picture with noise of its own on every pixel and channel, as of a sensor: below 0 is 0, above 255 255.

    The noise is nearly normal, the sum of eight uniform bytes, up to 4.9 sigma: these are whole numbers, which are the
    same on every machine and in every release of NumPy.

    Parameters
    ----------
    image : NDArray, shape (H, W) or (H, W, 3), uint8
    sigma : float, levels of 255
        Standard deviation before rounding to whole levels.
    seed, index : int
        The noise depends on both: a frame has the same, whenever it is looked at.

    Examples
    --------
    >>> flat = np.full((64, 64), 100, np.uint8)
    >>> bool(4.5 < noisy(flat, 5.0, seed=0, index=3).std() < 5.5)
    True
    """
    raw = np.random.PCG64([seed, index]).random_raw(image.size)
    sums = raw.view(np.uint8).reshape(image.size, _BYTES).sum(axis=1, dtype=np.int64)
    noise = (sums.reshape(image.shape) - _SUM_MEAN) * (sigma / _SUM_SD)
    made: Image = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    return made


class ChangedVideo:
    """A video with a change; trackers take it as any other source of frames.

    Parameters
    ----------
    source : FrameSource
        Stays open, and is closed by whoever has opened it.
    change : VideoChange

    Raises
    ------
    SchemaError
        A rate far above that of the video (`grid-too-long`).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lapsdata.schema.invariance import VideoChange
    >>> from lapsdata.video.reader import open_video
    >>> from lapsdata.video.writer import write_video
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.full((48, 64, 3), level, np.uint8) for level in (50, 100, 150)], [0.0, 0.1, 0.25])
    >>> with open_video(clip, pixels="gray") as video:
    ...     backwards = ChangedVideo(video, VideoChange(kind="reversed"))
    ...     [(round(frame.time_s, 3), int(frame.image[0, 0])) for frame in backwards.frames()]
    [(0.0, 150), (0.15, 100), (0.25, 50)]
    """

    def __init__(self, source: FrameSource, change: VideoChange) -> None:
        self._source, self.change = source, change
        facts = source.facts
        self.repeated = self.left_out = 0
        """Frames that show one of the source once more; frames of the source that none shows."""
        self.source_index: NDArray[np.int64] = np.arange(facts.frames, dtype=np.int64)
        """int64 (F,): the frame of the source that each shows."""
        size = _changed_size(facts.size, change)
        self.facts: VideoFacts = replace(facts, size=size, coded_size=size, rotation=0)
        """What is known of the changed video; path, codec and keyframes are those of the source."""
        if change.kind == "reversed":
            first, last = facts.frame_s[[0, -1]].tolist()
            self.source_index = self.source_index[::-1].copy()
            backwards = first + (last - facts.frame_s[::-1])
            self.facts = replace(self.facts, frame_s=backwards)
        if change.rate is not None and change.rate != facts.rate:
            grid = resample(facts.frame_s, change.rate, end_s=facts.end_s)
            self.source_index, self.repeated, self.left_out = grid.source_index, grid.duplicated, grid.dropped
            self.facts = replace(
                self.facts, frame_s=grid.frame_s.copy(), end_s=grid.end_s, rate=change.rate, variable=False
            )

    def frames(self, indices: Iterable[int] | None = None) -> Iterator[Frame]:
        """Yield frames; see `FrameSource`. Errors are those of the source.

        Backwards, blocks of up to 64 MiB are decoded forwards and given from their ends.
        """
        wanted = list(range(self.facts.frames) if indices is None else map(int, indices))
        shown = self.source_index[wanted].tolist()
        pictures = self._backwards(shown) if self.change.kind == "reversed" else self._forwards(shown)
        for index, image in zip(wanted, pictures, strict=True):
            yield Frame(index, float(self.facts.frame_s[index]), self._picture(image, index))

    def in_source_s(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return when the source shows what is shown here at some times: float64, seconds.

        Parameters
        ----------
        times_s : NDArray, any shape, float64, seconds
        """
        if self.change.kind != "reversed":
            return times_s
        first, last = self._source.facts.frame_s[[0, -1]].tolist()
        return np.asarray(first + (last - times_s))

    def _forwards(self, shown: list[int]) -> Iterator[Image]:
        return (frame.image for frame in self._source.frames(shown))

    def _backwards(self, shown: list[int]) -> Iterator[Image]:
        size = self._source.facts.size
        block = max(1, _HELD_BYTES // (3 * size.width * size.height))
        for part in (shown[at : at + block] for at in range(0, len(shown), block)):
            held = {frame.index: frame.image for frame in self._source.frames(sorted(set(part)))}
            for index in part:
                yield held[index]

    def _picture(self, image: Image, index: int) -> Image:
        change = self.change
        if change.kind == "half_size":
            return half_size(image)
        if change.kind == "mirrored":
            return mirrored(image)
        if change.bar_share is not None:
            return letterboxed(image, change.bar_share)
        if change.sigma is not None and change.seed is not None:
            return noisy(image, change.sigma, seed=change.seed, index=index)
        return image


def _changed_size(size: FrameSize, change: VideoChange) -> FrameSize:
    if change.kind == "half_size":
        return FrameSize(width=-(-size.width // 2), height=-(-size.height // 2))
    if change.bar_share is not None:
        return FrameSize(width=size.width, height=size.height + 2 * _bar(size.height, change.bar_share))
    return size


def _bar(height: int, share: float) -> int:
    return max(1, round(height * share))
