"""Two labellings of the same videos brought together: one vocabulary, one clock, one time of each video."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from lapsdata.containers import Segments
from lapsdata.errors import LengthMismatchError, Problem, Problems, SchemaError
from lapsdata.metrics._given import PER_S, known_word, ticks_of
from lapsdata.metrics._names import ExtraPolicy, MissingPolicy, check_names, check_train
from lapsdata.metrics._run_table import Pieces, covered
from lapsdata.schema.base import canonical_json
from lapsdata.schema.label_scores import LengthPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.metrics._clock import Clock
    from lapsdata.metrics._run_table import RunTable

    Integers = NDArray[np.int64]

__all__ = ["Joining", "Labelled", "expect_segments", "join", "segments_digest"]


@dataclass(frozen=True, slots=True)
class Joining:
    """How two labellings are brought together.

    Parameters
    ----------
    clock : Clock
    background : tuple of str
    length : {"raise", "cut", "pad"}
    missing : {"raise", "empty"}
    extra : {"raise", "leave_out"}
    """

    clock: Clock
    background: tuple[str, ...]
    length: LengthPolicy
    missing: MissingPolicy
    extra: ExtraPolicy

    def __post_init__(self) -> None:
        known_word(self.length, "length", LengthPolicy)
        known_word(self.missing, "missing", MissingPolicy)
        known_word(self.extra, "extra", ExtraPolicy)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Videos that are scored, by name.

    Parameters
    ----------
    names : tuple of str, V
    labels : tuple of str, L
        The vocabulary, by name; one more number stands for time without a segment where there is no background.
    action : bool (L + 1,)
        Which labels are no background.
    begin, end : int64 (V,), of the clock
    truth, found : RunTable
        Of V items.
    train : RunTable or None
        Of the videos of a train split.
    policies : dict of str to int
        What each policy has touched.
    digest : str
        Of the truth.
    """

    clock: Clock
    names: tuple[str, ...]
    labels: tuple[str, ...]
    action: NDArray[np.bool_]
    begin: Integers
    end: Integers
    truth: RunTable
    found: RunTable
    train: RunTable | None
    policies: dict[str, int]
    digest: str


@dataclass(frozen=True, slots=True)
class _Side:
    """Segments of some videos in one clock, before anything is cut or filled."""

    pieces: Pieces
    begin: Integers
    end: Integers
    there: NDArray[np.bool_]


def join(truth: Segments, found: Segments, how: Joining, train: Segments | None = None) -> Labelled:
    """Bring a truth, a prediction and a train split together.

    Raises
    ------
    SchemaError
        Videos on one side only, no labels, overlapping segments, a video without a frame, a scored video in `train`.
    LengthMismatchError
        Videos that last longer on one side, unless a policy is named.
    """
    sides: dict[str, Segments] = {"truth": truth, "found": found} | ({} if train is None else {"train": train})
    for role, segments in sides.items():
        expect_segments(segments, role)
        _check_labelled(segments, role)
    known = [{video.name for video in segments.header.videos} for segments in (truth, found)]
    policies = check_names(*known, missing=how.missing, extra=how.extra)
    names = tuple(sorted(known[0]))
    labels = tuple(sorted({str(label) for one in sides.values() for label in one.label} | set(how.background)))
    number = {label: at for at, label in enumerate(labels)}
    gap = number[how.background[0]] if how.background else len(labels)
    action = np.array([*(label not in how.background for label in labels), False])
    true, ours = (_side(sides[role], names, number, how.clock, role, policies) for role in ("truth", "found"))
    begin, end, pieces = _one_time(true, ours, names, gap, how, policies)
    tables = {}
    for role, one in (("truth", true.pieces), ("found", pieces)):
        tables[role], gaps = covered(one, begin, end, gap)
        policies[f"{role}_gaps_{how.clock.unit}"] = gaps
    split = None
    if train is not None:
        others = tuple(sorted(video.name for video in train.header.videos))
        check_train(names, others)
        side = _side(train, others, number, how.clock, "train", policies)
        split, policies[f"train_gaps_{how.clock.unit}"] = covered(side.pieces, side.begin, side.end, gap)
    counted = {name: count for name, count in policies.items() if count}
    digest = segments_digest(truth, names)
    return Labelled(
        how.clock, names, labels, action, begin, end, tables["truth"], tables["found"], split, counted, digest
    )


def expect_segments(given: object, role: str) -> None:
    """Refuse what is no container of segments, or holds no video."""
    if not isinstance(given, Segments):
        message = f"expected Segments, got {type(given).__name__}"
        raise SchemaError(Problem("wrong-type", role, message, "lapsdata.read opens them"))
    if not given.header.videos:
        raise SchemaError(Problem("no-videos", role, "expected at least one video, got none"))


def _check_labelled(segments: Segments, role: str) -> None:
    without = sum(label is None for label in segments.label)
    if without:
        message = f"expected a label of each segment, got {without} of {len(segments)} without"
        raise SchemaError(Problem("no-labels", role, message, "score boundaries alone, or label them"))


def segments_digest(truth: Segments, names: Sequence[str]) -> str:
    """Return the digest of videos, their times and labelled segments, whatever they are counted in."""
    start, end = ticks_of(truth.start_s).tolist(), ticks_of(truth.end_s).tolist()
    videos = {video.name: at for at, video in enumerate(truth.header.videos)}
    places = np.searchsorted(truth.video_index, np.arange(len(videos) + 1))
    said: dict[str, JsonValue] = {}
    for name in names:
        at = videos[name]
        video = truth.header.videos[at]
        rows = range(int(places[at]), int(places[at + 1]))
        span = ticks_of(np.array([video.start_s, video.end_s])).tolist()
        said[name] = [span, [[start[row], end[row], truth.label[row]] for row in rows]]
    return f"sha256:{hashlib.sha256(canonical_json(said)).hexdigest()}"


def _side(
    segments: Segments,
    names: Sequence[str],
    number: dict[str, int],
    clock: Clock,
    role: str,
    policies: dict[str, int],
) -> _Side:
    """Return the segments of the named videos; a video that is not there has no time and no segment."""
    place = {name: at for at, name in enumerate(names)}
    items = np.array([place.get(video.name, -1) for video in segments.header.videos])
    item = items[segments.video_index]
    kept = item >= 0
    times = np.stack([segments.start_s, segments.end_s])[:, kept]
    start, end = clock.ticks(times)
    label = np.array([number[str(one)] for one in segments.label], np.int64)[kept]
    order = np.argsort(item[kept], kind="stable")
    pieces = Pieces(item[kept][order], label[order], start[order], end[order])
    _check_apart(pieces, names, role)
    begin, stop = np.zeros((2, len(names)), np.int64)
    known = items >= 0
    begin[items[known]] = clock.ticks(np.array([video.start_s for video in segments.header.videos]))[known]
    stop[items[known]] = clock.ticks(np.array([video.end_s for video in segments.header.videos]))[known]
    policies[f"{role}_times_to_frames"] = clock.rounded(times)
    policies[f"{role}_without_a_frame"] = int((start == end).sum()) if clock.rate is not None else 0
    return _Side(pieces, begin, stop, np.isin(np.arange(len(names)), items))


def _check_apart(pieces: Pieces, names: Sequence[str], role: str) -> None:
    crossing = (pieces.item[1:] == pieces.item[:-1]) & (pieces.start[1:] < pieces.end[:-1])
    if crossing.any():
        video = names[int(pieces.item[1:][crossing][0])]
        message = f"expected segments that do not overlap, got {int(crossing.sum())} that begin in the one before"
        raise SchemaError(Problem("overlap", f"{role}: {video}", message, "an instant has one label here"))


def _one_time(
    true: _Side, ours: _Side, names: Sequence[str], gap: int, how: Joining, policies: dict[str, int]
) -> tuple[Integers, Integers, Pieces]:
    """Return the time of each video that is scored, and the found pieces as the policy of lengths has them."""
    begin, found_end = true.begin, np.where(ours.there, ours.end, true.end)
    _check_times(true, ours, names, how)
    end = np.minimum(true.end, found_end) if how.length == "cut" else true.end
    short = np.maximum(true.end - found_end, 0)
    unit = how.clock.unit
    policies[f"found_cut_{unit}"] = int(np.maximum(found_end - end, 0).sum())
    policies[f"truth_cut_{unit}"] = int((true.end - end).sum())
    if how.length != "pad" or not short.any():
        return begin, end, ours.pieces
    policies[f"found_padded_{unit}"] = int(short.sum())
    # What is found last goes on: a segment that lasts to its end, or else the time without one.
    runs, _ = covered(ours.pieces, begin, found_end, gap)
    longer = runs.end.copy()
    longer[runs.offset[1:] - 1] += short
    return begin, end, Pieces(runs.item, runs.label, runs.start, longer)


def _check_times(true: _Side, ours: _Side, names: Sequence[str], how: Joining) -> None:
    problems = Problems()
    unit = "frames" if how.clock.rate is not None else "s"
    for role, side in (("truth", true), ("found", ours)):
        for at in np.flatnonzero(side.there & (side.end <= side.begin)).tolist():
            message = f"expected at least one frame at {how.clock.rate}, got none"
            problems.add("no-frames", f"{role}: {names[at]}", message)
    for at in np.flatnonzero(ours.there & (true.begin != ours.begin)).tolist():
        first, other = (how.clock.seconds(side.begin[at : at + 1])[0] for side in (true, ours))
        problems.add("spans-differ", f"found: {names[at]}", f"expected a start at {first} s, got {other} s")
    problems.raise_as(SchemaError)
    if how.length == "raise":
        words = ", ".join(f"length='{word}'" for word in get_args(LengthPolicy)[1:])
        for at in np.flatnonzero(ours.there & (true.end != ours.end)).tolist():
            ends = [int(side.end[at] - side.begin[at]) for side in (true, ours)]
            wanted, got = ends if how.clock.rate is not None else [end / PER_S for end in ends]
            message = f"expected {wanted} {unit} as in the truth, got {got}"
            problems.add("length-mismatch", f"found: {names[at]}", message, f"bring both to one length, or say {words}")
    problems.raise_as(LengthMismatchError)
