"""HOTA, CLEAR and Identity as their papers define them, with dictionaries, frame by frame: slow, and easy to follow."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.metrics.tracks_by_trackeval import Row

    Matches = list[tuple[int, int, float]]
    """True identity, predicted identity, overlap."""

__all__ = ["plain_clear", "plain_hota", "plain_identity", "plain_overlap"]

ALPHAS = [number / 20 for number in range(1, 20)]


def plain_overlap(box: Sequence[float], other: Sequence[float]) -> float:
    """Return intersection over union of two boxes x, y, w, h."""
    sides = [min(box[i] + box[i + 2], other[i] + other[i + 2]) - max(box[i], other[i]) for i in range(2)]
    inner = max(0.0, sides[0]) * max(0.0, sides[1])
    union = box[2] * box[3] + other[2] * other[3] - inner
    return inner / union if inner > 0 else 0.0


def frames_of(true: Sequence[Row], found: Sequence[Row]) -> Iterator[dict[tuple[int, int], float]]:
    """Yield the overlaps of each frame by both identities, of all boxes there."""
    for frame in sorted({row[0] for row in (*true, *found)}):
        mine, theirs = ([row for row in rows if row[0] == frame] for rows in (true, found))
        yield {(a[1], b[1]): plain_overlap(a[2:6], b[2:6]) for a in mine for b in theirs}


def best(worth: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """Return pairs, each identity once, that are worth most in sum; those that are worth nothing left out."""
    rows, columns = (sorted({pair[side] for pair in worth}) for side in (0, 1))
    table = np.array([[worth[row, column] for column in columns] for row in rows]).reshape(len(rows), len(columns))
    chosen = zip(*linear_sum_assignment(table, maximize=True), strict=True)
    return [(rows[i], columns[j]) for i, j in chosen if table[i, j] > 0]


def plain_hota(true: Sequence[Row], found: Sequence[Row]) -> dict[str, list[float]]:
    """Return HOTA and its parts at each threshold."""
    frames = list(frames_of(true, found))
    counts = Counter(row[1] for row in true), Counter(row[1] for row in found)
    soft: dict[tuple[int, int], float] = defaultdict(float)
    for worth in frames:
        for (a, b), value in worth.items():
            others = sum(v for (i, j), v in worth.items() if i == a or j == b)
            if value:
                soft[a, b] += value / others
    matched: list[Matches] = []
    for worth in frames:
        aligned = {
            (a, b): value * soft[a, b] / (counts[0][a] + counts[1][b] - soft[a, b]) for (a, b), value in worth.items()
        }
        matched.append([(a, b, worth[a, b]) for a, b in best(aligned)])
    parts: dict[str, list[float]] = defaultdict(list)
    for alpha in ALPHAS:
        hits = [hit for frame in matched for hit in frame if hit[2] >= alpha - 1e-15]
        together = Counter((a, b) for a, b, _ in hits)
        share = [together[a, b] / (counts[0][a] + counts[1][b] - together[a, b]) for a, b, _ in hits]
        tp = len(hits)
        wrong = len(true) + len(found) - 2 * tp
        det = tp / (tp + wrong) if tp + wrong else 0.0
        ass = sum(share) / tp if tp else 0.0
        parts["DetA"].append(det)
        parts["AssA"].append(ass)
        parts["HOTA"].append(math.sqrt(det * ass))
        parts["AssRe"].append(sum(together[a, b] / counts[0][a] for a, b, _ in hits) / tp if tp else 0.0)
        parts["AssPr"].append(sum(together[a, b] / counts[1][b] for a, b, _ in hits) / tp if tp else 0.0)
        parts["LocA"].append(sum(value for *_, value in hits) / tp if tp else 1.0)
        parts["HOTA_TP"].append(tp)
    return parts


def plain_clear(true: Sequence[Row], found: Sequence[Row], threshold: float = 0.5) -> dict[str, float]:
    """Return what CLEAR counts, by the rules of TrackEval."""
    last: dict[int, int] = {}
    before: dict[int, int] = {}
    tracked: Counter[int] = Counter()
    begun: Counter[int] = Counter()
    switches, overlap = 0, 0.0
    for worth in frames_of(true, found):
        if not worth:
            continue
        enough = {
            pair: 1000 * (before.get(pair[0]) == pair[1]) + value if value >= threshold - 1e-15 else 0.0
            for pair, value in worth.items()
        }
        now = dict(best(enough))
        for a, b in now.items():
            switches += last.get(a, b) != b
            overlap += worth[a, b]
            begun[a] += a not in before
        tracked.update(now.keys())
        last |= now
        before = now
    present = Counter(row[1] for row in true)
    share = {name: tracked[name] / count for name, count in present.items()}
    tp = sum(tracked.values())
    return {
        "CLR_TP": tp,
        "CLR_FN": len(true) - tp,
        "CLR_FP": len(found) - tp,
        "IDSW": switches,
        "MOTP_sum": overlap,
        "MT": sum(value > 0.8 for value in share.values()),
        "ML": sum(value < 0.2 for value in share.values()),
        "Frag": sum(times - 1 for times in begun.values()),
    }


def plain_identity(true: Sequence[Row], found: Sequence[Row], threshold: float = 0.5) -> dict[str, Any]:
    """Return what the best pairing of identities has right."""
    together: Counter[tuple[int, int]] = Counter()
    for worth in frames_of(true, found):
        together.update(pair for pair, value in worth.items() if value >= threshold)
    every = {(a, b): float(together[a, b]) for a in {row[1] for row in true} for b in {row[1] for row in found}}
    right = sum(together[pair] for pair in best(every)) if every else 0
    return {"IDTP": right, "IDFN": len(true) - right, "IDFP": len(found) - right}
