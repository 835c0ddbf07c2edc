"""Video frames beside windows: found by time, decoded when asked for, each group of pictures once in a batch.

Nothing is opened before the first batch that holds images. A video is then proved to be the one that the tracks were
made from (its digest, where the tracks know one), and its packets are read for the times of its frames, which stay in
memory. Decoders stay open between batches, and frames that were delivered are kept up to a number of bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.loading._frame_pool import FramePool, jobs_of
from lapsdata.loading._frame_videos import Wanted, match_frames
from lapsdata.loading.source import FieldSpec
from lapsdata.storage.per_process import PerProcess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.loading._frame_pool import FrameJob
    from lapsdata.loading._frame_videos import FrameVideo

__all__ = ["FrameOptions", "FrameSource", "ImageSteps", "ItemFrames"]

ImageSteps: TypeAlias = Literal["all", "first", "middle"] | Sequence[int]
"""Which steps of a window have a frame: all T, the first, step T // 2, or those numbered; -1 is the last."""

_UNIT = "RGB (T, H, W, 3), 0 to 255"


class ItemFrames(NamedTuple):
    """What one file of tracks says of frames.

    Parameters
    ----------
    rows : int
        Number of windows W.
    videos : mapping of int
        By field, which of the videos holds its frames.
    start_index : int64 (W,) or None
    source_index : int64 (F,) or None
        Both where the times are a grid laid over the frames: which frame the tracker saw at each.
    """

    rows: int
    videos: Mapping[str, int]
    start_index: NDArray[np.int64] | None = None
    source_index: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class FrameOptions:
    """How frames are delivered, and what may be held for it.

    A decoder holds the frames that others refer to, up to 16 of the video's size; a delivered frame 3 H W bytes.

    Parameters
    ----------
    steps : tuple of int
        Steps of a window that have a frame.
    size : (int, int) or None
        Height and width to resize to.
    open_videos : int
        Decoders that may be open.
    cache_bytes : int
        Bytes of delivered frames that are kept.
    """

    steps: tuple[int, ...]
    size: tuple[int, int] | None = None
    open_videos: int = 8
    cache_bytes: int = 1 << 28


class FrameSource:
    """The frames of windows, from any thread, and in any process that it is sent to; each opens what it needs.

    Parameters
    ----------
    videos : sequence of FrameVideo
    items : sequence of ItemFrames
        In the order of the windows.
    sizes : mapping of (int, int)
        Height and width of the frames of each field.
    options : FrameOptions

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lapsdata.loading._frame_videos import FrameVideo
    >>> from lapsdata.video.writer import write_video
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.full((48, 64, 3), level, np.uint8) for level in (50, 100, 150)], [0.0, 0.1, 0.25])
    >>> video = FrameVideo("clip", clip, digest=None, size=None, rate=None)
    >>> items = [ItemFrames(1, {"images": 0})]
    >>> frames = FrameSource([video], items, {"images": (24, 32)}, FrameOptions(steps=(0, 1), size=(24, 32)))
    >>> frames.gather(np.array([0]), np.array([[0.1, 0.25]]), ["images"])["images"][0, :, 0, 0, 0].tolist()
    [100, 150]
    >>> frames.close()
    """

    def __init__(
        self,
        videos: Sequence[FrameVideo],
        items: Sequence[ItemFrames],
        sizes: Mapping[str, tuple[int, int]],
        options: FrameOptions,
    ) -> None:
        self._videos, self._items, self._options = list(videos), list(items), options
        self.spec = {
            name: FieldSpec((len(options.steps), *size, 3), np.dtype(np.uint8), _UNIT) for name, size in sizes.items()
        }
        rows = np.fromiter((item.rows for item in items), np.int64, len(items))
        self._starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(rows)])
        pool = functools.partial(FramePool, self._videos, options.open_videos, options.cache_bytes, options.size)
        self._pools = PerProcess(pool)

    def __repr__(self) -> str:
        unproved = sum(video.digest is None for video in self._videos)
        told = [
            f"{len(self._videos)} videos",
            *([f"{unproved} of them not compared with a digest"] if unproved else []),
            *([f"{self.resized} frames resized to {self._options.size}"] if self._options.size else []),
        ]
        return f"FrameSource({', '.join(told)})"

    @property
    def resized(self) -> int:
        """How many frames were resized in this process."""
        return self._pools.get().resized

    @property
    def open_videos(self) -> int:
        """How many decoders are open in this process."""
        return len(self._pools.get().decoders)

    @property
    def decoded(self) -> int:
        """How many frames were made by a decoder in this process; others came out of the cache."""
        return self._pools.get().decoded

    def close(self) -> None:
        """Close decoders and forget frames; a later `gather` opens what it needs."""
        pool = self._pools.take()
        if pool is not None:
            pool.decoders.close()

    def gather(
        self,
        ids: NDArray[np.int64],
        step_s: NDArray[np.float64],
        fields: Sequence[str],
        *,
        out: Mapping[str, NDArray[Any]] | None = None,
        threads: int = 1,
    ) -> dict[str, NDArray[np.uint8]]:
        """Return the frames of windows.

        Parameters
        ----------
        ids : int64 (B,)
            Any order, repeats allowed.
        step_s : float64 (B, T), seconds
            Their times.
        fields : sequence of str
            Some of `spec`.
        out : mapping of np.ndarray, optional
            Buffers to fill, by field.
        threads : int
            How many threads decode.

        Returns
        -------
        dict of uint8 (B, T', H, W, 3), RGB
            T' as chosen by `ImageSteps`.

        Raises
        ------
        SchemaError
            A video that is another one than the tracks', a step without a frame, or a buffer that does not fit.
        CorruptDataError
            A frame cannot be decoded; it names video, frame and time.
        StorageError
            A video is gone, was replaced, or may not be read.
        """
        pool = self._pools.get()
        batch: dict[str, NDArray[np.uint8]] = {}
        work: list[tuple[NDArray[np.uint8], FrameJob]] = []
        for name in fields:
            batch[name] = self._buffer(name, len(ids), None if out is None else out.get(name))
            flat = batch[name].reshape(-1, *batch[name].shape[2:])
            work += [(flat, job) for job in self._jobs(pool, name, ids, step_s)]
        pool.fill_all(work, threads)
        return batch

    def _buffer(self, name: str, batch: int, given: NDArray[Any] | None) -> NDArray[np.uint8]:
        field = self.spec[name]
        if given is None:
            return field.empty(batch)
        if given.shape != (batch, *field.shape) or given.dtype != field.dtype or not given.flags.c_contiguous:
            message = f"expected {(batch, *field.shape)} uint8 in C order, got {given.shape} {given.dtype}"
            raise SchemaError(Problem("wrong-buffer", f"out: {name}", message))
        return given

    def _jobs(self, pool: FramePool, name: str, ids: NDArray[np.int64], step_s: NDArray[np.float64]) -> list[FrameJob]:
        """Return what has to be fetched of each video."""
        numbers = np.searchsorted(self._starts, ids, "right") - 1
        steps = np.array(self._options.steps, np.int64)
        video = np.empty((len(ids), len(steps)), np.int64)
        frame = np.empty_like(video)
        for number in np.unique(numbers):
            rows, item = np.flatnonzero(numbers == number), self._items[number]
            windows = ids[rows] - self._starts[number]
            source = None
            if item.start_index is not None and item.source_index is not None:
                source = item.source_index[item.start_index[windows][:, None] + steps]
            video[rows] = item.videos[name]
            wanted = Wanted(windows, steps, step_s[rows][:, steps], source)
            frame[rows] = match_frames(pool.video(item.videos[name]), wanted)
        return jobs_of(video.ravel(), frame.ravel())
