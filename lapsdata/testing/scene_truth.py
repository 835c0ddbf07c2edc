"""The truth of rendered scenes as containers, ready to be written, compared or scored against."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers import Boxes, Segments, Tracks
from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import FrameSize, uniform_grid
from lapsdata.provenance import provenance
from lapsdata.schema import (
    Area,
    BoxesHeader,
    BoxSequence,
    FrameRange,
    Grid,
    SegmentedVideo,
    SegmentsHeader,
    Size,
    SourceVideo,
    Tool,
    TracksHeader,
    TracksView,
)
from lapsdata.timebase import tail_frames, window_starts

if TYPE_CHECKING:
    from lapsdata.testing.scenes import Scene

__all__ = ["scene_name", "true_boxes", "true_segments", "true_tracks"]

_TOOL = Tool(name="rendered_scene", version="1")


def scene_name(scene: Scene) -> str:
    """Return the name under which a scene's video and truth go: `scene_<seed>`.

    Examples
    --------
    >>> from lapsdata.testing.scenes import render_scene
    >>> scene_name(render_scene(5))
    'scene_5'
    """
    return f"scene_{scene.seed}"


def true_tracks(scene: Scene, *, points: int = 100, horizon: int = 16, stride: int = 4) -> Tracks:
    """Return exact tracks of a scene: a uniform grid over the active area, laid anew for each window.

    Parameters
    ----------
    scene : Scene
    points : int
        Number of points N.
    horizon : int
        Frames per window T.
    stride : int
        Frames from the start of a window to the start of the next.

    Returns
    -------
    Tracks
        One view, `default`; every position is finite, also of hidden points, since the truth is known.

    Raises
    ------
    SchemaError
        The scene is shorter than one window, or `points` has no near-square grid.

    Examples
    --------
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> tracks = true_tracks(render_scene(5, SceneConfig(actions=1)), points=12, stride=8)
    >>> tracks.tracks["default"].shape[1:]
    (16, 12, 2)
    """
    points, horizon, stride = map(operator.index, (points, horizon, stride))
    starts = window_starts(len(scene), horizon, stride)
    if not len(starts):
        message = f"expected at least {horizon} frames, got {len(scene)}"
        raise SchemaError(Problem("no-windows", scene_name(scene), message, "take a shorter horizon or a longer scene"))
    width, height = scene.config.size
    area = scene.active_area
    grid = uniform_grid(FrameSize(width=width, height=height), count=points, area=area)
    windows = [scene.tracks(grid.points, int(start), range(start, start + horizon)) for start in starts]
    view = TracksView(
        size=Size(width=width, height=height),
        active_area=Area(x=area.x, y=area.y, width=area.width, height=area.height),
        points=points,
        grid=Grid(kind=grid.kind, order=grid.order),
    )
    header = TracksHeader(
        provenance=provenance(parameters={"seed": scene.seed, "points": points}),
        video=SourceVideo(
            name=scene_name(scene),
            size=view.size,
            rate=None if scene.config.vfr else scene.config.rate,
            frames=len(scene),
            duration_s=scene.segments[-1].end_s,
        ),
        horizon=horizon,
        stride=stride,
        rate=None if scene.config.vfr else scene.config.rate,
        uncovered_frames=tail_frames(len(scene), horizon, stride),
        tracker=_TOOL,
        views={"default": view},
    )
    tracks = np.stack([window.tracks for window in windows])
    vis = np.stack([window.vis for window in windows])
    return Tracks(header, {"default": tracks}, {"default": vis}, starts, scene.frame_s)


def true_boxes(scene: Scene) -> Boxes:
    """Return the exact boxes of a scene's bodies, around all of each, seen or not; the table has none.

    Parameters
    ----------
    scene : Scene

    Returns
    -------
    Boxes
        One sequence; a body has an identity, and what it is as its label. Those that are all beyond the picture are not
        listed.

    Examples
    --------
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> boxes = true_boxes(render_scene(5, SceneConfig(actions=1)))
    >>> boxes.label[:3], boxes.id[:3].tolist()
    (('mat', 'block', 'block'), [1, 2, 3])
    """
    width, height = scene.config.size
    xywh = np.swapaxes(scene.boxes(), 0, 1)
    last = xywh[..., :2] + xywh[..., 2:]
    frame, body = np.nonzero(((xywh[..., :2] < [width - 0.5, height - 0.5]) & (last > -0.5)).all(axis=-1))
    rows = xywh[frame, body]
    labels = [name.rstrip("0123456789") for name in scene.bodies[1:]]
    sequence = BoxSequence(
        name=scene_name(scene),
        length=len(scene),
        rate=None if scene.config.vfr else scene.config.rate,
        size=Size(width=width, height=height),
        annotated=(FrameRange(start=0, stop=len(scene)),),
        images=f"{scene_name(scene)}.mp4",
    )
    header = BoxesHeader(provenance=provenance(parameters={"seed": scene.seed}), sequences=(sequence,))
    x, y, w, h = np.ascontiguousarray(rows.T)
    return Boxes(
        header, np.zeros(len(rows), np.int64), frame, body + 1, x, y, w, h,
        tuple(labels[one] for one in body.tolist()), ("truth",) * len(rows), np.zeros(len(rows), bool),
    )  # fmt: skip


def true_segments(*scenes: Scene) -> Segments:
    """Return the exact actions and pauses of scenes, one video each.

    Parameters
    ----------
    *scenes : Scene
        In the order in which the header will list them; each of another seed, since the seed is the name.

    Raises
    ------
    SchemaError
        Two scenes of one seed.

    Examples
    --------
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> true_segments(render_scene(5, SceneConfig(actions=1))).label
    ('pause', 'reach', 'pause')
    """
    rows = [(i, segment) for i, scene in enumerate(scenes) for segment in scene.segments]
    videos = tuple(SegmentedVideo(name=scene_name(scene), end_s=scene.segments[-1].end_s) for scene in scenes)
    return Segments(
        SegmentsHeader(
            provenance=provenance(parameters={"seeds": [scene.seed for scene in scenes]}),
            videos=videos,
            labels=("pause", "reach", "grasp", "move", "release", "retreat"),
        ),
        np.array([i for i, _ in rows], np.int64),
        np.array([segment.start_s for _, segment in rows], np.float64),
        np.array([segment.end_s for _, segment in rows], np.float64),
        tuple("annotation" for _ in rows),
        tuple(segment.label for _, segment in rows),
    )
