"""A video behind windows: proved to be the right one when it is first used, and its frames found by their times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.storage.index import file_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.geometry import FrameSize
    from lapsdata.storage.index import FileKey
    from lapsdata.timebase import FrameRate
    from lapsdata.video._decoding import PacketSource, Session
    from lapsdata.video._images import ImageFolder
    from lapsdata.video._torchcodec import TorchcodecSource
    from lapsdata.video.frame import Decoder, Pixels

__all__ = ["FrameVideo", "OpenVideo", "Wanted", "match_frames", "nearest_frames"]

_TIE = 1e-3
"""Two frames whose distances from a time differ by less than this part of the tolerance are equally near."""


@dataclass(frozen=True, slots=True)
class FrameVideo:
    """What tracks say of a video, and where it lies.

    Parameters
    ----------
    name : str
    path : Path or str
        File, folder of images, or URL.
    digest : str or None
        Of its bytes; None where it is not compared.
    size : FrameSize or None
        Of a frame; None where any will do.
    rate : FrameRate, float or None
        Of images, which carry no time.
    pixels : {"rgb", "rgb_quick"}
    decoder : {"pyav", "torchcodec"}
    """

    name: str
    path: Path | str
    digest: str | None
    size: FrameSize | None
    rate: FrameRate | float | None
    pixels: Pixels = "rgb"
    decoder: Decoder = "pyav"

    def open(self) -> tuple[OpenVideo, Session | None]:
        """Read its packets, and its bytes where there is a digest; return it with a decoder if one is open already.

        Raises
        ------
        SchemaError
            It is another video than the tracks were made from, or its frames have another size.
        LapsError
            As `lapsdata.video.reader.open_video`.
        """
        from lapsdata.video._decoding import PacketSource
        from lapsdata.video._torchcodec import over_torchcodec
        from lapsdata.video.probe import find_source
        from lapsdata.video.sources import images_rate, source_digest

        key = self._key()
        if self.digest is not None and (got := source_digest(self.path)) != self.digest:
            message = f"expected the video of the tracks, {self.digest}, got {got}"
            fix = f"name the {self.name} that was tracked, or, if this one is damaged, a copy; or verify='never'"
            raise SchemaError(Problem("wrong-video", str(self.path), message, fix))
        rate = images_rate(self.path, self.rate)
        plan, session = find_source(self.path, self.pixels, stream=None, rate=rate, frame_s=None, times="packets")
        if self.size is not None and plan.facts.size != self.size:
            if session is not None:
                session.close()
            message = f"expected frames of {self.size} pixel as the tracks say, got {plan.facts.size}"
            fix = f"name the {self.name} that was tracked, or give image_size=(height, width)"
            raise SchemaError(Problem("wrong-size", str(self.path), message, fix))
        if self.decoder == "torchcodec" and isinstance(plan, PacketSource):
            source, other = over_torchcodec(plan, session)
            return OpenVideo(self, source, key), other
        return OpenVideo(self, plan, key), session

    def _key(self) -> FileKey | None:
        # A URL has none, and a folder's says nothing of its images.
        return file_key(self.path) if isinstance(self.path, Path) and self.path.is_file() else None


@dataclass(frozen=True, slots=True, eq=False)
class OpenVideo:
    """A video whose frames and times are known."""

    video: FrameVideo
    plan: PacketSource | ImageFolder | TorchcodecSource
    key: FileKey | None

    def check_same(self) -> None:
        """Refuse a file that was replaced since its frames became known.

        Raises
        ------
        StorageError
            It is another file, or gone.
        """
        if self.key is not None and isinstance(self.video.path, Path) and file_key(self.video.path) != self.key:
            message = "expected the video whose times were read, got another one of its name"
            raise StorageError(Problem("replaced", str(self.video.path), message, "open the data set again"))


class Wanted(NamedTuple):
    """Steps of windows of one file of tracks.

    Parameters
    ----------
    windows : int64 (B,)
        Numbers in the file.
    steps : int64 (T,)
        Numbers in the window.
    step_s : float64 (B, T), seconds
    source : int64 (B, T) or None
        The frames that the tracker saw at these steps, where its times are a grid laid over the frames.
    """

    windows: NDArray[np.int64]
    steps: NDArray[np.int64]
    step_s: NDArray[np.float64]
    source: NDArray[np.int64] | None


def match_frames(video: OpenVideo, wanted: Wanted) -> NDArray[np.int64]:
    """Return the frame of each step: int64 (B, T).

    A frame is that of a step when their times differ by less than half of the smallest interval between frames. Of a
    grid that was laid over the frames the tracker saw the nearest one, however far; it must be that one here too.

    Raises
    ------
    SchemaError
        A step without a frame; the first is named, with the nearest frame.
    """
    frame_s, step_s = video.plan.facts.frame_s, wanted.step_s
    nearest = nearest_frames(frame_s, step_s)
    off = np.abs(frame_s[nearest] - step_s)
    tolerance = _tolerance_s(video)
    if wanted.source is None:
        bad, found = off >= tolerance, nearest
    else:
        found = np.clip(wanted.source, 0, len(frame_s) - 1)
        bad = (found != wanted.source) | (np.abs(frame_s[found] - step_s) >= off + _TIE * tolerance)
    if bad.any():
        raise SchemaError(_no_frame(video, wanted, bad, nearest, tolerance))
    return found


def nearest_frames(frame_s: NDArray[np.float64], step_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the frame nearest to each time, the earlier one of two: rising `frame_s` (F,), times of any shape."""
    after = np.minimum(np.searchsorted(frame_s, step_s), len(frame_s) - 1)
    before = np.maximum(after - 1, 0)
    earlier = np.abs(step_s - frame_s[before]) <= np.abs(frame_s[after] - step_s)
    return np.where(earlier, before, after)


def _tolerance_s(video: OpenVideo) -> float:
    facts = video.plan.facts
    return 0.5 * float(np.diff(facts.frame_s).min() if facts.frames > 1 else facts.duration_s)


def _no_frame(
    video: OpenVideo, wanted: Wanted, bad: NDArray[np.bool_], nearest: NDArray[np.int64], tolerance: float
) -> Problem:
    row, step = (int(at[0]) for at in np.nonzero(bad))
    frame_s, at = video.plan.facts.frame_s, int(nearest[row, step])
    where = f"{video.video.path}: step {wanted.steps[step]} of window {wanted.windows[row]}"
    time = f"{wanted.step_s[row, step]:.6f} s"
    there = f"the nearest is frame {at} at {frame_s[at]:.6f} s ({int(bad.sum())} such steps)"
    fix = f"name the {video.video.name} that was tracked"
    if wanted.source is None:
        return Problem("no-frame-there", where, f"expected a frame within {tolerance:.6f} s of {time}, {there}", fix)
    said = f"expected frame {wanted.source[row, step]} of {len(frame_s)} to be the one that is shown at {time}"
    return Problem("no-frame-there", where, f"{said}, {there}", fix)
