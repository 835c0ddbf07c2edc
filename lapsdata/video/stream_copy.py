"""Cut a video without encoding it again, where that gives just the frames that are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from lapsdata.storage.atomic import atomic_file
from lapsdata.video._container import open_container, packets_of

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.video._decoding import PacketSource

__all__ = ["copies_exactly", "copy_frames"]

# The codec whose streams PyAV begins anew from those of a source; others have one name when read, another when written.
_CODEC = "h264"


def copies_exactly(source: PacketSource, first: int, until: int) -> bool:
    """Return whether the packets of some frames, and no others, stand one behind the other and need none before them.

    Parameters
    ----------
    source : PacketSource
        Of `lapsdata.video.probe.find_source`.
    first, until : int
        Half-open span of frames, in the order in which they are shown.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.video.probe import find_source
    >>> from lapsdata.video.writer import write_video
    >>> clip = pathlib.Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.zeros((48, 64, 3), np.uint8)] * 8, np.arange(8) / 10, gop=4)
    >>> source, _ = find_source(clip, "rgb", stream=None, rate=None, frame_s=None, times="packets")
    >>> copies_exactly(source, 0, 4), copies_exactly(source, 0, 5)
    (True, False)
    """
    facts, timeline = source.facts, source.timeline
    # MP4 files alone list where decoding can begin.
    if "mov" not in facts.container or facts.codec != _CODEC or facts.rotation or not timeline.edits:
        return False
    place = np.sort(timeline.place[first:until])
    in_a_row = place[-1] - place[0] + 1 == until - first and timeline.place[first] == place[0]
    whole = until == facts.frames or until in timeline.keys
    return bool(first in timeline.keys and whole and in_a_row)


def copy_frames(source: PacketSource, path: Path, first: int, until: int, *, overwrite: bool = False) -> None:
    """Write the packets of some frames to an MP4 file that begins at 0 s; only where `copies_exactly` says so.

    Parameters
    ----------
    source, first, until
        As `copies_exactly`.
    path : Path
        Appears only when it is complete.
    overwrite : bool

    Raises
    ------
    LapsError
        The source cannot be read, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.video.probe import find_source, probe
    >>> from lapsdata.video.writer import write_video
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_video(folder / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 8, np.arange(8) / 10, gop=4)
    >>> source, _ = find_source(folder / "clip.mp4", "rgb", stream=None, rate=None, frame_s=None, times="packets")
    >>> copy_frames(source, folder / "part.mp4", 4, 8)
    >>> probe(folder / "part.mp4").frame_s.tolist()
    [0.0, 0.1, 0.2, 0.3]
    """
    import av

    timeline = source.timeline
    places = timeline.place[first:until]
    low, high, start = int(places.min()), int(places.max()), int(timeline.pts[first])
    video = open_container(source.source, source.stream)
    try:
        settings = {"fflags": "+bitexact", "movie_timescale": str(timeline.time_base.denominator)}
        with (
            atomic_file(path, overwrite=overwrite) as temporary,
            av.open(temporary, "w", format="mp4", options=settings) as target,
        ):
            stream = target.add_stream_from_template(video.stream)
            stream.time_base = timeline.time_base
            for number, packet in enumerate(packets_of(source.source, video)):
                if low <= number <= high:
                    # A packet of a frame has both times; PyAV's stubs allow for none.
                    packet.pts = cast("int", packet.pts) - start
                    packet.dts = cast("int", packet.dts) - start
                    packet.stream = stream
                    target.mux(packet)
                if number >= high:
                    break
    finally:
        video.close()
