"""Segments of LAPS with their codes: `<segment>.codes.json`, one file per segment.

A file holds `codes_windows`, the codes of each window that lies in the segment for the most part, `quantized_windows`,
the vectors behind them, if they were asked for, and `segment`, its first and last frame. Windows overlap where
`allow_overlap` says so: the codes of all of them follow one another, as LAPS reads them.

Two layouts are read. `<label>/.../x.codes.json` is a folder per class, of which the name is the label of every segment
in it; `<video>/code_indices/x.codes.json` is what LAPS writes, and has no labels. Frames are those of a clock that ran
at another rate than `target_fps` says (that of the wall, or of the video): the rate is asked for.
"""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters._adapter import Adapted
from lapsdata.containers import Segments
from lapsdata.errors import Problem, Problems, SchemaError, whole_number
from lapsdata.provenance import parent, provenance
from lapsdata.schema import SegmentedVideo, SegmentsHeader, Tool
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.schema import EndReason

__all__ = ["CodeFiles", "read_code_files", "read_codes", "recognises_codes"]

_ENDING, _FOLDER, _CLIPS = "*.codes.json", "code_indices", "segmented_videos"
# <label>/<video>/code_indices is as deep as they lie: a tree of other things is not walked through to its end.
_DEPTHS = tuple("*/" * folders + _ENDING for folders in range(4))
# The codes stand at the beginning: what has none there is none of theirs.
_LONGEST_START = 4096
# Why a segment ends is not told; a cut at a longest duration looks the same.
_WHY: EndReason = "threshold"


class CodeFiles(NamedTuple):
    """Segments with their codes, as they were read.

    Parameters
    ----------
    segments : Segments
        With codes; labels where the files lie in folders of classes.
    latents : tuple of float32 (n, D), S, or None
        The vector behind each code; None where not every file has them.
    notes : tuple of Problem
    """

    segments: Segments
    latents: tuple[NDArray[np.float32], ...] | None
    notes: tuple[Problem, ...]


class _Row(NamedTuple):
    video: str
    told: bool
    frames: tuple[int, int]
    label: str | None
    codes: NDArray[np.int32]
    latents: NDArray[np.float32] | None


def recognises_codes(path: Path) -> bool:
    """Say whether it is such a file, or a folder with such files in it, at most three folders down."""
    if path.is_dir():
        with storage_errors(path, "list"):
            return any(next(path.glob(depth), None) is not None for depth in _DEPTHS)
    if not path.match(_ENDING):
        return False
    with storage_errors(path, "open"), path.open("rb") as file:
        return b'"codes_windows"' in file.read(_LONGEST_START)


def read_codes(path: Path, *, rate: FrameRate | float | str | None = None) -> Adapted:
    """Read segments with their codes; vectors behind the codes have no column, and are told.

    Parameters
    ----------
    path, rate
        See `read_code_files`.

    Raises
    ------
    SchemaError, StorageError
        As `read_code_files`.

    Examples
    --------
    See `read_code_files`.
    """
    found = read_code_files(path, rate=rate)
    if found.latents is None:
        return Adapted(found.segments, found.notes)
    message = "the vectors behind the codes have no place in segments: left out"
    fix = "`lapsdata cluster FOLDER` uses them"
    return Adapted(found.segments, (*found.notes, Problem("latents-left-out", str(path), message, fix, "info")))


def read_code_files(path: Path, *, rate: FrameRate | float | str | None = None) -> CodeFiles:
    """Read a file, or all files in a folder and the folders in it, in order of their names.

    Parameters
    ----------
    path : Path
    rate : FrameRate, number or str
        Frames per second that the windows were really cut at.

    Returns
    -------
    CodeFiles
        A video is what `video` says, a key that our own exports have; else the folder that `code_indices` lies in, or
        that the clip came from (`video_segment_path`); where nothing tells it, each file is a video of its own, and
        that is said. Files without codes are left out, counted as
        `segments_without_codes`.

    Raises
    ------
    SchemaError
        No rate (`no-times`), no file with codes, or files that are none: every one of them is named.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "reach"
    >>> folder.mkdir()
    >>> _ = (folder / "segment_0000_startwin_000081.codes.json").write_text(
    ...     '{"codes_windows": [[3, 1], [1, 7]], "segment": {"start_frame": 332, "end_frame": 355}}'
    ... )
    >>> found = read_code_files(folder.parent, rate=10)
    >>> found.segments.label, found.segments.codes[0].tolist(), found.segments.start_s
    (('reach',), [3, 1, 1, 7], array([33.2]))
    """
    files = _inside(path) if path.is_dir() else [existing(path)]
    if not files:
        raise SchemaError(Problem("no-files", str(path), f"expected files {_ENDING}, got none", "name another folder"))
    if rate is None:
        message = "expected frames per second, got none: target_fps is what was meant, and not what was run"
        raise SchemaError(Problem("no-times", str(path), message, "give --rate as it was run"))
    per_s, problems = FrameRate.parse(rate), Problems()
    labels = _labels(path, files)
    read = [_row(file, label, problems) for file, label in zip(files, labels, strict=True)]
    problems.raise_as(SchemaError)
    found = [row for row in read if row is not None]
    rows = [row for row in found if len(row.codes)]
    if not rows:
        raise SchemaError(Problem("no-codes", str(path), f"expected codes, got none in {len(files)} files"))
    rows.sort(key=lambda row: (row.video, row.frames))
    segments = _segments(path, rows, per_s, len(found) - len(rows))
    return CodeFiles(segments, _latents(rows), tuple(_notes(path, files, rows, labels)))


def _inside(path: Path) -> list[Path]:
    with storage_errors(path, "list"):
        return sorted(file for depth in _DEPTHS for file in path.glob(depth))


def _labels(path: Path, files: list[Path]) -> list[str | None]:
    """Return the class of each file: the first folder below the one that was named, unless that is a video's."""
    if not path.is_dir():
        return [None]
    inside = [file.relative_to(path).parts for file in files]
    # LAPS's own output: <video>/code_indices/x, or code_indices/x.
    classes = all(len(parts) > 1 and _FOLDER not in parts[:2] for parts in inside)
    return [parts[0] if classes else None for parts in inside]


def _row(file: Path, label: str | None, problems: Problems) -> _Row | None:
    """Read one file; whatever is wrong with it is noted."""
    with storage_errors(file, "read"):
        data = file.read_bytes()
    try:
        found = json.loads(data)
        windows = found["codes_windows"]
        segment = found["segment"]
        frames = whole_number(segment["start_frame"]), whole_number(segment["end_frame"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        message = f"expected JSON with codes_windows and segment.start_frame and .end_frame, got: {error!r}"
        problems.add("wrong-file", str(file), message, "it was cut, or is of another program: take it away")
        return None
    codes = _codes(windows)
    if codes is None:
        problems.add("wrong-codes", f"{file}: codes_windows", "expected lists of integers from 0, got others")
    start, end = frames
    if start is None or end is None or not 0 <= start <= end:
        message = f"expected start_frame from 0 up to end_frame, got {frames}"
        problems.add("wrong-frames", f"{file}: segment", message, "LAPS writes -1 where it knows none")
    vectors = _vectors(found.get("quantized_windows"), windows)
    if vectors is not None and not vectors.size:
        message = "expected a finite vector of one width for each code, got others"
        problems.add("wrong-latents", f"{file}: quantized_windows", message)
    if codes is None or start is None or end is None:
        return None
    video = _video(file, found)
    alone = file.name.removesuffix(_ENDING[1:])
    return _Row(video or alone, video is not None, (start, end), label, codes, vectors)


def _codes(windows: Any) -> NDArray[np.int32] | None:  # noqa: ANN401 - any JSON value
    """Return the codes of all windows, one after the other; None where they are none."""
    if not isinstance(windows, list) or not all(isinstance(one, list) for one in windows):
        return None
    codes = [whole_number(code) for one in windows for code in one]
    whole = [code for code in codes if code is not None and 0 <= code < 2**31]
    return np.array(whole, np.int32) if len(whole) == len(codes) else None


def _vectors(vectors: Any, windows: Any) -> NDArray[np.float32] | None:  # noqa: ANN401 - any JSON value
    """Return the vectors (n, D); None where there are none, and an empty array where they do not fit."""
    if vectors is None:
        return None
    wrong = np.empty((0, 0), np.float32)
    try:
        if [len(one) for one in vectors] != [len(one) for one in windows]:
            return wrong
        found = np.array([vector for one in vectors for vector in one], np.float32)
    except (TypeError, ValueError):
        return wrong
    return found if found.ndim == 2 and np.isfinite(found).all() else wrong


def _video(file: Path, found: dict[str, Any]) -> str | None:
    """Return which video it is of, as far as that is told: by a key of ours, or where LAPS puts things."""
    own = found.get("video")
    if isinstance(own, str) and own:
        return own
    if file.absolute().parent.name == _FOLDER:
        return file.absolute().parent.parent.name
    # A path of the machine that it was made on, of either kind.
    parts = PureWindowsPath(str(found.get("video_segment_path", ""))).parts
    if _CLIPS in parts[1:]:
        return parts[parts.index(_CLIPS) - 1]
    return None


def _segments(path: Path, rows: list[_Row], rate: FrameRate, empty: int) -> Segments:
    names = sorted({row.video for row in rows})
    video = np.array([names.index(row.video) for row in rows], np.int64)
    starts = np.array([frame_to_s(row.frames[0], rate) for row in rows], np.float64)
    # The last frame is part of it.
    ends = np.array([frame_to_s(row.frames[1] + 1, rate) for row in rows], np.float64)
    crossing = (video[1:] == video[:-1]) & (starts[1:] < ends[:-1])
    lasts = [float(ends[video == number].max()) for number in range(len(names))]
    header = SegmentsHeader(
        provenance=provenance(parameters={"rate": str(rate)}, parents=[parent("codes", path)]),
        policies={"segments_without_codes": empty},
        videos=tuple(SegmentedVideo(name=name, end_s=last) for name, last in zip(names, lasts, strict=True)),
        overlap=bool(crossing.any()),
        segmenter=Tool(name="laps", version="unknown"),
    )
    return Segments(
        header,
        video,
        starts,
        ends,
        tuple(_WHY for _ in rows),
        tuple(row.label for row in rows),
        codes=tuple(row.codes for row in rows),
    )


def _latents(rows: list[_Row]) -> tuple[NDArray[np.float32], ...] | None:
    latents = tuple(row.latents for row in rows if row.latents is not None)
    return latents if len(latents) == len(rows) and len({one.shape[1] for one in latents}) == 1 else None


def _notes(path: Path, files: list[Path], rows: list[_Row], labels: list[str | None]) -> list[Problem]:
    notes = [Problem("end-unknown", str(path), "why a segment ends is not in the files: taken for a threshold",
                     None, "info")]  # fmt: skip
    empty = len(files) - len(rows)
    if empty:
        message = f"{empty} of {len(files)} files hold no codes: left out"
        notes.append(Problem("segments-without-codes", str(path), message, None, "warning"))
    alone = sum(not row.told for row in rows)
    if alone:
        message = f"{alone} of {len(rows)} files do not say which video they are of: each is taken for one of its own"
        fix = "scores per video and held-out videos mean nothing then"
        notes.append(Problem("video-unknown", str(path), message, fix, "warning"))
    latents = sum(row.latents is not None for row in rows)
    if latents > 0 and _latents(rows) is None:
        message = f"{latents} of {len(rows)} files have vectors of one width behind their codes: left out"
        notes.append(Problem("latents-left-out", str(path), message, None, "warning"))
    if labels and all(label is None for label in labels):
        message = "no folders of classes: segments have no labels"
        notes.append(Problem("no-labels", str(path), message, None, "info"))
    return notes
