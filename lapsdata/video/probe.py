"""What a video is, told by its packets: no frame is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import FrameSize
from lapsdata.video._container import is_url, name_of, open_container
from lapsdata.video._timeline import rate_of, read_timeline, rotation_of
from lapsdata.video.facts import VideoFacts

if TYPE_CHECKING:
    from lapsdata.video._container import OpenVideo
    from lapsdata.video._timeline import Timeline

__all__ = ["probe"]


def probe(source: Path | str, *, stream: int | None = None) -> VideoFacts:
    """Read the facts of a video.

    Parameters
    ----------
    source : Path or str
        File or URL.
    stream : int, optional
        Which of several video streams, counted from 0.

    Returns
    -------
    VideoFacts
    """
    video = open_container(source, stream)
    try:
        return facts_of(source, video, read_timeline(source, video))
    finally:
        video.close()


def facts_of(source: Path | str, video: OpenVideo, timeline: Timeline) -> VideoFacts:
    """Put together what a container and its packets tell."""
    context = video.stream.codec_context
    coded = FrameSize(width=context.width, height=context.height)
    rotation = rotation_of(source, video.about)
    rate, variable = rate_of(timeline, video.stream.average_rate)
    frame_s = timeline.seconds(timeline.pts)
    if timeline.lasting > 0:
        end_s = float(timeline.seconds(timeline.pts[-1:] + timeline.lasting)[0])
    elif len(frame_s) > 1:
        end_s = float(frame_s[-1] + np.median(np.diff(frame_s)))
    elif rate is not None:
        end_s = float(frame_s[-1]) + rate.period_s
    else:
        message = "expected a duration or a rate for its single frame, got neither"
        raise SchemaError(Problem("no-duration", str(source), message, "remux it: ffmpeg -i FILE -c copy NEW"))
    return VideoFacts(
        name=name_of(source),
        path=source if is_url(source) else Path(source),
        codec=context.codec.canonical_name,
        container=video.container.format.name,
        pixel_format=context.pix_fmt or "unknown",
        coded_size=coded,
        rotation=rotation,
        size=coded.turned(rotation),
        rate=rate,
        time_base=timeline.time_base,
        frame_s=frame_s,
        keyframes=timeline.keys,
        end_s=end_s,
        variable=variable,
        reordered=bool((np.diff(timeline.place) < 0).any()),
    )
