"""Files of single views: pictures to look at, and arrays to compute with, named after who took them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from lapsdata.errors import Problem, StorageError, listed
from lapsdata.report.file_stems import file_stem
from lapsdata.report.view_clouds import cloud_from_above, placed
from lapsdata.report.view_pictures import depth_picture, mask_picture, png_bytes, ratio_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema import ReportedView
    from lapsdata.stages._view_numbers import LookedAt, SeenSide

__all__ = ["refuse_other_files", "view_stem", "write_view"]

_KINDS = frozenset({".png", ".npy"})


def view_stem(told: ReportedView) -> str:
    """Return what names of the files of a view begin with; what no file may be called by is spelled as in a URL.

    Examples
    --------
    >>> from lapsdata.schema import ReportedView
    >>> view_stem(ReportedView(split="train", scenario="2021_08_22", frame=69, agent="-1", camera="camera0"))
    'train_2021_08_22_000069_agent-1_camera0'
    """
    names = (told.split, told.scenario, f"{told.frame:06d}", f"agent{told.agent}", told.camera)
    return file_stem("_".join(quote(name, safe=" +") for name in names))


def write_view(folder: Path, looked: LookedAt, far_m: float) -> list[str]:
    """Write all files of a view; return their names.

    Parameters
    ----------
    folder : Path
    looked : LookedAt
    far_m : float
        Depth that has the last colour.
    """
    stem, names = view_stem(looked.told), list[str]()
    for name, content in _files(looked, far_m):
        names.append(f"{stem}_{name}")
        path = folder / names[-1]
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.save(path, content)
    return names


def refuse_other_files(folder: Path) -> None:
    """Refuse to replace a folder that holds something else than files of views.

    Raises
    ------
    StorageError
        It does (`foreign-file`).
    """
    others = sorted(path.name for path in folder.iterdir() if path.suffix not in _KINDS) if folder.is_dir() else []
    if others:
        message = f"expected .png and .npy of views alone, got {listed(others)} too"
        raise StorageError(Problem("foreign-file", str(folder), message, "move them away: the folder is replaced"))


def _files(looked: LookedAt, far_m: float) -> Iterator[tuple[str, bytes | NDArray[Any]]]:
    truth, found = looked.truth, looked.prediction
    if truth.image is not None:
        yield "rgb.png", png_bytes(truth.image)
    yield from _of_side(truth, "", far_m)
    if found is not None:
        yield from _of_side(found, "pred_", far_m)
    if looked.aligned is not None and truth.measured is not None:
        yield "pred_ratio.png", png_bytes(ratio_picture(truth.measured, looked.aligned, sparse=truth.sparse))


def _of_side(side: SeenSide, head: str, far_m: float) -> Iterator[tuple[str, bytes | NDArray[Any]]]:
    yield f"{head}cam2world.npy", side.cam2world
    if side.depth is not None:
        yield f"{head}depth.npy", side.depth
        yield f"{head}depth.png", png_bytes(depth_picture(side.depth, far_m, sparse=side.sparse))
    masks = {"valid": side.valid, "covered": side.covered, "non_ambiguous": side.trusted}
    for name, mask in masks.items():
        if mask is not None:
            yield f"{head}{name}.npy", mask
    if side.masks is not None:
        yield f"{head}mask.png", png_bytes(mask_picture(side.masks.shape, *side.masks))
    if side.cloud is not None:
        world = placed(side.cloud.points, side.cam2world)
        yield f"{head}points.npy", world
        yield f"{head}points_rgb.npy", side.cloud.colours
        yield f"{head}cloud.png", png_bytes(cloud_from_above(world, side.cloud.colours, side.cam2world[:3, 3]))
