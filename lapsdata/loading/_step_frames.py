"""Frames of a batch of robot steps: found once for each episode, decoded grouped by video."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError, warn
from lapsdata.loading._frame_pool import FramePool, jobs_of
from lapsdata.loading._frame_videos import FrameVideo
from lapsdata.loading._row_frames import frames_of_rows
from lapsdata.storage.per_process import PerProcess
from lapsdata.video._torchcodec import TorchcodecSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.loading._frame_videos import OpenVideo
    from lapsdata.loading._step_meta import StepMeta
    from lapsdata.loading._step_options import StepOptions
    from lapsdata.loading._step_rows import AskedRows, StepRows

__all__ = ["StepFrames"]


# What opening says where a video may well be there, and no episode can be found in it.
_UNPLACED = frozenset({"shared-start", "no-video-place"})


class StepFrames:
    """The frames of rows, from any thread, and in any process that it is sent to.

    Parameters
    ----------
    meta : StepMeta
    rows : StepRows
    options : StepOptions

    Attributes
    ----------
    time_offset_s : dict of float, seconds
        By camera, by how much rows are later than the frames that they count with, where that is not 0.
    """

    def __init__(self, meta: StepMeta, rows: StepRows, options: StepOptions) -> None:
        self._meta, self._rows, self._options = meta, rows, options
        files = meta.episodes.video_files
        videos = [
            FrameVideo(name, meta.root / name, None, None, None, options.pixels, options.decoder) for name in files
        ]
        pool = functools.partial(FramePool, videos, options.open_videos, options.cache_bytes, keep="pictures")
        self._pools = PerProcess(pool)
        self._found: dict[tuple[str, int], NDArray[np.int64]] = {}
        self.time_offset_s: dict[str, float] = {}
        self._other_colours: set[str] = set()

    @property
    def pool(self) -> FramePool:
        """What this process has open."""
        return self._pools.get()

    def put(
        self,
        batch: Mapping[str, NDArray[Any]],
        cameras: Mapping[str, str],
        offsets: Mapping[str, NDArray[np.int64]],
        asked: AskedRows,
        threads: int,
    ) -> None:
        """Fill in the frames of cameras.

        Parameters
        ----------
        batch : mapping of array
            By name: uint8 or float32 (B, [D,] 3, H, W).
        cameras : mapping of str
            By name, the camera.
        offsets : mapping of int64 (D,)
            Rows around each that are asked for, by name; those that are not named have one frame.
        asked : AskedRows
        threads : int
        """
        work, scaled = [], []
        for name, target in batch.items():
            rows = asked.around(offsets.get(name, np.zeros(1, np.int64)))[1]
            shape = (rows.size, *target.shape[-3:])
            pixels = target.reshape(shape) if target.dtype == np.uint8 else np.empty(shape, np.uint8)
            if target.dtype != np.uint8:
                scaled.append((target, pixels))
            # Decoders and files give rows of pixels, LeRobot's frames lie by channels.
            frames = pixels.transpose(0, 2, 3, 1)
            camera = cameras[name]
            if camera in self._meta.episodes.video_index:
                work += [(frames, job) for job in jobs_of(*self._places(camera, asked, rows))]
                continue
            places = np.repeat(asked.place, rows.shape[1]).tolist()
            for at, (place, row) in enumerate(zip(places, rows.reshape(-1).tolist(), strict=True)):
                frames[at] = self._rows.frame(place, camera, row, frames.shape[1:])
        if work:
            self.pool.fill_all(work, threads)
        for target, pixels in scaled:
            np.multiply(pixels.reshape(target.shape), np.float32(1 / 255), out=target)

    def of_episode(self, camera: str, place: int) -> NDArray[np.int64]:
        """Return the frame of each row of an episode, numbers in its video: int64 (R,).

        Raises
        ------
        SchemaError
            It has no video, or not a frame for each row; see `frames_of_rows`.
        """
        found = self._found.get((camera, place))
        if found is None:
            found = self._found[camera, place] = self._find(camera, place)
        return found

    def _places(
        self, camera: str, asked: AskedRows, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return video and frame of each place of a batch: int64 (B * D,) each."""
        frame = np.empty(rows.shape, np.int64)
        for place, at in asked.by_episode:
            frame[at] = self.of_episode(camera, place)[rows[at]]
        return np.repeat(self._meta.episodes.video_index[camera][asked.place], rows.shape[1]), frame.reshape(-1)

    def _find(self, camera: str, place: int) -> NDArray[np.int64]:
        every = self._meta.episodes
        number, index = int(every.number[place]), int(every.video_index[camera][place])
        where = f"{camera}: episode {number}"
        if index < 0:
            raise SchemaError(self._no_video(camera, where))
        start_s = float(every.video_start_s[camera][place])
        begins = every.video_start_s[camera][every.video_index[camera] == index]
        later = begins[begins > start_s]
        span_s = (start_s, float(later.min()) if len(later) else None)
        video = self.pool.video(index)
        self._expect_size(camera, video, where)
        self._tell_colours(camera, video, where)
        found = frames_of_rows(video, self._rows.times(place), span_s, self._options.tolerance_s, where)
        if found.offset_s and camera not in self.time_offset_s:
            self.time_offset_s[camera] = found.offset_s
            side = "later" if found.offset_s > 0 else "earlier"
            told = f"rows are {abs(found.offset_s):g} s {side} than the frames that they count with: row i has frame i"
            warn(f"{self._meta.root}: {where}: {told} [time-offset]")
        return found.frame

    def _no_video(self, camera: str, where: str) -> Problem:
        """Say that an episode has no video, and what opening has found of that camera: the file may well be there."""
        notes = [one for one in self._meta.notes if one.code in _UNPLACED and one.where.endswith(camera)]
        if not notes:
            fix = "leave the episode out (`episodes=`), or the camera (`fields=`)"
            return Problem("no-video", f"{self._meta.root}: {where}", "expected a video, got none", fix)
        message = f"expected a video whose place is known, got none: {'; '.join(one.message for one in notes)}"
        fixes = "; ".join(dict.fromkeys(one.fix for one in notes if one.fix))
        fix = f"{fixes}; or leave the episode out (`episodes=`), or the camera (`fields=`)"
        return Problem("no-video", f"{self._meta.root}: {where}", message, fix)

    def _expect_size(self, camera: str, video: OpenVideo, where: str) -> None:
        told = next(one.size for one in self._meta.episodes.header.cameras if one.name == camera)
        got = video.plan.facts.size
        if told is not None and got != told.frame:
            message = f"expected frames of {told.frame} pixel as the data set says, got {got}"
            fix = "correct the shape of the camera in what the data set says of itself"
            raise SchemaError(Problem("wrong-size", f"{video.video.path}: {where}", message, fix))

    def _tell_colours(self, camera: str, video: OpenVideo, where: str) -> None:
        plan = video.plan
        if isinstance(plan, TorchcodecSource) and plan.levels and camera not in self._other_colours:
            self._other_colours.add(camera)
            told = f"the first frame is up to {plan.levels} of 255 levels off PyAV's, others may be further off"
            warn(f"{video.video.path}: {where}: {told}; train and evaluate with one decoder [other-colours]")

    def close(self) -> None:
        """Close videos; they are opened again when a frame is asked for."""
        pool = self._pools.take()
        if pool is not None:
            pool.decoders.close()
