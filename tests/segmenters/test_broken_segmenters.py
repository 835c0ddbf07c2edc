"""The contract itself fails segmenters that break a promise, each for its own reason.

Each broken segmenter is the state machine, or a uniform one, with one thing done otherwise.
"""

from __future__ import annotations

import importlib
import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.plugins import registry
from lapsdata.segmenters import CollectingStream, EnergySeries, Segment, Segmentation
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.testing.segmenter_contract import SegmenterContract, example_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.segmenters import EnergyStep, SegmentStream

GOOD = StateMachine(threshold=0.5)


class Twin:
    """The state machine, with some parts of its own."""

    def __init__(
        self,
        segment: Callable[[EnergySeries], Segmentation] = GOOD.segment,
        stream: Callable[..., Any] | None = None,
        **told: Any,
    ) -> None:
        self.segment = segment
        # A stream that fits: whatever the whole gives, told when it is closed.
        self.stream = stream or (lambda video="": CollectingStream(segment, video))
        self.name = told.get("name", "state_machine")
        self.version = told.get("version", GOOD.version)
        self.online = told.get("online", False)
        self.parameters = told.get("parameters", GOOD.parameters)

    def __reduce__(self) -> Any:
        """Be without the changes in another process: most of them have no name there."""
        return Twin, ()


def each(**changed: Callable[[Segment], Any]) -> Callable[[EnergySeries], Segmentation]:
    """Return what segments as the state machine does, and then changes fields of each segment."""

    def segment(series: EnergySeries) -> Segmentation:
        found = GOOD.segment(series)
        edited = (one._replace(**{key: edit(one) for key, edit in changed.items()}) for one in found.segments)
        return found._replace(segments=tuple(edited))

    return segment


def seen(edit: Callable[[EnergySeries], EnergySeries]) -> Callable[[EnergySeries], Segmentation]:
    """Return what segments another series than it was given."""
    return lambda series: GOOD.segment(edit(series))


def counted(policies: dict[Any, Any]) -> Callable[[EnergySeries], Segmentation]:
    return lambda series: GOOD.segment(series)._replace(policies=policies)


def backwards(series: EnergySeries) -> Segmentation:
    found = GOOD.segment(series)
    return found._replace(segments=found.segments[::-1])


def touching_twice(series: EnergySeries) -> Segmentation:
    found = GOOD.segment(series)
    return found._replace(segments=tuple(one for one in found.segments for _ in range(2)))


def zeros(series: EnergySeries) -> EnergySeries:
    """Write gated and missing values as 0.0."""
    return replace(series, energy=np.nan_to_num(series.energy), state=np.zeros_like(series.state))


def loud_zeros(series: EnergySeries) -> Segmentation:
    """Take gated and missing values for 0.0, with a threshold that 0.0 reaches."""
    return StateMachine(threshold=0.0, off_ratio=1.0).segment(zeros(series))


def on_the_clock(series: EnergySeries) -> Segmentation:
    """Keep only what begins in an even minute of the clock."""
    found = GOOD.segment(series)
    kept = tuple(one for one in found.segments if one.start_s < 1000.0)
    return found._replace(segments=kept)


RUNS = iter(range(10**6))


def never_twice(series: EnergySeries) -> Segmentation:
    found = GOOD.segment(series)
    return found._replace(segments=found.segments[next(RUNS) % 2 :])


class Stream:
    """The stream of the state machine, with one thing done otherwise."""

    def __init__(self, video: str = "") -> None:
        self._stream: SegmentStream = GOOD.stream(video=video)

    @property
    def policies(self) -> dict[str, int]:
        return self._stream.policies

    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        return self._stream.push(step)

    def close(self) -> tuple[Segment, ...]:
        return self._stream.close()


class LosesTheLast(Stream):
    def close(self) -> tuple[Segment, ...]:
        self._stream.close()
        return ()


class CountsNothing(Stream):
    @property
    def policies(self) -> dict[str, int]:
        return {}


SHARED: dict[str, Any] = {}


class Shares(Stream):
    """Streams that are open at one time are one."""

    def __init__(self, video: str = "") -> None:
        super().__init__(video)
        self._video = video

    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        SHARED[self._video] = len(SHARED)
        found = super().push(step)
        return () if {"steps", "states"} <= SHARED.keys() else found

    def close(self) -> tuple[Segment, ...]:
        SHARED.clear()
        return super().close()


class Guesses(Stream):
    """Says how a segment will end before it has."""

    def __init__(self, video: str = "") -> None:
        super().__init__(video)
        self._later = list(GOOD.segment(example_series()[video or "steps"]).segments)

    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        super().push(step)
        told = [one for one in self._later if one.start_s <= step.start_s]
        self._later = self._later[len(told) :]
        return tuple(told)

    def close(self) -> tuple[Segment, ...]:
        super().close()
        return tuple(self._later)


class TakesAnything(Stream):
    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        try:
            return super().push(step)
        except SchemaError as error:
            if error.problems[0].code == "closed":
                raise
            return ()


class TakesAndRefuses(Stream):
    """Refuses a wrong step, but has changed by then."""

    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        try:
            found = super().push(step)
        except SchemaError:
            self._stream = GOOD.stream()
            self._stream.push(self._last)
            raise
        self._last = step
        return found


class ClosesTwice(Stream):
    def close(self) -> tuple[Segment, ...]:
        try:
            return super().close()
        except SchemaError:
            return ()


class TakesAfterClose(TakesAnything):
    def push(self, step: EnergyStep) -> tuple[Segment, ...]:
        try:
            return Stream.push(self, step)
        except SchemaError as error:
            if error.problems[0].code == "closed":
                return ()
            raise


def made_otherwise() -> Twin:
    return Twin(each(start_s=lambda one: one.start_s - 0.0625))


class AnotherWhenPickled(Twin):
    def __reduce__(self) -> Any:
        return made_otherwise, ()


class NotPicklable(Twin):
    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle this segmenter")


TWINS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "no such name": (lambda: Twin(name="machine"), "name_is_the_registry", r"expected one of .*'machine'"),
    "another's name": (lambda: Twin(name="uniform", version="2"), "name_is_the_registry", r"finds \('uniform', '1'\)"),
    "another version": (lambda: Twin(version="0"), "name_is_the_registry", r"finds \('state_machine', '1'\)"),
    "no JSON": (lambda: Twin(parameters={"threshold": 0.5, "x-rows": (1, 2)}), "parameters_make", r"JSON cannot keep"),
    "hides a parameter": (
        lambda: Twin(StateMachine(threshold=0.5, up_s=1.0).segment, parameters={"threshold": 0.5}),
        "parameters_make",
        r"made one with",
    ),
    "tells another parameter": (
        lambda: Twin(parameters={**GOOD.parameters, "up_s": 1.5}),
        "parameters_make",
        r"steps: made again, it differs",
    ),
    "no version": (lambda: Twin(version=""), "says_of_itself", r"version: "),
    "online is no bool": (lambda: Twin(online="yes"), "says_of_itself", r"online is 'yes'"),
    "empty segments": (lambda: Twin(each(end_s=lambda one: one.start_s)), "in_order", r"steps: .* has no duration"),
    "NaN": (lambda: Twin(each(start_s=lambda one: math.nan)), "in_order", r"steps: .* has no duration"),
    "begins before": (
        lambda: Twin(each(start_s=lambda one: one.start_s - 9.0)),
        "in_order",
        r"is outside of the series",
    ),
    "ends behind": (lambda: Twin(each(end_s=lambda one: one.end_s + 99.0)), "in_order", r"is outside of the series"),
    "backwards": (lambda: Twin(backwards), "in_order", r"begins before .* ends"),
    "overlapping": (lambda: Twin(touching_twice), "in_order", r"begins before .* ends"),
    "a reason of its own": (lambda: Twin(each(end_reason=lambda one: "bored")), "reasons", r"is none of \('threshold'"),
    "a person's reason": (lambda: Twin(each(end_reason=lambda one: "annotation")), "reasons", r"is none of"),
    "durations as scores": (
        lambda: Twin(each(score=lambda one: one.end_s - one.start_s)),
        "scores",
        r"steps: expected a score of 0\.",
    ),
    "gated as 0.0 in scores": (lambda: Twin(loud_zeros), "scores", r"(states|gated): expected a score of"),
    "policies of nothing": (lambda: Twin(counted({"gated-quiet": 0})), "policies", r"'gated-quiet' counts 0"),
    "policies of parts": (lambda: Twin(counted({"gated-quiet": 0.5})), "policies", r"'gated-quiet' counts 0\.5"),
    "policies without a name": (lambda: Twin(counted({"": 1})), "policies", r"'' counts 1"),
    "loses the last": (lambda: Twin(stream=LosesTheLast), "a_stream_gives", r"a stream gives other segments"),
    "counts nothing": (lambda: Twin(stream=CountsNothing), "a_stream_gives", r"\{\} is not \{'gated-quiet'"),
    "streams share": (lambda: Twin(stream=Shares), "know_nothing", r"another stream changed it"),
    "online in name only": (
        lambda: Twin(online=True),
        "online_is",
        r"all \d+ segments came when the stream was",
    ),
    "offline in name only": (lambda: Twin(stream=Stream), "online_is", r"segments came before the stream was closed"),
    "guesses": (lambda: Twin(stream=Guesses, online=True), "online_is", r"ends after the time that was seen"),
    "takes anything": (lambda: Twin(stream=TakesAnything), "wrong_steps", r"DID NOT RAISE"),
    "takes and refuses": (lambda: Twin(stream=TakesAndRefuses), "wrong_steps", r"a refused step changed the segments"),
    "closes twice": (lambda: Twin(stream=ClosesTwice), "closed_stream", r"DID NOT RAISE"),
    "takes after close": (lambda: Twin(stream=TakesAfterClose), "closed_stream", r"DID NOT RAISE"),
    "knows the clock": (lambda: Twin(on_the_clock), "time_has_no_origin", r"steps: shifted by 4096\.0 s, expected"),
    "never twice": (lambda: Twin(never_twice), "equal_inputs", r"(two runs differ|was pickled differs)"),
    "cannot be pickled": (lambda: NotPicklable(), "equal_inputs", r"cannot pickle this segmenter"),
    "another one when pickled": (lambda: AnotherWhenPickled(), "equal_inputs", r"a copy that was pickled differs"),
    "no header takes it": (lambda: Twin(each(end_s=lambda one: 99.0)), "container", r"outside-video|overlap"),
}


@pytest.mark.parametrize("case", TWINS)
def test_a_broken_promise_fails_its_test(case: str) -> None:
    make, name, why = TWINS[case]

    class Suite(SegmenterContract):
        segmenter = make()

    (test,) = [one for one in dir(Suite) if one.startswith("test_") and name in one]
    SHARED.clear()
    with pytest.raises((Exception, pytest.fail.Exception), match=why):
        getattr(Suite(), test)()


def test_every_promise_has_a_twin_that_breaks_it() -> None:
    promises = {one for one in dir(SegmenterContract) if one.startswith("test_")}
    broken = {one for one in promises for _, name, _ in TWINS.values() if name in one}
    assert broken == promises


def test_a_twin_without_a_change_keeps_every_promise() -> None:
    class Suite(SegmenterContract):
        segmenter: Any = Twin()

    for name in dir(Suite):
        if name.startswith("test_"):
            getattr(Suite(), name)()
    assert Suite.segmenter.online is False


SOURCE = """
from lapsdata.segmenters.uniform import Uniform


class Odd(Uniform):
    name = "odd_segmenter"
    version = "0.1"


{plugin}
"""


@pytest.mark.parametrize(
    ("plugin", "why"),
    [
        ("PLUGIN = Odd", None),
        ("PLUGIN = Odd(count=2)", r"__call__: expected Callable, got nothing"),
        ("PLUGIN = Uniform", r"name: expected 'odd_segmenter', got 'uniform'"),
        ("PLUGIN = lambda **given: Odd(**given)", r"name: expected str, got nothing"),
    ],
)
def test_a_segmenter_of_others_is_found_and_judged(
    plugin: str, why: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "laps_odd_segmenter-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: laps-odd\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lapsdata.segmenters]\nodd_segmenter = laps_odd_segmenter:PLUGIN\n")
    (tmp_path / "laps_odd_segmenter.py").write_text(SOURCE.format(plugin=plugin))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    found = registry("segmenters")
    found.refresh()
    try:
        if why is None:
            made = found.load("odd_segmenter")(count=2)
            assert made.name == "odd_segmenter"
            assert len(made.segment(example_series()["steps"]).segments) == 2
        else:
            with pytest.raises(Exception, match=why):
                found.load("odd_segmenter")
    finally:
        found.refresh()
        sys.modules.pop("laps_odd_segmenter", None)


def test_a_contract_without_a_segmenter_says_so() -> None:
    with pytest.raises(AttributeError, match="segmenter"):
        SegmenterContract().test_name_is_the_registry_name()
