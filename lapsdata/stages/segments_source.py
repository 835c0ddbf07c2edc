"""Segments as people have them, true or found: a file of ours, a table of text, files of others, a folder of these."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters import Adapted, find_adapter, read_adapted
from lapsdata.adapters._pieces import Pieces
from lapsdata.adapters._texts import head
from lapsdata.containers import Segments
from lapsdata.errors import Problem, Problems, SchemaError, UnknownFormatError
from lapsdata.plugins import registry
from lapsdata.provenance import marked_synthetic, parent, provenance, synthetic_note
from lapsdata.schema import SegmentedVideo, SegmentsHeader
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.text_table import read_text_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters._adapter import Adapter
    from lapsdata.timebase import FrameRate

__all__ = ["SegmentsSource", "read_segments"]

_COLUMNS = ("video", "start_s", "end_s")
_ENDINGS = {".parquet", ".csv"}
_RECORD = {"segments"}


class SegmentsSource(NamedTuple):
    """Segments, and what is to be told about where they come from.

    Parameters
    ----------
    segments : Segments
        A video ends where its file says so, labels per frame exactly at their number / rate.
    notes : tuple of Problem
        At severity "warning" or "info": what was counted, taken for granted, or could not be checked.
    rate : FrameRate or None
        Frames per second that times were made of; None where the files hold times.
    rate_origin : str or None
        How that rate is known, in words.
    unmeasured : tuple of str
        The videos of which the file does not say how long they are.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> SegmentsSource(sample_segments()).rate is None
    True
    """

    segments: Segments
    notes: tuple[Problem, ...] = ()
    rate: FrameRate | None = None
    rate_origin: str | None = None
    unmeasured: tuple[str, ...] = ()


class _Told(NamedTuple):
    """What was said of the files."""

    rate: FrameRate | float | str | None
    split: str | None
    end: str | None


def read_segments(
    path: Path,
    *,
    rate: FrameRate | float | str | None = None,
    split: str | None = None,
    end: str | None = None,
    found: Segments | None = None,
) -> SegmentsSource:
    r"""Read segments of any kind that is known.

    Parameters
    ----------
    path : Path
        A file of ours; a CSV file with the columns `video, start_s, end_s` and, if wanted, `label` and `score`; what an
        adapter reads segments from (`lapsdata plugins` names them); or a folder of such files, each for videos of its
        own.
    rate : FrameRate, number or str, optional
        Frames per second, for files that hold frames and no times; others do not look at it.
    split : str, optional
        Which videos: of a folder in MS-TCN's layout a bundle (`test.split1`), of ActivityNet's JSON a subset.
    end : {"inclusive", "exclusive"}, optional
        Of ranges of frames: whether the last one is part of it.
    found : Segments, optional
        Segments of the same videos. Where files do not say how long a video is, its time is that which was looked at
        there, and as far beyond as its segments go.

    Raises
    ------
    StorageError
        Nothing is there, or it cannot be read.
    UnknownFormatError
        None of all these, or a folder that holds none (`no-segments`).
    SchemaError
        Values that are no segment; frames without a rate; a split or an end that means nothing to the files; a video in
        two files.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_segments
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "truth.csv"
    >>> _ = path.write_text("video,start_s,end_s,label\nclip_0,0.5,1.5,pick\n")
    >>> source = read_segments(path, found=sample_segments())
    >>> source.segments.start_s, source.segments.label
    (array([0.5]), ('pick',))
    """
    told = _Told(rate, split, end)
    if not existing(path).is_dir():
        return _of_file(path, told, found)
    with storage_errors(path, "list"):
        files = sorted(one for one in path.iterdir() if one.suffix in _ENDINGS)
    theirs = find_adapter(path, _RECORD)
    if theirs is not None and not any(map(_is_ours, files)):
        return _of_adapter(theirs[0], path, told, found)
    if not files:
        raise _unknown(path)
    parts = [_of_file(one, told, found) for one in files]
    joined = parts[0] if len(parts) == 1 else _joined(files, parts)
    if theirs is None:
        return joined
    message = f"{len(files)} files of segments are read; what lies beside them ({theirs[0].title}) is not"
    beside = Problem("others-beside", str(path), message, "name the files that are meant", "warning")
    return joined._replace(notes=(*joined.notes, beside))


def _of_file(path: Path, told: _Told, found: Segments | None) -> SegmentsSource:
    from lapsdata.formats import read

    theirs = find_adapter(path, _RECORD)
    if theirs is not None:
        return _of_adapter(theirs[0], path, told, found)
    if path.suffix == ".csv":
        _expect_unsaid(path, told)
        return _source(path, _of_table(path), found)
    try:
        segments = read(path, Segments)
    except UnknownFormatError as error:
        raise _unknown(path) from error
    _expect_unsaid(path, told)
    return SegmentsSource(segments)


def _is_ours(path: Path) -> bool:
    if path.suffix == ".csv":
        columns = next(csv.reader(head(path).splitlines()[:1], skipinitialspace=True), [])
        return set(_COLUMNS) <= {name.strip() for name in columns}
    ours: bool = registry("formats").load("segments_parquet").recognises(path)
    return ours


def _unknown(path: Path) -> UnknownFormatError:
    other = find_adapter(path)
    got = "none of these" if other is None else f"{other[1]} ({other[0].title})"
    names = ", ".join(registry("adapters").names())
    message = (
        f"expected segments: Parquet of ours, CSV with {', '.join(_COLUMNS)}, or what one of the adapters {names} "
        f"reads them from; got {got}"
    )
    return UnknownFormatError(Problem("no-segments", str(path), message, "name a file, or the folder they lie in"))


def _expect_unsaid(path: Path, told: _Told) -> None:
    said = [name for name in ("split", "end") if getattr(told, name) is not None]
    if said:
        message = f"expected no {said[0]} with a table of times, got {getattr(told, said[0])!r}"
        fix = "only labels per frame and ActivityNet's JSON have splits, only ranges of frames an open end"
        raise SchemaError(Problem("wrong-option", str(path), message, fix))


def _of_adapter(adapter: Adapter, path: Path, told: _Told, found: Segments | None) -> SegmentsSource:
    takes = getattr(adapter, "takes", None)
    # A rate stands by for whoever needs one; a split that is not looked at would be a wrong answer.
    rate = told.rate if takes is None or "rate" in takes else None
    return _source(path, read_adapted(adapter, path, {**told._asdict(), "rate": rate}), found)


def _source(path: Path, adapted: Adapted, found: Segments | None) -> SegmentsSource:
    """Return what was read, with the time of videos that only `found` knows the length of."""
    segments = adapted.container
    if not isinstance(segments, Segments):
        raise TypeError(f"expected Segments from an adapter of segments, got {type(segments).__name__}")
    still = adapted.unmeasured
    if found is not None and still:
        known = {video.name: (video.start_s, video.end_s) for video in found.header.videos}
        still = tuple(name for name in still if name not in known)
        videos = tuple(
            _widened(segments, video, known[video.name])
            if video.name in adapted.unmeasured and video.name in known
            else video
            for video in segments.header.videos
        )
        segments = replace(segments, header=segments.header.model_copy(update={"videos": videos}))
    notes = adapted._replace(unmeasured=still).told(path)
    return SegmentsSource(segments, notes, adapted.rate, adapted.rate_origin, adapted.unmeasured)


def _widened(segments: Segments, video: SegmentedVideo, span_s: tuple[float, float]) -> SegmentedVideo:
    rows = segments.of_video(video.name)
    first = min([span_s[0], *segments.start_s[rows].tolist()])
    last = max([span_s[1], *segments.end_s[rows].tolist()])
    return SegmentedVideo(name=video.name, start_s=first, end_s=last)


def _of_table(path: Path) -> Adapted:
    columns, rows, lines = read_text_table(path)
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        message = f"expected the columns {', '.join(_COLUMNS)} and, if wanted, label and score; got "
        fix = "the first line names the columns"
        raise SchemaError(Problem("missing-column", str(path), message + (", ".join(columns) or "none"), fix))
    pieces = Pieces(path)
    cells = [dict(zip(columns, row, strict=True)) for row in rows]
    for name in sorted({row["video"] for row in cells}):
        pieces.video(name)
    for line, row in zip(lines, cells, strict=True):
        where = f"{path}: line {line}"
        pieces.add(
            where, row["video"], row["start_s"], row["end_s"], row.get("label") or None, row.get("score") or None
        )
    return pieces.adapted([parent("segments", path)])


def _joined(files: Sequence[Path], parts: Sequence[SegmentsSource]) -> SegmentsSource:
    problems = Problems()
    first: dict[str, Path] = {}
    for path, part in zip(files, parts, strict=True):
        for video in part.segments.header.videos:
            if video.name in first:
                message = f"expected each video in one file, got '{video.name}' in {first[video.name].name} too"
                problems.add("doubled-video", str(path), message)
            first.setdefault(video.name, path)
    problems.raise_as(SchemaError)
    every = [part.segments for part in parts]
    made = [one.header.provenance for one in every]
    energies = [[one for one in each.parents if one.role == "energies"] for each in made]
    # A segmenter is fed with one energy for all videos: what made all of them is one of the same energies.
    tools = list(zip((one.header.segmenter for one in every), energies, strict=True))
    offsets = np.cumsum([0, *(len(one.header.videos) for one in every)])
    header = SegmentsHeader(
        provenance=marked_synthetic(
            provenance(parents=[*(parent("segments", path) for path in files), *dict.fromkeys(chain(*energies))]),
            synthetic_note(*made),
        ),
        videos=tuple(video for one in every for video in one.header.videos),
        overlap=any(one.header.overlap for one in every),
        segmenter=tools[0][0] if all(tool == tools[0] for tool in tools) else None,
    )
    scored = any(one.score is not None for one in every)
    segments = Segments(
        header,
        np.concatenate([one.video_index + offset for one, offset in zip(every, offsets, strict=False)]),
        np.concatenate([one.start_s for one in every]),
        np.concatenate([one.end_s for one in every]),
        tuple(reason for one in every for reason in one.end_reason),
        tuple(label for one in every for label in one.label),
        score=np.concatenate([_scores(one) for one in every]) if scored else None,
    )
    return SegmentsSource(
        segments,
        tuple(note for part in parts for note in part.notes),
        unmeasured=tuple(name for part in parts for name in part.unmeasured),
    )


def _scores(segments: Segments) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.full(len(segments), np.nan) if segments.score is None else segments.score
