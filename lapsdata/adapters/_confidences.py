"""Confidences of labels per frame, as programs of MS-TCN's kind save them: one `<video>.npy` of float numbers a video.

An array has a row of frames for each class, in the order of `mapping.txt`; stages and a batch of one may stand before
(S, 1, C, T), of which the last stage counts. Some programs put several blocks of classes above one another, such as for
beginnings, labels and ends; which of them is meant nobody but their maker knows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, Problems, SchemaError
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.npy_errors import npy_errors
from lapsdata.timebase import s_to_frame

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Segments
    from lapsdata.timebase import FrameRate

__all__ = ["with_confidences"]


def with_confidences(
    segments: Segments,
    folder: Path,
    classes: Mapping[str, int],
    rate: FrameRate,
    *,
    videos: Collection[str],
    block: int | None = None,
) -> Segments:
    """Return segments with scores: of each the mean confidence of its label over its frames.

    Parameters
    ----------
    segments : Segments
        Each with a label.
    folder : Path
        With `<video>.npy` for each video.
    classes : mapping of str to int
        The row of each label: each from 0 on, once.
    rate : FrameRate
        Frames per second.
    videos : collection of str
        Those that have an array; segments of others have no score.
    block : int, optional
        Which block of classes, from 0, where arrays have several.

    Raises
    ------
    SchemaError
        Classes that are not numbered from 0 on, each once (`class-numbers`); else a video without an array, an array of
        another shape or kind, a label without a row, a segment without a frame: all of them.
    LengthMismatchError
        Arrays with more or fewer frames than their video.
    StorageError
        They cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import labelled_segments
    >>> from lapsdata.timebase import FrameRate
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> np.save(folder / "tea.npy", np.array([[0.5, 1.0, 0.25], [0.5, 0.0, 0.75]]))
    >>> found = labelled_segments({"tea": [("take", 2.0), ("pour", 1.0)]})
    >>> with_confidences(found, folder, {"take": 0, "pour": 1}, FrameRate(1), videos={"tea"}).score
    array([0.75, 0.75])
    """
    existing(folder)
    if not classes or sorted(classes.values()) != list(range(len(classes))):
        message = f"expected classes numbered from 0 on, each once, got {sorted(classes.values())}"
        raise SchemaError(Problem("class-numbers", "classes", message, "a row of an array is that of a number"))
    faults, lengths = Problems(str(folder)), Problems(str(folder))
    arrays: dict[str, NDArray[np.float64]] = {}
    for video in segments.header.videos:
        if video.name not in videos:
            continue
        rows = _rows(folder / f"{video.name}.npy", len(classes), block, faults)
        frames = s_to_frame(video.end_s, rate, "nearest")
        if rows is not None and rows.shape[1] != frames:
            message = f"expected {frames} frames as the labels have, got {rows.shape[1]}"
            lengths.add("length-mismatch", f"{video.name}.npy", message, "take both from one run")
        elif rows is not None:
            arrays[video.name] = rows
    for label in sorted({str(label) for label in segments.label} - classes.keys()):
        faults.add("unknown-label", "classes", f"expected labels with a number, got {label!r} without one")
    start, end = (s_to_frame(times, rate, "nearest") for times in (segments.start_s, segments.end_s))
    names = [segments.header.videos[number].name for number in segments.video_index.tolist()]
    if short := int(((start == end) & np.isin(names, list(videos))).sum()):
        message = f"expected a frame at {rate} per second in each segment, got none in {short} of {len(segments)}"
        faults.add("no-frames", "segments", message, "take labels and confidences from one run")
    faults.raise_as(SchemaError)
    lengths.raise_as(LengthMismatchError)
    score = np.full(len(segments), np.nan)
    for row, (name, first, until) in enumerate(zip(names, start.tolist(), end.tolist(), strict=True)):
        if name in arrays:
            score[row] = arrays[name][classes[str(segments.label[row])], first:until].mean()
    return replace(segments, score=score)


def _rows(path: Path, classes: int, block: int | None, faults: Problems) -> NDArray[np.float64] | None:
    """Return the confidences of one video, float64 (classes, frames); whatever is wrong is noted."""
    if not path.is_file():
        faults.add("missing-file", path.name, "expected the confidences of every video, got no such file")
        return None
    with storage_errors(path, "read"), path.open("rb") as file:
        try:
            with npy_errors():
                array = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            faults.add("wrong-file", path.name, f"expected an array of numbers, got none ({error})")
            return None
    whole = array.dtype.kind == "f" and array.size and (array.ndim == 2 or (array.ndim == 4 and array.shape[1] == 1))
    blocks, rest = divmod(array.shape[-2], classes) if whole else (0, 1)
    if rest or not blocks:
        message = f"expected floats of shape (C, T) or (S, 1, C, T) for C = {classes} classes, got {array.dtype}"
        faults.add(
            "wrong-shape", path.name, f"{message} {array.shape}", "name the folder of the arrays of this data set"
        )
        return None
    if (block or 0) >= blocks or (blocks > 1 and block is None):
        message = f"expected one block of {classes} classes, got {blocks}"
        if block is not None:
            message = f"expected a block from 0 to {blocks - 1}, got {block}"
        faults.add("which-block", path.name, message, "say which one, from 0: --confidence-block N")
        return None
    first = (block or 0) * classes
    rows: NDArray[np.float64] = array.reshape(-1, *array.shape[-2:])[-1, first : first + classes].astype(np.float64)
    if not np.isfinite(rows).all():
        faults.add("not-finite", path.name, "expected finite confidences, got others")
        return None
    return rows
