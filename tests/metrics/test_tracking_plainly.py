"""Scores of tracks beside a plain version of what the papers define, and numbers that were worked out by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics import tracking_scores
from lapsdata.metrics.tracking import ALPHAS
from tests.metrics.test_tracking_scores import rows_of
from tests.metrics.tracks_by_trackeval import boxes_of, random_rows
from tests.metrics.tracks_plainly import plain_clear, plain_hota, plain_identity, plain_overlap

if TYPE_CHECKING:
    from lapsdata.metrics import TrackScores
    from tests.metrics.tracks_by_trackeval import Row

# Overlaps of their own: equally good pairs are another test's matter.
BOXES = st.tuples(*(st.floats(0, 9),) * 2, *(st.floats(1, 15),) * 2)


def scored(true: list[Row], found: list[Row]) -> TrackScores:
    return tracking_scores(boxes_of({"a": true}), boxes_of({"a": found}), labels="any").sequences["a"].classes["any"]


def spread_out(rows: list[Row], seed: int) -> list[Row]:
    """Move and stretch every box by a little, so that no two overlaps are equal."""
    random = np.random.default_rng(seed)
    return [(*row[:2], *(np.array(row[2:6]) + random.random(4) / 3).tolist()) for row in rows]


@given(rows_of(BOXES), rows_of(BOXES))
def test_counts_are_those_of_the_plain_version(true: list[Row], found: list[Row]) -> None:
    true, found = spread_out(true, 1), spread_out(found, 2)
    scores = scored(true, found)
    identity = {name: getattr(scores.identity, name) for name in ("IDTP", "IDFN", "IDFP")}
    assert identity == plain_identity(true, found)
    if true and found:
        clear = {name: getattr(scores.clear, name) for name in plain_clear(true, found)}
        assert clear == pytest.approx(plain_clear(true, found))


@given(rows_of(BOXES), rows_of(BOXES))
def test_hota_is_that_of_the_plain_version(true: list[Row], found: list[Row]) -> None:
    true, found = spread_out(true, 3), spread_out(found, 4)
    hota = scored(true, found).hota
    for name, values in plain_hota(true, found).items():
        assert getattr(hota, name) == pytest.approx(values), name


@pytest.mark.parametrize("seed", range(4))
def test_crowds_are_scored_as_the_plain_version_scores_them(seed: int) -> None:
    true = random_rows(seed, 9, 10, 40.0)
    found = [(row[0], (row[1] + row[0] // 4) % 10, *row[2:]) for row in spread_out(true, seed)]
    scores = scored(true, found)
    assert pytest.approx(plain_hota(true, found)["HOTA"]) == scores.hota.HOTA
    plain = plain_clear(true, found)
    assert {name: getattr(scores.clear, name) for name in plain} == pytest.approx(plain)
    assert plain_identity(true, found)["IDTP"] == scores.identity.IDTP
    assert scores.clear.IDSW > 3


def test_thresholds_are_nineteen() -> None:
    assert pytest.approx([number / 20 for number in range(1, 20)]) == ALPHAS
    assert not ALPHAS.flags.writeable


HERE, RIGHT = (0, 0, 10, 10), (100, 0, 10, 10)


def test_two_objects_whose_names_are_exchanged_half_way() -> None:
    true = [(frame, number, *place) for frame in range(4) for number, place in ((1, HERE), (2, RIGHT))]
    found = [(frame, (number if frame < 2 else 3 - number), *place) for frame, number, *place in true]
    scores = scored(true, found)
    # Each box is found. Each pair of names holds for 2 of the 4 + 4 - 2 frames that have one of them.
    assert scores.hota.DetA.tolist() == [1.0] * 19
    assert scores.hota.AssA == pytest.approx(np.full(19, 2 / 6))
    assert pytest.approx(np.full(19, math.sqrt(1 / 3))) == scores.hota.HOTA
    assert (scores.hota.AssRe[0], scores.hota.AssPr[0]) == (0.5, 0.5)
    assert (scores.clear.IDSW, scores.clear.MOTA, scores.clear.MT) == (2, (8 - 2) / 8, 2)
    assert pytest.approx((8 - math.log10(2)) / 8) == scores.clear.MOTAL
    assert (scores.identity.IDTP, scores.identity.IDF1) == (4, 0.5)


def test_a_track_that_is_cut_in_two() -> None:
    true = [(frame, 1, *HERE) for frame in range(5)]
    found = [(frame, 7 if frame < 3 else 8, *HERE) for frame in range(5)]
    scores = scored(true, found)
    # Three matches of 3 / 5 each, and two of 2 / 5.
    assert scores.hota.AssA == pytest.approx(np.full(19, (3 * 3 / 5 + 2 * 2 / 5) / 5))
    assert scores.hota.AssPr == pytest.approx(np.ones(19))
    assert (scores.clear.IDSW, scores.clear.Frag, scores.identity.IDTP) == (1, 0, 3)


def test_identities_that_begin_anew_in_every_frame() -> None:
    true = [(frame, number, 30 * number, 0, 10, 10) for frame in range(5) for number in range(3)]
    found = [(frame, 3 * frame + number, *place) for frame, number, *place in true]
    scores = scored(true, found)
    assert (scores.clear.IDSW, scores.clear.MOTA) == (12, 0.2)
    assert scores.hota.AssA == pytest.approx(np.full(19, 1 / 5))
    assert (scores.identity.IDTP, scores.count.IDs) == (3, 15)


def test_a_box_that_fits_less_falls_away_at_higher_thresholds() -> None:
    # Shifted by 2 of 10: the overlap is 8 / 12.
    scores = scored([(0, 1, *HERE)], [(0, 1, 2, 0, 10, 10)])
    assert scores.hota.HOTA_TP.tolist() == [1] * 13 + [0] * 6
    assert scores.hota.LocA == pytest.approx(np.array([2 / 3] * 13 + [1.0] * 6))
    assert scores.hota.HOTA.mean() == pytest.approx(13 / 19)
    assert pytest.approx(2 / 3) == scores.clear.MOTP
    assert (scores.hota.HOTA_0, scores.hota.HOTALocA_0) == (1, pytest.approx(2 / 3))


def test_an_overlap_at_the_threshold_is_a_match() -> None:
    # Half of a box: 50 / 100.
    half = scored([(0, 1, *HERE)], [(0, 1, 0, 0, 10, 5)])
    assert plain_overlap(HERE, (0, 0, 10, 5)) == 0.5
    assert (half.clear.CLR_TP, half.identity.IDTP, half.hota.HOTA_TP[9]) == (1, 1, 1)
    below = scored([(0, 1, *HERE)], [(0, 1, 0, 0, 10, 4.999)])
    assert (below.clear.CLR_TP, below.identity.IDTP, below.hota.HOTA_TP[9]) == (0, 0, 0)


def test_the_partner_of_the_frame_before_is_kept_although_another_fits_better() -> None:
    true = [(0, 1, *HERE), (1, 1, *HERE)]
    found = [(0, 4, *HERE), (1, 4, 2, 0, 10, 10), (1, 5, *HERE)]
    kept = scored(true, found)
    assert (kept.clear.IDSW, kept.clear.CLR_FP) == (0, 1)
    assert kept.clear.MOTP_sum == pytest.approx(1 + 2 / 3)
    # After a frame in which it was not matched the best fit is taken.
    away = [(0, 1, *HERE), (1, 1, *HERE), (2, 1, *HERE)]
    lost = scored(away, [(0, 4, *HERE), (1, 4, *RIGHT), (2, 4, 2, 0, 10, 10), (2, 5, *HERE)])
    assert (lost.clear.IDSW, lost.clear.Frag) == (1, 1)


def test_tracked_shares_at_their_edges() -> None:
    true = [(frame, number, 40 * number, 0, 10, 10) for frame in range(10) for number in range(5)]
    shares = {0: 9, 1: 8, 2: 2, 3: 1, 4: 0}
    found = [row for row in true if row[0] < shares[row[1]]]
    clear = scored(true, found).clear
    # 8 of 10 is not mostly tracked, and 2 of 10 is partly.
    assert (clear.MT, clear.PT, clear.ML) == (1, 2, 2)
    assert (clear.MTR, clear.PTR, clear.MLR) == (0.2, 0.4, 0.4)


def test_false_alarms_per_frame_and_what_lies_below_zero() -> None:
    true = [(0, 1, *HERE)]
    found = [(frame, number, 50 * number, 50, 5, 5) for frame in range(3) for number in range(4)]
    clear = scored(true, found).clear
    assert (clear.CLR_FP, clear.FP_per_frame, clear.MOTA, clear.MODA) == (12, 1.2, -12, -12)
    assert (clear.CLR_Re, clear.CLR_Pr, clear.CLR_F1, clear.sMOTA) == (0, 0, 0, -12)
