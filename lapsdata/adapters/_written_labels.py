"""Segments as labels per frame, in MS-TCN's layout: `groundTruth/<video>.txt` and `mapping.txt`.

Nothing is rounded: every segment begins and ends on a frame of the rate, segments do not overlap, and frames in no
segment get the label that is told for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.formats import WriteReport
from lapsdata.formats._format import size_on_disk
from lapsdata.storage.atomic import atomic_folder
from lapsdata.timebase import FrameRate, frame_to_s, s_to_frame

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Segments

__all__ = ["LONGEST_LABEL", "write_frame_labels"]

LONGEST_LABEL = 100
"""A label is a word or two; what has longer lines is another kind of text."""

# By how much decimals that were written out may miss the time of their frame.
_TOLERANCE_S = 1e-6


def write_frame_labels(
    path: Path, segments: Segments, *, rate: FrameRate | None = None, gap_label: str | None = None
) -> WriteReport:
    r"""Write a folder that `read` reads back to the same segments.

    Parameters
    ----------
    path : Path
        A folder that is not there yet.
    segments : Segments
    rate : FrameRate
        Frames per second of the labels.
    gap_label : str, optional
        What frames in no segment are called, such as `background`.

    Raises
    ------
    SchemaError
        No rate, overlap, times between frames, frames without a label, labels that no line can hold: all is named.
    StorageError
        Something is there, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.mstcn import read
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "groundTruth"
    >>> folder.mkdir()
    >>> _ = (folder / "S1_Tea.txt").write_text("take\ntake\npour\n")
    >>> _ = write_frame_labels(folder.parent / "again", read(folder, rate=2).container, rate=FrameRate(2))
    >>> (folder.parent / "again" / "groundTruth" / "S1_Tea.txt").read_text()
    'take\ntake\npour\n'
    """
    if rate is None:
        message = "expected the frames per second of the labels, got none"
        raise SchemaError(Problem("no-times", str(path), message, "give --rate"))
    problems = Problems()
    if segments.header.overlap:
        fix = "a frame has one label: segments that overlap have no such file"
        problems.add("overlap", "segments", "expected no overlap, got a header that allows it", fix)
        problems.raise_as(SchemaError)
    every = {video.name: _labels(segments, at, rate, gap_label, problems)
             for at, video in enumerate(segments.header.videos)}  # fmt: skip
    problems.raise_as(SchemaError)
    names = sorted({label for labels in every.values() for label in labels})
    with atomic_folder(path) as folder:
        (folder / "groundTruth").mkdir()
        for name, labels in every.items():
            (folder / "groundTruth" / f"{name}.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
        mapping = "".join(f"{number} {name}\n" for number, name in enumerate(names))
        (folder / "mapping.txt").write_text(mapping, encoding="utf-8")
    filled = sum(len(labels) for labels in every.values()) - _frames_inside(segments, rate)
    notes = []
    if filled:
        message = f"{filled} frames are in no segment: called {gap_label!r}"
        notes.append(Problem("gaps-filled", str(path), message, None, "info"))
    left = {"scores": segments.score, "codes": segments.codes, "embeddings": segments.embedding}
    if named := ", ".join(name for name, column in left.items() if column is not None):
        notes.append(Problem("left-behind", str(path), f"no place for: {named}", None, "warning"))
    return WriteReport(path, "mstcn", size_on_disk(path), notes=tuple(notes))


def _labels(segments: Segments, at: int, rate: FrameRate, gap_label: str | None, problems: Problems) -> list[str]:
    """Return the label of each frame of a video; whatever stands against it is noted."""
    video = segments.header.videos[at]
    rows = np.flatnonzero(segments.video_index == at)
    ends, away = _frames(np.array([video.start_s, video.end_s]), rate)
    if ends is None or ends[0] or away.any():
        message = f"expected a video from 0 s to a frame of {rate} per second, got {video.start_s:g} to {video.end_s:g}"
        problems.add("off-grid", video.name, message, "give the rate that it was labelled at")
        return []
    start, start_away = _frames(segments.start_s[rows], rate)
    end, end_away = _frames(segments.end_s[rows], rate)
    wrong = int((start_away | end_away).sum())
    if start is None or end is None or wrong:
        message = (
            f"expected segments from frame to frame at {rate} per second, got {wrong} of {len(rows)} between frames"
        )
        problems.add("off-grid", video.name, message, "give the rate that they were cut at: nothing is rounded")
        return []
    # Two that cross by less than the tolerance are neighbours here, and one shorter than that has no frame.
    labels: list[str | None] = [gap_label] * int(ends[1])
    for row, first, last in zip(rows.tolist(), start.tolist(), end.tolist(), strict=True):
        labels[first:last] = [segments.label[row]] * (last - first)
        if first == last:
            problems.add("off-grid", video.name, f"expected a frame in each segment, got none in that of row {row}")
    _expect_words(video.name, labels, problems)
    return [label or "" for label in labels]


def _frames(seconds: NDArray[np.float64], rate: FrameRate) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_]]:
    """Return the frames of times, and which times are not those of a frame; no frames where a time is below 0."""
    if (seconds < 0).any():
        return None, seconds < 0
    frames = s_to_frame(seconds, rate, "nearest")
    return frames, np.abs(frame_to_s(frames, rate) - seconds) > _TOLERANCE_S


def _expect_words(video: str, labels: list[str | None], problems: Problems) -> None:
    bare = sum(label is None for label in labels)
    if bare:
        message = f"expected a label for every frame, got none for {bare} of {len(labels)}"
        problems.add("no-label", video, message, "say what frames in no segment are called: --gap-label background")
    for label in sorted({label for label in labels if label is not None}):
        if not 0 < len(label) <= LONGEST_LABEL or label.split() != [label]:
            message = f"expected a word of up to {LONGEST_LABEL} letters, got {label[:40]!r}"
            problems.add("wrong-label", video, message, "results of MS-TCN part labels by blanks")


def _frames_inside(segments: Segments, rate: FrameRate) -> int:
    start, end = (s_to_frame(times, rate, "nearest") for times in (segments.start_s, segments.end_s))
    return int((end - start).sum())
