"""Tracking scores as plain text and as rows: trackers beside what knows less, differences, and sweeps."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from lapsdata.console import aligned
from lapsdata.metrics._words import number, plural, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lapsdata.schema.tracking import TrackingResult, TrackNumbers, TrackRow

__all__ = ["tracking_rows", "tracking_table"]

_SCORES = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1")
_SHARES = {"P": "CLR_Pr", "R": "CLR_Re", "F1": "CLR_F1"}
_COUNTS = {name: name for name in ("IDSW", "Frag", "MT", "ML")} | {"TP": "CLR_TP", "FP": "CLR_FP", "FN": "CLR_FN"}
_LOSSES = ("detection", "iou", "tracking", "mota", "combined")


def tracking_table(result: TrackingResult) -> str:
    r"""Return a result as text: what was scored and how, scores, counts and losses of every row, and what was left out.

    Parameters
    ----------
    result : TrackingResult

    Returns
    -------
    str
        Lines without a last line break.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> lines = tracking_table(evaluate_tracking(truth, {"ours": found})).splitlines()
    >>> print("\n".join(" ".join(line.split()) for line in [lines[0], *lines[3:5]]))
    tracks: 1 sequence, 4 frames scored, 4 true boxes
    row HOTA DetA AssA LocA MOTA MOTP IDF1 P R F1 mean IoU
    ours 0.559 0.750 0.417 1.000 0.500 1.000 0.571 1.000 0.750 0.857 1.000
    """
    classes = result.rules.classes
    lines = list(chain(*map(wrapped, _heading(result))))
    for name in classes:
        if len(classes) > 1:
            lines.append(f"class {name}:")
        lines += _tables([(_name(row), row.classes[name]) for row in _beneath(result)])
    if len(classes) > 1:
        for title, attribute in (("mean over classes", "class_averaged"), ("all classes", "detection_averaged")):
            lines.append(f"{title}:")
            each = [(_name(row), getattr(row, attribute)) for row in _beneath(result)]
            lines += _tables(each)
    lines += _by_sequence(result)
    lines += _differences(result)
    lines += _sweep(result)
    told = chain(_left_out(result), [f"{name.replace('_', ' ')}: {count}" for name, count in result.policies.items()])
    return "\n".join([*lines, *chain(*map(wrapped, told))])


def tracking_rows(result: TrackingResult) -> list[dict[str, str | float | int | None]]:
    """Return a flat row for each tracker, sequence and class, and for each row of a sweep: what a spreadsheet takes.

    Columns are the settings that names tell, TrackEval's names, and the losses; a row of all sequences has `COMBINED`
    in the place of a sequence.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> rows = tracking_rows(evaluate_tracking(truth, {"ours": found}))
    >>> [(row["row"], row["sequence"], row["IDSW"]) for row in rows][:2]
    [('ours', 'rally', 1), ('ours', 'COMBINED', 1)]
    """
    found: list[dict[str, str | float | int | None]] = []
    settings = _settings(result)
    for row in result.rows:
        head: dict[str, str | float | int | None] = {"row": row.name, "kind": row.kind, "of": row.of}
        head |= {name: row.settings.get(name) for name in settings}
        head |= {"threshold": result.rules.threshold, "min_score": row.min_score}
        for sequence in row.sequences:
            found += [
                {**head, "sequence": sequence.name, "class": name, **_flat(one)}
                for name, one in sequence.classes.items()
            ]
        every: dict[str, TrackNumbers] = dict(row.classes)
        if row.class_averaged is not None and row.detection_averaged is not None:
            every |= {"cls_comb_cls_av": row.class_averaged, "cls_comb_det_av": row.detection_averaged}
        found += [{**head, "sequence": "COMBINED", "class": name, **_flat(one)} for name, one in every.items()]
    by_name = {row.name: row for row in result.trackers}
    for swept in result.sweep:
        head = {"row": swept.tracker, "kind": "sweep", "of": None}
        head |= {name: by_name[swept.tracker].settings.get(name) for name in settings}
        head |= {"threshold": swept.threshold, "min_score": swept.min_score, "sequence": "COMBINED"}
        found += [{**head, "class": name, **_flat(one)} for name, one in swept.classes.items()]
    return found


def _flat(numbers: TrackNumbers) -> dict[str, float | int | None]:
    losses = {f"{name}_loss": value for name, value in numbers.losses.as_json().items()}
    return {**numbers.scores, **numbers.counts, "mean_iou": numbers.mean_iou, **losses}  # type: ignore[dict-item]


def _heading(result: TrackingResult) -> Iterator[str]:
    frames, boxes = (sum(getattr(one, name) for one in result.sequences) for name in ("frames", "boxes"))
    yield (
        f"tracks: {plural(len(result.sequences), 'sequence')}, {frames} frames scored, "
        f"{plural(boxes, 'true box', 'true boxes')}"
    )
    rules = result.rules
    said = f"profile {rules.profile}, rules {rules.rules}, frames {rules.frames}, threshold {rules.threshold:g}"
    labels = (rules.labels,) if isinstance(rules.labels, str) else rules.labels or ()
    scored = f", labels {' '.join(labels)}" if labels else ""
    yield f"{said}{scored}, truth {result.truth_digest[:19]}"


def _name(row: TrackRow) -> str:
    return f"  {row.name}" if row.kind == "chance" else f"{row.name} (oracle)" if row.kind == "oracle" else row.name


def _beneath(result: TrackingResult) -> list[TrackRow]:
    """Return the rows, chance beneath its tracker."""
    trackers = [[row, *(one for one in result.rows if one.of == row.name)] for row in result.trackers]
    return [*chain(*trackers), *(row for row in result.rows if row.kind == "oracle")]


def _tables(rows: Sequence[tuple[str, TrackNumbers]]) -> list[str]:
    """Return two tables: what lies between 0 and 1, then counts and losses."""
    scores: list[tuple[str, ...]] = [("row", *_SCORES, *_SHARES, "mean IoU")]
    counts: list[tuple[str, ...]] = [("row", *_COUNTS, *(f"{name} loss" for name in _LOSSES))]
    for name, one in rows:
        shares = [number(one.scores[key]) for key in (*_SCORES, *_SHARES.values())]  # type: ignore[index]
        scores.append((name, *shares, number(one.mean_iou)))
        losses = [number(getattr(one.losses, key)) for key in _LOSSES]
        counts.append((name, *(str(one.counts[key]) for key in _COUNTS.values()), *losses))  # type: ignore[index]
    return [*aligned(scores), *aligned(counts)]


def _by_sequence(result: TrackingResult) -> list[str]:
    """Return the sequences of a single tracker."""
    row, *others = result.trackers
    if others or len(result.sequences) == 1:
        return []
    told = [("sequence", "class", *_SCORES, *(name for name in _COUNTS))]
    for sequence in row.sequences:
        for name, one in sequence.classes.items():
            shares = [number(one.scores[key]) for key in _SCORES]  # type: ignore[index]
            counts = [str(one.counts[key]) for key in _COUNTS.values()]  # type: ignore[index]
            told.append((sequence.name, name, *shares, *counts))
    return [f"{row.name}, by sequence:", *aligned(told)]


def _settings(result: TrackingResult) -> list[str]:
    """Return the settings that differ between trackers."""
    names = dict.fromkeys(name for row in result.trackers for name in row.settings)
    return [name for name in names if len({row.settings.get(name) for row in result.trackers}) > 1]


def _differences(result: TrackingResult) -> list[str]:
    if not result.differences:
        return []
    told: list[tuple[str, ...]] = [("less", "score", "difference", "95 % from", "to", "p", "higher", "equal", "lower")]
    for one in result.differences:
        interval = one.interval or (None, None)
        counts = (str(count) for count in (one.higher, one.equal, one.lower))
        told.append((one.than, one.score, f"{one.difference:+.3f}", *map(_signed, interval), number(one.p), *counts))
    head = f"{result.differences[0].tracker} less each other tracker:"
    if result.bootstrap is None:
        drawn = "One sequence: there is no interval and no p, since there is nothing to draw anew."
    else:
        drawn = (
            f"Intervals and p are of {result.bootstrap.resamples} draws of {len(result.sequences)} sequences, both "
            "trackers on the same ones; p is of each comparison alone."
        )
    return [head, *aligned(told), *wrapped(drawn)]


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _sweep(result: TrackingResult) -> list[str]:
    if not result.sweep:
        return []
    several = len(result.rules.classes) > 1
    settings = _settings(result)
    by_name = {row.name: row for row in result.trackers}
    told = [("tracker", *settings, "threshold", "min score", "left out", *(["class"] if several else []),
             *_SCORES, "P", "R", "F1", "IDSW", "combined loss")]  # fmt: skip
    for row in result.sweep:
        for name, one in row.classes.items():
            least = "-" if row.min_score is None else f"{row.min_score:g}"
            head = (row.tracker, *(_setting(by_name[row.tracker].settings.get(key)) for key in settings))
            shares = [number(one.scores[key]) for key in (*_SCORES, *_SHARES.values())]  # type: ignore[index]
            told.append(
                (*head, f"{row.threshold:g}", least, str(row.boxes_left_out), *([name] if several else []), *shares,
                 str(one.counts["IDSW"]), number(one.losses.combined))
            )  # fmt: skip
    warned = "The best row of a sweep is chosen on the truth that it is scored by: score it on another one."
    return ["sweep:", *aligned(told), *wrapped(warned)]


def _setting(value: float | str | None) -> str:
    return "-" if value is None else value if isinstance(value, str) else f"{value:g}"


def _left_out(result: TrackingResult) -> Iterator[str]:
    for row in result.trackers:
        counts = {name: count for name, count in row.left_out.as_json().items() if count}
        if counts:
            told = ", ".join(f"{count} {str(name).replace('_', ' ')}" for name, count in counts.items())
            yield f"left out of {row.name}: {told}"
