"""What a stream is made of: a file, a folder of images, a camera or a network stream, opened."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import PixelArea
from lapsdata.schema.base import Parent
from lapsdata.stages._segment_export import VideoPictures
from lapsdata.timebase import GridStream
from lapsdata.video.live_source import LiveSource, is_live
from lapsdata.video.reader import open_video
from lapsdata.video.sources import find_videos, images_rate, source_digest
from lapsmodels.stages._framing import area_of
from lapsmodels.stages._repeated import repeated_of, tell_repeated
from lapsmodels.stages._stream_frames import file_frames, live_frames
from lapsmodels.stages._stream_pictures import Spool
from lapsmodels.stages._stream_problems import in_words_of_a_stream
from lapsmodels.stages.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.geometry import FrameSize
    from lapsdata.video.frame import Pixels
    from lapsmodels.stages._stream_frames import Taken
    from lapsmodels.stages.stream_options import StreamOptions
    from lapsmodels.trackers import Tracker

__all__ = ["Opened", "opened"]


@dataclass
class Opened:
    """A source that gives frames."""

    name: str
    where: str
    size: FrameSize
    area: PixelArea
    frames: Iterator[Taken | None]
    grid: GridStream | None
    """None where windows see the frames themselves"""
    total: int | None
    """Frames that will come, where that is known"""
    parents: tuple[Parent, ...]
    pictures: VideoPictures | Spool | None
    live: LiveSource | None = None
    lossy: bool = False
    """Whether frames may be dropped"""


@contextlib.contextmanager
def opened(source: str, options: StreamOptions, tracker: Tracker, out: Path, *, pictures: bool) -> Iterator[Opened]:
    """Open a source; with `pictures` its RGB frames can be looked at once more.

    Raises
    ------
    LapsError
        It cannot be opened, or is shorter than one window.
    """
    with contextlib.ExitStack() as stack:
        with in_words_of_a_stream():
            found = (_live if is_live(source) else _file)(source, options, tracker, out, pictures, stack)
        yield found


def _file(
    source: str, options: StreamOptions, tracker: Tracker, out: Path, pictures: bool, stack: contextlib.ExitStack
) -> Opened:
    found = find_videos(source)
    if len(found) != 1:
        message = f"expected one video, got {len(found)}"
        raise SchemaError(Problem("several-videos", source, message, "name one; `lapsdata run` takes several"))
    item = found[0]
    track, rate = options.track, images_rate(item.path, options.images_rate)
    if rate is not None and out.resolve().is_relative_to(Path(item.path).resolve()):
        message = f"expected outputs outside of the images that they are made from, got {out}"
        raise SchemaError(Problem("output-in-input", str(item.path), message, "name another folder"))
    reader = stack.enter_context(open_video(item.path, pixels=tracker.pixels, rate=rate))
    # What is wrong with a file is told before anything is done; the windows themselves come as frames do.
    frames = timeline(reader.facts, track.rate)
    frames.windows(track.horizon, track.stride, str(item.path))
    tell_repeated({item.name: repeated_of(reader.facts, frames, track.rate)}, track.rate)
    grid = None
    if frames.resampled and track.rate is not None:
        grid = GridStream(track.rate, end_s=reader.facts.end_s)
    digest = source_digest(item.path)
    return Opened(
        name=item.name,
        where=str(item.path),
        size=reader.facts.size,
        area=area_of(reader, track),
        frames=file_frames(reader),
        grid=grid,
        total=reader.facts.frames,
        parents=(Parent(role="video", name=item.name, digest=digest),),
        pictures=stack.enter_context(VideoPictures(item.path, rate)) if pictures else None,
    )


def _live(
    source: str, options: StreamOptions, tracker: Tracker, out: Path, pictures: bool, stack: contextlib.ExitStack
) -> Opened:
    if options.track.rate is None:
        message = "expected the rate of the windows, got none: a live source has no rate to be relied on"
        raise SchemaError(Problem("no-rate", source, message, "give --fps, that of the tracks of the tokenizer"))
    if options.track.active_area == "auto":
        message = "expected no search for borders, which needs frames that have not come yet"
        raise SchemaError(Problem("wrong-option", f"{source}: active_area", message, "leave --active-area out"))
    spool = stack.enter_context(Spool(out)) if pictures else None
    kinds: tuple[Pixels, ...] = (tracker.pixels,) if spool is None else (tracker.pixels, "rgb")
    live = stack.enter_context(LiveSource(source, kinds, idle_s=options.idle_s, queue=options.queue))
    return Opened(
        name=f"camera_{source}" if source.isdecimal() else "live",
        where=live.where,
        size=live.size,
        area=PixelArea.whole(live.size),
        frames=live_frames(live, None if spool is None else spool.keep),
        grid=GridStream(options.track.rate),
        total=None,
        parents=(),
        pictures=spool,
        live=live,
        lossy=True,
    )
