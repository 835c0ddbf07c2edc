"""Rendered scenes with exact truth: an arm that reaches, grasps, moves and releases blocks on a table.

Conventions: positions are xy in pixel, the centre of the top-left pixel is (0, 0); times are seconds from the
start of the scene; spans are half-open. Motion is a formula of time, and pictures are drawn by the same poses
that carry the tracks, so tracks, visibility and boundaries are exact at any frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError, whole_number
from lapsdata.testing.scene_bodies import body_shapes
from lapsdata.testing.scene_config import SceneConfig
from lapsdata.testing.scene_motion import SceneMotion, rotate
from lapsdata.testing.scene_plan import SceneSegment, random_stream
from lapsdata.testing.scene_render import Painter
from lapsdata.testing.scene_seeds import MEASURE_SEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from lapsdata.geometry import PixelArea
    from lapsdata.video.writer import VideoCodec

    FloatArray = npt.NDArray[np.float64]

__all__ = ["MEASURE_SEEDS", "Scene", "SceneConfig", "SceneSegment", "SceneTracks", "render_scene"]

# The clock of MPEG systems; every interval of a VFR scene is a whole number of its ticks.
VFR_CLOCK_HZ = 90_000


class SceneTracks(NamedTuple):
    """True paths of query points.

    Parameters
    ----------
    tracks : numpy.ndarray, shape (F, N, 2), float32, xy, pixel
        Where the point of the body is; also while it is hidden or outside the frame, never clipped, never
        NaN.
    vis : numpy.ndarray, shape (F, N), bool
        Whether its body is the front-most there, inside the active area.
    """

    tracks: npt.NDArray[np.float32]
    vis: npt.NDArray[np.bool_]


def _frame_times(seed: int, config: SceneConfig, end_s: float) -> FloatArray:
    """Return the times of the frames that lie in [0, end_s)."""
    rate = config.rate
    # One frame more than the mean rate needs; VFR scenes draw until the end is passed.
    count = int(np.ceil(end_s * rate.hz)) + 1
    if not config.vfr:
        times = np.arange(count, dtype=np.float64) * rate.denominator / rate.numerator
    else:
        share = random_stream(seed, "vfr").uniform(0.5, 1.5, 2 * count)
        ticks = np.maximum(np.rint(share * rate.period_s * VFR_CLOCK_HZ), 1.0)
        times = np.concatenate([[0.0], np.cumsum(ticks)]) / VFR_CLOCK_HZ
    return times[times < end_s]


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene whose every point, boundary and label is known; frames are drawn when asked for.

    Build it with `render_scene`.

    Parameters
    ----------
    seed : int
        What the scene was drawn from.
    config : SceneConfig
        Its options.
    frame_s : numpy.ndarray, shape (F,), float64, seconds
        Time of each frame, from 0.
    segments : tuple of SceneSegment
        Actions and pauses, contiguous from 0 s; the last ends less than one period after the last frame.
    bodies : tuple of str
        Names of the bodies, back to front; `body_at` returns their places in this list.
    """

    seed: int
    config: SceneConfig
    frame_s: FloatArray
    segments: tuple[SceneSegment, ...]
    bodies: tuple[str, ...]
    _motion: SceneMotion = field(repr=False)

    def __len__(self) -> int:
        return len(self.frame_s)

    @property
    def active_area(self) -> PixelArea:
        """The part of the frame (PixelArea) between the letterbox bars."""
        return self.config.active_area

    @cached_property
    def _painter(self) -> Painter:
        return Painter(self.seed, self.config, self._motion)

    @cached_property
    def _placed(self) -> tuple[FloatArray, FloatArray]:
        return self._motion.poses(self.frame_s)

    def frame(self, index: int) -> npt.NDArray[np.uint8]:
        """Return one frame.

        Parameters
        ----------
        index : int
            0 to `len(scene) - 1`.

        Returns
        -------
        numpy.ndarray, shape (H, W, 3), uint8, RGB

        Raises
        ------
        IndexError
            There is no such frame.

        Examples
        --------
        >>> render_scene(5, SceneConfig(actions=1)).frame(0).shape
        (240, 320, 3)
        """
        if not 0 <= index < len(self):
            raise IndexError(f"Scene: frame: expected 0 to {len(self) - 1}, got {index}")
        poses, depth = self._placed
        return self._painter.draw(index, poses[:, index], depth[:, index])

    def frames(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield every frame in order, each of shape (H, W, 3), uint8, RGB."""
        for index in range(len(self)):
            yield self.frame(index)

    def _check_queries(self, points: npt.ArrayLike, at_frame: int) -> FloatArray:
        xy = np.asarray(points, dtype=np.float64)
        if xy.ndim != 2 or xy.shape[1] != 2:
            message = f"expected (N, 2) float xy pixel, got {xy.shape}"
            raise SchemaError(Problem("wrong-shape", "Scene: points", message))
        if not 0 <= at_frame < len(self):
            raise IndexError(f"Scene: at_frame: expected 0 to {len(self) - 1}, got {at_frame}")
        width, height = self.config.size
        inside = (xy >= -0.5).all(axis=1) & (xy < (width - 0.5, height - 0.5)).all(axis=1)
        if not inside.all():
            first = int(np.flatnonzero(~inside)[0])
            message = (
                f"expected points of the {width} x {height} frame, got {int((~inside).sum())} outside, "
                f"the first at row {first}: ({xy[first, 0]:g}, {xy[first, 1]:g})"
            )
            raise SchemaError(Problem("outside-frame", "Scene: points", message, "leave them out"))
        return xy

    def _front(self, xy: FloatArray, frames: npt.NDArray[np.intp]) -> npt.NDArray[np.int16]:
        """Return the front-most body at points of shape (F, N, 2), shape (F, N); -1 outside the active area."""
        poses, depth = self._placed
        area = self.active_area
        x, y = xy[..., 0], xy[..., 1]
        inside = (x >= area.x - 0.5) & (x < area.right - 0.5) & (y >= area.y - 0.5) & (y < area.bottom - 0.5)
        front = np.where(inside, np.int16(0), np.int16(-1))
        nearest = np.zeros(front.shape)
        for body, shape in enumerate(body_shapes(self._motion.layout, self.config.blocks), start=1):
            pose = poses[body][frames][:, None, :]
            covers = shape.distance(rotate(-pose[..., 2], xy - pose[..., :2])) <= 0.0
            ahead = depth[body][frames][:, None]
            wins = inside & covers & (ahead > nearest)
            front[wins] = body
            nearest = np.where(wins, ahead, nearest)
        return front

    def body_at(self, points: npt.ArrayLike, at_frame: int) -> npt.NDArray[np.int16]:
        """Return which body is seen at each point.

        Parameters
        ----------
        points : array_like, shape (N, 2), float, xy, pixel
            Inside the frame.
        at_frame : int
            Frame of the question.

        Returns
        -------
        numpy.ndarray, shape (N,), int16
            Place in `bodies`; -1 on the letterbox bars.

        Raises
        ------
        SchemaError
            Wrong shape, or points outside the frame.
        IndexError
            There is no such frame.

        Examples
        --------
        >>> scene = render_scene(5, SceneConfig(letterbox=(0, 30, 0, 30)))
        >>> scene.body_at([[160.0, 10.0], [310.0, 200.0]], 0).tolist()
        [-1, 0]
        """
        xy = self._check_queries(points, at_frame)
        return np.asarray(self._front(xy[None], np.array([at_frame]))[0])

    def tracks(self, points: npt.ArrayLike, at_frame: int, frames: npt.ArrayLike | None = None) -> SceneTracks:
        """Return the true paths of the points seen at some pixels of one frame.

        Each point belongs to the body that is seen at its pixel, and moves rigidly with it. A pixel of the
        letterbox bars belongs to nothing: it stays and is never visible.

        Parameters
        ----------
        points : array_like, shape (N, 2), float, xy, pixel
            Queries inside the frame.
        at_frame : int
            The frame in which they are seen.
        frames : array_like, shape (F,), int, optional
            Indices of the frames to answer for, in any order; all by default.

        Returns
        -------
        SceneTracks

        Raises
        ------
        SchemaError
            Wrong shape, or points outside the frame.
        IndexError
            There is no such frame.

        Examples
        --------
        >>> scene = render_scene(5)
        >>> tracks, vis = scene.tracks([[310.0, 200.0]], at_frame=0, frames=[0, 1])
        >>> tracks.tolist(), vis.tolist()
        ([[[310.0, 200.0]], [[310.0, 200.0]]], [[True], [True]])
        """
        xy = self._check_queries(points, at_frame)
        wanted = np.arange(len(self)) if frames is None else np.asarray(frames, dtype=np.intp)
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(self)):
            raise IndexError(f"Scene: frames: expected 0 to {len(self) - 1}, got {wanted.min()} to {wanted.max()}")
        body = self._front(xy[None], np.array([at_frame]))[0]
        poses = self._placed[0]
        start = poses[body, at_frame]
        local = rotate(-start[:, 2], xy - start[:, :2])
        now = poses[body, wanted[:, None]]
        path = rotate(now[..., 2], np.broadcast_to(local, (*now.shape[:2], 2))) + now[..., :2]
        path = np.where((body >= 0)[:, None], path, xy)
        vis = (self._front(path, wanted) == body) & (body >= 0)
        return SceneTracks(path.astype(np.float32), vis)

    def boxes(self) -> FloatArray:
        """Return the smallest upright box around each body but the table, whether it is seen or not.

        Returns
        -------
        numpy.ndarray, shape (K, F, 4), float64, pixel
            Top-left corner and size of the bodies from `bodies[1]` on.

        Examples
        --------
        >>> scene = render_scene(5, SceneConfig(actions=1))
        >>> scene.bodies[1], scene.boxes()[0, 0].round(1).tolist()
        ('mat', [126.2, 151.1, 88.0, 54.0])
        """
        poses, _ = self._placed
        shapes = body_shapes(self._motion.layout, self.config.blocks)
        corner = np.array([(one.half_width - one.radius, one.half_height - one.radius) for one in shapes])
        radius = np.array([one.radius for one in shapes])[:, None]
        # The middles of the round corners, turned; the corners reach as far beyond in any direction.
        cos, sin = np.abs(np.cos(poses[1:, :, 2])), np.abs(np.sin(poses[1:, :, 2]))
        wide, high = corner[:, :1], corner[:, 1:]
        half = np.stack([cos * wide + sin * high + radius, sin * wide + cos * high + radius], axis=-1)
        return np.concatenate([poses[1:, :, :2] - half, 2.0 * half], axis=-1)

    def truth(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the segments as arrays of shape (S,): `start_s`, `end_s` (float64, seconds), `label`."""
        return {
            "start_s": np.array([segment.start_s for segment in self.segments]),
            "end_s": np.array([segment.end_s for segment in self.segments]),
            "label": np.array([segment.label for segment in self.segments]),
        }

    def write_video(
        self, path: Path | str, *, codec: VideoCodec = "h264", crf: int | None = None, overwrite: bool = False
    ) -> None:
        """Draw and write the whole scene; parameters and errors as `lapsdata.video.writer.write_video`."""
        from lapsdata.video.writer import write_video

        write_video(path, self.frames(), self.frame_s, codec=codec, crf=crf, overwrite=overwrite)


def render_scene(seed: int, config: SceneConfig | None = None) -> Scene:
    """Return the scene of a seed; equal seed and options give equal bytes.

    Parameters
    ----------
    seed : int
        0 or more. `MEASURE_SEEDS` are for published numbers; tune on others.
    config : SceneConfig, optional
        Options; the defaults are a still, clean 320 x 240 camera at 20 frames per second.

    Returns
    -------
    Scene

    Raises
    ------
    SchemaError
        The seed is negative, or no integer.

    Examples
    --------
    >>> scene = render_scene(5, SceneConfig(actions=3))
    >>> [segment.label for segment in scene.segments]
    ['pause', 'reach', 'pause', 'grasp', 'pause', 'move', 'pause']
    """
    whole = whole_number(seed)
    if whole is None or whole < 0:
        message = f"expected an integer of at least 0, got {seed!r}"
        raise SchemaError(Problem("out-of-range", "render_scene: seed", message))
    config = config or SceneConfig()
    motion = SceneMotion(whole, config)
    segments = motion.plan.segments
    frame_s = _frame_times(whole, config, segments[-1].end_s)
    frame_s.flags.writeable = False
    return Scene(whole, config, frame_s, segments, motion.names, motion)
