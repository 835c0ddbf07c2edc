"""Scores of labels, of average precision and of clusters as plain text, each with its rows of chance and a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.console import aligned
from lapsdata.errors import listed, shown
from lapsdata.metrics._score_rows import best_of_chance, counted_in, label_rules, named_rows
from lapsdata.metrics._words import WIDTH, number, plural, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lapsdata.metrics._score_rows import NamedRow, Scores
    from lapsdata.schema.ap_scores import ApScores
    from lapsdata.schema.drawn import DrawnScore
    from lapsdata.schema.label_scores import LabelScores
    from lapsdata.schema.segment_clusters import SegmentClusterScores

    _Cells = tuple[str, ...]

__all__ = ["ap_table", "cluster_table", "label_table", "lost_to_chance"]

# What the longest name of a row takes, and what it is.
_BESIDE = 33


def label_table(scores: LabelScores) -> str:
    """Return scores of labels as text: what was counted and how, every row, and a verdict if it is due.

    Returns
    -------
    str
        Lines of up to 80 characters without a last line break. Beneath a drawn row stand the standard deviation of its
        draws, and how likely one of them reaches the prediction. `above chance` is the chance-corrected score of the
        prediction.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_labels
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({"tea": [("pour", 2.0), ("background", 1.0), ("stir", 3.0)]})
    >>> found = labelled_segments({"tea": [("pour", 3.0), ("stir", 1.0), ("background", 2.0)]})
    >>> print(label_table(evaluate_labels(truth, found, draws=20)))
    labels: 1 video, 2 true segments, 2 found
    counted in time, background 'background', length raise
    truth sha256:4c1628524794
    row                    kind        acc    macro  edit   F@10   F@25   F@50
    prediction             prediction  0.500  0.500  1.000  1.000  1.000  0.500
    labels_permuted        chance      0.442  0.442  0.600  0.650  0.650  0.425
      sd                               0.197  0.197  0.503  0.328  0.328  0.406
      p                                0.619  0.619  0.619  0.429  0.429  0.619
    oracle_majority_label  oracle      0.500  0.500  0.500  0.667  0.667  0.667
    above chance                       0.104  0.104  1.000  1.000  1.000  0.130
    above chance = (score - best chance) / (1 - best chance)
    """
    first = scores.videos
    true, found = (sum(video.tp[0] + getattr(video, name)[0] for video in first) for name in ("fn", "fp"))
    return _table(
        scores,
        f"labels: {plural(len(first), 'video')}, {plural(true, 'true segment')}, {found} found",
        label_rules(scores.rules),
    )


def ap_table(scores: ApScores) -> str:
    """Return scores of average precision as text; see `label_table`.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_ap
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({"tea": [("pour", 2.0), ("shake", 1.0), ("stir", 4.0)]})
    >>> found = labelled_segments({"tea": [("pour", 2.5), ("shake", 1.0), ("stir", 3.5)]})
    >>> print(ap_table(evaluate_ap(truth, found, draws=20)))
    average precision: 1 video, 3 true segments, 3 found
    classes agnostic, confidence score_or_duration, ties worst, edges exact
    truth sha256:0558ccb29dec
    duration_as_score: 3
    row                  kind        AP@0.5  AP@0.75  mean
    prediction           prediction  0.667   0.667    0.667
    durations_shuffled   chance      0.606   0.075    0.340
      sd                             0.092   0.127    0.075
      p                              0.667   0.048    0.048
    uniform_same_count   chance      0.444   0.111    0.278
    random_same_count    chance      0.314   0.083    0.199
      sd                             0.276   0.183    0.203
      p                              0.286   0.095    0.095
    confidence_permuted  control     0.606   0.606    0.606
      sd                             0.084   0.084    0.084
      p                              0.619   0.619    0.619
    above chance                     0.155   0.625    0.495
    above chance = (score - best chance) / (1 - best chance)
    """
    rules = scores.rules
    true = sum(one.truth for one in scores.classes)
    found = sum(one.found for one in scores.classes) + scores.unknown
    background = f", background {listed(rules.background, 9)}" if rules.background else ""
    unknown = f", {scores.unknown} of classes that the truth does not have" if scores.unknown else ""
    classes = f"classes {rules.classes}" + (f" ({len(scores.classes)})" if rules.classes == "each" else "")
    return _table(
        scores,
        f"average precision: {plural(scores.videos, 'video')}, {plural(true, 'true segment')}, {found} found" + unknown,
        f"{classes}, confidence {rules.confidence}, ties {rules.ties}, edges {rules.edges}{background}",
    )


def cluster_table(scores: SegmentClusterScores) -> str:
    """Return scores of clusters as text; see `label_table`.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_clusters
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({"tea": [("pour", 2.0), ("stir", 3.0), ("pour", 1.0)]})
    >>> found = labelled_segments({"tea": [("0", 2.0), ("1", 4.0)]})
    >>> print(cluster_table(evaluate_clusters(truth, found, draws=20)))
    clusters: 1 video in 1 group, scope video
    counted in time, background as_any_label, unmatched wrong, nmi arithmetic,
    length raise
    truth sha256:cec1ebcf4fae
    row                kind        acc    macro  ARI    AMI  NMI    V
    prediction         prediction  0.833  0.833  0.444  -    0.479  0.479
    segments_shuffled  chance      0.667  0.667  0.222  -    0.239  0.239
      sd                           0.171  0.171  0.228  -    0.246  0.246
      p                            0.524  0.524  0.524  -    0.524  0.524
    labels_permuted    control     0.833  0.833  0.444  -    0.479  0.479
      sd                           0.000  0.000  0.000  -    0.000  0.000
      p                            1.000  1.000  1.000  -    1.000  1.000
    one_cluster        chance      0.500  0.500  0.000  -    0.000  0.000
    uniform_clusters   chance      0.667  0.667  0.111  -    0.082  0.082
    above chance                   0.500  0.500  0.286  -    0.315  0.315
    above chance = (score - best chance) / (1 - best chance)
    """
    rules = scores.rules
    videos = sum(group.videos for group in scores.groups)
    return _table(
        scores,
        f"clusters: {plural(videos, 'video')} in {plural(len(scores.groups), 'group')}, scope {rules.scope}",
        f"{counted_in(rules)}, background {rules.background_time}, unmatched {rules.unmatched}, nmi {rules.nmi}, "
        f"length {rules.length}",
    )


def lost_to_chance(scores: Scores) -> str | None:
    """Return a sentence naming the scores in which the prediction is not above the best row of chance.

    Rows of kind `oracle` and `control` judge nothing. A score that is not defined is not named.

    Returns
    -------
    str or None
        None where the prediction is above every row of chance in every score.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_clusters
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth, found = ({"tea": [(word, 2.0), (word + "2", 4.0)]} for word in ("pour", "0"))
    >>> lost_to_chance(evaluate_clusters(*map(labelled_segments, (truth, found)), draws=9)) is None
    True
    >>> found = labelled_segments({"tea": [("0", 6.0)]})
    >>> lost_to_chance(evaluate_clusters(labelled_segments(truth), found, draws=9))[:75]
    'The prediction is not above chance in acc (0.667, segments_shuffled has 0.6'
    """
    lost, judged = [], named_rows(scores)[0].scores
    for name, (best, row) in best_of_chance(scores).items():
        ours = judged[name]
        if ours is not None and ours.mean <= best:
            lost.append(f"{name} ({ours.mean:.3f}, {shown(row)} has {best:.3f})")
    return f"The prediction is not above chance in {', '.join(lost)}." if lost else None


def _table(scores: Scores, *heading: str) -> str:
    rows, best = named_rows(scores), best_of_chance(scores)
    names = list(rows[0].scores)
    lines = [*heading, f"truth {scores.truth_digest[:19]}"]
    lines += [f"{name}: {count}" for name, count in sorted(scores.policies.items())]
    told = [line for given in lines for line in wrapped(given)]
    fitting = (WIDTH - _BESIDE) // (2 + max(5, *map(len, names)))
    for start in range(0, len(names), fitting):
        told += aligned(list(_cells(rows, best, names[start : start + fitting])))
    told += wrapped("above chance = (score - best chance) / (1 - best chance)")
    verdict = lost_to_chance(scores)
    return "\n".join([*told, *(wrapped(verdict) if verdict else [])])


def _cells(rows: Sequence[NamedRow], best: Mapping[str, tuple[float, str]], names: Sequence[str]) -> Iterator[_Cells]:
    yield ("row", "kind", *names)
    for row in rows:
        each = [row.scores[name] for name in names]
        yield (row.name, row.kind, *(number(one.mean if one else None) for one in each))
        for title in ("sd", "p"):
            numbers: list[float | None] = [None if one is None else getattr(one, title) for one in each]
            if any(number is not None for number in numbers):
                yield (f"  {title}", "", *map(number, numbers))
    yield ("above chance", "", *(number(_above(rows[0].scores[name], best.get(name))) for name in names))


def _above(ours: DrawnScore | None, best: tuple[float, str] | None) -> float | None:
    if ours is None or best is None or best[0] >= 1:
        return None
    return (ours.mean - best[0]) / (1 - best[0])
