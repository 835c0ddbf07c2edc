"""What a video is, told by its packets: no frame is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import FrameSize
from lapsdata.video._bytes import name_of, settled
from lapsdata.video._container import open_container
from lapsdata.video._decoding import PacketSession, PacketSource
from lapsdata.video._edits import with_all_of_edit
from lapsdata.video._images import ImageFolder, open_folder
from lapsdata.video._timeline import rate_of, read_timeline, rotation_of
from lapsdata.video.facts import VideoFacts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lapsdata.timebase import FrameRate
    from lapsdata.video._bytes import VideoPath
    from lapsdata.video._container import OpenVideo
    from lapsdata.video._decoding import Times
    from lapsdata.video._timeline import Timeline
    from lapsdata.video.frame import Pixels

__all__ = ["find_source", "probe"]


def probe(
    source: VideoPath,
    *,
    stream: int | None = None,
    rate: FrameRate | str | float | None = None,
    frame_s: ArrayLike | None = None,
) -> VideoFacts:
    """Read the facts of a video.

    All packets are read and none is decoded; of a folder of images, the first image is. What only decoding shows (a
    damaged frame, a mirrored picture, a size that changes) is an error of the reader's.

    Parameters
    ----------
    source : path-like or str
        File, folder of numbered images, or URL that fsspec knows.
    stream : int, optional
        Which of several video streams, counted from 0.
    rate, frame_s : optional
        Times of a folder of images; see `lapsdata.video.reader.open_video`.

    Returns
    -------
    VideoFacts

    Raises
    ------
    LapsError
        As `lapsdata.video.reader.open_video`.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.video.writer import write_video
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.zeros((48, 64, 3), np.uint8)] * 3, [0.0, 0.1, 0.2])
    >>> facts = probe(clip)
    >>> facts.codec, facts.frames, str(facts.rate), facts.duration_s
    ('h264', 3, '10', 0.3)
    """
    found, session = find_source(source, "rgb", stream=stream, rate=rate, frame_s=frame_s, times="packets")
    if session is not None:
        session.close()
    return found.facts


def find_source(
    source: VideoPath,
    pixels: Pixels,
    *,
    stream: int | None,
    rate: FrameRate | str | float | None,
    frame_s: ArrayLike | None,
    times: Times,
) -> tuple[PacketSource | ImageFolder, PacketSession | None]:
    """Open a source once, and return all that is needed to read it, and a session that goes on with what is open.

    Raises
    ------
    LapsError
        As `lapsdata.video.reader.open_video`.
    """
    place = settled(source)
    if isinstance(place, Path) and place.is_dir():
        return open_folder(place, pixels, rate, frame_s), None
    if rate is not None or frame_s is not None:
        message = "a video has times of its own; expected no rate and no frame_s"
        raise SchemaError(Problem("wrong-option", str(place), message, "leave them out; resample in timebase"))
    video = open_container(place, stream)
    try:
        timeline = with_all_of_edit(place, stream, video, read_timeline(place, video))
        facts = _facts(place, video, timeline)
        found = PacketSource(place, stream, video.stream.index, facts, timeline, times, pixels)
    except BaseException:
        video.close()
        raise
    if timeline.edits and times == "packets":
        return found, PacketSession(found, video)
    # It leaves frames out, or is not to be trusted with a seek to its start.
    video.close()
    return found, None


def _facts(source: Path | str, video: OpenVideo, timeline: Timeline) -> VideoFacts:
    context = video.stream.codec_context
    coded = FrameSize(width=context.width, height=context.height)
    rotation = rotation_of(source, video.about)
    # Read while the container is open; afterwards PyAV answers from freed memory.
    rate, variable = rate_of(timeline, video.stream.average_rate)
    return VideoFacts(
        name=name_of(source),
        path=source,
        codec=context.codec.canonical_name,
        container=video.container.format.name,
        pixel_format=context.pix_fmt or "unknown",
        coded_size=coded,
        rotation=rotation,
        size=coded.turned(rotation),
        rate=rate,
        time_base=timeline.time_base,
        frame_s=timeline.seconds(timeline.pts),
        keyframes=timeline.keys,
        end_s=_end_s(source, timeline, rate),
        variable=variable,
        reordered=bool((np.diff(timeline.place) < 0).any()),
    )


def _end_s(source: Path | str, timeline: Timeline, rate: FrameRate | None) -> float:
    """End of the last frame: as its packet states, else the median interval, else the stated rate."""
    if timeline.lasting > 0:
        return float(timeline.seconds(timeline.pts[-1:] + timeline.lasting)[0])
    times = timeline.seconds(timeline.pts)
    if len(times) > 1:
        return float(times[-1] + np.median(np.diff(times)))
    if rate is None:
        message = "expected a duration or a rate for its single frame, got neither"
        raise SchemaError(Problem("no-duration", str(source), message, "remux it: ffmpeg -i FILE -c copy NEW"))
    return float(times[-1]) + rate.period_s
