"""The state machine against the same written once more from its text, and what must hold of both.

The plain one goes over the whole list of cells with no state that goes on: begins and ends are searched for as the text
says them. Times are multiples of 1/64 s, so that sums are exact.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import ENERGY_STATES
from lapsdata.segmenters import EnergySeries
from lapsdata.segmenters._cells import cells_of
from lapsdata.segmenters._machine_loop import REASONS
from lapsdata.segmenters.many_thresholds import ManyThresholds, _cells
from lapsdata.segmenters.state_machine import StateMachine

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from lapsdata.segmenters import Segment


NOISE_S = 1e-6


class Plain(NamedTuple):
    start_s: float
    end_s: float
    level: str
    energy: float | None


def plain_cells(series: EnergySeries) -> list[tuple[float, float, float | None, int]]:
    """Return (start, end, energy, state) of each value, with holes as missing time."""
    starts, ends = list(map(float, series.start_s)), list(map(float, series.end_s))
    found: list[tuple[float, float, float | None, int]] = []
    for i in range(len(series)):
        first, last = starts[i], ends[i]
        if i > 0:
            hole = starts[i] - ends[i - 1] > NOISE_S
            if hole:
                found.append((ends[i - 1], starts[i], None, 2))
            first = starts[i] if hole else (ends[i - 1] + starts[i]) / 2
        if i + 1 < len(series) and starts[i + 1] - ends[i] <= NOISE_S:
            last = (ends[i] + starts[i + 1]) / 2
        state = int(series.state[i])
        found.append((first, last, float(series.energy[i]) if state == 0 else None, state))
    return found


def plain_levels(series: EnergySeries, rules: StateMachine) -> list[list[Plain]]:
    """Say what each cell is; return the parts between breaks."""
    parts: list[list[Plain]] = [[]]
    for start_s, end_s, energy, state in plain_cells(series):
        if state == 0 and energy is not None:
            loud, quiet = energy >= rules.threshold, energy < rules.threshold * rules.off_ratio
            level = "loud" if loud else "quiet" if quiet else "between"
        elif state == 1 and rules.gated == "quiet":
            level = "quiet"
        elif rules.missing == "hold":
            level = parts[-1][-1].level if parts[-1] else "quiet"
        else:
            parts.append([])
            continue
        parts[-1].append(Plain(start_s, end_s, level, energy))
    return parts


def first_lasting(cells: list[Plain], level: str, lasting_s: float, begin: int, not_before_s: float) -> int | None:
    """Return the first cell from which on cells of one level last so long, and that follows none of this level."""
    for i in range(begin, len(cells)):
        able = [cell.level == level and cell.start_s >= not_before_s - NOISE_S for cell in cells]
        if not able[i] or (i > begin and able[i - 1]):
            continue
        k = i
        while k + 1 < len(cells) and able[k + 1]:
            k += 1
        if cells[k].end_s - cells[i].start_s >= lasting_s - NOISE_S:
            return i
    return None


def plain_segments(series: EnergySeries, rules: StateMachine) -> list[tuple[float, float, str]]:
    """Return (start, end, reason) of every segment."""
    found = [one for part in plain_levels(series, rules) for one in segments_of_part(part, rules)]
    return [one for one in found if one[1] - one[0] >= rules.min_duration_s - NOISE_S]


def segments_of_part(cells: list[Plain], rules: StateMachine) -> list[tuple[float, float, str]]:
    found: list[tuple[float, float, str]] = []
    here, free_s = 0, float("-inf")
    while True:
        first = first_lasting(cells, "loud", rules.up_s, here, free_s)
        if first is None:
            return found
        start_s = cells[first].start_s
        # Loud cells come first, so a quiet one that may end the segment is never its own first.
        last = first_lasting(cells, "quiet", rules.down_s, first, float("-inf"))
        end_s = cells[-1].end_s if last is None else cells[last].start_s
        reason = "end_of_stream" if last is None else "threshold"
        longest = rules.max_duration_s
        if longest is not None and end_s - start_s > longest + NOISE_S:
            earliest = start_s + max(longest / 2, rules.min_duration_s)
            able = [
                (float("-inf") if cell.energy is None else cell.energy, -number)
                for number, cell in enumerate(cells)
                if earliest - NOISE_S <= cell.start_s <= start_s + longest + NOISE_S
                and (cell.energy is not None or cell.level == "quiet")
            ]
            if not able:
                cells, able = parted(cells, start_s + longest)
            last, reason = -min(able)[1], "max_duration"
            end_s = cells[last].start_s
        found.append((start_s, end_s, reason))
        if last is None:
            return found
        here, free_s = last, end_s + rules.cooldown_s


def parted(cells: list[Plain], at_s: float) -> tuple[list[Plain], list[tuple[float, int]]]:
    """Cut the cell that a time lies in; return the cells, and the one place for a cut."""
    number = next(number for number, cell in enumerate(cells) if cell.end_s > at_s)
    cell = cells[number]
    if cell.start_s == at_s:
        return cells, [(0.0, -number)]
    both = [cell._replace(end_s=at_s), cell._replace(start_s=at_s)]
    return [*cells[:number], *both, *cells[number + 1 :]], [(0.0, -number - 1)]


TICK_S = 1 / 64


def sixty_fourths(low: int, high: int) -> SearchStrategy[float]:
    return st.integers(low, high).map(lambda number: number * TICK_S)


@st.composite
def series(draw: DrawFn, *, max_rows: int = 40, states: bool = True, holes: bool = True) -> EnergySeries:
    """Draw steps of any length up to half a second, or windows that overlap, with energies around 1."""
    rows = draw(st.integers(0, max_rows))
    lengths = draw(st.lists(st.integers(1, 32), min_size=rows, max_size=rows))
    skipped = draw(st.lists(st.sampled_from([0] * 9 + [7]) if holes else st.just(0), min_size=rows, max_size=rows))
    overlap = draw(st.sampled_from([0, 0, 0, 24]))
    start = np.cumsum([0, *(length + skip for length, skip in zip(lengths, skipped, strict=True))])[:-1]
    values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 0.96, 1.0, 1.25, 1.5, 2.0, 4.0])
    energy = np.array(draw(st.lists(values, min_size=rows, max_size=rows)), np.float64)
    kinds = st.sampled_from([0] * 8 + [1, 2]) if states else st.just(0)
    state = np.array(draw(st.lists(kinds, min_size=rows, max_size=rows)), np.uint8)
    energy[state != 0] = np.nan
    return EnergySeries(
        start_s=start * TICK_S,
        end_s=(start + np.array(lengths, np.int64) + overlap) * TICK_S,
        energy=energy,
        state=state,
        video="drawn",
    )


@st.composite
def rules(draw: DrawFn, **fixed: Any) -> StateMachine:
    """Draw rules around a threshold of 1; a longest duration is longer than any cell of `series`."""
    longest = draw(st.none() | sixty_fourths(80, 200))
    short = sixty_fourths(0, 40)
    given = {
        "threshold": 1.0,
        "off_ratio": draw(st.sampled_from([1.0, 0.95, 0.5])),
        "up_s": draw(short),
        "down_s": draw(short),
        "cooldown_s": draw(st.just(0.0) | sixty_fourths(0, 100)),
        "max_duration_s": longest,
        "min_duration_s": draw(st.just(0.0) | short),
        "gated": draw(st.sampled_from(["quiet", "missing"])),
        "missing": draw(st.sampled_from(["break", "hold"])),
    }
    return StateMachine(**{**given, **fixed})


def spans(series: EnergySeries, rules: StateMachine) -> list[tuple[float, float, str]]:
    return [(one.start_s, one.end_s, one.end_reason) for one in rules.segment(series).segments]


def keys(found: list[Segment]) -> list[tuple[float, float, str, str]]:
    """NaN is no value of its own: told as text, it is one."""
    return [(one.start_s, one.end_s, one.end_reason, repr(one.score)) for one in found]


@settings(max_examples=400)
@given(series(), rules())
def test_it_does_what_its_text_says(drawn: EnergySeries, machine: StateMachine) -> None:
    assert spans(drawn, machine) == plain_segments(drawn, machine)


@settings(max_examples=150)
@given(series(states=False, holes=False), rules(up_s=0.0, down_s=0.0, min_duration_s=0.0))
def test_without_debounce_it_does_what_its_text_says(drawn: EnergySeries, machine: StateMachine) -> None:
    assert spans(drawn, machine) == plain_segments(drawn, machine)


@given(series(), rules(), st.lists(st.integers(0, 40), max_size=6))
def test_every_chunking_gives_the_same(drawn: EnergySeries, machine: StateMachine, cuts: list[int]) -> None:
    """Between chunks the stream is put away and taken up again, as by a program that stops."""
    steps = list(drawn.steps())
    edges = [0, *sorted(min(cut, len(steps)) for cut in cuts), len(steps)]
    stream, found = machine.stream(), list[Any]()
    for first, last in pairwise(edges):
        stream = pickle.loads(pickle.dumps(stream))
        for step in steps[first:last]:
            found.extend(stream.push(step))
    found.extend(stream.close())
    whole = machine.segment(drawn)
    assert keys(found) == keys(list(whole.segments))
    assert stream.policies == whole.policies


@given(series(), rules())
def test_segments_are_in_order_and_inside(drawn: EnergySeries, machine: StateMachine) -> None:
    found = machine.segment(drawn).segments
    for one in found:
        assert drawn.start_s[0] <= one.start_s < one.end_s <= drawn.end_s[-1]
        assert one.end_s - one.start_s >= machine.min_duration_s
        if machine.max_duration_s is not None:
            assert one.end_s - one.start_s <= machine.max_duration_s
    for before, after in pairwise(found):
        assert after.start_s >= before.end_s


@given(series(), rules())
def test_cooldown_lies_between_segments(drawn: EnergySeries, machine: StateMachine) -> None:
    held = machine.model_copy(update={"missing": "hold"})
    for before, after in pairwise(held.segment(drawn).segments):
        assert after.start_s >= before.end_s + held.cooldown_s


@given(series(), rules(cooldown_s=0.0, min_duration_s=0.0, max_duration_s=None, missing="hold"))
def test_loud_outside_of_segments_did_not_last(drawn: EnergySeries, machine: StateMachine) -> None:
    """Nothing but the debounce explains a loud value outside: its run is shorter than `up_s`."""
    found = machine.segment(drawn).segments
    run: list[float] = []
    for cell in [*cells_of(drawn), None]:
        inside = cell is not None and any(one.start_s <= cell.start_s < one.end_s for one in found)
        loud = cell is not None and cell.state == "measured" and cell.energy >= machine.threshold
        if cell is not None and loud and not inside:
            run.append(cell.end_s - cell.start_s)
        else:
            assert sum(run) < machine.up_s or not run
            run = []


@given(series(), rules(cooldown_s=0.0, min_duration_s=0.0, up_s=0.0, down_s=0.0, off_ratio=1.0, max_duration_s=None))
def test_without_rules_segments_are_the_loud_time(drawn: EnergySeries, machine: StateMachine) -> None:
    loud = sum(
        cell.end_s - cell.start_s
        for cell in cells_of(drawn)
        if cell.state == "measured" and cell.energy >= machine.threshold
    )
    found = machine.model_copy(update={"missing": "break"}).segment(drawn).segments
    assert sum(one.end_s - one.start_s for one in found) == loud


@given(series(), rules(), st.integers(-(2**20), 2**20))
def test_a_shift_of_time_shifts_the_segments(drawn: EnergySeries, machine: StateMachine, shift: int) -> None:
    shift_s = shift * TICK_S
    later = replace(drawn, start_s=drawn.start_s + shift_s, end_s=drawn.end_s + shift_s)
    moved = [(start_s + shift_s, end_s + shift_s, reason) for start_s, end_s, reason in spans(drawn, machine)]
    assert spans(later, machine) == moved


@given(series(), rules(), st.sampled_from([0.25, 2.0, 8.0]))
def test_a_scale_of_time_scales_the_segments(drawn: EnergySeries, machine: StateMachine, scale: float) -> None:
    slower = replace(drawn, start_s=drawn.start_s * scale, end_s=drawn.end_s * scale)
    longest = machine.max_duration_s
    times = {key: getattr(machine, key) * scale for key in ("up_s", "down_s", "cooldown_s", "min_duration_s")}
    other = StateMachine(
        **{**machine.parameters, **times, "max_duration_s": None if longest is None else longest * scale}
    )
    expected = [(start_s * scale, end_s * scale, reason) for start_s, end_s, reason in spans(drawn, machine)]
    assert spans(slower, other) == expected


@given(series(), rules(), st.sampled_from([0.125, 4.0, 1024.0]))
def test_a_scale_of_energy_changes_nothing_but_scores(drawn: EnergySeries, machine: StateMachine, scale: float) -> None:
    louder = replace(drawn, energy=drawn.energy * scale)
    other = StateMachine(**{**machine.parameters, "threshold": machine.threshold * scale})
    assert spans(louder, other) == spans(drawn, machine)
    scores = [one.score * scale for one in machine.segment(drawn).segments]
    assert np.array_equal([one.score for one in other.segment(louder).segments], scores, equal_nan=True)


@given(series(holes=False), rules(missing="break"))
def test_a_break_is_an_end_and_a_begin(drawn: EnergySeries, machine: StateMachine) -> None:
    """The parts on both sides of a missing value, each as a video of its own, give the segments of the whole."""
    silent = np.array([cell.state == "missing" or (cell.state == "gated" and machine.gated == "missing")
                       for cell in cells_of(drawn)], bool)  # fmt: skip
    cells = cells_of(drawn)
    found = []
    for part in np.split(np.arange(len(cells)), np.flatnonzero(silent)):
        rows = part[~silent[part]]
        kept = [cells[row] for row in rows.tolist()]
        alone = EnergySeries(
            start_s=np.array([cell.start_s for cell in kept], np.float64),
            end_s=np.array([cell.end_s for cell in kept], np.float64),
            energy=np.array([cell.energy for cell in kept], np.float64),
            state=drawn.state[rows],
        )
        found += list(machine.segment(alone).segments)
    assert keys(found) == keys(list(machine.segment(drawn).segments))


@given(series(), rules(missing="hold", gated="quiet", max_duration_s=None))
def test_holding_is_going_on_as_before(drawn: EnergySeries, machine: StateMachine) -> None:
    """A missing value that holds is one that equals the last before it; before the first, all is quiet."""
    cells = cells_of(drawn)
    energy, last = [], 0.0
    for cell in cells:
        last = {"measured": cell.energy, "gated": 0.0}.get(cell.state, last)
        energy.append(last)
    filled = EnergySeries.measured([cell.start_s for cell in cells], [cell.end_s for cell in cells], energy)
    assert spans(filled, machine) == spans(drawn, machine)


@given(series(), rules())
def test_policies_count_every_value_without_an_energy(drawn: EnergySeries, machine: StateMachine) -> None:
    counts = machine.segment(drawn).policies
    counts.pop("short-dropped", None)
    cells = cells_of(drawn)
    expected = {
        f"gated-{'quiet' if machine.gated == 'quiet' else machine.missing}": sum(c.state == "gated" for c in cells),
        f"missing-{machine.missing}": sum(c.state == "missing" and not c.gap for c in cells),
        f"gap-{machine.missing}": sum(c.gap for c in cells),
    }
    assert counts == {word: number for word, number in expected.items() if number}


@given(series(), rules(min_duration_s=0.0))
def test_the_shortest_duration_only_leaves_out(drawn: EnergySeries, machine: StateMachine) -> None:
    """Without a longest duration, what stays is what was there, and what is left out is counted."""
    free = machine.model_copy(update={"max_duration_s": None})
    strict = free.model_copy(update={"min_duration_s": 0.5})
    every = free.segment(drawn).segments
    long = [one for one in every if one.end_s - one.start_s >= 0.5]
    found = strict.segment(drawn)
    assert keys(list(found.segments)) == keys(long)
    assert found.policies.get("short-dropped", 0) == len(every) - len(long)


@settings(max_examples=200)
@given(series(), rules(max_duration_s=0.0625, up_s=0.0, min_duration_s=0.0))
def test_a_longest_duration_below_the_hop_cuts_values(drawn: EnergySeries, machine: StateMachine) -> None:
    for one in machine.segment(drawn).segments:
        assert one.end_s - one.start_s <= 0.0625
    assert spans(drawn, machine) == plain_segments(drawn, machine)


@pytest.mark.parametrize("seed", range(3))
def test_long_series_agree_as_well(seed: int) -> None:
    random = np.random.default_rng(seed)
    start = np.arange(600) / 16
    energy = np.exp(np.convolve(random.normal(0, 1, 604), np.ones(5) / 2, "valid"))
    video = EnergySeries.measured(start, start + 1 / 16, energy)
    for longest in (None, 1.0, 0.75):
        machine = StateMachine(
            threshold=1.0, up_s=0.125, down_s=0.1875, max_duration_s=longest, cooldown_s=seed / 16, min_duration_s=0.25
        )
        found = spans(video, machine)
        assert len(found) > 20
        assert found == plain_segments(video, machine)


@settings(max_examples=400)
@given(
    series(),
    rules() | rules(max_duration_s=0.0625, up_s=0.0, min_duration_s=0.0),
    st.lists(st.sampled_from([0.25, 0.5, 0.9, 0.96, 1.0, 1.1, 1.9, 5.0]), max_size=5),
)
def test_many_thresholds_at_once_are_cut_as_each_alone(
    drawn: EnergySeries, machine: StateMachine, thresholds: list[float]
) -> None:
    sets = ManyThresholds(drawn, machine).segments(np.array(thresholds, np.float64))
    told = [(*span, REASONS[why]) for span, why in zip(sets.spans_s.tolist(), sets.reasons, strict=True)]
    found = [told[first:last] for first, last in pairwise(sets.offsets.tolist())]
    assert found == [spans(drawn, machine.model_copy(update={"threshold": one})) for one in thresholds]


@given(series())
def test_cells_at_once_are_those_that_come_one_by_one(drawn: EnergySeries) -> None:
    cells = cells_of(drawn)
    start, end, energy, kind = _cells(drawn)
    assert list(zip(start.tolist(), end.tolist(), strict=True)) == [(cell.start_s, cell.end_s) for cell in cells]
    assert [ENERGY_STATES[one] for one in kind] == [cell.state for cell in cells]
    np.testing.assert_array_equal(energy, [cell.energy for cell in cells])
