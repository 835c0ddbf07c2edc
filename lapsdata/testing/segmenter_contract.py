"""The test suite that every segmenter must pass; plug-in authors inherit it.

In a test module of the plug-in::

    class TestSegmenter(SegmenterContract):
        segmenter = PLUGIN(threshold=0.5)

pytest then collects every `test_` method below for that segmenter. The energies are made here: regular steps, steps of
a variable rate, windows that overlap, gated and missing values, holes, constants; their unit is such that 0.5 lies in
the middle of them.
"""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers import ENERGY_STATES
from lapsdata.errors import MissingExtraError, Problem, SchemaError, whole_number
from lapsdata.plugins import registry
from lapsdata.schema import Tool
from lapsdata.segmenters import EnergySeries, EnergyStep, segment

try:
    import pytest
except ImportError as error:
    raise MissingExtraError(
        Problem("missing-extra", "lapsdata.testing.segmenter_contract", "expected pytest, got no such package",
                "pip install 'lapsdata[test]'")
    ) from error  # fmt: skip

if TYPE_CHECKING:
    from lapsdata.segmenters import Segment, Segmentation, Segmenter

__all__ = ["SegmenterContract", "example_series"]

_REASONS = ("threshold", "max_duration", "end_of_stream")
_NOISE_S = 1e-6


def example_series() -> dict[str, EnergySeries]:
    """Return series that a segmenter must be able to cut, by name; the same each time.

    All times are multiples of 1/64 s, so that a shift by whole seconds is exact.

    Examples
    --------
    >>> sorted(example_series())[:3]
    ['constant', 'empty', 'gated']
    >>> len(example_series()["steps"])
    200
    """
    random = np.random.default_rng(0)
    count = 200
    energy = np.clip(0.5 + 0.4 * np.sign(np.sin(np.arange(count) / 6)) + random.normal(0, 0.1, count), 0.001, None)
    start = np.arange(count) / 8
    steps = EnergySeries.measured(start, start + 0.125, energy, video="steps")
    uneven = np.cumsum(random.integers(2, 20, count + 1)) / 64
    states = random.choice(len(ENERGY_STATES), count, p=(0.8, 0.15, 0.05)).astype(np.uint8)
    holes = np.flatnonzero(random.random(count) > 0.1)
    one = {name: getattr(steps, name)[40:41] for name in ("start_s", "end_s", "energy", "state")}
    made = {
        "steps": steps,
        "uneven": EnergySeries.measured(uneven[:-1], uneven[1:], energy),
        "windows": EnergySeries.measured(start, start + 1.5, energy),
        "states": replace(steps, state=states, energy=np.where(states == 0, energy, np.nan)),
        "holes": EnergySeries.measured(start[holes], start[holes] + 0.125, energy[holes]),
        "constant": replace(steps, energy=np.full(count, 0.5)),
        "gated": replace(steps, energy=np.full(count, np.nan), state=np.ones(count, np.uint8)),
        "missing": replace(steps, energy=np.full(count, np.nan), state=np.full(count, 2, np.uint8)),
        "one": EnergySeries(**one),
        "empty": EnergySeries.measured([], [], []),
    }
    return {name: replace(series, video=name) for name, series in made.items()}


class SegmenterContract:
    """What a segmenter promises, as tests; see the module for how to inherit them.

    Parameters
    ----------
    segmenter : Segmenter
        One that the plug-in makes of some parameters.

    Examples
    --------
    >>> from lapsdata.segmenters.state_machine import PLUGIN
    >>> class TestStateMachine(SegmenterContract):
    ...     segmenter = PLUGIN(threshold=0.5)
    >>> TestStateMachine().test_name_is_the_registry_name()
    """

    segmenter: Segmenter

    def test_name_is_the_registry_name(self) -> None:
        """What makes this segmenter is found under the segmenter's name, and has its name and version."""
        name = self.segmenter.name
        plugin = registry("segmenters").load(name)
        told = (plugin.name, plugin.version)
        _expect(told == (name, self.segmenter.version), f"the registry finds {told} under '{name}'")

    def test_parameters_make_it_again(self) -> None:
        """Parameters are JSON; the plug-in makes an equal segmenter of them, and refuses one that it does not know."""
        parameters = dict(self.segmenter.parameters)
        _expect(json.loads(json.dumps(parameters)) == parameters, f"JSON cannot keep the parameters {parameters}")
        plugin = registry("segmenters").load(self.segmenter.name)
        again = plugin(**parameters)
        _expect(dict(again.parameters) == parameters, f"{parameters} made one with {again.parameters}")
        for name, series in example_series().items():
            self._expect_same(again.segment(series), self.segmenter.segment(series), f"{name}: made again, it differs")
        with pytest.raises(SchemaError, match=r"unknown-key"):
            plugin(**parameters, no_such_parameter=1)

    def test_what_it_says_of_itself_goes_into_a_header(self) -> None:
        """A header takes name, version and parameters, and `online` is a bool."""
        segmenter = self.segmenter
        Tool(name=segmenter.name, version=segmenter.version, parameters=dict(segmenter.parameters))
        online: object = segmenter.online
        _expect(isinstance(online, bool), f"online is {online!r}")

    def test_segments_are_in_order_and_inside(self) -> None:
        """Segments are not empty, follow each other without overlap, and lie within the time of the series."""
        for name, series in example_series().items():
            found = self.segmenter.segment(series).segments
            for one in found:
                _expect(math.isfinite(one.start_s) and one.start_s < one.end_s, f"{name}: {one} has no duration")
                inside = one.start_s >= series.start_s[0] and one.end_s <= series.end_s[-1]
                _expect(inside, f"{name}: {one} is outside of the series")
            for before, after in pairwise(found):
                _expect(before.end_s <= after.start_s, f"{name}: {after} begins before {before} ends")

    def test_reasons_are_of_the_list(self) -> None:
        """Each end has a reason that a segmenter may give; `annotation` is for people."""
        for name, series in example_series().items():
            for one in self.segmenter.segment(series).segments:
                _expect(one.end_reason in _REASONS, f"{name}: the end of {one} is none of {_REASONS}")

    def test_scores_are_means_of_what_was_measured(self) -> None:
        """A score is the mean of the measured energies inside, by time, or NaN; gated values are no zeros."""
        for name, series in example_series().items():
            for one in self.segmenter.segment(series).segments:
                if not math.isnan(one.score):
                    mean = _mean(series, one)
                    close = math.isclose(one.score, mean, rel_tol=1e-6, abs_tol=1e-9)
                    _expect(close, f"{name}: expected a score of {mean:g} or NaN, got {one}")

    def test_policies_count(self) -> None:
        """Policies are words with whole numbers above 0, which a header takes."""
        for name, series in example_series().items():
            for word, number in self.segmenter.segment(series).policies.items():
                counted = whole_number(number)
                _expect(word != "" and counted is not None and counted > 0, f"{name}: {word!r} counts {number!r}")

    def test_a_stream_gives_what_the_whole_gives(self) -> None:
        """Value by value come the same segments, in the same order, with the same bits and counts."""
        for name, series in example_series().items():
            stream = self.segmenter.stream(video=series.video)
            found = [one for step in series.steps() for one in stream.push(step)]
            told = (*found, *stream.close())
            whole = self.segmenter.segment(series)
            self._expect_same(whole._replace(segments=told), whole, f"{name}: a stream gives other segments")
            _expect(stream.policies == whole.policies, f"{name}: {stream.policies} is not {whole.policies}")

    def test_streams_know_nothing_of_each_other(self) -> None:
        """Two streams that are fed in turn give what each gives alone."""
        made = example_series()
        pair = [made["steps"], made["states"]]
        streams = [self.segmenter.stream(video=series.video) for series in pair]
        found: list[list[Segment]] = [[], []]
        for steps in zip_longest(*(series.steps() for series in pair)):
            for place, step in enumerate(steps):
                found[place].extend(streams[place].push(step) if step is not None else ())
        for place, series in enumerate(pair):
            told = (*found[place], *streams[place].close())
            whole = self.segmenter.segment(series)
            self._expect_same(whole._replace(segments=told), whole, f"{series.video}: another stream changed it")

    def test_online_is_what_it_says(self) -> None:
        """An online stream gives segments before it is closed, each after its end; another one gives all at the end."""
        series = example_series()["steps"]
        stream, early = self.segmenter.stream(video=series.video), 0
        for step in series.steps():
            for one in stream.push(step):
                early += 1
                _expect(one.end_s <= step.end_s, f"{one} ends after the time that was seen, {step.end_s} s")
        late = len(stream.close())
        if self.segmenter.online:
            _expect(early > 0 or late == 0, f"all {late} segments came when the stream was closed")
        else:
            _expect(early == 0, f"{early} segments came before the stream was closed")

    def test_wrong_steps_are_refused_and_change_nothing(self) -> None:
        """Times that go back, no time, a value without the state for it, an unknown state: `wrong-step`."""
        series = example_series()["steps"]
        steps = list(series.steps())
        stream = self.segmenter.stream(video=series.video)
        found: list[Segment] = []
        for number, step in enumerate(steps):
            found.extend(stream.push(step))
            if number % 16 == 7:
                for wrong in _wrong_steps(step):
                    with pytest.raises(SchemaError, match=r"\[wrong-step\]"):
                        stream.push(wrong)
        whole = self.segmenter.segment(series)
        told = (*found, *stream.close())
        self._expect_same(whole._replace(segments=told), whole, "a refused step changed the segments")

    def test_a_closed_stream_is_closed(self) -> None:
        """After `close`, nothing is taken and nothing is given a second time."""
        stream = self.segmenter.stream()
        stream.push(EnergyStep(0.0, 1.0, 0.5))
        stream.close()
        with pytest.raises(SchemaError, match=r"\[closed\]"):
            stream.push(EnergyStep(1.0, 2.0, 0.5))
        with pytest.raises(SchemaError, match=r"\[closed\]"):
            stream.close()

    def test_time_has_no_origin(self) -> None:
        """A video whose clock begins at another second is cut at the same places."""
        for name, series in example_series().items():
            for shift_s in (-64.0, 4096.0):
                later = replace(series, start_s=series.start_s + shift_s, end_s=series.end_s + shift_s)
                here, there = self.segmenter.segment(series), self.segmenter.segment(later)
                moved = [(one.start_s + shift_s, one.end_s + shift_s) for one in here.segments]
                got = [(one.start_s, one.end_s) for one in there.segments]
                same = len(got) == len(moved) and np.allclose(got, moved, rtol=0, atol=_NOISE_S)
                _expect(same, f"{name}: shifted by {shift_s} s, expected {moved}, got {got}")

    def test_equal_inputs_give_equal_bits(self) -> None:
        """The same series gives the same segments again, also by a copy from another process."""
        copy: Segmenter = pickle.loads(pickle.dumps(self.segmenter))
        for name, series in example_series().items():
            whole = self.segmenter.segment(series)
            self._expect_same(self.segmenter.segment(series), whole, f"{name}: two runs differ")
            self._expect_same(copy.segment(series), whole, f"{name}: a copy that was pickled differs")

    def test_a_container_takes_its_segments(self) -> None:
        """Energies of several videos become segments with the segmenter in their header."""
        from lapsdata.testing.samples import sample_energies

        found = segment(sample_energies(steps=40), self.segmenter)
        tool = found.header.segmenter
        _expect(tool is not None and tool.name == self.segmenter.name, f"the header names {tool}")

    def _expect_same(self, got: Segmentation, expected: Segmentation, message: str) -> None:
        same = [_bits(one) for one in got.segments] == [_bits(one) for one in expected.segments]
        _expect(same, f"{message}: expected {expected.segments}, got {got.segments}")
        _expect(got.policies == expected.policies, f"{message}: expected {expected.policies}, got {got.policies}")


def _wrong_steps(step: EnergyStep) -> tuple[EnergyStep, ...]:
    after = EnergyStep(step.end_s, step.end_s + 1, 0.5)
    unknown: Any = "asleep"
    return (
        step,
        after._replace(start_s=step.start_s - 1),
        after._replace(end_s=step.end_s),
        after._replace(end_s=after.start_s),
        after._replace(end_s=math.inf),
        after._replace(energy=math.nan),
        after._replace(state="gated"),
        after._replace(energy=math.nan, state=unknown),
    )


def _mean(series: EnergySeries, one: Segment) -> float:
    """Return the mean of the measured energies in a segment, by the time that each stands for."""
    # Neighbours part what both speak of; a hole between them belongs to none.
    middle = (series.end_s[:-1] + series.start_s[1:]) / 2
    adjoin = series.start_s[1:] <= series.end_s[:-1] + _NOISE_S
    first = np.append(series.start_s[:1], np.where(adjoin, middle, series.start_s[1:]))
    last = np.append(np.where(adjoin, middle, series.end_s[:-1]), series.end_s[-1:])
    inside = np.clip(np.minimum(last, one.end_s) - np.maximum(first, one.start_s), 0, None)
    weight = np.where(series.state == 0, inside, 0.0)
    total = float(weight.sum())
    return float((weight * np.nan_to_num(series.energy)).sum()) / total if total else math.nan


def _bits(one: Segment) -> tuple[Any, ...]:
    return (one.start_s, one.end_s, one.end_reason, None if math.isnan(one.score) else one.score)


def _expect(good: bool, message: str) -> None:
    """Fail the test; this module is shipped, where pytest does not rewrite `assert`."""
    if not good:
        raise AssertionError(message)
