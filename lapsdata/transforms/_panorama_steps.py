"""The steps from pictures and depth to a panorama, each a loop over pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.geometry import FrameSize
    from lapsdata.transforms._panorama_tables import PanoramaTables

__all__ = ["Inverted", "Surfaces", "blended", "gathered", "gathered_at_infinity", "inverted", "nearest_surfaces"]

# Samples are packed in rows of a picture that are as wide as this.
_PACKED = 1024


class Surfaces(NamedTuple):
    """What the rays of a panorama (H, W) meet: the length of each, 0 where nothing is met, who sees it, and where."""

    length: NDArray[np.float32]
    seer: NDArray[np.int16]
    pixel: NDArray[np.float32]
    flags: NDArray[np.uint8]


class Samples(NamedTuple):
    """Pixels of cameras that give colours: x, y, weight and place in the panorama (V, K), how many of each (V,)."""

    across: NDArray[np.float32]
    down: NDArray[np.float32]
    weight: NDArray[np.float32]
    place: NDArray[np.int32]
    taken: NDArray[np.int64]

    @classmethod
    def empty(cls, views: int, most: int) -> Samples:
        """Return room for so many samples, in whole rows of a packed picture."""
        room = (views, -(-most // _PACKED) * _PACKED)
        across, down, weight = (np.empty(room, np.float32) for _ in range(3))
        return cls(across, down, weight, np.empty(room, np.int32), np.zeros(views, np.int64))


class Inverted(NamedTuple):
    """Inverse depth of a camera, 0 where there is none, and how many numbers are below 0 or not finite."""

    inverse: NDArray[np.float32]
    below: int
    lost: int


def inverted(depth: NDArray[np.float32]) -> Inverted:
    """Return what surfaces are made of: on planes inverse depth is linear."""
    from lapsdata.transforms import _panorama_loops as loops

    inverse = np.empty(depth.shape, np.float32)
    return Inverted(inverse, *loops.invert(depth, inverse))


def nearest_surfaces(inverses: Sequence[NDArray[np.float32]], tables: PanoramaTables, agreement: float) -> Surfaces:
    """Return what the rays of a panorama meet first of all that its cameras measured."""
    from lapsdata.transforms import _panorama_loops as loops

    height, width = tables.rays.shape[:2]
    found = Surfaces(
        np.zeros((height, width), np.float32),
        np.full((height, width), -1, np.int16),
        np.zeros((height, width, 2), np.float32),
        np.zeros((height, width), np.uint8),
    )
    noted = np.empty((height, width), np.float32)
    for number, inverse in enumerate(inverses):
        noted.fill(np.inf)
        camera, stride = tables.numbers[number], tables.strides[number]
        row = np.empty((4, -(-inverse.shape[1] // stride)), np.float32)
        loops.scatter(inverse, camera, tables.around, stride, row, noted)
        near = (noted, _least_around(noted, tables.around[1]), tables.around[1])
        loops.find(inverse, camera, number, tables.rays, near, tables.first[number], agreement, found)
    return found


def _least_around(values: NDArray[np.float32], all_around: bool) -> NDArray[np.float32]:
    """Return the least of each pixel and the eight around it; all around, the first column is beside the last."""
    import cv2

    # OpenCV takes what is beyond a picture as larger than anything.
    wide: NDArray[Any] = cv2.copyMakeBorder(values, 0, 0, 1, 1, cv2.BORDER_WRAP) if all_around else values
    least: NDArray[Any] = cv2.erode(wide, np.ones((3, 3), np.uint8))
    return np.ascontiguousarray(least[:, 1:-1]) if all_around else least


def gathered(
    depths: Sequence[NDArray[np.float32]],
    inverses: Sequence[NDArray[np.float32]],
    tables: PanoramaTables,
    found: Surfaces,
    policy: tuple[float, bool, bool],
) -> Samples:
    """Return where colours come from, and flag in `found` what other cameras see otherwise.

    `policy` is the agreement, whether colours come from where depth says, and whether depth below 0 marks the sky.
    """
    from lapsdata.transforms import _panorama_loops as loops

    samples = Samples.empty(len(depths), found.length.size)
    for number, (depth, inverse) in enumerate(zip(depths, inverses, strict=True)):
        camera, first = tables.numbers[number], tables.first[number]
        loops.gather(depth, inverse, camera, number, tables.rays, first, policy, found, samples)
    return samples


def gathered_at_infinity(tables: PanoramaTables) -> Samples:
    """Return where colours come from if everything is infinitely far."""
    from lapsdata.transforms import _panorama_loops as loops

    samples = Samples.empty(len(tables.first), tables.first[0, ..., 0].size)
    for number, (camera, first) in enumerate(zip(tables.numbers, tables.first, strict=True)):
        loops.gather_at_infinity(camera, number, first, samples)
    return samples


def blended(
    images: Sequence[NDArray[np.uint8]], samples: Samples, size: FrameSize
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the panorama (H, W, 3) of all samples, and where it has a colour (H, W)."""
    import cv2

    from lapsdata.transforms import _panorama_loops as loops

    height, width = size.shape
    held = np.zeros((height * width, 4), np.float32)
    for number, image in enumerate(images):
        taken = int(samples.taken[number])
        rows = -(-taken // _PACKED)
        across, down = (
            axis[number, : rows * _PACKED].reshape(rows, _PACKED) for axis in (samples.across, samples.down)
        )
        if rows:
            # What fills the last row is never read.
            across[-1, taken - (rows - 1) * _PACKED :] = down[-1, taken - (rows - 1) * _PACKED :] = 0
            colours: NDArray[Any] = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            loops.blend(colours.reshape(-1, 3), samples.weight[number], samples.place[number], taken, held)
    made = np.empty((height * width, 3), np.uint8)
    loops.finish(held, made)
    return made.reshape(height, width, 3), (held[:, 3] > 0).reshape(height, width)
