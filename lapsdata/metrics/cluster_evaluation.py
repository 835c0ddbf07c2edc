"""Scores of segments whose labels only tell them apart, always beside those of labels that did not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.metrics._clock import Clock
from lapsdata.metrics._given import at_least, known_word
from lapsdata.metrics._label_chance import LabelDraws, equal_parts, of_one_label, shuffled_labels, shuffled_segments
from lapsdata.metrics._labelled import Joining, join
from lapsdata.metrics._summary import drawn_score
from lapsdata.metrics.assignment import matched_count
from lapsdata.metrics.contingency import (
    adjusted_mutual_information,
    adjusted_rand,
    normalised_mutual_information,
    v_measure,
)
from lapsdata.schema.segment_clusters import (
    ClusterScope,
    ScopedGroup,
    SegmentClusterRow,
    SegmentClusterRules,
    SegmentClusterScores,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.containers import Segments
    from lapsdata.metrics._labelled import Labelled
    from lapsdata.metrics._names import ExtraPolicy, MissingPolicy
    from lapsdata.metrics._run_table import RunTable
    from lapsdata.schema.drawn import DrawnScore
    from lapsdata.schema.label_scores import LengthPolicy
    from lapsdata.schema.segment_clusters import BackgroundTime
    from lapsdata.timebase import FrameRate

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["CLUSTER_CHANCE_ROWS", "evaluate_clusters"]

CLUSTER_CHANCE_ROWS = ("segments_shuffled", "labels_permuted", "one_cluster", "uniform_clusters")
"""The rows of chance of clusters, in their order; within videos the second is a control alone."""


def evaluate_clusters(
    truth: Segments,
    found: Segments,
    *,
    scope: ClusterScope = "video",
    activity: Mapping[str, str] | None = None,
    rate: FrameRate | None = None,
    background: Sequence[str] = ("background",),
    background_time: BackgroundTime = "as_any_label",
    length: LengthPolicy = "raise",
    missing: MissingPolicy = "raise",
    extra: ExtraPolicy = "raise",
    draws: int = 100,
    seed: int = 0,
) -> SegmentClusterScores:
    """Score found labels whose names say nothing against true ones, and the rows of chance for the same truth.

    `segments_shuffled` puts the found segments of each video in another order, each with its label and duration.
    `labels_permuted` keeps the segments and deals their labels out anew within each video. Where clusters are matched
    within videos it is a control and not chance: a label of one segment is but a name, and another one does as well.
    `one_cluster` finds nothing: all time is of one cluster. `uniform_clusters` cuts each video into as many equal parts
    as clusters were found in it, and the first part is of the first cluster in every video, the second of the second.

    Parameters
    ----------
    truth, found : Segments
        With a label each, without overlap.
    scope : {"video", "activity", "all"}
        What clusters are matched with labels within; see `ClusterScope`.
    activity : mapping of str to str or None
        The activity of each video, for the scope of that name and no other.
    rate : FrameRate or None
        Frames per second in which labels are counted; None counts time, in whole microseconds, without AMI.
    background : sequence of str
        Labels of the truth that are no action; time without a segment is the first of them.
    background_time : {"as_any_label", "left_out"}
        Whether time that is background in the truth is scored.
    length, missing, extra
        See `evaluate_labels`.
    draws, seed : int
        Draws of the permuted row, and of what.

    Returns
    -------
    SegmentClusterScores
        With the counts of each group for the prediction.

    Raises
    ------
    SchemaError
        As `evaluate_labels`; a video without an activity (`no-activity`), activities that another scope has no use for
        (`wrong-option`), no time that is scored (`no-time`).
    LengthMismatchError
        Videos that last longer on one side.

    Examples
    --------
    >>> from lapsdata.metrics.cluster_evaluation import evaluate_clusters
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({"tea": [("pour", 2.0), ("stir", 3.0), ("pour", 1.0)]})
    >>> found = labelled_segments({"tea": [("0", 2.0), ("1", 4.0)]})
    >>> scores = evaluate_clusters(truth, found, draws=10)
    >>> [(row.name, round(row.accuracy_micro.mean, 3)) for row in scores.rows if row.kind != 'control']
    [('prediction', 0.833), ('segments_shuffled', 0.667), ('one_cluster', 0.5), ('uniform_clusters', 0.667)]
    """
    known_word(scope, "scope", ClusterScope)
    draws, seed = at_least(draws, "draws", 1), at_least(seed, "seed", 0)
    clock = Clock(rate)
    rules = SegmentClusterRules(
        scope=scope, background=tuple(background), background_time=background_time, clock=clock.word, rate=rate,
        length=length,
    )  # fmt: skip
    given = join(truth, found, Joining(clock, rules.background, length, missing, extra))
    tables = _Tables.of(given, _groups(given.names, scope, activity), left_out=background_time == "left_out")
    judged = LabelDraws("prediction", {}, given.found, kind="prediction")
    ours = tables.of_row(judged)
    rows = [_row(judged, ours, rules)]
    for row in _chance(given, scope, draws, seed):
        rows.append(_row(row, tables.of_row(row), rules, rows[0]))
    empty = len(tables.names) - len(tables.scored)
    return SegmentClusterScores(
        rules=rules,
        policies=given.policies | ({"groups_of_background_left_out": empty} if empty else {}),
        truth_digest=given.digest,
        groups=tables.groups(ours),
        rows=tuple(rows),
    )


def _groups(names: Sequence[str], scope: ClusterScope, activity: Mapping[str, str] | None) -> list[str]:
    """Return the group of each video."""
    if (scope == "activity") != (activity is not None):
        got = "none" if activity is None else f"some for scope '{scope}'"
        message = f"expected activities of videos for scope 'activity' and no other, got {got}"
        raise SchemaError(Problem("wrong-option", "activity", message))
    if activity is None:
        return list(names) if scope == "video" else ["all"] * len(names)
    missing = [name for name in names if name not in activity]
    if missing:
        raise SchemaError(
            Problem("no-activity", "activity", f"expected one of each video, got none of {listed(missing)}")
        )
    return [activity[name] for name in names]


def _chance(given: Labelled, scope: ClusterScope, draws: int, seed: int) -> Iterator[LabelDraws]:
    seeded: dict[str, JsonValue] = {"draws": draws, "seed": seed}
    yield LabelDraws("segments_shuffled", seeded, shuffled_segments(given.found, given.names, draws, seed), draws)
    permuted = shuffled_labels(given.found, given.names, draws, seed)
    yield LabelDraws("labels_permuted", seeded, permuted, draws, "control" if scope == "video" else "chance")
    yield LabelDraws("one_cluster", {}, of_one_label(given, 0))
    item, label = given.found.item, given.found.label
    clusters = np.bincount(np.unique(np.stack([item, label]), axis=1)[0], minlength=len(given.names))
    parts = equal_parts(given, clusters)
    place = np.arange(len(parts.item)) - np.repeat(np.cumsum(clusters) - clusters, clusters)
    yield LabelDraws("uniform_clusters", {}, parts.labelled(place, len(given.names)))


class _Tables(NamedTuple):
    """What the tables of labels beside clusters are made with, one per group and draw.

    Parameters
    ----------
    names : list of str, G
        The groups, by name.
    group : int64 (V,)
        Which group each video is of.
    truth : RunTable
        With labels numbered within each group, -1 where they are left out.
    labels : int
        Most labels of a group.
    scored : int64
        The groups with time that is scored.
    """

    names: list[str]
    group: Integers
    truth: RunTable
    labels: int
    scored: Integers

    @classmethod
    def of(cls, given: Labelled, groups: Sequence[str], *, left_out: bool) -> _Tables:
        names = sorted(set(groups))
        group = np.array([names.index(name) for name in groups], np.int64)
        kept = given.action[given.truth.label] if left_out else np.ones(len(given.truth.label), bool)
        if not kept.any():
            message = "expected time that is no background, got none"
            raise SchemaError(Problem("no-time", "truth", message, "background_time='as_any_label' scores it all"))
        numbered, _ = _numbered(group[given.truth.item][kept], given.truth.label[kept])
        label = np.full(len(kept), -1)
        label[kept] = numbered
        scored = np.unique(group[given.truth.item][kept])
        return cls(names, group, given.truth._replace(label=label), int(numbered.max()) + 1, scored)

    def of_row(self, row: LabelDraws) -> Integers:
        """Return the tables int64 (G, D, L, C) of the groups that are scored."""
        from lapsdata.metrics._label_loop import add_overlaps

        of_item = np.repeat(np.arange(len(self.group)), row.draws)
        into = self.group[of_item] * row.draws + np.tile(np.arange(row.draws), len(self.group))
        cluster, most = _numbered(self.group[of_item][row.runs.item], row.runs.label)
        tables = np.zeros((len(self.names) * row.draws, self.labels, most), np.int64)
        add_overlaps(self.truth, row.runs._replace(label=cluster), of_item, into, tables)
        return tables.reshape(len(self.names), row.draws, self.labels, most)[self.scored]

    def groups(self, tables: Integers) -> tuple[ScopedGroup, ...]:
        """Return what is said of each group; `tables` (G, 1, L, C) are the prediction's."""
        videos = np.bincount(self.group)
        return tuple(
            ScopedGroup(
                name=self.names[at],
                videos=int(videos[at]),
                counted=int(table.sum()),
                correct=matched_count(table),
                labels=int(table.any(axis=1).sum()),
                clusters=int(table.any(axis=0).sum()),
            )
            for at, table in zip(self.scored.tolist(), tables[:, 0], strict=True)
        )


def _numbered(group: Integers, label: Integers) -> tuple[Integers, int]:
    """Return the labels numbered within each group, and how many there are in the group of most."""
    width = int(label.max()) + 1
    known, place = np.unique(group * width + label, return_inverse=True)
    first = np.searchsorted(known // width, group)
    number = np.asarray(place - first, np.int64)
    return number, int(number.max()) + 1


def _row(
    row: LabelDraws, tables: Integers, rules: SegmentClusterRules, judged: SegmentClusterRow | None = None
) -> SegmentClusterRow:
    hits = np.array([[matched_count(table) for table in draws] for draws in tables])
    counted = tables.sum(axis=(-2, -1))
    v = v_measure(tables)

    def of(values: Floats, name: str) -> DrawnScore:
        return drawn_score(values, None if judged is None else getattr(judged, name))

    return SegmentClusterRow(
        name=row.name,
        kind=row.kind,
        parameters=row.parameters,
        draws=row.draws,
        accuracy_micro=of(hits.sum(axis=0) / counted.sum(axis=0), "accuracy_micro"),
        accuracy_macro=of((hits / counted).mean(axis=0), "accuracy_macro"),
        ari=of(adjusted_rand(tables).mean(axis=0), "ari"),
        ami=of(adjusted_mutual_information(tables).mean(axis=0), "ami") if rules.clock == "frames" else None,
        nmi=of(normalised_mutual_information(tables).mean(axis=0), "nmi"),
        homogeneity=of(v.homogeneity.mean(axis=0), "homogeneity"),
        completeness=of(v.completeness.mean(axis=0), "completeness"),
        v_measure=of(v.v.mean(axis=0), "v_measure"),
    )
