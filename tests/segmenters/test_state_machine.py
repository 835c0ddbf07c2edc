"""Cases of the state machine drawn by hand from its text, one rule each; and the faults of LAPS, by name.

Energies are written as digits, one step of a second each: the threshold is 5 and quiet is below 4 unless a case says
otherwise; `g` is gated, `m` missing, `_` a step that is not there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.segmenters import EnergySeries, EnergyStep, Segment
from lapsdata.segmenters.state_machine import StateMachine


def drawn(text: str, *, hop_s: float = 1.0) -> EnergySeries:
    rows = [(place, sign) for place, sign in enumerate(text) if sign != "_"]
    start = np.array([place for place, _ in rows], np.float64) * hop_s
    return EnergySeries(
        start_s=start,
        end_s=start + hop_s,
        energy=np.array([float(sign) if sign.isdigit() else np.nan for _, sign in rows]),
        state=np.array(["gm".find(sign) + 1 for _, sign in rows], np.uint8),
    )


def machine(**given: Any) -> StateMachine:
    return StateMachine(**{"threshold": 5.0, "off_ratio": 0.8, "up_s": 0.0, "down_s": 0.0, **given})


def spans(text: str, **given: Any) -> list[tuple[float, float, str]]:
    short = {"threshold": "thr", "max_duration": "max", "end_of_stream": "eos"}
    return [(one.start_s, one.end_s, short[one.end_reason]) for one in machine(**given).segment(drawn(text)).segments]


GOLDEN: dict[str, tuple[str, dict[str, Any], list[tuple[float, float, str]]]] = {
    "one value is enough without debounce": ("00900", {}, [(2, 3, "thr")]),
    "the threshold itself is loud": ("05400", {}, [(1, 3, "thr")]),
    "between begins nothing": ("04440", {}, []),
    "between ends nothing": ("0944440", {}, [(1, 6, "thr")]),
    "a ratio of 1 has no between": ("0944440", {"off_ratio": 1.0}, [(1, 2, "thr")]),
    "what is open ends with the values": ("0099", {}, [(2, 4, "eos")]),
    "up: too short": ("0990", {"up_s": 3.0}, []),
    "up: just long enough, start back-dated": ("09990", {"up_s": 3.0}, [(1, 4, "thr")]),
    "up: between breaks the run": ("094990", {"up_s": 3.0}, []),
    "up: quiet breaks the run": ("0990990", {"up_s": 3.0}, []),
    "up: seconds and not values": ("0990", {"up_s": 1.5}, [(1, 3, "thr")]),
    "up: not confirmed when values end": ("00099", {"up_s": 3.0}, []),
    "down: too short": ("0900990", {"down_s": 3.0}, [(1, 7, "eos")]),
    "down: long enough, end back-dated": ("09000990", {"down_s": 3.0}, [(1, 2, "thr"), (5, 8, "eos")]),
    "down: between breaks the run": ("0900400900", {"down_s": 3.0}, [(1, 10, "eos")]),
    "down: not confirmed when values end": ("09900", {"down_s": 3.0}, [(1, 5, "eos")]),
    "cooldown: too early": ("0909000", {"cooldown_s": 2.5}, [(1, 2, "thr")]),
    "cooldown: late enough": ("0900900", {"cooldown_s": 2.0}, [(1, 2, "thr"), (4, 5, "thr")]),
    "cooldown: what began too early begins later": ("0909990", {"cooldown_s": 2.0}, [(1, 2, "thr"), (4, 6, "thr")]),
    "cooldown: after a cut as well": (
        "9999999",
        {"max_duration_s": 2.0, "cooldown_s": 1.0},
        [(0, 2, "max"), (3, 5, "max"), (6, 7, "eos")],
    ),
    "max: just as long": ("099990", {"max_duration_s": 4.0}, [(1, 5, "thr")]),
    "max: equal energies are cut at the limit": ("9999999", {"max_duration_s": 3.0},
                                                 [(0, 3, "max"), (3, 6, "max"), (6, 7, "eos")]),
    "max: cut at the quietest": ("999799990", {"max_duration_s": 5.0}, [(0, 3, "max"), (3, 8, "thr")]),
    "max: the rise at the begin is no place": ("0567899900", {"max_duration_s": 4.0}, [(1, 3, "max"), (3, 7, "max"),
                                                                                     (7, 8, "thr")]),
    "max: nor is any before the second half": ("997999999", {"max_duration_s": 6.0}, [(0, 6, "max"), (6, 9, "eos")]),
    "max: the middle is": ("999799999", {"max_duration_s": 6.0}, [(0, 3, "max"), (3, 9, "eos")]),
    "max: cut at a between, begin at the next loud": ("9994999", {"max_duration_s": 5.0},
                                                     [(0, 3, "max"), (4, 7, "eos")]),
    "max: a quiet too short for an end is a place": (
        "999099990000", {"max_duration_s": 5.0, "down_s": 2.0}, [(0, 3, "max"), (4, 8, "thr")]
    ),
    "max: a quiet that began within and lasts is an end": ("999990009", {"max_duration_s": 5.0, "down_s": 3.0},
                                                          [(0, 5, "thr"), (8, 9, "eos")]),
    "max: a quiet that did not last when values end": ("99990", {"max_duration_s": 4.0, "down_s": 3.0},
                                                      [(0, 4, "max")]),
    "max: what is behind is confirmed anew": ("99990", {"max_duration_s": 3.0, "up_s": 2.0}, [(0, 3, "max")]),
    "max: below the hop, values are cut": ("0900", {"max_duration_s": 0.5}, [(1, 1.5, "max"), (1.5, 2, "thr")]),
    "max: no shorter piece than the shortest": ("99979999", {"max_duration_s": 5.0, "min_duration_s": 4.0},
                                               [(0, 5, "max")]),
    "min: shorter is left out": ("0990999", {"min_duration_s": 3.0}, [(4, 7, "eos")]),
    "min: what is left out cools down": ("0900999", {"min_duration_s": 2.0, "cooldown_s": 3.0}, [(5, 7, "eos")]),
    "gated is quiet": ("099g990", {}, [(1, 3, "thr"), (4, 6, "thr")]),
    "gated is quiet for debounce": ("099g99gg0", {"down_s": 2.0}, [(1, 6, "thr")]),
    "gated as missing, held": ("099g990", {"gated": "missing", "missing": "hold"}, [(1, 6, "thr")]),
    "gated as missing, broken": ("099g990", {"gated": "missing"}, [(1, 3, "eos"), (4, 6, "thr")]),
    "missing breaks": ("099m990", {}, [(1, 3, "eos"), (4, 6, "thr")]),
    "missing breaks what was not confirmed": ("099m990", {"up_s": 3.0}, []),
    "missing breaks a cooldown": ("090m990", {"cooldown_s": 9.0}, [(1, 2, "thr"), (4, 6, "thr")]),
    "missing holds loud": ("099m990", {"missing": "hold"}, [(1, 6, "thr")]),
    "missing holds loud for debounce": ("09m90", {"missing": "hold", "up_s": 3.0}, [(1, 4, "thr")]),
    "missing holds quiet": ("090m0900", {"missing": "hold", "down_s": 3.0}, [(1, 2, "thr"), (5, 8, "eos")]),
    "missing holds quiet before the first value": ("mm90", {"missing": "hold"}, [(2, 3, "thr")]),
    "missing at the end holds": ("09m", {"missing": "hold"}, [(1, 3, "eos")]),
    "missing is no place for a cut": ("999m9999", {"missing": "hold", "max_duration_s": 5.0},
                                     [(0, 5, "max"), (5, 8, "eos")]),
    "a hole is missing time": ("099_990", {}, [(1, 3, "eos"), (4, 6, "thr")]),
    "a hole holds": ("099__990", {"missing": "hold"}, [(1, 7, "thr")]),
    "nothing": ("", {}, []),
    "only missing": ("mm", {}, []),
}  # fmt: skip


@pytest.mark.parametrize("case", GOLDEN)
def test_golden(case: str) -> None:
    text, given, expected = GOLDEN[case]
    assert spans(text, **given) == expected


def test_a_score_is_the_mean_by_time_of_what_was_measured() -> None:
    video = EnergySeries(
        start_s=np.array([0.0, 1.0, 4.0, 5.0]),
        end_s=np.array([1.0, 4.0, 5.0, 6.0]),
        energy=np.array([8.0, 6.0, np.nan, 1.0]),
        state=np.array([0, 0, 2, 0], np.uint8),
    )
    (found,) = machine(missing="hold").segment(video).segments
    assert found == Segment(0.0, 5.0, "threshold", (8 + 3 * 6) / 4)


def test_the_quiet_before_an_end_is_not_in_the_score() -> None:
    assert machine(down_s=2.0).segment(drawn("09700")).segments[0].score == 8.0


def test_the_quiet_that_did_not_last_is_in_the_score() -> None:
    assert machine(down_s=2.0).segment(drawn("09090")).segments[0].score == 4.5


def test_scores_of_the_pieces_of_a_cut_are_their_own() -> None:
    found = machine(max_duration_s=2.0).segment(drawn("9988")).segments
    assert [one.score for one in found] == [9.0, 8.0]


def test_a_segment_of_held_time_alone_has_no_score() -> None:
    found = machine(missing="hold", max_duration_s=1.0).segment(drawn("9mm0")).segments
    assert [(one.start_s, math.isnan(one.score)) for one in found] == [(0.0, False), (1.0, True), (2.0, True)]


def test_a_mean_of_equal_energies_is_that_energy() -> None:
    """Sums of rounded products leave the range of their values: 0.1 * 0.3 s three times is no mean of 0.1."""
    start = np.arange(300) * 0.1
    (found,) = StateMachine(threshold=0.1).segment(EnergySeries.measured(start, start + 0.1, [0.1] * 300)).segments
    assert found.score == 0.1


def test_times_that_are_sums_of_a_tenth_count_as_such() -> None:
    """0.1 + 0.1 + 0.1 is not 0.3 in float64; three steps of 0.1 s last for 0.3 s all the same."""
    start = np.cumsum(np.full(40, 0.1))
    energy = np.where((np.arange(40) // 3) % 2 == 1, 9.0, 0.0)
    video = EnergySeries.measured(start, np.append(start[1:], start[-1] + 0.1), energy)
    assert len(machine(up_s=0.3, down_s=0.3).segment(video).segments) == 6
    assert len(machine(up_s=0.3001).segment(video).segments) == 0
    longest = machine(max_duration_s=0.3).segment(video).segments
    assert {one.end_reason for one in longest[:-1]} == {"threshold"}


def test_a_segment_is_told_when_it_is_decided() -> None:
    """With the value behind the one that confirms the end: only that one tells where its cell ends."""
    stream = machine(down_s=2.0).stream()
    told = [len(stream.push(step)) for step in drawn("09900000").steps()]
    assert told == [0, 0, 0, 0, 0, 1, 0, 0]


def test_without_a_longest_duration_memory_is_flat() -> None:
    stream = machine(down_s=2.0).stream()
    for second in range(1000):
        stream.push(EnergyStep(second, second + 1, 9.0))
    assert stream._open is not None
    assert (stream._open.heard, stream._run, stream._finished) == ([], [], [])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"treshold": 1.0}, r"treshold: expected a known key, got 'treshold'; did you mean 'threshold'\?"),
    "absent": ({"threshold": ...}, r"threshold: expected a value, got nothing"),
    "nan": ({"threshold": math.nan}, r"threshold: expected a finite number, got nan"),
    "text": ({"threshold": "5"}, r"threshold: expected a valid number, got '5'"),
    "ratio 0": ({"off_ratio": 0.0}, r"off_ratio: .*greater than 0"),
    "ratio above 1": ({"off_ratio": 1.25}, r"off_ratio: .*less than or equal to 1"),
    "negative time": ({"down_s": -0.5}, r"down_s: .*greater than or equal to 0"),
    "no time at all": ({"max_duration_s": 0.0}, r"max_duration_s: .*greater than 0"),
    "another word": ({"gated": "zero"}, r"gated: expected .*'quiet' or 'missing'"),
    "a ratio of nothing": ({"threshold": 0.0}, r"expected off_ratio = 1 for a threshold of 0"),
    "a ratio below nothing": ({"threshold": -2.0}, r"expected off_ratio = 1 for a threshold of -2"),
    "min above max": ({"max_duration_s": 1.0, "min_duration_s": 2.0}, r"min_duration_s of at most max_duration_s = 1"),
    "up above max": ({"max_duration_s": 1.0, "up_s": 2.0}, r"expected up_s of at most max_duration_s = 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_parameters_are_refused(case: str) -> None:
    changed, match = WRONG[case]
    given = {key: value for key, value in {"threshold": 5.0, "off_ratio": 0.8, **changed}.items() if value is not ...}
    with pytest.raises(SchemaError, match=match):
        StateMachine(**given)


def test_defaults_are_said_once() -> None:
    """What a header holds when nothing but the threshold was given."""
    assert StateMachine(threshold=5.0).parameters == {
        "threshold": 5.0,
        "off_ratio": 0.95,
        "up_s": 0.2,
        "down_s": 0.2,
        "cooldown_s": 0.0,
        "max_duration_s": None,
        "min_duration_s": 0.0,
        "refine_s": 0.0,
        "gated": "quiet",
        "missing": "break",
    }


def test_up_and_shortest_may_be_as_long_as_the_longest() -> None:
    found = machine(max_duration_s=2.0, up_s=2.0, min_duration_s=2.0).segment(drawn("0999990")).segments
    assert [(one.start_s, one.end_s) for one in found] == [(1.0, 3.0), (3.0, 5.0)]


def test_a_negative_threshold_works_without_a_ratio() -> None:
    video = EnergySeries.measured([0, 1, 2], [1, 2, 3], [-3.0, -1.0, -3.0])
    (found,) = StateMachine(threshold=-2.0, off_ratio=1.0, up_s=0.0, down_s=0.0).segment(video).segments
    assert (found.start_s, found.end_s) == (1.0, 2.0)


# Faults that LAPS had (jiajiezhang7/LAPS), each as it would show here.

LAPS: dict[str, Any] = {
    "off_ratio": 0.95,
    "up_s": 0.8,
    "down_s": 0.8,
    "cooldown_s": 0.4,
    "max_duration_s": 2.0,
    "min_duration_s": 1.2,
}


def test_fault_gated_written_as_0_became_a_threshold() -> None:
    """A gated value is no energy: a threshold of 0.0 does not make it loud, and a series cannot hold it as 0.0."""
    video = drawn("g9g")
    (found,) = StateMachine(threshold=0.0, off_ratio=1.0, up_s=0.0, down_s=0.0).segment(video).segments
    assert (found.start_s, found.end_s) == (1.0, 2.0)
    with pytest.raises(SchemaError, match=r"a gated value is never 0\.0"):
        EnergySeries(start_s=np.zeros(1), end_s=np.ones(1), energy=np.zeros(1), state=np.ones(1, np.uint8))


def test_fault_a_threshold_of_0_is_a_metronome() -> None:
    """What LAPS cut GTEA with: every value is loud, and the segments are those of any other video of that length."""
    start = np.arange(60) * 0.4
    shape = {"threshold": 0.0, **LAPS, "off_ratio": 1.0}
    results = []
    for seed in range(2):
        energy = np.random.default_rng(seed).random(60)
        # Energies without a place for a cut, so that only the limit cuts.
        video = EnergySeries.measured(start, start + 0.4, np.sort(energy)[::-1].copy())
        results.append([(one.start_s, one.end_s) for one in StateMachine(**shape).segment(video).segments])
        reasons = [one.end_reason for one in StateMachine(**shape).segment(video).segments]
        assert reasons.count("max_duration") == len(reasons)
    assert results[0] == results[1]
    assert np.allclose(np.diff([start_s for start_s, _ in results[0]]), 2.4)
    assert np.allclose([end_s - start_s for start_s, end_s in results[0]], 2.0)


def test_fault_a_ratio_of_a_threshold_of_0_never_ends() -> None:
    with pytest.raises(SchemaError, match="expected off_ratio = 1 for a threshold of 0"):
        StateMachine(threshold=0.0, **LAPS)


def test_fault_start_not_back_dated() -> None:
    """Two windows of 0.4 s confirm; the segment begins with the first of them and not 0.4 s later."""
    (found,) = StateMachine(threshold=5.0, **LAPS).segment(drawn("0099990000", hop_s=0.4)).segments
    assert found.start_s == pytest.approx(0.8)
    assert found.end_s == pytest.approx(2.4)


def test_fault_six_windows_offline_and_five_online() -> None:
    """One limit of 2.0 s is five windows of 0.4 s, for a file as for a stream."""
    video = drawn("9" * 20, hop_s=0.4)
    rules = StateMachine(threshold=5.0, **LAPS)
    stream = rules.stream()
    online = [one for step in video.steps() for one in stream.push(step)]
    offline = list(rules.segment(video).segments)
    assert offline[: len(online)] == online
    assert len(online) > 0
    assert [round((one.end_s - one.start_s) / 0.4) for one in online] == [5] * len(online)


def test_fault_start_of_the_window_instead_of_its_middle() -> None:
    """Of windows of 1.5 s every 0.5 s, the motion lies around the middle of the windows that are loud."""
    start = np.arange(20) * 0.5
    motion = (4.0, 6.0)
    energy = np.clip(np.minimum(start + 1.5, motion[1]) - np.maximum(start, motion[0]), 0, None) / 1.5
    (found,) = (
        StateMachine(threshold=0.5, up_s=0.5, down_s=0.5)
        .segment(EnergySeries.measured(start, start + 1.5, energy))
        .segments
    )
    assert (found.start_s, found.end_s) == motion
