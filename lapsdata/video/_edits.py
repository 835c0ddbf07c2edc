"""Frames that FFmpeg leaves out though the edit of an MP4 or MOV file shows them.

FFmpeg stops at the first keyframe after a frame whose time plus distance to the next frame *in file order* reaches the
end of the edit. With a variable rate, or with B-frames stored behind the last keyframe, frames are left by then.
"""

from __future__ import annotations

import os
import struct
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.video._bytes import open_bytes, url_errors
from lapsdata.video._container import open_container
from lapsdata.video._mp4_boxes import Box, boxes_in
from lapsdata.video._timeline import read_timeline

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.video._container import OpenVideo
    from lapsdata.video._timeline import Timeline

__all__ = ["with_all_of_edit"]


class _Edit(NamedTuple):
    """The single edit of a track: when it is shown, in seconds, known to a tick of the movie's clock."""

    start_s: float
    end_s: float
    tick_s: float


def with_all_of_edit(source: Path | str, stream: int | None, video: OpenVideo, timeline: Timeline) -> Timeline:
    """Return the timeline with the frames of the edit that FFmpeg left out; what the edit cuts off stays away.

    Several edits, of which an editor made one film, are left to FFmpeg.

    Raises
    ------
    CorruptDataError
        FFmpeg leaves out frames that the edit shows, and the edit cuts off others: no way of reading gives just those
        that it shows.
    """
    if "mov" not in video.container.format.name or video.stream.frames <= len(timeline.pts):
        return timeline
    with open_bytes(source) as file, url_errors(source):
        edit = _read_edit(file, video.stream.id)
    if edit is None:
        return timeline
    with closing(open_container(source, stream, edits=False)) as whole:
        stored = read_timeline(source, whole)
    left_out = np.setdiff1d(stored.pts, timeline.pts)
    at_s = stored.seconds(left_out)
    lost = (at_s >= edit.start_s) & (at_s < edit.end_s - edit.tick_s)
    if not lost.any():
        return timeline
    if lost.all() and np.isin(timeline.pts, stored.pts).all():
        return replace(stored, edits=False)
    message = f"frames of its edit that FFmpeg leaves out: {lost.sum()}, the first at {at_s[lost][0]:.6f} s"
    fix = "encode it again: ffmpeg -advanced_editlist 0 -i FILE NEW"
    raise CorruptDataError(Problem("lost-frames", str(source), message, fix))


def _read_edit(file: BinaryIO, track: int) -> _Edit | None:
    """ISO/IEC 14496-12, 8.6.6: the edit of a track, if it has just one, perhaps after a wait; 0 long is endless."""
    whole = Box(b"", 0, file.seek(0, os.SEEK_END))
    for movie in _inner(file, whole, b"moov"):
        clocks = [_number(box.read(file)) for box in _inner(file, movie, b"mvhd")]
        for trak in _inner(file, movie, b"trak"):
            if clocks and track in [_number(box.read(file)) for box in _inner(file, trak, b"tkhd")]:
                lists = [box for edits in _inner(file, trak, b"edts") for box in _inner(file, edits, b"elst")]
                return _single(lists[0].read(file), clocks[0]) if lists else None
    return None


def _inner(file: BinaryIO, box: Box, kind: bytes) -> list[Box]:
    return [one for one in boxes_in(file, box.start, box.end) if one.kind == kind]


def _number(header: bytes) -> int:
    """Return the number behind the two times of creation: the clock of `mvhd`, the track of `tkhd`."""
    return int(struct.unpack_from(">I", header, 20 if header[:1] == b"\1" else 12)[0])


def _single(listed: bytes, clock: int) -> _Edit | None:
    entry = struct.Struct(">QqI" if listed[:1] == b"\1" else ">IiI")
    edits = [entry.unpack_from(listed, 8 + k * entry.size) for k in range(int.from_bytes(listed[4:8], "big"))]
    shown = [length for length, start, _ in edits if start >= 0]
    if len(shown) != 1:
        return None
    begin = sum(length for length, start, _ in edits if start < 0)
    return _Edit(begin / clock, (begin + shown[0]) / clock if shown[0] else np.inf, 1 / clock)
