"""Predictions made of a truth, with as much noise of each kind as is told: what scores must find is known exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers import Boxes
from lapsdata.containers.boxes import annotated_frames
from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.provenance import provenance
from lapsdata.testing.scene_plan import random_stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.schema.base import Provenance

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["BoxNoise", "NoisyBoxes", "noisy_boxes"]

# Frames that a false box stays for at most, and places that are tried for one before there is said to be no room.
_STAYS, _TRIES = 8, 1000
_COLUMNS = ("sequence", "frame", "id", "xywh")
# Decimals of a place that was moved, in pixels.
_DECIMALS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxNoise:
    """What was done to a truth, counted.

    Parameters
    ----------
    boxes : int
        True boxes that count: in annotated frames, and not to be ignored.
    removed : int
        Those that are missing.
    added : int
        False boxes; they overlap no true box and no other false one.
    exchanges : int
        How often two neighbours have exchanged their identities.
    switches : int
        How often a true track is called another than before, in those of its boxes that can be matched.
    lost : int
        Boxes that were moved so far that they overlap their own true box by less than the threshold.
    overlap : float
        Mean overlap of the others with their own true box; 0 where there is none.
    ambiguous : int
        Boxes that overlap a true box other than their own by the threshold: what they are matched with is the choice of
        whoever scores them, and the counts are no promise. 0 where all is determined.

    Examples
    --------
    >>> noise = BoxNoise(
    ...     boxes=90, removed=9, added=4, exchanges=1, switches=2, lost=1, overlap=0.9, ambiguous=0
    ... )
    >>> noise.counts
    {'CLR_TP': 80, 'CLR_FN': 10, 'CLR_FP': 5, 'IDSW': 2}
    """

    boxes: int
    removed: int
    added: int
    exchanges: int
    switches: int
    lost: int
    overlap: float
    ambiguous: int

    @property
    def counts(self) -> dict[str, int]:
        """What CLEAR counts, by TrackEval's names."""
        missed = self.removed + self.lost
        false = self.added + self.lost
        return {"CLR_TP": self.boxes - missed, "CLR_FN": missed, "CLR_FP": false, "IDSW": self.switches}


class NoisyBoxes(NamedTuple):
    """Predictions, and the noise that is in them.

    Parameters
    ----------
    boxes : Boxes
    noise : BoxNoise
    """

    boxes: Boxes
    noise: BoxNoise


class _Rows(NamedTuple):
    """Boxes by sequence and frame: true ones that count, or false ones."""

    sequence: Integers
    frame: Integers
    id: Integers
    xywh: Floats
    label: list[str]


def noisy_boxes(
    truth: Boxes,
    *,
    missing: float = 0.0,
    false: float = 0.0,
    swapped: float = 0.0,
    jitter_px: float = 0.0,
    seed: int = 0,
    source: str = "tracker",
    threshold: float = 0.5,
) -> NoisyBoxes:
    """Return the predictions of a tracker that makes so many mistakes, and what scores must find in them.

    Each kind of noise is drawn on its own: with another share of one, the others stay as they are, but for boxes that
    are missing.

    Parameters
    ----------
    truth : Boxes
        Of one source, each box with an identity.
    missing : float, 0 to 1
        Share of the true boxes that are left out.
    false : float
        False boxes, as a share of the number of true ones. They have the sizes of true boxes, stand still for up to 8
        frames, and have identities of their own.
    swapped : float, 0 to 1
        Share of the frames in which two identities are exchanged from there on, of those frames in which two of one
        label are there that were there in the frame before too; they are the nearest two.
    jitter_px : float, pixel
        Standard deviation of how far a box is moved along each axis; sizes stay.
    seed : int
    source : str
        Name of the tracker.
    threshold : float
        Overlap of a match, from which boxes are lost and ambiguous ones are told.

    Returns
    -------
    NoisyBoxes
        Boxes with scores, from 0.5 to 1, false ones from 0.3 to 0.8; nothing is predicted of true boxes that do not
        count, which are to be ignored or in frames that were not annotated.

    Raises
    ------
    SchemaError
        Shares that are none; a truth of several sources or with boxes without identity; false boxes, and no size of
        frames, no true box, or no room for so many.

    Examples
    --------
    >>> from lapsdata.testing.made_up_tracks import made_up_tracks
    >>> found, noise = noisy_boxes(made_up_tracks(), missing=0.1, false=0.05)
    >>> len(found) == noise.boxes - noise.removed + noise.added, noise.counts["IDSW"]
    (True, 0)
    """
    _check(truth, missing=missing, false=false, swapped=swapped, jitter_px=jitter_px)
    rows = _counted(truth)
    kept = np.ones(len(rows.id), bool)
    removed = round(missing * len(kept))
    kept[random_stream(seed, "missing boxes").permutation(len(kept))[:removed]] = False
    called, exchanges = _exchanged(rows, swapped, random_stream(seed, "swapped identities"))
    moved = rows.xywh.copy()
    by = random_stream(seed, "jitter").normal(0.0, jitter_px, (len(moved), 2))
    moved[:, :2] += np.round(by, _DECIMALS)
    added = _false_boxes(truth, rows, round(false * len(kept)), random_stream(seed, "false boxes"))
    overlap = _overlap(moved, rows.xywh)
    # As TrackEval has it: what is less by the last digit is enough.
    least = threshold - np.finfo(np.float64).eps
    good = kept & (overlap >= least)
    noise = BoxNoise(
        boxes=len(kept),
        removed=removed,
        added=len(added.id),
        exchanges=exchanges,
        switches=_switches(rows, called, good),
        lost=int((kept & ~good).sum()),
        overlap=float(overlap[good].mean()) if good.any() else 0.0,
        ambiguous=_ambiguous(rows, moved, kept, least),
    )
    told: dict[str, JsonValue] = {"missing": missing, "false": false, "swapped": swapped, "jitter_px": jitter_px}
    made = provenance(parameters={**told, "seed": seed})
    taken = np.flatnonzero(kept)
    true = _Rows(rows.sequence[taken], rows.frame[taken], called[taken], moved[taken], [rows.label[i] for i in taken])
    sure = _scores(len(kept), (0.5, 1.0), seed, "true scores")[taken]
    scores = np.concatenate([sure, _scores(len(added.id), (0.3, 0.8), seed, "false scores")])
    return NoisyBoxes(_together(truth, made, true, added, scores, source), noise)


def _check(truth: Boxes, **told: float) -> None:
    """Refuse shares that are none, and a truth that cannot be changed so."""
    problems = Problems("noisy_boxes")
    for name, value in told.items():
        most = 1.0 if name in ("missing", "swapped") else math.inf
        if not (0 <= value <= most and math.isfinite(value)):
            words = "from 0 to 1" if most == 1 else "from 0"
            problems.add("out-of-range", name, f"expected a number {words}, got {value:g}")
    sources = sorted(set(truth.source))
    if len(sources) > 1:
        problems.add("several-sources", "truth", f"expected boxes of one source, got {listed(sources)}", "choose one")
    bare = int((truth.id < 0).sum())
    if bare:
        problems.add("no-identity", "truth", f"expected true boxes with identities, got {bare} without")
    unsized = [one.name for one in truth.header.sequences if one.size is None]
    if told["false"] and unsized:
        message = f"expected the size of frames, where false boxes are put, got none of {listed(unsized)}"
        problems.add("no-size", "truth", message)
    problems.raise_as(SchemaError)


def _counted(truth: Boxes) -> _Rows:
    """Return the true boxes that count."""
    inside = np.zeros(len(truth), bool)
    for at, sequence in enumerate(truth.header.sequences):
        own = truth.sequence_index == at
        inside[own] = annotated_frames(sequence)[truth.frame[own]]
    rows = np.flatnonzero(inside & ~truth.ignored)
    labels = [truth.label[row] for row in rows.tolist()]
    return _Rows(truth.sequence_index[rows], truth.frame[rows], truth.id[rows], truth.xywh[rows], labels)


def _by_frame(sequence: Integers, frame: Integers) -> dict[tuple[int, int], list[int]]:
    """Return the rows of each frame that has some."""
    found: dict[tuple[int, int], list[int]] = {}
    for row, key in enumerate(zip(sequence.tolist(), frame.tolist(), strict=True)):
        found.setdefault(key, []).append(row)
    return found


def _exchanged(rows: _Rows, share: float, random: np.random.Generator) -> tuple[Integers, int]:
    """Return what each true box is called where neighbours exchange their identities, and how often they do."""
    here = _by_frame(rows.sequence, rows.frame)
    ids = {key: {int(rows.id[row]) for row in found} for key, found in here.items()}
    pairs = {}
    for (sequence, frame), found in here.items():
        before = ids.get((sequence, frame - 1), set())
        there = [row for row in found if int(rows.id[row]) in before]
        if nearest := _nearest(rows, there):
            pairs[sequence, frame] = nearest
    chosen = random.permutation(len(pairs))[: round(share * len(pairs))].tolist()
    keys = list(pairs)
    turning = {keys[at] for at in chosen}
    called, names = rows.id.copy(), dict[tuple[int, int], int]()
    for key, found in here.items():
        sequence = key[0]
        if key in turning:
            one, other = ((sequence, int(rows.id[row])) for row in pairs[key])
            names[one], names[other] = names.get(other, other[1]), names.get(one, one[1])
        for row in found:
            called[row] = names.get((sequence, int(rows.id[row])), int(rows.id[row]))
    return called, len(turning)


def _nearest(rows: _Rows, there: Sequence[int]) -> tuple[int, int] | None:
    """Return the two rows of one label whose middles are nearest."""
    middle = rows.xywh[:, :2] + rows.xywh[:, 2:] / 2
    alike = [(one, other) for one, other in combinations(there, 2) if rows.label[one] == rows.label[other]]
    return min(alike, key=lambda pair: float(np.hypot(*(middle[pair[0]] - middle[pair[1]]))), default=None)


def _false_boxes(truth: Boxes, rows: _Rows, count: int, random: np.random.Generator) -> _Rows:
    """Return false boxes that overlap nothing, each for some frames at one place."""
    frames = [
        (at, frame)
        for at, sequence in enumerate(truth.header.sequences)
        for frame in np.flatnonzero(annotated_frames(sequence)).tolist()
    ]
    if count and not len(rows.id):
        raise SchemaError(Problem("no-boxes", "truth", "expected true boxes, whose sizes false ones have, got none"))
    places = truth.xywh
    taken = {key: places[found] for key, found in _by_frame(truth.sequence_index, truth.frame).items()}
    annotated = set(frames)
    number = int(truth.id.max(initial=0))
    added: list[tuple[int, int, int, Floats, str]] = []
    tries = 0
    while len(added) < count:
        sequence, first = frames[random.integers(len(frames))]
        like = int(random.integers(len(rows.id)))
        box = _placed(truth, sequence, rows.xywh[like, 2:], random)
        last = min(first + int(random.integers(1, _STAYS + 1)), first + count - len(added))
        before = len(added)
        for frame in range(first, last):
            others = taken.get((sequence, frame), np.empty((0, 4)))
            if (sequence, frame) not in annotated or _overlap(box, others).any():
                break
            taken[sequence, frame] = np.concatenate([others, box[np.newaxis]])
            added.append((sequence, frame, number + 1, box, rows.label[like]))
        if len(added) > before:
            number, tries = number + 1, 0
        elif (tries := tries + 1) >= _TRIES:
            message = f"expected room for {count} false boxes beside the true ones, found it for {len(added)}"
            raise SchemaError(Problem("no-room", "false", message, "ask for fewer"))
    of, number_of, ids = (np.array([one[i] for one in added], np.int64) for i in range(3))
    boxes = np.array([one[3] for one in added], np.float64).reshape(-1, 4)
    return _Rows(of, number_of, ids, boxes, [one[4] for one in added])


def _placed(truth: Boxes, sequence: int, sides: Floats, random: np.random.Generator) -> Floats:
    """Return a box of these sides somewhere in a frame; a side that is longer than the frame begins at its edge."""
    size = truth.header.sequences[sequence].size
    room = np.array([0.0, 0.0] if size is None else [size.width, size.height]) - sides
    return np.concatenate([np.round(random.uniform(0.0, 1.0, 2) * np.maximum(room, 0.0), _DECIMALS) - 0.5, sides])


def _overlap(boxes: Floats, others: Floats) -> Floats:
    """Return intersection over union of boxes x, y, w, h, each with the other of its place; 0 where both are empty."""
    first = np.maximum(boxes[..., :2], others[..., :2])
    last = np.minimum(boxes[..., :2] + boxes[..., 2:], others[..., :2] + others[..., 2:])
    inner = np.maximum(last - first, 0.0).prod(axis=-1)
    union = boxes[..., 2:].prod(axis=-1) + others[..., 2:].prod(axis=-1) - inner
    share: Floats = np.divide(inner, union, out=np.zeros_like(inner), where=inner > 0)
    return share


def _switches(rows: _Rows, called: Integers, good: NDArray[np.bool_]) -> int:
    """Return how often a true track has another name than in its match before; rows stand by rising frame."""
    last: dict[tuple[int, int], int] = {}
    count = 0
    for row in np.flatnonzero(good).tolist():
        track, name = (int(rows.sequence[row]), int(rows.id[row])), int(called[row])
        count += last.get(track, name) != name
        last[track] = name
    return count


def _ambiguous(rows: _Rows, moved: Floats, kept: NDArray[np.bool_], threshold: float) -> int:
    """Return how many predicted boxes could be matched with a true box of their label that is not their own."""
    count = 0
    for found in _by_frame(rows.sequence, rows.frame).values():
        near = _overlap(moved[found, np.newaxis], rows.xywh[np.newaxis, found]) >= threshold
        np.fill_diagonal(near, val=False)
        labels = np.array([rows.label[row] for row in found])
        count += int(((near & (labels[:, np.newaxis] == labels)).any(axis=1) & kept[found]).sum())
    return count


def _scores(count: int, span: tuple[float, float], seed: int, name: str) -> Floats:
    return np.round(random_stream(seed, name).uniform(*span, count), 2)


def _together(truth: Boxes, made: Provenance, true: _Rows, added: _Rows, scores: Floats, source: str) -> Boxes:
    """Return both kinds of rows as one table."""
    sequence, frame, ids, xywh = (np.concatenate([getattr(one, name) for one in (true, added)]) for name in _COLUMNS)
    order = np.lexsort((frame, sequence))
    labels = [*true.label, *added.label]
    x, y, w, h = (np.ascontiguousarray(side) for side in xywh[order].T)
    return Boxes(
        truth.header.model_copy(update={"provenance": made}),
        sequence[order],
        frame[order],
        ids[order],
        x,
        y,
        w,
        h,
        tuple(labels[row] for row in order.tolist()),
        (source,) * len(order),
        np.zeros(len(order), bool),
        score=scores[order],
    )
