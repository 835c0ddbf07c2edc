"""What is to be made of each video, and whether it may be: all that can be told before anything is tracked."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.execution.manifest import WorkItem, work_key
from lapsdata.formats import read_header
from lapsdata.geometry import FrameSize, PixelArea
from lapsdata.schema.base import Parent
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.atomic import existing
from lapsdata.video.probe import probe
from lapsdata.video.sources import images_rate, source_digest
from lapsmodels.stages._other_code import judged
from lapsmodels.stages._repeated import repeated_of
from lapsmodels.stages.timeline import timeline
from lapsmodels.stages.track import PRODUCER, chosen_trackers, track_parents
from lapsmodels.trackers import query_points, weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.execution.manifest import Found
    from lapsdata.video.sources import VideoItem
    from lapsmodels.stages._repeated import Repeated
    from lapsmodels.stages.track_options import TrackOptions

__all__ = ["Prepared", "TrackWork", "expect_own_name", "expect_points", "prepared"]

# Holds every point that some frame may hold.
_ANY_SIZE = FrameSize(width=1_000_000, height=1_000_000)


@dataclass(frozen=True, slots=True)
class TrackWork:
    """What a worker needs to track one video.

    Parameters
    ----------
    video : Path or str
    name : str
    digest : str
        Digest of the video's bytes.
    size : FrameSize
        Size of its frames.
    options : TrackOptions
    query_file : Path or None
    """

    video: Path | str
    name: str
    digest: str
    size: FrameSize
    options: TrackOptions
    query_file: Path | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A video that can be tracked: what is to be made of it, and what is there already."""

    item: WorkItem[TrackWork]
    found: Found
    repeated: Repeated | None
    step_s: float
    """Seconds from one frame of its windows to the next; the median, where that varies."""


def expect_points(file: Path) -> None:
    """Refuse a file that holds no points, once and before the first video."""
    if existing(file).is_dir():
        message = "expected a file of points, got a folder"
        raise StorageError(Problem("wrong-kind", str(file), message, "name a file"))
    # A point that is outside of a frame is a matter of that video.
    with contextlib.suppress(SchemaError):
        _expect_points_inside(file, _ANY_SIZE)


def _expect_points_inside(file: Path, size: FrameSize) -> None:
    query_points("file", size, count=1, area=PixelArea.whole(size), file=file)


def expect_own_name(video: VideoItem, places: Sequence[Path | str]) -> None:
    """Refuse a video whose name others have too: which of them the file would be of is not ours to choose."""
    others = [place for place in places if place != video.path]
    if others:
        beside = all(Path(place).parent == Path(video.path).parent for place in others)
        message = f"expected a name of its own, got that of {', '.join(map(str, others))}: none of them is tracked"
        elsewhere = "search their common folder with --recursive, or give each an --out of its own"
        fix = "rename one" if beside else f"rename one, {elsewhere}"
        raise SchemaError(Problem("doubled-name", str(video.path), message, fix))


def prepared(video: VideoItem, output: Path, options: TrackOptions, query_file: Path | None) -> Prepared:
    """Return what is to be made of a video; whatever is wrong with it is told before anything is tracked."""
    rate = images_rate(video.path, options.rate)
    if rate is not None and output.resolve().is_relative_to(Path(video.path).resolve()):
        message = f"expected tracks outside of the images that they are made from, got {output}"
        raise SchemaError(Problem("output-in-input", str(video.path), message, "name another folder for the tracks"))
    facts = probe(video.path, rate=rate)
    frames = timeline(facts, options.rate)
    starts, _ = frames.windows(options.horizon, options.stride, str(video.path))
    if query_file is not None:
        _expect_points_inside(query_file, facts.size)
    digest = source_digest(video.path)
    _expect_plain_name(video, digest)
    tracker, _ = chosen_trackers(options)
    parents = track_parents(video.name, digest, query_file, weights_of(tracker))
    item = WorkItem(
        name=video.name,
        output=output,
        key=work_key(tracker.name, tracker.version, options.as_json(), parents),
        payload=TrackWork(video.path, video.name, digest, facts.size, options, query_file),
        units=int(starts[-1]) + options.horizon,
    )
    return Prepared(
        item, judged(item, _key_of), repeated_of(facts, frames, options.rate), float(np.median(np.diff(frames.frame_s)))
    )


def _expect_plain_name(video: VideoItem, digest: str) -> None:
    """Refuse a name that no header can hold, with what to do about it."""
    try:
        Parent(role="video", name=video.name, digest=digest)
    except SchemaError as error:
        told = replace(error.problems[0], where=str(video.path), fix="rename the video")
        raise SchemaError(told) from error


def _key_of(path: Path) -> str | None:
    header = read_header(path)
    made = header.provenance
    if not isinstance(header, TracksHeader) or made.producer != PRODUCER:
        return None
    return work_key(header.tracker.name, header.tracker.version, made.parameters, made.parents)
