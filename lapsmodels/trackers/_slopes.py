"""How much a picture changes around points: the hot loop of `textured`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsmodels.trackers._compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EDGE", "least_slopes"]

F = np.float32
RADIUS = 5
EDGE = RADIUS + 1
ZERO, HALF, TWO = F(0), F(0.5), F(2)


@compiled
def least_slopes(edged: NDArray[np.uint8], xy: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Fill in the smaller eigenvalue of the mean structure tensor of Sobel slopes, around each point of a picture.

    The picture has `EDGE` more pixels on each side; positions are those of the picture without.
    """
    for k in range(len(xy)):
        column, row = round(xy[k, 0]) + EDGE, round(xy[k, 1]) + EDGE
        xx = both = yy = ZERO
        for j in range(row - RADIUS, row + RADIUS + 1):
            for i in range(column - RADIUS, column + RADIUS + 1):
                a, b, c = F(edged[j - 1, i - 1]), F(edged[j - 1, i]), F(edged[j - 1, i + 1])
                d, e = F(edged[j, i - 1]), F(edged[j, i + 1])
                f, g, h = F(edged[j + 1, i - 1]), F(edged[j + 1, i]), F(edged[j + 1, i + 1])
                along, down = (c + TWO * e + h - a - TWO * d - f) / F(8), (f + TWO * g + h - a - TWO * b - c) / F(8)
                xx += along * along
                both += along * down
                yy += down * down
        half, across = HALF * (xx + yy), HALF * (xx - yy)
        out[k] = (half - np.sqrt(across * across + both * both)) / F((2 * RADIUS + 1) ** 2)
