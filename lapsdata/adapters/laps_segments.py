"""Segments of LAPS (arXiv 2511.21428): `<video>_segments.json`, found or true, read and written.

    {"video": "S1_Tea.mp4", "video_duration_sec": 4.0, "segments": [{"start_sec": 0.5, "end_sec": 2.0}]}

True ones lie in one folder, found ones in `<video>/segmented_videos/`. These have `segmentation_params`, which become
the parameters of the segmenter, and number their segments by `label` ("segment_0"), which is no class and is left out.
Where its own resampler followed the clock of the wall, its seconds are not those of the video.

No score is in the files of LAPS: its evaluation takes the mean energy of the windows that start in a segment, or else
its duration. `score` beside a segment is an addition of ours, written and read back.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lapsdata.adapters._adapter import Adapted, Adapter, Writer
from lapsdata.adapters._pieces import Pieces
from lapsdata.adapters._texts import files_inside, head
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.formats import WriteReport
from lapsdata.formats._format import size_on_disk
from lapsdata.provenance import path_digest
from lapsdata.schema import Tool
from lapsdata.schema._reading import load_object
from lapsdata.schema.base import Parent
from lapsdata.storage.atomic import atomic_folder, existing, storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Segments

__all__ = ["PLUGIN", "read", "write"]

_ENDING, _CLIPS = "_segments.json", "segmented_videos"
_PLACES = tuple(folder + "*" + _ENDING for folder in ("", f"{_CLIPS}/", f"*/{_CLIPS}/", f"*/*/{_CLIPS}/"))
_LENGTH, _START, _END, _LABEL, _SCORE = "video_duration_sec", "start_sec", "end_sec", "label", "score"
_PARAMETERS = "segmentation_params"
_NUMBER = re.compile(r"segment_\d+", re.ASCII)


def recognises(path: Path) -> str | None:
    """Return "segments" for such a file, and for a folder with such files in one of both layouts."""
    if path.is_dir():
        return "segments" if files_inside(path, *_PLACES) else None
    return "segments" if path.name.endswith(_ENDING) and '"segments"' in head(path) else None


def read(path: Path) -> Adapted:
    """Read the segments of one video, or of all in a folder.

    Parameters
    ----------
    path : Path
        A file, or a folder of true or found ones, at most three folders above them.

    Returns
    -------
    Adapted
        Times are seconds. A video without `video_duration_sec` is unmeasured. The segmenter is `laps` where a file has
        parameters, with those in which all files agree.

    Raises
    ------
    SchemaError
        No such JSON, no times, a video twice: everything is named.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "S1_Tea_segments.json"
    >>> _ = path.write_text('{"video_duration_sec": 4.0, "segments": [{"start_sec": 0.5, "end_sec": 2.0}]}')
    >>> segments = read(path).container
    >>> segments.header.videos[0].name, segments.end_s.tolist()
    ('S1_Tea', [2.0])
    """
    pieces, numbered, parameters = Pieces(path), 0, list[dict[str, Any]]()
    seen: dict[str, Path] = {}
    for file in files_inside(existing(path), *_PLACES):
        name = file.name.removesuffix(_ENDING)
        if name in seen:
            message = f"expected each video in one file, got '{name}' in {seen[name]} too"
            pieces.problems.add("doubled-video", str(file), message, "name the folder of one of them")
            continue
        seen[name] = file
        document = _document(file, pieces)
        if document is not None:
            parameters.append(document.get(_PARAMETERS) or {})
            numbered += _add(file, name, document, pieces)
    message = f"{numbered} labels are the number of a segment (segment_0): left out"
    pieces.count("numbered-labels", numbered, message, info=True)
    message = (
        "times are as LAPS has written them: where its resampler followed a clock, they are not those of the video"
    )
    pieces.note("times-as-written", message, "compare the lengths of the videos", info=True)
    # By the name of the video, which is as long as a name may be: that of its file is longer.
    made_of = [Parent(role="segments", name=name, digest=path_digest(file)) for name, file in seen.items()]
    return pieces.adapted(made_of, segmenter=_segmenter(parameters, pieces))


def _document(file: Path, pieces: Pieces) -> dict[str, Any] | None:
    """Return what a file says; None where it is none of theirs, which is noted."""
    with storage_errors(file, "read"):
        data = file.read_bytes()
    try:
        _, document = load_object(data, str(file))
    except SchemaError as error:
        pieces.problems.extend(error.problems)
        return None
    if not isinstance(document.get("segments"), list):
        message = f"expected a list called segments, got {', '.join(document) or 'nothing'}"
    elif not isinstance(told := document.get(_PARAMETERS), dict | None):
        message = f"expected {_PARAMETERS} by name, got {str(told)[:80]}"
    else:
        return document
    pieces.problems.add("wrong-file", str(file), message)
    return None


def _add(file: Path, name: str, document: dict[str, Any], pieces: Pieces) -> int:
    """Add a video and its segments; return how many labels are numbers."""
    numbered = 0
    pieces.video(name, pieces.length(f"{file}: {_LENGTH}", document.get(_LENGTH)))
    for number, row in enumerate(document["segments"]):
        where = f"{file}: segment {number}"
        if not isinstance(row, dict) or not {_START, _END} <= row.keys():
            message = f"expected {_START} and {_END}, got {str(row)[:80]}"
            pieces.problems.add("wrong-row", where, message)
            continue
        label = None if row.get(_LABEL) is None else str(row[_LABEL])
        if label is not None and _NUMBER.fullmatch(label):
            label, numbered = None, numbered + 1
        pieces.add(where, name, row[_START], row[_END], label, row.get(_SCORE))
    return numbered


def _segmenter(parameters: list[dict[str, Any]], pieces: Pieces) -> Tool | None:
    """Return what found the segments, None where no file tells; what differs between files is left out, and noted."""
    if not any(parameters):
        return None
    first, *others = parameters
    same = {name: one for name, one in first.items() if all(name in told and told[name] == one for told in others)}
    if other := sorted(set[str]().union(*parameters) - same.keys()):
        message = f"{listed(other)} of {_PARAMETERS} differ between files: left out"
        pieces.note("parameters-differ", message, "name a file for its own", info=True)
    return Tool(name="laps", version="unknown", parameters=same)


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
                "video": f"{video.name}.mp4",
                # A video that lies before 0 s has none.
                **({_LENGTH: video.end_s} if video.end_s > 0 else {}),
                "segments": [_row(segments, row) for row in segments.of_video(video.name).tolist()],
            }
            text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
            (place / f"{video.name}{_ENDING}").write_text(text, encoding="utf-8")
    layout = f"<video>/{_CLIPS}/, as found ones lie" if found else "one folder, as true ones lie"
    notes = [Problem("layout", str(path), f"written into {layout}", None, "info")]
    late = sum(video.start_s != 0 for video in segments.header.videos)
    left = {
        "what found them and why they end": found,
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
    told: dict[str, Any] = {_START: float(segments.start_s[row]), _END: float(segments.end_s[row])}
    if (label := segments.label[row]) is not None:
        told[_LABEL] = label
    if segments.score is not None and (score := float(segments.score[row])) == score:
        told[_SCORE] = score
    return told


PLUGIN = Adapter(
    "laps_segments",
    "Segments of LAPS as JSON, found or true",
    recognises,
    read,
    takes=frozenset(),
    writer=Writer("segments", write),
)
