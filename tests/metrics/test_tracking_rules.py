"""CLEAR by the rules of py-motmetrics: itself, a plain version of them, and each known difference by hand."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from lapsdata.metrics import tracking_scores
from tests.metrics.test_tracking_scores import FLOATS, WHOLE, rows_of
from tests.metrics.tracks_by_trackeval import boxes_of, overlaps

if TYPE_CHECKING:
    from lapsdata.metrics.tracking import Clear
    from tests.metrics.tracks_by_trackeval import Row

HERE = (0, 0, 10, 10)
FAR = (500, 0, 10, 10)


def both_rules(true: list[Row], found: list[Row], **options: Any) -> tuple[Clear, Clear]:
    sides = boxes_of({"a": true}), boxes_of({"a": found})
    each = [tracking_scores(*sides, labels="any", rules=rules, **options) for rules in ("trackeval", "py-motmetrics")]  # type: ignore[arg-type]
    return each[0].classes["any"].clear, each[1].classes["any"].clear


def plainly(true: list[Row], found: list[Row]) -> dict[str, float]:
    """Count frame by frame, by dictionaries: what is kept, then the nearest of what may be."""
    partner: dict[int, int] = {}
    seen: dict[int, list[bool]] = {}
    hits, switches, distance = 0, 0, 0.0
    for frame in range(10):
        rows, others = ([row for row in side if row[0] == frame] for side in (true, found))
        places = [np.array([row[2:6] for row in each], float).reshape(-1, 4) for each in (rows, others)]
        away = 1 - overlaps(*places)
        near = away <= 0.5
        chosen: dict[int, int] = {}
        for i, row in enumerate(rows):
            for j, other in enumerate(others):
                if partner.get(row[1]) == other[1] and near[i, j] and j not in chosen.values():
                    chosen[i] = j
        free = near.copy()
        free[list(chosen)] = False
        free[:, list(chosen.values())] = False
        if free.any():
            dear = 2 * min(free.shape) * (away[free].max() + 1) + 1
            found_ones = linear_sum_assignment(np.where(free, away, dear))
            chosen |= {int(i): int(j) for i, j in zip(*found_ones, strict=True) if free[i, j]}
        for i, j in chosen.items():
            hits += 1
            distance += away[i, j]
            switches += partner.get(rows[i][1], others[j][1]) != others[j][1]
            partner[rows[i][1]] = others[j][1]
        for i, row in enumerate(rows):
            seen.setdefault(row[1], []).append(i in chosen)
    ratios = [sum(each) / len(each) for each in seen.values()]
    begun = [sum(now > before for before, now in itertools.pairwise([False, *each])) for each in seen.values()]
    boxes = max(1, len(true))
    return {
        "CLR_TP": hits,
        "CLR_FP": len(found) - hits,
        "CLR_FN": len(true) - hits,
        "IDSW": switches,
        "MOTA": (hits - (len(found) - hits) - switches) / boxes,
        "MOTP": distance / hits if hits else math.nan,
        "MT": sum(ratio >= 0.8 for ratio in ratios),
        "PT": sum(0.2 <= ratio < 0.8 for ratio in ratios),
        "ML": sum(ratio < 0.2 for ratio in ratios),
        "Frag": sum(max(0, times - 1) for times in begun),
    }


@pytest.mark.parametrize("boxes", [FLOATS, WHOLE], ids=["any", "ties"])
@given(data=st.data())
def test_clear_by_the_rules_of_py_motmetrics(boxes: st.SearchStrategy[Any], data: st.DataObject) -> None:
    true, found = (data.draw(rows_of(boxes)) for _ in range(2))
    _, clear = both_rules(true, found)
    for name, value in plainly(true, found).items():
        assert getattr(clear, name) == pytest.approx(value, nan_ok=True), name


# In a process of its own: it imports pandas, which changes how others behave. Of overlaps it is told distances, since
# what it has for boxes does not run on NumPy 2.
PY_MOTMETRICS = """
import json, sys, warnings
warnings.simplefilter("ignore")
import motmetrics, numpy
names = json.loads(sys.argv[1])
found = []
for frames in json.load(sys.stdin):
    judge = motmetrics.MOTAccumulator(auto_id=True)
    for true, predicted, distances in frames:
        judge.update(true, predicted, numpy.array(distances, float).reshape(len(true), len(predicted)))
    found.append(motmetrics.metrics.create().compute(judge, metrics=names).iloc[0].tolist())
print(json.dumps(found))
"""
ITS_NAMES = {
    "num_switches": "IDSW",
    "num_false_positives": "CLR_FP",
    "num_misses": "CLR_FN",
    "num_fragmentations": "Frag",
    "mota": "MOTA",
    "motp": "MOTP",
    "mostly_tracked": "MT",
    "partially_tracked": "PT",
    "mostly_lost": "ML",
}


def walked(seed: int) -> tuple[list[Row], list[Row]]:
    """Walk some identities about, and track them badly: absences, exchanges, new identities, inventions."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 6))
    place, names = random.random((count, 2)) * 60, list(range(100, 100 + count))
    true: list[Row] = []
    found: list[Row] = []
    for frame in range(int(random.integers(3, 11))):
        place = place + random.normal(0, 3, place.shape)
        true += [(frame, i, *at, 20, 30) for i, at in enumerate(place.tolist()) if random.random() < 0.85]
        if count > 1 and random.random() < 0.15:
            one, other = random.choice(count, 2, replace=False).tolist()
            names[one], names[other] = names[other], names[one]
        if random.random() < 0.1:
            names[int(random.integers(count))] = 1000 + frame
        moved = (place + random.normal(0, 3, place.shape)).tolist()
        found += [(frame, name, *at, 20, 30) for name, at in zip(names, moved, strict=True) if random.random() < 0.8]
        if random.random() < 0.3:
            found.append((frame, 999, *(random.random(2) * 60).tolist(), 20, 30))
    return true, found


def told(true: list[Row], found: list[Row]) -> list[tuple[list[int], list[int], list[list[float]]]]:
    """Return identities and distances frame by frame, NaN for what may not be matched."""
    frames = []
    for frame in range(max(row[0] for row in [*true, *found]) + 1):
        sides = [[row for row in side if row[0] == frame] for side in (true, found)]
        away = 1 - overlaps(*(np.array([row[2:6] for row in side], float).reshape(-1, 4) for side in sides))
        ids = [[int(row[1]) for row in side] for side in sides]
        frames.append((*ids, np.where(away <= 0.5, away, np.nan).tolist()))
    return frames


def test_py_motmetrics_itself_counts_so() -> None:
    pairs = [walked(seed) for seed in range(60)]
    command = [sys.executable, "-c", PY_MOTMETRICS, json.dumps(list(ITS_NAMES))]
    asked = json.dumps([told(*pair) for pair in pairs])
    answer = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    switches = 0
    for pair, values in zip(pairs, json.loads(answer.stdout), strict=True):
        _, clear = both_rules(*pair)
        switches += clear.IDSW
        for name, value in zip(ITS_NAMES.values(), values, strict=True):
            assert getattr(clear, name) == pytest.approx(value, abs=1e-9, nan_ok=True), (name, pair)
    assert switches > 10


def test_four_of_five_frames_are_mostly_tracked_for_py_motmetrics_alone() -> None:
    true = [(frame, 1, *HERE) for frame in range(5)]
    ours, theirs = both_rules(true, true[:4])
    assert (ours.MT, ours.PT) == (0, 1)
    assert (theirs.MT, theirs.PT) == (1, 0)


def test_precision_of_place_is_a_distance() -> None:
    ours, theirs = both_rules([(0, 1, *HERE)], [(0, 1, 0, 0, 10, 8)])
    assert pytest.approx(0.8) == ours.MOTP
    assert pytest.approx(0.2) == theirs.MOTP
    assert ours.mean_iou == theirs.mean_iou == pytest.approx(0.8)
    nothing = both_rules([(0, 1, *HERE)], [(0, 1, *FAR)])
    assert (nothing[0].MOTP, nothing[0].mean_iou, nothing[1].mean_iou) == (0, 0, 0)
    assert math.isnan(nothing[1].MOTP)


def test_a_partner_of_long_ago_is_kept_although_another_fits_better() -> None:
    true = [(frame, 1, *HERE) for frame in range(3)]
    found = [(0, 1, *HERE), (1, 1, *FAR), (2, 1, 0, 0, 10, 7), (2, 2, *HERE)]
    ours, theirs = both_rules(true, found)
    assert (ours.IDSW, ours.mean_iou) == (1, 1)
    assert (theirs.IDSW, theirs.mean_iou) == (0, pytest.approx(0.85))


def test_as_many_as_can_be_are_matched_first() -> None:
    # The best fit alone is worth more overlap than two poor ones, and leaves the second truth without a partner.
    true = [(0, 1, 0, 0, 10, 10), (0, 2, 0, 5, 10, 10)]
    found = [(0, 1, 0, 0.2, 10, 10), (0, 2, 0, -4.8, 10, 10)]
    ours, theirs = both_rules(true, found, threshold=0.3)
    assert (ours.CLR_TP, theirs.CLR_TP) == (1, 2)
    assert ours.MOTP_sum > theirs.MOTP_sum


def test_an_absence_is_no_fragment_for_py_motmetrics_and_a_miss_without_predictions_is_one() -> None:
    away = [(0, 1, *HERE), (1, 2, *FAR), (2, 1, *HERE)]
    assert [clear.Frag for clear in both_rules(away, away)] == [1, 0]
    true = [(frame, 1, *HERE) for frame in range(3)]
    assert [clear.Frag for clear in both_rules(true, [true[0], true[2]])] == [0, 1]


def test_only_clear_changes() -> None:
    random = np.random.default_rng(0)
    true = [(frame, i, *random.integers(0, 30, 2), 20, 20) for frame in range(6) for i in range(5)]
    found = [(frame, i, *random.integers(0, 30, 2), 20, 20) for frame in range(6) for i in range(5)]
    sides = boxes_of({"a": true}), boxes_of({"a": found})
    ours, theirs = (tracking_scores(*sides, rules=rules).classes["object"] for rules in ("trackeval", "py-motmetrics"))  # type: ignore[arg-type]
    assert ours.hota.HOTA.tolist() == theirs.hota.HOTA.tolist()
    assert ours.identity.as_trackeval() == theirs.identity.as_trackeval()
    assert ours.clear.MOTP != theirs.clear.MOTP
