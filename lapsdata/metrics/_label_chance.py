"""Labelled segments that did not look at the video: what labels that were found have to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.metrics._draws import orders
from lapsdata.metrics._run_table import Pieces, RunTable, merged
from lapsdata.metrics.chance import uniform_boundaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.metrics._labelled import Labelled
    from lapsdata.schema.drawn import RowKind

    Integers = NDArray[np.int64]

__all__ = [
    "LabelDraws",
    "Parts",
    "chance_labels",
    "equal_parts",
    "of_one_label",
    "shuffled_labels",
    "shuffled_segments",
]


class LabelDraws(NamedTuple):
    """A row before it is scored.

    Parameters
    ----------
    name : str
    parameters : dict
    runs : RunTable
        Of V x D items: the draws of the first video, then those of the next.
    draws : int
    kind : RowKind
    """

    name: str
    parameters: dict[str, JsonValue]
    runs: RunTable
    draws: int = 1
    kind: RowKind = "chance"


def chance_labels(given: Labelled, draws: int, seed: int) -> Iterator[LabelDraws]:
    """Yield the rows of chance; those that need a train split only where there is one."""
    shuffled = shuffled_labels(given.found, given.names, draws, seed)
    permuted = LabelDraws("labels_permuted", {"draws": draws, "seed": seed}, shuffled, draws)
    known: dict[str, JsonValue] = {}
    yield permuted
    if given.train is None:
        yield LabelDraws("oracle_majority_label", *_of_the_commonest(given, given.truth, known), kind="oracle")
    else:
        known["train_videos"] = len(given.train.counts)
        yield LabelDraws("train_majority_label", *_of_the_commonest(given, given.train, known))
        yield LabelDraws("train_position_labels", known, _labels_at_their_place(given, given.train))
        yield LabelDraws("train_copy", known, _copies(given, given.train))


def shuffled_labels(runs: RunTable, names: tuple[str, ...], draws: int, seed: int) -> RunTable:
    """Return draws in which the labels of each video stand in another order, its segments where they are."""
    each = []
    for item, name in enumerate(names):
        held = slice(runs.offset[item], runs.offset[item + 1])
        order = orders("labels", seed, name, draws, int(runs.counts[item]))
        sides = (np.broadcast_to(side[held], order.shape) for side in (runs.start, runs.end))
        each.append(_drawn(item, runs.label[held][order], *sides))
    return merged(Pieces(*map(np.concatenate, zip(*each, strict=True))), len(names) * draws)


def shuffled_segments(runs: RunTable, names: tuple[str, ...], draws: int, seed: int) -> RunTable:
    """Return draws in which the segments of each video stand in another order, each with its label and duration."""
    each = []
    for item, name in enumerate(names):
        held = slice(runs.offset[item], runs.offset[item + 1])
        order = orders("segments", seed, name, draws, int(runs.counts[item]))
        lasts = (runs.end - runs.start)[held][order]
        end = runs.start[runs.offset[item]] + np.cumsum(lasts, axis=1)
        each.append(_drawn(item, runs.label[held][order], end - lasts, end))
    return merged(Pieces(*map(np.concatenate, zip(*each, strict=True))), len(names) * draws)


def _drawn(item: int, label: Integers, start: Integers, end: Integers) -> Pieces:
    """Return draws (D, S) of the runs of one video as pieces of D items."""
    draws, count = label.shape
    draw = item * draws + np.repeat(np.arange(draws), count)
    return Pieces(draw, label.ravel(), start.ravel(), end.ravel())


class Parts(NamedTuple):
    """Equal parts of videos: item, start and end, int64 (S,) each."""

    item: Integers
    start: Integers
    end: Integers

    def labelled(self, label: Integers, items: int) -> RunTable:
        """Return their runs; where a video has fewer frames than parts some last none, and are left out."""
        return _nonempty(Pieces(self.item, label, self.start, self.end), items)


def equal_parts(given: Labelled, counts: Integers) -> Parts:
    """Return as many equal parts of each video as `counts` (V,) says, at least one."""
    begin_s, end_s = given.clock.seconds(given.begin).tolist(), given.clock.seconds(given.end).tolist()
    edges = [
        np.concatenate([[begin], given.clock.ticks(uniform_boundaries((low, high), count - 1)), [end]])
        for begin, end, low, high, count in zip(given.begin, given.end, begin_s, end_s, counts.tolist(), strict=True)
    ]
    start, end = (np.concatenate(side) for side in ([one[:-1] for one in edges], [one[1:] for one in edges]))
    return Parts(np.repeat(np.arange(len(edges)), counts), start, end)


def of_one_label(given: Labelled, label: int) -> RunTable:
    """Return all time as one run of one label."""
    videos = np.arange(len(given.names))
    return merged(Pieces(videos, np.full(len(videos), label), given.begin, given.end), len(videos))


def _of_the_commonest(
    given: Labelled, known: RunTable, said: dict[str, JsonValue]
) -> tuple[dict[str, JsonValue], RunTable]:
    """Return all time with the label that has most of the known time, of equals the first by name."""
    label = int(np.bincount(known.label, known.end - known.start, len(given.labels) + 1).argmax())
    named = given.labels[label] if label < len(given.labels) else None
    return said | {"label": named}, of_one_label(given, label)


def _labels_at_their_place(given: Labelled, train: RunTable) -> RunTable:
    """Return equal parts, each with the label that the train videos have there most of their time.

    Places are shares of a video's duration, and every train video counts alike; of equals the first by name.
    """
    length = train.lengths()[train.item]
    begin = train.start[train.offset[:-1]][train.item]
    low, high = (train.start - begin) / length, (train.end - begin) / length
    known: dict[int, NDArray[np.int64]] = {}
    for count in np.unique(given.found.counts).tolist():
        # The share of time before each edge of the parts that each run has.
        before = np.clip(np.arange(count + 1)[:, np.newaxis] / count, low, high) - low
        held = np.zeros((count, len(given.labels) + 1))
        np.add.at(held.T, train.label, np.diff(before, axis=0).T)
        # Sums that differ by their rounding alone are equal.
        known[count] = np.round(held, 9).argmax(axis=1)
    label = np.concatenate([known[count] for count in given.found.counts.tolist()])
    return equal_parts(given, given.found.counts).labelled(label, len(given.names))


def _copies(given: Labelled, train: RunTable) -> RunTable:
    """Return, for each video, the runs of the train video nearest in length, at their shares of its duration.

    Of two equally near the first by name.
    """
    lengths = train.lengths()
    each = []
    for video, (begin, end) in enumerate(zip(given.begin.tolist(), given.end.tolist(), strict=True)):
        near = int(np.abs(lengths - (end - begin)).argmin())
        held = slice(train.offset[near], train.offset[near + 1])
        first = train.start[train.offset[near]]
        edges = np.concatenate([train.start[held], train.end[held][-1:]]) - first
        low, high = given.clock.seconds(np.array([begin, end]))
        placed = given.clock.ticks(low + edges / lengths[near] * (high - low))
        each.append((np.full(len(placed) - 1, video), train.label[held], placed[:-1], placed[1:]))
    return _nonempty(Pieces(*map(np.concatenate, zip(*each, strict=True))), len(given.names))


def _nonempty(pieces: Pieces, items: int) -> RunTable:
    """Return the runs of pieces of which those may last no frame."""
    kept = pieces.end > pieces.start
    return merged(Pieces(*(column[kept] for column in pieces)), items)
