"""Files of scores: read whoever wrote them, and refused beside others that were taken in another way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.metrics.comparison import check_comparable
from lapsdata.schema.segmentation import SegmentationResult
from lapsdata.schema.tracking import TrackingResult
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.sealed_json import parse_sealed_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["check_alike", "read_scores", "read_tracking_scores"]


R = TypeVar("R", SegmentationResult, TrackingResult)


def read_tracking_scores(path: Path) -> TrackingResult | None:
    """Read scores of tracks, as `lapsdata evaluate --task mot` writes or prints them; None where it says to be others.

    Raises
    ------
    StorageError, CorruptDataError, SchemaError
        As `read_scores`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.storage.sealed_json import write_sealed_json
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ours.json"
    >>> write_sealed_json(path, evaluate_tracking(truth, {"ours": found}))
    >>> [row.name for row in read_tracking_scores(path).trackers]
    ['ours']
    """
    data, document = _read(path)
    if not isinstance(document, dict) or document.get("format") != "lapsdata.tracking_result":
        return None
    return _parsed(data, document, TrackingResult, path)


def read_scores(path: Path) -> SegmentationResult:
    """Read scores of segments, as `--out` of `lapsdata evaluate` writes them or `--json` prints them.

    Raises
    ------
    StorageError
        There is no such file, or it cannot be read.
    CorruptDataError
        It has a checksum, and is not what was written.
    SchemaError
        It holds something else.

    Examples
    --------
    >>> import pathlib
    >>> read_scores(pathlib.Path("nowhere.json"))
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere.json: cannot open: no such file or folder; check the path [not-found]
    """
    data, document = _read(path)
    return _parsed(data, document, SegmentationResult, path)


def _read(path: Path) -> tuple[bytes, Any]:
    with storage_errors(path, "open"):
        data = path.read_bytes()
    try:
        return data, json.loads(data)
    except (ValueError, RecursionError):
        return data, None


def _parsed(data: bytes, document: Any, kind: type[R], path: Path) -> R:  # noqa: ANN401 - any JSON
    printed = isinstance(document, dict) and "x-seal" not in document and "problems" in document
    if printed:
        # What a verb prints ends with what was to be said about it.
        del document["problems"]
        return kind.parse(json.dumps(document), str(path))
    return parse_sealed_json(data, kind, str(path))


def check_alike(results: Mapping[str, SegmentationResult]) -> None:
    """Refuse to compare scores that were not taken of one truth by one set of rules.

    Parameters
    ----------
    results : mapping of str to SegmentationResult
        What each is called; at least one. All are held against the first.

    Raises
    ------
    SchemaError
        Nothing to compare, or what differs, each with both values: the rules by name (`unlike-rules`), the frames per
        second of the truth (`unlike-clock`), the truth (`unlike-truth`).

    Examples
    --------
    >>> check_alike({})
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: expected at least one result, got none [nothing-to-compare]
    """
    if not results:
        raise SchemaError(Problem("nothing-to-compare", "", "expected at least one result, got none"))
    (first, reference), *others = results.items()
    problems = Problems()
    for name, result in others:
        for what, (expected, got) in _differing(reference, result).items():
            code = "unlike-clock" if what == "clock: rate" else "unlike-rules"
            problems.add(code, f"{name}: {what}", f"expected {expected!r} as in {first}, got {got!r}")
        try:
            check_comparable({first: reference.boundaries, name: result.boundaries})
        except SchemaError as error:
            problems.extend(error.problems)
        digests = [one.labels.truth_digest[:19] for one in (reference, result) if one.labels is not None]
        if len(set(digests)) > 1:
            message = f"expected {digests[0]} as in {first}, got {digests[1]}"
            problems.add("unlike-truth", f"{name}: labels: truth_digest", message)
    problems.raise_as(SchemaError)


def _differing(one: SegmentationResult, other: SegmentationResult) -> dict[str, tuple[object, object]]:
    """Return what was asked in another way, but for boundaries: by name, both values."""
    ours, theirs = _said(one), _said(other)
    # A part that one of the two does not have, as labels of unlabelled segments, is compared with nothing.
    both = ((what, ours[what], theirs[what]) for what in ours if what in theirs)
    return {what: (expected, got) for what, expected, got in both if expected != got}


def _said(result: SegmentationResult) -> dict[str, object]:
    rate = None if result.clock.rate is None else str(result.clock.rate)
    said: dict[str, object] = {"rules": result.profile, "clock: rate": rate, "split": result.split}
    parts = {"labels": result.labels, "detections": result.detections, "clusters": result.clusters}
    for part, scores in parts.items():
        rules = {} if scores is None else scores.rules.as_json()
        said |= {f"{part}: rules: {rule}": value for rule, value in rules.items()}
    return said
