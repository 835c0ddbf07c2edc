"""The contract itself fails trackers that break a promise, each for its own reason; one that passes all proves nothing.

Each broken tracker is lucas_kanade with one thing done otherwise.
"""

from __future__ import annotations

import importlib
import itertools
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from lapsdata.errors import Problem, SchemaError
from lapsmodels.testing import TrackerContract
from lapsmodels.trackers.lucas_kanade import PLUGIN as GOOD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsmodels.trackers import TrackedWindow, WindowPlan

    Image = NDArray[np.uint8]
    Windows = Iterator[TrackedWindow]
    Change = Callable[[Iterable[Image], WindowPlan], Windows]


@dataclass(frozen=True)
class Twin:
    """lucas_kanade, with windows of its own."""

    change: Change = GOOD.windows
    version: str = "1"
    pixels: Any = "gray"
    parameters: dict[str, Any] = field(default_factory=dict)
    name: str = "lucas_kanade"

    def windows(self, frames: Iterable[Image], plan: WindowPlan) -> Windows:
        return self.change(frames, plan)


def each(edit: Callable[[TrackedWindow], dict[str, Any]]) -> Change:
    """Return a tracker whose windows have some fields replaced."""

    def windows(frames: Iterable[Image], plan: WindowPlan) -> Windows:
        return (window._replace(**edit(window)) for window in GOOD.windows(frames, plan))

    return windows


def planned(edit: Callable[[WindowPlan], dict[str, Any]]) -> Change:
    """Return a tracker that follows another plan than it was given."""
    return lambda frames, plan: GOOD.windows(frames, replace(plan, **edit(plan)))


def framed(edit: Callable[[Iterable[Image]], Iterable[Image]]) -> Change:
    """Return a tracker that sees other frames than it was given."""
    return lambda frames, plan: GOOD.windows(edit(frames), plan)


def still(window: TrackedWindow) -> NDArray[np.float32]:
    return np.repeat(window.tracks[:1], len(window.tracks), axis=0)


def drifting(window: TrackedWindow) -> NDArray[np.float32]:
    return (window.tracks + 0.04 * np.arange(len(window.tracks))[:, None, None]).astype(np.float32)


def last_known(window: TrackedWindow) -> NDArray[np.float32]:
    """Return tracks that go on where they were seen last."""
    tracks = window.tracks.copy()
    for row in range(1, len(tracks)):
        unknown = np.isnan(tracks[row]).any(axis=-1)
        tracks[row][unknown] = tracks[row - 1][unknown]
    return tracks


def clipped(window: TrackedWindow) -> NDArray[np.float32]:
    return last_known(window).clip(0, [143, 95]).astype(np.float32)


def swapped(window: TrackedWindow) -> NDArray[np.float32]:
    return window.tracks[:1] + (window.tracks - window.tracks[:1])[..., ::-1]


def more_sure(window: TrackedWindow, by: float) -> dict[str, Any]:
    return {"confidence": (window.confidence + np.float32(by)).astype(np.float32)}


def left_half(window: TrackedWindow) -> dict[str, Any]:
    """Keep what lies in a square as high as the frame: the swap that square frames hide."""
    return {"vis": window.vis & (window.tracks[..., 0] < 480)}


def looks_first(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    source = iter(frames)
    first = list(itertools.islice(source, 1))
    return GOOD.windows(itertools.chain(first, source), plan)


def looks_ahead(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    source = iter(frames)
    for window in GOOD.windows(source, plan):
        next(source, None)
        yield window


def all_at_the_end(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    yield from list(GOOD.windows(frames, plan))


def to_the_last(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    yield from GOOD.windows(frames, plan)
    list(frames)


def remembers(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    """Let the confidence of a window change the next."""
    before = np.float32(0)
    for window in GOOD.windows(frames, plan):
        yield window._replace(confidence=window.confidence * np.exp(-before))
        before = window.confidence[-1].mean()


def forgets_the_path(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    """Cut windows out of one path, and forget what was known of it."""
    for window in GOOD.windows(frames, plan):
        vis = window.vis.copy()
        vis[0] = True
        yield window._replace(vis=vis)


def refuses_continuous(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    if plan.continuous:
        raise SchemaError(Problem("wrong-queries", "plan", "not said why"))
    return GOOD.windows(frames, plan)


def paints(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    def painted() -> Iterator[Image]:
        for image in frames:
            image[0, 0] = 0
            yield image

    return GOOD.windows(painted(), plan)


def views_of_queries(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    for window in GOOD.windows(frames, plan):
        yield window._replace(tracks=np.broadcast_to(plan.queries(window.number), window.tracks.shape))


def as_gray(image: Image) -> Image:
    """Guess what was meant, as a tracker must not."""
    full = image * 255 if image.max() <= 1 else image
    flat = full if full.ndim == 2 else full[..., 0]
    turned = flat.T if flat.shape[0] > flat.shape[1] else flat
    return np.asarray(cv2.resize(np.ascontiguousarray(turned.astype(np.uint8)), (144, 96)), np.uint8)


def as_unit(frames: Iterable[Image]) -> Iterator[Image]:
    """Show black and white only: what is left of 0 to 1 where whole levels are wanted."""
    return ((image / np.float32(255)).round().astype(np.uint8) * 255 for image in frames)


def nameless(frames: Iterable[Image]) -> Iterator[Image]:
    for image in frames:
        if image.dtype != np.uint8:
            raise ValueError("no name for it")
        yield image


def until_it_fits(points: Any) -> Any:
    """Guess which queries were meant."""
    xy = np.resize(np.asarray(points, np.float32), (60, 2)) if np.size(points) else np.zeros((60, 2), np.float32)
    return np.nan_to_num(xy).clip(0, [143, 95]).astype(np.float32)


def pads(frames: Iterable[Image]) -> Iterator[Image]:
    image = None
    for image in frames:
        yield image
    while image is not None:
        yield image


def stops(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    whole = list(frames)
    kept = plan.starts[plan.starts + plan.horizon <= len(whole)]
    return GOOD.windows(whole, replace(plan, starts=kept))


def guesses_at_an_open_end(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    for window in GOOD.windows(frames, plan):
        yield window._replace(tracks=window.tracks.round()) if plan.open_end else window


def hoards_windows(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    kept = []
    for window in GOOD.windows(frames, plan):
        kept.append(window)
        yield window


def hoards_copies(frames: Iterable[Image], plan: WindowPlan) -> Windows:
    kept = []

    def copied() -> Iterator[Image]:
        for image in frames:
            kept.append(image.copy())
            yield image

    return GOOD.windows(copied(), plan)


RANDOM = np.random.default_rng()
BROKEN: dict[str, list[tuple[str, Twin]]] = {
    "test_name_is_the_registry_name": [("another tracker under 'lucas_kanade'", Twin())],
    "test_what_it_says_of_itself_goes_into_a_header": [
        ("version is ''", Twin(version="")),
        ("pixels is 'grey'", Twin(pixels="grey")),
        ("JSON cannot keep", Twin(parameters={"window": (21, 21)})),
        ("not JSON serializable", Twin(parameters={"window": {21}})),
    ],
    "test_windows_are_those_of_the_plan": [
        ("numbers and starts", Twin(each(lambda window: {"number": 0}))),
        ("numbers and starts", Twin(each(lambda window: {"start": window.start + 1}))),
        ("numbers and starts", Twin(lambda frames, plan: itertools.islice(GOOD.windows(frames, plan), 3))),
        ("float64", Twin(each(lambda window: {"tracks": window.tracks.astype(np.float64)}))),
        ("float32", Twin(each(lambda window: {"vis": window.vis.astype(np.float32)}))),
        ("expected", Twin(each(lambda window: {"tracks": window.tracks.swapaxes(0, 1)}))),
        ("expected", Twin(each(lambda window: {"confidence": window.confidence[1:]}))),
    ],
    "test_a_plan_without_windows_needs_no_frame": [("0 windows, after 1 frames", Twin(looks_first))],
    "test_the_first_frame_is_the_queries": [
        ("beside their queries", Twin(each(lambda window: {"tracks": window.tracks.round()}))),
        ("not visible", Twin(each(lambda window: {"vis": window.vis & (np.arange(len(window.vis))[:, None] > 0)}))),
        ("backward error", Twin(each(lambda window: {"back_error_px": np.nan_to_num(window.back_error_px)}))),
    ],
    "test_a_window_comes_with_its_last_frame": [
        ("ends with frame 5, 18 were taken", Twin(all_at_the_end)),
        ("ends with frame 5, 7 were taken", Twin(looks_ahead)),
        ("ends with frame 5, 40 were taken", Twin(framed(list))),
    ],
    "test_no_frame_is_taken_beyond_the_plan": [("9 frames are needed, 40 were taken", Twin(to_the_last))],
    "test_each_window_starts_afresh": [
        ("window 1 is another one", Twin(remembers)),
        ("window 1 is another one", Twin(planned(lambda plan: {"continuous": True}))),
    ],
    "test_continuous_windows_are_one_path": [
        ("window 1 is no part", Twin(planned(lambda plan: {"continuous": False}))),
        ("window 2 is no part", Twin(forgets_the_path)),
        (r"refused with \['wrong-queries'\]", Twin(refuses_continuous)),
    ],
    "test_equal_inputs_give_equal_bits": [
        ("two runs differ", Twin(each(lambda window: more_sure(window, RANDOM.random()))))
    ],
    "test_threads_change_no_bit": [
        ("one and two threads differ", Twin(each(lambda window: more_sure(window, cv2.getNumThreads()))))
    ],
    "test_what_is_given_stays_as_it_was": [
        ("read-only", Twin(paints)),
        ("a view of its queries", Twin(views_of_queries)),
    ],
    "test_what_is_visible_was_measured": [
        ("outside of the frame, or NaN", Twin(each(lambda window: {"vis": np.ones_like(window.vis)}))),
        ("outside of the frame", Twin(each(lambda window: {"tracks": window.tracks - np.float32(20)}))),
        ("not in 0 to 1", Twin(each(lambda window: more_sure(window, 0.1)))),
        ("not in 0 to 1", Twin(each(lambda window: more_sure(window, np.nan)))),
        ("negative", Twin(each(lambda window: {"back_error_px": -window.back_error_px}))),
    ],
    "test_shifts_are_followed": [
        ("errors below", Twin(each(lambda window: {"tracks": still(window)}))),
        ("errors below", Twin(each(lambda window: {"tracks": drifting(window)}))),
        ("to be visible", Twin(each(lambda window: {"vis": window.vis & (window.tracks[..., 1] < 50)}))),
    ],
    "test_wide_frames_are_covered": [
        ("errors below", Twin(each(lambda window: {"tracks": swapped(window)}))),
        ("to be visible", Twin(each(left_half))),
    ],
    "test_dim_pictures_are_followed": [(r"moved by \(3, -2\): expected", Twin(framed(as_unit)))],
    "test_what_leaves_the_frame_is_not_held_at_its_border": [
        ("stay at", Twin(each(lambda window: {"tracks": clipped(window)}))),
        ("are visible", Twin(each(lambda window: {"tracks": clipped(window), "vis": np.ones_like(window.vis)}))),
    ],
    "test_nothing_to_hold_on_to_is_not_relied_on": [
        ("on level 0, got 0.5", Twin(each(lambda window: {"confidence": np.full_like(window.confidence, 0.5)}))),
    ],
    "test_wrong_frames_are_refused": [
        ("DID NOT RAISE", Twin(framed(lambda frames: map(as_gray, frames)))),
        ("no name for it", Twin(framed(nameless))),
    ],
    "test_wrong_queries_are_refused": [
        ("DID NOT RAISE", Twin(planned(lambda plan: {"queries": lambda number: until_it_fits(plan.queries(number))}))),
        ("Regex pattern did not match", Twin(planned(lambda plan: {"queries": lambda one: plan.queries(1 - one)}))),
    ],
    "test_too_few_frames_are_an_error": [
        ("DID NOT RAISE", Twin(framed(pads))),
        ("DID NOT RAISE", Twin(stops)),
        (r"expected 10 frames .* got 8", Twin(all_at_the_end)),
    ],
    "test_a_video_shorter_than_a_window_is_an_error": [
        ("DID NOT RAISE", Twin(framed(pads))),
    ],
    "test_frames_of_a_plan_with_an_open_end_may_end": [
        ("frames", Twin(planned(lambda plan: {"open_end": False}))),
        ("expected 2 windows of 9 frames, got 4", Twin(framed(lambda frames: itertools.islice(pads(frames), 13)))),
        ("an open end changes the paths", Twin(guesses_at_an_open_end)),
    ],
    "test_memory_is_flat": [
        (r"6\d frames and arrays are held", Twin(framed(list))),
        (r"11\d frames and arrays are held", Twin(hoards_windows)),
        ("40 frames more hold", Twin(hoards_copies)),
    ],
}  # fmt: skip
# A tracker that goes to another process stands in a module that is found there.
BY_MODULE = "test_another_process_changes_no_bit"

CASES = [(name, why, twin) for name, twins in BROKEN.items() for why, twin in twins]
FAILURES = (Exception, pytest.fail.Exception)


def suite_of(of: Any) -> TrackerContract:
    class Suite(TrackerContract):
        tracker = of

    return Suite()


def test_every_promise_has_a_tracker_that_breaks_it() -> None:
    promises = {name for name in dir(TrackerContract) if name.startswith("test_")}
    assert {*BROKEN, BY_MODULE} == promises


@pytest.mark.parametrize("name", sorted(set(BROKEN) - {"test_name_is_the_registry_name"}))
def test_a_twin_that_changes_nothing_passes(name: str) -> None:
    assert getattr(suite_of(Twin()), name)() is None


@pytest.mark.parametrize(("name", "why", "twin"), CASES, ids=[f"{name}-{why}" for name, why, _ in CASES])
def test_contract_fails_a_bad_tracker(name: str, why: str, twin: Twin) -> None:
    with pytest.raises(FAILURES, match=why):
        getattr(suite_of(twin), name)()


ODD = """
import os
from dataclasses import dataclass
from lapsmodels.trackers.lucas_kanade import LucasKanade

@dataclass(frozen=True, kw_only=True)
class Odd(LucasKanade):
    def windows(self, frames, plan):
        for window in super().windows(frames, plan):
            yield window._replace(confidence=window.confidence * {factor})

PLUGIN = Odd()
"""
BY_PROCESS = {
    "process": ("(1 if os.getpid() == {own} else 0.5)", "two processes differ"),
    "seed": ("(hash('a word') % 1000 / 1000)", "two processes differ"),
    "fault": ("absent", "NameError"),
    "nothing": ("1", None),
}


@pytest.mark.parametrize("case", BY_PROCESS)
def test_contract_fails_a_tracker_that_depends_on_its_process(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factor, why = BY_PROCESS[case]
    (tmp_path / f"odd_{case}.py").write_text(ODD.format(factor=factor.format(own=os.getpid())))
    monkeypatch.syspath_prepend(tmp_path)
    suite = suite_of(importlib.import_module(f"odd_{case}").PLUGIN)
    if why is None:
        suite.test_another_process_changes_no_bit()
    else:
        with pytest.raises(AssertionError, match=why):
            suite.test_another_process_changes_no_bit()


def test_a_suite_without_a_tracker_cannot_pass() -> None:
    with pytest.raises(AttributeError, match="tracker"):
        TrackerContract().test_equal_inputs_give_equal_bits()
