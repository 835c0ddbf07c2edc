"""From one video to one tracks file: decoded once, in order, with memory that does not grow with its length."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError
from lapsdata.formats import tracks_writer
from lapsdata.geometry import FrameSize, PixelMap
from lapsdata.plugins import registry
from lapsdata.provenance import parent, provenance
from lapsdata.schema.base import Parent, Size, Tool
from lapsdata.schema.tracks import Area, Grid, TracksHeader, TracksView
from lapsdata.schema.video import SourceVideo
from lapsdata.video.reader import open_video
from lapsdata.video.sources import images_rate, source_digest
from lapsmodels.stages._framing import area_of, at_working_size, in_source, length_scale
from lapsmodels.stages._pixel_gate import still_windows, window_runs
from lapsmodels.stages.timeline import Timeline, timeline
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.stages.track_report import Tracked
from lapsmodels.trackers import (
    QualityMeter,
    WindowPlan,
    configured,
    query_points,
    textured,
    weights_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.video.facts import VideoFacts
    from lapsdata.video.frame import FrameSource
    from lapsdata.video.reader import VideoReader
    from lapsmodels.stages._pixel_gate import Run
    from lapsmodels.trackers import Pixels, QueryLayout, TrackedWindow, Tracker

__all__ = ["PRODUCER", "chosen_trackers", "track_frames", "track_parents", "track_video", "working_size"]

PRODUCER = "lapsmodels"
"""What headers call the maker of tracks; those of others are never replaced."""


def track_video(
    video: Path | str,
    target: Path,
    options: TrackOptions | None = None,
    *,
    name: str | None = None,
    query_file: Path | None = None,
    digest: str | None = None,
    overwrite: bool = False,
    tell: Callable[[int], None] = lambda frames: None,
) -> Tracked:
    """Track points through a video and write them, all or nothing.

    Parameters
    ----------
    video : Path or str
        Anything that `open_video` takes.
    target : Path
        The file; its folder must exist.
    options : TrackOptions, optional
    name : str, optional
        Name of the item in the header; by default the video's own.
    query_file : Path, optional
        The points where `options.query` is "file".
    digest : str, optional
        Digest of the video, if it was taken before.
    overwrite : bool
        Whether an existing file may be replaced.
    tell : callable
        Called with the number of frames that were tracked since the last call.

    Returns
    -------
    Tracked

    Raises
    ------
    CorruptDataError, UnknownFormatError, MissingExtraError, StorageError
        The video cannot be read, or the target not be written.
    LengthMismatchError
        The video is shorter than one window.
    SchemaError
        Options or queries that do not fit the video.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import lapsdata
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> render_scene(5, SceneConfig(actions=1)).write_video(folder / "clip.mp4")
    >>> _ = track_video(folder / "clip.mp4", folder / "clip.h5", TrackOptions(points=100))
    >>> lapsdata.read(folder / "clip.h5", lapsdata.Tracks).header.horizon
    16
    """
    options = options or TrackOptions()

    def opened(pixels: Pixels) -> VideoReader:
        return open_video(video, pixels=pixels, rate=images_rate(video, options.rate))

    return track_frames(
        opened,
        target,
        options,
        where=str(video),
        name=name,
        query_file=query_file,
        digest=digest or source_digest(video),
        overwrite=overwrite,
        tell=tell,
    )


def track_frames(
    opened: Callable[[Pixels], AbstractContextManager[FrameSource]],
    target: Path,
    options: TrackOptions,
    *,
    where: str,
    digest: str,
    name: str | None = None,
    query_file: Path | None = None,
    overwrite: bool = False,
    tell: Callable[[int], None] = lambda frames: None,
) -> Tracked:
    """Track points through frames of any source, as `track_video` does through those of a video.

    Parameters
    ----------
    opened : callable
        Opens the source, told what the frames are to be; called once more for a second tracker.
    where : str
        What the source is called in errors.
    digest : str
        Digest of what the frames are made from.
    target, options, name, query_file, overwrite, tell
        See `track_video`.

    Raises
    ------
    LapsError
        As `track_video`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> render_scene(5, SceneConfig(actions=1)).write_video(folder / "clip.mp4")
    >>> def opened(pixels):
    ...     return open_video(folder / "clip.mp4", pixels=pixels)
    >>> options, digest = TrackOptions(points=100), source_digest(folder / "clip.mp4")
    >>> track_frames(opened, folder / "clip.h5", options, where="clip", digest=digest).duplicated
    0
    """
    tracker, other = chosen_trackers(options)
    with opened(tracker.pixels) as reader:
        facts = reader.facts
        frames = timeline(facts, options.rate)
        starts, _ = frames.windows(options.horizon, options.stride, where)
        area = area_of(reader, options)
        to_working = PixelMap.resized(facts.size, working_size(facts.size, options.resize_shorter))
        still = still_windows(reader, frames.source_index, starts, options, where)
        runs = window_runs(starts, still, options.horizon)
        layout = query_points(
            options.query, facts.size, count=options.points, area=area, seed=options.seed, file=query_file
        )
        meter = QualityMeter(getattr(tracker, "calibration", None), length_scale(to_working))
        points = len(layout.points(0))
        with tracks_writer(
            target,
            views={options.view: points},
            windows=int((~still).sum()),
            horizon=options.horizon,
            confidence=options.confidence,
            format=options.format,
            overwrite=overwrite,
            profile=options.profile,
            round_px=options.round_px,
        ) as writer:
            tracked = 0
            for run in runs:
                plan = _plan(run, starts, layout, to_working, options)
                shown = frames.source_index[run.first : run.first + plan.frames]
                images = _judged(_images(reader, shown, to_working, tell), plan, meter)
                with contextlib.closing(_compared(opened, other, plan, shown, to_working)) as compared:
                    for window, second in zip(tracker.windows(images, plan), compared, strict=True):
                        found = in_source(window, to_working)
                        meter.add(found)
                        if second is not None:
                            meter.compare(found, in_source(second, to_working))
                        confidence = found.confidence[None] if options.confidence else None
                        writer.append(options.view, found.tracks[None], found.vis[None], confidence)
                tracked += plan.frames
            untracked = int(starts[-1]) + options.horizon - tracked
            if untracked:
                tell(untracked)
            quality = meter.quality(other)
            view = TracksView(
                size=_size(facts.size),
                active_area=Area(x=area.x, y=area.y, width=area.width, height=area.height),
                points=points,
                grid=Grid(kind=layout.kind, order=layout.order),
                quality=quality,
            )
            kept, gated = starts[~still], tuple(starts[still].tolist())
            uncovered = len(frames) - int(kept[-1]) - options.horizon
            header = _header(
                facts, name or facts.name, digest, frames, uncovered, tracker, options, view, query_file, gated
            )
            done = writer.finish(header, kept, frames.frame_s, frames.source_index if frames.resampled else None)
    counts = len(frames), frames.duplicated, frames.dropped, uncovered, len(gated), untracked
    expected = None if quality is None else quality.expected_error_px
    return Tracked(done.nbytes, len(kept), *counts, expected)


def _plan(
    run: Run, starts: NDArray[np.int64], layout: QueryLayout, to_working: PixelMap, options: TrackOptions
) -> WindowPlan:
    """Return the plan of a run; its windows have the points that they have without a gate."""
    return WindowPlan(
        size=to_working.working,
        starts=starts[run.windows] - run.first,
        horizon=options.horizon,
        queries=lambda number: to_working.to_working(layout.points(int(run.windows[number]))),
        continuous=options.continuous,
    )


def working_size(size: FrameSize, shorter: int | None) -> FrameSize:
    """Return the size that frames are tracked at: reduced to a shorter side, never enlarged.

    Examples
    --------
    >>> working_size(FrameSize(width=1920, height=1080), 480)
    FrameSize(width=853, height=480)
    >>> working_size(FrameSize(width=256, height=256), 480)
    FrameSize(width=256, height=256)
    """
    least = min(size.width, size.height)
    if shorter is None or least <= shorter:
        return size
    width, height = (max(1, (side * shorter * 2 + least) // (2 * least)) for side in (size.width, size.height))
    return FrameSize(width=width, height=height)


def chosen_trackers(options: TrackOptions) -> tuple[Tracker, Tracker | None]:
    """Return the tracker that is asked for, with its options, and the one that it is compared with, if any.

    Raises
    ------
    PluginError
        No such tracker.
    SchemaError
        Options that the tracker has not, or a tracker that is to be compared with itself.

    Examples
    --------
    >>> tracker, other = chosen_trackers(TrackOptions(compare_with="lucas_kanade"))
    >>> tracker.name, other.name
    ('dense_flow', 'lucas_kanade')
    """
    known = registry("trackers")
    tracker: Tracker = configured(known.load(options.tracker), options.tracker_options)
    if options.compare_with is None:
        return tracker, None
    if options.compare_with == options.tracker:
        message = f"expected another tracker than the one that tracks, got {options.compare_with!r} twice"
        raise SchemaError(Problem("same-tracker", "compare_with", message, "name another, or leave it out"))
    return tracker, known.load(options.compare_with)


def track_parents(name: str, digest: str, query_file: Path | None, weights: Path | None = None) -> tuple[Parent, ...]:
    """Return what the tracks of a video are made from, as their header tells it.

    Examples
    --------
    >>> [parent.role for parent in track_parents("clip", "sha256:" + 64 * "0", None)]
    ['video']
    """
    parents = [Parent(role="video", name=name, digest=digest)]
    if query_file is not None:
        parents.append(parent("queries", query_file))
    if weights is not None:
        parents.append(parent("weights", weights))
    return tuple(parents)


def _images(
    reader: FrameSource, indices: NDArray[np.int64], to_working: PixelMap, tell: Callable[[int], None]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames at their working size."""
    for frame in reader.frames(indices):
        image = at_working_size(frame.image, to_working)
        # Before it is handed over: nobody comes back after the last one.
        tell(1)
        yield image


def _compared(
    opened: Callable[[Pixels], AbstractContextManager[FrameSource]],
    other: Tracker | None,
    plan: WindowPlan,
    indices: NDArray[np.int64],
    to_working: PixelMap,
) -> Generator[TrackedWindow | None, None, None]:
    """Yield the windows as the other tracker follows them, which decodes the video once more; None without one."""
    if other is None:
        yield from itertools.repeat(None, len(plan))
        return
    with opened(other.pixels) as reader:
        yield from other.windows(_images(reader, indices, to_working, lambda frames: None), plan)


def _judged(images: Iterator[NDArray[np.uint8]], plan: WindowPlan, meter: QualityMeter) -> Iterator[NDArray[np.uint8]]:
    """Pass frames on, after looking for texture around the queries of each window that begins."""
    number = 0
    for index, image in enumerate(images):
        if number < len(plan) and plan.starts[number] == index and not (plan.continuous and number):
            meter.look(textured(image, plan.queries(number)))
            number += 1
        yield image


def _size(size: FrameSize) -> Size:
    return Size(width=size.width, height=size.height)


def _header(
    facts: VideoFacts,
    name: str,
    digest: str,
    frames: Timeline,
    uncovered: int,
    tracker: Tracker,
    options: TrackOptions,
    view: TracksView,
    query_file: Path | None,
    gated: tuple[int, ...],
) -> TracksHeader:
    parents = track_parents(name, digest, query_file, weights_of(tracker))
    return TracksHeader(
        video=SourceVideo(
            name=name,
            digest=digest,
            size=_size(facts.size),
            rate=facts.rate,
            frames=facts.frames,
            rotation=facts.rotation,
            start_s=facts.start_s,
            duration_s=facts.duration_s,
        ),
        horizon=options.horizon,
        stride=options.stride,
        rate=frames.rate,
        resampled=frames.resampled,
        duplicated_frames=frames.duplicated,
        dropped_frames=frames.dropped,
        uncovered_frames=uncovered,
        gated_starts=gated,
        policies={} if options.gate_mad is None else {"pixel_gate": len(gated)},
        tracker=Tool(name=tracker.name, version=tracker.version, parameters=dict(tracker.parameters)),
        views={options.view: view},
        continuous=options.continuous,
        confidence=options.confidence,
        provenance=provenance(PRODUCER, parameters=options.as_json(), parents=parents),
    )
