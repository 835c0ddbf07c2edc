"""Pixels of views of OPV2V: decoded when they are asked for, and what else is known of the depth of a view."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata.adapters.opv2v.depth_files import ENDINGS
from lapsdata.adapters.opv2v.frame_facts import read_facts
from lapsdata.adapters.opv2v.lidar_depth import camera_depth
from lapsdata.adapters.opv2v.pictures import read_depth, read_png
from lapsdata.adapters.opv2v.point_cloud import read_pcd
from lapsdata.errors import LapsError
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.containers import Layer
    from lapsdata.geometry import FrameSize

__all__ = ["Opv2vPixels"]


@dataclass(frozen=True, slots=True)
class Opv2vPixels:
    """Decodes pictures and depth of OPV2V when they are asked for.

    Parameters
    ----------
    images : tuple of str, V
        Picture of each view.
    depths : tuple of str or None, V
        Its depth.

    Examples
    --------
    >>> Opv2vPixels(("a.png",), (None,)).told("image", 0)
    'a.png'
    """

    images: tuple[str, ...]
    depths: tuple[str | None, ...]

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        """Return a layer of a view; see `lapsdata.containers.Pixels`."""
        path = Path(self.told(layer, view))
        if layer == "image":
            return read_png(path)
        depth = read_depth(path)
        return depth if layer == "depth" else depth > 0

    def told(self, layer: Layer, view: int) -> str:
        """Return the file; see `lapsdata.containers.Pixels`."""
        return self.images[view] if layer == "image" else self.depths[view] or f"depth of {self.images[view]}"

    def lidar_depth(self, view: int, size: FrameSize) -> NDArray[np.float32] | None:
        """Return the points of the frame in the picture of a view; None where yaml or points cannot be read.

        Parameters
        ----------
        view : int
        size : FrameSize
            Of the picture.

        Returns
        -------
        float32 (H, W), metre, or None
            Along the axis of the camera, 0 where no point falls. Files that cannot be read are told by
            `faults_of_opv2v`, each by its name.
        """
        image = Path(self.images[view])
        stem, _, camera = image.stem.partition("_")
        yaml, cloud = image.with_name(f"{stem}.yaml"), image.with_name(f"{stem}.pcd")
        try:
            points = read_pcd(cloud).points
            with storage_errors(yaml, "read"):
                facts = read_facts(yaml.read_bytes(), str(yaml))
            return camera_depth(facts, camera, points, size, str(yaml))
        except LapsError:
            return None

    def second_depth(self, view: int) -> tuple[str, NDArray[np.float32]] | None:
        """Return the file of depth that is not taken, and what it says; None where there is one file alone.

        Parameters
        ----------
        view : int

        Returns
        -------
        str, float32 (H, W), metre
            As `read_depth`.

        Raises
        ------
        StorageError, CorruptDataError
            As `read_depth`.
        """
        taken = self.depths[view]
        if taken is None:
            return None
        others = (Path(taken).with_suffix(ending) for ending in ENDINGS[ENDINGS.index(Path(taken).suffix) + 1 :])
        other = next((path for path in others if path.is_file()), None)
        return None if other is None else (str(other), read_depth(other))
