"""True and reconstructed tracks side by side: a look at what codes keep of the motion, for which no video is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.geometry import FrameSize
from lapsdata.report.layout import Cell, Label, lay_out, paint
from lapsdata.report.png import write_png
from lapsdata.report.tile_grid import TileGrid
from lapsdata.report.trails import draw_trails

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from lapsmodels.training.reconstruction import Reconstruction

    Image = npt.NDArray[np.uint8]

__all__ = ["draw_reconstruction", "write_reconstruction"]

_GROUND, _LEAST_PX = 34, 480


def draw_reconstruction(found: Reconstruction, views: Sequence[str], windows: Sequence[str]) -> Image:
    """Return a picture of some windows: of each view the true tracks, and beside them those of its codes.

    Only points whose steps are all known are drawn: the others have no way to begin from.

    Parameters
    ----------
    found : Reconstruction
        Of B windows.
    views : sequence of str
    windows : sequence of str
        What each window is called, B names.

    Returns
    -------
    uint8 (H, W, 3), RGB

    Examples
    --------
    >>> from lapsmodels.training.reconstruction import Reconstruction
    >>> still = np.full((1, 1, 4, 3, 2), 20, np.float32)
    >>> all_known, size = np.ones((1, 1, 3), bool), np.array([[[64.0, 48.0]]])
    >>> draw_reconstruction(Reconstruction(still, still, all_known, size), ["default"], ["window 0"]).ndim
    3
    """
    sizes = [FrameSize(width=int(width), height=int(height)) for width, height in found.size[0]]
    cells = [Cell(tuple(_labels(found, number, views)), Label(name)) for number, name in enumerate(windows)]
    pictures = [size for size in sizes for _ in range(2)]
    layout = lay_out(pictures, cells, TileGrid(), enlarge_px=_LEAST_PX)
    shown = [FrameSize(width=tile.width, height=tile.height) for tile in layout.tiles]
    return paint(layout, _drawn(found, sizes, shown))


def write_reconstruction(path: Path, found: Reconstruction, views: Sequence[str], windows: Sequence[str]) -> None:
    """Write the picture as PNG, in place of an earlier one.

    Raises
    ------
    StorageError
        The file system refused.
    """
    write_png(path, draw_reconstruction(found, views, windows), overwrite=True)


def _labels(found: Reconstruction, window: int, views: Sequence[str]) -> Iterator[Label]:
    for number, view in enumerate(views):
        known = found.known[window, number]
        error = np.abs(found.made[window, number] - found.true[window, number])[:, known]
        told = f"{float(error.mean()):.2f} px off, {known.sum()} of {len(known)} points" if known.any() else "no point"
        yield Label(f"{view}: true" if len(views) > 1 else "true")
        yield Label("of its codes", told)


def _drawn(found: Reconstruction, sizes: Sequence[FrameSize], shown: Sequence[FrameSize]) -> Iterator[Image]:
    tiles = iter(shown)
    for window in range(len(found.true)):
        for number, size in enumerate(sizes):
            known = found.known[window, number]
            for paths in (found.true, found.made):
                tile = next(tiles)
                ground = np.full((*tile.shape, 3), _GROUND, np.uint8)
                path = paths[window, number][:, known]
                yield draw_trails(ground, path, np.ones(path.shape[:2], bool), size=size)
