"""Segments of LAPS (arXiv 2511.21428): `<video>_segments.json`, found or true, read and written.

What it finds lies in `<video>/segmented_videos/`, what is true in one folder; both hold `segments`, a list of spans of
one video. Times are seconds, or first and last frame, the last one being part of it, with the frames per second beside
them. Where its own resampler followed the clock of the wall, its seconds are not those of the video.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lapsdata.adapters._adapter import Adapted, Adapter, Writer
from lapsdata.adapters._pieces import Pieces, seconds_of
from lapsdata.adapters._texts import files_inside, head
from lapsdata.errors import Problem, SchemaError, whole_number
from lapsdata.formats import WriteReport
from lapsdata.formats._format import size_on_disk
from lapsdata.provenance import path_digest
from lapsdata.schema._reading import load_object
from lapsdata.schema.base import Parent
from lapsdata.storage.atomic import atomic_folder, existing, storage_errors
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Segments

__all__ = ["PLUGIN", "read", "write"]

_ENDING, _CLIPS = "_segments.json", "segmented_videos"
_PLACES = tuple(folder + "*" + _ENDING for folder in ("", f"{_CLIPS}/", f"*/{_CLIPS}/"))
# The first spelling is written; the others stand in files of its tools and ours.
_STARTS, _ENDS = ("start_sec", "start_s", "start_time", "start"), ("end_sec", "end_s", "end_time", "end")
_LENGTHS = ("duration_sec", "duration_s", "duration")
_SCORES = ("score", "mean_energy")
_FRAMES = ("start_frame", "end_frame")


def recognises(path: Path) -> str | None:
    """Return "segments" for such a file, and for a folder with such files in one of both layouts."""
    if path.is_dir():
        return "segments" if files_inside(path, *_PLACES) else None
    return "segments" if path.name.endswith(_ENDING) and '"segments"' in head(path) else None


def read(path: Path, *, rate: FrameRate | float | str | None = None) -> Adapted:
    """Read the segments of one video, or of all in a folder.

    Parameters
    ----------
    path : Path
        A file, `<folder>/<video>_segments.json` or `<folder>/<video>/segmented_videos/<video>_segments.json`.
    rate : FrameRate, number or str, optional
        Frames per second, for files that have frames and neither seconds nor `fps`: what a file says goes first.

    Returns
    -------
    Adapted
        A score is what the file calls `score` or `mean_energy`.

    Raises
    ------
    SchemaError
        No such JSON, no times or frames without a rate, a video twice: everything is named.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "S1_Tea_segments.json"
    >>> _ = path.write_text('{"duration_sec": 4.0, "segments": [{"start_sec": 0.5, "end_sec": 2.0}]}')
    >>> segments = read(path).container
    >>> segments.header.videos[0].name, segments.end_s.tolist()
    ('S1_Tea', [2.0])
    """
    given = None if rate is None else FrameRate.parse(rate)
    files = files_inside(existing(path), *_PLACES)
    pieces, rates = Pieces(path), dict[FrameRate, str]()
    seen: dict[str, Path] = {}
    for file in files:
        name = file.name.removesuffix(_ENDING)
        if name in seen:
            message = f"expected each video in one file, got '{name}' in {seen[name]} too"
            pieces.problems.add("doubled-video", str(file), message, "name the folder of one of them")
            continue
        seen[name] = file
        _add_file(file, name, given, pieces, rates)
    message = (
        "times are as LAPS has written them: where its resampler followed a clock, they are not those of the video"
    )
    pieces.note("times-as-written", message, "compare the lengths of the videos", info=True)
    alone = next(iter(rates.items())) if len(rates) == 1 else (None, None)
    # By the name of the video, which is as long as a name may be: that of its file is longer.
    made_of = [Parent(role="segments", name=name, digest=path_digest(file)) for name, file in seen.items()]
    return pieces.adapted(made_of, rate=alone[0], rate_origin=alone[1])


def _add_file(file: Path, name: str, given: FrameRate | None, pieces: Pieces, rates: dict[FrameRate, str]) -> None:
    with storage_errors(file, "read"):
        data = file.read_bytes()
    try:
        _, document = load_object(data, str(file))
    except SchemaError as error:
        pieces.problems.extend(error.problems)
        return
    rows: Any = document.get("segments")
    if not isinstance(rows, list):
        message = f"expected a list called segments, got {', '.join(document) or 'nothing'}"
        pieces.problems.add("wrong-file", str(file), message)
        return
    rate = _rate(file, document, given, pieces)
    pieces.video(name, pieces.length(f"{file}: {_LENGTHS[0]}", _first(document, _LENGTHS)))
    for number, row in enumerate(rows):
        where = f"{file}: segment {number}"
        span = _span(row, rate)
        if span is None:
            _wrong_row(where, row, pieces)
            continue
        if _first(row, _STARTS) is None and rate is not None:
            rates[rate] = "fps of the files" if "fps" in document else "told"
        label = row.get("label")
        pieces.add(where, name, *span, None if label is None else str(label), _first(row, _SCORES))


def _rate(file: Path, document: dict[str, Any], given: FrameRate | None, pieces: Pieces) -> FrameRate | None:
    own = document.get("fps")
    if own is None:
        return given
    number = seconds_of(own)
    if number is None or number <= 0:
        pieces.problems.add("wrong-rate", f"{file}: fps", f"expected frames per second above 0, got {own!r}")
        return given
    return FrameRate.parse(number)


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    return next((row[name] for name in names if row.get(name) is not None), None)


def _span(row: object, rate: FrameRate | None) -> tuple[Any, Any] | None:
    """Return start and end, in seconds where they are numbers; None where a row has neither these nor frames."""
    if not isinstance(row, dict):
        return None
    start, end = _first(row, _STARTS), _first(row, _ENDS)
    if start is not None and end is not None:
        return start, end
    first, last = (whole_number(row.get(name)) for name in _FRAMES)
    if rate is None or first is None or last is None or not 0 <= first <= last:
        return None
    return frame_to_s(first, rate), frame_to_s(last + 1, rate)


def _wrong_row(where: str, row: object, pieces: Pieces) -> None:
    if isinstance(row, dict) and set(_FRAMES) <= row.keys():
        message = "expected frames per second beside frames that rise, got none, or others"
        pieces.problems.add("no-times", where, f"{message}: {str(row)[:60]}", "give --rate")
        return
    message = f"expected {_STARTS[0]} and {_ENDS[0]}, or {' and '.join(_FRAMES)}, got {str(row)[:80]}"
    pieces.problems.add("wrong-row", where, message)


def write(path: Path, segments: Segments) -> WriteReport:
    """Write a file per video: true segments into one folder, found ones into a folder for each video.

    Parameters
    ----------
    path : Path
        A folder that is not there yet.
    segments : Segments
        Those without a segmenter in their header are taken for true ones.

    Raises
    ------
    StorageError
        Something is there, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_segments
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "out"
    >>> report = write(folder, sample_segments())
    >>> read(folder).container.end_s.tolist() == sample_segments().end_s.tolist()
    True
    """
    found = segments.header.segmenter is not None
    with atomic_folder(path) as folder:
        for video in segments.header.videos:
            place = folder / video.name / _CLIPS if found else folder
            place.mkdir(parents=True, exist_ok=True)
            document = {
                "video": video.name,
                # A video that lies before 0 s has none.
                **({"duration_sec": video.end_s} if video.end_s > 0 else {}),
                "segments": [_row(segments, row) for row in segments.of_video(video.name).tolist()],
                "source": "lapsdata",
            }
            text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
            (place / f"{video.name}{_ENDING}").write_text(text, encoding="utf-8")
    layout = f"<video>/{_CLIPS}/, as found ones lie" if found else "one folder, as true ones lie"
    notes = [Problem("layout", str(path), f"written into {layout}", None, "info")]
    late = sum(video.start_s != 0 for video in segments.header.videos)
    left = {
        "why they end": found,
        "codes": segments.codes is not None,
        "embeddings": segments.embedding is not None,
        f"where the looked-at time of {late} videos begins": late > 0,
    }
    if any(left.values()):
        named = ", ".join(name for name, there in left.items() if there)
        notes.append(Problem("left-behind", str(path), f"no place for: {named}", None, "warning"))
    return WriteReport(path, PLUGIN.name, size_on_disk(path), notes=tuple(notes))


def _row(segments: Segments, row: int) -> dict[str, Any]:
    """Return what is written of one segment."""
    told: dict[str, Any] = {_STARTS[0]: float(segments.start_s[row]), _ENDS[0]: float(segments.end_s[row])}
    if (label := segments.label[row]) is not None:
        told["label"] = label
    if segments.score is not None and (score := float(segments.score[row])) == score:
        told["score"] = score
    return told


PLUGIN = Adapter(
    "laps_segments",
    "Segments of LAPS as JSON, found or true",
    recognises,
    read,
    takes=frozenset({"rate"}),
    writer=Writer("segments", write),
)
