"""Frames by number, of many videos: each group of pictures decoded once, decoders kept open, delivered frames kept."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lapsdata.errors import LapsError
from lapsdata.loading._decoders import Decoders
from lapsdata.storage.slabs import SlabCache
from lapsdata.video._decoding import PacketSession, PacketSource
from lapsdata.video._pixels import converter

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import av
    from numpy.typing import NDArray

    from lapsdata.loading._frame_videos import FrameVideo, OpenVideo
    from lapsdata.video._decoding import Session

__all__ = ["FrameJob", "FramePool", "jobs_of"]

# The times of the frames of a video take some 20 bytes each.
_KNOWN_VIDEOS = 4096

# Kept frames for each decoded one: within an episode at a time it is more, in random order over more than the cache
# holds less.
_OFTEN = 0.4


class FrameJob(NamedTuple):
    """Frames of one video, rising, and at which places of the batch each goes."""

    video: int
    places: dict[int, list[int]]


def jobs_of(video: NDArray[np.int64], frame: NDArray[np.int64]) -> list[FrameJob]:
    """Return what has to be fetched of each video: place p of a batch holds frame `frame[p]` of `video[p]`, both (P,).

    Examples
    --------
    >>> [(job.video, job.places) for job in jobs_of(np.array([4, 0, 4]), np.array([9, 3, 2]))]
    [(0, {3: [1]}), (4, {2: [2], 9: [0]})]
    """
    found: dict[int, dict[int, list[int]]] = {}
    for place, (one, number) in enumerate(zip(video.tolist(), frame.tolist(), strict=True)):
        found.setdefault(one, {}).setdefault(number, []).append(place)
    return [FrameJob(one, dict(sorted(found[one].items()))) for one in sorted(found)]


class _Picture(NamedTuple):
    """A frame as its decoder gave it: colours at half the size take half the memory, and are made again at each use."""

    frame: av.VideoFrame
    nbytes: int

    def __len__(self) -> int:
        return 1


def _picture(frame: av.VideoFrame) -> _Picture:
    return _Picture(frame, sum(plane.buffer_size for plane in frame.planes))


class FramePool:
    """What one process has open and keeps of some videos; for any number of threads.

    Parameters
    ----------
    videos : sequence of FrameVideo
        Each is opened when it is first used.
    open_videos : int
        Decoders that may be open.
    cache_bytes : int
        Bytes of delivered frames that are kept.
    size : (int, int), optional
        Height and width to resize to.
    keep : {"images", "pictures"}
        What is kept: images as they were delivered; or what the decoder gave, of every frame that it had to decode,
        which takes half the memory and some time at each use.

    Attributes
    ----------
    decoded, kept, resized : int
        How many frames were made by a decoder, came out of the cache, were resized.
    """

    def __init__(
        self,
        videos: Sequence[FrameVideo],
        open_videos: int,
        cache_bytes: int,
        size: tuple[int, int] | None = None,
        keep: Literal["images", "pictures"] = "images",
    ) -> None:
        self._videos, self._size, self._pictures = videos, size, keep == "pictures"
        self.decoders = Decoders(open_videos)
        self.cache: SlabCache[NDArray[np.uint8] | _Picture] = SlabCache(cache_bytes)
        # What turns pictures into images is for one thread, and for pictures of one kind.
        self._own = threading.local()
        self.resized = self.decoded = self.kept = 0
        self._open: OrderedDict[int, OpenVideo] = OrderedDict()
        self._locks: dict[int, threading.Lock] = {}
        self._count = threading.Lock()

    def video(self, number: int) -> OpenVideo:
        """Return a video; the first to ask opens it, others wait for this."""
        known = self._open.get(number)
        if known is not None:
            return known
        with self._locks.setdefault(number, threading.Lock()):
            known = self._open.get(number)
            if known is None:
                known, session = self._videos[number].open()
                if session is not None:
                    self.decoders.add(number, session)
                with self._count:
                    self._open[number] = known
                    while len(self._open) > _KNOWN_VIDEOS:
                        gone, _ = self._open.popitem(last=False)
                        self._locks.pop(gone, None)
        return known

    def fill_all(self, work: Sequence[tuple[NDArray[np.uint8], FrameJob]], threads: int = 1) -> None:
        """Put the frames of jobs into their batches (P, H, W, 3), which need not lie in one piece of memory."""
        parts = [(flat, part) for flat, job in work for part in self._split(job, max(1, threads // len(work)))]
        if threads > 1 and len(parts) > 1:
            with ThreadPoolExecutor(min(threads, len(parts)), "lapsdata-frames") as pool:
                list(pool.map(lambda one: self._fill(*one), parts))
        else:
            for flat, job in parts:
                self._fill(flat, job)

    def _split(self, job: FrameJob, parts: int) -> list[FrameJob]:
        """Cut between groups of pictures, so that none is decoded twice."""
        if parts == 1:
            return [job]
        every = list(job.places.items())
        group = np.searchsorted(self.video(job.video).plan.facts.keyframes, list(job.places), "right")
        cuts = np.append(np.flatnonzero(np.diff(group)) + 1, len(every))
        even = np.arange(1, parts + 1) * len(every) // parts
        ends = [0, *np.unique(cuts[np.searchsorted(cuts, even)]).tolist()]
        return [FrameJob(job.video, dict(every[a:b])) for a, b in itertools.pairwise(ends)]

    def _fill(self, flat: NDArray[np.uint8], job: FrameJob) -> None:
        """Put frames of one video into a batch; what is not kept is decoded, in the order in which it is shown."""
        missing = []
        for frame, places in job.places.items():
            kept = self.cache.get((job.video, frame))
            if kept is None:
                missing.append((frame, places))
            else:
                self._put(flat, places, self._image(job.video, kept))
        with self._count:
            self.kept += len(job.places) - len(missing)
        if not missing:
            return
        video = self.video(job.video)
        video.check_same()
        with self.decoders.borrowed(job.video, video.plan.open) as session:
            for frame, places in missing:
                self._put(flat, places, self._decoded(job.video, frame, session))

    def _decoded(self, video: int, frame: int, session: Session) -> NDArray[np.uint8]:
        """Return a frame that is not kept, and keep it."""
        with self._count:
            self.decoded += 1
        if not self._pictures or not isinstance(session, PacketSession):
            image = self._fitted(session.image(frame))
            self.cache.put((video, frame), image)
            return image

        def keep(number: int, picture: av.VideoFrame) -> None:
            self.cache.put((video, number), _picture(picture))

        picture = session.picture(frame, keep)
        keep(frame, picture)
        image = self._image(video, _picture(picture))
        following = frame + 1
        if self._pays(video, following):
            # What is wrong with a frame is told to who asks for it.
            with suppress(LapsError):
                keep(following, session.picture(following, keep))
        return image

    def _pays(self, video: int, frame: int) -> bool:
        """Say whether to decode a frame too, as the one before it was: where a group of pictures goes on.

        Now that is one decoding; later it is a seek, and all of its group again. It is for nothing where frames are
        gone before they are asked for, which what came out of the cache so far tells.
        """
        if self.kept < _OFTEN * self.decoded or self.cache.get((video, frame)) is not None:
            return False
        facts = self.video(video).plan.facts
        before, up_to = (int(np.searchsorted(facts.keyframes, frame, side)) for side in ("left", "right"))
        return frame < facts.frames and before == up_to

    def _image(self, video: int, kept: NDArray[np.uint8] | _Picture) -> NDArray[np.uint8]:
        """Return what is kept as it is delivered."""
        if not isinstance(kept, _Picture):
            return kept
        plan = self.video(video).plan
        if not isinstance(plan, PacketSource):
            raise TypeError(f"expected a video, got {type(plan).__name__}")
        made = self._own.__dict__.setdefault("converters", {})
        kind: Hashable = (plan.pixels, plan.facts.rotation, plan.facts.coded_size, plan.facts.pixel_format)
        if kind not in made:
            made[kind] = converter(plan.pixels, plan.facts.rotation)
        return self._fitted(made[kind](kept.frame))

    @staticmethod
    def _put(flat: NDArray[np.uint8], places: list[int], image: NDArray[np.uint8]) -> None:
        if flat.flags.c_contiguous or image.ndim != 3:
            flat[places] = image
            return
        import cv2

        # Channels that lie apart are parted by OpenCV in half the time of NumPy.
        for channel, plane in enumerate(cv2.split(image)):
            for place in places:
                flat[place, :, :, channel] = plane

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        shape = self._size
        if shape is None or image.shape[:2] == shape:
            return image
        import cv2

        with self._count:
            self.resized += 1
        # The mean of the pixels under each new one: what is too fine for the new size cannot alias.
        made: Any = cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(made, np.uint8)
