"""True segments as people have them: a file of ours, a table of text, or a folder of either."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np

from lapsdata.containers import Segments
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.provenance import marked_synthetic, parent, provenance, synthetic_note
from lapsdata.schema import SegmentedVideo, SegmentsHeader
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._output import Output, settle
from lapsdata.stages._text_table import read_text_table
from lapsdata.storage.atomic import existing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.schema.base import Provenance
    from lapsdata.schema.segments import EndReason
    from lapsdata.timebase import FrameRate

__all__ = ["read_truth", "write_split_truth"]

_STAGE = "truth"

_COLUMNS = ("video", "start_s", "end_s")
_ENDINGS = {".parquet", ".csv"}


def read_truth(path: Path, found: Segments | None = None) -> Segments:
    r"""Read true segments.

    Parameters
    ----------
    path : Path
        A file of segments; a CSV file with the columns `video, start_s, end_s` and, if wanted, `label`; or a folder
        of such files, each for videos of its own.
    found : Segments, optional
        What they are for. A CSV file does not say how long its videos are: their time is that which was looked at
        there, and as far beyond as the file speaks of.

    Raises
    ------
    StorageError
        Nothing is there, it cannot be read, or the folder holds no such file.
    SchemaError
        A table with other columns, or with values that are no segment; a video in two files.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_segments
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "truth.csv"
    >>> _ = path.write_text("video,start_s,end_s,label\nclip_0,0.5,1.5,pick\n")
    >>> truth = read_truth(path, sample_segments())
    >>> truth.start_s, truth.label
    (array([0.5]), ('pick',))
    """
    from lapsdata.formats import read

    looked_at = () if found is None else found.header.videos
    spans = {video.name: (video.start_s, video.end_s) for video in looked_at}
    files = [path]
    if existing(path).is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix in _ENDINGS)
        if not files:
            message = f"expected files of true segments ({', '.join(sorted(_ENDINGS))}), got none"
            raise SchemaError(Problem("no-truth", str(path), message, "see `lapsdata evaluate --help`"))
    parts = [_of_table(one, spans) if one.suffix == ".csv" else read(one, Segments) for one in files]
    return parts[0] if len(parts) == 1 else _joined(files, parts)


def write_split_truth(
    root: Path, out: Path, *, rate: FrameRate, split: str, videos: Sequence[str], force: bool = False
) -> tuple[Output[Segments], tuple[Problem, ...], str | None]:
    r"""Write the true segments of a split of a data set in the layout of MS-TCN; what was written so already is kept.

    Parameters
    ----------
    root : Path
        The folder with `groundTruth` and `splits`.
    out : Path
        A file of segments.
    rate : FrameRate
        Labels per second.
    split : str
        As `test.split1`.
    videos : sequence of str
        Those that are taken, in the order of the split.
    force : bool

    Returns
    -------
    output : Output
    problems : tuple of Problem
        What the labels call for to be told.
    synthetic : str or None
        What is said of videos that only stand in for the data set.

    Raises
    ------
    SchemaError, StorageError
        As `lapsdata.adapters.mstcn.read`; or something else is in the place of the output.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.made_up_labels import write_made_up_labels
    >>> from lapsdata.timebase import FrameRate
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> write_made_up_labels(root)
    >>> told = {"rate": FrameRate(15), "split": "test.split1", "videos": ["S1_Tea_C1"]}
    >>> [write_split_truth(root, root / "truth.parquet", **told)[0].fate for _ in range(2)]
    ['made', 'kept']
    """
    from lapsdata.adapters import mstcn
    from lapsdata.formats import read, write

    # The labels alone: the digest of the folder around them would be that of the videos too.
    labels = root / "groundTruth"
    adapted = mstcn.read(labels, rate=rate, split=split)
    whole = cast("Segments", adapted.container)
    synthetic = synthetic_note(whole.header.provenance)
    parents = [parent("labels", labels), parent("split", root / "splits" / f"{split}.bundle")]
    told: dict[str, JsonValue] = {"rate": str(rate), "split": split, "videos": list(videos), "synthetic": synthetic}

    def known(path: Path) -> tuple[str | None, Segments]:
        found = read(path, Segments)
        return key_of(_STAGE, found.header.provenance), found

    def make(overwrite: bool) -> Segments:
        made = marked_synthetic(provenance(parameters=told, parents=parents), synthetic)
        truth = _of_videos(whole, videos, made)
        write(out, truth, overwrite=overwrite)
        return truth

    output = settle(out, key_now(_STAGE, told, parents), read=known, make=make, force=force)
    return output, tuple(adapted.notes), synthetic


def _of_videos(whole: Segments, names: Sequence[str], made: Provenance) -> Segments:
    """Return the segments of some videos."""
    wanted = frozenset(names)
    numbers = [at for at, video in enumerate(whole.header.videos) if video.name in wanted]
    rows = np.flatnonzero(np.isin(whole.video_index, numbers))
    header = whole.header.model_copy(
        update={"provenance": made, "videos": tuple(whole.header.videos[at] for at in numbers)}
    )
    return Segments(
        header,
        np.searchsorted(numbers, whole.video_index[rows]),
        whole.start_s[rows],
        whole.end_s[rows],
        tuple(whole.end_reason[at] for at in rows),
        tuple(whole.label[at] for at in rows),
    )


def _of_table(path: Path, spans: Mapping[str, tuple[float, float]]) -> Segments:
    rows = _rows(path)
    problems, segments = Problems(str(path)), []
    for number, row in rows:
        start, end = (_seconds(row[column]) for column in _COLUMNS[1:])
        if start is None or end is None or not start < end:
            message = f"expected start_s < end_s in seconds, got {row['start_s']!r} and {row['end_s']!r}"
            problems.add("wrong-time", f"line {number}", message)
        else:
            segments.append((row["video"], start, end, row.get("label") or None))
    problems.raise_as(SchemaError)
    segments.sort(key=lambda one: (one[0], one[1]))
    names = sorted({video for video, *_ in segments})
    videos = []
    for name in names:
        times = [spans.get(name, (0.0, 0.0)), *((start, end) for video, start, end, _ in segments if video == name)]
        first, last = min(start for start, _ in times), max(end for _, end in times)
        videos.append(SegmentedVideo(name=name, start_s=first, end_s=last))
    starts = np.array([start for _, start, _, _ in segments], np.float64)
    ends = np.array([end for _, _, end, _ in segments], np.float64)
    video = np.array([names.index(name) for name, *_ in segments], np.int64)
    overlap = bool(((video[1:] == video[:-1]) & (starts[1:] < ends[:-1])).any())
    annotated: EndReason = "annotation"
    header = SegmentsHeader(provenance=provenance(), videos=tuple(videos), overlap=overlap)
    return Segments(header, video, starts, ends, (annotated,) * len(segments), tuple(label for *_, label in segments))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table with their lines, every one with all columns."""
    fields, rows, lines = read_text_table(path)
    missing = [column for column in _COLUMNS if column not in fields]
    if missing:
        message = f"expected the columns {', '.join(_COLUMNS)} and, if wanted, label; got {', '.join(fields) or 'none'}"
        raise SchemaError(Problem("missing-column", str(path), message, "the first line names the columns"))
    if not rows:
        raise SchemaError(Problem("no-rows", str(path), "expected a row per true segment, got none"))
    return [(line, dict(zip(fields, row, strict=True))) for line, row in zip(lines, rows, strict=True)]


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _joined(files: list[Path], parts: list[Segments]) -> Segments:
    problems = Problems()
    first: dict[str, Path] = {}
    for path, part in zip(files, parts, strict=True):
        for video in part.header.videos:
            if video.name in first:
                message = f"expected each video in one file, got '{video.name}' in {first[video.name].name} too"
                problems.add("doubled-video", str(path), message)
            first.setdefault(video.name, path)
    problems.raise_as(SchemaError)
    offsets = np.cumsum([0, *(len(part.header.videos) for part in parts)])
    synthetic = synthetic_note(*(part.header.provenance for part in parts))
    header = SegmentsHeader(
        provenance=marked_synthetic(provenance(), synthetic),
        videos=tuple(video for part in parts for video in part.header.videos),
        overlap=any(part.header.overlap for part in parts),
    )
    return Segments(
        header,
        np.concatenate([part.video_index + offset for part, offset in zip(parts, offsets, strict=False)]),
        np.concatenate([part.start_s for part in parts]),
        np.concatenate([part.end_s for part in parts]),
        tuple(reason for part in parts for reason in part.end_reason),
        tuple(label for part in parts for label in part.label),
    )
