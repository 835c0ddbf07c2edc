"""Scores of labelled segments, always beside those of labels that did not look at the video."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._clock import Clock
from lapsdata.metrics._given import at_least, share
from lapsdata.metrics._label_chance import LabelDraws, chance_labels
from lapsdata.metrics._labelled import Joining, join
from lapsdata.metrics._summary import drawn_score
from lapsdata.schema.label_scores import LabelledVideo, LabelRow, LabelRules, LabelScores, OverlapScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Segments
    from lapsdata.metrics._labelled import Labelled
    from lapsdata.metrics._names import ExtraPolicy, MissingPolicy
    from lapsdata.schema.drawn import DrawnScore
    from lapsdata.schema.label_scores import LengthPolicy
    from lapsdata.timebase import FrameRate

__all__ = ["LABEL_CHANCE_ROWS", "LABEL_OVERLAPS", "LABEL_TRAIN_ROWS", "evaluate_labels"]

LABEL_OVERLAPS = (0.1, 0.25, 0.5)
"""The overlaps that are published since MS-TCN: F@10, F@25, F@50."""

LABEL_CHANCE_ROWS = ("labels_permuted", "oracle_majority_label")
"""The rows of chance of labels, in their order; the second only where no train split is given: it knows the truth's
commonest label, and is an oracle."""

LABEL_TRAIN_ROWS = ("train_majority_label", "train_position_labels", "train_copy")
"""The rows that a train split is known for."""

# Overlaps are compared as fractions of whole numbers, which int64 holds for days of microseconds.
_FINEST = 10**6


def evaluate_labels(
    truth: Segments,
    found: Segments,
    *,
    rate: FrameRate | None = None,
    overlaps: Sequence[float] = LABEL_OVERLAPS,
    background: Sequence[str] = ("background",),
    length: LengthPolicy = "raise",
    missing: MissingPolicy = "raise",
    extra: ExtraPolicy = "raise",
    train: Segments | None = None,
    draws: int = 100,
    seed: int = 0,
) -> LabelScores:
    """Score found labels against true ones, and the rows of chance for the same truth.

    `labels_permuted` keeps the found segments and deals their labels out anew within each video. Without a train split
    `oracle_majority_label` gives all time the commonest label of this very truth. With one, `train_majority_label`
    gives it that of the split, `train_position_labels` cuts each video into as many equal parts as runs were found in
    it and gives each the label that the split has there most of its time, and `train_copy` takes over the segments of
    the train video that is nearest in length.

    Parameters
    ----------
    truth, found : Segments
        With a label each, without overlap.
    rate : FrameRate or None
        Frames per second in which labels are counted, as MS-TCN does: the numbers of its programs. Times between two
        frames go to the nearer one, and are counted in `policies`. None counts time, in whole microseconds.
    overlaps : sequence of float
        Rising, above 0, up to 1, of six decimals at most.
    background : sequence of str
        Labels that are no action: left out of edit and F. Time without a segment is the first of them.
    length : {"raise", "cut", "pad"}
        See `LengthPolicy`.
    missing : {"raise", "empty"}
        What becomes of a video of the truth that `found` does not speak of.
    extra : {"raise", "leave_out"}
        What becomes of a video that `found` speaks of and the truth does not.
    train : Segments or None
        True segments of other videos.
    draws, seed : int
        Draws of the permuted row, and of what.

    Returns
    -------
    LabelScores
        With the counts of each video for the prediction, as a bootstrap over videos needs them.

    Raises
    ------
    SchemaError
        Videos that do not fit (`no-prediction`, `no-truth`, `no-common-video`, `spans-differ`, `train-in-truth`),
        segments without a label (`no-labels`) or that overlap (`overlap`), parameters that are none.
    LengthMismatchError
        Videos that last longer on one side (`length-mismatch`), both numbers in the message.

    Examples
    --------
    >>> from lapsdata.metrics.label_evaluation import evaluate_labels
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({"tea": [("pour", 2.0), ("background", 1.0), ("stir", 3.0)]})
    >>> found = labelled_segments({"tea": [("pour", 2.5), ("background", 1.0), ("stir", 2.5)]})
    >>> scores = evaluate_labels(truth, found, draws=10)
    >>> [row.name for row in scores.rows]
    ['prediction', 'labels_permuted', 'oracle_majority_label']
    >>> round(scores.rows[0].accuracy_micro.mean, 4), scores.rows[0].edit.mean, scores.rows[0].f[2].f.mean
    (0.8333, 1.0, 1.0)
    """
    shares = [Fraction(repr(share(value, f"overlaps[{i}]"))) for i, value in enumerate(overlaps)]
    if any(one.denominator > _FINEST for one in shares):
        raise SchemaError(Problem("wrong-value", "overlaps", f"expected up to six decimals, got {list(overlaps)}"))
    draws, seed = at_least(draws, "draws", 1), at_least(seed, "seed", 0)
    clock = Clock(rate)
    how = Joining(clock, tuple(background), length, missing, extra)
    rules = LabelRules(
        overlaps=tuple(map(float, overlaps)), background=how.background, clock=clock.word, rate=rate, length=length
    )
    given = join(truth, found, how, train)
    judged = LabelDraws("prediction", {}, given.found, kind="prediction")
    ours = _counted(given, judged, shares)
    rows = [_row(judged, ours, rules)]
    for row in chance_labels(given, draws, seed):
        rows.append(_row(row, _counted(given, row, shares), rules, rows[0]))
    return LabelScores(
        rules=rules,
        policies=given.policies,
        truth_digest=given.digest,
        videos=_videos(given, ours),
        rows=tuple(rows),
    )


class _Counts(NamedTuple):
    """Counts of V videos and D draws: int64 (V, D), those at an overlap (V, D, K); `counted` (V,)."""

    counted: NDArray[np.int64]
    correct: NDArray[np.int64]
    edits: NDArray[np.int64]
    longest: NDArray[np.int64]
    found: NDArray[np.int64]
    true: NDArray[np.int64]
    tp: NDArray[np.int64]


def _counted(given: Labelled, row: LabelDraws, shares: Sequence[Fraction]) -> _Counts:
    from lapsdata.metrics._label_loop import count_runs

    videos = len(given.names)
    parts = np.array([[one.numerator for one in shares], [one.denominator for one in shares]], np.int64)
    counts = np.zeros((videos * row.draws, 5 + len(shares)), np.int64)
    of_item = np.repeat(np.arange(videos), row.draws)
    count_runs(given.truth, row.runs, of_item, given.action, parts, given.clock.slack, counts)
    each = counts.reshape(videos, row.draws, -1)
    correct, edits, longest, found, true = np.moveaxis(each[..., :5], -1, 0)
    return _Counts(given.end - given.begin, correct, edits, longest, found, true, each[..., 5:])


def _row(row: LabelDraws, counts: _Counts, rules: LabelRules, judged: LabelRow | None = None) -> LabelRow:
    found, true, tp = counts.found.sum(axis=0), counts.true.sum(axis=0), counts.tp.sum(axis=0)

    def of(values: NDArray[np.float64], name: str) -> DrawnScore:
        return drawn_score(values, None if judged is None else getattr(judged, name))

    return LabelRow(
        name=row.name,
        kind=row.kind,
        parameters=row.parameters,
        draws=row.draws,
        accuracy_micro=of(counts.correct.sum(axis=0) / counts.counted.sum(), "accuracy_micro"),
        accuracy_macro=of((counts.correct / counts.counted[:, np.newaxis]).mean(axis=0), "accuracy_macro"),
        edit=of((1 - counts.edits / np.maximum(counts.longest, 1)).mean(axis=0), "edit"),
        f=tuple(
            _overlap_score(overlap, tp[:, k], found, true, None if judged is None else judged.f[k])
            for k, overlap in enumerate(rules.overlaps)
        ),
    )


def _overlap_score(
    overlap: float,
    tp: NDArray[np.int64],
    found: NDArray[np.int64],
    true: NDArray[np.int64],
    against: OverlapScore | None,
) -> OverlapScore:
    """Return the score of draws (D,) at one overlap."""

    def of(whole: NDArray[np.int64], times: int, name: str) -> DrawnScore:
        # Nothing true and nothing found: there is nothing to miss. Nothing on one side: 0.
        values = np.where(found + true == 0, 1.0, times * tp / np.maximum(whole, 1))
        return drawn_score(values, None if against is None else getattr(against, name))

    return OverlapScore(
        overlap=overlap,
        tp=float(tp.mean()),
        fp=float((found - tp).mean()),
        fn=float((true - tp).mean()),
        precision=of(found, 1, "precision"),
        recall=of(true, 1, "recall"),
        f=of(found + true, 2, "f"),
    )


def _videos(given: Labelled, counts: _Counts) -> tuple[LabelledVideo, ...]:
    begin_s, end_s = given.clock.seconds(given.begin).tolist(), given.clock.seconds(given.end).tolist()
    of_draw = [column[:, 0].tolist() for column in (counts.correct, counts.edits, counts.longest)]
    tp = counts.tp[:, 0]
    wrong = [(whole[:, :1] - tp).tolist() for whole in (counts.found, counts.true)]
    columns = zip(given.names, begin_s, end_s, counts.counted.tolist(), *of_draw, tp.tolist(), *wrong, strict=True)
    return tuple(
        LabelledVideo(
            name=name,
            start_s=start,
            end_s=end,
            counted=counted,
            correct=correct,
            edits=edits,
            longest=longest,
            tp=tuple(right),
            fp=tuple(false),
            fn=tuple(lost),
        )
        for name, start, end, counted, correct, edits, longest, right, false, lost in columns
    )
