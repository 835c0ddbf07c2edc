"""Tracking scores as files of others: those that TrackEval writes, and a table for spreadsheets."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics.tracking import ALPHAS
from lapsdata.metrics.tracking_table import tracking_rows
from lapsdata.storage.atomic import atomic_file, refuse_existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lapsdata.schema.tracking import TrackingResult, TrackRow, TrackValues

__all__ = ["write_trackeval", "write_tracking_csv"]

# TrackEval's fields: families in the order that its program runs them, in each numbers, counts, then arrays.
_HOTA = ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA", "OWTA")
_HOTA_AT_0 = ("HOTA(0)", "LocA(0)", "HOTALocA(0)")
_HOTA_COUNTS = ("HOTA_TP", "HOTA_FN", "HOTA_FP")
_CLEAR = ("MOTA", "MOTP", "MODA", "CLR_Re", "CLR_Pr", "MTR", "PTR", "MLR", "sMOTA")
_CLEAR_MORE = ("CLR_F1", "FP_per_frame", "MOTAL", "MOTP_sum")
_CLEAR_COUNTS = ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "MT", "PT", "ML", "Frag")
_IDENTITY, _IDENTITY_COUNTS = ("IDF1", "IDR", "IDP"), ("IDTP", "IDFN", "IDFP")
_COUNTS = ("Dets", "GT_Dets", "IDs", "GT_IDs")
_REPLACE = "pass overwrite=True, --force, to replace it"
# `sMOTA` stands behind the counts in a summary.
_SUMMARY = (*_HOTA, *_HOTA_AT_0, *_CLEAR[:-1], *_CLEAR_COUNTS, "sMOTA", *_IDENTITY, *_IDENTITY_COUNTS, *_COUNTS)


def write_trackeval(folder: Path, result: TrackingResult, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Write `<tracker>/<class>_summary.txt` and `<tracker>/<class>_detailed.csv`, as TrackEval 1.3.0 does.

    Parameters
    ----------
    folder : Path
        OUTPUT_FOLDER: made where it is not there; others in it stay.
    result : TrackingResult
    overwrite : bool
        Replace such files.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    SchemaError
        CLEAR is by other rules than TrackEval's.
    StorageError
        A file exists, or may not be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> paths = write_trackeval(pathlib.Path(tempfile.mkdtemp()), evaluate_tracking(truth, {"ours": found}))
    >>> paths[0].name, paths[0].read_text().splitlines()[1][:21]
    ('player_summary.txt', '55.902 75 41.667 75 1')
    """
    if result.rules.rules != "trackeval":
        message = f"expected CLEAR by the rules of TrackEval, got those of {result.rules.rules}"
        raise SchemaError(Problem("wrong-option", "rules", message, "leave --rules out, or --trackeval"))
    files = {
        folder / row.name / name: text
        for row in result.trackers
        for label, scores in _classes(row).items()
        for name, text in ((f"{label}_summary.txt", _summary(scores)), (f"{label}_detailed.csv", _detailed(scores)))
    }
    for path in files:
        refuse_existing(path, overwrite, fix=_REPLACE)
    for path, rows in files.items():
        with storage_errors(path.parent, "make"):
            path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, overwrite=overwrite) as temporary, temporary.open("w", newline="") as stream:
            csv.writer(stream, delimiter=" " if path.suffix == ".txt" else ",").writerows(rows)
    return tuple(files)


def write_tracking_csv(path: Path, result: TrackingResult, *, overwrite: bool = False) -> None:
    """Write a line for each row, sequence and class, and for each row of a sweep; see `tracking_rows`.

    Raises
    ------
    StorageError
        It exists, or may not be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.csv"
    >>> write_tracking_csv(path, evaluate_tracking(truth, {"ours": found}))
    >>> path.read_text().splitlines()[1][:24]
    'ours,prediction,,0.5,,ra'
    """
    refuse_existing(path, overwrite, fix=_REPLACE)
    rows = tracking_rows(result)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(path, overwrite=overwrite) as temporary, temporary.open("w", newline="") as stream:
        table = csv.DictWriter(stream, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _classes(row: TrackRow) -> dict[str, dict[str, TrackValues]]:
    """Return, by class, its sequences, and `COMBINED` behind them."""
    found = {}
    for name, combined in row.classes.items():
        each = sorted((one.name, one.classes[name]) for one in row.sequences)
        found[name] = {**dict(each), "COMBINED": combined}
    if row.class_averaged is not None and row.detection_averaged is not None:
        found["cls_comb_cls_av"] = {"COMBINED": row.class_averaged}
        found["cls_comb_det_av"] = {"COMBINED": row.detection_averaged}
    return found


def _summary(scores: dict[str, TrackValues]) -> list[list[str]]:
    """Return names and values of all sequences, shares in percent."""
    combined = scores["COMBINED"]
    values = [
        str(combined.counts[name]) if name in combined.counts else f"{100 * _number(combined, name):1.5g}"
        for name in _SUMMARY
    ]
    return [list(_SUMMARY), values]


def _detailed(scores: dict[str, TrackValues]) -> list[list[Any]]:
    """Return a line of names, and one of each sequence."""
    names = ["seq", *(name for name, _ in _fields(scores["COMBINED"]))]
    return [names, *([sequence, *(value for _, value in _fields(one))] for sequence, one in scores.items())]


def _fields(one: TrackValues) -> Iterator[tuple[str, float]]:
    yield from ((name, _number(one, name)) for name in _HOTA_AT_0)
    for name in (*_HOTA, *_HOTA_COUNTS):
        values = one.by_alpha[name]  # type: ignore[index]
        # Cut and not rounded, as TrackEval does.
        yield from ((f"{name}___{int(100 * alpha)}", value) for alpha, value in zip(ALPHAS, values, strict=True))
        yield f"{name}___AUC", float(np.mean(values))
    yield from ((name, _number(one, name)) for name in (*_CLEAR, *_CLEAR_MORE))
    yield from ((name, one.counts[name]) for name in (*_CLEAR_COUNTS, "CLR_Frames"))  # type: ignore[index]
    yield from ((name, _number(one, name)) for name in _IDENTITY)
    yield from ((name, one.counts[name]) for name in (*_IDENTITY_COUNTS, *_COUNTS))  # type: ignore[index]


def _number(one: TrackValues, name: str) -> float:
    value = one.scores[name]  # type: ignore[index]
    return math.nan if value is None else value
