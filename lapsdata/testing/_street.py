"""A street of flat surfaces, seen along rays: every distance is a formula, so that depth has an exact truth.

Axes are CARLA's, left-handed: x forward, y right, z up, in metres. Nothing here uses `lapsdata.geometry`, which the
scenes are to judge: poses are spelled out as elementary rotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Block", "Hits", "Street", "matrix_of", "pose_of"]

_NOTHING, _GROUND = -1, 0
# What a ray has to go before it can hit something.
_NEAR_M = 1e-6
_TILE_M = 1.0
_SHADES = np.array([1.0, 0.8, 0.9])


def matrix_of(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return own2world for x, y, z (metre), roll, yaw, pitch (degree): float64 (4, 4), CARLA's axes on both sides.

    Examples
    --------
    >>> matrix_of(np.array([1.0, 2.0, 3.0, 0.0, 90.0, 0.0]))[:3, 0].round(9).tolist()
    [0.0, 1.0, 0.0]
    """
    roll, yaw, pitch = np.radians(pose[3:])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(pitch), 0, -np.sin(pitch)], [0, 1, 0], [np.sin(pitch), 0, np.cos(pitch)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(roll), np.sin(roll)], [0, -np.sin(roll), np.cos(roll)]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    matrix[:3, 3] = pose[:3]
    return matrix


def pose_of(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x, y, z, roll, yaw, pitch of own2world, for a pitch between -90 and 90 degrees: float64 (6,).

    Examples
    --------
    >>> pose_of(matrix_of(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))).round(9).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    turn = matrix[:3, :3]
    roll, yaw = np.arctan2(-turn[2, 1], turn[2, 2]), np.arctan2(turn[1, 0], turn[0, 0])
    pitch = np.arctan2(turn[2, 0], np.hypot(turn[0, 0], turn[1, 0]))
    return np.concatenate([matrix[:3, 3], np.degrees([roll, yaw, pitch])])


@dataclass(frozen=True, eq=False)
class Block:
    """A box: a building, or a vehicle where it has a number.

    Parameters
    ----------
    pose : float64 (6,)
        Of its centre: x, y, z, roll, yaw, pitch.
    half : float64 (3,), metre
        Half of its length, width and height.
    colour : (int, int, int)
        RGB.
    vehicle : int, optional
        Number of the vehicle.
    """

    pose: NDArray[np.float64]
    half: NDArray[np.float64]
    colour: tuple[int, int, int]
    vehicle: int | None = None


class Hits(NamedTuple):
    """What rays meet first.

    Parameters
    ----------
    times : float64 (N,)
        How many times a direction leads there; infinite where nothing is met.
    what : int64 (N,)
        -1 for nothing, 0 for the ground, else 1 + the number of the block.
    """

    times: NDArray[np.float64]
    what: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Street:
    """The ground z = 0 and blocks.

    Parameters
    ----------
    blocks : tuple of Block

    Examples
    --------
    >>> wall = Block(np.array([10.0, 0, 2, 0, 0, 0]), np.array([1.0, 5, 2]), (200, 100, 50))
    >>> hits = Street((wall,)).cast(np.array([0.0, 0, 1]), np.array([[1.0, 0, 0], [0, 0, -1], [0, 0, 1]]))
    >>> hits.times.tolist(), hits.what.tolist()
    ([9.0, 1.0, inf], [1, 0, -1])
    """

    blocks: tuple[Block, ...]

    def without(self, vehicle: int) -> Street:
        """Return the street as a vehicle sees it: itself it does not see."""
        return Street(tuple(block for block in self.blocks if block.vehicle != vehicle))

    def cast(self, eye: NDArray[np.float64], directions: NDArray[np.float64]) -> Hits:
        """Return what each ray from a point meets first.

        Parameters
        ----------
        eye : float64 (3,)
        directions : float64 (N, 3)
            Of any length.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            times = -eye[2] / directions[:, 2]
        times = np.where(times > _NEAR_M, times, np.inf)
        what = np.where(np.isfinite(times), _GROUND, _NOTHING)
        for number, block in enumerate(self.blocks, 1):
            met = _meet(block, eye, directions)
            nearer = met < times
            times, what = np.where(nearer, met, times), np.where(nearer, number, what)
        return Hits(times, what)

    def colours(self, eye: NDArray[np.float64], directions: NDArray[np.float64], hits: Hits) -> NDArray[np.uint8]:
        """Return what rays see: tiles on the ground and on blocks, and a sky that is paler below; uint8 (N, 3) RGB."""
        up = np.clip(directions[:, 2] / np.linalg.norm(directions, axis=1), 0, 1)[:, None]
        seen: NDArray[np.float64] = (1 - up) * (225.0, 235.0, 245.0) + up * (90.0, 140.0, 210.0)
        places = eye + np.where(np.isfinite(hits.times), hits.times, 0)[:, None] * directions
        ground = hits.what == _GROUND
        seen[ground] = 95 + 55 * _odd(places[ground, :2])[:, None]
        for number, block in enumerate(self.blocks, 1):
            here = hits.what == number
            own = _inside(block, places[here])
            face = np.argmax(np.abs(own) / block.half, axis=1)
            flat = np.where(np.arange(3) == face[:, None], 0, own)
            shade = _SHADES[face] * (0.65 + 0.35 * _odd(flat + 0.5 * block.half))
            seen[here] = shade[:, None] * block.colour
        rounded: NDArray[np.uint8] = seen.round().astype(np.uint8)
        return rounded

    def gaps(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far points are from the nearest surface: float64 (N,), metre.

        Parameters
        ----------
        points : float64 (N, 3)

        Examples
        --------
        >>> Street(()).gaps(np.array([[5.0, 5.0, 0.25]])).tolist()
        [0.25]
        """
        gaps = np.abs(points[:, 2])
        for block in self.blocks:
            beyond = np.abs(_inside(block, points)) - block.half
            outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
            gaps = np.minimum(gaps, np.where(outside > 0, outside, -beyond.max(axis=1)))
        return gaps


def _inside(block: Block, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points in the axes of a block."""
    matrix = matrix_of(block.pose)
    turned: NDArray[np.float64] = (points - matrix[:3, 3]) @ matrix[:3, :3]
    return turned


def _meet(block: Block, eye: NDArray[np.float64], directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many times each direction leads to a block; infinite where it leads past it."""
    times = np.full(len(directions), np.inf)
    # Most rays miss the sphere around it, which is told by one product.
    ahead, radius = block.pose[:3] - eye, np.linalg.norm(block.half)
    rim = np.sqrt(max(0.0, float(ahead @ ahead - radius**2)))
    near = np.flatnonzero(directions @ ahead >= rim * np.sqrt(np.einsum("ij,ij->i", directions, directions)))
    own_eye, own = _inside(block, eye[None])[0], directions[near] @ matrix_of(block.pose)[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (-block.half - own_eye) / own, (block.half - own_eye) / own
    enter, leave = np.minimum(low, high).max(axis=1), np.maximum(low, high).min(axis=1)
    times[near] = np.where((enter <= leave) & (enter > _NEAR_M), enter, np.inf)
    return times


def _odd(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1.0 on every other tile, else 0.0."""
    return np.asarray(np.floor(places / _TILE_M).sum(axis=-1) % 2, np.float64)
