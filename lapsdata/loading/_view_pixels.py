"""The one way from stored views to the arrays of samples: for training, validation and inference, for one and many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.containers.model_cameras import lens_camera
from lapsdata.errors import CorruptDataError, Problem, Problems, SchemaError
from lapsdata.geometry import convert_depth, invert_poses
from lapsdata.loading.source import FieldSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Views
    from lapsdata.geometry import FrameSize
    from lapsdata.loading._view_options import PoseFrame
    from lapsdata.schema import CameraModel

__all__ = ["ViewPixels", "expect_same_size", "field_specs", "sample_depth_kind"]

_F4, _BOOL = np.dtype(np.float32), np.dtype(np.bool_)


def sample_depth_kind(model: CameraModel) -> Literal["z", "ray"]:
    """Return what depth of samples is measured along: the axis of a pinhole, the rays of a panorama."""
    return "z" if model.kind == "pinhole" else "ray"


def field_specs(size: FrameSize, *, images: bool = True) -> dict[str, FieldSpec]:
    """Return the arrays of one view, by the names that MapAnything has for them; those of predictions have no image."""
    height, width = size.shape
    image = {"img": FieldSpec((height, width, 3), np.dtype(np.uint8), "RGB")} if images else {}
    return image | {
        "depthmap": FieldSpec((height, width), _F4, "metre"),
        "valid_mask": FieldSpec((height, width), _BOOL),
        "non_ambiguous_mask": FieldSpec((height, width), _BOOL),
        "camera_pose": FieldSpec((4, 4), _F4, "cam2world, metre"),
        "camera_intrinsics": FieldSpec((3, 3), _F4, "pixel"),
    }


class ViewPixels:
    """Fills arrays with views of one container.

    Parameters
    ----------
    views : Views
    where : str
        For messages.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> pixels = ViewPixels(sample_views(), "views")
    >>> depth = np.empty((1, 3, 4), np.float32)
    >>> pixels.put([1], {"depthmap": depth}, [0], "world")
    >>> depth[0, 0].tolist()
    [1.0, 1.5, 2.0, 2.5]
    """

    def __init__(self, views: Views, where: str) -> None:
        self.views, self.where = views, where
        self._factor = [_factor(model) for model in views.header.cameras]

    def put(
        self, views: Sequence[int], out: Mapping[str, NDArray[Any]], rows: Sequence[int], pose_frame: PoseFrame
    ) -> None:
        """Fill in the views of one sample.

        Parameters
        ----------
        views : sequence of int
            Numbers in the container.
        out : mapping of np.ndarray (M, ...)
            Some of `field_specs`.
        rows : sequence of int
            Where each view goes.
        pose_frame : {"world", "first_view"}

        Raises
        ------
        CorruptDataError
            Depth or a pose that is not finite (in float32); a picture that is not what it should be.
        """
        poses = self.views.cam2world[list(views)]
        if pose_frame == "first_view":
            poses = invert_poses(poses[0]) @ poses
        for view, row, pose in zip(views, rows, poses, strict=True):
            if "img" in out:
                out["img"][row] = self.views.read("image", view)
            if "camera_pose" in out:
                out["camera_pose"][row] = self._finite("camera_pose", view, pose)
            if "camera_intrinsics" in out:
                intrinsics = self.views.intrinsics(view)
                out["camera_intrinsics"][row] = self._finite("camera_intrinsics", view, intrinsics)
            self._put_depth(view, {name: out[name][row] for name in _DEPTH if name in out})

    def _put_depth(self, view: int, out: Mapping[str, NDArray[Any]]) -> None:
        if not out:
            return
        present = {layer: bool(has[view]) for layer, has in self.views.present.items()}
        if not present["depth"]:
            for values in out.values():
                values[...] = 0
            # Nobody has measured what is ambiguous: no more than that nothing is valid is known.
            if "non_ambiguous_mask" in out:
                out["non_ambiguous_mask"][...] = True
        else:
            depth = self.views.read("depth", view)
            factor = self._factor[int(self.views.model[view])]
            if factor is not None:
                depth = (depth * factor).astype(np.float32)
            if not np.isfinite(depth).all():
                message = f"expected finite depth, got {int((~np.isfinite(depth)).sum())} pixels of NaN or infinity"
                fix = "0 is for no depth, numbers below 0 for what is ambiguous"
                raise CorruptDataError(Problem("not-finite", self._told("depth", view), message, fix))
            if "depthmap" in out:
                out["depthmap"][...] = depth
            if "valid_mask" in out:
                np.greater(depth, 0, out=out["valid_mask"])
            if "non_ambiguous_mask" in out:
                np.greater_equal(depth, 0, out=out["non_ambiguous_mask"])
        for layer, name in (("valid", "valid_mask"), ("non_ambiguous", "non_ambiguous_mask")):
            if name in out and present[layer]:
                out[name] &= self.views.read("valid" if layer == "valid" else "non_ambiguous", view)

    def _finite(self, name: str, view: int, values: NDArray[np.float64]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            rounded = values.astype(np.float32)
        if not np.isfinite(rounded).all():
            message = f"expected numbers within float32, got {np.abs(values).max():g}"
            raise CorruptDataError(Problem("not-finite", f"{self.where}: {name} of view {view}", message))
        return rounded

    def _told(self, layer: Literal["depth"], view: int) -> str:
        return f"{self.where}: {self.views.pixels.told(layer, view)}"


_DEPTH = ("depthmap", "valid_mask", "non_ambiguous_mask")


def _factor(model: CameraModel) -> NDArray[np.float64] | None:
    """Return by what stored depth is multiplied; None where it is what samples have."""
    if model.lens is None or model.depth in (None, "z"):
        return None
    camera = lens_camera(model, model.lens)
    return convert_depth(np.ones(camera.size.shape), camera, source=model.depth, target="z")


def expect_same_size(sizes: Sequence[tuple[str, FrameSize]]) -> FrameSize:
    """Return the one size that all views have.

    Raises
    ------
    SchemaError
        They have several (`unlike-sizes`).
    """
    (first, size), *others = sizes
    problems = Problems("open_view_sets")
    for name, other in others:
        if other != size:
            message = f"expected {size} as in {first}, got {other}"
            problems.add("unlike-sizes", name, message, "choose cameras of one size: cameras=[...]")
    problems.raise_as(SchemaError)
    return size
