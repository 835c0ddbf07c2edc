"""What the arm of a rendered scene does: actions, pauses and durations, and the places that they lead to.

Timing and places are drawn from separate random streams, so that no option of the picture changes the timing.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from lapsdata.testing.scene_config import SceneConfig

    FloatArray = npt.NDArray[np.float64]

__all__ = ["Layout", "Plan", "SceneLabel", "SceneSegment", "draw_plan", "draw_timeline", "random_stream"]

SceneLabel = Literal["pause", "reach", "grasp", "move", "release", "retreat"]

# Log-normal with a coefficient of variation of sqrt(exp(0.7 ** 2) - 1) = 0.80 before the ends are cut off.
# Below 0.4 s an action is a jerk; above 8 s it creeps by less than a pixel per frame.
DURATION_MEDIAN_S = 1.2
DURATION_SIGMA = 0.7
DURATION_RANGE_S = (0.4, 8.0)
PAUSE_MAX_S = 2.0
# A shorter draw is no pause at all: the two actions adjoin, and share one boundary instead of two that no
# method could tell apart.
PAUSE_MIN_S = 0.1
RETREAT_SHARE = 0.4
# Longer actions go farther, as they do in life: units (1/240 of the active area's shorter side) per second.
TRAVEL_SPEED = 90.0


@dataclass(frozen=True, slots=True)
class SceneSegment:
    """One action or pause of the truth.

    Parameters
    ----------
    start_s, end_s : float
        Half-open span in seconds of the scene's own time.
    label : str
        "reach", "grasp", "move", "release", "retreat" or "pause".

    Examples
    --------
    >>> SceneSegment(0.5, 1.75, "reach").duration_s
    1.25
    """

    start_s: float
    end_s: float
    label: SceneLabel

    @property
    def duration_s(self) -> float:
        """Length (float, seconds)."""
        return self.end_s - self.start_s


class Layout(NamedTuple):
    """Sizes and fixed places of a scene, in pixel of the active area (its top-left pixel is (0, 0)).

    Parameters
    ----------
    width, height : int
        Size of the active area.
    unit : float
        1/240 of its shorter side; every other size is a multiple of it.
    """

    width: int
    height: int
    unit: float

    @property
    def block_half(self) -> float:
        """Half the side of a block (float, pixel)."""
        return 15.0 * self.unit

    @property
    def wrist(self) -> float:
        """Distance from the point between the finger tips back to the wrist (float, pixel)."""
        return 38.0 * self.unit

    @property
    def gap_open(self) -> float:
        """Distance between an open finger and the side of a block (float, pixel)."""
        return 9.0 * self.unit

    @property
    def shoulder(self) -> FloatArray:
        """Fixed end of the arm, outside the picture; shape (2,), xy, pixel."""
        return np.array([0.55 * self.width, -0.3 * self.height])

    @property
    def link(self) -> float:
        """Length of upper arm and forearm (float, pixel): reaches the far corners with a bent elbow."""
        return 0.54 * float(np.hypot(0.55 * self.width, 1.3 * self.height))

    def slots(self) -> FloatArray:
        """Return the places where a block can lie, shape (S, 2), xy, pixel; at least 8, 48 units apart."""
        step = 48.0 * self.unit
        x0, x1, y0, y1 = 0.13 * self.width, 0.87 * self.width, 0.54 * self.height, 0.88 * self.height
        xs = np.linspace(x0, x1, int((x1 - x0) / step) + 1)
        ys = np.linspace(y0, y1, int((y1 - y0) / step) + 1)
        return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that happens in a scene, as arrays over its A actions (pauses are the time between them).

    Parameters
    ----------
    segments : tuple of SceneSegment
        Actions and pauses, contiguous from 0 s.
    start_s, end_s : numpy.ndarray, shape (A,), float64, seconds
        Spans of the actions.
    pose_from, pose_to : numpy.ndarray, shape (A, 3), float64
        Point between the finger tips (xy, pixel of the active area) and angle of the hand (radian).
    control : numpy.ndarray, shape (A, 2), float64, xy, pixel
        Control point of the quadratic Bezier curve that the hand follows.
    gap_from, gap_to : numpy.ndarray, shape (A,), float64, pixel
        Distance of each finger from the side of a held block.
    rests : tuple of numpy.ndarray, each of shape (R_b, 3), float64
        Per block, its places before, between and after its moves.
    carried : tuple of numpy.ndarray, each of shape (R_b - 1, 2), float64, seconds
        Per block, the half-open spans in which the hand carries it.
    """

    segments: tuple[SceneSegment, ...]
    start_s: FloatArray
    end_s: FloatArray
    pose_from: FloatArray
    pose_to: FloatArray
    control: FloatArray
    gap_from: FloatArray
    gap_to: FloatArray
    rests: tuple[FloatArray, ...]
    carried: tuple[FloatArray, ...]


def random_stream(seed: int, name: str, index: int = 0) -> np.random.Generator:
    """Return the generator of one purpose; streams of different names or indices are independent."""
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()), index))
    return np.random.Generator(np.random.PCG64(sequence))


def _duration(rng: np.random.Generator) -> float:
    low, high = DURATION_RANGE_S
    while True:
        drawn = DURATION_MEDIAN_S * float(np.exp(DURATION_SIGMA * rng.standard_normal()))
        if low <= drawn <= high:
            return drawn


def draw_timeline(seed: int, config: SceneConfig) -> tuple[SceneSegment, ...]:
    """Return actions and pauses, contiguous from 0 s; the first and the last are pauses of 0.5 s or more."""
    rng = random_stream(seed, "timing")
    after: dict[SceneLabel, SceneLabel] = {
        "reach": "grasp",
        "grasp": "move",
        "move": "release",
        "release": "reach",
        "retreat": "reach",
    }
    segments = [SceneSegment(0.0, rng.uniform(0.5, PAUSE_MAX_S), "pause")]
    label: SceneLabel = "reach"
    for index in range(config.actions):
        start = segments[-1].end_s
        segments.append(SceneSegment(start, start + _duration(rng), label))
        pause = rng.uniform(0.0, PAUSE_MAX_S)
        # A lone block is under the hand after its release: without a retreat the next reach would go nowhere.
        retreats = rng.random() < RETREAT_SHARE or config.blocks == 1
        last = index == config.actions - 1
        if pause >= PAUSE_MIN_S or last:
            pause = 0.5 + 0.75 * pause if last else pause
            segments.append(SceneSegment(segments[-1].end_s, segments[-1].end_s + pause, "pause"))
        label = "retreat" if label == "release" and retreats else after[label]
    return tuple(segments)


class _Planner:
    """Walks through the actions once, and keeps where the hand and every block are."""

    def __init__(self, seed: int, config: SceneConfig, layout: Layout) -> None:
        self.rng = random_stream(seed, "places")
        self.layout = layout
        self.slots = layout.slots()
        taken = self.rng.permutation(len(self.slots))[: config.blocks]
        self.slot_of = [int(slot) for slot in taken]
        self.rests = [[self._lie_at(slot)] for slot in self.slot_of]
        self.carried: list[list[tuple[float, float]]] = [[] for _ in self.slot_of]
        self.hand = self._aside(0.0)
        self.block = -1

    def _lie_at(self, slot: int) -> FloatArray:
        jitter = self.rng.uniform(-4.0, 4.0, 2) * self.layout.unit
        return np.append(self.slots[slot] + jitter, self.rng.uniform(-0.3, 0.3))

    def _nearest(self, poses: list[FloatArray], duration_s: float) -> int:
        """Return the index of the pose whose distance from the hand fits best to the time there is."""
        distance = np.array([np.hypot(*(pose[:2] - self.hand[:2])) for pose in poses])
        return int(np.argmin(np.abs(distance - TRAVEL_SPEED * self.layout.unit * duration_s)))

    def _aside(self, duration_s: float) -> FloatArray:
        """Return a pose of the empty hand in the upper part of the picture."""
        size = np.array([self.layout.width, self.layout.height])
        places = self.rng.uniform((0.15, 0.26), (0.85, 0.42), (8, 2)) * size
        poses = [np.append(place, self.rng.uniform(-0.3, 0.3)) for place in places]
        if duration_s == 0.0:
            return poses[0]
        far = [pose for pose in poses if np.hypot(*(pose[:2] - self.hand[:2])) >= 40.0 * self.layout.unit]
        return (far or poses)[self._nearest(far or poses, duration_s)]

    def _above(self, block_pose: FloatArray, duration_s: float) -> FloatArray:
        """Return the pose before a grasp or after a release of that length: drawn back along the hand."""
        back = (26.0 + 30.0 * duration_s / (1.0 + duration_s)) * self.layout.unit
        x, y, angle = block_pose
        return np.array([x + back * np.sin(angle), y - back * np.cos(angle), angle])

    def target(self, segment: SceneSegment, next_s: float) -> FloatArray:
        """Return where the hand is after the action; `next_s` is the length of the action that follows."""
        if segment.label == "reach":
            # The block just released is excluded: the hand is still above it (unless it is the only one).
            near = self.block if len(self.rests) > 1 else -1
            choice = [index for index in range(len(self.rests)) if index != near]
            poses = [self._above(self.rests[index][-1], next_s) for index in choice]
            best = self._nearest(poses, segment.duration_s)
            self.block = choice[best]
            return poses[best]
        if segment.label == "grasp":
            return self.rests[self.block][-1]
        if segment.label == "move":
            free = [slot for slot in range(len(self.slots)) if slot not in self.slot_of]
            poses = [self._lie_at(slot) for slot in free]
            best = self._nearest(poses, segment.duration_s)
            self.slot_of[self.block] = free[best]
            self.rests[self.block].append(poses[best])
            self.carried[self.block].append((segment.start_s, segment.end_s))
            return poses[best]
        if segment.label == "release":
            return self._above(self.rests[self.block][-1], segment.duration_s)
        return self._aside(segment.duration_s)


def draw_plan(seed: int, config: SceneConfig, layout: Layout) -> Plan:
    """Return the whole scene as arrays; the same for equal seed, actions, blocks and active area."""
    segments = draw_timeline(seed, config)
    actions = [segment for segment in segments if segment.label != "pause"]
    planner = _Planner(seed, config, layout)
    poses, controls = [planner.hand], []
    for index, action in enumerate(actions):
        following = actions[index + 1].duration_s if index + 1 < len(actions) else 1.0
        target = planner.target(action, following)
        way = target[:2] - planner.hand[:2]
        lift = 0.0 if action.label in ("grasp", "release") else 0.2 * float(np.hypot(*way))
        controls.append(planner.hand[:2] + 0.5 * way - np.array([0.0, lift]))
        planner.hand = target
        poses.append(target)
    closed = {"grasp": (1.0, 0.0), "move": (0.0, 0.0), "release": (0.0, 1.0)}
    gaps = layout.gap_open * np.array([closed.get(action.label, (1.0, 1.0)) for action in actions])
    return Plan(
        segments=segments,
        start_s=np.array([action.start_s for action in actions]),
        end_s=np.array([action.end_s for action in actions]),
        pose_from=np.array(poses[:-1]),
        pose_to=np.array(poses[1:]),
        control=np.array(controls),
        gap_from=gaps[:, 0],
        gap_to=gaps[:, 1],
        rests=tuple(np.array(rests) for rests in planner.rests),
        carried=tuple(np.array(spans).reshape(-1, 2) for spans in planner.carried),
    )
