"""Pictures of the layers of a view: colours, depth, how a prediction differs, and what masks say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

__all__ = [
    "MASK_STATES",
    "NEAR_M",
    "NO_DEPTH",
    "RATIO_MOST",
    "SPARSE_SHARE",
    "averaged",
    "depth_colours",
    "depth_picture",
    "every_nth",
    "jpeg_bytes",
    "mask_picture",
    "png_bytes",
    "ratio_colours",
    "ratio_picture",
]

NEAR_M: Final = 1.0
"""Depth that has the first colour, in metres, and all that is nearer."""
RATIO_MOST: Final = 2.0
"""Predicted by true depth that has the last colour, and its inverse that of the first."""
SPARSE_SHARE: Final = 0.1
"""Depth is sparse where fewer of the pixels of a view have some, as that of a LiDAR."""
NO_DEPTH: Final = (38, 41, 47)
"""Colour of pixels without depth; no depth has it."""

MASK_STATES: Final[Mapping[str, tuple[int, int, int]]] = {
    "no colour and no depth": (24, 26, 30),
    "colour alone": (108, 114, 122),
    "depth, ambiguous": (232, 142, 48),
    "trusted, no depth": (118, 170, 222),
    "trusted, depth": (246, 246, 246),
    "depth, no mask": (112, 190, 140),
}
"""What the colours of a picture of masks mean."""

_STEPS = 255


def depth_colours() -> Image:
    """Return the colours of depth, the nearest first: uint8 (255, 3) RGB, steps of its logarithm.

    Examples
    --------
    >>> depth_colours().shape
    (255, 3)
    """
    import cv2

    return _map(cv2.COLORMAP_TURBO)[::-1]


def ratio_colours() -> Image:
    """Return the colours of predicted by true depth, too near first: uint8 (255, 3) RGB, steps of its logarithm.

    Examples
    --------
    >>> ratio_colours()[127].tolist()
    [245, 245, 245]
    """
    side = np.linspace(0, 1, 128)[:, None]
    blue, white, red = (np.array(colour, float) for colour in ((33, 102, 172), (245, 245, 245), (178, 24, 43)))
    both = np.concatenate([blue + (white - blue) * side, white + (red - white) * side[1:]])
    return both.round().astype(np.uint8)


def depth_picture(depth: NDArray[np.float32], far_m: float, *, sparse: bool = False) -> Image:
    """Return depth as a picture.

    Parameters
    ----------
    depth : float32 (H, W), metre
        What is not above 0 and finite is none.
    far_m : float
        Depth of the last colour, and of all that is farther.
    sparse : bool
        Draw each pixel with depth three wide, the nearest in front: alone none would be seen.

    Examples
    --------
    >>> depth_picture(np.array([[0.0, 1.0]], np.float32), 100.0)[0, 0].tolist()
    [38, 41, 47]
    """
    import cv2

    known = np.isfinite(depth) & (depth > 0)
    shown = np.where(known, depth, np.float32(np.inf))
    if sparse:
        # Its own border is a large number, and finite: a pixel without depth would come to have some.
        wide: Any = cv2.erode(shown, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
        shown = wide
    return _coloured(np.log(np.maximum(shown, NEAR_M) / NEAR_M) / np.log(far_m / NEAR_M), depth_colours())


def ratio_picture(true: NDArray[np.float32], found: NDArray[np.float32], *, sparse: bool = False) -> Image:
    """Return predicted by true depth as a picture, of pixels that have both.

    Parameters
    ----------
    true, found : float32 (H, W), metre
    sparse : bool
        As of `depth_picture`; where pixels meet, the larger error is shown.

    Examples
    --------
    >>> ratio_picture(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))[0, 0].tolist()
    [245, 245, 245]
    """
    import cv2

    both = np.isfinite(true) & np.isfinite(found) & (true > 0) & (found > 0)
    error = np.zeros(true.shape, np.float32)
    np.log(found / np.where(both, true, 1), out=error, where=both)
    if sparse:
        kernel, border = np.ones((3, 3), np.uint8), cv2.BORDER_REPLICATE
        most: Any = cv2.dilate(np.where(both, error, -np.inf).astype(np.float32), kernel, borderType=border)
        least: Any = cv2.erode(np.where(both, error, np.inf).astype(np.float32), kernel, borderType=border)
        both = np.isfinite(most)
        error = np.where(most > -least, most, least)
    share = (error / np.log(RATIO_MOST) + 1) / 2
    return _coloured(np.where(both, share, np.inf), ratio_colours())


def mask_picture(
    shape: tuple[int, int],
    valid: NDArray[np.bool_] | None,
    covered: NDArray[np.bool_] | None,
    trusted: NDArray[np.bool_] | None,
) -> Image:
    """Return what masks say of each pixel, in the colours of `MASK_STATES`.

    Parameters
    ----------
    shape : (int, int)
        H and W.
    valid, covered, trusted : bool (H, W) or None
        Has depth; has colour, all of them if None; is not ambiguous.

    Examples
    --------
    >>> yes = np.ones((1, 1), bool)
    >>> mask_picture((1, 1), yes, None, yes)[0, 0].tolist(), mask_picture((1, 1), yes, None, None)[0, 0].tolist()
    ([246, 246, 246], [112, 190, 140])
    """
    depth = np.zeros(shape, bool) if valid is None else valid
    state = np.ones(shape, np.int64) if covered is None else covered.astype(np.int64)
    if trusted is None:
        state[depth] = 5
    else:
        state[depth] = 2
        state[trusted] = 3
        state[trusted & depth] = 4
    return np.array(list(MASK_STATES.values()), np.uint8)[state]


def every_nth(picture: Image, step: int) -> Image:
    """Return every so many pixels of a picture (H, W, 3), the middle one of each square: no colour is a mix.

    The last square of a row or column may be cut off; its last pixel stands for it then.

    Examples
    --------
    >>> every_nth(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), 2).tolist()
    [[[0, 1, 2]]]
    """
    if step == 1:
        return picture
    rows, columns = (np.minimum(np.arange(0, side, step) + (step - 1) // 2, side - 1) for side in picture.shape[:2])
    return np.ascontiguousarray(picture[np.ix_(rows, columns)])


def averaged(picture: Image, step: int) -> Image:
    """Return the mean colour of each square of so many pixels of a picture (H, W, 3).

    What the last square of a row or column lacks is taken to be like the edge.

    Examples
    --------
    >>> averaged(np.array([[[0, 0, 0], [10, 20, 30]]] * 2, np.uint8), 2).tolist()
    [[[5, 10, 15]]]
    """
    import cv2

    if step == 1:
        return picture
    height, width = picture.shape[:2]
    missing = [(0, -side % step) for side in (height, width)]
    whole = np.pad(picture, (*missing, (0, 0)), mode="edge")
    size = (whole.shape[1] // step, whole.shape[0] // step)
    small: Any = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def png_bytes(image: Image) -> bytes:
    """Return a picture (H, W, 3) RGB as PNG.

    Examples
    --------
    >>> png_bytes(np.zeros((1, 1, 3), np.uint8))[1:4]
    b'PNG'
    """
    return _encoded(".png", image, ())


def jpeg_bytes(image: Image) -> bytes:
    """Return a picture (H, W, 3) RGB as JPEG of quality 90, whose colours are as sharp as its light.

    Examples
    --------
    >>> jpeg_bytes(np.zeros((1, 1, 3), np.uint8))[:2].hex()
    'ffd8'
    """
    import cv2

    full = int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    return _encoded(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, full))


def _encoded(suffix: str, image: Image, settings: tuple[int, ...]) -> bytes:
    import cv2

    encoded: bytes = cv2.imencode(suffix, image[..., ::-1], settings)[1].tobytes()
    return encoded


def _coloured(share: NDArray[np.floating[Any]], colours: Image) -> Image:
    """Return colours of shares from 0 to 1; of infinite ones that of no depth."""
    known = np.isfinite(share)
    step = np.clip(np.rint(np.where(known, share, 0) * (_STEPS - 1)), 0, _STEPS - 1).astype(np.int64)
    return np.where(known[..., None], colours[step], np.array(NO_DEPTH, np.uint8))


def _map(number: int) -> Image:
    import cv2

    found: Any = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], number)
    colours: Image = found[:_STEPS, 0, ::-1]
    return colours
