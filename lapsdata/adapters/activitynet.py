"""Temporal detections as ActivityNet and its followers (THUMOS, mmaction2, OpenTAD) write them: JSON, in seconds.

A truth is `{"database": {video: {"duration", "subset", "annotations": [{"segment": [start, end], "label"}]}}}`, or the
videos alone, as mmaction2 has them (there the length may be called `duration_second`). A result is
`{"results": {video: [{"segment", "label", "score"}]}}`. Segments may overlap, and one that stands twice is kept twice.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._pieces import Pieces
from lapsdata.adapters._texts import head
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.provenance import parent
from lapsdata.schema._reading import load_object
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN", "read"]

_RESULT = re.compile(r'"results"\s*:\s*\{')
_TRUTH = re.compile(r'"database"\s*:\s*\{|"duration(_second)?"\s*:')
# A task of Label Studio, which has annotations and a duration too.
_OTHERS = re.compile(r'"result"\s*:\s*\[')
_SEGMENT = re.compile(r'"segment"\s*:\s*\[|"annotations"\s*:\s*\[')
_LENGTHS = ("duration", "duration_second")
# Features and predictions are named as the files of the videos are, the data set by what YouTube calls them.
_PREFIX, _NAMED = "v_", re.compile(r"v_[\w-]{11}")


def recognises(path: Path) -> str | None:
    """Return "segments" for a JSON file that begins as a truth or a result."""
    if path.suffix != ".json":
        return None
    text = head(path)
    known = text.lstrip().startswith("{") and _SEGMENT.search(text) and (_RESULT.search(text) or _TRUTH.search(text))
    return "segments" if known and not _OTHERS.search(text) else None


def read(path: Path, *, split: str | None = None) -> Adapted:
    """Read a truth, or one subset of it, or a result.

    Parameters
    ----------
    path : Path
        A JSON file.
    split : str, optional
        Which `subset` of a truth: `training`, `validation`, `testing`.

    Returns
    -------
    Adapted
        Videos in the order of the file, those without a segment too. Where all are called `v_` and the eleven signs of
        YouTube, `v_` is taken off, so that a truth and a result speak of the same. Of a result no length is known.

    Raises
    ------
    SchemaError
        No such JSON, times or scores that are none, a subset that is not there or is asked of a result.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "result.json"
    >>> _ = path.write_text('{"results": {"a": [{"segment": [0.5, 2], "label": "surf", "score": 0.9}]}}')
    >>> segments = read(path).container
    >>> segments.label, segments.score.tolist()
    (('surf',), [0.9])
    """
    with storage_errors(existing(path), "read"):
        data = path.read_bytes()
    _, document = load_object(data, str(path))
    pieces = Pieces(path)
    results = document.get("results")
    videos: dict[str, tuple[float | None, Any]]
    if results is not None:
        _expect_no_split(path, split)
        videos = {name: (None, rows) for name, rows in _object(path, "results", results).items()}
    else:
        database: Any = document.get("database", document)
        chosen = _of_subset(path, _object(path, "database", database), split)
        videos = {name: (_length(name, video, pieces), video.get("annotations")) for name, video in chosen.items()}
    names = _names(videos, pieces)
    twice = 0
    for name, (length, rows) in videos.items():
        pieces.video(names[name], length)
        twice += _add_rows(names[name], rows, pieces, scored=results is not None)
    message = f"{twice} segments stand there more than once: kept"
    pieces.count("doubled-segments", twice, message, "each counts by itself in a score")
    return pieces.adapted([parent("annotations", path)], parameters=None if split is None else {"split": split})


def _expect_no_split(path: Path, split: str | None) -> None:
    if split is not None:
        message = f"expected no split of a result, got {split!r}: it does not say which subset a video is of"
        raise SchemaError(Problem("wrong-option", str(path), message, "name the split of the truth alone"))


def _object(path: Path, where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = f"expected an object with a key per video, got {type(value).__name__}"
        raise SchemaError(Problem("wrong-file", f"{path}: {where}", message))
    return value


def _of_subset(path: Path, database: dict[str, Any], split: str | None) -> dict[str, dict[str, Any]]:
    wrong = [name for name, video in database.items() if not isinstance(video, dict)]
    if wrong:
        message = f"expected an object with annotations for each video, got others: {listed(wrong)}"
        raise SchemaError(Problem("wrong-file", str(path), message))
    if split is None:
        return database
    chosen = {name: video for name, video in database.items() if video.get("subset") == split}
    if not chosen:
        there = sorted({str(video["subset"]) for video in database.values() if "subset" in video})
        message = f"expected the subset of some videos as split, got {split!r}; there are {listed(there)}"
        raise SchemaError(Problem("no-split", str(path), message))
    return chosen


def _length(name: str, video: dict[str, Any], pieces: Pieces) -> float | None:
    told = next((video[key] for key in _LENGTHS if key in video), None)
    return pieces.length(f"{name}: duration", told)


def _names(videos: dict[str, Any], pieces: Pieces) -> dict[str, str]:
    if not all(_NAMED.fullmatch(name) for name in videos):
        return {name: name for name in videos}
    message = f"all {len(videos)} names begin with {_PREFIX!r}, as files do: it is taken off"
    pieces.note("prefix-taken-off", message, info=True)
    return {name: name.removeprefix(_PREFIX) for name in videos}


def _add_rows(video: str, rows: object, pieces: Pieces, *, scored: bool) -> int:
    """Add the segments of a video; return how many of them stand there once more."""
    if not isinstance(rows, list):
        message = f"expected a list of segments, got {type(rows).__name__}"
        pieces.problems.add("wrong-file", video, message)
        return 0
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows):
        where = f"{video}: segment {number}"
        span, label = (row.get("segment"), row.get("label")) if isinstance(row, dict) else (None, None)
        if not isinstance(span, list) or len(span) != 2 or not isinstance(label, str):
            message = f'expected {{"segment": [start, end], "label": text}}, got {str(row)[:60]}'
            pieces.problems.add("wrong-row", where, message)
            continue
        pieces.add(where, video, span[0], span[1], label, row.get("score") if scored else None)
        seen[f"{span} {label} {row.get('score')}"] += 1
    return seen.total() - len(seen)


PLUGIN = Adapter("activitynet", "Truth and results in ActivityNet's JSON", recognises, read, takes=frozenset({"split"}))
