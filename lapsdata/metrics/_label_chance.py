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

__all__ = ["LabelDraws", "chance_labels", "shuffled_labels", "uniform_parts"]


class LabelDraws(NamedTuple):
    """A row before it is scored.

    Parameters
    ----------
    name : str
    parameters : dict
    runs : RunTable
        Of V x D items: the draws of the first video, then those of the next.
    draws : int
    """

    name: str
    parameters: dict[str, JsonValue]
    runs: RunTable
    draws: int = 1


def chance_labels(given: Labelled, draws: int, seed: int) -> Iterator[LabelDraws]:
    """Yield the rows of chance; those that need a train split only where there is one."""
    if given.train is None:
        label = _commonest(given.truth, len(given.labels))
        yield _of_one_label(given, "oracle_majority_label", label)
    shuffled = shuffled_labels(given.found, given.names, draws, seed)
    yield LabelDraws("labels_permuted", {"draws": draws, "seed": seed}, shuffled, draws)
    if given.train is not None:
        said: dict[str, JsonValue] = {"train_videos": len(given.train.counts)}
        yield _of_one_label(given, "train_majority_label", _commonest(given.train, len(given.labels)), said)
        yield LabelDraws("train_position_labels", said, _labels_at_their_place(given, given.train))
        yield LabelDraws("train_copy", said, _copies(given, given.train))


def shuffled_labels(runs: RunTable, names: tuple[str, ...], draws: int, seed: int) -> RunTable:
    """Return draws in which the labels of each item stand in another order, its segments where they are."""
    each = []
    for at, name in enumerate(names):
        held = slice(runs.offset[at], runs.offset[at + 1])
        count = int(runs.counts[at])
        labels = runs.label[held][orders("labels", seed, name, draws, count)]
        draw = at * draws + np.repeat(np.arange(draws), count)
        each.append((draw, labels.ravel(), np.tile(runs.start[held], draws), np.tile(runs.end[held], draws)))
    return merged(Pieces(*map(np.concatenate, zip(*each, strict=True))), len(names) * draws)


def uniform_parts(given: Labelled) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return item, start and end of equal parts of each video, as many as runs were found in it: int64 (S,) each."""
    begin_s, end_s = given.clock.seconds(given.begin).tolist(), given.clock.seconds(given.end).tolist()
    counts = given.found.counts
    edges = [
        np.concatenate([[begin], given.clock.ticks(uniform_boundaries((low, high), count - 1)), [end]])
        for begin, end, low, high, count in zip(given.begin, given.end, begin_s, end_s, counts.tolist(), strict=True)
    ]
    item = np.repeat(np.arange(len(edges)), counts)
    start, end = (np.concatenate(side) for side in ([one[:-1] for one in edges], [one[1:] for one in edges]))
    return item, start, end


def _of_one_label(
    given: Labelled, name: str, label: int, said: dict[str, JsonValue] | None = None
) -> LabelDraws:  # fmt: skip
    videos = np.arange(len(given.names))
    whole = merged(Pieces(videos, np.full(len(videos), label), given.begin, given.end), len(videos))
    named = given.labels[label] if label < len(given.labels) else None
    return LabelDraws(name, (said or {}) | {"label": named}, whole)


def _commonest(runs: RunTable, labels: int) -> int:
    """Return the label of most time, of equals the first by name."""
    return int(np.bincount(runs.label, runs.end - runs.start, labels + 1).argmax())


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
    item, start, end = uniform_parts(given)
    label = np.concatenate([known[count] for count in given.found.counts.tolist()])
    return _nonempty(Pieces(item, label, start, end), len(given.names))


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
