"""Files of single views: pictures to look at, and arrays to compute with, named after who took them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from lapsdata.errors import Problem, SchemaError, StorageError, listed
from lapsdata.report.file_stems import file_stem
from lapsdata.report.view_clouds import cloud_from_above, placed
from lapsdata.report.view_pictures import depth_picture, mask_picture, png_bytes, ratio_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema import PoseSource, ReportedView
    from lapsdata.stages._view_numbers import LookedAt, SeenSide

__all__ = ["refuse_other_files", "view_stem", "write_view"]

_KINDS = frozenset({".png", ".npy"})


def view_stem(told: ReportedView) -> str:
    """Return what names of the files of a view begin with; what no file may be called by is spelled as in a URL.

    So is `_` in all but the scenario: it parts the names, and no two views have one.

    Examples
    --------
    >>> from lapsdata.schema import ReportedView
    >>> view_stem(ReportedView(split="train", scenario="2021_08_22", frame=69, agent="-1", camera="camera0"))
    'train_2021_08_22_000069_agent-1_camera0'
    """
    split, scenario, agent, camera = (
        quote(name, safe=" +") for name in (told.split, told.scenario, f"agent{told.agent}", told.camera)
    )
    split, agent, camera = (name.replace("_", "%5F") for name in (split, agent, camera))
    return file_stem(f"{split}_{scenario}_{told.frame:06d}_{agent}_{camera}")


def write_view(folder: Path, looked: LookedAt, far_m: float, pose_source: PoseSource = "gt") -> list[str]:
    """Write all files of a view; return their names.

    Parameters
    ----------
    folder : Path
    looked : LookedAt
    far_m : float
        Depth that has the last colour.
    pose_source : {"gt", "pred"}
        Whose pose places predicted depth; it stands beside it.

    Raises
    ------
    SchemaError
        Files of this name are there (`view-twice`): of a view that the truth has twice.
    """
    stem, names = view_stem(looked.told), list[str]()
    for name, content in _files(looked, far_m, pose_source):
        names.append(f"{stem}_{name}")
        path = folder / names[-1]
        if path.exists():
            told = looked.told
            message = f"expected each view once, got scenario {told.scenario}, frame {told.frame}, agent {told.agent}"
            fix = "choose other sets (--index), or report without --views-out"
            raise SchemaError(Problem("view-twice", names[-1], f"{message}, {told.camera} again", fix))
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


def _files(looked: LookedAt, far_m: float, pose_source: PoseSource) -> Iterator[tuple[str, bytes | NDArray[Any]]]:
    truth, found = looked.truth, looked.prediction
    if truth.image is not None:
        yield "rgb.png", png_bytes(truth.image)
    yield from _of_side(truth, "", far_m, truth.cam2world)
    if found is not None:
        chosen = found.cam2world if pose_source == "pred" else truth.cam2world
        yield from _of_side(found, "pred_", far_m, chosen)
        if found.depth is not None:
            yield "pred_depth_cam2world.npy", chosen
    if looked.aligned is not None and truth.measured is not None:
        yield "pred_ratio.png", png_bytes(ratio_picture(truth.measured, looked.aligned, sparse=truth.sparse))


def _of_side(
    side: SeenSide, head: str, far_m: float, cam2world: NDArray[np.float64]
) -> Iterator[tuple[str, bytes | NDArray[Any]]]:
    """Yield what one side has; its points are placed by a pose that need not be its own."""
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
        world = placed(side.cloud.points, cam2world)
        yield f"{head}points.npy", world
        yield f"{head}points_rgb.npy", side.cloud.colours
        yield f"{head}cloud.png", png_bytes(cloud_from_above(world, side.cloud.colours, cam2world[:3, 3]))
