"""TAPIR and BootsTAPIR (Doersch et al. 2023, 2024): each point is matched in every frame, then refined over time.

The package `tapnet` and the weights are not part of this library. What is called, and how, is that of
`google-deepmind/tapnet` (`tapnet/torch/tapir_model.py`): video (B, T, H, W, 3) in -1 to 1, queries (B, N, 3) as
(t, y, x) in raster coordinates; tracks (B, N, T, 2) as xy, logits of occlusion and of being far off (B, N, T).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import FrameSize
from lapsmodels.trackers._tapnet import INSTALL, from_raster, to_queries, to_video
from lapsmodels.trackers._weights import checked_device, expect_at_least_one, filled, package_of, weights
from lapsmodels.trackers._whole_windows import Answer, follow_whole_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import Pixels, TrackedWindow, WindowPlan

__all__ = ["PLUGIN", "BootsTapir"]

_SOURCE = "upstream's README links bootstapir_checkpoint_v2.pt"
# The model's strides; upstream refuses other sides.
_STRIDE = 8
_VISIBLE_ABOVE = 0.5


@dataclass(frozen=True, kw_only=True)
class BootsTapir:
    """Tracker on TAPIR with weights of yours; each window begins anew.

    A point is visible where (1 - occluded) * (1 - far off) is above 0.5, and that product is its confidence, at most
    0.1 where there is no texture to hold on to. Backward errors are not measured.

    Parameters
    ----------
    checkpoint : str
        File of the weights, as torch saves them.
    height, width : int
        Size that frames are brought to, in pixels, multiples of 8; upstream advises 256 or 512.
    pyramid_level : int
        As the weights were trained with; 1 for BootsTAPIR.
    device : str
        "cpu", "cuda" or "cuda:1".
    batch : int
        Windows that are asked about together. Above 1, windows come late, by up to so many.

    Raises
    ------
    SchemaError
        A size that is no multiple of 8, or a batch below 1.

    Examples
    --------
    >>> BootsTapir(height=512, width=512).parameters["height"]
    512
    """

    name: ClassVar[str] = "bootstapir"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"
    pixels: ClassVar[Pixels] = "rgb"

    checkpoint: str = ""
    height: int = 256
    width: int = 256
    pyramid_level: int = 1
    device: str = "cpu"
    batch: int = 1

    def __post_init__(self) -> None:
        expect_at_least_one(f"options of {self.name}", batch=self.batch, height=self.height, width=self.width)
        if self.height % _STRIDE or self.width % _STRIDE:
            message = f"expected multiples of {_STRIDE}, got {self.height} x {self.width}"
            raise SchemaError(Problem("out-of-range", f"options of {self.name}: height, width", message))

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields; of the checkpoint only the name."""
        return {
            "checkpoint": Path(self.checkpoint).name,
            "height": self.height,
            "width": self.width,
            "pyramid_level": self.pyramid_level,
            "device": self.device,
            "batch": self.batch,
        }

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        """Yield the windows of a plan; as `Tracker.windows`.

        Raises
        ------
        SchemaError
            Also a plan that is continuous (`not-continuous`), no checkpoint (`no-checkpoint`), and a device that is
            not there (`no-device`).
        StorageError
            The checkpoint is not there.
        MissingExtraError
            The package `tapnet` is not there (`missing-package`).
        CorruptDataError
            The checkpoint is of another model (`wrong-weights`).
        """
        return follow_whole_windows(frames, plan, self.name, self._ask, self.batch)

    def _ask(self, frames: NDArray[np.uint8], points: NDArray[np.float32]) -> Answer:
        import torch

        model = _model(self.checkpoint, self.pyramid_level, self.device)
        sides = self.height, self.width
        size = FrameSize.from_shape(frames.shape[2:4])
        with torch.no_grad():
            found = model(to_video(frames, *sides, self.device), to_queries(points, size, *sides, self.device))
        # (B, N, T) to (B, T, N).
        tracks = found["tracks"].transpose(1, 2).float().cpu().numpy()
        hidden, far = (torch.sigmoid(found[key].float()) for key in ("occlusion", "expected_dist"))
        sure = ((1 - hidden) * (1 - far)).transpose(1, 2).cpu().numpy()
        return Answer(from_raster(tracks, size, *sides), sure > _VISIBLE_ABOVE, sure)


# A model is large, and a run has one.
@functools.lru_cache(maxsize=1)
def _model(checkpoint: str, pyramid_level: int, device: str) -> Any:  # noqa: ANN401 - a module of torch
    place = checked_device(device)
    found = weights(checkpoint, BootsTapir.name, _SOURCE)
    tapir_model = package_of(_tapir, BootsTapir.name, "tapnet", INSTALL)
    model = tapir_model.TAPIR(pyramid_level=pyramid_level)
    filled(model, found, checkpoint)
    return model.to(place).eval()


def _tapir() -> Any:  # noqa: ANN401 - a module
    from tapnet.torch import tapir_model

    return tapir_model


PLUGIN = BootsTapir()
