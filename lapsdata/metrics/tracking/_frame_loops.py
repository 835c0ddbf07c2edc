"""Loops over the frames of a sequence: overlaps, and who is matched with whom, compiled without the interpreter's lock.

`starts` are two arrays (F + 1,): true boxes of frame `f` are `starts[0][f]` to `starts[0][f + 1]`, predicted ones
likewise. Identities are numbers from 0 without gaps. Overlaps stand sparse, one row per true box: those of box `g` are
`row_start[g]` to `row_start[g + 1]` of `column` (predicted box, rising) and `iou`, all above 0. A pair is a true and a
predicted identity that overlap in some frame; `pair_of` says which pair each overlap is of.

Ties. Where several assignments are equally good, which one is taken decides about switches and HOTA. Taken is the one
that `scipy.optimize.linear_sum_assignment` takes on the full matrix of the frame: shortest augmenting paths, row by row
(Crouse 2016), free columns before taken ones, and sums in the order in which NumPy adds, to the last bit.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from lapsdata.compiling import compile_loop

__all__ = ["assign", "find_overlaps", "match_clear", "match_hota", "match_nearest", "number_pairs", "on_distractors"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Starts = tuple[Ints, Ints]
Sparse = tuple[Ints, Ints, Floats]
Span = tuple[int, int, int, int]

_loop = functools.partial(compile_loop, nogil=True)

# Below it, a number counts as none: what NumPy calls `finfo(float).eps`.
_EPS = 2.0**-52


@_loop
def in_order(values: Floats) -> float:
    """Return a sum in the order of NumPy for numbers side by side: eight by eight, and halves of more than 128."""
    count = len(values)
    if count > 128:
        half = count // 2 - (count // 2) % 8
        return in_order(values[:half]) + in_order(values[half:])
    total = 0.0
    whole = 0
    if count >= 8:
        whole = count - count % 8
        a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(0, whole, 8):
            a += values[i]
            b += values[i + 1]
            c += values[i + 2]
            d += values[i + 3]
            e += values[i + 4]
            f += values[i + 5]
            g += values[i + 6]
            h += values[i + 7]
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, count):
        total += values[i]
    return total


@_loop
def augment(cost: Floats) -> Ints:
    """Return the column of each row so that costs (n, m), n <= m, sum to the least: Crouse 2016, row by row."""
    rows, columns = cost.shape
    u, v = np.zeros(rows), np.zeros(columns)
    column_of, row_of = np.full(rows, -1), np.full(columns, -1)
    came_from, shortest = np.empty(columns, np.int64), np.empty(columns)
    open_ones, closed = np.empty(columns, np.int64), np.empty(columns, np.int64)
    for first in range(rows):
        for j in range(columns):
            # From the last to the first: of equal free columns the last that is looked at is taken.
            open_ones[j] = columns - 1 - j
            shortest[j] = np.inf
        left, done = columns, 0
        row, sink, reached = first, -1, 0.0
        while sink == -1:
            at, lowest = -1, np.inf
            for k in range(left):
                j = open_ones[k]
                through = reached + cost[row, j] - u[row] - v[j]
                if through < shortest[j]:
                    shortest[j] = through
                    came_from[j] = row
                if shortest[j] < lowest or (shortest[j] == lowest and row_of[j] == -1):
                    lowest = shortest[j]
                    at = k
            reached = lowest
            j = open_ones[at]
            if row_of[j] == -1:
                sink = j
            else:
                row = row_of[j]
            closed[done] = j
            done += 1
            left -= 1
            open_ones[at] = open_ones[left]
        u[first] += reached
        for k in range(done):
            j = closed[k]
            if j != sink:
                u[row_of[j]] += reached - shortest[j]
            v[j] -= reached - shortest[j]
        j = sink
        while True:
            row = came_from[j]
            row_of[j] = row
            column_of[row], j = j, column_of[row]
            if row == first:
                break
    return column_of


@_loop
def assign(cost: Floats) -> Ints:
    """Return the column of each row, -1 for none, so that costs (n, m) of min(n, m) pairs sum to the least."""
    rows, columns = cost.shape
    if rows <= columns:
        return augment(cost)
    found = np.full(rows, -1)
    row_of = augment(cost.T)
    for j in range(columns):
        found[row_of[j]] = j
    return found


@_loop
def overlaps_of(true: Floats, found: Floats, begin: int, end: int, column: Ints, iou: Floats, count: int) -> int:
    """Write the overlaps above 0 of a box (4,) with those of `found[begin:end]` where there is room; return their end.

    Intersection over union; 0 where a box is empty.
    """
    left, top = true[0], true[1]
    right, below = left + true[2], top + true[3]
    # From the corners, not from w and h: the last bit decides at a threshold.
    area = (right - left) * (below - top)
    for p in range(begin, end):
        start, high = found[p, 0], found[p, 1]
        far, low = start + found[p, 2], high + found[p, 3]
        width = min(right, far) - max(left, start)
        height = min(below, low) - max(top, high)
        if width > 0 and height > 0:
            other = (far - start) * (low - high)
            inner = width * height
            if area > _EPS and other > _EPS and inner > 0:
                if count < len(column):
                    column[count] = p
                    iou[count] = inner / (area + other - inner)
                count += 1
    return count


@_loop
def bounds(starts: Starts, frame: int) -> Span:
    """Return where the true boxes of a frame begin and end, and where the predicted ones do."""
    return starts[0][frame], starts[0][frame + 1], starts[1][frame], starts[1][frame + 1]


@_loop
def find_overlaps(starts: Starts, true: Floats, found: Floats) -> Sparse:
    """Return `row_start`, `column` and `iou` of boxes (n, 4) and (m, 4), frame by frame."""
    row_start = np.zeros(len(true) + 1, np.int64)
    column, iou = np.empty(0, np.int64), np.empty(0)
    # Once to count them, and once to keep them.
    for _ in range(2):
        count = 0
        for frame in range(len(starts[0]) - 1):
            first, last, begin, end = bounds(starts, frame)
            for g in range(first, last):
                count = overlaps_of(true[g], found, begin, end, column, iou, count)
                row_start[g + 1] = count
        if len(column) < count:
            column, iou = np.empty(count, np.int64), np.empty(count)
    return row_start, column, iou


@_loop
def number_pairs(
    true_id: Ints, true_ids: int, found_id: Ints, found_ids: int, row_start: Ints, column: Ints
) -> tuple[Ints, Ints, Ints]:
    """Return `pair_of (overlaps,)`, `pair_start (true_ids + 1,)` and `pair_found (pairs,)`: pairs by true identity."""
    start = np.zeros(true_ids + 1, np.int64)
    for g in range(len(true_id)):
        start[true_id[g] + 1] += 1
    for i in range(true_ids):
        start[i + 1] += start[i]
    place = start[:-1].copy()
    box = np.empty(len(true_id), np.int64)
    for g in range(len(true_id)):
        box[place[true_id[g]]] = g
        place[true_id[g]] += 1
    pair_of, pair_start = np.empty(len(column), np.int64), np.zeros(true_ids + 1, np.int64)
    pair_found = np.empty(len(column), np.int64)
    last, number = np.full(found_ids, -1), np.empty(found_ids, np.int64)
    count = 0
    for i in range(true_ids):
        for k in range(start[i], start[i + 1]):
            for s in range(row_start[box[k]], row_start[box[k] + 1]):
                other = found_id[column[s]]
                if last[other] != i:
                    last[other] = i
                    number[other] = count
                    pair_found[count] = other
                    count += 1
                pair_of[s] = number[other]
        pair_start[i + 1] = count
    return pair_of, pair_start, pair_found[:count].copy()


@_loop
def spread(values: Floats, sparse: Sparse, span: Span) -> Floats:
    """Return the full matrix of a frame from values that stand sparse, zeros where nothing does."""
    row_start, column, _ = sparse
    first, last, begin, end = span
    full = np.zeros((last - first, end - begin))
    for g in range(first, last):
        for s in range(row_start[g], row_start[g + 1]):
            full[g - first, column[s] - begin] = values[s]
    return full


@_loop
def on_distractors(starts: Starts, sparse: Sparse, distractor: Bools, least: float, out: Bools) -> None:
    """Mark in `out` the predicted boxes that are matched with a distractor where all true boxes are matched."""
    iou = sparse[2]
    enough = np.where(iou >= least - _EPS, iou, 0.0)
    for frame in range(len(starts[0]) - 1):
        span = bounds(starts, frame)
        first, last, begin, end = span
        if first == last or begin == end:
            continue
        cost = -spread(enough, sparse, span)
        chosen = assign(cost)
        for i in range(last - first):
            j = chosen[i]
            if j >= 0 and -cost[i, j] > _EPS and distractor[first + i]:
                out[begin + j] = True


@_loop
def alignments(starts: Starts, sparse: Sparse, pair_of: Ints, together: Ints) -> Floats:
    """Return how well the identities of each pair are aligned over all frames, from 0 to 1.

    `together (pairs,)` is in how many frames the one and in how many the other stands, summed.
    """
    row_start, column, iou = sparse
    soft = np.zeros(len(together))
    for frame in range(len(starts[0]) - 1):
        span = bounds(starts, frame)
        first, last, begin, end = span
        if first == last or begin == end:
            continue
        full = spread(iou, sparse, span)
        down = np.zeros(end - begin)
        if end - begin == 1:
            down[0] = in_order(full[:, 0].copy())
        else:
            for i in range(last - first):
                down += full[i]
        for i in range(last - first):
            across = in_order(full[i])
            for s in range(row_start[first + i], row_start[first + i + 1]):
                every = down[column[s] - begin] + across - iou[s]
                if every > _EPS:
                    soft[pair_of[s]] += iou[s] / every
    return soft / (together - soft)


@_loop
def match_hota(starts: Starts, sparse: Sparse, pair_of: Ints, together: Ints, alphas: Floats) -> tuple[Ints, Floats]:
    """Return in how many frames each pair is matched at each alpha (pairs, A), and the sum of overlaps (A,)."""
    row_start, column, iou = sparse
    alignment = alignments(starts, sparse, pair_of, together)
    score = np.empty(len(iou))
    for s in range(len(iou)):
        score[s] = alignment[pair_of[s]] * iou[s]
    count = len(alphas)
    matched, total = np.zeros((len(together), count), np.int64), np.zeros(count)
    for frame in range(len(starts[0]) - 1):
        span = bounds(starts, frame)
        first, last, begin, end = span
        if first == last or begin == end:
            continue
        chosen = assign(-spread(score, sparse, span))
        for i in range(last - first):
            for s in range(row_start[first + i], row_start[first + i + 1]):
                if column[s] - begin == chosen[i]:
                    # Alphas rise: an overlap is enough for the first ones, up to some.
                    for a in range(count):
                        if iou[s] < alphas[a] - _EPS:
                            break
                        matched[pair_of[s], a] += 1
                        total[a] += iou[s]
    return matched, total


@_loop
def note_frame(
    frame: int, span: Span, chosen: Ints, full: Floats, ids: Starts, partner: Ints, series: Floats, taken: Ints
) -> None:
    """Add a frame's matches to `series (3, F)`: how many, switches, and the sum of overlaps; keep the partners.

    `taken (true boxes,)` gets the predicted box of each true one.
    """
    first, last, begin, _ = span
    for i in range(last - first):
        if chosen[i] >= 0:
            true, found = ids[0][first + i], ids[1][begin + chosen[i]]
            series[0, frame] += 1
            series[1, frame] += partner[true] >= 0 and partner[true] != found
            series[2, frame] += full[i, chosen[i]]
            partner[true] = found
            taken[first + i] = begin + chosen[i]


@_loop
def match_clear(
    starts: Starts, sparse: Sparse, ids: Starts, true_ids: int, threshold: float
) -> tuple[Floats, Ints, Ints, Ints]:
    """Return what `note_frame` notes, and per true identity frames it is tracked in and times it begins to be.

    Those are `series`, `tracked`, `begun` and `taken`, -1 where a true box is not matched.

    Partners of the frame before go first (1,000 more than any overlap is worth), then the most overlap. The frame
    before is the last one in which both sides have boxes.
    """
    row_start, column, iou = sparse
    true_id, found_id = ids
    series = np.zeros((3, len(starts[0]) - 1))
    tracked, begun, chosen_by = np.zeros(true_ids, np.int64), np.zeros(true_ids, np.int64), np.full(len(true_id), -1)
    partner, before = np.full(true_ids, -1), np.full(true_ids, -1)
    stood, standing = np.empty(true_ids, np.int64), 0
    for frame in range(len(starts[0]) - 1):
        span = bounds(starts, frame)
        first, last, begin, end = span
        if first == last or begin == end:
            continue
        full = spread(iou, sparse, span)
        cost = np.zeros(full.shape)
        for g in range(first, last):
            for s in range(row_start[g], row_start[g + 1]):
                if iou[s] >= threshold - _EPS:
                    kept = found_id[column[s]] == before[true_id[g]]
                    cost[g - first, column[s] - begin] = -(1000.0 * kept + iou[s])
        chosen = assign(cost)
        for i in range(last - first):
            if chosen[i] >= 0 and not -cost[i, chosen[i]] > _EPS:
                chosen[i] = -1
            elif chosen[i] >= 0 and before[true_id[first + i]] < 0:
                begun[true_id[first + i]] += 1
        note_frame(frame, span, chosen, full, ids, partner, series, chosen_by)
        for k in range(standing):
            before[stood[k]] = -1
        standing = 0
        for i in range(last - first):
            if chosen[i] >= 0:
                tracked[true_id[first + i]] += 1
                before[true_id[first + i]] = found_id[begin + chosen[i]]
                stood[standing] = true_id[first + i]
                standing += 1
    return series, tracked, begun, chosen_by


@_loop
def match_nearest(
    starts: Starts, sparse: Sparse, ids: Starts, true_ids: int, threshold: float
) -> tuple[Floats, Ints, Ints, Ints]:
    """Do as `match_clear`, by the rules of py-motmetrics.

    The last partner goes first, however long ago it was, box by box; what is left is matched so that as many pairs as
    can be are near enough, and then with the least distance. The frame before is the last one that has the identity.
    """
    row_start, column, iou = sparse
    true_id, found_id = ids
    series = np.zeros((3, len(starts[0]) - 1))
    tracked, begun, chosen_by = np.zeros(true_ids, np.int64), np.zeros(true_ids, np.int64), np.full(len(true_id), -1)
    partner, before = np.full(true_ids, -1), np.zeros(true_ids, np.bool_)
    farthest = 1.0 - threshold
    for frame in range(len(starts[0]) - 1):
        span = bounds(starts, frame)
        first, last, begin, _ = span
        full = spread(iou, sparse, span)
        rows, columns = full.shape
        chosen, taken = np.full(rows, -1), np.zeros(columns, np.bool_)
        for g in range(first, last):
            for s in range(row_start[g], row_start[g + 1]):
                j = column[s] - begin
                kept = partner[true_id[g]] == found_id[column[s]]
                if kept and not taken[j] and 1.0 - iou[s] <= farthest:
                    chosen[g - first] = j
                    taken[j] = True
        open_pairs, greatest = np.zeros((rows, columns), np.bool_), 0.0
        for g in range(first, last):
            for s in range(row_start[g], row_start[g + 1]):
                j = column[s] - begin
                if chosen[g - first] < 0 and not taken[j] and 1.0 - iou[s] <= farthest:
                    open_pairs[g - first, j] = True
                    greatest = max(greatest, 1.0 - iou[s])
        if open_pairs.any():
            # So dear that one more pair that may be is worth any distance.
            dear = 2.0 * min(rows, columns) * (greatest + 1.0) + 1.0
            nearest = assign(np.where(open_pairs, 1.0 - full, dear))
            for i in range(rows):
                if nearest[i] >= 0 and open_pairs[i, nearest[i]]:
                    chosen[i] = nearest[i]
        note_frame(frame, span, chosen, full, ids, partner, series, chosen_by)
        for i in range(rows):
            true = true_id[first + i]
            begun[true] += chosen[i] >= 0 and not before[true]
            before[true] = chosen[i] >= 0
            tracked[true] += before[true]
    return series, tracked, begun, chosen_by
