"""The test suite that every tracker must pass; plug-in authors inherit it.

In a test module of the plug-in::

    class TestTracker(TrackerContract):
        tracker = PLUGIN

pytest then collects every `test_` method below for that tracker. Pictures are smooth noise that moves as a whole, so
that the truth is known; nothing is downloaded, and no tracker needs more than a second of video.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from lapsdata.errors import LengthMismatchError, MissingExtraError, Problem, SchemaError
from lapsdata.geometry import FrameSize, inside_frame, uniform_grid
from lapsdata.plugins import registry
from lapsmodels.trackers import Pixels, TrackedWindow, WindowPlan

try:
    import pytest
except ImportError as error:
    raise MissingExtraError(
        Problem("missing-extra", "lapsmodels.testing", "expected pytest, got no such package",
                "pip install 'lapsdata[test]'")
    ) from error  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lapsmodels.trackers import Tracker

    Image = NDArray[np.uint8]
    Points = NDArray[np.float32]

__all__ = ["TrackerContract"]

# Wider than high, so that a swap of x and y cannot hide.
_SIZE = FrameSize(width=144, height=96)
_WIDE = FrameSize(width=771, height=480)
_HORIZON = 6
# So far from the border, a patch of any usual size is whole.
_INNER_PX = 24
_CHILD = "import pickle, sys; print(pickle.load(sys.stdin.buffer)())"


class TrackerContract:
    """What a tracker promises, as tests; see the module for how to inherit them.

    Parameters
    ----------
    tracker : Tracker
        The object that the entry point names.

    Examples
    --------
    >>> from lapsmodels.trackers.lucas_kanade import PLUGIN
    >>> class TestLucasKanade(TrackerContract):
    ...     tracker = PLUGIN
    >>> TestLucasKanade().test_name_is_the_registry_name()
    """

    tracker: Tracker

    def test_name_is_the_registry_name(self) -> None:
        """The tracker is found under its own name."""
        found = registry("trackers").load(self.tracker.name)
        _expect(found is self.tracker, f"the registry finds another tracker under '{self.tracker.name}'")

    def test_what_it_says_of_itself_goes_into_a_header(self) -> None:
        """Version and parameters are text and JSON, and `pixels` is a word that is known."""
        tracker = self.tracker
        version: object = tracker.version
        _expect(isinstance(version, str) and version != "", f"version is {version!r}")
        _expect(tracker.pixels in get_args(Pixels), f"pixels is {tracker.pixels!r}")
        parameters = dict(tracker.parameters)
        _expect(json.loads(json.dumps(parameters)) == parameters, f"JSON cannot keep the parameters {parameters}")

    def test_windows_are_those_of_the_plan(self) -> None:
        """As many windows as planned, in order, each with arrays of the promised shape and type."""
        plan = _plan([0, 1, 4, 9])
        windows = self._track(plan, (2, 1))
        told = [(window.number, window.start) for window in windows]
        _expect(told == [(0, 0), (1, 1), (2, 4), (3, 9)], f"numbers and starts are {told}")
        points = len(plan.queries(0))
        for window in windows:
            shapes = [(array.dtype.name, array.shape) for array in window[2:]]
            flat = (plan.horizon, points)
            expected = [("float32", (*flat, 2)), ("bool", flat), ("float32", flat), ("float32", flat)]
            _expect(shapes == expected, f"expected {expected}, got {shapes}")

    def test_a_plan_without_windows_needs_no_frame(self) -> None:
        """No window is planned: none comes, and no frame is taken."""
        taken: list[int] = []
        windows = list(self.tracker.windows(_counted(self._frames(_SIZE, 3, (1, 0)), taken), _plan([])))
        _expect(windows == [] and taken == [], f"got {len(windows)} windows, after {len(taken)} frames")

    def test_the_first_frame_is_the_queries(self) -> None:
        """Points begin exactly where they were asked for, also between pixels, seen and not yet measured."""
        for window in self._track(_plan([0, 3]), (1, -1)):
            _expect(np.array_equal(window.tracks[0], _points(window.number)), "points begin beside their queries")
            _expect(bool(window.vis[0].all()), "a query is not visible in its own frame")
            _expect(bool(np.isnan(window.back_error_px[0]).all()), "a query has a backward error before any step")

    def test_a_window_comes_with_its_last_frame(self) -> None:
        """Each window is yielded when its last frame was taken, and not a frame earlier or later."""
        plan, taken = _plan([0, 2, 3, 12]), list[int]()
        frames = _counted(self._frames(_SIZE, 40, (1, 0)), taken)
        for window in self.tracker.windows(frames, plan):
            last = window.start + plan.horizon
            _expect(len(taken) == last, f"window {window.number} ends with frame {last - 1}, {len(taken)} were taken")

    def test_no_frame_is_taken_beyond_the_plan(self) -> None:
        """The frames may go on without end: those after the last window stay where they are."""
        plan, taken = _plan([1, 3]), list[int]()
        frames = _counted(self._frames(_SIZE, 40, (1, 0)), taken)
        done = len(list(self.tracker.windows(frames, plan)))
        _expect((done, len(taken)) == (2, plan.frames), f"{plan.frames} frames are needed, {len(taken)} were taken")

    def test_each_window_starts_afresh(self) -> None:
        """A window among others is bit by bit the window that is tracked alone."""
        starts = [0, 2, 3, 7]
        together = self._track(_plan(starts), (2, -1))
        frames = list(self._frames(_SIZE, starts[-1] + _HORIZON, (2, -1)))
        for window in together:
            alone = next(self.tracker.windows(frames[window.start :], _plan([0], first=window.number)))
            _expect(_bits(window[2:]) == _bits(alone[2:]), f"window {window.number} is another one when it is alone")

    def test_continuous_windows_are_one_path(self) -> None:
        """Continuous: frames that two windows share are equal in both, and a window may begin anywhere on the path.

        A tracker that sees windows as a whole refuses such a plan (`not-continuous`).
        """
        try:
            long = self._track(_plan([0], horizon=14, continuous=True), (2, -1))[0]
        except SchemaError as error:
            codes = [problem.code for problem in error.problems]
            _expect(codes == ["not-continuous"], f"a continuous plan is refused with {codes}")
            return
        for window in self._track(_plan([0, 2, 8], continuous=True), (2, -1)):
            rows = slice(window.start, window.start + _HORIZON)
            cut = [np.ascontiguousarray(array[rows]) for array in long[2:]]
            _expect(_bits(window[2:]) == _bits(cut), f"window {window.number} is no part of the one path")

    def test_equal_inputs_give_equal_bits(self) -> None:
        """The same frames and plan, tracked twice by one object, give the same windows."""
        _expect(_digest(self.tracker) == _digest(self.tracker), "two runs differ")

    def test_threads_change_no_bit(self) -> None:
        """One thread of OpenCV gives what two give."""
        import cv2

        kept, digests = cv2.getNumThreads(), list[str]()
        try:
            for threads in (1, 2):
                cv2.setNumThreads(threads)
                digests.append(_digest(self.tracker))
        finally:
            cv2.setNumThreads(kept)
        _expect(digests[0] == digests[1], "one and two threads differ")

    def test_another_process_changes_no_bit(self) -> None:
        """A new interpreter, with other hash seeds and addresses, gives the same windows."""
        run = pickle.dumps(functools.partial(_digest, self.tracker))
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "77"}
        done = subprocess.run([sys.executable, "-c", _CHILD], input=run, env=env, capture_output=True, check=False)
        _expect(done.returncode == 0, done.stderr.decode())
        _expect(done.stdout.decode().strip() == _digest(self.tracker), "two processes differ")

    def test_what_is_given_stays_as_it_was(self) -> None:
        """Frames and queries are read, and not written to."""
        frames = list(self._frames(_SIZE, _HORIZON, (1, 1)))
        points = _points(0)
        for frame in frames:
            frame.flags.writeable = False
        points.flags.writeable = False
        plan = WindowPlan(size=_SIZE, starts=np.array([0]), horizon=_HORIZON, queries=lambda _: points)
        window = next(self.tracker.windows(frames, plan))
        for array in window[2:]:
            _expect(not np.shares_memory(array, points), "a window is a view of its queries")

    def test_what_is_visible_was_measured(self) -> None:
        """Visible points are inside of the frame and not NaN; confidence is a share, errors are distances."""
        for step in ((2, 1), (-7, 0), (0, 9), (40, 30)):
            for window in self._track(_plan([0, 3]), step):
                at = window.tracks[window.vis]
                _expect(bool(inside_frame(at, _SIZE).all()), f"visible points outside of the frame, or NaN: {at}")
                sure = bool(((window.confidence >= 0) & (window.confidence <= 1)).all())
                _expect(sure, "confidence is not in 0 to 1")
                _expect(not (window.back_error_px < 0).any(), "a backward error is negative")

    def test_shifts_are_followed(self) -> None:
        """A picture that moves by whole pixels is followed to a tenth of a pixel wherever its patch is whole."""
        for step in ((1, 0), (0, -1), (3, 2), (-2, 4)):
            window = self._track(_plan([0]), step)[0]
            _expect_followed(window, step, _SIZE)

    def test_dim_pictures_are_followed(self) -> None:
        """Levels from 20 to 105 of 255 are followed too: to a model that is handed a 255th of them, they are black."""
        frames = [20 + image // 3 for image in self._frames(_SIZE, _HORIZON, (3, -2))]
        window = next(self.tracker.windows(frames, _plan([0])))
        # Rounding to whole levels takes more of what little contrast there is.
        _expect_followed(window, (3, -2), _SIZE, within=0.3)

    def test_wide_frames_are_covered(self) -> None:
        """On 771 x 480 pixels, points are followed up to every corner, and x is not y."""
        points = uniform_grid(_WIDE, count=160).points
        plan = WindowPlan(size=_WIDE, starts=np.array([0]), horizon=3, queries=lambda _: points)
        window = next(self.tracker.windows(self._frames(_WIDE, 3, (6, -3)), plan))
        _expect_followed(window, (6, -3), _WIDE)

    def test_what_leaves_the_frame_is_not_held_at_its_border(self) -> None:
        """A point that is carried out is not visible, and is either nowhere or outside: positions are not clipped."""
        for step in ((6, 0), (-6, 0), (0, 6), (0, -6)):
            window = self._track(_plan([0], horizon=8), step)[0]
            truth = _truth(window, step)
            beyond = np.maximum(-truth, truth - (_SIZE.width - 1, _SIZE.height - 1)).max(axis=-1)
            gone = (beyond > 5) & window.vis[0]
            _expect(bool(gone.any()), "no point leaves the frame")
            _expect(not (window.vis & gone).any(), f"points that left by {step} are visible")
            held = gone[-1] & inside_frame(window.tracks[-1], _SIZE)
            _expect(not held.any(), f"points that left by {step} stay at {window.tracks[-1][held].tolist()}")

    def test_nothing_to_hold_on_to_is_not_relied_on(self) -> None:
        """On frames of one colour no point is sure of itself, after the first frame."""
        for level in (0, 128, 255):
            flat = np.full(_shape(_SIZE, self.tracker.pixels), level, np.uint8)
            window = next(self.tracker.windows([flat] * _HORIZON, _plan([0])))
            most = float(window.confidence[1:].max())
            _expect(
                most <= float(np.float32(0.1)), f"expected a confidence of at most 0.1 on level {level}, got {most:g}"
            )

    def test_wrong_frames_are_refused(self) -> None:
        """Floats in 0 to 1, another size, sides swapped, other channels: a `wrong-frame` that names the frame."""
        frames = list(self._frames(_SIZE, 3, (0, 0)))
        image = frames[0]
        unit = (image / np.float32(255)).astype(np.float32)
        channels = np.zeros((*_SIZE.shape, 4), np.uint8)
        other = image[..., 0] if image.ndim == 3 else np.stack([image] * 3, axis=-1)
        for wrong in (unit, image.astype(np.int16), image[1:], image.swapaxes(0, 1), channels, other):
            for index in (0, 2):
                given: Any = [*frames[:index], wrong, *frames[index:]]
                with pytest.raises(SchemaError, match=rf"frame {index}\b.*\[wrong-frame\]"):
                    list(self.tracker.windows(given, _plan([0], horizon=3)))

    def test_wrong_queries_are_refused(self) -> None:
        """Queries of another type or shape, none, NaN, or outside of the frame: `wrong-queries`, naming the window."""
        good = _points(0)
        outside, missing = good.copy(), good.copy()
        outside[3], missing[3] = (_SIZE.height - 1, _SIZE.width - 1), np.nan
        wrongs: Sequence[Any] = (good.astype(np.float64), good.T, good[0], good[:0], outside, missing, good[1:])
        for wrong in wrongs:
            each = [good, wrong]
            plan = WindowPlan(size=_SIZE, starts=np.array([0, 1]), horizon=2, queries=each.__getitem__)
            with pytest.raises(SchemaError, match=r"window 1\b.*\[wrong-queries\]"):
                list(self.tracker.windows(self._frames(_SIZE, 3, (0, 0)), plan))

    def test_too_few_frames_are_an_error(self) -> None:
        """Windows that are complete come; then `too-few-frames` tells both numbers."""
        windows = self.tracker.windows(self._frames(_SIZE, 8, (1, 0)), _plan([0, 4]))
        _expect(next(windows).number == 0, "the whole window did not come first")
        with pytest.raises(LengthMismatchError, match=r"\b10\b.*\b8\b.*\[too-few-frames\]"):
            list(windows)

    def test_a_video_shorter_than_a_window_is_an_error(self) -> None:
        """Frames that end within the first window give no window: it is not padded, and not cut."""
        windows = self.tracker.windows(self._frames(_SIZE, _HORIZON - 1, (1, 0)), _plan([0]))
        with pytest.raises(LengthMismatchError, match=r"\b6\b.*\b5\b.*\[too-few-frames\]"):
            next(windows)

    def test_frames_of_a_plan_with_an_open_end_may_end(self) -> None:
        """The windows that are complete come, as they are without an end in sight; the others never do."""
        plan = replace(_plan(range(0, 400, 2)), open_end=True)
        for count, whole in ((9, 2), (_HORIZON - 1, 0), (0, 0)):
            windows = list(self.tracker.windows(self._frames(_SIZE, count, (1, 0)), plan))
            _expect(len(windows) == whole, f"expected {whole} windows of {count} frames, got {len(windows)}")
            known = self._track(_plan(range(0, 2 * whole, 2)), (1, 0))
            for one, other in zip(windows, known, strict=True):
                _expect(np.array_equal(one.tracks, other.tracks, equal_nan=True), "an open end changes the paths")

    def test_memory_is_flat(self) -> None:
        """Of a long video only the frames and windows that are open are held, as they were given or as copies."""
        alive: list[weakref.ref[Any]] = []
        held: list[int] = []
        most = 0

        def frames(count: int) -> Iterator[Image]:
            for image in self._frames(_SIZE, count, (0, 0)):
                alive.append(weakref.ref(image))
                held.append(tracemalloc.get_traced_memory()[0])
                yield image

        def plan(count: int) -> WindowPlan:
            return _plan(range(0, count - _HORIZON + 1, 2))

        # What is compiled or loaded at first use is not counted.
        list(self.tracker.windows(frames(_HORIZON), plan(_HORIZON)))
        alive.clear()
        tracemalloc.start()
        try:
            for window in self.tracker.windows(frames(60), plan(60)):
                alive.extend(weakref.ref(array) for array in window[2:])
                del window
                alive[:] = [reference for reference in alive if reference() is not None]
                most = max(most, len(alive))
        finally:
            tracemalloc.stop()
        # Two frames beside the window, and the arrays of one window, which the loop itself may hold.
        _expect(most <= _HORIZON + 2 + 4, f"{most} frames and arrays are held, for windows of {_HORIZON} frames")
        growth, frame = held[-1] - held[-41], int(np.prod(_shape(_SIZE, self.tracker.pixels)))
        _expect(growth < 10 * frame, f"40 frames more hold {growth} bytes more, and a frame has {frame}")

    def _frames(self, size: FrameSize, count: int, step: tuple[int, int]) -> Iterator[Image]:
        return _moving(size, count, step, self.tracker.pixels)

    def _track(self, plan: WindowPlan, step: tuple[int, int]) -> list[TrackedWindow]:
        return list(self.tracker.windows(self._frames(plan.size, plan.frames, step), plan))


def _expect(good: bool, message: str) -> None:
    """Fail the test; this module is shipped, where pytest does not rewrite `assert`."""
    if not good:
        raise AssertionError(message)


def _points(number: int) -> Points:
    """Return a grid that differs from window to window, and lies between pixels."""
    return uniform_grid(_SIZE, count=60).points + np.array([0.25 * number, -0.125 * number], np.float32)


def _plan(starts: Sequence[int], *, horizon: int = _HORIZON, first: int = 0, continuous: bool = False) -> WindowPlan:
    return WindowPlan(
        size=_SIZE,
        starts=np.array(starts, np.int64),
        horizon=horizon,
        queries=lambda number: _points(first + number),
        continuous=continuous,
    )


def _shape(size: FrameSize, pixels: Pixels) -> tuple[int, ...]:
    return size.shape if pixels == "gray" else (*size.shape, 3)


@functools.cache
def _texture(height: int, width: int) -> Image:
    """Return smooth noise with detail of about 5 pixels."""
    noise = np.random.default_rng(0).normal(size=(height, width))
    pace = np.hypot(*np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij"))
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-2 * (np.pi * 2 * pace) ** 2)).real
    texture: Image = np.clip(128 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    return texture


def _moving(size: FrameSize, count: int, step: tuple[int, int], pixels: Pixels) -> Iterator[Image]:
    """Yield frames of a picture without end that moves by whole pixels (x, y) from frame to frame."""
    whole = _texture(2 * size.height, 2 * size.width)
    for index in range(count):
        turned = np.roll(whole, (index * step[1], index * step[0]), axis=(0, 1))
        image = turned[size.height // 2 :, size.width // 2 :][: size.height, : size.width]
        yield np.ascontiguousarray(image if pixels == "gray" else np.stack([image, image, 255 - image], axis=-1))


def _counted(frames: Iterator[Image], taken: list[int]) -> Iterator[Image]:
    for index, image in enumerate(frames):
        taken.append(index)
        yield image


def _truth(window: TrackedWindow, step: tuple[int, int]) -> Points:
    moved = np.arange(len(window.tracks))[:, None, None] * np.array(step)
    return np.asarray(window.tracks[0] + moved, np.float32)


def _expect_followed(window: TrackedWindow, step: tuple[int, int], size: FrameSize, within: float = 0.1) -> None:
    truth = _truth(window, step)
    inner = (truth >= _INNER_PX) & (truth <= np.array([size.width - 1, size.height - 1]) - _INNER_PX)
    judged = inner.all(axis=(0, 2))
    _expect(bool(judged.any()), "no point stays inside")
    unseen = int((~window.vis[:, judged]).sum())
    _expect(unseen == 0, f"moved by {step}: expected all points to be visible, got {unseen} times not")
    errors = np.linalg.norm((window.tracks - truth)[1:, judged], axis=-1)
    most, worst = float(np.quantile(errors, 0.95)), float(errors.max())
    good = most < within and worst < 5 * within
    wanted = f"95 of 100 errors below {within:g} px, all below {5 * within:g}"
    _expect(good, f"moved by {step}: expected {wanted}, got {most:g} and {worst:g}")


def _bits(arrays: Sequence[NDArray[Any]]) -> list[bytes]:
    return [array.tobytes() for array in arrays]


def _digest(tracker: Tracker) -> str:
    """Return what tells two runs apart: of a wide picture, which is where threads share the work."""
    points = uniform_grid(_WIDE, count=160).points
    plan = WindowPlan(size=_WIDE, starts=np.array([0, 1]), horizon=3, queries=lambda _: points)
    digest = hashlib.sha256()
    for window in tracker.windows(_moving(_WIDE, 4, (5, 3), tracker.pixels), plan):
        for bits in _bits(window[2:]):
            digest.update(bits)
    return digest.hexdigest()
